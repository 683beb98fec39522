/* The only file that knows LMDB. Default durable mode: a commit is on disk when it returns. The environment is opened
 * with NOTLS so that a snapshot belongs to whoever holds it, not to a thread; ended snapshots are kept and renewed,
 * which spares the reader table's lock.
 *
 * Days are derived from quarters in the same transaction. A project's days carry the version of the zone they were made
 * with; when that is not the present one, all its days are made anew from its quarters.
 */
#include <errno.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/file.h"
#include "ledger/totals.h"

#define TOTALS_FORMAT 1u
#define READERS_MAX 512u
#define SNAPSHOTS_KEPT 64u
#define REMEDY "stop the server and run `codecmeter rebuild`"

enum table { TABLE_META, TABLE_RUNS, TABLE_CATALOGUE, TABLE_QUARTERS, TABLE_DAYS, TABLE_ZONES, TABLES };
static const char *const table_names[TABLES] = {"meta", "runs", "catalogue", "quarters", "days", "zones"};

struct totals {
  MDB_env *env;
  MDB_dbi tables[TABLES];
  pthread_mutex_t lock; /* the kept snapshots */
  struct totals_snapshot *kept[SNAPSHOTS_KEPT];
  unsigned kept_count;
};

struct totals_snapshot {
  struct totals *totals;
  MDB_txn *txn;
};

static int failed(int code, const char *what, struct err *err) {
  if (code == MDB_MAP_FULL) {
    return err_set(err, ERR_FULL, "%s: the LMDB map is full; raise ledger.map_size", what);
  }
  if (code == MDB_VERSION_MISMATCH) {
    return err_set(err, ERR_VERSION, "%s: derived/totals has another LMDB format; " REMEDY, what);
  }
  bool corrupt = code == MDB_CORRUPTED || code == MDB_PAGE_NOTFOUND || code == MDB_INVALID || code == MDB_PANIC ||
                 code == MDB_NOTFOUND || code == MDB_BAD_VALSIZE || code == MDB_INCOMPATIBLE;
  if (corrupt) return err_set(err, ERR_CORRUPT, "%s: derived/totals is damaged; " REMEDY, what);
  return code > 0 ? err_set_errno(err, ERR_IO, code, "%s", what)
                  : err_set(err, ERR_INTERNAL, "%s: %s", what, mdb_strerror(code));
}

static int bad_row(const char *table, struct err *err) {
  return err_set(err, ERR_CORRUPT, "derived/totals: a row of %s is not what it must be; " REMEDY, table);
}

static MDB_val val_of(const void *ptr, size_t len) {
  return (MDB_val){.mv_size = len, .mv_data = (void *)(uintptr_t)ptr};
}

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

static void sum_add(struct usage_count *sum, const struct usage_count *more) {
  sum->units += more->units;
  sum->minutes += more->minutes;
  sum->tasks += more->tasks;
}

static bool cell_load(const MDB_val *key, const MDB_val *value, struct cell *ret) {
  if (key->mv_size != QUARTER_KEY || value->mv_size != QUARTER_VALUE) return false;
  const char *k = key->mv_data;
  *ret = (struct cell){
      .project = be32_load(k),
      .kind = (uint8_t)k[4],
      .quarter = be32_load(k + 5),
      .codec = (uint8_t)k[9],
      .tier = (uint8_t)k[10],
      .sum = sum_load(value->mv_data),
  };
  return ret->tier < TIERS;
}

/* ---- opening ---- */

static int open_tables(struct totals *totals, unsigned flags, struct err *err) {
  MDB_txn *txn;
  int code = mdb_txn_begin(totals->env, NULL, flags == 0 ? MDB_RDONLY : 0, &txn);
  if (code != 0) return failed(code, "cannot read derived/totals", err);
  for (int i = 0; i < TABLES && code == 0; i++) code = mdb_dbi_open(txn, table_names[i], flags, &totals->tables[i]);
  if (code == 0) code = mdb_txn_commit(txn);
  else mdb_txn_abort(txn);
  return code == 0 ? 0 : failed(code, "cannot open the tables of derived/totals", err);
}

static int open_env(const char *path, uint64_t map_size, struct totals **ret, struct err *err) {
  struct totals *totals = calloc(1, sizeof *totals);
  if (totals == NULL) return err_set(err, ERR_MEMORY, "no memory to open derived/totals");
  CHECK(pthread_mutex_init(&totals->lock, NULL) == 0);
  int code = mdb_env_create(&totals->env);
  if (code == 0) code = mdb_env_set_mapsize(totals->env, map_size);
  if (code == 0) code = mdb_env_set_maxdbs(totals->env, TABLES);
  if (code == 0) code = mdb_env_set_maxreaders(totals->env, READERS_MAX);
  if (code == 0) code = mdb_env_open(totals->env, path, MDB_NOTLS | MDB_NORDAHEAD, 0600);
  int dead;
  if (code == 0) code = mdb_reader_check(totals->env, &dead);
  if (code != 0) {
    totals_close(totals);
    return failed(code, "cannot open derived/totals", err);
  }
  *ret = totals;
  return 0;
}

static int meta_get(struct totals_snapshot *snapshot, const char *name, void *out, size_t size, struct err *err) {
  MDB_val key = val_of(name, strlen(name)), value;
  int code = mdb_get(snapshot->txn, snapshot->totals->tables[TABLE_META], &key, &value);
  if (code != 0) return failed(code, name, err);
  if (value.mv_size != size) return bad_row("meta", err);
  memcpy(out, value.mv_data, size);
  return 0;
}

static int check_format(struct totals *totals, struct err *err) {
  SCOPED(totals_end_ref) struct totals_snapshot *snapshot = NULL;
  int result = totals_begin(totals, &snapshot, err);
  if (result != 0) return result;
  uint32_t format = 0;
  result = meta_get(snapshot, "format", &format, sizeof format, err);
  if (result != 0) return result;
  if (format <= TOTALS_FORMAT) return 0;
  return err_set(err, ERR_VERSION, "derived/totals has format %u, this version knows up to %u; " REMEDY, format,
                 TOTALS_FORMAT);
}

int totals_open(const char *dir, uint64_t map_size, struct totals **ret, struct err *err) {
  SCOPED_MALLOC char *path = file_path(dir, "totals");
  SCOPED_MALLOC char *file = file_path(path, "data.mdb");
  if (!file_exists(file)) return err_set(err, ERR_NOT_FOUND, "%s is not there", file);
  struct totals *totals;
  int result = open_env(path, map_size, &totals, err);
  if (result != 0) return result;
  result = open_tables(totals, 0, err);
  if (result == 0) result = check_format(totals, err);
  if (result != 0) totals_close(totals);
  else *ret = totals;
  return result;
}

static int meta_put(struct totals *totals, MDB_txn *txn, const char *name, const void *ptr, size_t size) {
  MDB_val key = val_of(name, strlen(name)), value = val_of(ptr, size);
  return mdb_put(txn, totals->tables[TABLE_META], &key, &value, 0);
}

static int write_first_meta(struct totals *totals, const uint8_t *uuid, struct err *err) {
  uint32_t format = TOTALS_FORMAT;
  uint64_t position = LOG_FIRST_POSITION, next_run = 1;
  int64_t block_time_ms = 0;
  MDB_txn *txn;
  int code = mdb_txn_begin(totals->env, NULL, 0, &txn);
  if (code != 0) return failed(code, "cannot write derived/totals", err);
  code = meta_put(totals, txn, "format", &format, sizeof format);
  if (code == 0) code = meta_put(totals, txn, "uuid", uuid, LEDGER_UUID_SIZE);
  if (code == 0) code = meta_put(totals, txn, "position", &position, sizeof position);
  if (code == 0) code = meta_put(totals, txn, "block_time", &block_time_ms, sizeof block_time_ms);
  if (code == 0) code = meta_put(totals, txn, "next_run", &next_run, sizeof next_run);
  if (code == 0) code = mdb_txn_commit(txn);
  else mdb_txn_abort(txn);
  return code == 0 ? 0 : failed(code, "cannot write derived/totals", err);
}

int totals_create(const char *dir, const uint8_t uuid[LEDGER_UUID_SIZE], uint64_t map_size, struct totals **ret,
                  struct err *err) {
  SCOPED_MALLOC char *path = file_path(dir, "totals");
  int result = file_make_dir(dir, err);
  if (result == 0) result = file_make_dir(path, err);
  if (result != 0) return result;
  struct totals *totals;
  result = open_env(path, map_size, &totals, err);
  if (result != 0) return result;
  result = open_tables(totals, MDB_CREATE, err);
  if (result == 0) result = write_first_meta(totals, uuid, err);
  if (result == 0) result = file_sync_dir(path, err);
  if (result != 0) totals_close(totals);
  else *ret = totals;
  return result;
}

void totals_close(struct totals *totals) {
  if (totals == NULL) return;
  for (unsigned i = 0; i < totals->kept_count; i++) {
    mdb_txn_abort(totals->kept[i]->txn);
    free(totals->kept[i]);
  }
  if (totals->env != NULL) mdb_env_close(totals->env);
  (void)pthread_mutex_destroy(&totals->lock);
  free(totals);
}

/* ---- snapshots ---- */

int totals_begin(struct totals *totals, struct totals_snapshot **ret, struct err *err) {
  struct totals_snapshot *snapshot = NULL;
  (void)pthread_mutex_lock(&totals->lock);
  if (totals->kept_count > 0) snapshot = totals->kept[--totals->kept_count];
  (void)pthread_mutex_unlock(&totals->lock);
  bool renewed = snapshot != NULL;
  if (!renewed) snapshot = calloc(1, sizeof *snapshot);
  if (snapshot == NULL) return err_set(err, ERR_MEMORY, "no memory for a snapshot");
  snapshot->totals = totals;
  int code = renewed ? mdb_txn_renew(snapshot->txn) : mdb_txn_begin(totals->env, NULL, MDB_RDONLY, &snapshot->txn);
  if (code != 0) {
    if (renewed) mdb_txn_abort(snapshot->txn);
    free(snapshot);
    return failed(code, "cannot read derived/totals", err);
  }
  *ret = snapshot;
  return 0;
}

void totals_end(struct totals_snapshot *snapshot) {
  struct totals *totals = snapshot->totals;
  mdb_txn_reset(snapshot->txn);
  (void)pthread_mutex_lock(&totals->lock);
  bool keep = totals->kept_count < SNAPSHOTS_KEPT;
  if (keep) totals->kept[totals->kept_count++] = snapshot;
  (void)pthread_mutex_unlock(&totals->lock);
  if (keep) return;
  mdb_txn_abort(snapshot->txn);
  free(snapshot);
}

int totals_meta(struct totals_snapshot *snapshot, struct totals_meta *ret, struct err *err) {
  int result = meta_get(snapshot, "uuid", ret->uuid, sizeof ret->uuid, err);
  if (result == 0) result = meta_get(snapshot, "position", &ret->position, sizeof ret->position, err);
  if (result == 0) result = meta_get(snapshot, "block_time", &ret->block_time_ms, sizeof ret->block_time_ms, err);
  if (result == 0) result = meta_get(snapshot, "next_run", &ret->next_run, sizeof ret->next_run, err);
  return result;
}

/* The row of `zones`: version, then name. */
static bool zone_row_matches(const MDB_val *value, const struct zone *zone) {
  if (value->mv_size < 8) return false;
  struct str name = str_make((const char *)value->mv_data + 8, value->mv_size - 8);
  return le64_load(value->mv_data) == zone_version(zone) && str_equal(name, str_of(zone_name(zone)));
}

static int days_state(struct totals *totals, MDB_txn *txn, uint32_t project, const struct zone *zone,
                      enum totals_days *ret, struct err *err) {
  char number[4];
  be32_store(number, project);
  MDB_val key = val_of(number, sizeof number), value;
  int code = mdb_get(txn, totals->tables[TABLE_ZONES], &key, &value);
  if (code != 0 && code != MDB_NOTFOUND) return failed(code, "cannot read derived/totals", err);
  if (code != 0) *ret = TOTALS_DAYS_NONE;
  else *ret = zone_row_matches(&value, zone) ? TOTALS_DAYS_MATCH : TOTALS_DAYS_STALE;
  return 0;
}

int totals_days_state(struct totals_snapshot *snapshot, uint32_t project, const struct zone *zone,
                      enum totals_days *ret, struct err *err) {
  return days_state(snapshot->totals, snapshot->txn, project, zone, ret, err);
}

/* Walks a table from a key on; `step` returns 1 to go on, 0 to end, an error otherwise. */
static int walk(MDB_txn *txn, MDB_dbi table, const void *from, size_t from_len,
                int (*step)(void *arg, const MDB_val *key, const MDB_val *value, struct err *err), void *arg,
                struct err *err) {
  MDB_cursor *cursor;
  int code = mdb_cursor_open(txn, table, &cursor);
  if (code != 0) return failed(code, "cannot read derived/totals", err);
  MDB_val key = val_of(from, from_len), value;
  code = mdb_cursor_get(cursor, &key, &value, from_len > 0 ? MDB_SET_RANGE : MDB_FIRST);
  int result = 1;
  while (code == 0 && result == 1) {
    result = step(arg, &key, &value, err);
    if (result == 1) code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
  }
  mdb_cursor_close(cursor);
  if (result < 0) return result;
  return code == 0 || code == MDB_NOTFOUND ? 0 : failed(code, "cannot read derived/totals", err);
}

struct day_walk {
  char last[DAY_KEY];
  totals_visit_day visit;
  void *arg;
};

static int day_step(void *arg, const MDB_val *key, const MDB_val *value, struct err *err) {
  struct day_walk *walk = arg;
  if (key->mv_size != DAY_KEY || value->mv_size != DAY_VALUE) return bad_row("days", err);
  if (memcmp(key->mv_data, walk->last, DAY_KEY) > 0) return 0;
  const char *k = key->mv_data, *v = value->mv_data;
  struct usage_count sums[TIERS];
  for (int tier = 0; tier < TIERS; tier++) sums[tier] = sum_load(v + tier * QUARTER_VALUE);
  walk->visit(walk->arg, (int32_t)(be32_load(k + 5) - DAY_BIAS), (uint8_t)k[9], sums);
  return 1;
}

int totals_visit_days(struct totals_snapshot *snapshot, uint32_t project, enum usage_kind kind, int32_t first,
                      int32_t last, totals_visit_day visit, void *arg, struct err *err) {
  struct day_walk steps = {.visit = visit, .arg = arg};
  char from[DAY_KEY];
  day_key(from, project, (uint8_t)kind, first, 0);
  day_key(steps.last, project, (uint8_t)kind, last, UINT8_MAX);
  return walk(snapshot->txn, snapshot->totals->tables[TABLE_DAYS], from, sizeof from, day_step, &steps, err);
}

struct cell_walk {
  char last[QUARTER_KEY];
  totals_visit_cell visit;
  void *arg;
};

static int cell_step(void *arg, const MDB_val *key, const MDB_val *value, struct err *err) {
  struct cell_walk *walk = arg;
  struct cell cell;
  if (!cell_load(key, value, &cell)) return bad_row("quarters", err);
  if (memcmp(key->mv_data, walk->last, QUARTER_KEY) > 0) return 0;
  walk->visit(walk->arg, &cell);
  return 1;
}

static int visit_quarters(struct totals *totals, MDB_txn *txn, const struct cell *first, const struct cell *last,
                          totals_visit_cell visit, void *arg, struct err *err) {
  struct cell_walk steps = {.visit = visit, .arg = arg};
  char from[QUARTER_KEY];
  quarter_key(from, first);
  quarter_key(steps.last, last);
  return walk(txn, totals->tables[TABLE_QUARTERS], from, sizeof from, cell_step, &steps, err);
}

int totals_visit_quarters(struct totals_snapshot *snapshot, uint32_t project, enum usage_kind kind, uint32_t first,
                          uint32_t last, totals_visit_cell visit, void *arg, struct err *err) {
  struct cell from = {.project = project, .kind = (uint8_t)kind, .quarter = first};
  struct cell to = {
      .project = project, .kind = (uint8_t)kind, .quarter = last, .codec = UINT8_MAX, .tier = UINT8_MAX};
  return visit_quarters(snapshot->totals, snapshot->txn, &from, &to, visit, arg, err);
}

struct catalogue_walk {
  int (*visit)(void *arg, struct str key, struct str value, struct err *err);
  void *arg;
};

static int catalogue_step(void *arg, const MDB_val *key, const MDB_val *value, struct err *err) {
  struct catalogue_walk *walk = arg;
  int result = walk->visit(walk->arg, str_make(key->mv_data, key->mv_size), str_make(value->mv_data, value->mv_size),
                           err);
  return result == 0 ? 1 : result;
}

int totals_visit_catalogue(struct totals_snapshot *snapshot,
                           int (*visit)(void *arg, struct str key, struct str value, struct err *err), void *arg,
                           struct err *err) {
  struct catalogue_walk steps = {.visit = visit, .arg = arg};
  return walk(snapshot->txn, snapshot->totals->tables[TABLE_CATALOGUE], NULL, 0, catalogue_step, &steps, err);
}

#define RUN_KEY 8u
#define RUN_VALUE 32u

struct run_walk {
  int (*visit)(void *arg, const struct run_info *info, struct err *err);
  void *arg;
};

static int run_step(void *arg, const MDB_val *key, const MDB_val *value, struct err *err) {
  struct run_walk *walk = arg;
  if (key->mv_size != RUN_KEY || value->mv_size != RUN_VALUE) return bad_row("runs", err);
  const char *v = value->mv_data;
  struct run_info info = {
      .number = be64_load(key->mv_data),
      .kind = le32_load(v),
      .count = le64_load(v + 8),
      .from = le64_load(v + 16),
      .to = le64_load(v + 24),
  };
  if (info.kind < ENTRY_IDENTITY || info.kind > ENTRY_TIME) return bad_row("runs", err);
  int result = walk->visit(walk->arg, &info, err);
  return result == 0 ? 1 : result;
}

int totals_visit_runs(struct totals_snapshot *snapshot,
                      int (*visit)(void *arg, const struct run_info *info, struct err *err), void *arg,
                      struct err *err) {
  struct run_walk steps = {.visit = visit, .arg = arg};
  return walk(snapshot->txn, snapshot->totals->tables[TABLE_RUNS], NULL, 0, run_step, &steps, err);
}

/* ---- the checkpoint's transaction ---- */

static int put(MDB_txn *txn, MDB_dbi table, MDB_val key, MDB_val value, struct err *err) {
  int code = mdb_put(txn, table, &key, &value, 0);
  return code == 0 ? 0 : failed(code, "cannot write derived/totals", err);
}

static int put_catalogue(struct totals *totals, MDB_txn *txn, const struct delta *delta, struct err *err) {
  struct str key, value;
  int result = 0;
  for (size_t at = 0; result == 0 && delta_next_put(delta, &at, &key, &value);) {
    result = put(txn, totals->tables[TABLE_CATALOGUE], val_of(key.ptr, key.len), val_of(value.ptr, value.len), err);
  }
  return result;
}

/* Adds sums to a row of `count` sums, made if it is not there. */
static int add_to_row(MDB_txn *txn, MDB_dbi table, MDB_val key, const struct usage_count *sums, size_t count,
                      struct err *err) {
  char row[DAY_VALUE];
  size_t size = count * QUARTER_VALUE;
  CHECK(size <= sizeof row);
  MDB_val old;
  int code = mdb_get(txn, table, &key, &old);
  if (code != 0 && code != MDB_NOTFOUND) return failed(code, "cannot read derived/totals", err);
  if (code == 0 && old.mv_size != size) return bad_row("totals", err);
  for (size_t i = 0; i < count; i++) {
    struct usage_count sum = sums[i];
    if (code == 0) {
      struct usage_count before = sum_load((const char *)old.mv_data + i * QUARTER_VALUE);
      sum_add(&sum, &before);
    }
    sum_store(row + i * QUARTER_VALUE, &sum);
  }
  return put(txn, table, key, val_of(row, size), err);
}

static int add_quarters(struct totals *totals, MDB_txn *txn, const struct totals_checkpoint *checkpoint,
                        struct err *err) {
  int result = 0;
  for (size_t i = 0; i < checkpoint->cells_count && result == 0; i++) {
    const struct cell *cell = &checkpoint->cells[i];
    char key[QUARTER_KEY];
    quarter_key(key, cell);
    result = add_to_row(txn, totals->tables[TABLE_QUARTERS], val_of(key, sizeof key), &cell->sum, 1, err);
  }
  return result;
}

/* Gathers the cells of one (project, kind, day), which come in a row, and writes them as day rows. */
struct day_sums {
  struct totals *totals;
  MDB_txn *txn;
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
    days->result = add_to_row(days->txn, days->totals->tables[TABLE_DAYS], val_of(key, sizeof key),
                              days->sums[codec], TIERS, days->err);
  }
  days->any = false;
  memset(days->used, 0, sizeof days->used);
}

static void day_sums_add(void *arg, const struct cell *cell) {
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
  sum_add(&days->sums[cell->codec][cell->tier], &cell->sum);
}

static struct day_sums *day_sums_new(struct totals *totals, MDB_txn *txn, struct err *err) {
  struct day_sums *days = calloc(1, sizeof *days);
  if (days == NULL) {
    (void)err_set(err, ERR_MEMORY, "no memory to total days");
    return NULL;
  }
  days->totals = totals;
  days->txn = txn;
  days->err = err;
  return days;
}

static int delete_days(struct totals *totals, MDB_txn *txn, uint32_t project, struct err *err) {
  MDB_cursor *cursor;
  int code = mdb_cursor_open(txn, totals->tables[TABLE_DAYS], &cursor);
  if (code != 0) return failed(code, "cannot write derived/totals", err);
  char from[4];
  be32_store(from, project);
  MDB_val key = val_of(from, sizeof from), value;
  code = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
  while (code == 0 && key.mv_size == DAY_KEY && be32_load(key.mv_data) == project) {
    code = mdb_cursor_del(cursor, 0);
    if (code == 0) code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
  }
  mdb_cursor_close(cursor);
  return code == 0 || code == MDB_NOTFOUND ? 0 : failed(code, "cannot write derived/totals", err);
}

/* Makes all days of a project anew, with the zone it has now. */
static int remake_days(struct day_sums *days, uint32_t project, const struct zone *zone, struct err *err) {
  int result = delete_days(days->totals, days->txn, project, err);
  if (result != 0) return result;
  days->zone = zone;
  struct cell first = {.project = project};
  struct cell last = {
      .project = project, .kind = UINT8_MAX, .quarter = UINT32_MAX, .codec = UINT8_MAX, .tier = UINT8_MAX};
  result = visit_quarters(days->totals, days->txn, &first, &last, day_sums_add, days, err);
  day_sums_flush(days);
  if (result == 0) result = days->result;
  if (result != 0) return result;
  char number[4], row[8 + ZONE_NAME_MAX];
  be32_store(number, project);
  le64_store(row, zone_version(zone));
  size_t len = strlen(zone_name(zone));
  memcpy(row + 8, zone_name(zone), len);
  return put(days->txn, days->totals->tables[TABLE_ZONES], val_of(number, sizeof number), val_of(row, 8 + len), err);
}

/* The zone of a project, as the catalogue has it in this transaction. */
static int project_zone(struct totals *totals, MDB_txn *txn, uint32_t project, const struct zone **ret,
                        struct err *err) {
  char name[5] = {'z'};
  be32_store(name + 1, project);
  MDB_val key = val_of(name, sizeof name), value;
  int code = mdb_get(txn, totals->tables[TABLE_CATALOGUE], &key, &value);
  if (code != 0) return failed(code, "cannot read derived/totals", err);
  return zone_find(str_make(value.mv_data, value.mv_size), ret, err);
}

/* Projects whose days do not match their zone, in the order of numbers. */
struct stale {
  struct totals *totals;
  MDB_txn *txn;
  uint32_t *projects;
  size_t count;
};

static int stale_step(void *arg, const MDB_val *key, const MDB_val *value, struct err *err) {
  struct stale *stale = arg;
  const char *k = key->mv_data;
  if (key->mv_size == 0 || k[0] != 'z') return 0;
  if (key->mv_size != 5) return bad_row("catalogue", err);
  uint32_t project = be32_load(k + 1);
  const struct zone *zone = NULL;
  enum totals_days state = TOTALS_DAYS_NONE;
  int result = zone_find(str_make(value->mv_data, value->mv_size), &zone, err);
  if (result == 0) result = days_state(stale->totals, stale->txn, project, zone, &state, err);
  if (result != 0) return result;
  if (state == TOTALS_DAYS_MATCH) return 1;
  uint32_t *grown = reallocarray(stale->projects, stale->count + 1, sizeof *grown);
  if (grown == NULL) return err_set(err, ERR_MEMORY, "no memory to list projects");
  stale->projects = grown;
  stale->projects[stale->count++] = project;
  return 1;
}

static int compare_u32(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return (x > y) - (x < y);
}

static bool is_stale(const struct stale *stale, uint32_t project) {
  return stale->count > 0 &&
         bsearch(&project, stale->projects, stale->count, sizeof project, compare_u32) != NULL;
}

/* Adds the checkpoint's cells to the days of projects that are not remade as a whole. */
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
      int result = skip ? 0 : project_zone(days->totals, days->txn, project, &days->zone, err);
      if (result != 0) return result;
    }
    if (!skip) day_sums_add(days, cell);
  }
  day_sums_flush(days);
  return days->result;
}

static int put_days(struct totals *totals, MDB_txn *txn, const struct totals_checkpoint *checkpoint,
                    struct err *err) {
  SCOPED_MALLOC struct day_sums *days = day_sums_new(totals, txn, err);
  if (days == NULL) return -ERR_MEMORY;
  struct stale stale = {.totals = totals, .txn = txn};
  int result = walk(txn, totals->tables[TABLE_CATALOGUE], "z", 1, stale_step, &stale, err);
  for (size_t i = 0; i < stale.count && result == 0; i++) {
    const struct zone *zone;
    result = project_zone(totals, txn, stale.projects[i], &zone, err);
    if (result == 0) result = remake_days(days, stale.projects[i], zone, err);
  }
  if (result == 0) result = add_days(days, &stale, checkpoint, err);
  free(stale.projects);
  return result;
}

static int put_run(struct totals *totals, MDB_txn *txn, const struct run_info *info, struct err *err) {
  char key[RUN_KEY], value[RUN_VALUE] = {0};
  be64_store(key, info->number);
  le32_store(value, (uint32_t)info->kind);
  le64_store(value + 8, info->count);
  le64_store(value + 16, info->from);
  le64_store(value + 24, info->to);
  return put(txn, totals->tables[TABLE_RUNS], val_of(key, sizeof key), val_of(value, sizeof value), err);
}

/* Numbers are given in memory, by two threads: what is kept never goes back. */
static int put_next_run(struct totals *totals, MDB_txn *txn, uint64_t next_run, struct err *err) {
  MDB_val key = val_of("next_run", strlen("next_run")), value;
  int code = mdb_get(txn, totals->tables[TABLE_META], &key, &value);
  if (code != 0) return failed(code, "cannot read derived/totals", err);
  if (value.mv_size != sizeof next_run) return bad_row("meta", err);
  if (le64_load(value.mv_data) >= next_run) return 0;
  code = meta_put(totals, txn, "next_run", &next_run, sizeof next_run);
  return code == 0 ? 0 : failed(code, "cannot write derived/totals", err);
}

static int put_runs(struct totals *totals, MDB_txn *txn, const struct totals_checkpoint *checkpoint, struct err *err) {
  int result = 0;
  for (size_t i = 0; i < checkpoint->runs_count && result == 0; i++) {
    result = put_run(totals, txn, &checkpoint->runs[i], err);
    if (result == 0) result = put_next_run(totals, txn, checkpoint->runs[i].number + 1, err);
  }
  return result;
}

static int put_position(struct totals *totals, MDB_txn *txn, const struct totals_checkpoint *checkpoint,
                        struct err *err) {
  uint64_t position = delta_end(checkpoint->delta);
  int64_t block_time_ms = delta_block_time(checkpoint->delta);
  int code = meta_put(totals, txn, "position", &position, sizeof position);
  /* A delta of no blocks knows no time: the one before stands. */
  if (code == 0 && block_time_ms != 0) code = meta_put(totals, txn, "block_time", &block_time_ms, sizeof block_time_ms);
  return code == 0 ? 0 : failed(code, "cannot write derived/totals", err);
}

/* Commits what went well so far, drops it otherwise. */
static int end_write(MDB_txn *txn, int result, struct err *err) {
  if (result != 0) {
    mdb_txn_abort(txn);
    return result;
  }
  int code = mdb_txn_commit(txn);
  return code == 0 ? 0 : failed(code, "cannot commit derived/totals", err);
}

int totals_apply(struct totals *totals, const struct totals_checkpoint *checkpoint, struct err *err) {
  MDB_txn *txn;
  int code = mdb_txn_begin(totals->env, NULL, 0, &txn);
  if (code != 0) return failed(code, "cannot write derived/totals", err);
  int result = put_catalogue(totals, txn, checkpoint->delta, err);
  if (result == 0) result = add_quarters(totals, txn, checkpoint, err);
  if (result == 0) result = put_days(totals, txn, checkpoint, err);
  if (result == 0) result = put_runs(totals, txn, checkpoint, err);
  if (result == 0) result = put_position(totals, txn, checkpoint, err);
  return end_write(txn, result, err);
}

int totals_replace_runs(struct totals *totals, const uint64_t *replaced, size_t count, const struct run_info *run,
                        struct err *err) {
  MDB_txn *txn;
  int code = mdb_txn_begin(totals->env, NULL, 0, &txn);
  if (code != 0) return failed(code, "cannot write derived/totals", err);
  int result = 0;
  for (size_t i = 0; i < count && result == 0; i++) {
    char number[RUN_KEY];
    be64_store(number, replaced[i]);
    MDB_val key = val_of(number, sizeof number);
    code = mdb_del(txn, totals->tables[TABLE_RUNS], &key, NULL);
    if (code != 0) result = failed(code, "cannot drop a run from derived/totals", err);
  }
  if (result == 0) result = put_run(totals, txn, run, err);
  if (result == 0) result = put_next_run(totals, txn, run->number + 1, err);
  return end_write(txn, result, err);
}

void totals_forget_dead_readers(struct totals *totals) {
  int dead;
  (void)mdb_reader_check(totals->env, &dead);
}
