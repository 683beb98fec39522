/* Files of Flash video that were joined, made here of a few tags. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "media/flv.h"

#define ROOM 4096

/* H: a header. t: a tag of 20 bytes of media. c: such a tag, of which 5 bytes are there. f: a tag whose media are "FLV\x01" and
 * something else. x: 20 bytes that are nothing. */
struct table {
  const char *name, *parts;
  int result;
  size_t count;
};

static size_t make_part(char part, uint8_t *out) {
  static const uint8_t header[13] = "FLV\x01\x05\0\0\0\x09\0\0\0", tag[11] = {9, 0, 0, 20};
  memset(out, 0x55, 64);
  memcpy(out, part == 'H' ? header : tag, part == 'H' ? sizeof header : sizeof tag);
  if (part == 'f') memcpy(out + 11, "FLV\x01\x05\0\0\0\x08\0\0\0\0", 13);
  if (part == 'x') memset(out, 0, 11);
  return part == 'H' ? 13 : part == 'c' ? 16 : part == 'x' ? 20 : 35;
}

static void check(const struct table *table) {
  char path[] = "/tmp/test_flv.XXXXXX";
  uint8_t bytes[ROOM];
  uint64_t starts[8] = {0};
  size_t len = 0, headers = 0;
  for (const char *part = table->parts; *part != '\0'; part++) {
    if (*part == 'H') starts[headers++] = len;
    len += make_part(*part, bytes + len);
  }
  int fd = mkstemp(path);
  assert_true(write(fd, bytes, len) == (ssize_t)len);
  const struct media_span span = {.path = path, .size = len};
  struct reel *reel = reel_open(NULL, &span, 1);
  static struct flv flv;
  struct err err;
  int result = flv_scan(reel, &flv, &err);
  if (result != table->result || (result == 0 && flv.count != table->count))
    fail_msg("%s: result %d, %zu parts", table->name, result, flv.count);
  for (size_t i = 0; result == 0 && i < flv.count; i++)
    assert_int_equal(flv.starts[i], starts[i]);
  reel_close(reel);
  (void)close(fd);
  (void)unlink(path);
}

static void test_tables(void **state) {
  (void)state;
  const struct table tables[] = {
      {"nothing", "", 0, 0},
      {"no header", "tt", 0, 0},
      {"a header within a tag", "HtcHtt", -ERR_MEDIA, 0},
      {"a header behind bytes that are no tag", "HtxHt", -ERR_MEDIA, 0},
      {"one file", "Htt", 0, 1},
      {"a file that is cut", "Htc", 0, 1},
      {"two files", "HttHt", 0, 2},
      {"three files, the second without media", "HtHHt", 0, 3},
      {"media that look like a header", "HfHf", 0, 2},
  };
  for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
    check(&tables[i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_tables)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
