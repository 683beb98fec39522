/* The window of a query: refusals first, then what every combination of given times becomes. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "meter/window.h"

#define DAY INT64_C(86400)
#define NOW INT64_C(1700000000)
#define NONE INT64_C(-1) /* not given */

static const struct window_limits usual = {.max_age = 31 * DAY, .max_span = 32 * DAY};

static const struct zone *shanghai(void) {
  const struct zone *zone = NULL;
  assert_int_equal(zone_find(STR("Asia/Shanghai"), &zone, NULL), 0);
  return zone;
}

static int resolve(const struct window_limits *limits, int64_t begin, int64_t end, struct window *ret,
                   enum window_param *ret_param, struct err *err) {
  const struct window_request request = {.has_begin = begin != NONE, .has_end = end != NONE, .begin = begin, .end = end};
  return window_resolve(&request, limits, shanghai(), NOW, ret, ret_param, err);
}

static void test_refused(void **state) {
  (void)state;
  static const struct {
    int64_t begin, end;
    enum window_param param;
    const char *words;
  } rows[] = {
      {-2, NONE, WINDOW_BEGIN, "Unix seconds"},
      {NONE, -2, WINDOW_END, "Unix seconds"},
      {INT64_MIN, NONE, WINDOW_BEGIN, "Unix seconds"},
      {INT64_MAX, NONE, WINDOW_BEGIN, "9999"},
      {ZONE_TIME_MAX + 1, NONE, WINDOW_BEGIN, "9999"},
      {NONE, ZONE_TIME_MAX + 1, WINDOW_END, "9999"},
      {NOW, NOW - 1, WINDOW_BEGIN, "not be later than EndTime"},
      {NOW + 10, NOW + 9, WINDOW_BEGIN, "not be later than EndTime"}, /* though both become now */
      {NONE, NOW - 31 * DAY - 1, WINDOW_END, "31 days"},
      {0, 0, WINDOW_END, "31 days"},
      {NOW - 70 * DAY, NONE, WINDOW_END, "31 days"}, /* its end is 63 days old */
      {NOW - 32 * DAY - 1, NOW, WINDOW_BEGIN, "32 days"},
      {NOW - 32 * DAY - 1, NOW + DAY, WINDOW_BEGIN, "32 days"},
      {NOW - 63 * DAY, NOW - 31 * DAY + 1, WINDOW_BEGIN, "32 days"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct window window;
    enum window_param param = WINDOW_NONE;
    struct err err = {0};
    if (resolve(&usual, rows[i].begin, rows[i].end, &window, &param, &err) != -ERR_RANGE) fail_msg("row %zu is taken", i);
    if (param != rows[i].param || strstr(err.text, rows[i].words) == NULL) fail_msg("row %zu: %d %s", i, param, err.text);
  }
  const struct window_limits odd = {.max_age = 90, .max_span = 0};
  struct window window;
  enum window_param param;
  struct err err = {0};
  assert_int_equal(resolve(&odd, NONE, NOW - 91, &window, &param, &err), -ERR_RANGE);
  assert_non_null(strstr(err.text, "90 seconds"));
}

static void test_windows(void **state) {
  (void)state;
  static const struct window_limits off = {0};
  static const struct {
    const struct window_limits *limits;
    int64_t begin, end, want_begin, want_end;
  } rows[] = {
      {&usual, NONE, NONE, NOW - 7 * DAY, NOW},
      {&usual, NONE, NOW, NOW - 7 * DAY, NOW},
      {&usual, NONE, NOW - 3 * DAY, NOW - 10 * DAY, NOW - 3 * DAY},
      {&usual, NONE, NOW + DAY, NOW - 7 * DAY, NOW},
      {&usual, NOW - 20 * DAY, NONE, NOW - 20 * DAY, NOW - 13 * DAY},
      {&usual, NOW - 7 * DAY, NONE, NOW - 7 * DAY, NOW},
      {&usual, NOW - DAY, NONE, NOW - DAY, NOW},
      {&usual, NOW, NONE, NOW, NOW},
      {&usual, NOW + DAY, NONE, NOW, NOW},
      {&usual, NOW - 1, NOW + 5 * DAY, NOW - 1, NOW},
      {&usual, NOW + DAY, NOW + 2 * DAY, NOW, NOW}, /* both in the future: today */
      {&usual, NOW - 5, NOW - 5, NOW - 5, NOW - 5},
      {&usual, NONE, NOW - 31 * DAY, NOW - 38 * DAY, NOW - 31 * DAY},
      {&usual, NOW - 32 * DAY, NOW, NOW - 32 * DAY, NOW},
      {&usual, NOW - 63 * DAY, NOW - 31 * DAY, NOW - 63 * DAY, NOW - 31 * DAY},
      {&usual, NOW - 38 * DAY, NONE, NOW - 38 * DAY, NOW - 31 * DAY},
      {&off, 0, ZONE_TIME_MAX, 0, NOW},
      {&off, 0, 0, 0, 0},
      {&off, NONE, 5, 0, 5}, /* not before 1970 */
      {&off, 1500220800, 1500480000, 1500220800, 1500480000},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct window window;
    enum window_param param = WINDOW_END;
    struct err err = {0};
    int result = resolve(rows[i].limits, rows[i].begin, rows[i].end, &window, &param, &err);
    if (result != 0) fail_msg("row %zu: %s", i, err.text);
    if (window.begin != rows[i].want_begin || window.end != rows[i].want_end || param != WINDOW_NONE) {
      fail_msg("row %zu: %" PRId64 " to %" PRId64, i, window.begin, window.end);
    }
    assert_int_equal(window.first_day, zone_day_of(shanghai(), window.begin));
    assert_int_equal(window.last_day, zone_day_of(shanghai(), window.end));
  }
}

/* The published example: four days of Shanghai. */
static void test_days(void **state) {
  (void)state;
  static const struct window_limits off = {0};
  struct window window;
  enum window_param param;
  assert_int_equal(resolve(&off, 1500220800, 1500480000, &window, &param, NULL), 0);
  assert_int_equal(window.last_day - window.first_day, 3);
  assert_int_equal(zone_day_start(shanghai(), window.first_day), 1500220800);
  assert_int_equal(resolve(&off, 1500220799, 1500480000 + DAY - 1, &window, &param, NULL), 0);
  assert_int_equal(window.last_day - window.first_day, 4);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_refused), cmocka_unit_test(test_windows),
                                     cmocka_unit_test(test_days)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
