/* Steps of a range in zones, and ranges as questions give them: refusals first. Expected values are local times. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "meter/rfc3339.h"
#include "query/calendar.h"
#include "query/range.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define NOW INT64_C(1792108800) /* 2026-10-16T00:00:00Z */

static const struct zone *zone_of(const char *name) {
  const struct zone *zone = NULL;
  if (zone_find(str_of(name), &zone, NULL) != 0) fail_msg("no zone %s", name);
  return zone;
}

static int64_t seconds_of(const char *time) {
  int64_t ms;
  if (rfc3339_parse(str_of(time), &ms, NULL) != 0) fail_msg("no time: %s", time);
  return ms / 1000;
}

/* The starts of all steps as local times, divided by blanks. */
static void write_starts(const struct calendar *calendar, struct buf *out) {
  for (size_t i = 0; i < calendar->count; i++) {
    if (i > 0) buf_char(out, ' ');
    calendar_write_date(calendar->zone, calendar->starts[i], out);
  }
}

static void test_steps(void **state) {
  (void)state;
  static const struct {
    const char *zone, *step, *from, *to, *starts;
  } rows[] = {
      /* nothing, and less than one step */
      {"UTC", "1d", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", ""},
      {"UTC", "1d", "2026-01-01T10:00:00Z", "2026-01-01T10:00:01Z", "2026-01-01T10:00:00+00:00"},
      {"UTC", "total", "1970-01-01T00:00:00Z", "2030-01-01T00:00:00Z", "1970-01-01T00:00:00+00:00"},
      /* clocks go forward, and back */
      {"America/New_York", "1h", "2026-03-08T00:00:00-05:00", "2026-03-08T04:00:00-04:00",
       "2026-03-08T00:00:00-05:00 2026-03-08T01:00:00-05:00 2026-03-08T03:00:00-04:00"},
      {"America/New_York", "1h", "2026-11-01T00:00:00-04:00", "2026-11-01T03:00:00-05:00",
       "2026-11-01T00:00:00-04:00 2026-11-01T01:00:00-04:00 2026-11-01T01:00:00-05:00 2026-11-01T02:00:00-05:00"},
      {"America/New_York", "1d", "2026-10-31T00:00:00-04:00", "2026-11-02T00:00:00-05:00",
       "2026-10-31T00:00:00-04:00 2026-11-01T00:00:00-04:00"},
      /* at one minute past midnight */
      {"America/St_Johns", "1h", "2010-03-14T00:00:00-03:30", "2010-03-14T03:00:00-02:30",
       "2010-03-14T00:00:00-03:30 2010-03-14T01:01:00-02:30 2010-03-14T02:00:00-02:30"},
      {"America/St_Johns", "1h", "2010-11-06T23:00:00-02:30", "2010-11-07T01:00:00-03:30",
       "2010-11-06T23:00:00-02:30 2010-11-07T00:00:00-02:30 2010-11-06T23:01:00-03:30 2010-11-07T00:00:00-03:30"},
      {"America/St_Johns", "1d", "2010-11-06T00:00:00-02:30", "2010-11-08T00:00:00-03:30",
       "2010-11-06T00:00:00-02:30 2010-11-07T00:00:00-02:30"},
      {"America/St_Johns", "15m", "2010-03-13T23:50:00-03:30", "2010-03-14T01:20:00-02:30",
       "2010-03-13T23:50:00-03:30 2010-03-14T00:00:00-03:30 2010-03-14T01:01:00-02:30 2010-03-14T01:15:00-02:30"},
      /* by half an hour */
      {"Australia/Lord_Howe", "1h", "2026-04-05T01:00:00+11:00", "2026-04-05T03:00:00+10:30",
       "2026-04-05T01:00:00+11:00 2026-04-05T01:30:00+10:30 2026-04-05T02:00:00+10:30"},
      {"Australia/Lord_Howe", "1h", "2026-10-04T01:00:00+10:30", "2026-10-04T04:00:00+11:00",
       "2026-10-04T01:00:00+10:30 2026-10-04T02:30:00+11:00 2026-10-04T03:00:00+11:00"},
      /* hours of the zone, not of UTC; the first is cut */
      {"Asia/Kathmandu", "1h", "2026-01-01T00:00:00Z", "2026-01-01T02:00:00Z",
       "2026-01-01T05:45:00+05:45 2026-01-01T06:00:00+05:45 2026-01-01T07:00:00+05:45"},
      {"Asia/Kathmandu", "1d", "2026-01-01T18:15:00Z", "2026-01-02T18:15:00Z", "2026-01-02T00:00:00+05:45"},
      /* a date that the zone skipped, and a day that begins at one o'clock */
      {"Pacific/Apia", "1d", "2011-12-29T00:00:00-10:00", "2012-01-02T00:00:00+14:00",
       "2011-12-29T00:00:00-10:00 2011-12-31T00:00:00+14:00 2012-01-01T00:00:00+14:00"},
      {"America/Sao_Paulo", "1d", "2018-11-03T00:00:00-03:00", "2018-11-05T00:00:00-02:00",
       "2018-11-03T00:00:00-03:00 2018-11-04T01:00:00-02:00"},
      /* weeks begin on Monday, over the end of a year too; 2026 has 53 */
      {"Europe/Berlin", "1w", "2026-12-23T00:00:00+01:00", "2027-01-06T00:00:00+01:00",
       "2026-12-23T00:00:00+01:00 2026-12-28T00:00:00+01:00 2027-01-04T00:00:00+01:00"},
      {"Europe/Berlin", "1w", "2026-03-23T00:00:00+01:00", "2026-04-06T00:00:00+02:00",
       "2026-03-23T00:00:00+01:00 2026-03-30T00:00:00+02:00"},
      {"UTC", "1w", "1970-01-01T00:00:00Z", "1970-01-13T00:00:00Z",
       "1970-01-01T00:00:00+00:00 1970-01-05T00:00:00+00:00 1970-01-12T00:00:00+00:00"},
      {"UTC", "1w", "2026-03-01T23:59:59Z", "2026-03-02T00:00:01Z",
       "2026-03-01T23:59:59+00:00 2026-03-02T00:00:00+00:00"},
      /* months, the first and the last one cut */
      {"Asia/Shanghai", "1mo", "2025-11-15T12:00:00+08:00", "2026-03-01T00:00:01+08:00",
       "2025-11-15T12:00:00+08:00 2025-12-01T00:00:00+08:00 2026-01-01T00:00:00+08:00 2026-02-01T00:00:00+08:00 "
       "2026-03-01T00:00:00+08:00"},
      /* seconds in an offset: the written time is the same instant */
      {"Africa/Monrovia", "1d", "1971-12-31T12:00:00Z", "1972-01-03T00:00:00Z",
       "1971-12-31T11:16:00-00:44 1972-01-01T00:00:30-00:44 1972-01-02T00:00:30-00:44"},
  };
  for (size_t i = 0; i < COUNT(rows); i++) {
    enum calendar_step step;
    struct err err = {0};
    SCOPED(calendar_fini) struct calendar calendar = {0};
    assert_true(calendar_step_parse(str_of(rows[i].step), &step));
    int64_t from = seconds_of(rows[i].from), to = seconds_of(rows[i].to);
    if (calendar_make(zone_of(rows[i].zone), step, from, to, &calendar, &err) != 0)
      fail_msg("row %zu: %s", i, err.text);
    SCOPED(buf_fini) struct buf out = {0};
    write_starts(&calendar, &out);
    if (!str_equal(buf_view(&out), str_of(rows[i].starts))) fail_msg("row %zu: %.*s", i, (int)out.len, out.ptr);
    assert_int_equal(calendar.starts[calendar.count], to);
    for (size_t at = 0; at < calendar.count; at++) {
      assert_int_equal(calendar_at(&calendar, calendar.starts[at]), at);
      assert_int_equal(calendar_at(&calendar, calendar.starts[at + 1] - 1), at);
    }
    assert_false(calendar_covers(&calendar, from - 1) || calendar_covers(&calendar, to));
  }
}

static void test_too_many_steps(void **state) {
  (void)state;
  static const struct {
    const char *step;
    int64_t to;
    size_t count; /* 0: refused */
  } rows[] = {
      {"15m", CALENDAR_MAX * INT64_C(900) + 1, 0},
      {"15m", CALENDAR_MAX * INT64_C(900), CALENDAR_MAX},
      {"15m", ZONE_TIME_MAX, 0},
      {"1h", ZONE_TIME_MAX, 0},
      {"1d", ZONE_TIME_MAX, 0},
      {"1h", INT64_C(50) * 365 * 86400, 50 * 365 * 24},
      {"1mo", ZONE_TIME_MAX, 8030 * 12},
      {"total", ZONE_TIME_MAX, 1},
  };
  for (size_t i = 0; i < COUNT(rows); i++) {
    enum calendar_step step;
    struct err err = {0};
    SCOPED(calendar_fini) struct calendar calendar = {0};
    assert_true(calendar_step_parse(str_of(rows[i].step), &step));
    int result = calendar_make(zone_of("UTC"), step, 0, rows[i].to, &calendar, &err);
    if (result != (rows[i].count > 0 ? 0 : -ERR_LIMIT)) fail_msg("row %zu: %d %s", i, result, err.text);
    assert_int_equal(calendar.count, rows[i].count);
    if (result != 0) assert_non_null(strstr(err.text, "shorter range"));
  }
}

/* Whether the totals of days can answer. */
static void test_of_days(void **state) {
  (void)state;
  static const struct {
    const char *zone, *step, *from, *to, *first, *last; /* NULL: not of days */
  } rows[] = {
      {"Asia/Shanghai", "1d", "2026-10-01T00:00:00Z", "2026-10-03T00:00:00Z", NULL, NULL},
      {"Asia/Shanghai", "1h", "2026-10-01T00:00:00+08:00", "2026-10-02T00:00:00+08:00", NULL, NULL},
      {"Asia/Shanghai", "1d", "2026-10-01T00:00:00+08:00", "2026-10-01T00:00:00+08:00", NULL, NULL},
      {"Asia/Shanghai", "1d", "2026-10-01T00:00:00+08:00", "2026-10-02T00:00:01+08:00", NULL, NULL},
      {"Asia/Shanghai", "total", "2026-10-01T00:00:01+08:00", "2026-11-01T00:00:00+08:00", NULL, NULL},
      {"Asia/Shanghai", "1h", "2026-10-01T23:59:59+08:00", "2026-10-02T00:00:00+08:00", NULL, NULL},
      {"Asia/Shanghai", "total", "2026-10-01T00:00:00+08:00", "2026-11-01T00:00:00+08:00", "2026-10-01",
       "2026-10-31"},
      {"Asia/Shanghai", "1w", "2026-10-01T00:00:00+08:00", "2026-11-01T00:00:00+08:00", "2026-10-01", "2026-10-31"},
      {"Asia/Shanghai", "1mo", "2026-10-02T00:00:00+08:00", "2026-10-03T00:00:00+08:00", "2026-10-02", "2026-10-02"},
      {"America/Sao_Paulo", "1d", "2018-11-04T01:00:00-02:00", "2018-11-05T00:00:00-02:00", "2018-11-04",
       "2018-11-04"},
      {"Pacific/Apia", "1d", "2011-12-29T00:00:00-10:00", "2011-12-31T00:00:00+14:00", "2011-12-29", "2011-12-30"},
  };
  for (size_t i = 0; i < COUNT(rows); i++) {
    enum calendar_step step;
    int32_t first = 0, last = 0, wanted_first = 0, wanted_last = 0;
    SCOPED(calendar_fini) struct calendar calendar = {0};
    assert_true(calendar_step_parse(str_of(rows[i].step), &step));
    assert_int_equal(
        calendar_make(zone_of(rows[i].zone), step, seconds_of(rows[i].from), seconds_of(rows[i].to), &calendar, NULL),
        0);
    bool is_of_days = calendar_is_of_days(&calendar, &first, &last);
    if (is_of_days != (rows[i].first != NULL)) fail_msg("row %zu", i);
    if (!is_of_days) continue;
    assert_int_equal(zone_day_parse(str_of(rows[i].first), &wanted_first, NULL), 0);
    assert_int_equal(zone_day_parse(str_of(rows[i].last), &wanted_last, NULL), 0);
    if (first != wanted_first || last != wanted_last) fail_msg("row %zu: %d to %d", i, first, last);
  }
}

/* ---- ranges ---- */

/* A range as a question gives it: dates, RFC 3339 times, Unix seconds, a month. */
static struct range_bound bound_of(const char *text) {
  struct range_bound bound = {0};
  int64_t ms;
  bound.is_date = zone_day_parse(str_of(text), &bound.day, NULL) == 0;
  if (bound.is_date || str_to_i64(str_of(text), &bound.time)) return bound;
  if (rfc3339_parse(str_of(text), &ms, NULL) != 0) fail_msg("no time: %s", text);
  bound.time = ms / 1000;
  return bound;
}

static int read_range(const char *from, const char *to, const char *month, struct range *ret, const char **ret_param,
                      struct err *err) {
  struct range_bound from_bound = {0}, to_bound = {0};
  int32_t first;
  if (month[0] != '\0') {
    char date[16];
    (void)snprintf(date, sizeof date, "%s-01", month);
    assert_int_equal(zone_day_parse(str_of(date), &first, NULL), 0);
    *ret = range_of_month(first);
    return 0;
  }
  if (from[0] != '\0') from_bound = bound_of(from);
  if (to[0] != '\0') to_bound = bound_of(to);
  return range_of_bounds(from[0] != '\0' ? &from_bound : NULL, to[0] != '\0' ? &to_bound : NULL, ret, ret_param, err);
}

static void test_ranges_refused(void **state) {
  (void)state;
  static const struct {
    const char *from, *to, *month, *param, *words;
  } rows[] = {
      {"", "2026-10-01", "", "from", "must be given"},
      {"2026-10-02", "2026-10-01", "", "from", "before 'to'"},
      {"2026-10-01", "2026-10-01", "", "from", "the next day"},
      {"1790000001", "1790000000", "", "from", "before 'to'"},
      {"1790000000", "2026-09-21T14:13:20Z", "", "from", "before 'to'"},
  };
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct range range;
    const char *param = "";
    struct err err = {0};
    if (read_range(rows[i].from, rows[i].to, rows[i].month, &range, &param, &err) == 0)
      fail_msg("row %zu is taken", i);
    if (strcmp(param, rows[i].param) != 0 || strstr(err.text, rows[i].words) == NULL)
      fail_msg("row %zu: %s %s", i, param, err.text);
  }
  /* Only in a zone can these be compared. */
  struct range range;
  const char *param;
  int64_t from, to;
  struct err err = {0};
  assert_int_equal(read_range("2026-10-02", "2026-10-01T12:00:00Z", "", &range, &param, NULL), 0);
  assert_int_equal(range_in_zone(&range, zone_of("UTC"), NOW, &from, &to, &err), -ERR_RANGE);
  assert_non_null(strstr(err.text, "UTC"));
  assert_int_equal(range_in_zone(&range, zone_of("Pacific/Kiritimati"), NOW, &from, &to, &err), 0);
  assert_int_equal(read_range("2011-12-30", "2011-12-31", "", &range, &param, NULL), 0); /* a date that was skipped */
  assert_int_equal(range_in_zone(&range, zone_of("Pacific/Apia"), NOW, &from, &to, &err), -ERR_RANGE);
  assert_int_equal(read_range("2026-12-01", "", "", &range, &param, NULL), 0);
  assert_int_equal(range_in_zone(&range, zone_of("UTC"), NOW, &from, &to, &err), -ERR_RANGE);
  assert_non_null(strstr(err.text, "today"));
}

static void test_numbers_that_are_dates(void **state) {
  (void)state;
  static const int64_t dates[] = {19700101, 20261001, 21001231};
  static const int64_t numbers[] = {0, 315532800, 20260001, 20261301, 20261032, 19691231, 22000101, 1790000000};
  for (size_t i = 0; i < COUNT(dates); i++)
    assert_true(range_looks_like_date(dates[i]));
  for (size_t i = 0; i < COUNT(numbers); i++)
    assert_false(range_looks_like_date(numbers[i]));
}

static void test_ranges(void **state) {
  (void)state;
  static const struct {
    const char *zone, *from, *to, *month, *begin, *end, *before;
  } rows[] = {
      {"Asia/Shanghai", "", "", "2026-10", "2026-10-01T00:00:00+08:00", "2026-11-01T00:00:00+08:00",
       "2026-09-01T00:00:00+08:00"},
      {"Asia/Shanghai", "", "", "2026-03", "2026-03-01T00:00:00+08:00", "2026-04-01T00:00:00+08:00",
       "2026-02-01T00:00:00+08:00"},
      {"Asia/Shanghai", "2026-01-01", "2026-04-01", "", "2026-01-01T00:00:00+08:00", "2026-04-01T00:00:00+08:00",
       "2025-10-01T00:00:00+08:00"},
      {"America/New_York", "", "", "2026-03", "2026-03-01T00:00:00-05:00", "2026-04-01T00:00:00-04:00",
       "2026-02-01T00:00:00-05:00"},
      /* days before, over a change of clocks */
      {"America/New_York", "2026-03-08", "2026-03-10", "", "2026-03-08T00:00:00-05:00", "2026-03-10T00:00:00-04:00",
       "2026-03-06T00:00:00-05:00"},
      {"America/New_York", "2026-03-09", "2026-03-10", "", "2026-03-09T00:00:00-04:00", "2026-03-10T00:00:00-04:00",
       "2026-03-08T00:00:00-05:00"},
      /* seconds */
      {"America/New_York", "2026-03-09T01:00:00-04:00", "2026-03-10", "", "2026-03-09T01:00:00-04:00",
       "2026-03-10T00:00:00-04:00", "2026-03-08T06:00:00Z"},
      {"UTC", "1790000000", "1790000001", "", "2026-09-21T14:13:20Z", "2026-09-21T14:13:21Z", "2026-09-21T14:13:19Z"},
      {"UTC", "2026-10-01T08:00:00+08:00", "2026-10-02t00:00:00z", "", "2026-10-01T00:00:00Z", "2026-10-02T00:00:00Z",
       "2026-09-30T00:00:00Z"},
      /* now, in this zone */
      {"UTC", "", "", "", "2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z", "2026-09-01T00:00:00Z"},
      {"UTC", "2026-10-14", "", "", "2026-10-14T00:00:00Z", "2026-10-17T00:00:00Z", "2026-10-11T00:00:00Z"},
      {"America/New_York", "2026-10-14", "", "", "2026-10-14T00:00:00-04:00", "2026-10-16T00:00:00-04:00",
       "2026-10-12T00:00:00-04:00"},
      /* the bounds of what there is */
      {"Asia/Shanghai", "1970-01-01", "1970-02-01", "", "1970-01-01T00:00:00Z", "1970-02-01T00:00:00+08:00",
       "1970-01-01T00:00:00Z"},
      {"UTC", "", "", "9999-12", "9999-12-01T00:00:00Z", "9999-12-31T23:59:59Z", NULL},
      {"UTC", "1976-01-01", "2026-01-01", "", "1976-01-01T00:00:00Z", "2026-01-01T00:00:00Z", "1970-01-01T00:00:00Z"},
  };
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct range range;
    const char *param = "";
    struct err err = {0};
    int64_t from = 0, to = 0;
    const struct zone *zone = zone_of(rows[i].zone);
    if (read_range(rows[i].from, rows[i].to, rows[i].month, &range, &param, &err) != 0)
      fail_msg("row %zu: %s", i, err.text);
    if (range_in_zone(&range, zone, NOW, &from, &to, &err) != 0) fail_msg("row %zu: %s", i, err.text);
    if (from != seconds_of(rows[i].begin) || to != seconds_of(rows[i].end))
      fail_msg("row %zu: %" PRId64 " to %" PRId64, i, from, to);
    assert_int_equal(range_depends_on_now(&range), rows[i].month[0] == '\0' && rows[i].to[0] == '\0');
    if (rows[i].before == NULL) continue;
    int64_t before = range_before(zone, from, to);
    if (before != seconds_of(rows[i].before)) fail_msg("row %zu: before is %" PRId64, i, before);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_steps),
                                     cmocka_unit_test(test_too_many_steps),
                                     cmocka_unit_test(test_of_days),
                                     cmocka_unit_test(test_ranges_refused),
                                     cmocka_unit_test(test_numbers_that_are_dates),
                                     cmocka_unit_test(test_ranges)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
