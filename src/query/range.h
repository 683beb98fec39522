/* Ranges of time as a question gives them: bounds that are instants or dates, a month, or nothing. A date begins in a
 * zone, so a range becomes two instants for each zone. Pure. Source: design §7.
 */
#ifndef CODECMETER_QUERY_RANGE_H
#define CODECMETER_QUERY_RANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "meter/zone.h"

/* A bound of a range. */
struct range_bound {
  bool is_date;
  int32_t day;  /* of a date: where this day of a zone begins */
  int64_t time; /* of an instant: Unix seconds, from 0 to ZONE_TIME_MAX */
};

/* True if somebody who writes this number as Unix seconds surely means a date: 20261001 is in the summer of 1970. */
bool range_looks_like_date(int64_t seconds);

struct range {
  bool is_of_now;    /* the month that it is now */
  bool is_until_now; /* `to` is the end of the day that it is now */
  struct range_bound from, to;
};

/* Makes a range of the bounds that a question gives; NULL: not given. `from` alone: until the end of today. Neither:
 * this month. -ERR_RANGE: *ret_param names the parameter at fault ("from", "to"), and the text says what is wrong.
 * Whether `from` is before `to` is decided here if a zone cannot matter, else by range_in_zone. */
MUST_USE int range_of_bounds(const struct range_bound *from, const struct range_bound *to, struct range *ret,
                             const char **ret_param, struct err *err);
/* The month that begins on this day. */
struct range range_of_month(int32_t first_day);

/* True if the range depends on the clock: it is not the same range tomorrow. */
bool range_depends_on_now(const struct range *range);
/* True if the range is the same two instants in every zone. */
bool range_is_of_instants(const struct range *range);

/* The range's two instants in a zone, from < to, both from 0 to ZONE_TIME_MAX. now: Unix seconds. -ERR_RANGE: from is
 * not before to. */
MUST_USE int range_in_zone(const struct range *range, const struct zone *zone, int64_t now, int64_t *ret_from,
                           int64_t *ret_to, struct err *err);

/* Where the period before [from, to) begins; it ends at `from`. If months of the zone begin at both bounds: as many
 * months before. Else, if days do: as many days before. Else as many seconds. Not before 1970. */
int64_t range_before(const struct zone *zone, int64_t from, int64_t to);

#endif
