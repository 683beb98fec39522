/* Frame rates as people and programs write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "meter/frame_rate.h"

static void test_reading(void **state) {
  (void)state;
  static const struct {
    const char *text;
    uint32_t numerator, denominator;
    const char *written;
  } table[] = {
      {"25", 25, 1, "25"},
      {"25.0", 25, 1, "25"},
      {"25/1", 25, 1, "25"},
      {"50/2", 25, 1, "25"},
      {"12.5", 25, 2, "12.5"},
      {"0.1", 1, 10, "0.1"},
      {"1/3", 1, 3, "1/3"},
      {"1000", 1000, 1, "1000"},
      {"30000/1001", 30000, 1001, "30000/1001"},
      {"29.97", 30000, 1001, "30000/1001"},
      {"29.970", 30000, 1001, "30000/1001"},
      {"29.97002997002997", 30000, 1001, "30000/1001"},
      {"23.976", 24000, 1001, "24000/1001"},
      {"23.98", 24000, 1001, "24000/1001"},
      {"59.94", 60000, 1001, "60000/1001"},
      {"47.952", 48000, 1001, "48000/1001"},
      {"119.88", 120000, 1001, "120000/1001"},
      {"2997/100", 30000, 1001, "30000/1001"},
      {"29.98", 30000, 1001, "30000/1001"},
      {"23.97", 24000, 1001, "24000/1001"},
      {"14.985", 15000, 1001, "15000/1001"},
      {"239.76", 240000, 1001, "240000/1001"},
      {"24", 24, 1, "24"},
      {"29.99", 2999, 100, "29.99"},
      {"12", 12, 1, "12"},
      {"29.9", 299, 10, "29.9"},
      {"30.0000004", 30, 1, "30"},
      {"29.9999996", 30, 1, "30"},
      {"0.000001", 1, 1000000, "0.000001"},
      {"10000000000/400000000", 25, 1, "25"},
      {"12345678901234567/1234567890123456", 1250000, 125000, NULL}, /* rounded: below */
  };
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
    struct frame_rate rate, again;
    if (!frame_rate_parse(str_of(table[i].text), &rate)) fail_msg("%s is not read", table[i].text);
    if (table[i].written == NULL) {
      struct frame_rate ten;
      assert_true(frame_rate_of(10, 1, &ten) && frame_rates_agree(rate, ten));
      continue;
    }
    if (rate.numerator != table[i].numerator || rate.denominator != table[i].denominator) {
      fail_msg("%s is %u/%u", table[i].text, rate.numerator, rate.denominator);
    }
    SCOPED(buf_fini) struct buf out = {0};
    frame_rate_write(rate, &out);
    if (!str_equal(buf_view(&out), str_of(table[i].written))) fail_msg("%s: %.*s", table[i].text, (int)out.len, out.ptr);
    (void)again;
  }
}

static void test_what_is_no_rate(void **state) {
  (void)state;
  static const char *const bad[] = {
      "", " ", "0", "0.0", "0/1", "1/0", "30000/0", "-25", "+25", "25 ", " 25", "nan", "NaN", "inf", "1e3", "0x19", "25fps",
      "1000.000001", "1001", "1001/1", "9223372036854775808", "18446744073709551616/1", "1/18446744073709551616",
      "0.0000001", ".5", "5.", "1.2.3", "1/2/3", "/", "/1", "1/", "25,0", "-1/2", "1/-2", "30000/1001.0", "1/3000000000"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    struct frame_rate rate;
    if (frame_rate_parse(str_of(bad[i]), &rate)) fail_msg("'%s' is read as %u/%u", bad[i], rate.numerator, rate.denominator);
  }
}

static void test_agreement(void **state) {
  (void)state;
  static const struct {
    struct frame_rate a, b;
    bool agree;
  } table[] = {
      {{25, 1}, {25, 1}, true},           {{30000, 1001}, {2997, 100}, true}, {{24000, 1001}, {2398, 100}, true},
      {{30, 1}, {30000, 1001}, true},     {{24, 1}, {24000, 1001}, true},     {{25, 1}, {50, 1}, false},
      {{25, 1}, {2525, 100}, true},       {{25, 1}, {2526, 100}, false},      {{24, 1}, {25, 1}, false},
      {{1, 10}, {1, 10}, true},           {{1, 10}, {1, 9}, false},           {{100, 1}, {99, 1}, true},
      {{100, 1}, {9899, 100}, false},     {{2147483647, 1}, {2147483647, 1}, true},
      {{1, 2147483647}, {2147483647, 2147483646}, false},
  };
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
    assert_int_equal(frame_rates_agree(table[i].a, table[i].b), table[i].agree);
    assert_int_equal(frame_rates_agree(table[i].b, table[i].a), table[i].agree);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_reading), cmocka_unit_test(test_what_is_no_rate),
                                     cmocka_unit_test(test_agreement)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
