/* A RIFF file is a list of chunks: four letters, a size, as many bytes, and a byte more if the size is odd. Each picture of an
 * animation is a chunk ANMF, with its place on the canvas and its duration. Bytes behind the RIFF chunk are no part of it.
 */
#include "media/webp.h"

#include <string.h>

#include "base/check.h"
#include "media/window.h"

#define CHUNK 8        /* letters and size */
#define HEAD 30        /* "RIFF", size, "WEBP", the chunk VP8X */
#define FLAGS 20       /* of VP8X: where they are in the head */
#define IS_ANIMATION 2
#define CANVAS 24      /* width - 1 and height - 1 in the head */
#define PICTURE 16     /* bytes of ANMF before the picture's own chunks */

static uint32_t le(const char *bytes, size_t count) {
  uint32_t value = 0;
  for (size_t i = count; i > 0; i--)
    value = value << 8 | (unsigned char)bytes[i - 1];
  return value;
}

static int damaged(uint64_t position, const char *why, struct err *err) {
  return err_set(err, ERR_MEDIA, "the picture at byte %llu %s; the file is damaged", (unsigned long long)position, why);
}

/* bytes: of an ANMF chunk, behind its header. */
static int see_picture(struct webp *webp, const char *bytes, uint64_t size, uint64_t position, struct err *err) {
  if (size < PICTURE + CHUNK) return damaged(position, "holds nothing", err);
  uint64_t right = UINT64_C(2) * le(bytes, 3) + le(bytes + 6, 3) + 1, bottom = UINT64_C(2) * le(bytes + 3, 3) + le(bytes + 9, 3) + 1;
  if (right > webp->width || bottom > webp->height) return damaged(position, "is larger than the canvas", err);
  uint32_t duration_ms = le(bytes + 12, 3);
  if (webp->pictures == 0) webp->each_ms = duration_ms;
  if (duration_ms != webp->each_ms) webp->each_ms = 0;
  webp->pictures++;
  webp->duration_ms += duration_ms;
  return 0;
}

/* Sees the chunk at a position, and moves the position behind it. */
static int see_chunk(struct window *window, uint64_t end, uint64_t *position, struct webp *webp, struct err *err) {
  const char *bytes;
  int result = window_view(window, *position, CHUNK, &bytes, err);
  if (result != 0) return result;
  bool is_picture = memcmp(bytes, "ANMF", 4) == 0;
  uint64_t start = *position, size = le(bytes + 4, 4), left = end - start - CHUNK;
  *position = start + CHUNK + size + (size & 1);
  if (size > left) webp->is_cut = true;
  if (size > left || !is_picture) return 0;
  size_t take = size < PICTURE ? (size_t)size : PICTURE;
  result = window_view(window, start + CHUNK, take, &bytes, err);
  return result == 0 ? see_picture(webp, bytes, size, start, err) : result;
}

static int read_chunks(struct reel *reel, uint64_t end, struct webp *webp, struct err *err) {
  struct window window;
  uint64_t position = HEAD;
  int result = 0;
  window_init(&window, reel, WINDOW_HEADERS);
  while (result == 0 && position + CHUNK <= end)
    result = see_chunk(&window, end, &position, webp, err);
  window_fini(&window);
  return result;
}

int webp_read(struct reel *reel, struct webp *ret, struct err *err) {
  char head[HEAD];
  size_t got = 0;
  *ret = (struct webp){.is_moving = false};
  int result = reel_read(reel, 0, head, sizeof head, &got, err);
  if (result != 0 || got < sizeof head) return result;
  bool is_extended = memcmp(head, "RIFF", 4) == 0 && memcmp(head + 8, "WEBPVP8X\x0A\0\0\0", 12) == 0;
  if (!is_extended || (head[FLAGS] & IS_ANIMATION) == 0) return 0;
  uint64_t size = reel_size(reel), end = CHUNK + (uint64_t)le(head + 4, 4);
  ret->is_moving = true;
  ret->width = le(head + CANVAS, 3) + 1;
  ret->height = le(head + CANVAS + 3, 3) + 1;
  ret->is_cut = end > size;
  char next[4];
  result = reel_read(reel, end + (end & 1), next, sizeof next, &got, err);
  if (result != 0) return result;
  ret->is_joined = got == sizeof next && memcmp(next, "RIFF", 4) == 0;
  return read_chunks(reel, end < size ? end : size, ret, err);
}
