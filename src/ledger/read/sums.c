/* Totals of several projects at one position.
 *
 *   under the view lock: an LMDB snapshot, and a copy of what the filling delta has of the query
 *   without it:          what the frozen delta has (it is held, and does not change), then the rows of the snapshot
 *
 * A delta that the snapshot covers is left out, so nothing is counted twice while a checkpoint hands over. Quarter
 * hours become days only after the lock is released.
 */
#include <stdlib.h>

#include "base/check.h"
#include "base/lock.h"
#include "base/vector.h"
#include "ledger/scan.h"
#include "ledger/state.h"

/* A project of the query. */
struct summed {
  uint32_t number;
  const struct zone *zone;             /* for days */
  int64_t first_quarter, last_quarter; /* the quarter hours of the query, or of its days and some beside them */
  uint32_t first_part;                 /* index + 1 in `parts`; 0: none */
  bool by_day;                         /* the delta being read has days for the zone */
};

/* What a delta holds: of a quarter hour, or of a day. */
struct kept {
  struct usage_count sum;
  int32_t day;
  uint32_t quarter;
  uint32_t next; /* index + 1 of the project's next one; 0: none */
  uint8_t kind, codec, tier;
  bool is_day;
};

struct sums {
  struct ledger *ledger;
  const struct sums_query *query;
  struct summed *projects;
  VECTOR(uint32_t) by_number; /* index + 1 in `projects`; 0: not asked for */
  VECTOR(struct kept) parts;
  int (*visit)(void *arg, const struct sums_part *part, struct err *err);
  void *arg;
  /* while the project `at` is visited: */
  size_t at;
  enum usage_kind kind;
  struct project_state *state;
  int result;
  struct err *err;
};

static void sums_fini(struct sums *sums) {
  free(sums->projects);
  vector_fini(&sums->by_number);
  vector_fini(&sums->parts);
  free(sums->state);
}

static int no_memory(struct err *err) { return err_set(err, ERR_MEMORY, "no memory for totals: free some memory"); }

static bool wants(const struct sums *sums, unsigned kind) { return (sums->query->kinds >> kind & 1) != 0; }

/* ---- what the query asks for ---- */

/* Zones' days begin at a quarter hour since 1980; before, the edges are decided exactly, by zone_day_of. */
static void set_range(const struct sums_query *query, struct summed *project) {
  if (query->step == SUMS_QUARTERS) {
    project->first_quarter = query->first;
    project->last_quarter = query->last;
    return;
  }
  project->first_quarter = zone_day_start(project->zone, (int32_t)query->first) / QUARTER_SECONDS - 1;
  project->last_quarter = zone_day_start(project->zone, (int32_t)query->last + 1) / QUARTER_SECONDS + 1;
}

static int set_project(struct sums *sums, size_t index, struct err *err) {
  const struct sums_project *wanted = &sums->query->projects[index];
  struct summed *project = &sums->projects[index];
  if (!catalogue_copy_state(sums->ledger->catalogue, wanted->id, sums->state)) {
    return err_set(err, ERR_NOT_FOUND, "no project %.*s exists", STR_ARG(wanted->id));
  }
  project->number = sums->state->info.number;
  project->zone = wanted->zone != NULL ? wanted->zone : sums->state->zone;
  set_range(sums->query, project);
  while (sums->by_number.count <= project->number) {
    if (vector_add(&sums->by_number) == NULL) return no_memory(err);
  }
  if (sums->by_number.items[project->number] != 0) {
    return err_set(err, ERR_RANGE, "project %.*s is named twice", STR_ARG(wanted->id));
  }
  sums->by_number.items[project->number] = (uint32_t)index + 1;
  return 0;
}

static int check_query(const struct sums_query *query, struct err *err) {
  if (query->kinds == 0 || (query->kinds & ~SCAN_TASKS) != 0) {
    return err_set(err, ERR_RANGE, "totals need kinds of tasks, not the bits %#x", query->kinds);
  }
  bool is_days = query->step == SUMS_DAYS;
  int64_t max = is_days ? ZONE_DAY_MAX : UINT32_MAX;
  if (query->first < 0 || query->last > max) {
    return err_set(err, ERR_RANGE, "%s from %lld to %lld: they are from 0 to %lld",
                   is_days ? "days" : "quarter hours", (long long)query->first, (long long)query->last,
                   (long long)max);
  }
  return 0;
}

static int sums_init(struct sums *sums, struct err *err) {
  const struct sums_query *query = sums->query;
  int result = check_query(query, err);
  if (result != 0) return result;
  sums->projects = calloc(query->count + 1, sizeof *sums->projects);
  sums->state = malloc(sizeof *sums->state);
  if (sums->projects == NULL || sums->state == NULL) return no_memory(err);
  for (size_t i = 0; i < query->count && result == 0; i++)
    result = set_project(sums, i, err);
  return result;
}

/* ---- the deltas ---- */

static struct summed *asked_for(const struct sums *sums, uint32_t number) {
  uint32_t at = number < sums->by_number.count ? sums->by_number.items[number] : 0;
  return at != 0 ? &sums->projects[at - 1] : NULL;
}

static bool keep(struct sums *sums, struct summed *project, const struct kept *part) {
  struct kept *kept = sums->parts.count < UINT32_MAX ? vector_add(&sums->parts) : NULL;
  if (kept == NULL) return false;
  *kept = *part;
  kept->next = project->first_part;
  project->first_part = (uint32_t)sums->parts.count;
  return true;
}

static bool keep_days(struct sums *sums, const struct cells *cells) {
  const struct sums_query *query = sums->query;
  for (uint32_t i = 0; i < cells->days.count; i++) {
    const struct cell_day *day = &cells->days.items[i];
    if (day->day < query->first || day->day > query->last || !wants(sums, day->kind)) continue;
    struct summed *project = asked_for(sums, day->project);
    if (project == NULL || !project->by_day) continue;
    struct kept part = {.day = day->day, .kind = day->kind, .codec = day->codec, .is_day = true};
    for (int tier = 0; tier < TIERS; tier++) {
      part.tier = (uint8_t)tier;
      part.sum = day->sums[tier];
      if (!usage_count_is_zero(&part.sum) && !keep(sums, project, &part)) return false;
    }
  }
  return true;
}

static bool keep_quarters(struct sums *sums, const struct cells *cells) {
  for (uint32_t i = 0; i < cells->count; i++) {
    const struct cell *cell = &cells->items[i];
    struct summed *project = wants(sums, cell->kind) ? asked_for(sums, cell->project) : NULL;
    if (project == NULL || project->by_day) continue;
    if (cell->quarter < project->first_quarter || cell->quarter > project->last_quarter) continue;
    struct kept part = {
        .sum = cell->sum, .quarter = cell->quarter, .kind = cell->kind, .codec = cell->codec, .tier = cell->tier};
    if (!keep(sums, project, &part)) return false;
  }
  return true;
}

static int keep_delta(struct sums *sums, const struct delta *delta, struct err *err) {
  const struct cells *cells = delta_cells(delta);
  bool some_by_day = false, some_by_quarter = false;
  for (size_t i = 0; i < sums->query->count; i++) {
    struct summed *project = &sums->projects[i];
    project->by_day = sums->query->step == SUMS_DAYS && cells_days_match(cells, project->number, project->zone);
    some_by_day |= project->by_day;
    some_by_quarter |= !project->by_day;
  }
  bool fits = (!some_by_day || keep_days(sums, cells)) && (!some_by_quarter || keep_quarters(sums, cells));
  return fits ? 0 : no_memory(err);
}

/* Begins the snapshot and copies from the filling delta. For writers this is one step. *ret_frozen is held, or NULL.
 */
static int see(struct sums *sums, struct rows_txn **ret_snapshot, struct delta **ret_frozen, uint64_t *ret_position,
               struct err *err) {
  struct ledger *ledger = sums->ledger;
  struct totals_meta meta;
  lock_read(&ledger->view);
  int result = rows_begin(ledger->rows, ret_snapshot, err);
  if (result == 0) result = totals_meta(*ret_snapshot, &meta, err);
  if (result == 0) {
    bool is_covered = ledger->frozen == NULL || delta_end(ledger->frozen) <= meta.position;
    *ret_frozen = is_covered ? NULL : delta_hold(ledger->frozen);
    *ret_position = delta_end(ledger->filling);
    if (delta_end(ledger->filling) > meta.position) result = keep_delta(sums, ledger->filling, err);
  }
  lock_leave(&ledger->view);
  return result;
}

/* ---- giving ---- */

static void give(struct sums *sums, enum usage_kind kind, int64_t at, uint8_t codec, int tier,
                 const struct usage_count *sum) {
  if (usage_count_is_zero(sum) || sums->result != 0) return;
  CHECK(codec == CODEC_NUMBER_NONE || codec < sums->state->codecs_count);
  struct sums_part part = {.project = sums->at,
                           .kind = kind,
                           .at = at,
                           .codec = codec == CODEC_NUMBER_NONE ? "" : sums->state->codecs[codec],
                           .tier = (enum tier)tier,
                           .sum = *sum};
  sums->result = sums->visit(sums->arg, &part, sums->err);
}

static bool give_day(void *arg, int32_t day, uint8_t codec, const struct usage_count of_tiers[TIERS]) {
  struct sums *sums = arg;
  for (int tier = 0; tier < TIERS; tier++)
    give(sums, sums->kind, day, codec, tier, &of_tiers[tier]);
  return sums->result == 0;
}

static void give_quarter(struct sums *sums, enum usage_kind kind, uint32_t quarter, uint8_t codec, int tier,
                         const struct usage_count *sum) {
  const struct sums_query *query = sums->query;
  int64_t at = quarter;
  if (query->step == SUMS_DAYS) {
    at = zone_day_of(sums->projects[sums->at].zone, (int64_t)quarter * QUARTER_SECONDS);
    if (at < query->first || at > query->last) return;
  }
  give(sums, kind, at, codec, tier, sum);
}

static bool give_cell(void *arg, const struct cell *cell) {
  struct sums *sums = arg;
  give_quarter(sums, (enum usage_kind)cell->kind, cell->quarter, cell->codec, cell->tier, &cell->sum);
  return sums->result == 0;
}

static void give_kept(struct sums *sums) {
  const struct kept *parts = sums->parts.items;
  for (uint32_t i = sums->projects[sums->at].first_part; i != 0 && sums->result == 0; i = parts[i - 1].next) {
    const struct kept *part = &parts[i - 1];
    if (part->is_day)
      give(sums, (enum usage_kind)part->kind, part->day, part->codec, part->tier, &part->sum);
    else
      give_quarter(sums, (enum usage_kind)part->kind, part->quarter, part->codec, part->tier, &part->sum);
  }
}

static uint32_t clamped(int64_t quarter) {
  return quarter < 0 ? 0 : quarter > UINT32_MAX ? UINT32_MAX : (uint32_t)quarter;
}

static int give_rows(struct sums *sums, struct rows_txn *snapshot, struct err *err) {
  const struct sums_query *query = sums->query;
  const struct summed *project = &sums->projects[sums->at];
  enum totals_days days = TOTALS_DAYS_STALE;
  int result = 0;
  if (query->step == SUMS_DAYS) result = totals_days_state(snapshot, project->number, project->zone, &days, err);
  if (result != 0 || days == TOTALS_DAYS_NONE) return result;
  for (size_t i = 0; i < USAGE_TASK_KINDS && result == 0 && sums->result == 0; i++) {
    sums->kind = usage_task_kinds[i];
    if (!wants(sums, sums->kind)) continue;
    result = days == TOTALS_DAYS_MATCH
                 ? totals_visit_days(snapshot, project->number, sums->kind, (int32_t)query->first,
                                     (int32_t)query->last, give_day, sums, err)
                 : totals_visit_quarters(snapshot, project->number, sums->kind, clamped(project->first_quarter),
                                         clamped(project->last_quarter), give_cell, sums, err);
  }
  return result;
}

/* Copies the project's codec names only now: every codec that the view has is among them. */
static int give_project(struct sums *sums, struct rows_txn *snapshot, struct err *err) {
  const struct sums_project *wanted = &sums->query->projects[sums->at];
  bool exists = catalogue_copy_state(sums->ledger->catalogue, wanted->id, sums->state);
  CHECK(exists); /* no project is ever removed */
  int result = give_rows(sums, snapshot, err);
  if (result == 0) give_kept(sums);
  return result != 0 ? result : sums->result;
}

static void release_ref(struct delta **delta) { delta_release(*delta); }

int ledger_sums(struct ledger *ledger, const struct sums_query *query,
                int (*visit)(void *arg, const struct sums_part *part, struct err *err), void *arg,
                uint64_t *ret_position, struct err *err) {
  SCOPED(sums_fini) struct sums sums = {.ledger = ledger, .query = query, .visit = visit, .arg = arg, .err = err};
  SCOPED(rows_end_ref) struct rows_txn *snapshot = NULL;
  SCOPED(release_ref) struct delta *frozen = NULL;
  uint64_t position = 0;
  int result = sums_init(&sums, err);
  if (result == 0) result = see(&sums, &snapshot, &frozen, &position, err);
  if (result == 0 && frozen != NULL) result = keep_delta(&sums, frozen, err);
  for (sums.at = 0; sums.at < query->count && result == 0; sums.at++)
    result = query->first <= query->last ? give_project(&sums, snapshot, err) : 0;
  if (result == 0) *ret_position = position;
  return result;
}
