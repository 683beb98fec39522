/* Time zones and their days. Source: design §5.
 *
 * A day is a calendar day of a zone, numbered like a date: days since 1970-01-01 in the proleptic Gregorian calendar
 * (day 0 is the local date 1970-01-01). F(d), zone_day_start, is the earliest instant whose local date is d or later;
 * day d is [F(d), F(d+1)). A date that the zone skipped has F(d) == F(d+1): it is empty and has no row.
 *
 * A zone is a name listed in the machine's tzdata. Handles come from a process-wide cache, live until the process
 * ends and are never changed: share them freely between threads.
 */
#ifndef CODECMETER_METER_ZONE_H
#define CODECMETER_METER_ZONE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

#define ZONE_NAME_MAX 64 /* bytes */
/* What projects got for which nobody had named a zone, before each had to name one. */
#define ZONE_FORMER_DEFAULT "Asia/Shanghai"

/* Instants are Unix seconds from 0 to the end of year 9999; day numbers follow from them. */
#define ZONE_TIME_MAX INT64_C(253402300799)
#define ZONE_DAY_MAX 2932896 /* 9999-12-31 */

struct zone;

/* -ERR_RANGE when name is not listed in tzdata (a path, "+08:00" and "" are not zones), -ERR_MISSING naming the
 * package when tzdata itself is not there. Never falls back to UTC. */
MUST_USE int zone_find(struct str name, const struct zone **ret, struct err *err);
const char *zone_name(const struct zone *zone);

/* A hash of the zone's transitions: differs when tzdata's rules for the name differ (totals by day are then remade). */
uint64_t zone_version(const struct zone *zone);

/* The day an instant belongs to; time is clamped to 0..ZONE_TIME_MAX. */
int32_t zone_day_of(const struct zone *zone, int64_t time);
/* F(day) in Unix seconds, may be slightly below 0 for day 0; day from -1 to ZONE_DAY_MAX + 1. */
int64_t zone_day_start(const struct zone *zone, int32_t day);
bool zone_day_is_empty(const struct zone *zone, int32_t day);
/* Seconds east of UTC at an instant. */
int32_t zone_offset(const struct zone *zone, int64_t time);

/* Calendar arithmetic without zones. */
int32_t zone_day_from_date(int year, int month, int day);
void zone_date_from_day(int32_t day, int *ret_year, int *ret_month, int *ret_day);
/* "2026-01-31" as a day number; -ERR_PARSE when it is not a date of that form, years 1970 to 9999. */
MUST_USE int zone_day_parse(struct str date, int32_t *ret_day, struct err *err);

#endif
