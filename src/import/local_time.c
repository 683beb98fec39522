#include "import/local_time.h"

#define HOUR_SECONDS INT64_C(3600)
/* Offsets are at most 26 hours apart from UTC. Two changes of one zone are further apart than the step. */
#define PROBE_SPAN (30 * HOUR_SECONDS)
#define PROBE_STEP (6 * HOUR_SECONDS)

static bool take(struct str *rest, const char *characters) {
  if (rest->len == 0 || rest->ptr[0] == '\0' || strchr(characters, rest->ptr[0]) == NULL) return false;
  *rest = str_make(rest->ptr + 1, rest->len - 1);
  return true;
}

static bool take_number(struct str *rest, size_t digits_min, size_t digits_max, uint64_t max, int64_t *ret) {
  size_t digits = 0;
  uint64_t value;
  while (digits < rest->len && rest->ptr[digits] >= '0' && rest->ptr[digits] <= '9')
    digits++;
  if (digits < digits_min || digits > digits_max) return false;
  if (!str_to_u64(str_make(rest->ptr, digits), &value) || value > max) return false;
  *rest = str_make(rest->ptr + digits, rest->len - digits);
  *ret = (int64_t)value;
  return true;
}

static bool take_date(struct str *rest, int64_t *ret_day) {
  int64_t year, month, date;
  int back_year, back_month, back_date;
  if (!take_number(rest, 4, 4, 9999, &year) || rest->len == 0) return false;
  const char separator[] = {rest->ptr[0], '\0'};
  size_t digits_min = separator[0] == '/' ? 1 : 2; /* a spreadsheet writes 2026/2/3 */
  bool good = take(rest, "-/") && take_number(rest, digits_min, 2, 12, &month) && take(rest, separator) &&
              take_number(rest, digits_min, 2, 31, &date) && year > 0 && month > 0 && date > 0;
  if (!good) return false;
  *ret_day = zone_day_from_date((int)year, (int)month, (int)date);
  zone_date_from_day((int32_t)*ret_day, &back_year, &back_month, &back_date);
  return back_month == month && back_date == date;
}

/* ".123456": only the first three digits count. */
static bool take_fraction(struct str *rest, int64_t *ret_ms) {
  *ret_ms = 0;
  if (!take(rest, ".")) return true;
  size_t digits = 0;
  int64_t scale = 100;
  for (; digits < rest->len && rest->ptr[digits] >= '0' && rest->ptr[digits] <= '9'; digits++, scale /= 10)
    *ret_ms += scale * (rest->ptr[digits] - '0');
  *rest = str_make(rest->ptr + digits, rest->len - digits);
  return digits > 0;
}

static bool take_time_of_day(struct str *rest, int64_t *ret_ms) {
  int64_t hour, minute, second = 0, ms = 0;
  size_t digits_min = rest->len > 1 && rest->ptr[1] == ':' ? 1 : 2;
  bool good = take_number(rest, digits_min, 2, 23, &hour) && take(rest, ":") && take_number(rest, 2, 2, 59, &minute);
  if (good && take(rest, ":")) good = take_number(rest, 2, 2, 60, &second) && take_fraction(rest, &ms);
  if (second == 60) { /* the last millisecond of its minute, as in meter/rfc3339.h */
    second = 59;
    ms = 999;
  }
  if (good) *ret_ms = ((hour * 60 + minute) * 60 + second) * 1000 + ms;
  return good;
}

/* Takes the zone that the time states: the offset in seconds. */
static bool take_zone(struct str *rest, int64_t *ret_offset) {
  int64_t hours, minutes = 0;
  *ret_offset = 0;
  (void)take(rest, " ");
  if (str_equal(*rest, STR("UTC")) || str_equal(*rest, STR("GMT"))) {
    *rest = STR("");
    return true;
  }
  if (take(rest, "Zz")) return true;
  bool is_west = rest->len > 0 && rest->ptr[0] == '-';
  if (!take(rest, "+-") || rest->len < 2) return false;
  struct str first = str_make(rest->ptr, 2);
  if (!take_number(&first, 2, 2, 23, &hours)) return false;
  *rest = str_make(rest->ptr + 2, rest->len - 2);
  bool has_minutes = take(rest, ":") || rest->len > 0;
  if (has_minutes && !take_number(rest, 2, 2, 59, &minutes)) return false;
  *ret_offset = (is_west ? -1 : 1) * (hours * 60 + minutes) * 60;
  return true;
}

/* Finds the instants whose local time this is, by the offsets around it. */
static enum local_time_state find_instant(int64_t local_ms, const struct zone *zone, int64_t *ret_ms,
                                          bool *ret_is_twice) {
  int64_t local = local_ms / 1000, first = INT64_MAX, last = INT64_MIN;
  for (int64_t probe = local - PROBE_SPAN; probe <= local + PROBE_SPAN; probe += PROBE_STEP) {
    int64_t instant = local - zone_offset(zone, probe);
    if (local - zone_offset(zone, instant) != instant) continue;
    if (instant < first) first = instant;
    if (instant > last) last = instant;
  }
  if (first > last) return LOCAL_TIME_SKIPPED;
  *ret_ms = first * 1000 + local_ms % 1000;
  *ret_is_twice = first < last;
  return LOCAL_TIME_GOOD;
}

enum local_time_state local_time_read(struct str text, const struct zone *zone, int64_t *ret_ms, bool *ret_is_twice) {
  struct str rest = text;
  int64_t day, time_ms, offset;
  if (!take_date(&rest, &day)) return LOCAL_TIME_OTHER;
  if (rest.len == 0) return LOCAL_TIME_DATE;
  if (!take(&rest, "Tt ") || !take_time_of_day(&rest, &time_ms)) return LOCAL_TIME_OTHER;
  int64_t local_ms = day * INT64_C(86400000) + time_ms;
  if (local_ms < 0) return LOCAL_TIME_OTHER; /* before 1970: no report can hold it */
  if (rest.len == 0) return zone != NULL ? find_instant(local_ms, zone, ret_ms, ret_is_twice) : LOCAL_TIME_NO_ZONE;
  if (!take_zone(&rest, &offset) || rest.len > 0) return LOCAL_TIME_OTHER;
  *ret_ms = local_ms - offset * 1000;
  *ret_is_twice = false;
  return LOCAL_TIME_GOOD;
}
