/* Times of /v1: what `from`, `to` and `month` mean in a zone, and how times are written. */
#ifndef CODECMETER_V1_TIMES_H
#define CODECMETER_V1_TIMES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "meter/zone.h"
#include "v1/param.h"
#include "v1/problem.h"

/* A V1_TIME value in Unix ms; a date is the beginning of its day in the zone. */
int64_t v1_time_ms(const struct v1_value *value, const struct zone *zone);

/* The instants of [from_ms, to_ms). Without `from` or `to`: has_from or has_to is false, and that end is open. */
struct v1_period {
  bool has_from, has_to;
  int64_t from_ms, to_ms;
  bool is_days;                /* both ends are given, and both begin a day of the zone */
  int32_t first_day, last_day; /* if is_days: inclusive. An empty day (a date that the zone skips) may be among them */
};
/* Reads `from` and `to`, or `month`, of the tables in param_common.h. 400 if `from` is not before `to` in this zone,
 * or if the whole period is of no length (a date that the zone skips). */
MUST_USE int v1_period(const struct v1_values *values, const struct zone *zone, struct v1_period *ret,
                       struct v1_problem *problem);

/* Writes "2026-10-01T08:00:00+08:00", or with ".123" if the milliseconds are not 0: the local time of a zone with its
 * offset. ms from 0 to the end of 9999. */
#define V1_LOCAL_SIZE 40
void v1_time_local(int64_t ms, const struct zone *zone, char out[V1_LOCAL_SIZE]);
/* The same of any time: one before 1970, or on the last day of 9999, is written in UTC, because its local year may have
 * another number of digits. */
void v1_time_text(int64_t ms, const struct zone *zone, char out[V1_LOCAL_SIZE]);

#endif
