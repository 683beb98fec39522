#include "query/range.h"

#include "base/check.h"
#include "query/calendar.h"

/* ---- reading ---- */

bool range_looks_like_date(int64_t seconds) {
  int64_t month = seconds / 100 % 100, day = seconds % 100;
  return seconds >= 19700101 && seconds <= 21001231 && month >= 1 && month <= 12 && day >= 1 && day <= 31;
}

struct range range_of_month(int32_t first_day) {
  return (struct range){.from = {.is_date = true, .day = first_day},
                        .to = {.is_date = true, .day = calendar_month(first_day, 1)}};
}

static int refuse(const char *param, const char **ret_param, int result) {
  *ret_param = param;
  return result;
}

#define NOT_BEFORE "must be before 'to', which is not included: for one day, 'to' is the next day"

static bool is_before(const struct range *range) {
  const struct range_bound *from = &range->from, *to = &range->to;
  if (from->is_date != to->is_date) return true; /* only in a zone can they be compared */
  return from->is_date ? from->day < to->day : from->time < to->time;
}

int range_of_bounds(const struct range_bound *from, const struct range_bound *to, struct range *ret,
                    const char **ret_param, struct err *err) {
  struct range range = {.is_of_now = from == NULL, .is_until_now = from != NULL && to == NULL};
  if (from == NULL && to != NULL)
    return refuse("from", ret_param, err_set(err, ERR_RANGE, "must be given if 'to' is given"));
  if (from != NULL) range.from = *from;
  if (to != NULL) range.to = *to;
  if (to != NULL && !is_before(&range)) return refuse("from", ret_param, err_set(err, ERR_RANGE, NOT_BEFORE));
  *ret = range;
  return 0;
}

bool range_depends_on_now(const struct range *range) { return range->is_of_now || range->is_until_now; }

bool range_is_of_instants(const struct range *range) {
  return !range_depends_on_now(range) && !range->from.is_date && !range->to.is_date;
}

/* ---- in a zone ---- */

static int64_t clamp(int64_t time) {
  if (time < 0) return 0;
  return time > ZONE_TIME_MAX ? ZONE_TIME_MAX : time;
}

static int64_t bound_in(const struct range_bound *bound, const struct zone *zone) {
  return clamp(bound->is_date ? zone_day_start(zone, bound->day) : bound->time);
}

int range_in_zone(const struct range *range, const struct zone *zone, int64_t now, int64_t *ret_from, int64_t *ret_to,
                  struct err *err) {
  int32_t today = zone_day_of(zone, clamp(now));
  struct range_bound from = range->from, to = range->to;
  if (range->is_of_now) {
    from = (struct range_bound){.is_date = true, .day = calendar_month(today, 0)};
    to = (struct range_bound){.is_date = true, .day = calendar_month(today, 1)};
  }
  if (range->is_until_now) to = (struct range_bound){.is_date = true, .day = today + 1};
  int64_t begin = bound_in(&from, zone), end = bound_in(&to, zone);
  if (begin >= end && range->is_until_now)
    return err_set(err, ERR_RANGE, "must not be later than today, if 'to' is not given");
  if (begin >= end) return err_set(err, ERR_RANGE, NOT_BEFORE " (in the time zone %s)", zone_name(zone));
  *ret_from = begin;
  *ret_to = end;
  return 0;
}

/* True if both days are the first of a month; *ret is the number of months between them. */
static bool months_between(int32_t from, int32_t to, int *ret) {
  int from_year, from_month, from_day, to_year, to_month, to_day;
  zone_date_from_day(from, &from_year, &from_month, &from_day);
  zone_date_from_day(to, &to_year, &to_month, &to_day);
  *ret = (to_year - from_year) * 12 + to_month - from_month;
  return from_day == 1 && to_day == 1;
}

int64_t range_before(const struct zone *zone, int64_t from, int64_t to) {
  CHECK(from <= to);
  int32_t first, last;
  int months;
  if (!calendar_day_begins(zone, from, &first) || !calendar_day_begins(zone, to, &last))
    return clamp(from - (to - from));
  int32_t day = months_between(first, last, &months) ? calendar_month(first, -months) : first - (last - first);
  return day < 0 ? 0 : clamp(zone_day_start(zone, day));
}
