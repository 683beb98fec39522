/* Entries are in plain arrays, in the order in which they were added; a table of hashes finds identities. So a delta
 * costs about 100 bytes a record, a checkpoint sorts dense arrays, and adding a record moves no other.
 */
#include "ledger/delta.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/memory.h"
#include "ledger/identities.h"

#define VECTOR(type)     \
  struct {               \
    type *items;         \
    uint32_t count, cap; \
  }

struct delta {
  uint64_t begin, end;
  uint64_t records; /* as shown to readers */
  int64_t block_time_ms;
  struct identities identities, voids; /* voids: by their target; they are among tasks too */
  VECTOR(struct entry) tasks, times;
  struct cells cells;
  size_t put_key, put_value; /* where its key and its value begin in puts, while a row is added; else 0 */
  struct buf puts; /* 4-byte key length, 4-byte value length, key, value */
};

/* Takes the next item of a vector that has room. */
#define VECTOR_ADD(vector)              \
  ({                                    \
    __typeof__(vector) *v_ = &(vector); \
    CHECK(v_->count < v_->cap);         \
    &v_->items[v_->count++];            \
  })

/* Makes room for `more` items; false if there is no memory. */
#define VECTOR_RESERVE(vector, more)                                   \
  ({                                                                   \
    __typeof__(vector) *v_ = &(vector);                                \
    uint64_t cap_ = v_->cap == 0 ? 64 : v_->cap;                       \
    while (cap_ < (uint64_t)v_->count + (more))                        \
      cap_ *= 2;                                                       \
    bool fits_ = cap_ <= UINT32_MAX;                                   \
    if (fits_ && cap_ > v_->cap) {                                     \
      void *grown_ = reallocarray(v_->items, cap_, sizeof *v_->items); \
      fits_ = grown_ != NULL;                                          \
      if (fits_) v_->items = grown_;                                   \
      if (fits_) v_->cap = (uint32_t)cap_;                             \
    }                                                                  \
    fits_;                                                             \
  })

struct delta *delta_new(uint64_t begin) {
  struct delta *delta = memory_wait(sizeof *delta);
  delta->begin = begin;
  delta->end = begin;
  return delta;
}

void delta_free(struct delta *delta) {
  if (delta == NULL) return;
  identities_fini(&delta->identities);
  identities_fini(&delta->voids);
  free(delta->tasks.items);
  free(delta->times.items);
  cells_fini(&delta->cells);
  buf_fini(&delta->puts);
  free(delta);
}

void delta_recycle(struct delta *delta, uint64_t begin) {
  identities_clear(&delta->identities);
  identities_clear(&delta->voids);
  delta->tasks.count = delta->times.count = 0;
  cells_clear(&delta->cells);
  buf_clear(&delta->puts);
  delta->begin = delta->end = begin;
  delta->records = 0;
  delta->block_time_ms = 0;
}

uint64_t delta_begin(const struct delta *delta) { return delta->begin; }
uint64_t delta_end(const struct delta *delta) { return delta->end; }
int64_t delta_block_time(const struct delta *delta) { return delta->block_time_ms; }
uint64_t delta_records(const struct delta *delta) { return delta->records; }
bool delta_is_empty(const struct delta *delta) { return delta_records(delta) == 0 && delta->puts.len == 0; }

void delta_show(struct delta *delta, uint64_t end, int64_t block_time_ms) {
  CHECK(end >= delta->end);
  cells_show(&delta->cells);
  delta->records = delta->identities.count;
  delta->end = end;
  if (block_time_ms > delta->block_time_ms) delta->block_time_ms = block_time_ms;
}

bool delta_moves(const struct delta *delta, const struct delta_load *load) {
  return !cells_has_room(&delta->cells, load->usages);
}

bool delta_reserve(struct delta *delta, const struct delta_load *load) {
  return identities_reserve(&delta->identities, load->usages) && identities_reserve(&delta->voids, load->voids) &&
         VECTOR_RESERVE(delta->tasks, load->usages) && VECTOR_RESERVE(delta->times, load->usages) &&
         buf_reserve(&delta->puts, load->puts) && cells_reserve(&delta->cells, load->usages);
}

void delta_prefetch(const struct delta *delta, struct hash identity) {
  identities_prefetch(&delta->identities, identity);
}

uint64_t delta_find_identity(const struct delta *delta, struct hash hash, uint32_t *at) {
  return identities_find(&delta->identities, hash, at);
}

uint64_t delta_find_void(const struct delta *delta, struct hash hash, uint32_t *at) {
  return identities_find(&delta->voids, hash, at);
}

static void add_entries(struct delta *delta, const struct usage *usage, struct hash identity, struct hash task,
                        uint32_t project, uint64_t position) {
  identities_add(&delta->identities, identity, position);
  *VECTOR_ADD(delta->tasks) = (struct entry){.first = task.high, .second = task.low, .position = position};
  *VECTOR_ADD(delta->times) = (struct entry){
      .first = entry_time_key(project, usage->kind), .second = (uint64_t)usage->finished_ms, .position = position};
}

void delta_add_usage(struct delta *delta, const struct usage *usage, struct hash identity, uint32_t project,
                     const struct zone *zone, uint8_t codec, uint64_t position) {
  add_entries(delta, usage, identity, hash_task_entry(usage), project, position);
  cells_add_unseen(&delta->cells, usage, project, zone, codec);
}

void delta_add_void(struct delta *delta, const struct usage *usage, const struct usage *target, uint32_t project,
                    const struct zone *zone, uint8_t codec, uint64_t position) {
  struct hash voided = hash_task_entry(usage);
  add_entries(delta, usage, hash_identity(usage->project, usage->source, usage->id), voided, project, position);
  identities_add(&delta->voids, voided, position);
  cells_take_unseen(&delta->cells, target, project, zone, codec);
}

const struct cells *delta_cells(const struct delta *delta) { return &delta->cells; }

/* ---- for the checkpoint ---- */

const struct entry *delta_sorted_entries(struct delta *delta, enum entry_kind kind, struct entry *room) {
  uint32_t count = delta->identities.count;
  struct entry *entries = kind == ENTRY_TASK ? delta->tasks.items : delta->times.items;
  if (kind == ENTRY_IDENTITY) { /* the writer still searches these, by their index */
    if (count > 0) memcpy(room, delta->identities.items, count * sizeof *room);
    entries = room;
    room += count;
  }
  entry_sort(entries, room, count);
  return entries;
}

/* ---- the catalogue's rows ---- */

/* The lengths are before the texts; delta_put_end fills them in. */
struct buf *delta_put_key(struct delta *delta) {
  static const char lengths[DELTA_PUT_HEAD] = {0};
  CHECK(delta->put_key == 0);
  buf_append(&delta->puts, lengths, sizeof lengths);
  delta->put_key = delta->puts.len;
  return &delta->puts;
}

struct buf *delta_put_value(struct delta *delta) {
  CHECK(delta->put_key > 0 && delta->put_value == 0);
  delta->put_value = delta->puts.len;
  return &delta->puts;
}

void delta_put_end(struct delta *delta) {
  size_t key = delta->put_key, value = delta->put_value, end = delta->puts.len;
  CHECK(!delta->puts.failed && key > 0 && value > key && end >= value);
  char *lengths = delta->puts.ptr + key - DELTA_PUT_HEAD;
  le32_store(lengths, (uint32_t)(value - key));
  le32_store(lengths + 4, (uint32_t)(end - value));
  delta->put_key = delta->put_value = 0;
}

bool delta_next_put(const struct delta *delta, size_t *at, struct str *ret_key, struct str *ret_value) {
  if (*at >= delta->puts.len) return false;
  const char *p = delta->puts.ptr + *at;
  *ret_key = str_make(p + 8, le32_load(p));
  *ret_value = str_make(p + 8 + ret_key->len, le32_load(p + 4));
  *at += 8 + ret_key->len + ret_value->len;
  return true;
}
