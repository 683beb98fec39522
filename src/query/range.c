#include "query/range.h"

#include "base/check.h"
#include "meter/rfc3339.h"
#include "query/calendar.h"

#define BOUND_FORMS "must be a date like 2026-10-01, a time like 2026-10-01T08:00:00+08:00, or Unix seconds"

/* ---- reading ---- */

static bool is_digits(struct str text) {
  for (size_t i = 0; i < text.len; i++) {
    if (text.ptr[i] < '0' || text.ptr[i] > '9') return false;
  }
  return text.len > 0;
}

/* "20261001" is a number of seconds in the summer of 1970, and surely meant otherwise. */
static bool looks_like_date(uint64_t seconds) {
  return seconds >= 19700101 && seconds <= 21001231 && seconds / 100 % 100 >= 1 && seconds / 100 % 100 <= 12 &&
         seconds % 100 >= 1 && seconds % 100 <= 31;
}

static int parse_seconds(struct str text, struct range_bound *ret, struct err *err) {
  uint64_t seconds;
  if (!str_to_u64(text, &seconds) || seconds > (uint64_t)ZONE_TIME_MAX)
    return err_set(err, ERR_PARSE, "must be Unix seconds (not milliseconds) up to the year 9999");
  if (looks_like_date(seconds)) {
    return err_set(err, ERR_PARSE, "as Unix seconds, this is in the year 1970; write a date as %.4s-%.2s-%.2s", text.ptr,
                   text.ptr + 4, text.ptr + 6);
  }
  *ret = (struct range_bound){.time = (int64_t)seconds};
  return 0;
}

/* In a query a '+' means a blank, so an offset that somebody did not escape arrives as "2026-10-01T00:00:00 08:00". */
#define TIME_MAX 48
static int parse_time(struct str text, struct range_bound *ret, struct err *err) {
  char mended[TIME_MAX];
  int64_t ms;
  bool is_short = str_copy(text, mended, sizeof mended);
  if (is_short && text.len > 16 && mended[text.len - 6] == ' ') mended[text.len - 6] = '+';
  if (!is_short || rfc3339_parse(str_make(mended, text.len), &ms, NULL) != 0) return err_set(err, ERR_PARSE, BOUND_FORMS);
  if (ms < 0) return err_set(err, ERR_PARSE, "must not be before 1970");
  if (ms % 1000 != 0) return err_set(err, ERR_PARSE, "must be a whole second");
  *ret = (struct range_bound){.time = ms / 1000};
  return 0;
}

int range_bound_parse(struct str text, struct range_bound *ret, struct err *err) {
  int32_t day;
  if (is_digits(text)) return parse_seconds(text, ret, err);
  if (text.len != 10) return parse_time(text, ret, err);
  if (zone_day_parse(text, &day, NULL) != 0) return err_set(err, ERR_PARSE, BOUND_FORMS ", of the years 1970 to 9999");
  *ret = (struct range_bound){.is_date = true, .day = day};
  return 0;
}

static int parse_month(struct str text, struct range *ret, struct err *err) {
  char date[] = "yyyy-mm-01";
  int32_t first;
  bool is_read = text.len == 7;
  if (is_read) memcpy(date, text.ptr, 7);
  if (!is_read || zone_day_parse(str_make(date, 10), &first, NULL) != 0)
    return err_set(err, ERR_PARSE, "must be a month like 2026-10, of the years 1970 to 9999");
  *ret = (struct range){.from = {.is_date = true, .day = first},
                        .to = {.is_date = true, .day = calendar_month(first, 1)}};
  return 0;
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

static int read_bounds(const struct range_given *given, struct range *ret, const char **ret_param, struct err *err) {
  *ret = (struct range){.is_until_now = given->to.len == 0};
  int result = range_bound_parse(given->from, &ret->from, err);
  if (result != 0) return refuse("from", ret_param, result);
  result = given->to.len > 0 ? range_bound_parse(given->to, &ret->to, err) : 0;
  if (result != 0) return refuse("to", ret_param, result);
  if (ret->is_until_now || is_before(ret)) return 0;
  return refuse("from", ret_param, err_set(err, ERR_RANGE, NOT_BEFORE));
}

int range_read(const struct range_given *given, struct range *ret, const char **ret_param, struct err *err) {
  struct range range = {.is_of_now = true};
  int result = 0;
  if (given->month.len > 0 && (given->from.len > 0 || given->to.len > 0)) {
    return refuse("month", ret_param, err_set(err, ERR_RANGE, "must not be given together with 'from' or 'to'"));
  }
  if (given->to.len > 0 && given->from.len == 0) {
    return refuse("from", ret_param, err_set(err, ERR_RANGE, "must be given if 'to' is given"));
  }
  if (given->month.len > 0) {
    result = parse_month(given->month, &range, err);
    if (result != 0) return refuse("month", ret_param, result);
  }
  if (given->from.len > 0) result = read_bounds(given, &range, ret_param, err);
  if (result == 0) *ret = range;
  return result;
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
  if (!calendar_day_begins(zone, from, &first) || !calendar_day_begins(zone, to, &last)) return clamp(from - (to - from));
  int32_t day = months_between(first, last, &months) ? calendar_month(first, -months) : first - (last - first);
  return day < 0 ? 0 : clamp(zone_day_start(zone, day));
}
