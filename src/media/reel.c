/* One descriptor is open at a time, because a list may have 100,000 segments. A demuxer reads forward, so the span of the
 * last read is tried first.
 */
#include "media/reel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/file.h"

media_progress_function codecmeter_media_on_progress; /* set by media/load.c */

struct reel {
  const struct media_span **spans;
  uint64_t *starts; /* position of each span in the reel; starts[count] is the size */
  size_t count;
  size_t current; /* the span whose file is open */
  int fd;         /* -1: none is open */
  int trouble;
};

struct reel *reel_open(const struct media_span *init, const struct media_span *spans, size_t count) {
  struct reel *reel = calloc(1, sizeof *reel);
  CHECK(reel != NULL);
  reel->spans = calloc(count + 1, sizeof *reel->spans);
  reel->starts = calloc(count + 2, sizeof *reel->starts);
  CHECK(reel->spans != NULL && reel->starts != NULL);
  reel->fd = -1;
  if (init != NULL) reel->spans[reel->count++] = init;
  for (size_t i = 0; i < count; i++)
    reel->spans[reel->count++] = &spans[i];
  for (size_t i = 0; i < reel->count; i++)
    reel->starts[i + 1] = reel->starts[i] + reel->spans[i]->size;
  return reel;
}

void reel_close(struct reel *reel) {
  if (reel == NULL) return;
  if (reel->fd >= 0) (void)close(reel->fd);
  free(reel->spans);
  free(reel->starts);
  free(reel);
}

uint64_t reel_size(const struct reel *reel) { return reel->starts[reel->count]; }

int reel_trouble(const struct reel *reel) { return reel->trouble; }

static int fail(struct reel *reel, const char *path, int code, struct err *err) {
  bool may_pass = file_may_pass(code);
  if (may_pass && reel->trouble == 0) reel->trouble = code;
  return err_set_errno(err, may_pass ? ERR_IO : ERR_MEDIA, code, "%s", path);
}

static int open_span(struct reel *reel, size_t index, struct err *err) {
  const char *path = reel->spans[index]->path;
  struct stat st;
  if (reel->fd >= 0 && strcmp(path, reel->spans[reel->current]->path) == 0) {
    reel->current = index;
    return 0;
  }
  if (reel->fd >= 0) (void)close(reel->fd);
  reel->fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (reel->fd < 0 || fstat(reel->fd, &st) != 0) return fail(reel, path, errno, err);
  reel->current = index;
  if (S_ISREG(st.st_mode)) return 0;
  (void)close(reel->fd);
  reel->fd = -1;
  return err_set(err, ERR_MEDIA, "%s: not a regular file", path);
}

/* The span that holds a position before the end. */
static size_t find(const struct reel *reel, uint64_t position) {
  if (position >= reel->starts[reel->current] && position < reel->starts[reel->current + 1]) return reel->current;
  size_t low = 0, high = reel->count;
  while (high - low > 1) {
    size_t middle = low + (high - low) / 2;
    if (reel->starts[middle] <= position)
      low = middle;
    else
      high = middle;
  }
  return low;
}

/* All spans up to `position` that are empty were passed by find, which returns the last one that starts there. */
static int read_span(struct reel *reel, uint64_t position, char *out, size_t len, size_t *ret_got, struct err *err) {
  size_t index = find(reel, position);
  const struct media_span *span = reel->spans[index];
  uint64_t within = position - reel->starts[index], rest = span->size - within;
  size_t want = rest < len ? (size_t)rest : len;
  int result = reel->fd >= 0 && index == reel->current ? 0 : open_span(reel, index, err);
  if (result != 0) return result;
  size_t got = 0;
  while (got < want) {
    ssize_t now = pread(reel->fd, out + got, want - got, (off_t)(span->offset + within + got));
    if (now < 0 && errno == EINTR) continue;
    if (now < 0) return fail(reel, span->path, errno, err);
    if (now == 0) return err_set(err, ERR_MEDIA, "%s: it is shorter than expected", span->path);
    got += (size_t)now;
  }
  *ret_got = got;
  return 0;
}

int reel_read(struct reel *reel, uint64_t position, void *ret, size_t len, size_t *ret_got, struct err *err) {
  size_t got = 0;
  int result = 0;
  if (codecmeter_media_on_progress != NULL) codecmeter_media_on_progress();
  while (got < len && position + got < reel_size(reel) && result == 0) {
    size_t now = 0;
    result = read_span(reel, position + got, (char *)ret + got, len - got, &now, err);
    got += now;
  }
  *ret_got = got;
  return result;
}
