#include "meter/rfc3339.h"

#include <stdbool.h>
#include <stdio.h>

#include "base/check.h"
#include "meter/zone.h"

/* Takes a number of fixed width from the front. False if digits are missing or the number is not in [least, most]. */
static bool take_number(struct str *rest, size_t digits, int least, int most, int *ret) {
  uint64_t value;
  if (rest->len < digits || !str_to_u64(str_make(rest->ptr, digits), &value)) return false;
  if ((int)value < least || (int)value > most) return false;
  *rest = str_make(rest->ptr + digits, rest->len - digits);
  *ret = (int)value;
  return true;
}

static bool take_one_of(struct str *rest, const char *characters, char *ret) {
  if (rest->len == 0 || rest->ptr[0] == '\0' || strchr(characters, rest->ptr[0]) == NULL) return false;
  *ret = rest->ptr[0];
  *rest = str_make(rest->ptr + 1, rest->len - 1);
  return true;
}

/* ".123456": only the first three digits count. */
static bool take_fraction(struct str *rest, int *ret_ms) {
  char point;
  *ret_ms = 0;
  if (!take_one_of(rest, ".", &point)) return true;
  int scale = 100;
  size_t digits = 0;
  for (; digits < rest->len && rest->ptr[digits] >= '0' && rest->ptr[digits] <= '9'; digits++) {
    *ret_ms += scale * (rest->ptr[digits] - '0');
    scale /= 10;
  }
  *rest = str_make(rest->ptr + digits, rest->len - digits);
  return digits > 0;
}

static bool take_offset(struct str *rest, int *ret_minutes) {
  char sign;
  int hours, minutes;
  *ret_minutes = 0;
  if (!take_one_of(rest, "Zz+-", &sign)) return false;
  if (sign == 'Z' || sign == 'z') return true;
  char colon;
  bool good = take_number(rest, 2, 0, 23, &hours) && take_one_of(rest, ":", &colon) &&
              take_number(rest, 2, 0, 59, &minutes);
  if (good) *ret_minutes = (sign == '-' ? -1 : 1) * (hours * 60 + minutes);
  return good;
}

static bool date_exists(int year, int month, int day) {
  int back_year, back_month, back_day;
  zone_date_from_day(zone_day_from_date(year, month, day), &back_year, &back_month, &back_day);
  return back_month == month && back_day == day;
}

int rfc3339_parse(struct str text, int64_t *ret_ms, struct err *err) {
  struct str rest = text;
  int year, month, day, hour, minute, second, ms, offset;
  char c;
  bool good = take_number(&rest, 4, 1, 9999, &year) && take_one_of(&rest, "-", &c) &&
              take_number(&rest, 2, 1, 12, &month) && take_one_of(&rest, "-", &c) &&
              take_number(&rest, 2, 1, 31, &day) && take_one_of(&rest, "Tt ", &c) &&
              take_number(&rest, 2, 0, 23, &hour) && take_one_of(&rest, ":", &c) &&
              take_number(&rest, 2, 0, 59, &minute) && take_one_of(&rest, ":", &c) &&
              take_number(&rest, 2, 0, 60, &second) && take_fraction(&rest, &ms) && take_offset(&rest, &offset) &&
              rest.len == 0 && date_exists(year, month, day);
  if (!good) return err_set(err, ERR_PARSE, "must be an RFC 3339 time with a zone, like 2026-01-31T12:00:00Z");
  if (second == 60) {
    second = 59;
    ms = 999;
  }
  int64_t minutes = ((int64_t)zone_day_from_date(year, month, day) * 24 + hour) * 60 + minute - offset;
  int64_t time_ms = (minutes * 60 + second) * 1000 + ms;
  if (time_ms < RFC3339_MIN_MS || time_ms > RFC3339_MAX_MS)
    return err_set(err, ERR_PARSE, "the year must be from 0001 to 9999 in UTC");
  *ret_ms = time_ms;
  return 0;
}

void rfc3339_format(int64_t time_ms, char out[RFC3339_SIZE]) {
  if (time_ms < RFC3339_MIN_MS) time_ms = RFC3339_MIN_MS;
  if (time_ms > RFC3339_MAX_MS) time_ms = RFC3339_MAX_MS;
  const int64_t day_ms = INT64_C(86400000);
  int64_t day = time_ms / day_ms - (time_ms % day_ms < 0);
  int64_t rest = time_ms - day * day_ms;
  int year, month, date;
  zone_date_from_day((int32_t)day, &year, &month, &date);
  char text[64];
  int len = snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", year, month, date,
                     (int)(rest / 3600000), (int)(rest / 60000 % 60), (int)(rest / 1000 % 60), (int)(rest % 1000));
  CHECK(len == RFC3339_SIZE - 1);
  memcpy(out, text, RFC3339_SIZE);
}
