/* Animated WebP files that are made here, chunk by chunk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "media/webp.h"

#define ROOM 4096
#define CANVAS 100 /* both sides */

struct chunk {
  const char *name; /* NULL: the end */
  uint32_t stated;  /* size in the header; 0: as many bytes as there are */
  uint32_t size;
  uint32_t x, side, duration_ms; /* of ANMF; x in pixels, even */
};

struct table {
  const char *name, *behind; /* behind: bytes after the RIFF chunk */
  uint32_t flags;
  uint32_t cut;              /* bytes that are missing at the end */
  int result;
  bool is_moving, is_cut, is_joined;
  uint64_t pictures, duration_ms;
  uint32_t each_ms;
  struct chunk chunks[6];
};

static void put(uint8_t *out, uint32_t value, size_t count) {
  for (size_t i = 0; i < count; i++)
    out[i] = (uint8_t)(value >> 8 * i);
}

static size_t make_chunk(const struct chunk *chunk, uint8_t *out) {
  memcpy(out, chunk->name, 4);
  put(out + 4, chunk->stated != 0 ? chunk->stated : chunk->size, 4);
  if (chunk->size >= 16) {
    put(out + 8, chunk->x / 2, 3);
    put(out + 14, chunk->side - 1, 3);
    put(out + 17, chunk->side - 1, 3);
    put(out + 20, chunk->duration_ms, 3);
  }
  return 8 + chunk->size + chunk->size % 2;
}

static size_t make(const struct table *table, uint8_t *out) {
  memcpy(out, "RIFF....WEBPVP8X\x0A\0\0\0", 20);
  put(out + 20, table->flags, 4);
  put(out + 24, CANVAS - 1, 3);
  put(out + 27, CANVAS - 1, 3);
  size_t len = 30;
  for (const struct chunk *chunk = table->chunks; chunk->name != NULL; chunk++)
    len += make_chunk(chunk, out + len);
  put(out + 4, (uint32_t)len - 8, 4);
  len -= table->cut;
  if (table->behind != NULL) memcpy(out + len, table->behind, strlen(table->behind));
  return len + (table->behind != NULL ? strlen(table->behind) : 0);
}

static void check(const struct table *table) {
  char path[] = "/tmp/test_webp.XXXXXX";
  uint8_t bytes[ROOM] = {0};
  size_t len = make(table, bytes);
  int fd = mkstemp(path);
  assert_true(write(fd, bytes, len) == (ssize_t)len);
  const struct media_span span = {.path = path, .size = len};
  struct reel *reel = reel_open(NULL, &span, 1);
  struct webp webp;
  struct err err;
  int result = webp_read(reel, &webp, &err);
  bool is_right = result == table->result && webp.is_moving == table->is_moving;
  if (result == 0 && webp.is_moving)
    is_right = is_right && webp.is_cut == table->is_cut && webp.is_joined == table->is_joined && webp.width == CANVAS &&
               webp.height == CANVAS && webp.pictures == table->pictures && webp.duration_ms == table->duration_ms &&
               webp.each_ms == table->each_ms;
  if (!is_right)
    fail_msg("%s: result %d, is_moving %d, is_cut %d, is_joined %d, %llu pictures, %llu ms, each %u", table->name, result,
             webp.is_moving, webp.is_cut, webp.is_joined, (unsigned long long)webp.pictures,
             (unsigned long long)webp.duration_ms, webp.each_ms);
  reel_close(reel);
  (void)close(fd);
  (void)unlink(path);
}

#define FRAME(MS) {"ANMF", 0, 24, 0, CANVAS, MS}
#define ANIM {"ANIM", 0, 6, 0, 0, 0}

static void test_tables(void **state) {
  (void)state;
  const struct table tables[] = {
      {"a still picture", NULL, 0, 0, 0, false, false, false, 0, 0, 0, {FRAME(100)}},
      {"a picture that holds nothing", NULL, 2, 0, -ERR_MEDIA, true, false, false, 0, 0, 0, {ANIM, {"ANMF", 0, 16, 0, CANVAS, 1}}},
      {"a picture of no bytes", NULL, 2, 0, -ERR_MEDIA, true, false, false, 0, 0, 0, {ANIM, {"ANMF", 0, 0, 0, 0, 0}}},
      {"a picture beside the canvas", NULL, 2, 0, -ERR_MEDIA, true, false, false, 0, 0, 0, {ANIM, {"ANMF", 0, 24, 2, CANVAS, 1}}},
      {"a size beyond the end", NULL, 2, 0, 0, true, true, false, 1, 40, 40, {FRAME(40), {"ANMF", 500, 24, 0, CANVAS, 40}}},
      {"the largest size", NULL, 2, 0, 0, true, true, false, 1, 40, 40, {FRAME(40), {"ANMF", UINT32_MAX, 24, 0, CANVAS, 40}}},
      {"cut within a picture", NULL, 2, 10, 0, true, true, false, 1, 40, 40, {FRAME(40), FRAME(40)}},
      {"cut between two pictures", NULL, 2, 32, 0, true, true, false, 1, 40, 40, {FRAME(40), FRAME(40)}},
      {"joined", "RIFF", 2, 0, 0, true, false, true, 1, 40, 40, {FRAME(40)}},
      {"no picture", NULL, 2, 0, 0, true, false, false, 0, 0, 0, {ANIM}},
      {"two pictures", NULL, 2, 0, 0, true, false, false, 2, 80, 40, {ANIM, FRAME(40), FRAME(40)}},
      {"pictures of several durations", NULL, 2, 0, 0, true, false, false, 3, 2080, 0, {ANIM, FRAME(40), FRAME(2000), FRAME(40)}},
      {"other chunks, one of odd size", NULL, 2, 0, 0, true, false, false, 2, 80, 40, {ANIM, FRAME(40), {"EXIF", 0, 7, 0, 0, 0}, FRAME(40)}},
      {"bytes behind the end", "xyz", 2, 0, 0, true, false, false, 2, 80, 40, {ANIM, FRAME(40), FRAME(40)}},
      {"the longest duration", NULL, 2, 0, 0, true, false, false, 1, 0xFFFFFF, 0xFFFFFF, {FRAME(0xFFFFFF)}},
  };
  for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
    check(&tables[i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_tables)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
