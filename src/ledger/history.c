/* Up to the last checkpoint the runs lead to the records; behind it the log is read itself.
 *
 *   positions of candidates ──> those that match, copied ──> for each: what voids it, found in the same way
 */
#include "ledger/history.h"

#include <stddef.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/check.h"
#include "ledger/log.h"
#include "ledger/snapshot.h"

#define RECORDS_MAX ((size_t)256 << 20) /* bytes of what is found */

struct history {
  struct log *log;
  struct log_reader *reader;
  struct snapshot snapshot;
  struct arena *arena;
  const struct history_query *query;
  struct found {
    uint64_t position;
    struct usage usage;
    const struct usage *voiding;
  } * items;
  size_t count, cap;
};

static void history_fini(struct history *h) {
  snapshot_fini(&h->snapshot);
  log_reader_free(h->reader);
  log_close(h->log);
  arena_free(h->arena);
  free(h->items);
}

static int history_open(struct history *h, const struct ledger_options *options, struct err *err) {
  int result = log_open_to_read(options->dir, &h->log, err);
  if (result == 0) result = snapshot_take(options, h->log, NULL, NULL, &h->snapshot, err);
  if (result != 0) return result;
  /* Again, so that it reaches at least as far as the snapshot. */
  log_close(h->log);
  h->log = NULL;
  result = log_open_to_read(options->dir, &h->log, err);
  if (result != 0) return result;
  h->reader = log_reader_new(h->log);
  h->arena = arena_new(RECORDS_MAX);
  CHECK(h->reader != NULL && h->arena != NULL);
  return 0;
}

/* ---- keeping what is found ---- */

static int keep_text(struct history *h, struct str *text) {
  if (text->len == 0) return 0;
  *text = arena_copy(h->arena, *text);
  return text->ptr != NULL ? 0 : -ERR_MEMORY;
}

static int keep(struct history *h, const struct usage *usage, uint64_t position, struct err *err) {
  if (h->count == h->cap) {
    h->cap = h->cap == 0 ? 16 : h->cap * 2;
    h->items = reallocarray(h->items, h->cap, sizeof *h->items);
    CHECK(h->items != NULL);
  }
  struct found *found = &h->items[h->count];
  *found = (struct found){.position = position, .usage = *usage};
  struct usage *kept = &found->usage;
  struct str *texts[] = {&kept->project, &kept->source,    &kept->id,          &kept->codec, &kept->task_id,
                         &kept->src_url, &kept->dest_name, &kept->dest_bucket, &kept->format};
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    if (keep_text(h, texts[i]) != 0) return err_set(err, ERR_MEMORY, "too many records to show");
  }
  h->count++;
  return 0;
}

static bool is_asked_for(const struct history_query *query, const struct usage *usage) {
  if (!str_equal(usage->project, query->project)) return false;
  if (query->task_id.len == 0) return str_equal(usage->source, query->source) && str_equal(usage->id, query->id);
  struct str task_id = usage->kind != USAGE_VOID && usage->task_id.len > 0 ? usage->task_id : usage->id;
  return usage->kind != USAGE_VOID && str_equal(task_id, query->task_id);
}

static int look_at_usage(struct history *h, const struct usage *usage, uint64_t position, struct err *err) {
  return is_asked_for(h->query, usage) ? keep(h, usage, position, err) : 0;
}

/* ---- up to the checkpoint ---- */

/* Hands each record that the runs of a kind have under a hash to `look`. */
static int walk_runs(struct history *h, enum entry_kind kind, struct hash hash,
                     int (*look)(struct history *h, const struct usage *usage, uint64_t position, struct err *err),
                     struct err *err) {
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
      struct record record;
      result = run_entry(run, index, &entry, err);
      if (result != 0 || entry.first != hash.high || entry.second != hash.low) break;
      result = log_read_record(h->reader, entry.position, &record, err);
      if (result == 0 && record.type == RECORD_USAGE) result = look(h, &record.usage, entry.position, err);
    }
  }
  return result;
}

/* A void of one of those that were found; of several, which there are not, the first. */
static int look_at_void(struct history *h, const struct usage *usage, uint64_t position, struct err *err) {
  (void)position;
  if (usage->kind != USAGE_VOID) return 0;
  for (size_t i = 0; i < h->count; i++) {
    struct found *found = &h->items[i];
    bool is_its = found->voiding == NULL && found->usage.kind <= USAGE_SNAPSHOT &&
                  str_equal(found->usage.project, usage->project) &&
                  str_equal(found->usage.source, usage->target_source) &&
                  str_equal(found->usage.id, usage->target_id);
    if (!is_its) continue;
    size_t count = h->count; /* kept behind the items for a moment, to be copied */
    int result = keep(h, usage, position, err);
    if (result != 0) return result;
    struct usage *voiding = arena_alloc(h->arena, sizeof *voiding);
    if (voiding == NULL) return err_set(err, ERR_MEMORY, "too many records to show");
    *voiding = h->items[count].usage;
    h->count = count;
    h->items[i].voiding = voiding;
  }
  return 0;
}

/* ---- behind it ---- */

static int look_at_block(void *arg, const struct block *block, struct err *err) {
  struct history *h = arg;
  struct record record;
  for (uint32_t at = BLOCK_HEAD_SIZE; at < block_records_end(block);) {
    uint64_t position = block->position + at;
    int result = block_next(block, &at, &record, err);
    if (result != 0) return result;
    if (record.type != RECORD_USAGE) continue;
    result = look_at_usage(h, &record.usage, position, err);
    if (result == 0) result = look_at_void(h, &record.usage, position, err);
    if (result != 0) return result;
  }
  return 0;
}

/* ---- the door ---- */

static int find_all(struct history *h, struct err *err) {
  const struct history_query *query = h->query;
  bool by_task = query->task_id.len > 0;
  struct hash hash =
      by_task ? hash_task(query->project, query->task_id) : hash_identity(query->project, query->source, query->id);
  int result = walk_runs(h, by_task ? ENTRY_TASK : ENTRY_IDENTITY, hash, look_at_usage, err);
  if (result == 0 && !by_task) {
    hash = hash_unresolved(query->project, query->source, query->id);
    result = walk_runs(h, ENTRY_IDENTITY, hash, look_at_usage, err);
  }
  for (size_t i = 0, count = h->count; i < count && result == 0; i++) {
    const struct usage *usage = &h->items[i].usage;
    if (usage->kind > USAGE_SNAPSHOT) continue;
    result = walk_runs(h, ENTRY_TASK, hash_void_of(usage->project, usage->source, usage->id), look_at_void, err);
  }
  uint64_t end;
  if (result == 0) result = log_scan(h->log, h->snapshot.meta.position, look_at_block, h, &end, err);
  return result;
}

int history_find(const struct ledger_options *options, const struct history_query *query,
                 int (*visit)(void *arg, const struct history_item *item, struct err *err), void *arg,
                 struct err *err) {
  SCOPED(history_fini) struct history h = {.query = query};
  int result = history_open(&h, options, err);
  if (result == 0) result = find_all(&h, err);
  if (result == 0 && h.count == 0) return err_set(err, ERR_NOT_FOUND, "nothing of that name was ever stored");
  for (size_t i = 0; i < h.count && result == 0; i++) {
    const struct history_item item = {
        .usage = &h.items[i].usage, .position = h.items[i].position, .voiding = h.items[i].voiding};
    result = visit(arg, &item, err);
  }
  return result;
}

/* ---- what waits to be resolved ---- */

struct waiting {
  struct history h;
  struct str project; /* empty: all */
  bool *resolved;     /* by item */
};

static void waiting_fini(struct waiting *waiting) {
  history_fini(&waiting->h);
  free(waiting->resolved);
}

static bool is_waiting(const struct waiting *waiting, const struct usage *usage) {
  return usage->kind == USAGE_UNRESOLVED &&
         (waiting->project.len == 0 || str_equal(usage->project, waiting->project));
}

/* They stand together among the times. */
static int gather_from_run(struct waiting *waiting, const struct run *run, struct err *err) {
  struct entry wanted = {.first = entry_time_key(0, USAGE_UNRESOLVED)}, entry;
  uint64_t index;
  int result = run_seek(run, &wanted, &index, err);
  for (; result == 0 && index < run_info(run)->count; index++) {
    struct record record;
    result = run_entry(run, index, &entry, err);
    if (result != 0 || entry.first >> 56 != USAGE_UNRESOLVED) break;
    result = log_read_record(waiting->h.reader, entry.position, &record, err);
    if (result == 0 && record.type == RECORD_USAGE && is_waiting(waiting, &record.usage)) {
      result = keep(&waiting->h, &record.usage, entry.position, err);
    }
  }
  return result;
}

static int gather_from_block(void *arg, const struct block *block, struct err *err) {
  struct waiting *waiting = arg;
  struct record record;
  for (uint32_t at = BLOCK_HEAD_SIZE; at < block_records_end(block);) {
    uint64_t position = block->position + at;
    int result = block_next(block, &at, &record, err);
    if (result == 0 && record.type == RECORD_USAGE && is_waiting(waiting, &record.usage)) {
      result = keep(&waiting->h, &record.usage, position, err);
    }
    if (result != 0) return result;
  }
  return 0;
}

static int by_identity(const void *a, const void *b) {
  const struct found *x = a, *y = b;
  int order = str_compare(x->usage.project, y->usage.project);
  if (order == 0) order = str_compare(x->usage.source, y->usage.source);
  return order != 0 ? order : str_compare(x->usage.id, y->usage.id);
}

static void mark_resolved(struct waiting *waiting, const struct usage *usage) {
  const struct found wanted = {.usage = *usage};
  struct found *found = waiting->h.count > 0 ? bsearch(&wanted, waiting->h.items, waiting->h.count,
                                                       sizeof *waiting->h.items, by_identity)
                                             : NULL;
  if (found != NULL) waiting->resolved[found - waiting->h.items] = true;
}

static int look_at_resolution(struct history *h, const struct usage *usage, uint64_t position, struct err *err) {
  (void)position;
  (void)err;
  if (usage->kind != USAGE_UNRESOLVED) mark_resolved((struct waiting *)(void *)h, usage);
  return 0;
}

static int resolve_from_block(void *arg, const struct block *block, struct err *err) {
  struct waiting *waiting = arg;
  struct record record;
  for (uint32_t at = BLOCK_HEAD_SIZE; at < block_records_end(block);) {
    int result = block_next(block, &at, &record, err);
    if (result != 0) return result;
    if (record.type == RECORD_USAGE && record.usage.kind != USAGE_UNRESOLVED) mark_resolved(waiting, &record.usage);
  }
  return 0;
}

static int gather_waiting(struct waiting *waiting, struct err *err) {
  struct history *h = &waiting->h;
  uint64_t end;
  int result = 0;
  for (size_t i = 0; i < h->snapshot.runs->count && result == 0; i++) {
    const struct run *run = h->snapshot.runs->items[i];
    if (run_info(run)->kind == ENTRY_TIME) result = gather_from_run(waiting, run, err);
  }
  if (result == 0) result = log_scan(h->log, h->snapshot.meta.position, gather_from_block, waiting, &end, err);
  if (result != 0 || h->count == 0) return result;
  qsort(h->items, h->count, sizeof *h->items, by_identity);
  waiting->resolved = calloc(h->count, sizeof *waiting->resolved);
  if (waiting->resolved == NULL) return err_set(err, ERR_MEMORY, "too many records to show");
  for (size_t i = 0; i < h->count && result == 0; i++) {
    const struct usage *usage = &h->items[i].usage;
    struct hash hash = hash_identity(usage->project, usage->source, usage->id);
    result = walk_runs(h, ENTRY_IDENTITY, hash, look_at_resolution, err);
  }
  return result == 0 ? log_scan(h->log, h->snapshot.meta.position, resolve_from_block, waiting, &end, err) : result;
}

int history_unresolved(const struct ledger_options *options, struct str project,
                       int (*visit)(void *arg, const struct usage *usage, struct err *err), void *arg,
                       struct err *err) {
  SCOPED(waiting_fini) struct waiting waiting = {.project = project};
  _Static_assert(offsetof(struct waiting, h) == 0, "look_at_resolution finds it");
  int result = history_open(&waiting.h, options, err);
  if (result == 0) result = gather_waiting(&waiting, err);
  for (size_t i = 0; i < waiting.h.count && result == 0; i++) {
    if (!waiting.resolved[i]) result = visit(arg, &waiting.h.items[i].usage, err);
  }
  return result;
}

/* ---- what came late ---- */

struct lateness {
  const struct late_query *query;
  int (*visit)(void *arg, const struct usage *usage, struct err *err);
  void *arg;
  const struct ledger_progress *progress;
  uint64_t done, total;
};

static bool is_late(const struct late_query *query, const struct usage *usage) {
  return usage->kind <= USAGE_SNAPSHOT && usage->arrived_ms >= query->since_ms && usage->finish_stated &&
         usage->arrived_ms - usage->finished_ms > query->delay_ms &&
         (query->project.len == 0 || str_equal(usage->project, query->project));
}

static int look_for_late(void *arg, const struct block *block, struct err *err) {
  struct lateness *lateness = arg;
  struct record record;
  for (uint32_t at = BLOCK_HEAD_SIZE; at < block_records_end(block);) {
    int result = block_next(block, &at, &record, err);
    if (result == 0 && record.type == RECORD_USAGE && is_late(lateness->query, &record.usage)) {
      result = lateness->visit(lateness->arg, &record.usage, err);
    }
    if (result != 0) return result;
  }
  lateness->done += block->bytes.len;
  if (lateness->progress->step != NULL) {
    lateness->progress->step(lateness->progress->arg, lateness->done, lateness->total);
  }
  return 0;
}

/* A report arrives before its block is written, but by no more than this: it has a deadline. */
#define ARRIVAL_SLACK_MS INT64_C(7200000)

/* The last segment that begins before an instant: block times never go back. */
static int find_segment_before(struct log *log, int64_t time_ms, uint64_t *ret, struct err *err) {
  SCOPED(log_reader_free_ref) struct log_reader *reader = log_reader_new(log);
  CHECK(reader != NULL);
  size_t low = 0, high = log_segments(log);
  while (high - low > 1) {
    size_t middle = low + (high - low) / 2;
    const struct block *block;
    int result = log_read_block(reader, log_segment(log, middle).base + SEGMENT_HEAD_SIZE, &block, err);
    if (result == -ERR_CORRUPT || result == -ERR_NOT_FOUND) result = 0, block = NULL; /* the scan will judge it */
    if (result != 0) return result;
    if (block != NULL && block->time_ms < time_ms)
      low = middle;
    else
      high = middle;
  }
  *ret = log_segment(log, low).base;
  return 0;
}

int history_late(const struct ledger_options *options, const struct late_query *query,
                 int (*visit)(void *arg, const struct usage *usage, struct err *err), void *arg,
                 const struct ledger_progress *progress, struct err *err) {
  SCOPED(log_close_ref) struct log *log = NULL;
  uint64_t from, end;
  int result = log_open_to_read(options->dir, &log, err);
  if (result == 0) result = find_segment_before(log, query->since_ms - ARRIVAL_SLACK_MS, &from, err);
  if (result != 0) return result;
  struct lateness lateness = {
      .query = query, .visit = visit, .arg = arg, .progress = progress, .total = log_end(log) - from};
  return log_scan(log, from, look_for_late, &lateness, &end, err);
}
