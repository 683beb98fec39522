/* Verification: recounts the log and compares everything derived with the result.
 *
 *   a snapshot of the rows (copied, then released) and of the runs that it lists (held open)
 *     └─> the whole log: every block's checksum, every record; cells, catalogue, a tally of what each run must hold
 *           └─> the whole of every run: checksums, order, filters, a tally of what it holds; equal identities
 *                 └─> differences
 *
 * A tally is the number of entries and the sum of their 128-bit hashes. Equal tallies mean equal entries, and neither
 * side must be kept in memory or searched. Where tallies differ, the records are searched one by one and named.
 *
 * Verification changes nothing and works beside a running server: the log only grows, a removed run loses only its
 * name, and LMDB keeps the snapshot's pages until they are copied. Blocks beyond the snapshot's position are checked
 * but not recounted.
 */
#include "ledger/care/verify.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/file.h"
#include "ledger/care/backup.h"
#include "ledger/index/union.h"

#define DIFFERENCES_TOLD 100u /* further ones are only counted */

/* ---- reporting ---- */

void verify_differs(struct verify *v, const char *format, ...) {
  char line[1024];
  va_list args;
  if (v->report.differences++ >= DIFFERENCES_TOLD || v->how->differs == NULL) return;
  va_start(args, format);
  (void)vsnprintf(line, sizeof line, format, args);
  va_end(args);
  v->how->differs(v->how->arg, line);
}

static void step(struct verify *v, uint64_t bytes) {
  v->done += bytes;
  if (v->how->progress.step != NULL) v->how->progress.step(v->how->progress.arg, v->done, v->total);
}

static void tally_add(struct tally *tally, const struct entry *entry) {
  struct hash hash = hash_bytes(entry, sizeof *entry);
  tally->count++;
  tally->high += hash.high;
  tally->low += hash.low;
}

static void tally_drop(struct tally *tally, const struct entry *entry) {
  struct hash hash = hash_bytes(entry, sizeof *entry);
  tally->count--;
  tally->high -= hash.high;
  tally->low -= hash.low;
}

static bool tallies_equal(const struct tally *a, const struct tally *b) {
  return a->count == b->count && a->high == b->high && a->low == b->low;
}

/* ---- the snapshot ---- */

static bool keep_cell(void *arg, const struct cell *cell) {
  struct verify *v = arg;
  *VERIFY_ADD(v->kept_cells, v->kept_cells_count, v->kept_cells_cap) = *cell;
  return true;
}

struct day_keeper {
  struct day_vector *days;
  uint32_t project;
  uint8_t kind;
};

static bool keep_day(void *arg, int32_t day, uint8_t codec, const struct usage_count sums[TIERS]) {
  struct day_keeper *keeper = arg;
  struct day_total *total = VERIFY_ADD(keeper->days->items, keeper->days->count, keeper->days->cap);
  *total = (struct day_total){.project = keeper->project, .kind = keeper->kind, .codec = codec, .day = day};
  memcpy(total->sums, sums, sizeof total->sums);
  return true;
}

static int keep_project(struct verify *v, struct rows_txn *txn, uint32_t project, const struct zone *zone,
                        struct err *err) {
  struct zone_kept *grown = reallocarray(v->zones, v->zones_count + 1, sizeof *grown);
  CHECK(grown != NULL);
  v->zones = grown;
  struct zone_kept *kept = &v->zones[v->zones_count++];
  kept->project = project;
  int result = totals_days_state(txn, project, zone, &kept->state, err);
  for (size_t i = 0; i < USAGE_TASK_KINDS && result == 0; i++) {
    enum usage_kind kind = usage_task_kinds[i];
    struct day_keeper keeper = {.days = &v->kept_days, .project = project, .kind = (uint8_t)kind};
    result = totals_visit_days(txn, project, kind, INT32_MIN, INT32_MAX, keep_day, &keeper, err);
  }
  return result;
}

/* Projects are numbered from 1 without a gap; the catalogue's rows hold their zones. */
static int keep_projects(struct verify *v, struct rows_txn *txn, struct err *err) {
  for (uint32_t project = 1;; project++) {
    char key[5] = {'z'};
    struct str name;
    const struct zone *zone;
    be32_store(key + 1, project);
    int result = rows_get(txn, TABLE_CATALOGUE, str_make(key, sizeof key), &name, err);
    if (result == -ERR_NOT_FOUND) return 0;
    if (result == 0) result = zone_find(name, &zone, err);
    if (result == 0) result = keep_project(v, txn, project, zone, err);
    if (result != 0) return result;
  }
}

static int take_rows(void *arg, struct rows_txn *txn, struct err *err) {
  struct verify *v = arg;
  int result = rows_check(txn, err);
  if (result == 0) result = totals_visit_catalogue(txn, verify_keep_row, &v->kept_rows, err);
  if (result == 0) result = totals_visit_all_quarters(txn, keep_cell, v, err);
  return result == 0 ? keep_projects(v, txn, err) : result;
}

static void sort_runs(struct verify *v) {
  for (int kind = ENTRY_IDENTITY; kind <= ENTRY_TIME; kind++) {
    struct checked_kind *checked = &v->kinds[kind - 1];
    checked->items = calloc(v->snapshot.runs->count + 1, sizeof *checked->items);
    CHECK(checked->items != NULL);
    for (size_t i = 0; i < v->snapshot.runs->count; i++) {
      const struct run_info *info = run_info(v->snapshot.runs->items[i]);
      if (info->kind != (enum entry_kind)kind) continue;
      bool overlaps = checked->count > 0 && run_info(checked->items[checked->count - 1].run)->to > info->from;
      if (overlaps) verify_differs(v, "two %s runs cover position %" PRIu64, entry_kind_name(kind), info->from);
      checked->items[checked->count++] = (struct checked_run){.run = v->snapshot.runs->items[i]};
      v->total += info->count * sizeof(struct entry);
    }
  }
}

/* ---- the log ---- */

static void entries_of(const struct usage *usage, uint32_t project, uint64_t position,
                       struct entry out[ENTRY_KINDS]) {
  struct hash identity = hash_identity_entry(usage);
  struct hash task = hash_task_entry(usage);
  out[ENTRY_IDENTITY - 1] = (struct entry){identity.high, identity.low, position};
  out[ENTRY_TASK - 1] = (struct entry){task.high, task.low, position};
  out[ENTRY_TIME - 1] = (struct entry){entry_time_key(project, usage->kind), (uint64_t)usage->finished_ms, position};
}

static void want_entry(struct verify *v, enum entry_kind kind, const struct entry *entry) {
  struct checked_kind *checked = &v->kinds[kind - 1];
  while (checked->at < checked->count && run_info(checked->items[checked->at].run)->to <= entry->position)
    checked->at++;
  bool covered = checked->at < checked->count && run_info(checked->items[checked->at].run)->from <= entry->position;
  if (covered)
    tally_add(&checked->items[checked->at].wanted, entry);
  else
    verify_differs(v, "no %s run covers the record at position %" PRIu64, entry_kind_name(kind), entry->position);
}

/* Finds, by the runs, the record of an identity before a position. Its texts are borrowed until the next read. */
static int find_earlier(struct verify *v, struct str project, struct str source, struct str id, uint64_t before,
                        struct record *ret, bool *ret_found, struct err *err) {
  struct hash hash = hash_identity(project, source, id);
  struct checked_kind *kind = &v->kinds[ENTRY_IDENTITY - 1];
  *ret_found = false;
  for (size_t i = 0; i < kind->count && !*ret_found; i++) {
    struct entry wanted = {hash.high, hash.low, 0}, entry;
    uint64_t index = 0;
    int result = run_seek(kind->items[i].run, &wanted, &index, err);
    for (; result == 0 && index < run_info(kind->items[i].run)->count && !*ret_found; index++) {
      result = run_entry(kind->items[i].run, index, &entry, err);
      if (result != 0 || entry.first != hash.high || entry.second != hash.low || entry.position >= before) break;
      result = log_read_record(v->reader, entry.position, ret, err);
      if (result != 0) break;
      *ret_found = ret->type == RECORD_USAGE && ret->usage.kind != USAGE_UNRESOLVED && str_equal(ret->usage.id, id) &&
                   str_equal(ret->usage.source, source) && str_equal(ret->usage.project, project);
    }
    if (result != 0) return result;
  }
  return 0;
}

/* Subtracts the usage of a void's target; a void without a target changes nothing. */
static int recount_void(struct verify *v, const struct usage *usage, const struct project_state *project,
                        uint64_t position, bool *ret_counts, struct err *err) {
  struct record target;
  bool is_there;
  int result =
      find_earlier(v, usage->project, usage->target_source, usage->target_id, position, &target, &is_there, err);
  *ret_counts = result == 0 && is_there && target.usage.kind != USAGE_VOID;
  if (!*ret_counts) return result;
  int codec = catalogue_codec_number(project, target.usage.codec);
  if (!cells_reserve(&v->cells, 1)) return err_set(err, ERR_MEMORY, "no memory to recount the log");
  if (codec >= 0) cells_take(&v->cells, &target.usage, project->info.number, project->zone, (uint8_t)codec);
  return 0;
}

static int recount(struct verify *v, const struct usage *usage, uint64_t position, struct err *err) {
  const struct project_state *project = catalogue_state(v->catalogue, usage->project);
  if (project == NULL) return 0; /* a record of an unknown project changes nothing */
  if (usage->kind == USAGE_VOID) {
    bool counts;
    int result = recount_void(v, usage, project, position, &counts, err);
    if (result != 0 || !counts) return result;
  } else {
    int codec = catalogue_codec_number(project, usage->codec);
    if (codec < 0) {
      codec = (int)project->codecs_count;
      if (!catalogue_add_codec(v->catalogue, project, usage->codec, &v->changes)) return 0;
    }
    if (!cells_reserve(&v->cells, 1)) return err_set(err, ERR_MEMORY, "no memory to recount the log");
    cells_add(&v->cells, usage, project->info.number, project->zone, (uint8_t)codec);
  }
  struct entry entries[ENTRY_KINDS];
  entries_of(usage, project->info.number, position, entries);
  for (int kind = ENTRY_IDENTITY; kind <= ENTRY_TIME; kind++)
    want_entry(v, (enum entry_kind)kind, &entries[kind - 1]);
  return 0;
}

static int look_at_record(struct verify *v, const struct record *record, uint64_t position, struct err *err) {
  v->report.records++;
  if (record->type == RECORD_USAGE) v->report.usages++;
  if (position >= v->snapshot.meta.position) return 0;
  v->report.compared++;
  if (record->type != RECORD_USAGE) return catalogue_apply(v->catalogue, record, &v->changes, err);
  return recount(v, &record->usage, position, err);
}

static int look_at_block(void *arg, const struct block *block, struct err *err) {
  struct verify *v = arg;
  struct record record;
  uint32_t count = 0;
  if (block->time_ms < v->block_time_ms)
    verify_differs(v, "the block at position %" PRIu64 " has an earlier time than the block before it",
                   block->position);
  if (block->synced > block->position)
    verify_differs(v, "the block at position %" PRIu64 " says that it was synced before it was written",
                   block->position);
  v->block_time_ms = block->time_ms;
  v->report.blocks++;
  for (uint32_t at = BLOCK_HEAD_SIZE; at < block_records_end(block); count++) {
    uint64_t position = block->position + at;
    int result = block_next(block, &at, &record, err);
    if (result == 0) result = look_at_record(v, &record, position, err);
    if (result != 0) return err_prefix(err, "the block at position %" PRIu64, block->position);
  }
  if (count != block->count)
    verify_differs(v, "the block at position %" PRIu64 " has %u records, but its head says %u", block->position,
                   count, block->count);
  step(v, block->bytes.len);
  return 0;
}

static int read_log(struct verify *v, struct err *err) {
  v->report.from = LOG_FIRST_POSITION;
  int result = log_scan(v->log, v->report.from, look_at_block, v, &v->report.end, err);
  if (result != 0) return result;
  v->report.unsettled = log_end(v->log) - v->report.end;
  if (v->report.is_backup && v->report.end < v->label_position) {
    return err_set(err, ERR_CORRUPT,
                   "the backup in %s should reach to position %" PRIu64 ", but it is whole to %" PRIu64
                   " only: use another backup",
                   v->options->dir, v->label_position, v->report.end);
  }
  if (v->report.end < v->snapshot.meta.position) {
    return err_set(err, ERR_CORRUPT,
                   "the derived files cover the log up to position %" PRIu64 ", but the log ends at %" PRIu64
                   ": put back the right log, or run `codecmeter rebuild` to go on with what this log holds",
                   v->snapshot.meta.position, v->report.end);
  }
  v->report.covered = v->snapshot.meta.position;
  return 0;
}

/* ---- the runs ---- */

static struct checked_run *run_of(struct checked_kind *kind, uint64_t position) {
  size_t low = 0, high = kind->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (run_info(kind->items[middle].run)->to <= position)
      low = middle + 1;
    else
      high = middle;
  }
  bool covered = low < kind->count && run_info(kind->items[low].run)->from <= position;
  return covered ? &kind->items[low] : NULL;
}

/* Two records have the same hash of their identity: reports a difference if the identities are equal. */
static int look_at_twins(struct verify *v, uint64_t first, uint64_t later, struct err *err) {
  struct record record;
  char project[PROJECT_ID_MAX + 1], source[SOURCE_MAX + 1], id[EVENT_ID_MAX + 1];
  int result = log_read_record(v->reader, first, &record, err);
  if (result != 0) return result;
  if (record.type != RECORD_USAGE) {
    return err_set(err, ERR_CORRUPT, "an index entry points to position %" PRIu64 ", where the record is not usage",
                   first);
  }
  bool fits = str_copy(record.usage.project, project, sizeof project) &&
              str_copy(record.usage.source, source, sizeof source) && str_copy(record.usage.id, id, sizeof id);
  CHECK(fits);
  result = log_read_record(v->reader, later, &record, err);
  if (result != 0 || record.type != RECORD_USAGE) return result;
  bool same = str_equal(str_of(project), record.usage.project) && str_equal(str_of(source), record.usage.source) &&
              str_equal(str_of(id), record.usage.id);
  if (same) {
    verify_differs(v, "counted twice: project %s, source %s, id %s, at positions %" PRIu64 " and %" PRIu64, project,
                   source, id, first, later);
  }
  return 0;
}

static int check_filter(struct verify *v, const struct checked_run *checked, const struct entry *entry,
                        struct err *err) {
  bool may_hold;
  int result = run_may_hold(checked->run, (struct hash){entry->first, entry->second}, &may_hold, err);
  if (result == 0 && !may_hold) {
    verify_differs(v, "run %016" PRIx64 ": the filter hides the entry of the record at position %" PRIu64,
                   run_info(checked->run)->number, entry->position);
  }
  return result;
}

static int look_at_entry(struct verify *v, enum entry_kind kind, const struct entry *before,
                         const struct entry *entry, struct err *err) {
  struct checked_run *checked = run_of(&v->kinds[kind - 1], entry->position);
  if (checked == NULL) {
    verify_differs(v, "a run of kind %s has an entry of position %" PRIu64 ", which no such run covers",
                   entry_kind_name(kind), entry->position);
    return 0;
  }
  tally_add(&checked->found, entry);
  int result = kind != ENTRY_TIME ? check_filter(v, checked, entry, err) : 0;
  bool twins = before->first == entry->first && before->second == entry->second;
  if (result == 0 && kind == ENTRY_IDENTITY && twins)
    result = look_at_twins(v, before->position, entry->position, err);
  return result;
}

static int read_kind(struct verify *v, enum entry_kind kind, struct err *err) {
  SCOPED(union_free_ref) struct union_reader *reader = NULL;
  struct checked_kind *checked = &v->kinds[kind - 1];
  SCOPED_MALLOC struct run **runs = calloc(checked->count + 1, sizeof(struct run *));
  CHECK(runs != NULL);
  for (size_t i = 0; i < checked->count; i++)
    runs[i] = checked->items[i].run;
  int result = union_new(runs, checked->count, &reader, err);
  struct entry piece[1024], before = {0};
  for (size_t count = 1; count > 0 && result == 0;) {
    result = union_next(reader, piece, sizeof piece / sizeof piece[0], &count, err);
    for (size_t i = 0; i < count && result == 0; i++) {
      result = look_at_entry(v, kind, &before, &piece[i], err);
      before = piece[i];
    }
    if (result == 0) step(v, count * sizeof piece[0]);
  }
  return result;
}

/* ---- where tallies differ ---- */

/* Tells whether an entry is in the run of its kind that covers its position. */
static int is_in_run(struct verify *v, enum entry_kind kind, const struct entry *entry, bool *ret, struct err *err) {
  struct checked_run *checked = run_of(&v->kinds[kind - 1], entry->position);
  uint64_t index = 0;
  struct entry found;
  *ret = false;
  if (checked == NULL) return 0;
  int result = run_seek(checked->run, entry, &index, err);
  if (result != 0 || index == run_info(checked->run)->count) return result;
  result = run_entry(checked->run, index, &found, err);
  if (result == 0) *ret = entry_compare(&found, entry) == 0;
  return result;
}

struct explanation {
  struct verify *v;
  struct checked_run *checked;
  enum entry_kind kind;
  uint64_t told;
};

static bool is_skipped(const struct verify *v, uint64_t position) {
  for (size_t i = 0; i < v->skipped_count; i++) {
    if (v->skipped[i] == position) return true;
  }
  return false;
}

static void drop_cell(struct verify *v, const struct usage *usage, const struct project_state *project) {
  struct usage_count count = usage_count(usage);
  int codec = catalogue_codec_number(project, usage->codec);
  for (uint32_t i = 0; i < v->cells.count && count.tasks > 0; i++) {
    struct cell *cell = &v->cells.items[i];
    if (cell->project != project->info.number || cell->kind != usage->kind || cell->codec != codec ||
        cell->tier != usage->tier || cell->quarter != (uint64_t)usage->finished_ms / 1000 / QUARTER_SECONDS) {
      continue;
    }
    cell->sum.units -= count.units;
    cell->sum.minutes -= count.minutes;
    cell->sum.tasks -= count.tasks;
  }
}

static int skip_record(struct verify *v, const struct usage *usage, uint64_t position) {
  const struct project_state *project = catalogue_state(v->catalogue, usage->project);
  struct entry entries[ENTRY_KINDS];
  uint64_t *grown = reallocarray(v->skipped, v->skipped_count + 1, sizeof *grown);
  CHECK(grown != NULL && project != NULL);
  v->skipped = grown;
  v->skipped[v->skipped_count++] = position;
  drop_cell(v, usage, project);
  entries_of(usage, project->info.number, position, entries);
  for (int kind = ENTRY_IDENTITY; kind <= ENTRY_TIME; kind++) {
    struct checked_run *checked = run_of(&v->kinds[kind - 1], position);
    if (checked != NULL) tally_drop(&checked->wanted, &entries[kind - 1]);
  }
  return 0;
}

static int explain_usage(struct explanation *x, const struct usage *usage, uint64_t position, struct err *err) {
  struct verify *v = x->v;
  const struct project_state *project = catalogue_state(v->catalogue, usage->project);
  if (project == NULL || is_skipped(v, position)) return 0;
  struct entry entries[ENTRY_KINDS];
  bool there, earlier = false;
  entries_of(usage, project->info.number, position, entries);
  int result = is_in_run(v, x->kind, &entries[x->kind - 1], &there, err);
  if (result != 0 || there) return result;
  /* A record whose identity is earlier in the log rightly counts nothing. */
  struct record first;
  if (x->kind == ENTRY_IDENTITY) {
    result = find_earlier(v, usage->project, usage->source, usage->id, position, &first, &earlier, err);
  }
  if (result != 0) return result;
  if (earlier) return skip_record(v, usage, position);
  x->told++;
  verify_differs(v, "run %016" PRIx64 " lacks the %s entry of project %.*s, source %.*s, id %.*s, position %" PRIu64,
                 run_info(x->checked->run)->number, entry_kind_name(x->kind), STR_ARG(usage->project),
                 STR_ARG(usage->source), STR_ARG(usage->id), position);
  return 0;
}

static int explain_block(void *arg, const struct block *block, struct err *err) {
  struct explanation *x = arg;
  const struct run_info *info = run_info(x->checked->run);
  struct record record;
  if (block->position + block->bytes.len <= info->from || block->position >= info->to) return 0;
  for (uint32_t at = BLOCK_HEAD_SIZE; at < block_records_end(block);) {
    uint64_t position = block->position + at;
    int result = block_next(block, &at, &record, err);
    if (result == 0 && record.type == RECORD_USAGE) result = explain_usage(x, &record.usage, position, err);
    if (result != 0) return result;
  }
  return 0;
}

static int compare_run(struct verify *v, enum entry_kind kind, struct checked_run *checked, struct err *err) {
  if (tallies_equal(&checked->wanted, &checked->found)) return 0;
  struct explanation x = {.v = v, .checked = checked, .kind = kind};
  uint64_t end;
  int result = log_scan(v->log, LOG_FIRST_POSITION, explain_block, &x, &end, err);
  if (result != 0 || x.told > 0 || tallies_equal(&checked->wanted, &checked->found)) return result;
  verify_differs(v, "run %016" PRIx64 ": its %" PRIu64 " %s entries are not the %" PRIu64 " that the log requires",
                 run_info(checked->run)->number, checked->found.count, entry_kind_name(kind), checked->wanted.count);
  return 0;
}

static int compare_runs(struct verify *v, struct err *err) {
  int result = 0;
  for (int kind = ENTRY_IDENTITY; kind <= ENTRY_TIME && result == 0; kind++) {
    struct checked_kind *checked = &v->kinds[kind - 1];
    for (size_t i = 0; i < checked->count && result == 0; i++) {
      result = compare_run(v, (enum entry_kind)kind, &checked->items[i], err);
    }
  }
  return result;
}

/* ---- the door ---- */

static void verify_fini(struct verify *v) {
  snapshot_fini(&v->snapshot);
  for (int i = 0; i < ENTRY_KINDS; i++)
    free(v->kinds[i].items);
  verify_rows_fini(&v->kept_rows);
  free(v->kept_cells);
  free(v->kept_days.items);
  free(v->zones);
  free(v->skipped);
  cells_fini(&v->cells);
  puts_fini(&v->changes);
  catalogue_free(v->catalogue);
  log_reader_free(v->reader);
  log_close(v->log);
}

/* A backup has a log and a label; a restore makes the files that are derived from the log. */
static int look_for_label(struct verify *v, struct err *err) {
  if (!ledger_is_backup(v->options->dir)) return 0;
  v->report.is_backup = true;
  return backup_read_label(v->options->dir, &v->label_position, err);
}

/* Opens the log twice: the snapshot needs its UUID, and after the snapshot it reaches at least as far. */
static int open_all(struct verify *v, struct err *err) {
  int result = log_open_to_read(v->options->dir, &v->log, err);
  if (result == 0) result = look_for_label(v, err);
  if (result == 0 && !v->report.is_backup) {
    result = snapshot_take(v->options, v->log, take_rows, v, &v->snapshot, err);
  }
  if (result != 0) return result;
  log_close(v->log);
  v->log = NULL;
  result = log_open_to_read(v->options->dir, &v->log, err);
  if (result != 0) return result;
  v->reader = log_reader_new(v->log, 0);
  CHECK(v->reader != NULL);
  v->total = log_end(v->log);
  if (!v->report.is_backup) sort_runs(v);
  return 0;
}

static int compare_derived(struct verify *v, struct err *err) {
  int result = 0;
  for (int kind = ENTRY_IDENTITY; kind <= ENTRY_TIME && result == 0; kind++) {
    result = read_kind(v, (enum entry_kind)kind, err);
  }
  if (result == 0) result = compare_runs(v, err);
  return result == 0 ? verify_compare_totals(v, err) : result;
}

int ledger_verify(const struct ledger_options *options, const struct ledger_verify_options *how,
                  struct ledger_verify_report *ret, struct err *err) {
  SCOPED(verify_fini) struct verify v = {.options = options, .how = how};
  v.catalogue = catalogue_new();
  int result = open_all(&v, err);
  if (result == 0) result = read_log(&v, err);
  if (result == 0 && !v.report.is_backup) result = compare_derived(&v, err);
  if (result != 0) return result;
  if (how->progress.step != NULL) how->progress.step(how->progress.arg, v.total, v.total);
  *ret = v.report;
  return 0;
}
