/* How a write to each kind of file avoids waiting for a reader:
 *
 *   regular file   a write waits only for the disk
 *   socket         MSG_DONTWAIT applies to one call (journald's stream is a socket)
 *   pipe, terminal it is opened again through /proc, so that O_NONBLOCK is set on an open file of our own
 *   the same, if it cannot be opened again (no /proc, or a pipe of another user): poll, then write. A pipe that poll
 *                  reports as writable has room for PIPE_BUF bytes. Another process may use that room in between;
 *                  then one write waits. The caller's lock prevents this among our own threads.
 */
#include "base/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"

static_assert(SINK_LINE_MAX <= PIPE_BUF, "a pipe takes a line whole or not at all");

static int open_again(int fd) {
  char path[32];
  (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  return open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

void sink_open(struct sink *sink, int fd) {
  struct stat st;
  *sink = (struct sink){.fd = fd, .way = SINK_WRITE};
  if (fstat(fd, &st) != 0) return;
  if (S_ISSOCK(st.st_mode)) sink->way = SINK_SEND;
  if (!S_ISFIFO(st.st_mode) && !isatty(fd)) return;
  int own = open_again(fd);
  if (own >= 0)
    sink->fd = own;
  else
    sink->way = SINK_POLL;
}

static bool has_room(int fd) {
  struct pollfd wait = {.fd = fd, .events = POLLOUT};
  return poll(&wait, 1, 0) > 0; /* also true for an error, which the write then returns */
}

static ssize_t write_once(const struct sink *sink, const char *bytes, size_t len) {
  if (sink->way == SINK_SEND) return send(sink->fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sink->way == SINK_POLL && !has_room(sink->fd)) {
    errno = EAGAIN;
    return -1;
  }
  return write(sink->fd, bytes, len);
}

/* Returns how many bytes were written; 0 with errno set. */
static size_t put(const struct sink *sink, const char *bytes, size_t len) {
  ssize_t wrote;
  do
    wrote = write_once(sink, bytes, len);
  while (wrote < 0 && errno == EINTR);
  return wrote > 0 ? (size_t)wrote : 0;
}

static bool finish_rest(struct sink *sink) {
  if (sink->rest_len == 0) return true;
  size_t done = put(sink, sink->rest, sink->rest_len);
  sink->rest_len -= done;
  memmove(sink->rest, sink->rest + done, sink->rest_len);
  if (sink->rest_len > 0 && done > 0) errno = EAGAIN;
  return sink->rest_len == 0;
}

bool sink_write(struct sink *sink, struct str line) {
  CHECK(sink->way != SINK_UNOPENED && line.len > 0 && line.len <= SINK_LINE_MAX);
  if (!finish_rest(sink)) return false;
  size_t done = put(sink, line.ptr, line.len);
  if (done == 0) return false;
  sink->rest_len = line.len - done;
  memcpy(sink->rest, line.ptr + done, sink->rest_len);
  return true;
}
