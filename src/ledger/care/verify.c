/* Verification: recounts the log and compares everything derived with the result.
 *
 *   a snapshot of the rows (copied, then released) and of the runs that it lists (held open)
 *     └─> the whole log: every block's checksum, every record; cells, catalogue, a tally of what each run must hold
 *           └─> the whole of every run: checksums, order, filters, a tally of what it holds
 *                 └─> if anything is odd: the whole log again, with care
 *                       └─> differences
 *
 * A tally is the number of entries and the sum of their 128-bit hashes. Equal tallies mean equal entries, and neither
 * side must be kept in memory or searched.
 *
 * The recount decides each record by the same rules as the writer (decide.h), but against what it has found itself.
 * The first recount takes each identity for new, and looks up the others in the runs. That is right if afterwards the
 * tallies are equal and no two identity entries have one hash: then the runs hold exactly the records that count. If
 * not, a second recount looks up every record: in the runs, without the entries of records that do not count, and
 * among the records that count but have no entry. So it needs to trust no run, and it can name what is wrong.
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
#include "ledger/index/run_union.h"

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

/* Adds an entry to what its run must hold. Positions come in order. */
static void want_entry(struct verify *v, enum entry_kind kind, const struct entry *entry) {
  struct checked_kind *checked = &v->kinds[kind - 1];
  while (checked->at < checked->count && run_info(checked->items[checked->at].run)->to <= entry->position)
    checked->at++;
  bool covered = checked->at < checked->count && run_info(checked->items[checked->at].run)->from <= entry->position;
  if (covered)
    tally_add(&checked->items[checked->at].wanted, entry);
  else if (v->is_careful)
    verify_differs(v, "no %s run covers the record at position %" PRIu64, entry_kind_name(kind), entry->position);
  else
    v->is_odd = true;
}

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

/* The run of a kind that has this entry; NULL if none has. */
static int find_entry(struct verify *v, enum entry_kind kind, const struct entry *entry, struct checked_run **ret,
                      struct err *err) {
  struct checked_run *checked = run_of(&v->kinds[kind - 1], entry->position);
  uint64_t index = 0;
  struct entry found;
  *ret = NULL;
  if (checked == NULL) return 0;
  int result = run_seek(checked->run, entry, &index, err);
  if (result != 0 || index == run_info(checked->run)->count) return result;
  result = run_entry(checked->run, index, &found, err);
  if (result == 0 && entry_compare(&found, entry) == 0) *ret = checked;
  return result;
}

/* ---- deciding ---- */

static bool is_uncounted(const struct verify *v, uint64_t position) {
  size_t low = 0, high = v->uncounted_count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (v->uncounted[middle] < position)
      low = middle + 1;
    else
      high = middle;
  }
  return low < v->uncounted_count && v->uncounted[low] == position;
}

struct search {
  struct verify *v;
  enum decide_question question;
  const struct usage *usage;
  struct hash hash;
  bool found;
};

/* An entry that leads to no usage is not as the log requires, so the second recount reports it. */
static int try_position(struct search *search, uint64_t position, struct err *err) {
  struct verify *v = search->v;
  if (is_uncounted(v, position)) return 0;
  int result = log_read_record(v->reader, position, &v->earlier, err);
  bool leads_nowhere = result == -ERR_CORRUPT || result == -ERR_NOT_FOUND;
  if (leads_nowhere || (result == 0 && v->earlier.type != RECORD_USAGE)) {
    v->is_odd = true;
    return 0;
  }
  if (result != 0) return result;
  search->found = decide_matches(search->question, &v->earlier.usage, search->usage);
  v->earlier_position = position;
  return 0;
}

static int search_run(struct search *search, const struct run *run, struct err *err) {
  struct entry wanted = {.first = search->hash.high, .second = search->hash.low}, entry;
  uint64_t index = 0;
  int result = run_seek(run, &wanted, &index, err);
  while (result == 0 && !search->found && index < run_info(run)->count) {
    result = run_entry(run, index++, &entry, err);
    bool is_earlier =
        entry.first == wanted.first && entry.second == wanted.second && entry.position < search->v->position;
    if (result != 0 || !is_earlier) break;
    result = try_position(search, entry.position, err);
  }
  return result;
}

static int search_missing(struct search *search, enum entry_kind kind, struct err *err) {
  const struct identities *missing = &search->v->missing[kind - 1];
  uint32_t at = 0;
  int result = 0;
  for (uint64_t position = 1; position != 0 && result == 0 && !search->found;) {
    position = identities_find(missing, search->hash, &at);
    if (position != 0) result = try_position(search, position, err);
  }
  return result;
}

/* Does not use the filters of the runs: they are checked only later. */
static int find_earlier(void *arg, enum decide_question question, const struct usage *usage, const struct usage **ret,
                        struct err *err) {
  struct verify *v = arg;
  *ret = NULL;
  if (question == DECIDE_IDENTITY && !v->is_careful) return 0;
  enum entry_kind kind = entry_kind_of(question);
  const struct checked_kind *checked = &v->kinds[kind - 1];
  struct search search = {.v = v, .question = question, .usage = usage, .hash = hash_question(question, usage)};
  int result = 0;
  for (size_t i = 0; i < checked->count && result == 0 && !search.found; i++) {
    if (run_info(checked->items[i].run)->from > v->position) break;
    result = search_run(&search, checked->items[i].run, err);
  }
  if (result == 0 && !search.found) result = search_missing(&search, kind, err);
  if (result == 0 && search.found) *ret = &v->earlier.usage;
  return result;
}

static bool has_project(void *arg, const struct usage *usage) {
  const struct verify *v = arg;
  return catalogue_state(v->catalogue, usage->project) != NULL;
}

static bool has_codec_room(void *arg, const struct usage *usage) {
  const struct verify *v = arg;
  return catalogue_has_codec_room(catalogue_state(v->catalogue, usage->project), usage->codec, 0);
}

/* ---- recounting ---- */

/* Adds what a record counts to the cells. A void takes off what its target counted. */
static int recount_cells(struct verify *v, const struct usage *usage, const struct usage *target,
                         const struct project_state *project, struct err *err) {
  const struct usage *counted = target != NULL ? target : usage;
  int codec = catalogue_codec_number(project, counted->codec);
  if (codec < 0 && target != NULL) { /* the runs lead to a target that does not count */
    CHECK(!v->is_careful);           /* which the second recount does not find */
    v->is_odd = true;
    return 0;
  }
  if (codec < 0) {
    codec = (int)project->codecs_count;
    bool has_room = catalogue_add_codec(v->catalogue, project, usage->codec, &v->changes);
    CHECK(has_room); /* decide() has asked */
  }
  struct cell cell = cell_of(counted, project->info.number, (uint8_t)codec);
  if (target != NULL) cell_negate(&cell);
  if (!cells_reserve(&v->cells, 1)) return err_set(err, ERR_MEMORY, "no memory to recount the log");
  cells_add(&v->cells, &cell, project->zone);
  return 0;
}

static void keep_missing(struct verify *v, enum entry_kind kind, const struct entry *entry) {
  struct identities *missing = &v->missing[kind - 1];
  bool fits = identities_reserve(missing, 1);
  CHECK(fits); /* only the command calls this, never the server */
  identities_add(missing, (struct hash){entry->first, entry->second}, entry->position);
}

/* A record that counts must be in the runs. What a later look-up needs of it is kept if it is not. */
static int look_for_entries(struct verify *v, const struct usage *usage, const struct entry entries[ENTRY_KINDS],
                            struct err *err) {
  int result = 0;
  for (int kind = ENTRY_IDENTITY; kind <= ENTRY_TIME && result == 0; kind++) {
    const struct entry *entry = &entries[kind - 1];
    struct checked_run *holder, *covering = run_of(&v->kinds[kind - 1], entry->position);
    result = find_entry(v, (enum entry_kind)kind, entry, &holder, err);
    if (result != 0 || holder != NULL) continue;
    if (kind == ENTRY_IDENTITY || (kind == ENTRY_TASK && usage->kind == USAGE_VOID))
      keep_missing(v, (enum entry_kind)kind, entry);
    if (covering == NULL) continue; /* want_entry has reported it */
    covering->told++;
    verify_differs(v,
                   "run %016" PRIx64 " lacks the %s entry of project %.*s, source %.*s, id %.*s, position %" PRIu64,
                   run_info(covering->run)->number, entry_kind_name((enum entry_kind)kind), STR_ARG(usage->project),
                   STR_ARG(usage->source), STR_ARG(usage->id), entry->position);
  }
  return result;
}

/* A record that counts nothing must be in no run. */
static int look_for_uncounted(struct verify *v, const struct usage *usage, const struct decision *decision,
                              const struct entry entries[ENTRY_KINDS], struct err *err) {
  bool is_repetition = decision->outcome == VERDICT_DUPLICATE || decision->outcome == VERDICT_CONFLICT, any = false;
  uint64_t first = v->earlier_position;
  *VERIFY_ADD(v->uncounted, v->uncounted_count, v->uncounted_cap) = v->position;
  int result = 0;
  for (int kind = ENTRY_IDENTITY; kind <= ENTRY_TIME && result == 0; kind++) {
    struct checked_run *holder;
    result = find_entry(v, (enum entry_kind)kind, &entries[kind - 1], &holder, err);
    if (result != 0 || holder == NULL) continue;
    holder->told++;
    any = true;
  }
  if (result != 0 || !any) return result;
  if (is_repetition)
    verify_differs(v, "counted twice: project %.*s, source %.*s, id %.*s, at positions %" PRIu64 " and %" PRIu64,
                   STR_ARG(usage->project), STR_ARG(usage->source), STR_ARG(usage->id), first, v->position);
  else
    verify_differs(v, "counted, but should not be: project %.*s, source %.*s, id %.*s, at position %" PRIu64,
                   STR_ARG(usage->project), STR_ARG(usage->source), STR_ARG(usage->id), v->position);
  return 0;
}

static int recount(struct verify *v, const struct usage *usage, uint64_t position, struct err *err) {
  const struct decide_before before = {
      .arg = v, .has_project = has_project, .has_codec_room = has_codec_room, .find = find_earlier};
  const struct project_state *project = catalogue_state(v->catalogue, usage->project);
  struct decision decision;
  struct entry entries[ENTRY_KINDS];
  v->position = position;
  int result = decide(usage, &before, &decision, err);
  if (result != 0) return result;
  entries_of(usage, project != NULL ? project->info.number : 0, position, entries);
  if (decision.outcome != VERDICT_STORED) {
    v->report.uncounted++;
    return v->is_careful ? look_for_uncounted(v, usage, &decision, entries, err) : 0;
  }
  result = recount_cells(v, usage, decision.earlier, project, err);
  for (int kind = ENTRY_IDENTITY; kind <= ENTRY_TIME && result == 0; kind++)
    want_entry(v, (enum entry_kind)kind, &entries[kind - 1]);
  return result == 0 && v->is_careful ? look_for_entries(v, usage, entries, err) : result;
}

/* Recounts a record that the derived files cover. */
static int recount_record(struct verify *v, const struct record *record, uint64_t position, struct err *err) {
  if (record->type != RECORD_USAGE) return catalogue_apply(v->catalogue, record, &v->changes, err);
  return recount(v, &record->usage, position, err);
}

static int look_at_record(struct verify *v, const struct record *record, uint64_t position, struct err *err) {
  v->report.records++;
  if (record->type == RECORD_USAGE) v->report.usages++;
  if (position >= v->snapshot.meta.position) return 0;
  v->report.compared++;
  return recount_record(v, record, position, err);
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
  bool is_twin = before->first == entry->first && before->second == entry->second;
  if (kind == ENTRY_IDENTITY && is_twin) v->is_odd = true;
  return kind != ENTRY_TIME ? check_filter(v, checked, entry, err) : 0;
}

static int read_kind(struct verify *v, enum entry_kind kind, struct err *err) {
  SCOPED(run_union_free_ref) struct run_union *reader = NULL;
  struct checked_kind *checked = &v->kinds[kind - 1];
  SCOPED_MALLOC struct run **runs = calloc(checked->count + 1, sizeof(struct run *));
  CHECK(runs != NULL);
  for (size_t i = 0; i < checked->count; i++)
    runs[i] = checked->items[i].run;
  int result = run_union_new(runs, checked->count, &reader, err);
  struct entry piece[1024], before = {0};
  for (size_t count = 1; count > 0 && result == 0;) {
    result = run_union_next(reader, piece, sizeof piece / sizeof piece[0], &count, err);
    for (size_t i = 0; i < count && result == 0; i++) {
      result = look_at_entry(v, kind, &before, &piece[i], err);
      before = piece[i];
    }
    if (result == 0) step(v, count * sizeof piece[0]);
  }
  return result;
}

/* ---- the second recount ---- */

static bool tallies_differ(const struct verify *v) {
  for (int kind = ENTRY_IDENTITY; kind <= ENTRY_TIME; kind++) {
    const struct checked_kind *checked = &v->kinds[kind - 1];
    for (size_t i = 0; i < checked->count; i++) {
      if (!tallies_equal(&checked->items[i].wanted, &checked->items[i].found)) return true;
    }
  }
  return false;
}

static int recount_block(void *arg, const struct block *block, struct err *err) {
  struct verify *v = arg;
  struct record record;
  for (uint32_t at = BLOCK_HEAD_SIZE; at < block_records_end(block);) {
    uint64_t position = block->position + at;
    int result = block_next(block, &at, &record, err);
    if (result == 0 && position < v->snapshot.meta.position) result = recount_record(v, &record, position, err);
    if (result != 0) return err_prefix(err, "the block at position %" PRIu64, block->position);
  }
  step(v, block->bytes.len);
  return 0;
}

static int recount_with_care(struct verify *v, struct err *err) {
  for (int kind = ENTRY_IDENTITY; kind <= ENTRY_TIME; kind++) {
    struct checked_kind *checked = &v->kinds[kind - 1];
    checked->at = 0;
    for (size_t i = 0; i < checked->count; i++)
      checked->items[i].wanted = (struct tally){0};
  }
  catalogue_free(v->catalogue);
  puts_clear(&v->changes);
  cells_clear(&v->cells);
  v->catalogue = catalogue_new();
  v->report.uncounted = 0;
  v->is_careful = true;
  v->total += v->report.covered;
  uint64_t end;
  return log_scan(v->log, v->report.from, recount_block, v, &end, err);
}

/* Whatever was not reported entry by entry. */
static void compare_runs(struct verify *v) {
  for (int kind = ENTRY_IDENTITY; kind <= ENTRY_TIME; kind++) {
    const struct checked_kind *checked = &v->kinds[kind - 1];
    for (size_t i = 0; i < checked->count; i++) {
      const struct checked_run *run = &checked->items[i];
      if (run->told > 0 || tallies_equal(&run->wanted, &run->found)) continue;
      verify_differs(
          v, "run %016" PRIx64 ": its %" PRIu64 " %s entries are not the %" PRIu64 " that the log requires",
          run_info(run->run)->number, run->found.count, entry_kind_name((enum entry_kind)kind), run->wanted.count);
    }
  }
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
  free(v->uncounted);
  identities_fini(&v->missing[0]);
  identities_fini(&v->missing[1]);
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
  if (result == 0 && (v->is_odd || tallies_differ(v))) result = recount_with_care(v, err);
  if (result == 0) compare_runs(v);
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
