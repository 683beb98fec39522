/* Rows of both periods are sorted by the same places, so one walk gives the lines of a question that compares. With
 * zeros the places are counted up, and a row is taken when its place comes. The groups of a project are neighbours in
 * the order of groups, so counting needs no table. */
#include "query/usage_lines.h"

#include <stdlib.h>

#include "base/check.h"
#include "query/usage_rows.h"

/* ---- places ---- */

static struct usage_place place_of(const struct usage_groups *groups, const struct usage_row *row) {
  return (struct usage_place){usage_groups_project(groups, row->group), row->step,
                              usage_groups_rank(groups, row->group)};
}

static int compare_places(const struct usage_place *a, const struct usage_place *b) {
  if (a->project != b->project) return a->project < b->project ? -1 : 1;
  if (a->step != b->step) return a->step < b->step ? -1 : 1;
  return (a->rank > b->rank) - (a->rank < b->rank);
}

static int compare_rows(const void *a, const void *b, void *arg) {
  struct usage_place left = place_of(arg, a), right = place_of(arg, b);
  return compare_places(&left, &right);
}

/* ---- zeros ---- */

static const struct usage_zone *zone_of(const struct usage_lines *lines, uint32_t project) {
  return &lines->plan->zones[lines->by_project ? lines->plan->zone_of[project] : 0];
}

static uint32_t steps_of(const struct usage_zone *zone) {
  size_t steps = zone->now.count > zone->before.count ? zone->now.count : zone->before.count;
  return (uint32_t)steps;
}

static void show_rows(struct usage_lines *lines, const struct usage_rows *rows) {
  for (uint32_t i = 0; i < rows->count; i++)
    lines->shown[rows->items[i].group] = 1;
}

/* Marks the groups that have rows. A project without any gets a group without values. */
static int show_groups(struct usage_lines *lines, size_t projects, const struct dim_value *empty, struct err *err) {
  size_t count = lines->by_project ? projects : 1;
  lines->shown = calloc(usage_groups_count(lines->groups) + count + 1, sizeof *lines->shown);
  uint8_t *has_any = calloc(count + 1, sizeof *has_any);
  int result = lines->shown == NULL || has_any == NULL
                   ? err_set(err, ERR_MEMORY, "no memory for the rows of an answer: ask again later")
                   : 0;
  if (result == 0) {
    show_rows(lines, lines->now);
    show_rows(lines, lines->before);
  }
  for (uint32_t i = 0; result == 0 && i < usage_groups_count(lines->groups); i++) {
    if (lines->shown[i]) has_any[usage_groups_project(lines->groups, i)] = 1;
  }
  for (uint32_t i = 0; result == 0 && i < count; i++) {
    uint32_t group = 0;
    if (has_any[i]) continue;
    result = usage_groups_number(lines->groups, i, empty, &group, err);
    if (result == 0) lines->shown[group] = 1;
  }
  free(has_any);
  return result;
}

static int check_zeros(const struct usage_lines *lines, struct err *err) {
  uint64_t rows = 0;
  for (uint32_t i = 0; i < usage_groups_count(lines->groups); i++) {
    if (lines->shown[i]) rows += steps_of(zone_of(lines, usage_groups_project(lines->groups, i)));
  }
  if (rows <= USAGE_ROWS_MAX) return 0;
  return err_set(
      err, ERR_LIMIT,
      "with zeros=1 the answer would have %llu rows, and at most %u are allowed: leave zeros out, or ask for a "
      "shorter range or a longer step",
      (unsigned long long)rows, USAGE_ROWS_MAX);
}

/* The first rank of the groups of the project at `rank`. */
static uint32_t block_begin(const struct usage_lines *lines, uint32_t rank) {
  uint32_t project = usage_groups_project(lines->groups, usage_groups_at(lines->groups, rank));
  while (rank > 0 && usage_groups_project(lines->groups, usage_groups_at(lines->groups, rank - 1)) == project)
    rank--;
  return rank;
}

/* Goes on to the next place: in the same step, else the next step of the project, else the next project. */
static void step_on(struct usage_lines *lines) {
  struct usage_place *next = &lines->next;
  uint32_t count = usage_groups_count(lines->groups);
  uint32_t rank = next->rank + 1;
  bool same =
      rank < count && usage_groups_project(lines->groups, usage_groups_at(lines->groups, rank)) == next->project;
  if (same) {
    next->rank = rank;
  } else if (next->step + 1 < steps_of(zone_of(lines, next->project))) {
    next->rank = block_begin(lines, next->rank);
    next->step++;
  } else if (rank < count) {
    *next = (struct usage_place){usage_groups_project(lines->groups, usage_groups_at(lines->groups, rank)), 0, rank};
  } else {
    lines->ended = true;
  }
}

static void skip_hidden(struct usage_lines *lines) {
  while (!lines->ended && !lines->shown[usage_groups_at(lines->groups, lines->next.rank)])
    step_on(lines);
}

static int begin_zeros(struct usage_lines *lines, size_t projects, const struct dim_value *empty, struct err *err) {
  int result = show_groups(lines, projects, empty, err);
  if (result == 0) result = usage_groups_order(lines->groups, err);
  if (result == 0) result = check_zeros(lines, err);
  lines->ended = usage_groups_count(lines->groups) == 0;
  if (result != 0 || lines->ended) return result;
  lines->next.project = usage_groups_project(lines->groups, usage_groups_at(lines->groups, 0));
  skip_hidden(lines);
  return 0;
}

/* ---- lines ---- */

int usage_lines_begin(const struct usage_plan *plan, struct usage_groups *groups, struct usage_rows *now,
                      struct usage_rows *before, const struct dim_value *empty, size_t projects, bool by_project,
                      bool zeros, struct usage_lines *ret, struct err *err) {
  *ret = (struct usage_lines){
      .plan = plan, .groups = groups, .now = now, .before = before, .zeros = zeros, .by_project = by_project};
  int result = usage_groups_order(groups, err);
  if (result != 0) return result;
  usage_rows_sort(now, compare_rows, groups);
  usage_rows_sort(before, compare_rows, groups);
  return zeros ? begin_zeros(ret, projects, empty, err) : 0;
}

void usage_lines_fini(struct usage_lines *lines) {
  free(lines->shown);
  lines->shown = NULL;
}

/* The place of the next line. */
static bool next_place(struct usage_lines *lines, struct usage_place *ret) {
  if (lines->zeros) {
    *ret = lines->next;
    return !lines->ended;
  }
  bool has_now = lines->now_at < lines->now->count, has_before = lines->before_at < lines->before->count;
  struct usage_place now = {0}, before = {0};
  if (has_now) now = place_of(lines->groups, &lines->now->items[lines->now_at]);
  if (has_before) before = place_of(lines->groups, &lines->before->items[lines->before_at]);
  bool is_now = has_now && (!has_before || compare_places(&now, &before) <= 0);
  *ret = is_now ? now : before;
  return has_now || has_before;
}

/* Takes the next row if it is at this place. */
static struct usage_count take(const struct usage_lines *lines, const struct usage_rows *rows, uint32_t *at,
                               const struct usage_place *place) {
  if (*at == rows->count) return (struct usage_count){0};
  struct usage_place of_row = place_of(lines->groups, &rows->items[*at]);
  int order = compare_places(&of_row, place);
  CHECK(order >= 0); /* no row is left behind */
  return order == 0 ? rows->items[(*at)++].sum : (struct usage_count){0};
}

static bool step_bounds(const struct calendar *calendar, uint32_t step, int64_t *ret_start, int64_t *ret_end) {
  if (step >= calendar->count) return false;
  *ret_start = calendar->starts[step];
  *ret_end = calendar->starts[step + 1];
  return true;
}

bool usage_lines_next(struct usage_lines *lines, uint32_t *ret_group, struct usage_line *ret) {
  struct usage_place place;
  if (!next_place(lines, &place)) return false;
  const struct usage_zone *zone = zone_of(lines, place.project);
  *ret_group = usage_groups_at(lines->groups, place.rank);
  *ret = (struct usage_line){.zone = zone->zone};
  ret->sum = take(lines, lines->now, &lines->now_at, &place);
  ret->before = take(lines, lines->before, &lines->before_at, &place);
  ret->has_step = step_bounds(&zone->now, place.step, &ret->start, &ret->end);
  ret->has_before = step_bounds(&zone->before, place.step, &ret->before_start, &ret->before_end);
  if (lines->zeros) {
    step_on(lines);
    skip_hidden(lines);
  }
  return true;
}
