/* Slices, buffers, UTF-8, integers, words; and the arena. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/bytes.h"

static void test_utf8(void **state) {
  (void)state;
  static const struct str bad[] = {
      STR("\x80"), STR("\xBF"), STR("\xC0\x80"), STR("\xC1\xBF"), STR("\xC2"), STR("\xC2\x41"), STR("\xE0\x80\x80"),
      STR("\xE0\x9F\xBF"), STR("\xE4\xBD"), STR("\xED\xA0\x80"), STR("\xED\xBF\xBF"), STR("\xF0\x80\x80\x80"),
      STR("\xF0\x8F\xBF\xBF"), STR("\xF4\x90\x80\x80"), STR("\xF5\x80\x80\x80"), STR("\xFE"), STR("\xFF"),
      STR("\xF8\x88\x80\x80\x80"), STR("12345678\xFF"), STR("1234567\xE4\xBD"), STR("\xE4\xBD\xA0\xE5"),
  };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    if (str_is_utf8(bad[i])) fail_msg("row %zu is UTF-8", i);
  }
  static const struct str good[] = {STR(""), STR("\0"), STR("a"), STR("\x7F"), STR("\xC2\x80"), STR("\xDF\xBF"),
                                    STR("\xE0\xA0\x80"), STR("\xED\x9F\xBF"), STR("\xEE\x80\x80"), STR("\xEF\xBF\xBF"),
                                    STR("\xF0\x90\x80\x80"), STR("\xF4\x8F\xBF\xBF"), STR("12345678\xE4\xBD\xA0 12345678")};
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
    if (!str_is_utf8(good[i])) fail_msg("row %zu is not UTF-8", i);
  }
}

static void test_control(void **state) {
  (void)state;
  static const struct str with[] = {STR("\0"), STR("a\nb"), STR("\x1F"), STR("\x7F"), STR("x\xC2\x80"), STR("\xC2\x9F")};
  static const struct str without[] = {STR(""), STR(" "), STR("a"), STR("\xC2\xA0"), STR("\xE4\xBD\xA0"), STR("\xC3\x80")};
  for (size_t i = 0; i < sizeof with / sizeof with[0]; i++) assert_true(str_has_control(with[i]));
  for (size_t i = 0; i < sizeof without / sizeof without[0]; i++) assert_false(str_has_control(without[i]));
}

static void test_printable(void **state) {
  (void)state;
  static const struct {
    struct str text;
    const char *shown;
  } rows[] = {
      {STR(""), ""}, {STR("a b\\n%"), "a b\\n%"}, {STR("\xE4\xBD\xA0 \xF0\x90\x80\x80"), "\xE4\xBD\xA0 \xF0\x90\x80\x80"},
      {STR("a\nb\r"), "a\\x0ab\\x0d"}, {STR("\x1B[2J"), "\\x1b[2J"}, {STR("\x7F"), "\\x7f"}, {STR("\xC2\x9B\xC2\xA0"), "\\xc2\\x9b\xC2\xA0"},
      {STR("\x9B\xFF"), "\\x9b\\xff"}, {STR("cut \xE4\xBD"), "cut \\xe4\\xbd"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    char *shown = str_printable(rows[i].text);
    assert_string_equal(shown, rows[i].shown);
    free(shown);
  }
}

static void test_integers(void **state) {
  (void)state;
  static const char *const bad[] = {"", "-", "+1", " 1", "1 ", "1e9", "0x10", "1.0", "abc", "--1", "1-", "9223372036854775808",
                                    "-9223372036854775809", "15002208000000000000", "\xD9\xA1"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    int64_t value = 7;
    if (str_to_i64(str_of(bad[i]), &value)) fail_msg("'%s'", bad[i]);
    assert_int_equal(value, 7);
  }
  static const struct {
    const char *text;
    int64_t value;
  } rows[] = {{"0", 0}, {"-0", 0}, {"007", 7}, {"-1", -1}, {"9223372036854775807", INT64_MAX},
              {"-9223372036854775808", INT64_MIN}, {"000000000000000000000000000001", 1}};
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    int64_t value = 7;
    if (!str_to_i64(str_of(rows[i].text), &value) || value != rows[i].value) fail_msg("'%s'", rows[i].text);
  }
  uint64_t value = 7;
  assert_false(str_to_u64(STR("-1"), &value));
  assert_false(str_to_u64(STR("18446744073709551616"), &value));
  assert_true(value == 7 && str_to_u64(STR("18446744073709551615"), &value) && value == UINT64_MAX);
}

static void test_slices(void **state) {
  (void)state;
  assert_true(str_equal(STR(""), str_make(NULL, 0)) && str_equal(STR("a\0b"), STR("a\0b")));
  assert_false(str_equal(STR("a\0b"), STR("a\0c")));
  assert_true(str_equal_nocase(STR("BeginTime"), STR("begintime")) && !str_equal_nocase(STR("\xC3\x84"), STR("\xC3\xA4")));
  assert_true(str_compare(STR("Url.10"), STR("Url.2")) < 0 && str_compare(STR("a"), STR("ab")) < 0);
  assert_true(str_compare(STR("B"), STR("a")) < 0 && str_compare(STR("\xFF"), STR("a")) > 0 && str_compare(STR(""), STR("")) == 0);
  assert_true(str_compare_nocase(STR("B"), STR("a")) > 0 && str_compare_nocase(STR("Ab"), STR("aB")) == 0);
  assert_true(str_equal(str_trim(STR(" \t\r\n\f\va b ")), STR("a b")) && str_trim(STR("  ")).len == 0);
  struct str rest = STR("a,,b");
  assert_true(str_equal(str_cut(&rest, ','), STR("a")) && str_equal(rest, STR(",b")));
  assert_true(str_cut(&rest, ',').len == 0 && str_equal(rest, STR("b")));
  assert_true(str_equal(str_cut(&rest, ','), STR("b")) && rest.len == 0);
  assert_true(str_cut(&rest, ',').len == 0 && rest.len == 0);
  assert_true(str_starts(STR("abc"), STR("ab")) && str_starts(STR("a"), STR("")) && !str_starts(STR("a"), STR("ab")));
  char out[4] = "xyz";
  assert_false(str_copy(STR("abcd"), out, sizeof out));
  assert_string_equal(out, "xyz");
  assert_true(str_copy(STR("abc"), out, sizeof out) && str_copy(STR(""), out, 1));
  assert_string_equal(out, "");
  assert_true(bytes_equal_constant_time("abc", "abc", 3) && !bytes_equal_constant_time("abc", "abd", 3));
  assert_true(bytes_equal_constant_time("a", "b", 0));
  char hex[7];
  bytes_hex("\x00\xAF\x09", 3, hex);
  assert_string_equal(hex, "00af09");
  char secret[8] = "secret!";
  bytes_wipe(secret, sizeof secret);
  for (size_t i = 0; i < sizeof secret; i++) assert_int_equal(secret[i], 0);
}

static void test_buffers(void **state) {
  (void)state;
  struct buf buf = {.limit = 10};
  buf_text(&buf, "12345");
  buf_i64(&buf, -123);
  assert_true(str_equal(buf_view(&buf), STR("12345-123")) && !buf.failed);
  buf_text(&buf, "ab");
  assert_true(buf.failed && buf.len <= 10);
  buf_char(&buf, 'x');
  assert_true(buf.failed && buf_extend(&buf, 1) == NULL);
  buf_clear(&buf);
  assert_true(!buf.failed && buf.len == 0);
  buf_u64(&buf, 1);
  buf_printf(&buf, "%s-%d", "a", 7);
  assert_true(str_equal(buf_view(&buf), STR("1a-7")));
  buf_fini(&buf);

  struct buf numbers = {0};
  buf_i64(&numbers, INT64_MIN);
  buf_char(&numbers, ' ');
  buf_u64(&numbers, UINT64_MAX);
  buf_char(&numbers, ' ');
  buf_u64(&numbers, 0);
  assert_true(str_equal(buf_view(&numbers), STR("-9223372036854775808 18446744073709551615 0")));
  for (int i = 0; i < 100000; i++) buf_char(&numbers, 'x');
  assert_true(!numbers.failed && numbers.len == 100043);
  buf_fini(&numbers);
}

static void test_words(void **state) {
  (void)state;
  unsigned char bytes[9] = {0};
  le32_store(bytes + 1, 0x01020304);
  assert_memory_equal(bytes, "\0\4\3\2\1", 5);
  be64_store(bytes + 1, UINT64_C(0x0102030405060708));
  assert_memory_equal(bytes, "\0\1\2\3\4\5\6\7\10", 9);
  assert_true(be64_load(bytes + 1) == UINT64_C(0x0102030405060708) && be16_load(bytes + 1) == 0x0102);
}

static void test_arena(void **state) {
  (void)state;
  struct arena *arena = arena_new(100000);
  assert_null(arena_alloc(arena, 100001));
  volatile size_t huge = SIZE_MAX;  // volatile, or the compiler knows it and warns of it
  assert_null(arena_alloc(arena, huge));
  assert_null(arena_alloc(arena, huge - 8));
  for (int round = 0; round < 3; round++) {
    size_t given = 0;
    for (char *at = arena_alloc(arena, 100); at != NULL; at = arena_alloc(arena, 100)) {
      assert_int_equal((uintptr_t)at % 16, 0);
      for (int i = 0; i < 100; i++) assert_int_equal(at[i], 0);
      memset(at, 0xA5, 100);
      given += 100;
    }
    assert_true(given > 80000 && arena_used(arena) <= 100000);
    arena_reset(arena);
    assert_int_equal(arena_used(arena), 0);
  }
  struct str copy = arena_copy(arena, STR("a\0b"));
  assert_true(str_equal(copy, STR("a\0b")) && copy.ptr[3] == '\0');
  arena_free(arena);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_utf8),    cmocka_unit_test(test_control), cmocka_unit_test(test_printable),
      cmocka_unit_test(test_integers),
      cmocka_unit_test(test_slices),  cmocka_unit_test(test_buffers), cmocka_unit_test(test_words),
      cmocka_unit_test(test_arena),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
