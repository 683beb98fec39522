/* Entries stand in plain arrays in the order in which they came; a table of hashes finds identities. So a delta costs
 * about 100 bytes a record, a checkpoint sorts copies of dense arrays, and nothing is moved while it fills.
 */
#include "ledger/delta.h"

#include <stdlib.h>

#include "base/check.h"
#include "ledger/identities.h"

#define VECTOR(type)     \
  struct {               \
    type *items;         \
    uint32_t count, cap; \
  }

struct delta {
  uint64_t begin, end;
  uint64_t records; /* as shown */
  int64_t block_time_ms;
  struct identities identities, voids; /* voids: by what they void; they stand among tasks too */
  VECTOR(struct entry) tasks, times;
  struct cells cells;
  struct buf puts; /* 4-byte key length, 4-byte value length, key, value */
};

/* Room for one more; memory that cannot be had here ends the program, as nothing is acknowledged from it yet. */
#define VECTOR_ADD(vector)                                             \
  ({                                                                   \
    __typeof__(vector) *v_ = &(vector);                                \
    if (v_->count == v_->cap) {                                        \
      v_->cap = v_->cap == 0 ? 64 : v_->cap * 2;                       \
      v_->items = reallocarray(v_->items, v_->cap, sizeof *v_->items); \
      CHECK(v_->items != NULL);                                        \
    }                                                                  \
    &v_->items[v_->count++];                                           \
  })

struct delta *delta_new(uint64_t begin) {
  struct delta *delta = calloc(1, sizeof *delta);
  CHECK(delta != NULL);
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
  if (kind == ENTRY_IDENTITY) { /* the writer still looks for these, by where they stand */
    if (count > 0) memcpy(room, delta->identities.items, count * sizeof *room);
    entries = room;
    room += count;
  }
  entry_sort(entries, room, count);
  return entries;
}

/* ---- the catalogue's rows ---- */

void delta_put(struct delta *delta, struct str key, struct str value) {
  char lengths[8];
  le32_store(lengths, (uint32_t)key.len);
  le32_store(lengths + 4, (uint32_t)value.len);
  buf_append(&delta->puts, lengths, sizeof lengths);
  buf_str(&delta->puts, key);
  buf_str(&delta->puts, value);
  CHECK(!delta->puts.failed);
}

bool delta_next_put(const struct delta *delta, size_t *at, struct str *ret_key, struct str *ret_value) {
  if (*at >= delta->puts.len) return false;
  const char *p = delta->puts.ptr + *at;
  *ret_key = str_make(p + 8, le32_load(p));
  *ret_value = str_make(p + 8 + ret_key->len, le32_load(p + 4));
  *at += 8 + ret_key->len + ret_value->len;
  return true;
}
