/* What is imported: events out of ndjson or CSV, one after the other, with their places in the file.
 *
 * Never more than a line or a row is held, and of those no more than IMPORT_ROW_MAX bytes: what is longer is passed
 * over and handed out as refused. A byte order mark and blank lines do not count. For users: docs/import.md.
 */
#ifndef CODECMETER_IMPORT_SOURCE_H
#define CODECMETER_IMPORT_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

#define IMPORT_ROW_MAX ((size_t)1 << 20)

enum import_format { IMPORT_NDJSON, IMPORT_CSV };

struct import_source_options {
  int fd;           /* borrowed; read from where it stands */
  const char *name; /* for messages */
  enum import_format format;
  const char *source, *project; /* of rows of CSV that name none; may be NULL */
};

struct import_event {
  uint64_t line; /* on which it begins, from 1 */
  struct str
      text; /* the event in JSON, on one line; of one that is refused, what stands in the file, if it was held */
  struct str refusal; /* why it cannot be sent; empty when it can */
};

struct import_source;

/* Reads the header of CSV. -ERR_USAGE names a column that is not known, or one that is missing. As
 * import_source_next. */
MUST_USE int import_source_open(const struct import_source_options *options, struct import_source **ret,
                                struct err *err);
void import_source_close(struct import_source *source);
SCOPED_REF(struct import_source, import_source_close)

/* Goes on at a place that was import_source_offset and _line. The file must be one that can be sought. */
MUST_USE int import_source_seek(struct import_source *source, uint64_t offset, uint64_t line, struct err *err);

/* The next event; its texts are valid until the next call. *ret_is_end: there is none. -ERR_IO; -ERR_STOPPING when
 * stopping is wanted (stop.h) while nothing is there to be read. */
MUST_USE int import_source_next(struct import_source *source, struct import_event *ret, bool *ret_is_end,
                                struct err *err);

/* Bytes of the file up to the end of what was handed out, and the number of the line that begins there. */
uint64_t import_source_offset(const struct import_source *source);
uint64_t import_source_line(const struct import_source *source);

#endif
