/* Days of zones. The rows were reckoned by hand from the rules of each zone (and agree with Python's zoneinfo, as every
 * zone does: test_zone_days.py); they are years whose rules no later tzdata will change. */
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "meter/zone.h"

#define DAY 86400

static const struct zone *zone(const char *name) {
  const struct zone *found = NULL;
  struct err err = {0};
  if (zone_find(str_of(name), &found, &err) != 0) fail_msg("%s: %s", name, err.text);
  return found;
}

static void test_no_zones(void **state) {
  (void)state;
  static const char *const bad[] = {
      "", " ", "+08:00", "-5", "UTC+8", "GMT+25", "asia/shanghai", "Asia/shanghai", " Asia/Shanghai", "Asia/Shanghai ", "Asia",
      "Asia/", "/Asia/Shanghai", "/usr/share/zoneinfo/UTC", "../zoneinfo/UTC", "Asia/../UTC", "posix/UTC", "right/UTC",
      "posixrules", "localtime", "tzdata.zi", "zone.tab", "leapseconds", "Factory/", "EST5EDT,M3.2.0,M11.1.0", "CST-8", "%s",
      "Asia/Shanghai\n", ":UTC", "Mars/Olympus",
      "Aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    const struct zone *found = NULL;
    struct err err = {0};
    if (zone_find(str_of(bad[i]), &found, &err) != -ERR_RANGE) fail_msg("'%s' is a zone", bad[i]);
    assert_null(found);
    assert_true(err.text[0] != '\0');
  }
  const struct zone *found = NULL;
  assert_int_equal(zone_find(str_make("UTC\0", 4), &found, NULL), -ERR_RANGE);
}

static void test_named_zones(void **state) {
  (void)state;
  static const struct {
    const char *zone, *date;
    int64_t start;
    int quarters; /* hours of the day, times four */
  } rows[] = {
      {"Asia/Shanghai", "2017-07-17", 1500220800, 96},
      {"Asia/Shanghai", "2017-07-20", 1500480000, 96},
      {"Asia/Shanghai", "1986-05-04", 515520000, 92},
      {"Asia/Shanghai", "1986-09-14", 527007600, 100},
      {"UTC", "1970-01-02", 86400, 96},
      {"UTC", "2024-02-29", 1709164800, 96},
      {"Asia/Kolkata", "2024-01-31", 1706639400, 96},
      {"America/New_York", "2024-03-09", 1709960400, 96},
      {"America/New_York", "2024-03-10", 1710046800, 92},
      {"America/New_York", "2024-03-11", 1710129600, 96},
      {"America/New_York", "2024-11-02", 1730520000, 96},
      {"America/New_York", "2024-11-03", 1730606400, 100},
      {"America/New_York", "2024-11-04", 1730696400, 96},
      {"Australia/Lord_Howe", "2024-04-07", 1712408400, 98},
      {"Australia/Lord_Howe", "2024-04-08", 1712496600, 96},
      {"Australia/Lord_Howe", "2024-10-06", 1728135000, 94},
      {"Australia/Lord_Howe", "2024-10-07", 1728219600, 96},
      {"America/St_Johns", "2010-03-14", 1268537400, 92},
      {"America/St_Johns", "2010-03-15", 1268620200, 96},
      {"America/St_Johns", "2010-11-06", 1289010600, 96},
      {"America/St_Johns", "2010-11-07", 1289097000, 100},
      {"America/St_Johns", "2010-11-08", 1289187000, 96},
      {"America/Havana", "2024-03-10", 1710046800, 92},
      {"America/Havana", "2024-03-11", 1710129600, 96},
      {"America/Havana", "2024-11-02", 1730520000, 96},
      {"America/Havana", "2024-11-03", 1730606400, 100},
      {"America/Havana", "2024-11-04", 1730696400, 96},
      {"Africa/Cairo", "2024-04-25", 1713996000, 96},
      {"Africa/Cairo", "2024-04-26", 1714082400, 92},
      {"Africa/Cairo", "2024-04-27", 1714165200, 96},
      {"Africa/Cairo", "2024-10-31", 1730322000, 100},
      {"Africa/Cairo", "2024-11-01", 1730412000, 96},
      {"America/Sao_Paulo", "2018-02-17", 1518832800, 100},
      {"America/Sao_Paulo", "2018-02-18", 1518922800, 96},
      {"America/Sao_Paulo", "2018-11-03", 1541214000, 96},
      {"America/Sao_Paulo", "2018-11-04", 1541300400, 92},
      {"America/Sao_Paulo", "2018-11-05", 1541383200, 96},
      {"Pacific/Apia", "2011-12-29", 1325152800, 96},
      {"Pacific/Apia", "2011-12-30", 1325239200, 0},
      {"Pacific/Apia", "2011-12-31", 1325239200, 96},
      {"Pacific/Apia", "2012-01-01", 1325325600, 96},
      {"Pacific/Kwajalein", "1993-08-20", 745848000, 96},
      {"Pacific/Kwajalein", "1993-08-21", 745934400, 0},
      {"Pacific/Kwajalein", "1993-08-22", 745934400, 96},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    const struct zone *z = zone(rows[i].zone);
    int32_t day;
    assert_int_equal(zone_day_parse(str_of(rows[i].date), &day, NULL), 0);
    int64_t start = zone_day_start(z, day), end = zone_day_start(z, day + 1);
    if (start != rows[i].start) fail_msg("%s %s begins at %" PRId64, rows[i].zone, rows[i].date, start);
    if (end - start != rows[i].quarters * 900) fail_msg("%s %s ends at %" PRId64, rows[i].zone, rows[i].date, end);
    if (rows[i].quarters == 0) continue;
    assert_int_equal(zone_day_of(z, start), day);
    assert_int_equal(zone_day_of(z, end - 1), day);
    assert_true(zone_day_of(z, start - 1) < day && zone_day_of(z, end) > day);
  }
}

/* Whatever the zone: days follow each other without gap or overlap, and every instant lies in the day that it is said to. */
static void test_days_join(void **state) {
  (void)state;
  static const char *const names[] = {"Asia/Shanghai", "UTC", "America/Havana", "Africa/Cairo", "Pacific/Apia",
                                      "Australia/Lord_Howe", "America/St_Johns", "Asia/Kathmandu", "Antarctica/Troll"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    const struct zone *z = zone(names[i]);
    for (int32_t day = 0; day < 40000; day++) {
      int64_t start = zone_day_start(z, day), end = zone_day_start(z, day + 1);
      if (end < start || end - start > 26 * 3600) fail_msg("%s, day %d", names[i], day);
      if (day > 3 && end > start && (zone_day_of(z, start) != day || zone_day_of(z, end - 1) != day)) {
        fail_msg("%s, day %d", names[i], day);
      }
    }
  }
}

static void test_bounds(void **state) {
  (void)state;
  const struct zone *z = zone("Asia/Shanghai");
  assert_int_equal(zone_day_start(z, 0), -8 * 3600);
  assert_int_equal(zone_day_of(z, 0), 0);
  assert_int_equal(zone_day_of(z, -5), 0);
  assert_int_equal(zone_day_of(zone("UTC"), ZONE_TIME_MAX), ZONE_DAY_MAX);
  assert_int_equal(zone_day_of(zone("UTC"), INT64_MAX), ZONE_DAY_MAX);
  assert_int_equal(zone_day_of(zone("America/New_York"), 0), -1);
  assert_int_equal(zone_day_start(zone("UTC"), ZONE_DAY_MAX + 1), ZONE_TIME_MAX + 1);
  assert_int_equal(zone_offset(z, 1500220800), 8 * 3600);
}

static void test_versions(void **state) {
  (void)state;
  assert_ptr_equal(zone("Asia/Shanghai"), zone("Asia/Shanghai"));
  assert_true(zone_version(zone("Asia/Shanghai")) != zone_version(zone("UTC")));
  assert_true(zone_version(zone("America/Havana")) != zone_version(zone("America/New_York")));
  assert_int_equal(zone_version(zone("Asia/Shanghai")), zone_version(zone("PRC")));
}

static void test_dates(void **state) {
  (void)state;
  static const char *const bad[] = {"", "2026", "2026-1-31", "2026-01-1", "2026-01-32", "2026-02-29", "2026-13-01", "2026-00-01",
                                    "1969-12-31", "10000-01-01", "2026/01/31", "2026-01-31 ", " 2026-01-31", "2026-01-31T00:00:00Z",
                                    "-2026-01-31", "today"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    int32_t day;
    if (zone_day_parse(str_of(bad[i]), &day, NULL) != -ERR_PARSE) fail_msg("'%s' is a date", bad[i]);
  }
  for (int32_t day = -800000; day <= ZONE_DAY_MAX; day++) {
    int year, month, date;
    zone_date_from_day(day, &year, &month, &date);
    assert_int_equal(zone_day_from_date(year, month, date), day);
  }
  assert_int_equal(zone_day_from_date(1970, 1, 1), 0);
  assert_int_equal(zone_day_from_date(2000, 3, 1), 11017);
  assert_int_equal(zone_day_from_date(9999, 12, 31), ZONE_DAY_MAX);
}

static void *find_all(void *arg) {
  static const char *const names[] = {"Europe/Berlin", "Europe/Paris", "Asia/Tokyo", "Asia/Kolkata", "America/Chicago"};
  for (int round = 0; round < 200; round++) {
    const struct zone *found = NULL;
    if (zone_find(str_of(names[round % 5]), &found, NULL) != 0 || zone_day_of(found, 1500220800) == 0) return arg;
  }
  return NULL;
}

static void test_threads(void **state) {
  (void)state;
  pthread_t threads[4];
  void *failed;
  for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, find_all, &threads), 0);
  for (int i = 0; i < 4; i++) {
    assert_int_equal(pthread_join(threads[i], &failed), 0);
    assert_null(failed);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_no_zones), cmocka_unit_test(test_named_zones), cmocka_unit_test(test_days_join),
      cmocka_unit_test(test_bounds),   cmocka_unit_test(test_versions),    cmocka_unit_test(test_dates),
      cmocka_unit_test(test_threads),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
