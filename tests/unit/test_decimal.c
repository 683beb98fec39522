/* base/decimal: what is a number, and its digits; test_json.c and test_amount.c test what is made of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/decimal.h"

static void test_bad(void **unused) {
  (void)unused;
  static const char *const bad[] = {"",    "-",    "+1",   ".5",  "1.",  "01",  "00",  "-01", "1e",   "1e+", "1e-", "1E+", "1.e5", "e5",
                                    " 1",  "1 ",   "1,5",  "0x1", "1.2.3", "1e5.0", "1e5e5", "--1", "1-", "NaN", "Infinity", "1_0", "\xEF\xBC\x91"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    struct decimal number = {.point = 77};
    if (decimal_parse(str_of(bad[i]), &number) || number.point != 77) fail_msg("'%s' is taken", bad[i]);
  }
  struct decimal number;
  assert_false(decimal_parse(str_make("1\0", 2), &number));
}

static void test_good(void **unused) {
  (void)unused;
  static const struct {
    const char *text, *digits;
    bool is_negative;
    int64_t point; /* of zero: not said */
  } rows[] = {
      {"0", "", false, 0},          {"-0", "", true, 0},        {"0.00", "", false, 0},         {"0e7", "", false, 0},
      {"1", "1", false, 1},         {"-1", "1", true, 1},       {"100", "1", false, 3},         {"100.0", "1", false, 3},
      {"0.001", "1", false, -2},    {"0.0010", "1", false, -2}, {"10.01", "1001", false, 2},    {"0.5e1", "5", false, 1},
      {"12.50e-3", "125", false, -1}, {"1E+2", "1", false, 3},  {"1e-2", "1", false, -1},       {"1e00", "1", false, 1},
      {"1e0099", "1", false, 100},  {"9007199254740993", "9007199254740993", false, 16},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct decimal number;
    if (!decimal_parse(str_of(rows[i].text), &number)) fail_msg("'%s' is refused", rows[i].text);
    char digits[32] = "";
    for (int64_t d = 0; d < decimal_digits(&number); d++) digits[d] = (char)('0' + decimal_digit(&number, d));
    if (strcmp(digits, rows[i].digits) != 0) fail_msg("'%s' has the digits '%s'", rows[i].text, digits);
    if (number.is_negative != rows[i].is_negative) fail_msg("'%s' has the wrong sign", rows[i].text);
    if (digits[0] != '\0' && number.point != rows[i].point)
      fail_msg("'%s' has its point at %lld", rows[i].text, (long long)number.point);
    assert_int_equal(decimal_digit(&number, decimal_digits(&number)), 0);
    assert_int_equal(decimal_digit(&number, INT64_MAX), 0);
  }
}

static void test_far(void **unused) {
  (void)unused;
  struct decimal number;
  assert_true(decimal_parse(STR("1e99999999999999999999999"), &number) && number.point >= 100000000);
  assert_true(decimal_parse(STR("1e-99999999999999999999999"), &number) && number.point <= -100000000 + 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_bad), cmocka_unit_test(test_good), cmocka_unit_test(test_far)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
