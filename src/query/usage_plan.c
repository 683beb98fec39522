/* A date begins at other instants in other zones, so the projects are sorted into their zones first. Everything else
 * is decided from the boundaries of steps alone: whether all of them begin days, whether they begin quarter hours. */
#include "query/usage_plan.h"

#include <stdlib.h>

#include "base/check.h"

#define QUARTER INT64_C(900)
#define FIRST_USAGE INT64_C(315532800) /* 1980-01-01: no task is older (ingest/read/event.h) */

/* ---- zones ---- */

static int no_memory(struct err *err) {
  return err_set(err, ERR_MEMORY, "no memory for a question: ask again later");
}

static bool is_grouped_by_project(const struct usage_spec *spec) {
  for (size_t i = 0; i < spec->group_count; i++) {
    if (spec->group[i].dim == DIM_PROJECT) return true;
  }
  return false;
}

static uint32_t zone_index(struct usage_plan *plan, const struct zone *zone) {
  for (size_t i = 0; i < plan->zones_count; i++) {
    if (plan->zones[i].zone == zone) return (uint32_t)i;
  }
  plan->zones[plan->zones_count] = (struct usage_zone){.zone = zone};
  return (uint32_t)plan->zones_count++;
}

/* Zones with the same rules and other names have the same days. */
static const struct usage_zone *other_zone(const struct usage_plan *plan) {
  for (size_t i = 1; i < plan->zones_count; i++) {
    if (zone_version(plan->zones[i].zone) != zone_version(plan->zones[0].zone)) return &plan->zones[i];
  }
  return NULL;
}

static int make_utc(struct usage_plan *plan, const struct usage_spec *spec, struct err *err) {
  const struct zone *utc;
  int result = zone_find(STR("UTC"), &utc, err);
  if (result != 0) return result;
  plan->zones_count = 1;
  plan->zones[0] = (struct usage_zone){.zone = utc};
  for (size_t i = 0; i < spec->projects_count; i++)
    plan->zone_of[i] = 0;
  return 0;
}

/* Rows of several projects have one zone. */
static int unite_zones(struct usage_plan *plan, const struct usage_spec *spec, const char **ret_param,
                       struct err *err) {
  const struct usage_zone *other = other_zone(plan);
  if (other != NULL && spec->step == CALENDAR_TOTAL && range_is_of_instants(&spec->range))
    return make_utc(plan, spec, err);
  if (other != NULL) {
    *ret_param = "zone";
    return err_set(
        err, ERR_RANGE,
        "must be given: the projects have different time zones (%s, %s%s), so their days cannot be added up; or "
        "group by project, then each one's rows are in its own zone",
        zone_name(plan->zones[0].zone), zone_name(other->zone), plan->zones_count > 2 ? " …" : "");
  }
  plan->zones_count = 1;
  for (size_t i = 0; i < spec->projects_count; i++)
    plan->zone_of[i] = 0;
  return 0;
}

static int find_zones(struct usage_plan *plan, const struct usage_spec *spec, const char **ret_param,
                      struct err *err) {
  plan->zones = calloc(spec->projects_count + 1, sizeof *plan->zones);
  plan->zone_of = calloc(spec->projects_count + 1, sizeof *plan->zone_of);
  if (plan->zones == NULL || plan->zone_of == NULL) return no_memory(err);
  for (size_t i = 0; i < spec->projects_count; i++) {
    const struct zone *zone = spec->zone;
    int result = zone == NULL ? zone_find(str_of(spec->projects[i].zone), &zone, err) : 0;
    if (result != 0) return result;
    plan->zone_of[i] = zone_index(plan, zone);
  }
  if (plan->zones_count == 0 && spec->zone != NULL) (void)zone_index(plan, spec->zone);
  if (plan->zones_count == 0) return make_utc(plan, spec, err);
  return is_grouped_by_project(spec) ? 0 : unite_zones(plan, spec, ret_param, err);
}

/* ---- steps ---- */

static int make_calendars(struct usage_zone *zone, const struct usage_spec *spec, const char **ret_param,
                          struct err *err) {
  int64_t from, to;
  *ret_param = "from";
  int result = range_in_zone(&spec->range, zone->zone, spec->now, &from, &to, err);
  if (result != 0) return result;
  *ret_param = "step";
  result = calendar_make(zone->zone, spec->step, from, to, &zone->now, err);
  if (result != 0 || !spec->compare) return result;
  return calendar_make(zone->zone, spec->step, range_before(zone->zone, from, to), from, &zone->before, err);
}

static int make_steps(struct usage_plan *plan, const struct usage_spec *spec, const char **ret_param,
                      struct err *err) {
  size_t steps = 0;
  for (size_t i = 0; i < plan->zones_count; i++) {
    int result = make_calendars(&plan->zones[i], spec, ret_param, err);
    if (result != 0) return result;
    steps += plan->zones[i].now.count + plan->zones[i].before.count;
    if (steps <= 2 * (size_t)CALENDAR_MAX) continue;
    return err_set(
        err, ERR_LIMIT,
        "the range has more than %u steps in the projects' %zu time zones: give 'zone', or ask for a shorter "
        "range or a longer step",
        2 * CALENDAR_MAX, plan->zones_count);
  }
  return 0;
}

/* ---- the method ---- */

static bool are_in_totals(const struct usage_spec *spec) {
  for (size_t i = 0; i < spec->group_count; i++) {
    if (!dim_is_in_totals(spec->group[i].dim)) return false;
  }
  return filter_is_in_totals(spec->filter);
}

/* The days of a zone's steps, those of the period before too. */
static bool days_of(const struct usage_zone *zone, int32_t *ret_first, int32_t *ret_last) {
  int32_t last_before;
  if (!calendar_is_of_days(&zone->now, ret_first, ret_last)) return false;
  return zone->before.count == 0 || calendar_is_of_days(&zone->before, ret_first, &last_before);
}

static bool plan_days(struct usage_plan *plan) {
  int32_t first = 0, last = 0;
  for (size_t i = 0; i < plan->zones_count; i++) {
    int32_t zone_first, zone_last;
    if (!days_of(&plan->zones[i], &zone_first, &zone_last)) return false;
    if (i > 0 && (zone_first != first || zone_last != last)) return false;
    first = zone_first;
    last = zone_last;
  }
  plan->step = SUMS_DAYS;
  plan->first = first;
  plan->last = last;
  return true;
}

int64_t usage_zone_begin(const struct usage_zone *zone) {
  return zone->before.count > 0 ? zone->before.starts[0] : zone->now.starts[0];
}

int64_t usage_zone_end(const struct usage_zone *zone) { return zone->now.starts[zone->now.count]; }

static void plan_quarters(struct usage_plan *plan) {
  int64_t begin = INT64_MAX, end = INT64_MIN;
  for (size_t i = 0; i < plan->zones_count; i++) {
    const struct usage_zone *zone = &plan->zones[i];
    if (usage_zone_begin(zone) < begin) begin = usage_zone_begin(zone);
    if (usage_zone_end(zone) > end) end = usage_zone_end(zone);
  }
  plan->step = SUMS_QUARTERS;
  plan->first = begin / QUARTER;
  plan->last = (end - 1) / QUARTER;
}

int usage_plan_make(const struct usage_spec *spec, struct usage_plan *ret, const char **ret_param, struct err *err) {
  SCOPED(usage_plan_fini) struct usage_plan plan = {0};
  *ret_param = NULL;
  int result = find_zones(&plan, spec, ret_param, err);
  if (result == 0) result = make_steps(&plan, spec, ret_param, err);
  if (result != 0) return result;
  plan.method = spec->has_as_of || !are_in_totals(spec) ? USAGE_BY_RECORDS : USAGE_BY_DAYS;
  if (plan.method < spec->method_least) plan.method = spec->method_least;
  if (plan.method == USAGE_BY_DAYS && !plan_days(&plan)) plan.method = USAGE_BY_QUARTERS;
  if (plan.method == USAGE_BY_QUARTERS) plan_quarters(&plan);
  *ret_param = NULL;
  *ret = plan;
  plan = (struct usage_plan){0};
  return 0;
}

void usage_plan_fini(struct usage_plan *plan) {
  for (size_t i = 0; i < plan->zones_count; i++) {
    calendar_fini(&plan->zones[i].now);
    calendar_fini(&plan->zones[i].before);
  }
  free(plan->zones);
  free(plan->zone_of);
  *plan = (struct usage_plan){0};
}

size_t usage_plan_bytes(const struct usage_plan *plan) {
  size_t bytes = 0;
  for (size_t i = 0; i < plan->zones_count; i++)
    bytes += sizeof *plan->zones + (plan->zones[i].now.count + plan->zones[i].before.count) * sizeof(int64_t);
  return bytes;
}

/* ---- the step of an instant ---- */

/* The calendar that covers an instant; NULL: none. */
static const struct calendar *calendar_of(const struct usage_zone *zone, int64_t time) {
  if (zone->before.count > 0 && calendar_covers(&zone->before, time)) return &zone->before;
  return calendar_covers(&zone->now, time) ? &zone->now : NULL;
}

bool usage_plan_step_of(const struct usage_zone *zone, int64_t time, bool *ret_is_before, uint32_t *ret_step) {
  const struct calendar *calendar = calendar_of(zone, time);
  if (calendar == NULL) return false;
  *ret_is_before = calendar == &zone->before;
  *ret_step = (uint32_t)calendar_at(calendar, time);
  return true;
}

bool usage_plan_step_of_quarter(const struct usage_zone *zone, int64_t quarter, bool *ret_is_before,
                                uint32_t *ret_step) {
  int64_t time = quarter * QUARTER;
  const struct calendar *calendar = calendar_of(zone, time);
  if (calendar == NULL) return false;
  size_t step = calendar_at(calendar, time);
  if (calendar->starts[step + 1] < time + QUARTER) return false;
  *ret_is_before = calendar == &zone->before;
  *ret_step = (uint32_t)step;
  return true;
}

/* ---- cut quarter hours ---- */

/* The first boundary of a calendar behind `time` that begins no quarter hour; INT64_MAX: none. */
static int64_t next_odd(const struct calendar *calendar, int64_t time) {
  if (calendar->count == 0) return INT64_MAX;
  size_t low = 0, high = calendar->count + 1; /* the first start that is behind `time` */
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (calendar->starts[middle] <= time)
      low = middle + 1;
    else
      high = middle;
  }
  for (; low <= calendar->count; low++) {
    if (calendar->starts[low] % QUARTER != 0) return calendar->starts[low];
  }
  return INT64_MAX;
}

bool usage_plan_next_cut(const struct usage_zone *zone, int64_t *at, int64_t *ret_from, int64_t *ret_to) {
  int64_t behind = *at < FIRST_USAGE ? FIRST_USAGE - 1 : *at;
  int64_t before = next_odd(&zone->before, behind), now = next_odd(&zone->now, behind);
  int64_t odd = before < now ? before : now;
  if (odd == INT64_MAX) return false;
  int64_t quarter = odd / QUARTER * QUARTER, begin = usage_zone_begin(zone), end = usage_zone_end(zone);
  *ret_from = quarter > begin ? quarter : begin;
  *ret_to = quarter + QUARTER < end ? quarter + QUARTER : end;
  *at = quarter + QUARTER - 1;
  return true;
}
