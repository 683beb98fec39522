/* Writes lines to an inherited file, such as standard error, and never waits for its reader.
 *
 * A pipe or a terminal whose reader has stopped fills up; a line that does not fit is not written. O_NONBLOCK is not
 * set on the inherited file, because other processes share it. One thread at a time uses a sink.
 */
#ifndef CODECMETER_BASE_SINK_H
#define CODECMETER_BASE_SINK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

#define SINK_LINE_MAX ((size_t)4096) /* PIPE_BUF: a pipe accepts such a line whole or not at all */

enum sink_way {
  SINK_UNOPENED,
  SINK_WRITE, /* a write does not wait for a reader: a regular file, /dev/null, or a file of our own */
  SINK_SEND,  /* a socket */
  SINK_POLL,  /* a pipe or terminal that could not be opened again: polled before each write */
};

struct sink {
  int fd; /* written to */
  enum sink_way way;
  size_t rest_len;           /* of a line that was written in part; it goes out before the next one */
  char rest[SINK_LINE_MAX];
};

/* Prepares a sink that writes to `fd`, which must stay open. The sink may open one descriptor more and keep it until
 * the process ends. Never fails. */
void sink_open(struct sink *sink, int fd);

/* Writes a line of at most SINK_LINE_MAX bytes. False: it was not written, and errno says why; EAGAIN: nobody
 * reads. True: it is written, or its first part is, and a later call writes the rest. */
MUST_USE bool sink_write(struct sink *sink, struct str line);

#endif
