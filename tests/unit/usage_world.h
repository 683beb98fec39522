/* A random world of tasks, and a naive recount of questions of /v1/usage about it: for test_usage_query.c.
 */
#ifndef CODECMETER_TESTS_USAGE_WORLD_H
#define CODECMETER_TESTS_USAGE_WORLD_H

#include <inttypes.h>

#include "meter/rfc3339.h"
#include "query/usage.h"
#include "scan_fixture.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define TASKS_MAX 3000

static const char *const projects[] = {"org-a", "org-b", "org-c"};
static const char *const zones[] = {"Asia/Shanghai", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu"};

/* Around midnight of 7 November 2010, when clocks went back in St John's at 00:01. */
#define MIDDLE INT64_C(1289100600)

struct task {
  struct usage usage;
  char id[16], labels[64];
  uint64_t stored, voided; /* positions behind the commits; voided 0: never */
};

struct world {
  struct fixture *f;
  struct task tasks[TASKS_MAX];
  size_t count;
  struct budget budget;
  struct usage_memory memory;
};

static unsigned below(unsigned n) { return (unsigned)random() % n; }

/* ---- the tasks ---- */

static void set_measures(struct usage *usage) {
  static const char *const codecs[] = {"h264", "h265", "av1", "wonder"};
  static const uint16_t sizes[][2] = {{640, 360}, {1280, 720}, {720, 1280}, {1920, 1080}, {3840, 2160}};
  static const struct frame_rate rates[] = {{0, 0}, {25, 1}, {30000, 1001}};
  unsigned size = below(COUNT(sizes));
  bool is_video = usage->kind == USAGE_TRANSCODE;
  usage->width = is_video ? sizes[size][0] : 0;
  usage->height = is_video ? sizes[size][1] : 0;
  usage->tier = is_video && usage->outcome == USAGE_FINISHED ? tier_of(usage->width, usage->height) : TIER_LOW;
  usage->codec = is_video || below(3) > 0 ? str_of(codecs[below(COUNT(codecs))]) : (struct str){0};
  if (usage->kind == USAGE_AUDIO) usage->codec = STR("aac");
  usage->frame_rate = rates[below(COUNT(rates))];
  usage->amount = usage->kind == USAGE_SNAPSHOT ? 1 + below(9) : below(400000);
  usage->source = below(2) ? STR("farm") : STR("a,\"farm\"");
}

static void set_labels(struct task *task) {
  static const char *const teams[] = {"news", "sport"};
  struct label labels[2];
  size_t count = 0, len;
  if (below(2)) labels[count++] = (struct label){STR("team"), str_of(teams[below(2)])};
  if (below(3) == 0) labels[count++] = (struct label){STR("show"), STR("a")};
  char set[LABELS_SIZE_MAX];
  assert_true(labels_encode(labels, count, set, &len));
  memcpy(task->labels, set, len);
  task->usage.labels = str_make(task->labels, len);
}

/* Most are near the middle, many on the edges of minutes and quarter hours. */
static int64_t some_time(void) {
  int64_t seconds = MIDDLE + (below(4) == 0 ? (int64_t)below(40 * 86400) - 20 * 86400 : (int64_t)below(14400) - 7200);
  if (below(3) == 0) seconds -= seconds % 900 + below(2);
  return seconds * 1000 + below(1000);
}

static void add_task(struct world *world) {
  static const enum usage_kind kinds[] = {USAGE_TRANSCODE, USAGE_TRANSCODE, USAGE_TRANSCODE,
                                          USAGE_REMUX,     USAGE_SNAPSHOT,  USAGE_AUDIO};
  if (world->count == TASKS_MAX) return;
  struct task *task = &world->tasks[world->count++];
  snprintf(task->id, sizeof task->id, "t-%zu", world->count);
  task->usage = usage_of(projects[below(3)], task->id, some_time());
  task->usage.kind = kinds[below(COUNT(kinds))];
  if (below(8) == 0) task->usage.outcome = USAGE_FAILED;
  set_measures(&task->usage);
  set_labels(task);
  assert_int_equal(store(world->f, &task->usage), VERDICT_STORED);
  task->stored = ledger_position(world->f->ledger);
}

static void void_task(struct world *world) {
  if (world->count == 0) return;
  struct task *task = &world->tasks[below((unsigned)world->count)];
  if (task->voided != 0) return;
  char id[24];
  snprintf(id, sizeof id, "v-%s", task->id);
  struct usage usage = void_of("", id, task->id, some_time());
  usage.project = task->usage.project;
  usage.target_source = task->usage.source;
  assert_int_equal(store(world->f, &usage), VERDICT_STORED);
  task->voided = ledger_position(world->f->ledger);
}

/* A bound as a question gives it: dates, RFC 3339 times, Unix seconds. */
static struct range_bound bound_of(const char *text) {
  struct range_bound bound = {0};
  int64_t ms;
  bound.is_date = zone_day_parse(str_of(text), &bound.day, NULL) == 0;
  if (bound.is_date || str_to_i64(str_of(text), &bound.time)) return bound;
  if (rfc3339_parse(str_of(text), &ms, NULL) != 0) fail_msg("no time: %s", text);
  bound.time = ms / 1000;
  return bound;
}

static int read_range(const char *from, const char *to, struct range *ret) {
  struct range_bound from_bound = bound_of(from), to_bound = bound_of(to);
  const char *param;
  return range_of_bounds(&from_bound, &to_bound, ret, &param, NULL);
}

/* ---- a naive recount ---- */

struct lines {
  char (*items)[512];
  size_t count, cap;
};

static void lines_fini(struct lines *lines) { free(lines->items); }

static char *new_line(struct lines *lines) {
  if (lines->count == lines->cap) {
    lines->cap = lines->cap == 0 ? 256 : 2 * lines->cap;
    lines->items = reallocarray(lines->items, lines->cap, sizeof *lines->items);
    assert_non_null(lines->items);
  }
  return lines->items[lines->count++];
}

static int compare_text(const void *a, const void *b) { return strcmp(a, b); }

struct counted {
  char group[256];
  size_t project; /* 0 if rows are not by project */
  size_t step;
  bool is_before;
  uint64_t units, minutes, tasks;
};

static size_t project_of(struct str id) {
  size_t at = 0;
  while (!str_equal(id, str_of(projects[at])))
    at++;
  return at;
}

static void put(char *out, size_t size, const char *name, const char *value) {
  size_t len = strlen(out);
  snprintf(out + len, size - len, "%s=%s ", name, value != NULL ? value : "null");
}

static const char *kind_name(enum usage_kind kind) {
  return kind == USAGE_TRANSCODE  ? "transcode"
         : kind == USAGE_REMUX    ? "remux"
         : kind == USAGE_SNAPSHOT ? "snapshot"
                                  : "audio";
}

/* What filters and groups say of a task, by its own words. */
static const char *value_of(const struct usage *usage, const char *name, char room[64]) {
  static const char *const tiers[] = {"low", "medium", "high", "super"};
  const char *rate = usage->frame_rate.numerator == 25 ? "25" : "29.97";
  struct str label = {0}, set = usage->labels;
  struct label one;
  if (strcmp(name, "codec") == 0) label = usage->codec;
  if (strcmp(name, "source") == 0) label = usage->source;
  if (strcmp(name, "project") == 0) label = usage->project;
  if (strcmp(name, "kind") == 0) return kind_name(usage->kind);
  if (strcmp(name, "tier") == 0) return usage->kind == USAGE_TRANSCODE ? tiers[usage->tier] : NULL;
  if (strcmp(name, "frame_rate") == 0) return usage->frame_rate.numerator == 0 ? NULL : rate;
  if (strcmp(name, "resolution") == 0) {
    snprintf(room, 64, "%ux%u", usage->width, usage->height);
    return usage->width == 0 ? NULL : room;
  }
  while (strncmp(name, "label.", 6) == 0 && labels_next(&set, &one)) {
    if (str_equal(one.name, str_of(name + 6))) label = one.value;
  }
  if (label.len == 0) return NULL;
  snprintf(room, 64, "%.*s", STR_ARG(label));
  return room;
}

struct question {
  const char *from, *to, *step, *zone; /* zone NULL: the projects' */
  const char *groups[5];
  size_t groups_count;
  const char *filters[3][2];
  size_t filters_count;
  bool zeros, compare, by_project;
  uint64_t as_of; /* 0: now */
};

static bool passes(const struct question *question, const struct usage *usage) {
  char room[64];
  for (size_t i = 0; i < question->filters_count; i++) {
    const char *has = value_of(usage, question->filters[i][0], room);
    if (strcmp(has != NULL ? has : "", question->filters[i][1]) != 0) return false;
  }
  return true;
}

static void group_of(const struct question *question, const struct usage *usage, char out[256]) {
  char room[64];
  bool has_kind = false;
  out[0] = '\0';
  for (size_t i = 0; i < question->groups_count; i++) {
    put(out, 256, question->groups[i], value_of(usage, question->groups[i], room));
    has_kind = has_kind || strcmp(question->groups[i], "kind") == 0;
  }
  if (!has_kind) put(out, 256, "kind", kind_name(usage->kind));
}

static const struct zone *zone_of(const char *name) {
  const struct zone *zone = NULL;
  assert_int_equal(zone_find(str_of(name), &zone, NULL), 0);
  return zone;
}

/* The steps of a project, [before] and now. */
static void steps_of(const struct question *question, size_t project, struct calendar ret[2]) {
  const struct zone *zone = zone_of(question->zone != NULL ? question->zone : zones[project]);
  struct range range;
  enum calendar_step step;
  int64_t from, to;
  assert_int_equal(read_range(question->from, question->to, &range), 0);
  assert_int_equal(range_in_zone(&range, zone, 0, &from, &to, NULL), 0);
  assert_true(calendar_step_parse(str_of(question->step), &step));
  assert_int_equal(calendar_make(zone, step, from, to, &ret[1], NULL), 0);
  ret[0] = (struct calendar){0};
  if (question->compare)
    assert_int_equal(calendar_make(zone, step, range_before(zone, from, to), from, &ret[0], NULL), 0);
}

static struct counted *count_in(struct counted *counted, size_t *count, const char *group, size_t project,
                                size_t step, bool is_before) {
  for (size_t i = 0; i < *count; i++) {
    struct counted *one = &counted[i];
    if (one->project == project && one->step == step && one->is_before == is_before && strcmp(one->group, group) == 0)
      return one;
  }
  struct counted *one = &counted[(*count)++];
  *one = (struct counted){.project = project, .step = step, .is_before = is_before};
  strcpy(one->group, group);
  return one;
}

static void count_task(const struct question *question, const struct usage *usage, const struct calendar steps[2],
                       struct counted *counted, size_t *count) {
  char group[256];
  int64_t seconds = usage->finished_ms / 1000;
  for (int now = 0; now < 2; now++) {
    size_t step = 0;
    while (step < steps[now].count && !(steps[now].starts[step] <= seconds && seconds < steps[now].starts[step + 1]))
      step++;
    if (step == steps[now].count) continue;
    group_of(question, usage, group);
    size_t project = question->by_project ? project_of(usage->project) : 0;
    struct counted *one = count_in(counted, count, group, project, step, now == 0);
    uint64_t seconds_of = (usage->amount + 500) / 1000;
    if (usage->amount > 0 && seconds_of == 0) seconds_of = 1;
    one->units += usage->kind == USAGE_SNAPSHOT ? usage->amount : seconds_of;
    one->minutes += usage->kind == USAGE_SNAPSHOT ? 0 : (seconds_of + 59) / 60;
    one->tasks++;
  }
}

static void write_line(char *out, const struct calendar steps[2], const char *group, size_t step,
                       const struct counted *now, const struct counted *before) {
  int64_t bounds[2][2] = {{-1, -1}, {-1, -1}};
  static const struct counted none;
  if (now == NULL) now = &none;
  if (before == NULL) before = &none;
  for (int i = 0; i < 2; i++) {
    if (step >= steps[i].count) continue;
    bounds[i][0] = steps[i].starts[step];
    bounds[i][1] = steps[i].starts[step + 1];
  }
  snprintf(out, 512,
           "%s%" PRId64 "-%" PRId64 ": %" PRIu64 " %" PRIu64 " %" PRIu64 " before %" PRId64 "-%" PRId64 ": %" PRIu64
           " %" PRIu64 " %" PRIu64,
           group, bounds[1][0], bounds[1][1], now->units, now->minutes, now->tasks, bounds[0][0], bounds[0][1],
           before->units, before->minutes, before->tasks);
}

/* The group of rows of a project without usage. */
static void empty_group(const struct question *question, size_t project, char out[256]) {
  const char *kind = "transcode";
  bool has_kind = false;
  for (size_t i = 0; i < question->filters_count; i++) {
    if (strcmp(question->filters[i][0], "kind") == 0) kind = question->filters[i][1];
  }
  out[0] = '\0';
  for (size_t i = 0; i < question->groups_count; i++) {
    bool is_kind = strcmp(question->groups[i], "kind") == 0;
    bool is_project = strcmp(question->groups[i], "project") == 0;
    put(out, 256, question->groups[i], is_kind ? kind : is_project ? projects[project] : NULL);
    has_kind = has_kind || is_kind;
  }
  if (!has_kind) put(out, 256, "kind", kind);
}

static const struct counted *find(const struct counted *counted, size_t count, const char *group, size_t step,
                                  bool is_before) {
  for (size_t i = 0; i < count; i++) {
    if (counted[i].step == step && counted[i].is_before == is_before && strcmp(counted[i].group, group) == 0)
      return &counted[i];
  }
  return NULL;
}

static size_t longer(const struct calendar steps[2]) {
  return steps[0].count > steps[1].count ? steps[0].count : steps[1].count;
}

/* All groups of all projects, in all steps. */
static void write_zeros(const struct question *question, struct calendar steps[3][2], const struct counted *counted,
                        size_t count, struct lines *ret) {
  for (size_t project = 0; project < (question->by_project ? 3 : 1); project++) {
    bool any = false;
    for (size_t i = 0; i < count; i++) {
      bool is_first = counted[i].project == project;
      for (size_t k = 0; k < i; k++)
        is_first = is_first && !(counted[k].project == project && strcmp(counted[k].group, counted[i].group) == 0);
      if (!is_first) continue;
      any = true;
      for (size_t step = 0; step < longer(steps[project]); step++) {
        write_line(new_line(ret), steps[project], counted[i].group, step,
                   find(counted, count, counted[i].group, step, false),
                   find(counted, count, counted[i].group, step, true));
      }
    }
    char group[256];
    empty_group(question, project, group);
    for (size_t step = 0; !any && step < longer(steps[project]); step++)
      write_line(new_line(ret), steps[project], group, step, NULL, NULL);
  }
}

static void write_rows(struct calendar steps[3][2], const struct counted *counted, size_t count, struct lines *ret) {
  for (size_t i = 0; i < count; i++) {
    const struct counted *one = &counted[i];
    const struct counted *other = find(counted, count, one->group, one->step, !one->is_before);
    if (one->is_before && other != NULL) continue;
    write_line(new_line(ret), steps[one->project], one->group, one->step, one->is_before ? NULL : one,
               one->is_before ? one : other);
  }
}

static void recount(const struct world *world, const struct question *question, struct lines *ret) {
  struct counted *counted = calloc(2 * TASKS_MAX, sizeof *counted);
  struct calendar steps[3][2];
  size_t count = 0;
  uint64_t as_of = question->as_of > 0 ? question->as_of : UINT64_MAX;
  for (size_t i = 0; i < 3; i++)
    steps_of(question, i, steps[i]);
  for (size_t i = 0; i < world->count; i++) {
    const struct task *task = &world->tasks[i];
    bool counts = task->usage.outcome == USAGE_FINISHED && task->stored <= as_of &&
                  !(task->voided != 0 && task->voided <= as_of) && passes(question, &task->usage);
    if (counts) count_task(question, &task->usage, steps[project_of(task->usage.project)], counted, &count);
  }
  if (question->zeros)
    write_zeros(question, steps, counted, count, ret);
  else
    write_rows(steps, counted, count, ret);
  for (size_t i = 0; i < 3; i++) {
    calendar_fini(&steps[i][0]);
    calendar_fini(&steps[i][1]);
  }
  free(counted);
}

#endif
