/* Calendars: the steps of a range of time in a zone. Pure. Source: design §7.
 *
 * A range [from, to) is divided into steps, each [start, end), which leave nothing out. The first and the last step are
 * cut where the range begins and ends.
 *
 *   15m, 1h  begin where local clocks show a whole quarter hour, or hour, and wherever clocks change. So no step is
 *            longer than its name says; one is shorter where clocks change within it (in Lord Howe by half an hour).
 *   1d       days of meter/zone.h; a date that the zone skipped has no step
 *   1w       weeks of ISO 8601: they begin on Monday
 *   1mo      calendar months
 *   total    one step
 */
#ifndef CODECMETER_QUERY_CALENDAR_H
#define CODECMETER_QUERY_CALENDAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "meter/zone.h"

enum calendar_step { CALENDAR_15M, CALENDAR_1H, CALENDAR_1D, CALENDAR_1W, CALENDAR_1MO, CALENDAR_TOTAL };
#define CALENDAR_STEPS 6

/* "15m" …; the reverse, false for any other text. */
const char *calendar_step_name(enum calendar_step step);
MUST_USE bool calendar_step_parse(struct str name, enum calendar_step *ret);

/* Steps of one question at most: 14 years of quarter hours, 57 of hours. 4 MB. */
#define CALENDAR_MAX 500000u

struct calendar {
  const struct zone *zone;
  int64_t *starts; /* count + 1 instants in Unix seconds: where each step begins, then where the last one ends */
  size_t count;    /* 0 if from == to */
};

/* Divides [from, to), with 0 <= from <= to <= ZONE_TIME_MAX. -ERR_LIMIT: more than CALENDAR_MAX steps; the text says
 * how to ask for fewer. -ERR_MEMORY. The caller frees with calendar_fini. */
MUST_USE int calendar_make(const struct zone *zone, enum calendar_step step, int64_t from, int64_t to,
                           struct calendar *ret, struct err *err);
void calendar_fini(struct calendar *calendar);

/* The step that an instant within the range belongs to (a CHECK). */
size_t calendar_at(const struct calendar *calendar, int64_t time);
/* True if an instant is in the range. */
bool calendar_covers(const struct calendar *calendar, int64_t time);
/* True if each step begins and ends where a day of the zone begins. Then *ret_first and *ret_last are the range's days,
 * both inclusive. False for an empty range. */
MUST_USE bool calendar_is_of_days(const struct calendar *calendar, int32_t *ret_first, int32_t *ret_last);

/* True if a day of the zone, or the first day of a month, begins at this instant; *ret_day is that day, and if the zone
 * skipped dates just before, the last of them that begins there. */
MUST_USE bool calendar_day_begins(const struct zone *zone, int64_t time, int32_t *ret_day);
/* The day number of the first of the month that is `months` after that of `day`; months may be negative. */
int32_t calendar_month(int32_t day, int months);

/* Appends an instant as local time: "2026-10-01T00:00:00+08:00" (RFC 3339). Always the exact instant: RFC 3339 has no
 * seconds in offsets, so the odd offsets of before 1980 are written in whole minutes. */
void calendar_write_date(const struct zone *zone, int64_t time, struct buf *out);

#endif
