/* Rounding: milliseconds to seconds and minutes, decimals to milliseconds. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "meter/amount.h"

static void test_seconds_and_minutes(void **state) {
  (void)state;
  static const uint64_t rows[][3] = {
      {0, 0, 0},         {1, 1, 1},         {499, 1, 1},       {500, 1, 1},       {999, 1, 1},       {1000, 1, 1},
      {1499, 1, 1},      {1500, 2, 1},      {1999, 2, 1},      {2500, 3, 1},      {59499, 59, 1},    {59500, 60, 1},
      {60000, 60, 1},    {60499, 60, 1},    {60500, 61, 2},    {119999, 120, 2},  {120500, 121, 3},  {3600000, 3600, 60},
      {DURATION_MS_MAX, 31622400, 527040},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    uint64_t seconds = amount_seconds(rows[i][0]);
    if (seconds != rows[i][1]) fail_msg("%" PRIu64 " ms are %" PRIu64 " s", rows[i][0], seconds);
    if (amount_minutes(seconds) != rows[i][2]) fail_msg("%" PRIu64 " s", seconds);
  }
  /* Whole seconds only from 500 ms on: the least is 1, and no millisecond changes it by more than one. */
  for (uint64_t ms = 1; ms < 100000; ms++) {
    uint64_t seconds = amount_seconds(ms), exact = (2 * ms + 1000) / 2000;
    assert_int_equal(seconds, exact > 0 ? exact : 1);
  }
}

static void test_bad_decimals(void **state) {
  (void)state;
  static const char *const bad[] = {"",   " ",   "-",    "+1",  ".5",  "1.",   "01",   "1e",  "1e+", "1.e1", "0x10", "NaN",
                                    "Infinity", "1 ", " 1", "1,5", "1.2.3", "1e5e5", "--1", "1_000", "one", "1e1.5"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    uint64_t ms = 7;
    struct err err = {0};
    if (amount_ms_of_seconds(str_of(bad[i]), &ms, &err) != -ERR_PARSE) fail_msg("'%s' is taken", bad[i]);
    assert_int_equal(ms, 7);
  }
  static const char *const far[] = {"-1", "-0.001", "-1e-9", "31622400.0005", "31622401", "1e9", "1e400", "1e999999999999999999",
                                    "99999999999999999999999999", "9223372036854775808", "31622400000e-2"};
  for (size_t i = 0; i < sizeof far / sizeof far[0]; i++) {
    uint64_t ms = 7;
    struct err err = {0};
    if (amount_ms_of_seconds(str_of(far[i]), &ms, &err) != -ERR_RANGE) fail_msg("'%s' is taken", far[i]);
    assert_int_equal(ms, 7);
  }
}

static void test_decimals(void **state) {
  (void)state;
  static const struct {
    const char *text;
    uint64_t ms;
  } rows[] = {
      {"0", 0},           {"-0", 0},          {"-0.000", 0},      {"0e999999999", 0}, {"1", 1000},        {"1.0", 1000},
      {"0.001", 1},       {"0.0005", 1},      {"0.00049999999999999999999", 0},       {"0.0015", 2},      {"20.0335", 20034},
      {"20.0334999999999999999999999", 20033}, {"1e3", 1000000},  {"1.5E+1", 15000},  {"1500e-3", 1500},  {"5e-4", 1},
      {"4.999e-4", 0},    {"1e-400", 0},      {"0.1", 100},       {"1.005", 1005},    {"2.675", 2675},    {"31622400", DURATION_MS_MAX},
      {"31622400.000499", DURATION_MS_MAX},   {"3162240000000000000000000000000e-23", DURATION_MS_MAX},
      {"0.00000000000000000000000000000000000000000000000001e53", 1000000},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    uint64_t ms = 7;
    struct err err = {0};
    if (amount_ms_of_seconds(str_of(rows[i].text), &ms, &err) != 0) fail_msg("'%s': %s", rows[i].text, err.text);
    if (ms != rows[i].ms) fail_msg("'%s' is %" PRIu64, rows[i].text, ms);
  }
  /* Thousandths, written in the usual way, are exact. */
  for (unsigned ms = 0; ms < 100000; ms += 7) {
    char text[32];
    uint64_t back;
    (void)snprintf(text, sizeof text, "%u.%03u", ms / 1000, ms % 1000);
    assert_int_equal(amount_ms_of_seconds(str_of(text), &back, NULL), 0);
    assert_int_equal(back, ms);
  }
}

/* A text is part of a longer one: what is behind it is not read. */
static void test_ends(void **state) {
  (void)state;
  static const char *const behind[] = {"0", "9", ".5", "e3", "E3", "e", "-", " "};
  static const struct {
    const char *text;
    int result;
    uint64_t ms;
  } rows[] = {{"", -ERR_PARSE, 7}, {"-", -ERR_PARSE, 7}, {"1.", -ERR_PARSE, 7}, {"1e", -ERR_PARSE, 7},
              {"1e-", -ERR_PARSE, 7}, {"1", 0, 1000}, {"0", 0, 0}, {"12.5", 0, 12500}, {"1e1", 0, 10000}};
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    for (size_t k = 0; k < sizeof behind / sizeof behind[0]; k++) {
      char text[32];
      uint64_t ms = 7;
      (void)snprintf(text, sizeof text, "%s%s", rows[i].text, behind[k]);
      int result = amount_ms_of_seconds(str_make(text, strlen(rows[i].text)), &ms, NULL);
      if (result != rows[i].result || ms != rows[i].ms) fail_msg("'%s' of '%s': %d, %" PRIu64, rows[i].text, text, result, ms);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_seconds_and_minutes), cmocka_unit_test(test_bad_decimals),
                                     cmocka_unit_test(test_decimals), cmocka_unit_test(test_ends)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
