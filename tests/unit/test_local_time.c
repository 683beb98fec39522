/* Times of databases and spreadsheets: what is none first; then clocks that go forward and back. */
#include "import/local_time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/check.h"
#include "meter/rfc3339.h"

/* A text, the zone that is given, and the instant; without one the state. */
static const struct {
  const char *text, *zone, *instant;
  enum local_time_state state;
  bool is_twice;
} cases[] = {
    {"", "UTC", .state = LOCAL_TIME_OTHER},
    {"now", "UTC", .state = LOCAL_TIME_OTHER},
    {"1770000000", "UTC", .state = LOCAL_TIME_OTHER},
    {"20260203T200100", "UTC", .state = LOCAL_TIME_OTHER},
    {"03/02/2026 20:01:00", "UTC", .state = LOCAL_TIME_OTHER}, /* which is the month? */
    {"02-03-2026 20:01:00", "UTC", .state = LOCAL_TIME_OTHER},
    {"26-02-03 20:01:00", "UTC", .state = LOCAL_TIME_OTHER},
    {"2026-2-3 20:01:00", "UTC", .state = LOCAL_TIME_OTHER},
    {"2026-02/03 20:01:00", "UTC", .state = LOCAL_TIME_OTHER},
    {"2026-02-30 20:01:00", "UTC", .state = LOCAL_TIME_OTHER},
    {"2026-00-03 20:01:00", "UTC", .state = LOCAL_TIME_OTHER},
    {"2026-13-03 20:01:00", "UTC", .state = LOCAL_TIME_OTHER},
    {"0000-00-00 00:00:00", "UTC", .state = LOCAL_TIME_OTHER},
    {"2026-02-03 24:00:00", "UTC", .state = LOCAL_TIME_OTHER},
    {"2026-02-03 20:60:00", "UTC", .state = LOCAL_TIME_OTHER},
    {"2026-02-03 20:01:61", "UTC", .state = LOCAL_TIME_OTHER},
    {"2026-02-03 20:01:00.", "UTC", .state = LOCAL_TIME_OTHER},
    {"2026-02-03 20:01:00,5", "UTC", .state = LOCAL_TIME_OTHER},
    {"2026-02-03 20", "UTC", .state = LOCAL_TIME_OTHER},
    {"2026-02-03 ", "UTC", .state = LOCAL_TIME_OTHER},
    {"2026-02-03  20:01:00", "UTC", .state = LOCAL_TIME_OTHER},
    {" 2026-02-03 20:01:00", "UTC", .state = LOCAL_TIME_OTHER},
    {"2026-02-03 20:01:00 ", "UTC", .state = LOCAL_TIME_OTHER},
    {"2026-02-03 08:01:00 PM", "UTC", .state = LOCAL_TIME_OTHER},
    {"2026-02-03 20:01:00 CET", "UTC", .state = LOCAL_TIME_OTHER},
    {"2026-02-03 20:01:00+8", "UTC", .state = LOCAL_TIME_OTHER},
    {"2026-02-03 20:01:00+08:", "UTC", .state = LOCAL_TIME_OTHER},
    {"2026-02-03 20:01:00+08:0", "UTC", .state = LOCAL_TIME_OTHER},
    {"2026-02-03 20:01:00+25:00", "UTC", .state = LOCAL_TIME_OTHER},
    {"2026-02-03 20:01:00+08:00x", "UTC", .state = LOCAL_TIME_OTHER},
    {"1969-12-31 23:59:59", "UTC", .state = LOCAL_TIME_OTHER},
    {"2026-02-03", "UTC", .state = LOCAL_TIME_DATE},
    {"2026/2/3", NULL, .state = LOCAL_TIME_DATE},
    {"2026-02-03 20:01:00", NULL, .state = LOCAL_TIME_NO_ZONE},
    {"2026-02-03T20:01", NULL, .state = LOCAL_TIME_NO_ZONE},
    /* a zone that is stated wins */
    {"2026-02-03 20:01:00Z", "Asia/Shanghai", .instant = "2026-02-03T20:01:00.000Z"},
    {"2026-02-03 20:01:00 UTC", NULL, .instant = "2026-02-03T20:01:00.000Z"},
    {"2026-02-03 20:01:00 GMT", NULL, .instant = "2026-02-03T20:01:00.000Z"},
    {"2026-02-03 20:01:00+08", "Europe/Berlin", .instant = "2026-02-03T12:01:00.000Z"},
    {"2026-02-03 20:01:00.25 +0800", NULL, .instant = "2026-02-03T12:01:00.250Z"},
    {"2026-02-03T20:01:00-03:30", NULL, .instant = "2026-02-03T23:31:00.000Z"},
    /* local times */
    {"2026-02-03 20:01:00", "UTC", .instant = "2026-02-03T20:01:00.000Z"},
    {"2026-02-03t20:01", "UTC", .instant = "2026-02-03T20:01:00.000Z"},
    {"2026/2/3 4:05", "UTC", .instant = "2026-02-03T04:05:00.000Z"},
    {"2026/02/03 04:05:06", "UTC", .instant = "2026-02-03T04:05:06.000Z"},
    {"2026-02-03 20:01:00.123999", "UTC", .instant = "2026-02-03T20:01:00.123Z"},
    {"2026-12-31 23:59:60", "UTC", .instant = "2026-12-31T23:59:59.999Z"},
    {"2024-02-29 00:00:00", "UTC", .instant = "2024-02-29T00:00:00.000Z"},
    {"9999-12-31 23:59:59", "UTC", .instant = "9999-12-31T23:59:59.000Z"},
    {"1970-01-01 00:00:00", "UTC", .instant = "1970-01-01T00:00:00.000Z"},
    {"2026-02-03 20:01:00", "Asia/Shanghai", .instant = "2026-02-03T12:01:00.000Z"},
    {"2026-07-03 00:30:00", "Asia/Shanghai", .instant = "2026-07-02T16:30:00.000Z"},
    {"1990-04-15 01:59:59", "Asia/Shanghai", .instant = "1990-04-14T17:59:59.000Z"}, /* it had summer time until 1991 */
    {"1990-04-15 02:30:00", "Asia/Shanghai", .state = LOCAL_TIME_SKIPPED},
    {"2026-02-03 20:01:00", "Europe/Berlin", .instant = "2026-02-03T19:01:00.000Z"},
    {"2026-07-03 20:01:00", "Europe/Berlin", .instant = "2026-07-03T18:01:00.000Z"},
    {"2026-03-29 01:59:59.999", "Europe/Berlin", .instant = "2026-03-29T00:59:59.999Z"},
    {"2026-03-29 02:00:00", "Europe/Berlin", .state = LOCAL_TIME_SKIPPED},
    {"2026-03-29 02:59:59.999", "Europe/Berlin", .state = LOCAL_TIME_SKIPPED},
    {"2026-03-29 03:00:00", "Europe/Berlin", .instant = "2026-03-29T01:00:00.000Z"},
    {"2026-10-25 01:59:59", "Europe/Berlin", .instant = "2026-10-24T23:59:59.000Z"},
    {"2026-10-25 02:00:00", "Europe/Berlin", .instant = "2026-10-25T00:00:00.000Z", .is_twice = true},
    {"2026-10-25 02:59:59", "Europe/Berlin", .instant = "2026-10-25T00:59:59.000Z", .is_twice = true},
    {"2026-10-25 03:00:00", "Europe/Berlin", .instant = "2026-10-25T02:00:00.000Z"},
    {"2026-02-03 20:01:00", "America/St_Johns", .instant = "2026-02-03T23:31:00.000Z"},
    {"2010-03-14 00:00:30", "America/St_Johns", .instant = "2010-03-14T03:30:30.000Z"}, /* it changed its clock at 00:01 */
    {"2010-03-14 00:01:00", "America/St_Johns", .state = LOCAL_TIME_SKIPPED},
    {"2010-03-14 01:01:00", "America/St_Johns", .instant = "2010-03-14T03:31:00.000Z"},
    {"2010-11-06 23:01:00", "America/St_Johns", .instant = "2010-11-07T01:31:00.000Z", .is_twice = true},
    {"2010-11-07 00:00:59", "America/St_Johns", .instant = "2010-11-07T02:30:59.000Z", .is_twice = true},
    {"2010-11-07 00:01:00", "America/St_Johns", .instant = "2010-11-07T03:31:00.000Z"},
    {"2026-02-03 20:01:00", "Australia/Lord_Howe", .instant = "2026-02-03T09:01:00.000Z"}, /* half an hour of summer time */
    {"2026-04-05 01:29:59", "Australia/Lord_Howe", .instant = "2026-04-04T14:29:59.000Z"},
    {"2026-04-05 01:30:00", "Australia/Lord_Howe", .instant = "2026-04-04T14:30:00.000Z", .is_twice = true},
    {"2026-04-05 01:59:59", "Australia/Lord_Howe", .instant = "2026-04-04T14:59:59.000Z", .is_twice = true},
    {"2026-04-05 02:00:00", "Australia/Lord_Howe", .instant = "2026-04-04T15:30:00.000Z"},
    {"2026-10-04 02:00:00", "Australia/Lord_Howe", .state = LOCAL_TIME_SKIPPED},
    {"2026-10-04 02:29:59", "Australia/Lord_Howe", .state = LOCAL_TIME_SKIPPED},
    {"2026-10-04 02:30:00", "Australia/Lord_Howe", .instant = "2026-10-03T15:30:00.000Z"},
    {"2011-12-30 12:00:00", "Pacific/Apia", .state = LOCAL_TIME_SKIPPED}, /* a day that was left out */
    {"2011-12-31 00:00:00", "Pacific/Apia", .instant = "2011-12-30T10:00:00.000Z"},
};

static void test_times(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    const struct zone *zone = NULL;
    struct err err = {0};
    if (cases[i].zone != NULL) assert_int_equal(zone_find(str_of(cases[i].zone), &zone, &err), 0);
    int64_t time_ms = -7;
    bool is_twice = false;
    enum local_time_state got = local_time_read(str_of(cases[i].text), zone, &time_ms, &is_twice);
    enum local_time_state expected = cases[i].instant != NULL ? LOCAL_TIME_GOOD : cases[i].state;
    if (got != expected) fail_msg("'%s' in %s: %d", cases[i].text, cases[i].zone, (int)got);
    if (got != LOCAL_TIME_GOOD) {
      assert_int_equal(time_ms, -7);
      continue;
    }
    char instant[RFC3339_SIZE];
    rfc3339_format(time_ms, instant);
    if (strcmp(instant, cases[i].instant) != 0 || is_twice != cases[i].is_twice)
      fail_msg("'%s' in %s: %s, %d", cases[i].text, cases[i].zone, instant, is_twice);
  }
}

/* The local time of every quarter of an hour of some years is read as that instant, or as the one before it with the
 * same local time. */
static void test_round_trip(void **state) {
  static const char *const names[] = {"Asia/Shanghai", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe"};
  (void)state;
  for (size_t i = 0; i < 4; i++) {
    const struct zone *zone;
    struct err err = {0};
    assert_int_equal(zone_find(str_of(names[i]), &zone, &err), 0);
    for (int64_t time = INT64_C(1230768000); time < INT64_C(1356998400); time += 900) { /* 2009 to 2012 */
      char text[RFC3339_SIZE];
      int64_t time_ms;
      bool is_twice;
      rfc3339_format((time + zone_offset(zone, time)) * 1000, text);
      assert_int_equal(local_time_read(str_make(text, RFC3339_SIZE - 2), zone, &time_ms, &is_twice), LOCAL_TIME_GOOD);
      int64_t got = time_ms / 1000;
      bool is_same = got + zone_offset(zone, got) == time + zone_offset(zone, time);
      if (!is_same || got > time || (got < time && !is_twice)) fail_msg("%s in %s", text, names[i]);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_times),
      cmocka_unit_test(test_round_trip),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
