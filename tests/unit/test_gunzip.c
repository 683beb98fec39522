/* Bodies in gzip: whole, cut, damaged, and bombs. */
#include "ingest/read/gunzip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#include "base/scope.h"

static void compress_text(struct str plain, struct buf *out) {
  z_stream stream = {0};
  assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  size_t bound = deflateBound(&stream, plain.len);
  char *at = buf_extend(out, bound);
  assert_non_null(at);
  stream.next_in = (unsigned char *)(uintptr_t)plain.ptr;
  stream.avail_in = (unsigned)plain.len;
  stream.next_out = (unsigned char *)at;
  stream.avail_out = (unsigned)bound;
  assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out->len -= stream.avail_out;
  (void)deflateEnd(&stream);
}

static const struct str text = STR("hello world, hello world, hello world");

static int inflate_text(struct str zipped, size_t max, struct buf *out) {
  struct err err = {0};
  buf_clear(out);
  int result = gunzip(zipped, max, out, &err);
  assert_true(result == 0 || err.text[0] != '\0');
  return result;
}

static void test_members(void **state) {
  (void)state;
  SCOPED(buf_fini) struct buf packed = {0};
  SCOPED(buf_fini) struct buf out = {0};
  compress_text(STR("hello "), &packed);
  compress_text(STR(""), &packed);
  compress_text(STR("world"), &packed);
  assert_int_equal(inflate_text(buf_view(&packed), 11, &out), 0);
  assert_true(str_equal(buf_view(&out), STR("hello world")));
  assert_int_equal(inflate_text(buf_view(&packed), 10, &out), -ERR_LIMIT);
}

static void test_cut_and_damaged(void **state) {
  (void)state;
  SCOPED(buf_fini) struct buf packed = {0};
  SCOPED(buf_fini) struct buf out = {0};
  compress_text(text, &packed);
  for (size_t len = 0; len < packed.len; len++) {
    assert_int_equal(inflate_text(str_make(packed.ptr, len), 1000, &out), -ERR_PARSE);
  }
  for (size_t at = 10; at < packed.len; at++) { /* the header's own bytes are not checked by anybody */
    packed.ptr[at] ^= 0x20;
    int result = inflate_text(buf_view(&packed), 1000, &out);
    /* Bits that pad the last byte of the data mean nothing. */
    bool is_same = result == 0 && str_equal(buf_view(&out), text);
    assert_true(is_same || result == -ERR_PARSE || result == -ERR_LIMIT);
    packed.ptr[at] ^= 0x20;
  }
  buf_char(&packed, 'x');
  assert_int_equal(inflate_text(buf_view(&packed), 1000, &out), -ERR_PARSE);
  assert_int_equal(inflate_text(STR("{\"id\":1}"), 1000, &out), -ERR_PARSE);
}

/* A thousand times its size, and no more memory than was allowed. */
static void test_bomb(void **state) {
  (void)state;
  const size_t size = (size_t)64 << 20, max = (size_t)1 << 20;
  SCOPED_MALLOC char *zeros = calloc(1, size);
  assert_non_null(zeros);
  SCOPED(buf_fini) struct buf packed = {0};
  SCOPED(buf_fini) struct buf out = {0};
  compress_text(str_make(zeros, size), &packed);
  assert_int_equal(inflate_text(buf_view(&packed), max, &out), -ERR_LIMIT);
  assert_true(out.cap <= 4 * max);
  assert_int_equal(inflate_text(buf_view(&packed), size - 1, &out), -ERR_LIMIT);
  assert_int_equal(inflate_text(buf_view(&packed), size, &out), 0);
  assert_int_equal(out.len, size);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_members),
      cmocka_unit_test(test_cut_and_damaged),
      cmocka_unit_test(test_bomb),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
