/* Answers as of a time or an earlier position, from the log: the catalogue itself has only the present.
 *
 * Block times never go back, so the segment of a time is found by halves, and its blocks are read in order.
 *
 * Changes of projects are rare. As of a position behind the last one, the projects are as they are now, and no log is
 * read. Nothing says where the earlier ones are. So the first question about them reads the log once, and a list in
 * memory keeps their places. One thread reads; others with such a question wait for it.
 */
#include "ledger/past.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/lock.h"
#include "base/memory.h"
#include "base/vector.h"
#include "ledger/scan.h"
#include "ledger/state.h"

/* A record of a project. */
struct change_place {
  uint64_t project; /* hash_name of its id */
  uint64_t position;
};

struct past {
  atomic_uint_fast64_t last_change; /* no project has a record behind this position */
  pthread_mutex_t lock; /* protects what follows, and is held while the log is read */
  VECTOR(struct change_place);
  uint64_t read_to; /* a block's end: the list is complete below it */
};

struct past *past_new(void) {
  struct past *past = memory_wait(sizeof *past);
  lock_init(&past->lock);
  past->read_to = LOG_FIRST_POSITION;
  return past;
}

void past_free(struct past *past) {
  if (past == NULL) return;
  lock_fini(&past->lock);
  vector_fini(past);
  free(past);
}

void past_note_change(struct past *past, uint64_t position) { atomic_store(&past->last_change, position); }

/* ---- as of a time ---- */

struct time_search {
  int64_t time_ms;
  uint64_t position; /* behind the last block that is not later */
};

static int look_at_time(void *arg, const struct block *block, struct err *err) {
  struct time_search *search = arg;
  (void)err;
  if (block->time_ms > search->time_ms) return -ERR_STOPPING;
  search->position = block->position + block->bytes.len;
  return 0;
}

/* The last segment whose first block is not later than that time, or the first segment. */
static int find_segment(struct log *log, int64_t time_ms, uint64_t end, uint64_t *ret_base, struct err *err) {
  SCOPED(log_reader_free_ref) struct log_reader *reader = log_reader_new(log, 0);
  if (reader == NULL) return err_set(err, ERR_MEMORY, "no memory to read the log");
  size_t low = 0, high = log_segments(log);
  while (high - low > 1) {
    size_t middle = low + (high - low) / 2;
    uint64_t first = log_segment_base(log, middle) + SEGMENT_HEAD_SIZE;
    const struct block *block = NULL;
    int result = first < end ? log_read_block(reader, first, &block, err) : 0;
    if (result != 0) return result;
    if (block != NULL && block->time_ms <= time_ms)
      low = middle;
    else
      high = middle;
  }
  *ret_base = log_segment_base(log, low);
  return 0;
}

int ledger_position_at(struct ledger *ledger, int64_t time_ms, uint64_t *ret_position, struct err *err) {
  uint64_t end = ledger_position(ledger), base = 0;
  int result = find_segment(ledger->log, time_ms, end, &base, err);
  if (result != 0) return result;
  struct time_search search = {.time_ms = time_ms, .position = base > 0 ? base : LOG_FIRST_POSITION};
  result = log_walk(ledger->log, base, end, look_at_time, &search, err);
  if (result == -ERR_STOPPING) result = 0;
  if (result == 0) *ret_position = search.position;
  return result;
}

/* ---- as of a position ---- */

static int keep_change(struct past *past, const struct record_project *project, uint64_t position, struct err *err) {
  struct change_place *place = vector_add(past);
  if (place == NULL) return err_set(err, ERR_MEMORY, "no memory to list the changes of projects");
  *place = (struct change_place){.project = hash_name(project->id), .position = position};
  return 0;
}

/* Usage is skipped by its head: its block was checked. */
static bool is_usage(const struct block *block, uint32_t at) {
  if (at + RECORD_HEAD_SIZE > block_records_end(block)) return false;
  uint8_t type = (uint8_t)block->bytes.ptr[at + RECORD_HEAD_SIZE - 1];
  return type == RECORD_USAGE || type == RECORD_VOID || type == RECORD_UNRESOLVED || type == RECORD_FORMER_USAGE ||
         type == RECORD_FORMER_VOID || type == RECORD_FORMER_UNRESOLVED;
}

static int look_at_changes(void *arg, const struct block *block, struct err *err) {
  struct past *past = arg;
  size_t count = past->count;
  int result = 0;
  for (uint32_t at = BLOCK_HEAD_SIZE; at < block_records_end(block) && result == 0;) {
    struct record record;
    uint64_t position = block->position + at;
    uint32_t size = le32_load(block->bytes.ptr + at);
    if (is_usage(block, at) && size >= RECORD_HEAD_SIZE && size % RECORD_ALIGN == 0) {
      at += size;
      continue;
    }
    result = block_next(block, &at, &record, err);
    if (result == 0 && record.type == RECORD_PROJECT) result = keep_change(past, &record.project, position, err);
  }
  if (result != 0) {
    past->count = count; /* the block is read again */
    return result;
  }
  past->read_to = block->position + block->bytes.len;
  return 0;
}

static bool fill(char *out, size_t size, struct str text) { return str_copy(text, out, size); }

static void set_from(struct project *project, const struct record_project *record) {
  bool fits = fill(project->name, sizeof project->name, record->name) &&
              fill(project->zone, sizeof project->zone, record->zone);
  project->created_ms = record->created_ms;
  project->labels_count = record->labels_count;
  for (size_t i = 0; i < record->labels_count; i++)
    fits = fits && fill(project->labels[i], sizeof project->labels[i], record->labels[i]);
  CHECK(fits); /* record_decode has checked the bounds */
}

/* Reads the project's records below as_of, in order. As in the catalogue, a record that makes a project again changes
 * nothing. */
static int replay(struct ledger *ledger, struct str id, uint64_t as_of, bool *ret_exists, struct project *project,
                  struct err *err) {
  SCOPED(log_reader_free_ref) struct log_reader *reader = log_reader_new(ledger->log, 0);
  if (reader == NULL) return err_set(err, ERR_MEMORY, "no memory to read the log");
  const struct past *past = ledger->past;
  uint64_t hash = hash_name(id);
  *ret_exists = false;
  for (size_t i = 0; i < past->count && past->items[i].position < as_of; i++) {
    struct record record;
    if (past->items[i].project != hash) continue;
    int result = log_read_record(reader, past->items[i].position, &record, err);
    if (result != 0) return result;
    if (record.type != RECORD_PROJECT || !str_equal(record.project.id, id)) continue;
    if (!*ret_exists || !record.project.create) set_from(project, &record.project);
    *ret_exists = true;
  }
  return 0;
}

static int read_past(struct ledger *ledger, struct str id, uint64_t as_of, bool *ret_exists, struct project *project,
                     struct err *err) {
  struct past *past = ledger->past;
  lock_take(&past->lock);
  int result = past->read_to < as_of ? log_walk(ledger->log, past->read_to, as_of, look_at_changes, past, err) : 0;
  if (result == 0) result = replay(ledger, id, as_of, ret_exists, project, err);
  lock_give(&past->lock);
  return result;
}

/* A position behind a change is shown after the catalogue has the change. So if no change is noted while the catalogue
 * is read, and as_of is behind the last one, the catalogue has all changes below as_of and no others. */
static bool is_as_now(struct past *past, uint64_t as_of, uint64_t last_change) {
  return as_of > last_change && atomic_load(&past->last_change) == last_change;
}

int ledger_project_as_of(struct ledger *ledger, struct str id, uint64_t as_of, struct project *ret, struct err *err) {
  struct project project;
  bool exists = false;
  uint64_t end = ledger_position(ledger);
  if (as_of > end) {
    return err_set(err, ERR_RANGE, "position %llu is behind the ledger's end, %llu", (unsigned long long)as_of,
                   (unsigned long long)end);
  }
  uint64_t last_change = atomic_load(&ledger->past->last_change);
  if (!catalogue_project(ledger->catalogue, id, &project)) {
    return err_set(err, ERR_NOT_FOUND, "no project %.*s exists", STR_ARG(id));
  }
  if (is_as_now(ledger->past, as_of, last_change)) {
    *ret = project;
    return 0;
  }
  int result = read_past(ledger, id, as_of, &exists, &project, err);
  if (result != 0) return result;
  if (!exists) return err_set(err, ERR_NOT_FOUND, "no project %.*s existed then", STR_ARG(id));
  *ret = project;
  return 0;
}
