/* A question has three parts: totals (in usage_begin, one call for all projects, so that all are as of one position),
 * records (in usage_work, page by page), and lines. What was added so far is kept between calls; nothing of the
 * ledger is.
 *
 * Entries come in the order of time, project by project; their records are read in the order of position, because one
 * block of the log holds hundreds of them. So entries are gathered, of many projects at once, before records are
 * read: each block is then read about once for each gathering, and not once for each task.
 *
 *   gather ──full, or no more entries──> sort ──> read ──all read──> gather …
 *
 * Each of these goes on until the turn is over. Then what can be read again is let go: the blocks of the log.
 */
#include "query/usage.h"

#include <stdlib.h>

#include "base/check.h"
#include "ledger/scan.h"
#include "query/usage_lines.h"
#include "query/usage_plan.h"
#include "query/usage_rows.h"

#define PAGE 4096u
static_assert(PAGE <= SCAN_ROOM_MAX, "a page is one call");
#define GATHER_MAX (32 * PAGE) /* positions: 2 MB */
#define GATHER_ALL (UINT64_C(16) << 20) /* bytes that all questions gather; each takes at most an eighth of what is left */
#define GATHER_SHARE 8
#define READ_RUN 64u           /* records between two looks at the clock */

/* A record that is to be read. */
struct wanted {
  uint64_t position;
  uint32_t project; /* index */
};

/* What is scanned next. */
struct scan {
  size_t project;         /* index */
  int64_t cut;            /* of usage_plan_next_cut */
  int64_t from_ms, to_ms; /* empty: the next range is not chosen yet */
  bool has_behind;
  struct scan_key behind;
  uint64_t tasks; /* gathered so far */
  struct wanted *wanted;
  size_t room;      /* of `wanted`: pages, times PAGE */
  size_t count, at; /* of `wanted`: gathered, and read */
  bool is_reading;  /* all of `wanted` is gathered */
};

struct usage_answer {
  struct ledger *ledger;
  struct usage_memory *memory;
  uint64_t owner;
  const struct clock *clock;
  const struct filter *filter;
  unsigned kinds;
  struct dim_ref dims[USAGE_DIMS_MAX];
  size_t dims_count;
  bool zeros, by_project, is_ready;
  uint64_t position, cells, claimed;
  uint64_t scan_max, cells_max;
  size_t projects_count;
  char (*ids)[PROJECT_ID_MAX + 1];
  uint32_t *numbers; /* of the projects in the ledger */
  struct usage_plan plan;
  struct usage_groups *groups;
  struct usage_rows now, before;
  struct scan scan;
  struct scan_reader *reader;
  struct usage_lines lines;
};

/* ---- the question ---- */

int usage_group_add(struct usage_spec *spec, struct str name, struct err *err) {
  struct dim_ref ref;
  int result = dim_parse(name, &ref, err);
  if (result != 0) return result;
  for (size_t i = 0; i < spec->group_count; i++) {
    if (dim_equal(&spec->group[i], &ref)) return err_set(err, ERR_EXISTS, "must not name a dimension twice");
  }
  if (spec->group_count == USAGE_GROUP_MAX)
    return err_set(err, ERR_LIMIT, "must name at most %u dimensions", USAGE_GROUP_MAX);
  spec->group[spec->group_count++] = ref;
  return 0;
}

int usage_projects_as_of(struct ledger *ledger, struct project *projects, size_t *count, uint64_t as_of,
                         struct err *err) {
  size_t kept = 0;
  for (size_t i = 0; i < *count; i++) {
    struct project then;
    int result = ledger_project_as_of(ledger, str_of(projects[i].id), as_of, &then, err);
    if (result != 0 && result != -ERR_NOT_FOUND) return result;
    if (result == 0) projects[kept++] = then;
  }
  *count = kept;
  return 0;
}

static void set_dims(struct usage_answer *answer, const struct usage_spec *spec) {
  bool has_kind = false;
  for (size_t i = 0; i < spec->group_count; i++) {
    answer->dims[i] = spec->group[i];
    has_kind = has_kind || spec->group[i].dim == DIM_KIND;
    answer->by_project = answer->by_project || spec->group[i].dim == DIM_PROJECT;
  }
  answer->dims_count = spec->group_count;
  if (!has_kind) answer->dims[answer->dims_count++] = (struct dim_ref){.dim = DIM_KIND};
}

static int no_memory(struct err *err) {
  return err_set(err, ERR_MEMORY, "no memory for a question: ask again later");
}

static int keep_projects(struct usage_answer *answer, const struct usage_spec *spec, struct err *err) {
  answer->ids = calloc(spec->projects_count + 1, sizeof *answer->ids);
  answer->numbers = calloc(spec->projects_count + 1, sizeof *answer->numbers);
  if (answer->ids == NULL || answer->numbers == NULL) return no_memory(err);
  for (size_t i = 0; i < spec->projects_count; i++) {
    memcpy(answer->ids[i], spec->projects[i].id, sizeof answer->ids[i]);
    answer->numbers[i] = spec->projects[i].number;
  }
  answer->projects_count = spec->projects_count;
  return 0;
}

/* ---- memory ---- */

static uint64_t bytes_of(const struct usage_answer *answer) {
  return sizeof *answer + usage_plan_bytes(&answer->plan) + usage_groups_bytes(answer->groups) +
         usage_rows_bytes(&answer->now) + usage_rows_bytes(&answer->before) +
         answer->projects_count * (sizeof *answer->ids + sizeof *answer->numbers) +
         answer->scan.room * sizeof *answer->scan.wanted;
}

/* Claims what the question holds by now; gives back what it does not hold any more. */
static int claim(struct usage_answer *answer, struct err *err) {
  uint64_t bytes = bytes_of(answer);
  if (bytes == answer->claimed || budget_claim(answer->memory->budget, answer->owner, &answer->claimed, bytes)) return 0;
  return err_set(err, ERR_BUSY, "no room in the budget of answers");
}

/* So many positions are gathered at one time. */
static size_t room_for_positions(const struct usage_answer *answer) {
  uint64_t gathered = atomic_load(&answer->memory->gathered);
  uint64_t share = gathered < GATHER_ALL ? (GATHER_ALL - gathered) / GATHER_SHARE / sizeof(struct wanted) : 0;
  return share < PAGE ? PAGE : share > GATHER_MAX ? GATHER_MAX : (size_t)share / PAGE * PAGE;
}

static int take_positions(struct usage_answer *answer, struct err *err) {
  struct scan *scan = &answer->scan;
  scan->room = room_for_positions(answer);
  atomic_fetch_add(&answer->memory->gathered, scan->room * sizeof *scan->wanted);
  int result = claim(answer, err);
  if (result != 0) return result;
  scan->wanted = calloc(scan->room, sizeof *scan->wanted);
  return scan->wanted == NULL ? no_memory(err) : 0;
}

static void free_positions(struct usage_answer *answer) {
  struct scan *scan = &answer->scan;
  free(MOVE(scan->wanted));
  atomic_fetch_sub(&answer->memory->gathered, scan->room * sizeof *scan->wanted);
  scan->room = 0;
}

/* ---- adding ---- */

static int add(struct usage_answer *answer, bool is_before, uint32_t step, size_t project,
               const struct dim_value *values, const struct usage_count *sum, struct err *err) {
  struct usage_rows *rows = is_before ? &answer->before : &answer->now;
  size_t count = rows->count;
  uint32_t group;
  int result = usage_groups_number(answer->groups, (uint32_t)project, values, &group, err);
  if (result == 0) result = usage_rows_add(rows, group, step, sum, err);
  return result == 0 && rows->count != count ? claim(answer, err) : result;
}

static int visit_part(void *arg, const struct sums_part *part, struct err *err) {
  struct usage_answer *answer = arg;
  const struct usage_zone *zone = &answer->plan.zones[answer->plan.zone_of[part->project]];
  struct str codec = str_of(part->codec);
  bool is_before, is_day = answer->plan.step == SUMS_DAYS;
  uint32_t step;
  if (++answer->cells > answer->cells_max) {
    return err_set(
        err, ERR_LIMIT,
        "the question reads more than %llu totals: ask for fewer projects or a shorter range, or for whole days "
        "in the projects' own time zone",
        (unsigned long long)answer->cells_max);
  }
  bool is_in = is_day ? usage_plan_step_of(zone, zone_day_start(zone->zone, (int32_t)part->at), &is_before, &step)
                      : usage_plan_step_of_quarter(zone, part->at, &is_before, &step);
  if (!is_in || !filter_passes_cell(answer->filter, part->kind, codec, part->tier)) return 0;
  struct dim_value values[USAGE_DIMS_MAX];
  for (size_t i = 0; i < answer->dims_count; i++) {
    if (answer->dims[i].dim != DIM_PROJECT)
      dim_of_cell(answer->dims[i].dim, part->kind, codec, part->tier, &values[i]);
  }
  return add(answer, is_before, step, part->project, values, &part->sum, err);
}

static int read_totals(struct usage_answer *answer, struct err *err) {
  struct sums_project *projects = calloc(answer->projects_count + 1, sizeof *projects);
  if (projects == NULL) return no_memory(err);
  for (size_t i = 0; i < answer->projects_count; i++) {
    projects[i] =
        (struct sums_project){.id = str_of(answer->ids[i]), .zone = answer->plan.zones[answer->plan.zone_of[i]].zone};
  }
  const struct sums_query query = {.projects = projects,
                                   .count = answer->projects_count,
                                   .kinds = answer->kinds,
                                   .step = answer->plan.step,
                                   .first = answer->plan.first,
                                   .last = answer->plan.last};
  int result = ledger_sums(answer->ledger, &query, visit_part, answer, &answer->position, err);
  free(projects);
  return result;
}

/* ---- records ---- */

/* Chooses the next range to scan. False: there are no more. */
static bool next_range(struct usage_answer *answer) {
  struct scan *scan = &answer->scan;
  for (; answer->plan.method != USAGE_BY_DAYS && scan->project < answer->projects_count; scan->project++) {
    const struct usage_zone *zone = &answer->plan.zones[answer->plan.zone_of[scan->project]];
    int64_t from = usage_zone_begin(zone), to = usage_zone_end(zone);
    bool has_range =
        answer->plan.method == USAGE_BY_RECORDS ? scan->cut < 0 : usage_plan_next_cut(zone, &scan->cut, &from, &to);
    if (has_range) {
      if (answer->plan.method == USAGE_BY_RECORDS) scan->cut = 0;
      scan->from_ms = from * 1000;
      scan->to_ms = to * 1000;
      scan->has_behind = false;
      return true;
    }
    scan->cut = -1;
  }
  return false;
}

static int by_position(const void *a, const void *b) {
  uint64_t left = ((const struct wanted *)a)->position, right = ((const struct wanted *)b)->position;
  return (left > right) - (left < right);
}

static int64_t seconds_of(int64_t ms) { return ms / 1000 - (ms % 1000 < 0); }

static int add_record(struct usage_answer *answer, const struct usage *usage, size_t project, struct err *err) {
  const struct usage_zone *zone = &answer->plan.zones[answer->plan.zone_of[project]];
  bool is_before;
  uint32_t step;
  if (usage->outcome != USAGE_FINISHED || !filter_passes(answer->filter, usage)) return 0;
  if (!usage_plan_step_of(zone, seconds_of(usage->finished_ms), &is_before, &step)) return 0;
  uint64_t voided;
  int result = scan_void(answer->reader, usage, answer->position, &voided, err);
  if (result != 0 || voided != 0) return result;
  struct usage_count sum = usage_count(usage);
  struct dim_value values[USAGE_DIMS_MAX];
  for (size_t i = 0; i < answer->dims_count; i++)
    dim_of_usage(&answer->dims[i], usage, &values[i]);
  return add(answer, is_before, step, project, values, &sum, err);
}

static int refuse_scan(uint64_t max, struct err *err) {
  return err_set(
      err, ERR_LIMIT,
      "the question reads the records of more than %llu tasks: ask for fewer projects or a shorter range, or "
      "without resolution, frame_rate, source, label and as_of, which totals do not know",
      (unsigned long long)max);
}

/* Gathers one page of entries. If it is the last one of its range, the next range is chosen. */
static int gather_page(struct usage_answer *answer, struct scan_entry page[PAGE], struct err *err) {
  struct scan *scan = &answer->scan;
  const struct scan_query query = {.project = answer->numbers[scan->project],
                                   .kinds = answer->kinds,
                                   .from_ms = scan->from_ms,
                                   .to_ms = scan->to_ms,
                                   .as_of = answer->position,
                                   .has_behind = scan->has_behind,
                                   .behind = scan->behind};
  size_t count;
  int result = ledger_scan_entries(answer->ledger, &query, page, PAGE, &count, err);
  if (result != 0) return result;
  scan->tasks += count;
  if (scan->tasks > answer->scan_max) return refuse_scan(answer->scan_max, err);
  CHECK(scan->count + count <= scan->room);
  for (size_t i = 0; i < count; i++) {
    scan->wanted[scan->count++] =
        (struct wanted){.position = page[i].key.position, .project = (uint32_t)scan->project};
  }
  if (count > 0) scan->behind = page[count - 1].key;
  scan->has_behind = true;
  if (count < PAGE && !next_range(answer)) scan->project = answer->projects_count;
  return 0;
}

static bool has_entries(const struct usage_answer *answer) { return answer->scan.project < answer->projects_count; }

static bool has_read_all(const struct usage_answer *answer) {
  return !has_entries(answer) && !answer->scan.is_reading && answer->scan.count == 0;
}

/* Gathers until there is no room for a page, or no more entries, or the turn is over; then sorts. */
static int gather(struct usage_answer *answer, int64_t until, bool *ret_is_over, struct err *err) {
  struct scan *scan = &answer->scan;
  SCOPED_MALLOC struct scan_entry *page = calloc(PAGE, sizeof *page);
  if (page == NULL) return no_memory(err);
  while (has_entries(answer) && scan->count + PAGE <= scan->room) {
    int result = gather_page(answer, page, err);
    if (result != 0) return result;
    *ret_is_over = clock_monotonic_ms(answer->clock) >= until;
    if (*ret_is_over) return 0;
  }
  if (scan->count > 1) qsort(scan->wanted, scan->count, sizeof *scan->wanted, by_position);
  scan->at = 0;
  scan->is_reading = true;
  return 0;
}

static int read_gathered(struct usage_answer *answer, int64_t until, struct err *err) {
  struct scan *scan = &answer->scan;
  while (scan->at < scan->count) {
    const struct wanted *wanted = &scan->wanted[scan->at++];
    const struct usage *usage;
    int result = scan_record(answer->reader, wanted->position, &usage, err);
    if (result == 0) result = add_record(answer, usage, wanted->project, err);
    if (result != 0) return result;
    if (scan->at % READ_RUN == 0 && clock_monotonic_ms(answer->clock) >= until) return 0;
  }
  scan->count = scan->at = 0;
  scan->is_reading = false;
  return 0;
}

static int begin_records(struct usage_answer *answer, struct err *err) {
  answer->scan.cut = -1;
  if (!next_range(answer)) {
    answer->scan.project = answer->projects_count;
    return 0;
  }
  int result = take_positions(answer, err);
  return result != 0 ? result : scan_reader_new(answer->ledger, &answer->reader, err);
}

static void end_records(struct usage_answer *answer) {
  if (answer->reader != NULL) scan_reader_free(answer->reader);
  answer->reader = NULL;
  free_positions(answer);
}

/* Works until the turn is over, or everything is read. */
static int read_records(struct usage_answer *answer, struct err *err) {
  int64_t until = clock_monotonic_ms(answer->clock) + USAGE_TURN_MS;
  bool is_over = false;
  int result = 0;
  while (result == 0 && !is_over && !has_read_all(answer)) {
    if (!answer->scan.is_reading) result = gather(answer, until, &is_over, err);
    if (result == 0 && !is_over) result = read_gathered(answer, until, err);
    is_over = is_over || clock_monotonic_ms(answer->clock) >= until;
  }
  if (answer->reader != NULL) scan_reader_rest(answer->reader);
  return result;
}

/* ---- the answer ---- */

/* The values of a row of a project that has no usage: the first kind that was asked for, and null. */
static void empty_values(const struct usage_answer *answer, struct dim_value ret[USAGE_DIMS_MAX]) {
  uint32_t kind = USAGE_TRANSCODE;
  for (size_t i = USAGE_TASK_KINDS; i-- > 0;) {
    if ((answer->kinds & SCAN_KIND(usage_task_kinds[i])) != 0) kind = usage_task_kinds[i];
  }
  for (size_t i = 0; i < answer->dims_count; i++) {
    ret[i] = (struct dim_value){.is_null = true};
    if (answer->dims[i].dim == DIM_KIND) ret[i] = (struct dim_value){.number = kind};
  }
}

static int finish(struct usage_answer *answer, struct err *err) {
  struct dim_value empty[USAGE_DIMS_MAX];
  end_records(answer);
  empty_values(answer, empty);
  int result = usage_lines_begin(&answer->plan, answer->groups, &answer->now, &answer->before, empty,
                                 answer->projects_count, answer->by_project, answer->zeros, &answer->lines, err);
  if (result == 0) result = claim(answer, err);
  if (result == 0) answer->is_ready = true;
  return result;
}

static int begin(struct usage_answer *answer, const struct usage_spec *spec, const char **ret_param,
                 struct err *err) {
  set_dims(answer, spec);
  int result = keep_projects(answer, spec, err);
  if (result == 0) result = usage_plan_make(spec, &answer->plan, ret_param, err);
  if (result == 0) result = usage_groups_new(answer->dims, answer->dims_count, &answer->groups, err);
  if (result == 0) result = claim(answer, err);
  if (result != 0) return result;
  answer->position = spec->has_as_of ? spec->as_of : ledger_position(answer->ledger);
  if (answer->plan.method != USAGE_BY_RECORDS && answer->projects_count > 0) result = read_totals(answer, err);
  return result == 0 ? begin_records(answer, err) : result;
}

int usage_begin(struct ledger *ledger, const struct usage_spec *spec, struct usage_memory *memory,
                const struct clock *clock, struct usage_answer **ret, const char **ret_param, struct err *err) {
  SCOPED(usage_free_ref) struct usage_answer *answer = calloc(1, sizeof *answer);
  *ret_param = NULL;
  if (answer == NULL) return no_memory(err);
  *answer = (struct usage_answer){.ledger = ledger,
                                  .memory = memory,
                                  .owner = spec->owner,
                                  .clock = clock,
                                  .filter = spec->filter,
                                  .kinds = filter_kinds(spec->filter),
                                  .zeros = spec->zeros,
                                  .scan_max = spec->scan_max > 0 ? spec->scan_max : USAGE_SCAN_MAX,
                                  .cells_max = spec->cells_max > 0 ? spec->cells_max : USAGE_CELLS_MAX};
  int result = begin(answer, spec, ret_param, err);
  if (result == 0) *ret = MOVE(answer);
  return result;
}

void usage_free(struct usage_answer *answer) {
  if (answer == NULL) return;
  end_records(answer);
  usage_lines_fini(&answer->lines);
  usage_rows_fini(&answer->now);
  usage_rows_fini(&answer->before);
  usage_groups_free(answer->groups);
  usage_plan_fini(&answer->plan);
  free(answer->ids);
  free(answer->numbers);
  budget_give_back(answer->memory->budget, answer->owner, &answer->claimed);
  free(answer);
}

uint64_t usage_position(const struct usage_answer *answer) { return answer->position; }
enum usage_method usage_method(const struct usage_answer *answer) { return answer->plan.method; }

const struct dim_ref *usage_dims(const struct usage_answer *answer, size_t *ret_count) {
  *ret_count = answer->dims_count;
  return answer->dims;
}

int usage_work(struct usage_answer *answer, bool *ret_ready, struct err *err) {
  int result = answer->is_ready ? 0 : read_records(answer, err);
  if (result == 0 && !answer->is_ready && has_read_all(answer)) result = finish(answer, err);
  if (result == 0) *ret_ready = answer->is_ready;
  return result;
}

bool usage_next(struct usage_answer *answer, struct usage_line *ret) {
  CHECK(answer->is_ready);
  uint32_t group;
  if (!usage_lines_next(&answer->lines, &group, ret)) return false;
  usage_groups_values(answer->groups, group, ret->values);
  for (size_t i = 0; i < answer->dims_count; i++) {
    if (answer->dims[i].dim == DIM_KIND) ret->kind = (enum usage_kind)ret->values[i].number;
    if (answer->dims[i].dim != DIM_PROJECT) continue;
    ret->values[i] = (struct dim_value){.text = str_of(answer->ids[usage_groups_project(answer->groups, group)])};
  }
  return true;
}
