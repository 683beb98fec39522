/* Time zones and their days. Source: design §5.
 *
 * A day is a calendar day of a zone, numbered like a date: days since 1970-01-01 in the proleptic Gregorian calendar
 * (day 0 is the local date 1970-01-01). F(d), zone_day_start, is the earliest instant whose local date is d or later;
 * day d is [F(d), F(d+1)). If the zone skips a date, F(d) == F(d+1): that day is empty and has no row.
 *
 * A zone is a name listed in the machine's tzdata. Handles come from a process-wide cache, live until the process
 * ends and never change: any thread may share them.
 */
#ifndef CODECMETER_METER_ZONE_H
#define CODECMETER_METER_ZONE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

#define ZONE_NAME_MAX 64 /* bytes */
/* The zone of projects that were created without one, before a zone was required. */
#define ZONE_FORMER_DEFAULT "Asia/Shanghai"

/* Instants are Unix seconds from 0 to the end of year 9999; day numbers follow from them. */
#define ZONE_TIME_MAX INT64_C(253402300799)
#define ZONE_DAY_MAX 2932896 /* 9999-12-31 */

struct zone;

/* Finds a zone by name. -ERR_RANGE if tzdata does not list the name (a path, "+08:00" and "" are not zones).
 * -ERR_MISSING if tzdata itself or its file is missing; err names the package. Never falls back to UTC. */
MUST_USE int zone_find(struct str name, const struct zone **ret, struct err *err);
const char *zone_name(const struct zone *zone);

/* A hash of the zone's transitions. It changes when tzdata's rules for the name change; totals by day are then
 * rebuilt. */
uint64_t zone_version(const struct zone *zone);

/* The day that an instant belongs to; time is clamped to 0..ZONE_TIME_MAX. */
int32_t zone_day_of(const struct zone *zone, int64_t time);
/* F(day) in Unix seconds; it may be slightly below 0 for day 0. day is from -1 to ZONE_DAY_MAX + 1. */
int64_t zone_day_start(const struct zone *zone, int32_t day);
/* Seconds east of UTC at an instant. */
int32_t zone_offset(const struct zone *zone, int64_t time);

/* Calendar arithmetic without zones. */
int32_t zone_day_from_date(int year, int month, int day);
void zone_date_from_day(int32_t day, int *ret_year, int *ret_month, int *ret_day);
/* Reads "2026-01-31" as a day number. -ERR_PARSE if it is not a date of that form; years 1970 to 9999. */
MUST_USE int zone_day_parse(struct str date, int32_t *ret_day, struct err *err);

#endif
