/* Up to the last checkpoint, the runs lead to the records; after it, the log itself is read, and each record is
 * decided as a start would decide it: what counts nothing is not shown. It takes the projects for existing, and their
 * codecs for known.
 *
 *   positions of candidates ──> read each, in the order of the log ──> find its void or resolution in the same way
 *
 * Memory holds only positions and entries, however many records there are. Texts are read from the log, one record at
 * a time, in order of position, so the next record is mostly in a block that was read already.
 */
#include "ledger/care/history.h"

#include <stdlib.h>

#include "base/check.h"
#include "ledger/care/derived.h"
#include "ledger/decide.h"
#include "ledger/index/identities.h"
#include "ledger/log/log.h"

struct positions {
  uint64_t *items;
  size_t count, cap;
};

struct history {
  struct log *log;
  struct log_reader *reader; /* for the records that are shown */
  struct log_reader *other;  /* for `earlier`, whose texts are compared with the record's */
  struct snapshot snapshot;
  struct str project; /* the requested one; empty: all */
  uint32_t number;    /* of the project; 0: it is not in the last checkpoint */
  bool exists;
  struct positions found;
  /* Of the records after the checkpoint that count; as in a delta. */
  struct identities behind, behind_voids;
  struct record earlier; /* what the search for an earlier record has read */
};

static void history_fini(struct history *h) {
  snapshot_fini(&h->snapshot);
  log_reader_free(h->reader);
  log_reader_free(h->other);
  log_close(h->log);
  free(h->found.items);
  identities_fini(&h->behind);
  identities_fini(&h->behind_voids);
}

static void *grown(void *items, size_t *cap, size_t size) {
  *cap = *cap == 0 ? 16 : *cap * 2;
  items = reallocarray(items, *cap, size);
  CHECK(items != NULL); /* only commands call this, never the server */
  return items;
}

static void add_found(struct history *h, uint64_t position) {
  struct positions *found = &h->found;
  if (found->count == found->cap) found->items = grown(found->items, &found->cap, sizeof *found->items);
  found->items[found->count++] = position;
}

static void add_behind(struct identities *set, struct hash hash, uint64_t position) {
  bool fits = identities_reserve(set, 1);
  CHECK(fits); /* only commands call this, never the server */
  identities_add(set, hash, position);
}

static int by_position(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return x < y ? -1 : x > y;
}

/* ---- opening ---- */

static int look_at_row(void *arg, struct str key, struct str value, struct err *err) {
  struct history *h = arg;
  (void)err;
  if (key.len == 0 || key.ptr[0] != 'p' || value.len < 8) return 0;
  if (str_equal(str_make(key.ptr + 1, key.len - 1), h->project)) h->number = le32_load(value.ptr);
  return 0;
}

static int find_project(void *arg, struct rows_txn *txn, struct err *err) {
  struct history *h = arg;
  int result = h->project.len > 0 ? totals_visit_catalogue(txn, look_at_row, h, err) : 0;
  h->exists = h->project.len == 0 || h->number != 0;
  return result;
}

static int history_open(struct history *h, const struct ledger_options *options, struct err *err) {
  int result = log_open_to_read(options->dir, &h->log, err);
  if (result == 0) result = snapshot_take(options, h->log, find_project, h, &h->snapshot, err);
  if (result != 0) return result;
  /* Opens the log again, so that it reaches at least as far as the snapshot. */
  log_close(h->log);
  h->log = NULL;
  result = log_open_to_read(options->dir, &h->log, err);
  if (result != 0) return result;
  h->reader = log_reader_new(h->log, 0);
  h->other = log_reader_new(h->log, 0);
  CHECK(h->reader != NULL && h->other != NULL);
  return 0;
}

/* ---- up to the checkpoint ---- */

/* Passes the position of each entry with a hash in the runs of a kind to `take`. */
static int walk_runs(const struct history *h, enum entry_kind kind, struct hash hash,
                     int (*take)(void *arg, uint64_t position, struct err *err), void *arg, struct err *err) {
  const struct run_list *runs = h->snapshot.runs;
  int result = 0;
  for (size_t i = 0; i < runs->count && result == 0; i++) {
    const struct run *run = runs->items[i];
    struct entry wanted = {hash.high, hash.low, 0}, entry;
    uint64_t index = 0;
    bool may_hold = false;
    if (run_info(run)->kind == kind) result = run_may_hold(run, hash, &may_hold, err);
    if (result == 0 && may_hold) result = run_seek(run, &wanted, &index, err);
    for (; may_hold && result == 0 && index < run_info(run)->count; index++) {
      result = run_entry(run, index, &entry, err);
      if (result != 0 || entry.first != hash.high || entry.second != hash.low) break;
      result = take(arg, entry.position, err);
    }
  }
  return result;
}

/* ---- the record that answers a question ---- */

struct search {
  struct history *h;
  const struct usage *wanted;
  enum decide_question question;
  uint64_t first; /* position of the first match; 0: none (the log begins with a head, so no record is at 0) */
};

/* At most one record that counts matches, so the first match is it. */
static int try_position(void *arg, uint64_t position, struct err *err) {
  struct search *search = arg;
  struct record *record = &search->h->earlier;
  if (search->first != 0) return 0;
  int result = log_read_record(search->h->other, position, record, err);
  bool is_usage = result == 0 && record->type == RECORD_USAGE;
  if (is_usage && decide_matches(search->question, &record->usage, search->wanted)) search->first = position;
  return result;
}

/* For decide(). The texts of *ret are borrowed until the next call. */
static int find_earlier(void *arg, enum decide_question question, const struct usage *usage, const struct usage **ret,
                        struct err *err) {
  struct history *h = arg;
  struct search search = {.h = h, .wanted = usage, .question = question};
  const struct identities *behind = question == DECIDE_VOID ? &h->behind_voids : &h->behind;
  struct hash hash = hash_question(question, usage);
  int result = walk_runs(h, entry_kind_of(question), hash, try_position, &search, err);
  uint32_t at = 0;
  for (uint64_t position = 1; position != 0 && result == 0;) {
    position = identities_find(behind, hash, &at);
    if (position != 0) result = try_position(&search, position, err);
  }
  if (result == 0) *ret = search.first != 0 ? &h->earlier.usage : NULL;
  return result;
}

/* ---- after the checkpoint ---- */

static bool always(void *arg, const struct usage *usage) { return arg != NULL && usage != NULL; }

/* Decides a record after the checkpoint, and keeps its entries if it counts. */
static int take_behind(struct history *h, const struct usage *usage, uint64_t position, bool *ret_counts,
                       struct err *err) {
  const struct decide_before before = {
      .arg = h, .has_project = always, .has_codec_room = always, .find = find_earlier};
  struct decision decision;
  int result = decide(usage, &before, &decision, err);
  *ret_counts = result == 0 && decision.outcome == VERDICT_STORED;
  if (!*ret_counts) return result;
  add_behind(&h->behind, hash_identity_entry(usage), position);
  if (usage->kind == USAGE_VOID) add_behind(&h->behind_voids, hash_task_entry(usage), position);
  return 0;
}

struct behind_reading {
  struct history *h;
  void (*look)(struct history *h, const void *query, const struct usage *usage, uint64_t position);
  const void *query;
};

static int look_at_block(void *arg, const struct block *block, struct err *err) {
  struct behind_reading *reading = arg;
  struct history *h = reading->h;
  struct record record;
  bool counts;
  for (uint32_t at = BLOCK_HEAD_SIZE; at < block_records_end(block);) {
    uint64_t position = block->position + at;
    int result = block_next(block, &at, &record, err);
    if (result != 0) return result;
    if (record.type == RECORD_PROJECT && str_equal(record.project.id, h->project)) h->exists = true;
    if (record.type != RECORD_USAGE) continue;
    result = take_behind(h, &record.usage, position, &counts, err);
    if (result != 0) return result;
    if (counts && reading->look != NULL) reading->look(h, reading->query, &record.usage, position);
  }
  return 0;
}

/* Reads the log after the checkpoint and passes each usage that counts to `look`. -ERR_NOT_FOUND if
 * the requested project is neither in the checkpoint nor after it. */
static int read_behind(struct history *h,
                       void (*look)(struct history *h, const void *query, const struct usage *usage,
                                    uint64_t position),
                       const void *query, struct err *err) {
  struct behind_reading reading = {.h = h, .look = look, .query = query};
  uint64_t end;
  int result = log_scan(h->log, h->snapshot.meta.position, look_at_block, &reading, &end, err);
  if (result != 0) return result;
  if (!h->exists) {
    return err_set(err, ERR_NOT_FOUND, "no project %.*s: see `codecmeter project list`", STR_ARG(h->project));
  }
  return 0;
}

/* ---- records and their voids ---- */

/* Passes a record to `visit`, together with its void. */
static int show(struct history *h, const struct usage *usage, uint64_t position, history_visit visit, void *arg,
                struct err *err) {
  struct history_item item = {.usage = usage, .position = position};
  const struct usage naming = {
      .kind = USAGE_VOID, .project = usage->project, .target_source = usage->source, .target_id = usage->id};
  int result = usage_is_task(usage->kind) ? find_earlier(h, DECIDE_VOID, &naming, &item.voiding, err) : 0;
  return result == 0 ? visit(arg, &item, err) : result;
}

/* ---- records of a name ---- */

static bool is_asked_for(const struct history_query *query, const struct usage *usage) {
  if (!str_equal(usage->project, query->project)) return false;
  if (query->task_id.len == 0) return str_equal(usage->source, query->source) && str_equal(usage->id, query->id);
  struct str task_id = usage->kind != USAGE_VOID && usage->task_id.len > 0 ? usage->task_id : usage->id;
  return usage->kind != USAGE_VOID && str_equal(task_id, query->task_id);
}

static void look_for_name(struct history *h, const void *query, const struct usage *usage, uint64_t position) {
  if (is_asked_for(query, usage)) add_found(h, position);
}

static int take_found(void *arg, uint64_t position, struct err *err) {
  (void)err;
  add_found(arg, position);
  return 0;
}

static bool fits_a_name(struct str source, struct str id) {
  return source.len <= SOURCE_MAX && id.len <= EVENT_ID_MAX;
}

/* Finds candidates by hash. Equal hashes prove nothing: each record's texts are compared when it is read. */
static int find_in_runs(struct history *h, const struct history_query *query, struct err *err) {
  if (query->task_id.len > TASK_ID_MAX || !fits_a_name(query->source, query->id)) return 0;
  if (query->task_id.len > 0) {
    return walk_runs(h, ENTRY_TASK, hash_task(query->project, query->task_id), take_found, h, err);
  }
  struct hash hash = hash_identity(query->project, query->source, query->id);
  int result = walk_runs(h, ENTRY_IDENTITY, hash, take_found, h, err);
  hash = hash_unresolved(query->project, query->source, query->id);
  return result == 0 ? walk_runs(h, ENTRY_IDENTITY, hash, take_found, h, err) : result;
}

static void sort_found(struct history *h) {
  if (h->found.count > 0) qsort(h->found.items, h->found.count, sizeof *h->found.items, by_position);
}

int history_find(const struct ledger_options *options, const struct history_query *query, history_visit visit,
                 void *arg, struct err *err) {
  SCOPED(history_fini) struct history h = {.project = query->project};
  size_t shown = 0;
  int result = history_open(&h, options, err);
  if (result == 0) result = read_behind(&h, look_for_name, query, err);
  if (result == 0) result = find_in_runs(&h, query, err);
  sort_found(&h);
  for (size_t i = 0; i < h.found.count && result == 0; i++) {
    struct record record;
    result = log_read_record(h.reader, h.found.items[i], &record, err);
    if (result != 0 || record.type != RECORD_USAGE || !is_asked_for(query, &record.usage)) continue;
    shown++;
    result = show(&h, &record.usage, h.found.items[i], visit, arg, err);
  }
  if (result == 0 && shown == 0) return err_set(err, ERR_NOT_FOUND, "no record of that name was ever stored");
  return result;
}

/* ---- unresolved outputs ---- */

static bool is_part_of(const struct unresolved_query *query, const struct usage *usage) {
  return (query->project.len == 0 || str_equal(usage->project, query->project)) &&
         (query->source.len == 0 || str_equal(usage->source, query->source)) &&
         (query->id.len == 0 || str_equal(usage->id, query->id));
}

static void look_for_waiting(struct history *h, const void *query, const struct usage *usage, uint64_t position) {
  if (usage->kind == USAGE_UNRESOLVED && is_part_of(query, usage)) add_found(h, position);
}

/* A time run keeps the unresolved outputs of all projects together, and among them those of each project. */
static int gather_from_run(struct history *h, const struct run *run, struct err *err) {
  struct entry wanted = {.first = entry_time_key(h->number, USAGE_UNRESOLVED)}, entry;
  uint64_t index;
  int result = run_seek(run, &wanted, &index, err);
  for (; result == 0 && index < run_info(run)->count; index++) {
    result = run_entry(run, index, &entry, err);
    bool is_one = h->number != 0 ? entry.first == wanted.first : entry.first >> 56 == USAGE_UNRESOLVED;
    if (result != 0 || !is_one) break;
    add_found(h, entry.position);
  }
  return result;
}

static int gather_from_runs(struct history *h, const struct unresolved_query *query, struct err *err) {
  if (!fits_a_name(query->source, query->id) || (query->project.len > 0 && h->number == 0)) return 0;
  if (query->project.len > 0 && query->source.len > 0 && query->id.len > 0) {
    struct hash hash = hash_unresolved(query->project, query->source, query->id);
    return walk_runs(h, ENTRY_IDENTITY, hash, take_found, h, err);
  }
  int result = 0;
  for (size_t i = 0; i < h->snapshot.runs->count && result == 0; i++) {
    const struct run *run = h->snapshot.runs->items[i];
    if (run_info(run)->kind == ENTRY_TIME) result = gather_from_run(h, run, err);
  }
  return result;
}

/* Passes an unresolved output to `visit`, unless a later record of its identity has resolved it. */
static int show_if_waiting(struct history *h, const struct usage *usage,
                           int (*visit)(void *arg, const struct usage *usage, struct err *err), void *arg,
                           struct err *err) {
  const struct usage *resolution;
  int result = find_earlier(h, DECIDE_RESOLUTION, usage, &resolution, err);
  return result == 0 && resolution == NULL ? visit(arg, usage, err) : result;
}

int history_unresolved(const struct ledger_options *options, const struct unresolved_query *query,
                       int (*visit)(void *arg, const struct usage *usage, struct err *err), void *arg,
                       struct err *err) {
  SCOPED(history_fini) struct history h = {.project = query->project};
  int result = history_open(&h, options, err);
  if (result == 0) result = read_behind(&h, look_for_waiting, query, err);
  if (result == 0) result = gather_from_runs(&h, query, err);
  sort_found(&h);
  for (size_t i = 0; i < h.found.count && result == 0; i++) {
    struct record record;
    result = log_read_record(h.reader, h.found.items[i], &record, err);
    bool is_one = result == 0 && record.type == RECORD_USAGE && record.usage.kind == USAGE_UNRESOLVED &&
                  is_part_of(query, &record.usage);
    if (is_one) result = show_if_waiting(&h, &record.usage, visit, arg, err);
  }
  return result;
}

/* ---- late usage ---- */

struct lateness {
  struct history h;
  const struct late_query *query;
  history_visit visit;
  void *arg;
  const struct ledger_progress *progress;
  uint64_t done, total;
};

static void lateness_fini(struct lateness *lateness) { history_fini(&lateness->h); }

static bool is_late(const struct late_query *query, const struct usage *usage) {
  return usage_is_task(usage->kind) && usage->arrived_ms >= query->since_ms &&
         usage->arrived_ms - usage->finished_ms > query->delay_ms &&
         (query->project.len == 0 || str_equal(usage->project, query->project));
}

struct own_entry {
  uint64_t position;
  bool found;
};

static int compare_position(void *arg, uint64_t position, struct err *err) {
  struct own_entry *own = arg;
  (void)err;
  own->found |= position == own->position;
  return 0;
}

/* True if the record counts: it has an entry, in a run or behind the checkpoint. */
static int has_entry(struct history *h, const struct usage *usage, uint64_t position, bool *ret, struct err *err) {
  struct own_entry own = {.position = position};
  struct hash hash = hash_identity_entry(usage);
  int result = walk_runs(h, ENTRY_IDENTITY, hash, compare_position, &own, err);
  uint32_t at = 0;
  for (uint64_t found = 1; found != 0 && !own.found;) {
    found = identities_find(&h->behind, hash, &at);
    own.found = found == position;
  }
  *ret = own.found;
  return result;
}

static int look_for_late(void *arg, const struct block *block, struct err *err) {
  struct lateness *lateness = arg;
  struct record record;
  for (uint32_t at = BLOCK_HEAD_SIZE; at < block_records_end(block);) {
    uint64_t position = block->position + at;
    int result = block_next(block, &at, &record, err);
    bool counts = false;
    if (result == 0 && record.type == RECORD_USAGE && is_late(lateness->query, &record.usage))
      result = has_entry(&lateness->h, &record.usage, position, &counts, err);
    if (result == 0 && counts) {
      result = show(&lateness->h, &record.usage, position, lateness->visit, lateness->arg, err);
    }
    if (result != 0) return result;
  }
  lateness->done += block->bytes.len;
  if (lateness->progress->step != NULL) {
    lateness->progress->step(lateness->progress->arg, lateness->done, lateness->total);
  }
  return 0;
}

/* The longest time from the arrival of a report to the writing of its block: the request has a deadline. */
#define ARRIVAL_SLACK_MS INT64_C(7200000)

/* Finds the last segment whose first block is before an instant, or the first segment: block times never go back. */
static int find_segment_before(struct log *log, int64_t time_ms, uint64_t *ret, struct err *err) {
  SCOPED(log_reader_free_ref) struct log_reader *reader = log_reader_new(log, 0);
  CHECK(reader != NULL);
  size_t low = 0, high = log_segments(log);
  while (high - low > 1) {
    size_t middle = low + (high - low) / 2;
    const struct block *block;
    int result = log_read_block(reader, log_segment(log, middle).base + SEGMENT_HEAD_SIZE, &block, err);
    if (result == -ERR_CORRUPT || result == -ERR_NOT_FOUND) result = 0, block = NULL; /* the scan judges it */
    if (result != 0) return result;
    if (block != NULL && block->time_ms < time_ms)
      low = middle;
    else
      high = middle;
  }
  *ret = log_segment(log, low).base;
  return 0;
}

int history_late(const struct ledger_options *options, const struct late_query *query, history_visit visit, void *arg,
                 const struct ledger_progress *progress, struct err *err) {
  SCOPED(lateness_fini)
  struct lateness lateness = {
      .h = {.project = query->project}, .query = query, .visit = visit, .arg = arg, .progress = progress};
  struct history *h = &lateness.h;
  uint64_t from, end;
  int result = history_open(h, options, err);
  if (result == 0) result = read_behind(h, NULL, NULL, err);
  if (result == 0) result = find_segment_before(h->log, query->since_ms - ARRIVAL_SLACK_MS, &from, err);
  if (result != 0) return result;
  lateness.total = log_end(h->log) - from;
  return log_scan(h->log, from, look_for_late, &lateness, &end, err);
}
