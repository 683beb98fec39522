/* Dates become instants here, and only by the zone that the resource names: the reader of parameters knows no zone.
 */
#include "v1/times.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "meter/rfc3339.h"

#define DAY_SECONDS 86400

int64_t v1_time_ms(const struct v1_value *value, const struct zone *zone) {
  CHECK(value->param->type == V1_TIME);
  return value->is_date ? zone_day_start(zone, value->day) * 1000 : value->number;
}

static int32_t first_of_month(int64_t months) {
  return zone_day_from_date((int)(months / 12), (int)(months % 12) + 1, 1);
}

/* True if the instant begins a day of the zone. */
static bool day_at(int64_t ms, const struct zone *zone, int32_t *ret_day) {
  if (ms % 1000 != 0) return false;
  *ret_day = zone_day_of(zone, ms / 1000);
  return zone_day_start(zone, *ret_day) == ms / 1000;
}

static bool is_day_start(const struct v1_value *value, const struct zone *zone, int32_t *ret_day) {
  if (!value->is_date) return day_at(value->number, zone, ret_day);
  *ret_day = value->day;
  return true;
}

static void take_month(const struct v1_value *month, const struct zone *zone, struct v1_period *ret) {
  int32_t first = first_of_month(month->number), behind = first_of_month(month->number + 1);
  *ret = (struct v1_period){
      .has_from = true,
      .has_to = true,
      .from_ms = zone_day_start(zone, first) * 1000,
      .to_ms = zone_day_start(zone, behind) * 1000,
      .is_days = true,
      .first_day = first,
      .last_day = behind - 1,
  };
}

static int refuse_order(const struct v1_value *from, const struct v1_value *to, const struct zone *zone,
                        struct v1_problem *problem) {
  bool has_date = from->is_date || to->is_date;
  return v1_refuse_param(problem, to->name, "'%.*s' is not later than from, '%.*s'%s%s; to itself is not included",
                         V1_SHOWN(to->text), V1_SHOWN(from->text), has_date ? ", in the time zone " : "",
                         has_date ? zone_name(zone) : "");
}

int v1_period(const struct v1_values *values, const struct zone *zone, struct v1_period *ret,
              struct v1_problem *problem) {
  const struct v1_value *from = v1_value(values, "from"), *to = v1_value(values, "to");
  const struct v1_value *month = v1_value(values, "month");
  int32_t behind;
  if (month != NULL) {
    take_month(month, zone, ret);
    return 0;
  }
  struct v1_period period = {.has_from = from != NULL, .has_to = to != NULL};
  if (from != NULL) period.from_ms = v1_time_ms(from, zone);
  if (to != NULL) period.to_ms = v1_time_ms(to, zone);
  if (from != NULL && to != NULL) {
    if (period.from_ms >= period.to_ms) return refuse_order(from, to, zone, problem);
    period.is_days = is_day_start(from, zone, &period.first_day) && is_day_start(to, zone, &behind);
    if (period.is_days) period.last_day = behind - 1;
  }
  *ret = period;
  return 0;
}

void v1_time_local(int64_t ms, const struct zone *zone, char out[V1_LOCAL_SIZE]) {
  int32_t offset = zone_offset(zone, ms / 1000);
  int64_t local = ms / 1000 + offset, day = local / 86400 - (local % 86400 < 0), rest = local - day * 86400;
  int year, month, date;
  char fraction[8] = "";
  CHECK(ms >= 0 && ms <= ZONE_TIME_MAX * 1000 + 999);
  zone_date_from_day((int32_t)day, &year, &month, &date);
  if (ms % 1000 != 0) (void)snprintf(fraction, sizeof fraction, ".%03d", (int)(ms % 1000));
  (void)snprintf(out, V1_LOCAL_SIZE, "%04d-%02d-%02dT%02d:%02d:%02d%s%c%02d:%02d", year, month, date,
                 (int)(rest / 3600), (int)(rest / 60 % 60), (int)(rest % 60), fraction, offset < 0 ? '-' : '+',
                 abs(offset) / 3600, abs(offset) / 60 % 60);
}

void v1_time_text(int64_t ms, const struct zone *zone, char out[V1_LOCAL_SIZE]) {
  _Static_assert(RFC3339_SIZE <= V1_LOCAL_SIZE, "either form");
  if (ms < 0 || ms / 1000 > ZONE_TIME_MAX - DAY_SECONDS) rfc3339_format(ms, out);
  else v1_time_local(ms, zone, out);
}
