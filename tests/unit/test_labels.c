/* Label sets: their canonical form, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "meter/labels.h"

#define X16 "xxxxxxxxxxxxxxxx"

static void test_names_and_values(void **state) {
  (void)state;
  static const char *const good[] = {"a", "team", "show_2", "a" X16 "xxxxxxxxxxxxxxx"};
  static const char *const bad[] = {"", "A", "1a", "_a", "a-b", "a b", "\xc3\xa4", "a" X16 X16};
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) assert_true(label_name_is_valid(str_of(good[i])));
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) assert_false(label_name_is_valid(str_of(bad[i])));
  static const char *const values[] = {"x", " ", "\xe6\x96\xb0", "a=b,c", X16 X16 X16 X16};
  static const char *const no_values[] = {"", "a\nb", "\x7f", "\xff", X16 X16 X16 X16 "x"};
  for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) assert_true(label_value_is_valid(str_of(values[i])));
  for (size_t i = 0; i < sizeof no_values / sizeof no_values[0]; i++)
    assert_false(label_value_is_valid(str_of(no_values[i])));
}

static void test_what_is_wrong_with_a_value(void **state) {
  (void)state;
  static const struct {
    const char *value, *fault;
  } table[] = {
      {"", "is empty"}, {X16 X16 X16 X16 "x", "is longer than 64 bytes"}, {"\xff", "is not UTF-8"},
      {"\xc0\x80", "is not UTF-8"}, {"a\n", "contains a control character"}, {"\xc2\x85", "contains a control character"}};
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
    assert_string_equal(label_value_fault(str_of(table[i].value)), table[i].fault);
  assert_null(label_value_fault(STR("news")));
}

static void test_json(void **state) {
  (void)state;
  static const struct {
    struct str set;
    const char *json;
  } table[] = {{STR(""), "{}"}, {STR("\1a\1x"), "{\"a\":\"x\"}"}, {STR("\1a\3\"\\ \2b2\1="), "{\"a\":\"\\\"\\\\ \",\"b2\":\"=\"}"}};
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
    SCOPED(buf_fini) struct buf out = {0};
    labels_write_json(table[i].set, &out);
    buf_char(&out, '\0');
    assert_string_equal(out.ptr, table[i].json);
  }
}

static void test_the_order_does_not_matter(void **state) {
  (void)state;
  struct label one[] = {{STR("team"), STR("news")}, {STR("show"), STR("a=1")}, {STR("s"), STR("z")}};
  struct label other[] = {{STR("s"), STR("z")}, {STR("show"), STR("a=1")}, {STR("team"), STR("news")}};
  char first[LABELS_SIZE_MAX], second[LABELS_SIZE_MAX];
  size_t first_len, second_len;
  assert_true(labels_encode(one, 3, first, &first_len) && labels_encode(other, 3, second, &second_len));
  struct str set = str_make(first, first_len);
  assert_true(str_equal(set, str_make(second, second_len)) && labels_are_valid(set));
  struct label label;
  assert_true(labels_next(&set, &label) && str_equal(label.name, STR("s")) && str_equal(label.value, STR("z")));
  assert_true(labels_next(&set, &label) && str_equal(label.name, STR("show")));
  assert_true(labels_next(&set, &label) && str_equal(label.value, STR("news")));
  assert_false(labels_next(&set, &label));
  struct label twice[] = {{STR("a"), STR("1")}, {STR("b"), STR("1")}, {STR("a"), STR("2")}};
  assert_false(labels_encode(twice, 3, first, &first_len));
  assert_true(labels_encode(twice, 0, first, &first_len) && first_len == 0);
}

static void test_what_is_no_set(void **state) {
  (void)state;
  static const struct str bad[] = {STR("\1"), STR("\1a"), STR("\1a\1"), STR("\1a\0"), STR("\0\1a"),
                                   STR("\1A\1b"), STR("\1b\1x\1a\1x"), STR("\1a\1x\1a\1y"), STR("\1a\1\n"),
                                   STR("\1a\1x\1b\1x\1c\1x\1d\1x\1e\1x\1f\1x\1g\1x\1h\1x\1i\1x")};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    if (labels_are_valid(bad[i])) fail_msg("set %zu", i);
  }
  assert_true(labels_are_valid(STR("")) && labels_are_valid(STR("\1a\1x\1b\1x\1c\1x\1d\1x\1e\1x\1f\1x\1g\1x\1h\1x")));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_names_and_values),
                                     cmocka_unit_test(test_what_is_wrong_with_a_value), cmocka_unit_test(test_json),
                                     cmocka_unit_test(test_the_order_does_not_matter),
                                     cmocka_unit_test(test_what_is_no_set)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
