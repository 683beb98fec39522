/* A ledger in a temporary directory, and a naive recount of it: every usage of the log, read by a log that is opened
 * beside it and knows nothing of runs, deltas or totals. For test_scan.c and test_scan_random.c.
 */
#ifndef CODECMETER_TESTS_SCAN_FIXTURE_H
#define CODECMETER_TESTS_SCAN_FIXTURE_H

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "ledger/log/log.h"
#include "ledger/scan.h"

#define DAY INT64_C(86400000)
#define T0 INT64_C(1500220800000) /* midnight in Shanghai */
#define ALL_TIME .from_ms = INT64_MIN, .to_ms = INT64_MAX

struct fixture {
  char dir[256];
  struct ledger *ledger;
  struct ledger_options options;
  struct clock clock;
  _Atomic int64_t now_ms;
  pthread_mutex_t lock;
  pthread_cond_t wake;
  unsigned wakes; /* checkpoints and merges that have ended */
};

static inline int64_t fixture_now(void *arg) { return ((struct fixture *)arg)->now_ms; }

static inline void fixture_wake(void *arg) {
  struct fixture *f = arg;
  pthread_mutex_lock(&f->lock);
  f->wakes++;
  pthread_cond_broadcast(&f->wake);
  pthread_mutex_unlock(&f->lock);
}

static inline void open_ledger(struct fixture *f) {
  struct err err = {0};
  if (ledger_open(&f->options, &f->ledger, &err) != 0) fail_msg("ledger_open: %s", err.text);
}

static inline void close_ledger(struct fixture *f) {
  ledger_close(f->ledger);
  f->ledger = NULL;
}

static inline void reopen(struct fixture *f) {
  close_ledger(f);
  open_ledger(f);
}

/* Makes the directory, and no ledger yet. */
static inline int setup(void **state) {
  struct fixture *f = calloc(1, sizeof *f);
  strcpy(f->dir, "/tmp/codecmeter-scan-XXXXXX");
  assert_non_null(mkdtemp(f->dir));
  f->clock = (struct clock){.real_ms = fixture_now, .monotonic_ms = fixture_now, .arg = f};
  f->now_ms = T0 + 10 * DAY;
  pthread_mutex_init(&f->lock, NULL);
  pthread_cond_init(&f->wake, NULL);
  f->options = (struct ledger_options){
      .dir = f->dir,
      .clock = &f->clock,
      .map_size = UINT64_C(256) << 20,
      .disk_reserve = UINT64_MAX,
      .wake_writer = fixture_wake,
      .wake_writer_arg = f,
  };
  *state = f;
  return 0;
}

static inline int teardown(void **state) {
  struct fixture *f = *state;
  struct err err;
  ledger_close(f->ledger);
  assert_int_equal(file_remove_tree(f->dir, &err), 0);
  free(f);
  return 0;
}

static inline void commit(struct fixture *f) {
  struct err err = {0};
  if (ledger_commit(f->ledger, &err) != 0) fail_msg("commit: %s", err.text);
  if (ledger_turn(f->ledger, &err) != 0) fail_msg("turn: %s", err.text);
}

/* Waits for a checkpoint or a merge that ends after `seen` of them had. */
static inline void wait_for_more(struct fixture *f, unsigned seen) {
  pthread_mutex_lock(&f->lock);
  while (f->wakes == seen)
    pthread_cond_wait(&f->wake, &f->lock);
  pthread_mutex_unlock(&f->lock);
}

static inline unsigned wakes_seen(struct fixture *f) {
  pthread_mutex_lock(&f->lock);
  unsigned seen = f->wakes;
  pthread_mutex_unlock(&f->lock);
  return seen;
}

/* Begins a checkpoint of everything; ends it too if `wait`. */
static inline void checkpoint(struct fixture *f, bool wait) {
  struct ledger_status status;
  uint64_t end = ledger_position(f->ledger);
  ledger_want_checkpoint(f->ledger, end);
  for (;;) {
    unsigned seen = wakes_seen(f);
    commit(f);
    ledger_status(f->ledger, &status);
    if (!wait || status.checkpoint >= end) return;
    wait_for_more(f, seen);
  }
}

static inline int change(struct fixture *f, const struct change *change) {
  struct err err = {0};
  int result = ledger_stage_change(f->ledger, change, &err);
  commit(f);
  return result;
}

static inline void make_project(struct fixture *f, const char *id, const char *zone) {
  struct change make = {.type = CHANGE_PROJECT_CREATE};
  strcpy(make.project.id, id);
  strcpy(make.project.zone, zone);
  assert_int_equal(change(f, &make), 0);
}

static inline uint32_t number_of(struct fixture *f, const char *id) {
  struct project project;
  assert_true(catalogue_project(ledger_catalogue(f->ledger), str_of(id), &project));
  return project.number;
}

/* A finished transcode of 1 s. */
static inline struct usage usage_of(const char *project, const char *id, int64_t finished_ms) {
  return (struct usage){
      .project = str_of(project),
      .source = STR("farm"),
      .id = str_of(id),
      .kind = USAGE_TRANSCODE,
      .outcome = USAGE_FINISHED,
      .codec = STR("h264"),
      .width = 640,
      .height = 360,
      .has_amount = true,
      .amount = 1000,
      .tier = TIER_LOW,
      .finished_ms = finished_ms,
      .finish_stated = true,
      .arrived_ms = finished_ms,
  };
}

static inline struct usage void_of(const char *project, const char *id, const char *target, int64_t finished_ms) {
  return (struct usage){
      .project = str_of(project),
      .source = STR("desk"),
      .id = str_of(id),
      .kind = USAGE_VOID,
      .outcome = USAGE_FINISHED,
      .finished_ms = finished_ms,
      .finish_stated = true,
      .arrived_ms = finished_ms,
      .target_source = STR("farm"),
      .target_id = str_of(target),
      .reason = STR("wrong"),
      .actor = STR("ann"),
  };
}

/* An output that lacks its codec. */
static inline struct usage unresolved_of(const char *project, const char *id, int64_t finished_ms) {
  struct usage usage = usage_of(project, id, finished_ms);
  usage.kind = USAGE_UNRESOLVED;
  usage.codec = (struct str){0};
  return usage;
}

/* Stages one, waiting for checkpoints while both deltas are full. */
static inline enum verdict_outcome stage(struct fixture *f, const struct usage *usage) {
  struct verdict verdict = {0};
  struct err err = {0};
  for (;;) {
    unsigned seen = wakes_seen(f);
    size_t decided;
    int result = ledger_stage_usages(f->ledger, usage, 1, UINT64_MAX, &verdict, &decided, &err);
    if (result == 0) return verdict.outcome;
    if (result != -ERR_BUSY) fail_msg("stage: %s", err.text);
    commit(f);
    struct ledger_status status;
    ledger_status(f->ledger, &status);
    if (status.delta_records[0] < f->options.delta_max) continue;
    wait_for_more(f, seen);
    commit(f);
  }
}

static inline enum verdict_outcome store(struct fixture *f, const struct usage *usage) {
  enum verdict_outcome outcome = stage(f, usage);
  commit(f);
  return outcome;
}

/* ---- the naive recount ---- */

/* A record of the log. Texts are copies. */
struct noted {
  uint64_t position;
  int64_t stored_ms;
  struct usage usage; /* of its texts only these: */
  char project[PROJECT_ID_MAX + 1], source[32], id[64], task_id[64], codec[CODEC_NAME_MAX + 1];
  char target_source[32], target_id[64];
};

struct notes {
  struct noted *items;
  size_t count, cap;
  uint64_t end;
};

static inline void notes_fini(struct notes *notes) { free(notes->items); }

static inline void note_text(char *out, size_t size, struct str text) { assert_true(str_copy(text, out, size)); }

static inline int note_block(void *arg, const struct block *block, struct err *err) {
  struct notes *notes = arg;
  static _Thread_local struct record record;
  for (uint32_t at = BLOCK_HEAD_SIZE; at < block_records_end(block);) {
    uint64_t position = block->position + at;
    assert_int_equal(block_next(block, &at, &record, err), 0);
    if (record.type != RECORD_USAGE) continue;
    if (notes->count == notes->cap) {
      notes->cap = notes->cap == 0 ? 1024 : 2 * notes->cap;
      notes->items = reallocarray(notes->items, notes->cap, sizeof *notes->items);
      assert_non_null(notes->items);
    }
    struct noted *noted = &notes->items[notes->count++];
    *noted = (struct noted){.position = position, .stored_ms = block->time_ms, .usage = record.usage};
    note_text(noted->project, sizeof noted->project, record.usage.project);
    note_text(noted->source, sizeof noted->source, record.usage.source);
    note_text(noted->id, sizeof noted->id, record.usage.id);
    note_text(noted->codec, sizeof noted->codec, record.usage.codec);
    if (record.usage.kind == USAGE_VOID) {
      note_text(noted->target_source, sizeof noted->target_source, record.usage.target_source);
      note_text(noted->target_id, sizeof noted->target_id, record.usage.target_id);
    } else {
      note_text(noted->task_id, sizeof noted->task_id, record.usage.task_id);
    }
  }
  return 0;
}

/* All usage of the log. These tests store no record that changes nothing, so each counts for what it says. */
static inline struct notes take_notes(struct fixture *f) {
  struct notes notes = {0};
  struct err err = {0};
  struct log *log = NULL;
  if (log_open_to_read(f->dir, &log, &err) != 0) fail_msg("log: %s", err.text);
  if (log_scan(log, LOG_FIRST_POSITION, note_block, &notes, &notes.end, &err) != 0) fail_msg("log: %s", err.text);
  log_close(log);
  return notes;
}

/* Where a task is voided below as_of; 0: it is not. */
static inline uint64_t noted_void(const struct notes *notes, const struct noted *task, uint64_t as_of) {
  for (size_t i = 0; i < notes->count && notes->items[i].position < as_of; i++) {
    const struct noted *other = &notes->items[i];
    if (other->usage.kind == USAGE_VOID && strcmp(other->target_id, task->id) == 0 &&
        strcmp(other->target_source, task->source) == 0 && strcmp(other->project, task->project) == 0) {
      return other->position;
    }
  }
  return 0;
}

static inline uint64_t noted_resolution(const struct notes *notes, const struct noted *output, uint64_t as_of) {
  for (size_t i = 0; i < notes->count && notes->items[i].position < as_of; i++) {
    const struct noted *other = &notes->items[i];
    if (other->usage.kind != USAGE_UNRESOLVED && strcmp(other->id, output->id) == 0 &&
        strcmp(other->source, output->source) == 0 && strcmp(other->project, output->project) == 0) {
      return other->position;
    }
  }
  return 0;
}

static inline int by_key(const void *a, const void *b) {
  const struct scan_key *x = &((const struct scan_entry *)a)->key, *y = &((const struct scan_entry *)b)->key;
  if (x->finished_ms != y->finished_ms) return x->finished_ms < y->finished_ms ? -1 : 1;
  return x->position < y->position ? -1 : x->position > y->position;
}

/* What a query must give, whole, in its order. The caller frees. */
static inline struct scan_entry *noted_entries(const struct notes *notes, const char *project,
                                               const struct scan_query *query, size_t *ret_count) {
  struct scan_entry *entries = calloc(notes->count + 1, sizeof *entries);
  size_t count = 0;
  for (size_t i = 0; i < notes->count; i++) {
    const struct noted *noted = &notes->items[i];
    int64_t time = noted->usage.finished_ms;
    bool fits = strcmp(noted->project, project) == 0 && (query->kinds >> noted->usage.kind & 1) != 0 &&
                time >= query->from_ms && time < query->to_ms && noted->position < query->as_of;
    struct scan_entry entry = {.key = {time, noted->position}, .kind = noted->usage.kind};
    struct scan_entry behind = {.key = query->behind};
    if (fits && query->has_behind)
      fits = query->descending ? by_key(&entry, &behind) < 0 : by_key(&entry, &behind) > 0;
    if (fits) entries[count++] = entry;
  }
  qsort(entries, count, sizeof *entries, by_key);
  for (size_t i = 0; query->descending && i < count / 2; i++) {
    struct scan_entry swapped = entries[i];
    entries[i] = entries[count - 1 - i];
    entries[count - 1 - i] = swapped;
  }
  *ret_count = count;
  return entries;
}

/* ---- reading all pages ---- */

static inline struct scan_entry *walk_pages(struct fixture *f, struct scan_query query, size_t room,
                                            size_t *ret_count) {
  struct err err = {0};
  struct scan_entry *entries = NULL;
  size_t count = 0, got = room;
  while (got == room) {
    entries = reallocarray(entries, count + room, sizeof *entries);
    assert_non_null(entries);
    if (ledger_scan_entries(f->ledger, &query, entries + count, room, &got, &err) != 0)
      fail_msg("scan: %s", err.text);
    count += got;
    if (got == 0) break;
    query.has_behind = true;
    query.behind = entries[count - 1].key;
  }
  *ret_count = count;
  return entries;
}

static inline void expect_pages(struct fixture *f, const struct notes *notes, const char *project,
                                const struct scan_query *query, size_t room) {
  size_t wanted_count, count;
  struct scan_entry *wanted = noted_entries(notes, project, query, &wanted_count);
  struct scan_entry *entries = walk_pages(f, *query, room, &count);
  assert_int_equal(count, wanted_count);
  for (size_t i = 0; i < count; i++) {
    assert_int_equal(entries[i].key.finished_ms, wanted[i].key.finished_ms);
    assert_int_equal(entries[i].key.position, wanted[i].key.position);
    assert_int_equal(entries[i].kind, wanted[i].kind);
  }
  free(wanted);
  free(entries);
}

#endif
