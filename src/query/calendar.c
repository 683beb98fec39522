/* Each step's end is computed from its start, so one loop makes every calendar. A zone does not say where its clocks
 * change. Within a quarter hour or an hour they change at most once, so a search between two offsets finds it. */
#include "query/calendar.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/vector.h"

#define WEEK_DAYS 7

static const struct {
  const char *name;
  int64_t shortest; /* seconds between two starts, at least, except where clocks change */
} steps[CALENDAR_STEPS] = {
    [CALENDAR_15M] = {"15m", 900},     [CALENDAR_1H] = {"1h", 3600},         [CALENDAR_1D] = {"1d", 20 * 3600},
    [CALENDAR_1W] = {"1w", 6 * 86400}, [CALENDAR_1MO] = {"1mo", 27 * 86400}, [CALENDAR_TOTAL] = {"total", INT64_MAX},
};

const char *calendar_step_name(enum calendar_step step) {
  CHECK(step < CALENDAR_STEPS);
  return steps[step].name;
}

bool calendar_step_parse(struct str name, enum calendar_step *ret) {
  for (size_t i = 0; i < CALENDAR_STEPS; i++) {
    if (!str_equal(name, str_of(steps[i].name))) continue;
    *ret = (enum calendar_step)i;
    return true;
  }
  return false;
}

static int64_t modulo(int64_t a, int64_t b) { return (a % b + b) % b; }

/* The first instant in (low, high] with another offset than `low` has; high has another one. */
static int64_t change_between(const struct zone *zone, int64_t low, int64_t high) {
  int32_t before = zone_offset(zone, low);
  while (high - low > 1) {
    int64_t middle = low + (high - low) / 2;
    if (zone_offset(zone, middle) == before)
      low = middle;
    else
      high = middle;
  }
  return high;
}

static int64_t clock_end(const struct zone *zone, int64_t start, int64_t length) {
  int32_t offset = zone_offset(zone, start);
  int64_t end = start + length - modulo(start + offset, length);
  return zone_offset(zone, end) == offset ? end : change_between(zone, start, end);
}

/* The first start behind `start` of a day that is `first` or later, `every` days apart. */
static int64_t days_end(const struct zone *zone, int64_t start, int32_t first, int32_t every) {
  int64_t end = zone_day_start(zone, first);
  for (; end <= start; end = zone_day_start(zone, first))
    first += every;
  return end;
}

int32_t calendar_month(int32_t day, int months) {
  int year, month, of_month;
  zone_date_from_day(day, &year, &month, &of_month);
  int index = year * 12 + month - 1 + months;
  return zone_day_from_date(index / 12, index % 12 + 1, 1);
}

static int64_t month_end(const struct zone *zone, int64_t start) {
  int32_t first = calendar_month(zone_day_of(zone, start), 1);
  for (; zone_day_start(zone, first) <= start; first = calendar_month(first, 1))
    ;
  return zone_day_start(zone, first);
}

static int64_t week_end(const struct zone *zone, int64_t start) {
  int32_t day = zone_day_of(zone, start);
  int32_t of_week = (int32_t)modulo((int64_t)day + 3, WEEK_DAYS); /* 1970-01-01 was a Thursday; Monday is 0 */
  return days_end(zone, start, day + WEEK_DAYS - of_week, WEEK_DAYS);
}

/* Where the step that begins or goes on at `start` would end, if the range went on. */
static int64_t step_end(const struct zone *zone, enum calendar_step step, int64_t start) {
  switch (step) {
    case CALENDAR_15M:
      return clock_end(zone, start, steps[step].shortest);
    case CALENDAR_1H:
      return clock_end(zone, start, steps[step].shortest);
    case CALENDAR_1D:
      return days_end(zone, start, zone_day_of(zone, start) + 1, 1);
    case CALENDAR_1W:
      return week_end(zone, start);
    case CALENDAR_1MO:
      return month_end(zone, start);
    case CALENDAR_TOTAL:
      break;
  }
  return INT64_MAX;
}

static int refuse_steps(enum calendar_step step, struct err *err) {
  return err_set(
      err, ERR_LIMIT,
      "the range has more than %u steps of %s: ask for a shorter range, or for a longer step (1h, 1d, 1w, 1mo, "
      "total)",
      CALENDAR_MAX, calendar_step_name(step));
}

/* The number of steps is not known before; memory grows with them. */
struct starts {
  VECTOR(int64_t);
};

static int add_start(struct starts *starts, int64_t start, struct err *err) {
  int64_t *added = vector_add(starts);
  if (added == NULL) return err_set(err, ERR_MEMORY, "no memory for the steps of a question: ask again later");
  *added = start;
  return 0;
}

static int fill(struct starts *starts, const struct zone *zone, enum calendar_step step, int64_t from, int64_t to,
                struct err *err) {
  int result = 0;
  for (int64_t start = from; result == 0 && start < to; start = step_end(zone, step, start)) {
    if (starts->count == CALENDAR_MAX) return refuse_steps(step, err);
    result = add_start(starts, start, err);
  }
  return result == 0 ? add_start(starts, to, err) : result;
}

int calendar_make(const struct zone *zone, enum calendar_step step, int64_t from, int64_t to, struct calendar *ret,
                  struct err *err) {
  CHECK(from >= 0 && from <= to && to <= ZONE_TIME_MAX && step < CALENDAR_STEPS);
  /* Twice: clocks change, so that a few steps are shorter; the exact bound is checked while they are made. */
  if ((to - from) / steps[step].shortest > 2 * (int64_t)CALENDAR_MAX) return refuse_steps(step, err);
  struct starts starts = {0};
  int result = fill(&starts, zone, step, from, to, err);
  size_t count = starts.count;
  if (result == 0) *ret = (struct calendar){.zone = zone, .starts = vector_take(&starts), .count = count - 1};
  vector_fini(&starts);
  return result;
}

void calendar_fini(struct calendar *calendar) {
  free(calendar->starts);
  *calendar = (struct calendar){0};
}

bool calendar_covers(const struct calendar *calendar, int64_t time) {
  return time >= calendar->starts[0] && time < calendar->starts[calendar->count];
}

size_t calendar_at(const struct calendar *calendar, int64_t time) {
  CHECK(calendar_covers(calendar, time));
  size_t low = 0, high = calendar->count;
  while (high - low > 1) {
    size_t middle = low + (high - low) / 2;
    if (calendar->starts[middle] <= time)
      low = middle;
    else
      high = middle;
  }
  return low;
}

bool calendar_day_begins(const struct zone *zone, int64_t time, int32_t *ret_day) {
  int32_t day = zone_day_of(zone, time);
  if (zone_day_start(zone, day) != time) return false;
  *ret_day = day;
  return true;
}

bool calendar_is_of_days(const struct calendar *calendar, int32_t *ret_first, int32_t *ret_last) {
  if (calendar->count == 0) return false;
  int32_t day = 0, first = 0;
  for (size_t i = 0; i <= calendar->count; i++) {
    if (!calendar_day_begins(calendar->zone, calendar->starts[i], &day)) return false;
    if (i == 0) first = day;
  }
  *ret_first = first;
  *ret_last = day - 1;
  return true;
}

void calendar_write_date(const struct zone *zone, int64_t time, struct buf *out) {
  int32_t minutes = zone_offset(zone, time) / 60;
  int64_t local = time + (int64_t)minutes * 60, of_day = modulo(local, 86400);
  int year, month, day;
  zone_date_from_day((int32_t)((local - of_day) / 86400), &year, &month, &day);
  int distance = minutes < 0 ? -minutes : minutes;
  buf_printf(out, "%04d-%02d-%02dT%02d:%02d:%02d%c%02d:%02d", year, month, day, (int)(of_day / 3600),
             (int)(of_day / 60 % 60), (int)(of_day % 60), minutes < 0 ? '-' : '+', distance / 60, distance % 60);
}
