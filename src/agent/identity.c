/* The digest covers, in this order: the size of the media (8 bytes, big-endian), the time of writing in seconds
 * (8 bytes, big-endian, two's complement), and content: the whole media up to WHOLE_MAX bytes, else SAMPLE bytes each
 * of head, middle and tail. The media are the spans, one after the other.
 */
#include "agent/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "auth/digest.h"
#include "base/bytes.h"
#include "base/check.h"
#include "base/file.h"

#define WHOLE_MAX (UINT64_C(1) << 20)
#define SAMPLE (UINT64_C(256) << 10)
#define HEAD 16
#define DIGEST_KEPT 16
static_assert(3 * SAMPLE <= WHOLE_MAX, "the samples of media above WHOLE_MAX do not overlap");
static_assert(sizeof "1:" + 2 * DIGEST_KEPT == IDENTITY_SIZE, "an id holds the kept part of the digest");

static int fail_file(const char *path, struct err *err) {
  return err_set_errno(err, file_may_pass(errno) ? ERR_IO : ERR_MEDIA, errno, "%s", path);
}

static int read_span(const struct media_span *span, uint64_t offset, char *out, size_t len, struct err *err) {
  size_t got;
  SCOPED_FD int fd = open(span->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return fail_file(span->path, err);
  int result = file_read(fd, span->path, span->offset + offset, out, len, &got, err);
  if (result != 0 || got == len) return result;
  return err_set(err, ERR_MEDIA, "%s: it became shorter while it was measured", span->path);
}

/* Reads len bytes of the media from a position. */
static int read_media(const struct media_span *spans, size_t count, uint64_t position, char *out, uint64_t len,
                      struct err *err) {
  int result = 0;
  for (size_t i = 0; i < count && len > 0 && result == 0; i++) {
    if (position >= spans[i].size) {
      position -= spans[i].size;
      continue;
    }
    uint64_t here = spans[i].size - position < len ? spans[i].size - position : len;
    result = read_span(&spans[i], position, out, here, err);
    out += here;
    len -= here;
    position = 0;
  }
  return result;
}

static int look(const struct media_span *spans, size_t count, uint64_t *ret_size, int64_t *ret_time_s,
                struct err *err) {
  struct stat st;
  uint64_t size = 0;
  int64_t time_s = INT64_MIN;
  for (size_t i = 0; i < count; i++) {
    bool again = i > 0 && strcmp(spans[i].path, spans[i - 1].path) == 0; /* ranges of one file */
    if (!again && stat(spans[i].path, &st) != 0) return fail_file(spans[i].path, err);
    if (st.st_mtim.tv_sec > time_s) time_s = st.st_mtim.tv_sec;
    size += spans[i].size;
  }
  *ret_size = size;
  *ret_time_s = time_s;
  return 0;
}

int identity_of_begin(const struct media_span *spans, size_t count, uint64_t size, int64_t time_s,
                      char ret_id[IDENTITY_SIZE], struct err *err) {
  CHECK(count > 0);
  SCOPED(buf_fini) struct buf text = {0};
  uint8_t digest[DIGEST_SHA256_SIZE];
  uint64_t all = 0;
  int result = 0;
  for (size_t i = 0; i < count; i++)
    all += spans[i].size;
  if (size > all) return err_set(err, ERR_MEDIA, "%s: it is shorter than what was asked for", spans[0].path);
  bool whole = size <= WHOLE_MAX;
  uint64_t sampled = whole ? size : 3 * SAMPLE;
  char *out = buf_extend(&text, HEAD + sampled);
  if (out == NULL) return err_set(err, ERR_MEMORY, "%s: no memory for its identity", spans[0].path);
  be64_store(out, size);
  be64_store(out + 8, (uint64_t)time_s);
  out += HEAD;
  if (whole) {
    result = read_media(spans, count, 0, out, size, err);
  } else {
    const uint64_t from[] = {0, size / 2 - SAMPLE / 2, size - SAMPLE};
    for (size_t i = 0; i < 3 && result == 0; i++)
      result = read_media(spans, count, from[i], out + i * SAMPLE, SAMPLE, err);
  }
  if (result != 0) return result;
  digest_sha256(buf_view(&text), digest);
  memcpy(ret_id, "1:", 2);
  bytes_hex(digest, DIGEST_KEPT, ret_id + 2);
  return 0;
}

int identity_of_media(const struct media_span *spans, size_t count, char ret_id[IDENTITY_SIZE], int64_t *ret_time_s,
                      struct err *err) {
  CHECK(count > 0);
  uint64_t size = 0;
  int64_t time_s = 0;
  int result = look(spans, count, &size, &time_s, err);
  if (result == 0) result = identity_of_begin(spans, count, size, time_s, ret_id, err);
  if (result == 0) *ret_time_s = time_s;
  return result;
}
