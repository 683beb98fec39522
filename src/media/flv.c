/* Tags lead from one to the next by their sizes. A part that is cut within a tag hides the header behind it from this walk, so
 * headers are searched among all bytes too.
 */
#include "media/flv.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"

#define HEADER 9
#define PREVIOUS 4 /* the size of the tag before, behind each tag and behind the header */
#define TAG 11
#define TAG_SIZE 0xFFFFFFU /* of the first 4 bytes of a tag: its kind and its size */
#define CHUNK ((size_t)1 << 20)

static bool is_header(const uint8_t *bytes, size_t len) { return len >= HEADER && memcmp(bytes, "FLV\x01", 4) == 0; }

static int add(struct flv *flv, uint64_t position, struct err *err) {
  if (flv->count == FLV_PARTS_MAX) return err_set(err, ERR_MEDIA, "it is more than %d files that were joined", FLV_PARTS_MAX);
  flv->starts[flv->count++] = position;
  return 0;
}

static int walk(struct reel *reel, struct flv *ret, struct err *err) {
  uint64_t position = 0, size = reel_size(reel);
  ret->count = 0;
  while (position < size) {
    uint8_t head[TAG];
    size_t got = 0;
    int result = reel_read(reel, position, head, sizeof head, &got, err);
    if (result != 0) return result;
    bool is_new = is_header(head, got);
    if (!is_new && (ret->count == 0 || got < TAG || be32_load(head) == 0)) return 0; /* no tag has kind and size 0 */
    if (is_new) result = add(ret, position, err);
    if (result != 0) return result;
    uint64_t length = is_new ? be32_load(head + 5) : TAG + (be32_load(head) & TAG_SIZE);
    position += (length < HEADER ? HEADER : length) + PREVIOUS;
  }
  return 0;
}

/* A header with its flags for sound and video, its own length, and the size of no tag before. Media do not have these bytes. */
static bool is_surely_header(const uint8_t *bytes) {
  return is_header(bytes, HEADER) && (bytes[4] & 0xFA) == 0 && memcmp(bytes + 5, "\0\0\0\x09\0\0\0\0", 8) == 0;
}

static int check_chunk(const struct flv *flv, const uint8_t *chunk, size_t len, uint64_t position, struct err *err) {
  const uint8_t *at = chunk, *end = chunk + len;
  while ((at = memmem(at, (size_t)(end - at), "FLV\x01", 4)) != NULL && (size_t)(end - at) >= HEADER + PREVIOUS) {
    uint64_t here = position + (uint64_t)(at - chunk);
    size_t i = 0;
    bool is_sure = is_surely_header(at);
    while (is_sure && i < flv->count && flv->starts[i] != here)
      i++;
    if (is_sure && i == flv->count)
      return err_set(err, ERR_MEDIA,
                     "it is truncated or damaged: another file begins within a tag, at byte %llu; record each file by itself",
                     (unsigned long long)here);
    at++;
  }
  return 0;
}

static int search(struct reel *reel, const struct flv *flv, struct err *err) {
  SCOPED_MALLOC uint8_t *chunk = malloc(CHUNK);
  CHECK(chunk != NULL);
  int result = 0;
  for (uint64_t at = 0; at < reel_size(reel) && result == 0; at += CHUNK - HEADER - PREVIOUS) {
    size_t got = 0;
    result = reel_read(reel, at, chunk, CHUNK, &got, err);
    if (result == 0) result = check_chunk(flv, chunk, got, at, err);
  }
  return result;
}

int flv_scan(struct reel *reel, struct flv *ret, struct err *err) {
  int result = walk(reel, ret, err);
  return result == 0 && ret->count > 0 ? search(reel, ret, err) : result;
}
