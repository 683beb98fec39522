/* RFC 3339: what is no time, what time it is, and back. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "meter/rfc3339.h"

static void test_bad(void **state) {
  (void)state;
  static const char *const bad[] = {
      "", "2026", "2026-01-31", "2026-01-31T12:00:00", "2026-01-31T12:00:00.5", "2026-01-31T12:00Z", "2026-01-31T12Z",
      "2026-1-31T12:00:00Z", "2026-01-31T1:00:00Z", "26-01-31T12:00:00Z", "02026-01-31T12:00:00Z", "+2026-01-31T12:00:00Z",
      "2026-00-31T12:00:00Z", "2026-13-31T12:00:00Z", "2026-01-00T12:00:00Z", "2026-01-32T12:00:00Z",
      "2026-02-29T12:00:00Z", "2026-04-31T12:00:00Z", "1900-02-29T12:00:00Z", "0000-01-01T00:00:00Z",
      "2026-01-31T24:00:00Z", "2026-01-31T12:60:00Z", "2026-01-31T12:00:61Z", "2026-01-31T12:00:00.Z",
      "2026-01-31T12:00:00,5Z", "2026-01-31T12:00:00+08", "2026-01-31T12:00:00+0800", "2026-01-31T12:00:00+24:00",
      "2026-01-31T12:00:00+08:60", "2026-01-31T12:00:00 +08:00", "2026-01-31T12:00:00ZZ", "2026-01-31T12:00:00Z ",
      " 2026-01-31T12:00:00Z", "2026/01/31T12:00:00Z", "2026-01-31_12:00:00Z", "2026-01-31T12.00.00Z",
      "2026-01-31T-1:00:00Z", "9999-12-31T23:59:59-00:01", "0001-01-01T00:00:00+00:01", "1769860800", "now", "2026-W05-6T12:00:00Z", "2026-031T12:00:00Z",
  };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    int64_t ms = 7;
    struct err err = {0};
    if (rfc3339_parse(str_of(bad[i]), &ms, &err) != -ERR_PARSE) fail_msg("'%s' is taken", bad[i]);
    assert_int_equal(ms, 7);
    assert_true(err.text[0] != '\0');
  }
}

static void test_times(void **state) {
  (void)state;
  static const struct {
    const char *text;
    int64_t ms;
  } rows[] = {
      {"1970-01-01T00:00:00Z", 0},
      {"1969-12-31T23:59:59.999Z", -1},
      {"2017-07-17T00:00:00+08:00", 1500220800000},
      {"2026-01-31T12:00:00Z", 1769860800000},
      {"2026-01-31t12:00:00z", 1769860800000},
      {"2026-01-31 12:00:00Z", 1769860800000},
      {"2026-01-31T12:00:00.1Z", 1769860800100},
      {"2026-01-31T12:00:00.123456789123Z", 1769860800123},
      {"2026-01-31T12:00:00.9999Z", 1769860800999},
      {"2026-01-31T20:00:00+08:00", 1769860800000},
      {"2026-01-31T12:00:00-00:00", 1769860800000},
      {"2026-01-31T17:30:00+05:30", 1769860800000},
      {"2026-01-30T12:01:00-23:59", 1769860800000},
      {"2026-02-01T11:59:00+23:59", 1769860800000},
      {"2016-12-31T23:59:60Z", 1483228799999},
      {"2016-12-31T23:59:60.5Z", 1483228799999},
      {"2017-01-01T07:59:60+08:00", 1483228799999},
      {"2000-02-29T00:00:00Z", 951782400000},
      {"0001-01-01T00:00:00Z", -62135596800000},
      {"9999-12-31T23:59:59.999Z", 253402300799999},
      {"9999-12-31T00:00:00-23:59", 253402300740000},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    int64_t ms = 7;
    if (rfc3339_parse(str_of(rows[i].text), &ms, NULL) != 0) fail_msg("'%s' is refused", rows[i].text);
    if (ms != rows[i].ms) fail_msg("'%s' is %" PRId64, rows[i].text, ms);
  }
}

static void test_back(void **state) {
  (void)state;
  char text[RFC3339_SIZE];
  rfc3339_format(1769860800123, text);
  assert_string_equal(text, "2026-01-31T12:00:00.123Z");
  rfc3339_format(-1, text);
  assert_string_equal(text, "1969-12-31T23:59:59.999Z");
  /* The time of a file may be any. */
  const int64_t beyond[] = {INT64_MIN, -62135596800001, 253402300800000, INT64_MAX};
  for (size_t i = 0; i < 4; i++) {
    rfc3339_format(beyond[i], text);
    assert_string_equal(text, i < 2 ? "0001-01-01T00:00:00.000Z" : "9999-12-31T23:59:59.999Z");
  }
  for (int64_t ms = -62135596800000; ms <= 253402300799999; ms += 86399 * INT64_C(40013)) {
    int64_t again;
    rfc3339_format(ms, text);
    assert_int_equal(rfc3339_parse(str_of(text), &again, NULL), 0);
    assert_int_equal(again, ms);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_bad), cmocka_unit_test(test_times),
                                     cmocka_unit_test(test_back)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
