/* The meaning of the rows: totals by quarter hour and by day, the run list, the catalogue's rows, and the log
 * position that all of it covers.
 *
 * Days are derived from quarter hours in the same transaction. A project's days carry the version of the zone that
 * they were made with. If that is not the present version, all days of the project are made again from its quarter
 * hours.
 */
#include "ledger/totals/totals.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/vector.h"
#include "ledger/totals/rows.h"

/* ---- keys and values ---- */

#define QUARTER_KEY 11u
#define DAY_KEY 10u
#define QUARTER_VALUE 24u
#define DAY_VALUE (TIERS * QUARTER_VALUE)
#define DAY_BIAS UINT32_C(0x80000000)

static void quarter_key(char key[QUARTER_KEY], const struct cell *cell) {
  be32_store(key, cell->project);
  key[4] = (char)cell->kind;
  be32_store(key + 5, cell->quarter);
  key[9] = (char)cell->codec;
  key[10] = (char)cell->tier;
}

static void day_key(char key[DAY_KEY], uint32_t project, uint8_t kind, int32_t day, uint8_t codec) {
  be32_store(key, project);
  key[4] = (char)kind;
  be32_store(key + 5, (uint32_t)day + DAY_BIAS);
  key[9] = (char)codec;
}

static void sum_store(char *value, const struct usage_count *sum) {
  le64_store(value, sum->units);
  le64_store(value + 8, sum->minutes);
  le64_store(value + 16, sum->tasks);
}

static struct usage_count sum_load(const char *value) {
  return (struct usage_count){
      .units = le64_load(value), .minutes = le64_load(value + 8), .tasks = le64_load(value + 16)};
}

static bool cell_load(struct str key, struct str value, struct cell *ret) {
  if (key.len != QUARTER_KEY || value.len != QUARTER_VALUE) return false;
  const char *k = key.ptr;
  *ret = (struct cell){
      .project = be32_load(k),
      .kind = (uint8_t)k[4],
      .quarter = be32_load(k + 5),
      .codec = (uint8_t)k[9],
      .tier = (uint8_t)k[10],
      .sum = sum_load(value.ptr),
  };
  return ret->tier < TIERS;
}

/* ---- meta ---- */

static int meta_get(struct rows_txn *txn, const char *name, void *out, size_t size, struct err *err) {
  struct str value;
  int result = rows_get(txn, TABLE_META, str_of(name), &value, err);
  if (result == -ERR_NOT_FOUND || (result == 0 && value.len != size)) return rows_bad(TABLE_META, err);
  if (result == 0) memcpy(out, value.ptr, size);
  return result;
}

static int meta_put(struct rows_txn *txn, const char *name, const void *ptr, size_t size, struct err *err) {
  return rows_put(txn, TABLE_META, str_of(name), str_make(ptr, size), err);
}

int totals_meta(struct rows_txn *txn, struct totals_meta *ret, struct err *err) {
  int result = meta_get(txn, "uuid", ret->uuid, sizeof ret->uuid, err);
  if (result == 0) result = meta_get(txn, "position", &ret->position, sizeof ret->position, err);
  if (result == 0) result = meta_get(txn, "block_time", &ret->block_time_ms, sizeof ret->block_time_ms, err);
  if (result == 0) result = meta_get(txn, "next_run", &ret->next_run, sizeof ret->next_run, err);
  return result;
}

int totals_init(struct rows *rows, const uint8_t uuid[LEDGER_UUID_SIZE], struct err *err) {
  uint64_t position = LOG_FIRST_POSITION, next_run = 1;
  int64_t block_time_ms = 0;
  struct rows_txn *txn;
  int result = rows_begin_write(rows, &txn, err);
  if (result != 0) return result;
  result = meta_put(txn, "uuid", uuid, LEDGER_UUID_SIZE, err);
  if (result == 0) result = meta_put(txn, "position", &position, sizeof position, err);
  if (result == 0) result = meta_put(txn, "block_time", &block_time_ms, sizeof block_time_ms, err);
  if (result == 0) result = meta_put(txn, "next_run", &next_run, sizeof next_run, err);
  return rows_finish(txn, result, err);
}

/* ---- zones ---- */

/* A row of `zones` is the version, then the name. */
static bool zone_row_matches(struct str value, const struct zone *zone) {
  if (value.len < 8) return false;
  struct str name = str_make(value.ptr + 8, value.len - 8);
  return le64_load(value.ptr) == zone_version(zone) && str_equal(name, str_of(zone_name(zone)));
}

int totals_days_state(struct rows_txn *txn, uint32_t project, const struct zone *zone, enum totals_days *ret,
                      struct err *err) {
  char number[4];
  struct str value;
  be32_store(number, project);
  int result = rows_get(txn, TABLE_ZONES, str_make(number, sizeof number), &value, err);
  if (result != 0 && result != -ERR_NOT_FOUND) return result;
  if (result != 0)
    *ret = TOTALS_DAYS_NONE;
  else
    *ret = zone_row_matches(value, zone) ? TOTALS_DAYS_MATCH : TOTALS_DAYS_STALE;
  return 0;
}

/* ---- visiting ---- */

struct day_walk {
  char last[DAY_KEY];
  totals_visit_day visit;
  void *arg;
};

static int day_step(void *arg, struct str key, struct str value, struct err *err) {
  struct day_walk *walk = arg;
  if (key.len != DAY_KEY || value.len != DAY_VALUE) return rows_bad(TABLE_DAYS, err);
  if (memcmp(key.ptr, walk->last, DAY_KEY) > 0) return 0;
  const char *k = key.ptr, *v = value.ptr;
  struct usage_count sums[TIERS];
  for (int tier = 0; tier < TIERS; tier++)
    sums[tier] = sum_load(v + tier * QUARTER_VALUE);
  return walk->visit(walk->arg, (int32_t)(be32_load(k + 5) - DAY_BIAS), (uint8_t)k[9], sums) ? 1 : 0;
}

int totals_visit_days(struct rows_txn *txn, uint32_t project, enum usage_kind kind, int32_t first, int32_t last,
                      totals_visit_day visit, void *arg, struct err *err) {
  struct day_walk steps = {.visit = visit, .arg = arg};
  char from[DAY_KEY];
  day_key(from, project, (uint8_t)kind, first, 0);
  day_key(steps.last, project, (uint8_t)kind, last, UINT8_MAX);
  return rows_walk(txn, TABLE_DAYS, str_make(from, sizeof from), day_step, &steps, err);
}

struct cell_walk {
  char last[QUARTER_KEY];
  totals_visit_cell visit;
  void *arg;
};

static int cell_step(void *arg, struct str key, struct str value, struct err *err) {
  struct cell_walk *walk = arg;
  struct cell cell;
  if (!cell_load(key, value, &cell)) return rows_bad(TABLE_QUARTERS, err);
  if (memcmp(key.ptr, walk->last, QUARTER_KEY) > 0) return 0;
  return walk->visit(walk->arg, &cell) ? 1 : 0;
}

static int visit_quarters(struct rows_txn *txn, const struct cell *first, const struct cell *last,
                          totals_visit_cell visit, void *arg, struct err *err) {
  struct cell_walk steps = {.visit = visit, .arg = arg};
  char from[QUARTER_KEY];
  quarter_key(from, first);
  quarter_key(steps.last, last);
  return rows_walk(txn, TABLE_QUARTERS, str_make(from, sizeof from), cell_step, &steps, err);
}

int totals_visit_quarters(struct rows_txn *txn, uint32_t project, enum usage_kind kind, uint32_t first, uint32_t last,
                          totals_visit_cell visit, void *arg, struct err *err) {
  struct cell from = {.project = project, .kind = (uint8_t)kind, .quarter = first};
  struct cell to = {
      .project = project, .kind = (uint8_t)kind, .quarter = last, .codec = UINT8_MAX, .tier = UINT8_MAX};
  return visit_quarters(txn, &from, &to, visit, arg, err);
}

int totals_visit_all_quarters(struct rows_txn *txn, totals_visit_cell visit, void *arg, struct err *err) {
  struct cell from = {0};
  struct cell to = {
      .project = UINT32_MAX, .kind = UINT8_MAX, .quarter = UINT32_MAX, .codec = UINT8_MAX, .tier = UINT8_MAX};
  return visit_quarters(txn, &from, &to, visit, arg, err);
}

struct catalogue_walk {
  int (*visit)(void *arg, struct str key, struct str value, struct err *err);
  void *arg;
};

static int catalogue_step(void *arg, struct str key, struct str value, struct err *err) {
  struct catalogue_walk *walk = arg;
  int result = walk->visit(walk->arg, key, value, err);
  return result == 0 ? 1 : result;
}

int totals_visit_catalogue(struct rows_txn *txn,
                           int (*visit)(void *arg, struct str key, struct str value, struct err *err), void *arg,
                           struct err *err) {
  struct catalogue_walk steps = {.visit = visit, .arg = arg};
  return rows_walk(txn, TABLE_CATALOGUE, STR(""), catalogue_step, &steps, err);
}

#define RUN_KEY 8u
#define RUN_VALUE 32u

struct run_walk {
  int (*visit)(void *arg, const struct run_info *info, struct err *err);
  void *arg;
};

static int run_step(void *arg, struct str key, struct str value, struct err *err) {
  struct run_walk *walk = arg;
  if (key.len != RUN_KEY || value.len != RUN_VALUE) return rows_bad(TABLE_RUNS, err);
  const char *v = value.ptr;
  struct run_info info = {
      .number = be64_load(key.ptr),
      .kind = le32_load(v),
      .count = le64_load(v + 8),
      .from = le64_load(v + 16),
      .to = le64_load(v + 24),
  };
  if (info.kind < ENTRY_IDENTITY || info.kind > ENTRY_TIME) return rows_bad(TABLE_RUNS, err);
  int result = walk->visit(walk->arg, &info, err);
  return result == 0 ? 1 : result;
}

int totals_visit_runs(struct rows_txn *txn, int (*visit)(void *arg, const struct run_info *info, struct err *err),
                      void *arg, struct err *err) {
  struct run_walk steps = {.visit = visit, .arg = arg};
  return rows_walk(txn, TABLE_RUNS, STR(""), run_step, &steps, err);
}

/* ---- the checkpoint's transaction ---- */

static int put_catalogue(struct rows_txn *txn, const struct puts *puts, struct err *err) {
  struct str key, value;
  int result = 0;
  for (size_t at = 0; result == 0 && puts_next(puts, &at, &key, &value);) {
    result = rows_put(txn, TABLE_CATALOGUE, key, value, err);
  }
  return result;
}

/* Adds sums to a row of `count` sums. Makes the row if it does not exist; deletes it if no task is left in it. */
static int add_to_row(struct rows_txn *txn, enum table table, struct str key, const struct usage_count *sums,
                      size_t count, struct err *err) {
  char row[DAY_VALUE];
  size_t size = count * QUARTER_VALUE;
  CHECK(size <= sizeof row);
  struct str old;
  int result = rows_get(txn, table, key, &old, err);
  bool is_new = result == -ERR_NOT_FOUND;
  if (result != 0 && !is_new) return result;
  if (!is_new && old.len != size) return rows_bad(table, err);
  uint64_t tasks = 0;
  for (size_t i = 0; i < count; i++) {
    struct usage_count sum = sums[i];
    if (!is_new) {
      struct usage_count before = sum_load(old.ptr + i * QUARTER_VALUE);
      usage_count_add(&sum, &before);
    }
    sum_store(row + i * QUARTER_VALUE, &sum);
    tasks |= sum.tasks;
  }
  if (tasks != 0) return rows_put(txn, table, key, str_make(row, size), err);
  return is_new ? 0 : rows_delete(txn, table, key, err);
}

static int add_quarters(struct rows_txn *txn, const struct totals_checkpoint *checkpoint, struct err *err) {
  int result = 0;
  for (size_t i = 0; i < checkpoint->cells_count && result == 0; i++) {
    const struct cell *cell = &checkpoint->cells[i];
    char key[QUARTER_KEY];
    quarter_key(key, cell);
    result = add_to_row(txn, TABLE_QUARTERS, str_make(key, sizeof key), &cell->sum, 1, err);
  }
  return result;
}

/* Adds up the cells of one (project, kind, day), which follow one another, and writes them as day rows. */
struct day_sums {
  struct rows_txn *txn;
  const struct zone *zone;
  uint32_t project;
  uint8_t kind;
  int32_t day;
  bool any;
  bool used[UINT8_MAX + 1];
  struct usage_count sums[UINT8_MAX + 1][TIERS];
  int result;
  struct err *err;
};

static void day_sums_flush(struct day_sums *days) {
  if (!days->any) return;
  for (unsigned codec = 0; codec <= UINT8_MAX && days->result == 0; codec++) {
    if (!days->used[codec]) continue;
    char key[DAY_KEY];
    day_key(key, days->project, days->kind, days->day, (uint8_t)codec);
    days->result = add_to_row(days->txn, TABLE_DAYS, str_make(key, sizeof key), days->sums[codec], TIERS, days->err);
  }
  days->any = false;
  memset(days->used, 0, sizeof days->used);
}

static bool day_sums_add(void *arg, const struct cell *cell) {
  struct day_sums *days = arg;
  int32_t day = zone_day_of(days->zone, (int64_t)cell->quarter * QUARTER_SECONDS);
  bool same = days->any && cell->project == days->project && cell->kind == days->kind && day == days->day;
  if (!same) day_sums_flush(days);
  days->project = cell->project;
  days->kind = cell->kind;
  days->day = day;
  days->any = true;
  if (!days->used[cell->codec]) memset(days->sums[cell->codec], 0, sizeof days->sums[cell->codec]);
  days->used[cell->codec] = true;
  usage_count_add(&days->sums[cell->codec][cell->tier], &cell->sum);
  return true;
}

static struct day_sums *day_sums_new(struct rows_txn *txn, struct err *err) {
  struct day_sums *days = calloc(1, sizeof *days);
  if (days == NULL) {
    (void)err_set(err, ERR_MEMORY, "no memory to add up days: free some memory");
    return NULL;
  }
  days->txn = txn;
  days->err = err;
  return days;
}

/* Makes all days of a project again, with its present zone. */
static int remake_days(struct day_sums *days, uint32_t project, const struct zone *zone, struct err *err) {
  char number[4], row[8 + ZONE_NAME_MAX];
  be32_store(number, project);
  int result = rows_delete_all(days->txn, TABLE_DAYS, str_make(number, sizeof number), err);
  if (result != 0) return result;
  days->zone = zone;
  struct cell first = {.project = project};
  struct cell last = {
      .project = project, .kind = UINT8_MAX, .quarter = UINT32_MAX, .codec = UINT8_MAX, .tier = UINT8_MAX};
  result = visit_quarters(days->txn, &first, &last, day_sums_add, days, err);
  day_sums_flush(days);
  if (result == 0) result = days->result;
  if (result != 0) return result;
  le64_store(row, zone_version(zone));
  size_t len = strlen(zone_name(zone));
  memcpy(row + 8, zone_name(zone), len);
  return rows_put(days->txn, TABLE_ZONES, str_make(number, sizeof number), str_make(row, 8 + len), err);
}

/* The zone of a project, from this transaction's catalogue. */
static int project_zone(struct rows_txn *txn, uint32_t project, const struct zone **ret, struct err *err) {
  char name[5] = {'z'};
  struct str value;
  be32_store(name + 1, project);
  int result = rows_get(txn, TABLE_CATALOGUE, str_make(name, sizeof name), &value, err);
  if (result == -ERR_NOT_FOUND) return rows_bad(TABLE_CATALOGUE, err);
  return result == 0 ? zone_find(value, ret, err) : result;
}

/* Projects whose days do not match their zone, in the order of numbers. */
struct stale {
  struct rows_txn *txn;
  VECTOR(uint32_t);
};

static int stale_step(void *arg, struct str key, struct str value, struct err *err) {
  struct stale *stale = arg;
  if (key.len == 0 || key.ptr[0] != 'z') return 0;
  if (key.len != 5) return rows_bad(TABLE_CATALOGUE, err);
  uint32_t project = be32_load(key.ptr + 1);
  const struct zone *zone = NULL;
  enum totals_days state = TOTALS_DAYS_NONE;
  int result = zone_find(value, &zone, err);
  if (result == 0) result = totals_days_state(stale->txn, project, zone, &state, err);
  if (result != 0) return result;
  if (state == TOTALS_DAYS_MATCH) return 1;
  uint32_t *added = vector_add(stale);
  if (added == NULL) return err_set(err, ERR_MEMORY, "no memory to list projects: free some memory");
  *added = project;
  return 1;
}

static int compare_u32(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return (x > y) - (x < y);
}

static bool is_stale(const struct stale *stale, uint32_t project) {
  return stale->count > 0 && bsearch(&project, stale->items, stale->count, sizeof project, compare_u32) != NULL;
}

/* Adds the checkpoint's cells to the days of the projects that are not stale. */
static int add_days(struct day_sums *days, const struct stale *stale, const struct totals_checkpoint *checkpoint,
                    struct err *err) {
  uint32_t project = 0;
  bool skip = true;
  for (size_t i = 0; i < checkpoint->cells_count && days->result == 0; i++) {
    const struct cell *cell = &checkpoint->cells[i];
    if (i == 0 || cell->project != project) {
      day_sums_flush(days);
      project = cell->project;
      skip = is_stale(stale, project);
      int result = skip ? 0 : project_zone(days->txn, project, &days->zone, err);
      if (result != 0) return result;
    }
    if (!skip) (void)day_sums_add(days, cell);
  }
  day_sums_flush(days);
  return days->result;
}

static int put_days(struct rows_txn *txn, const struct totals_checkpoint *checkpoint, struct err *err) {
  SCOPED_MALLOC struct day_sums *days = day_sums_new(txn, err);
  if (days == NULL) return -ERR_MEMORY;
  struct stale stale = {.txn = txn};
  int result = rows_walk(txn, TABLE_CATALOGUE, STR("z"), stale_step, &stale, err);
  for (size_t i = 0; i < stale.count && result == 0; i++) {
    const struct zone *zone;
    result = project_zone(txn, stale.items[i], &zone, err);
    if (result == 0) result = remake_days(days, stale.items[i], zone, err);
  }
  if (result == 0) result = add_days(days, &stale, checkpoint, err);
  vector_fini(&stale);
  return result;
}

static int put_run(struct rows_txn *txn, const struct run_info *info, struct err *err) {
  char key[RUN_KEY], value[RUN_VALUE] = {0};
  be64_store(key, info->number);
  le32_store(value, (uint32_t)info->kind);
  le64_store(value + 8, info->count);
  le64_store(value + 16, info->from);
  le64_store(value + 24, info->to);
  return rows_put(txn, TABLE_RUNS, str_make(key, sizeof key), str_make(value, sizeof value), err);
}

/* Two threads take numbers in memory, so a lower number may be written later: the stored number never goes back. */
static int put_next_run(struct rows_txn *txn, uint64_t next_run, struct err *err) {
  uint64_t kept = 0;
  int result = meta_get(txn, "next_run", &kept, sizeof kept, err);
  if (result != 0 || kept >= next_run) return result;
  return meta_put(txn, "next_run", &next_run, sizeof next_run, err);
}

static int put_runs(struct rows_txn *txn, const struct totals_checkpoint *checkpoint, struct err *err) {
  int result = 0;
  for (size_t i = 0; i < checkpoint->runs_count && result == 0; i++) {
    result = put_run(txn, &checkpoint->runs[i], err);
    if (result == 0) result = put_next_run(txn, checkpoint->runs[i].number + 1, err);
  }
  return result;
}

static int put_position(struct rows_txn *txn, const struct totals_checkpoint *checkpoint, struct err *err) {
  int result = meta_put(txn, "position", &checkpoint->end, sizeof checkpoint->end, err);
  if (result != 0 || checkpoint->block_time_ms == 0) return result; /* the time before stays */
  return meta_put(txn, "block_time", &checkpoint->block_time_ms, sizeof checkpoint->block_time_ms, err);
}

int totals_apply(struct rows *rows, const struct totals_checkpoint *checkpoint, struct err *err) {
  struct rows_txn *txn;
  int result = rows_begin_write(rows, &txn, err);
  if (result != 0) return result;
  result = put_catalogue(txn, checkpoint->puts, err);
  if (result == 0) result = add_quarters(txn, checkpoint, err);
  if (result == 0) result = put_days(txn, checkpoint, err);
  if (result == 0) result = put_runs(txn, checkpoint, err);
  if (result == 0) result = put_position(txn, checkpoint, err);
  return rows_finish(txn, result, err);
}

int totals_replace_runs(struct rows *rows, const uint64_t *replaced, size_t count, const struct run_info *run,
                        struct err *err) {
  struct rows_txn *txn;
  int result = rows_begin_write(rows, &txn, err);
  if (result != 0) return result;
  for (size_t i = 0; i < count && result == 0; i++) {
    char number[RUN_KEY];
    be64_store(number, replaced[i]);
    result = rows_delete(txn, TABLE_RUNS, str_make(number, sizeof number), err);
    if (result == -ERR_NOT_FOUND) result = rows_bad(TABLE_RUNS, err);
  }
  if (result == 0) result = put_run(txn, run, err);
  if (result == 0) result = put_next_run(txn, run->number + 1, err);
  return rows_finish(txn, result, err);
}
