/* Entries are in the order in which they were added; a table of hashes finds identities. So a delta costs about 100
 * bytes a record, and adding a record moves no other. Entries of task ids and times are in pieces, which queries read
 * while the writer adds; a checkpoint copies them to sort them.
 */
#include "ledger/delta.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/memory.h"
#include "ledger/index/identities.h"

struct delta {
  atomic_uint holds;
  uint64_t begin, end;
  uint64_t records; /* as shown to readers */
  int64_t block_time_ms;
  struct identities identities, voids; /* voids: by their target; they are among tasks too */
  struct pieces tasks, times;
  struct cells cells;
  struct puts puts;
};

struct delta *delta_new(uint64_t begin) {
  struct delta *delta = memory_wait(sizeof *delta);
  atomic_init(&delta->holds, 1);
  delta->begin = begin;
  delta->end = begin;
  return delta;
}

struct delta *delta_hold(struct delta *delta) {
  atomic_fetch_add(&delta->holds, 1);
  return delta;
}

bool delta_is_sole(const struct delta *delta) { return atomic_load(&delta->holds) == 1; }

void delta_release(struct delta *delta) {
  if (delta == NULL || atomic_fetch_sub(&delta->holds, 1) > 1) return;
  identities_fini(&delta->identities);
  identities_fini(&delta->voids);
  pieces_fini(&delta->tasks);
  pieces_fini(&delta->times);
  cells_fini(&delta->cells);
  puts_fini(&delta->puts);
  free(delta);
}

void delta_recycle(struct delta *delta, uint64_t begin) {
  CHECK(delta_is_sole(delta));
  identities_clear(&delta->identities);
  identities_clear(&delta->voids);
  pieces_clear(&delta->tasks);
  pieces_clear(&delta->times);
  cells_clear(&delta->cells);
  puts_clear(&delta->puts);
  delta->begin = delta->end = begin;
  delta->records = 0;
  delta->block_time_ms = 0;
}

uint64_t delta_begin(const struct delta *delta) { return delta->begin; }
uint64_t delta_end(const struct delta *delta) { return delta->end; }
int64_t delta_block_time(const struct delta *delta) { return delta->block_time_ms; }
uint64_t delta_records(const struct delta *delta) { return delta->records; }
bool delta_is_empty(const struct delta *delta) { return delta_records(delta) == 0 && puts_is_empty(&delta->puts); }

void delta_show(struct delta *delta, uint64_t end, int64_t block_time_ms) {
  CHECK(end >= delta->end);
  cells_show(&delta->cells);
  delta->records = delta->identities.count;
  delta->end = end;
  if (block_time_ms > delta->block_time_ms) delta->block_time_ms = block_time_ms;
}

bool delta_moves(const struct delta *delta, const struct delta_load *load) {
  return !cells_has_room(&delta->cells, load->usages) || !identities_has_room(&delta->identities, load->usages) ||
         !identities_has_room(&delta->voids, load->voids);
}

bool delta_reserve(struct delta *delta, const struct delta_load *load) {
  return identities_reserve(&delta->identities, load->usages) && identities_reserve(&delta->voids, load->voids) &&
         pieces_reserve(&delta->tasks, load->usages) && pieces_reserve(&delta->times, load->usages) &&
         puts_reserve(&delta->puts, load->puts) && cells_reserve(&delta->cells, load->usages);
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

void delta_add(struct delta *delta, const struct delta_record *record) {
  uint64_t position = record->position;
  CHECK(position >= delta->end); /* positions never go back */
  identities_add(&delta->identities, record->identity, position);
  if (record->kind == USAGE_VOID) identities_add(&delta->voids, record->task, position);
  pieces_add(&delta->tasks,
             &(struct entry){.first = record->task.high, .second = record->task.low, .position = position});
  pieces_add(&delta->times, &(struct entry){.first = entry_time_key(record->counted.project, record->kind),
                                            .second = (uint64_t)record->finished_ms,
                                            .position = position});
  cells_add_unseen(&delta->cells, &record->counted, record->zone);
}

const struct cells *delta_cells(const struct delta *delta) { return &delta->cells; }

/* ---- for the checkpoint ---- */

const struct entry *delta_sorted_entries(const struct delta *delta, enum entry_kind kind, struct entry *room) {
  uint32_t count = (uint32_t)delta->identities.count;
  CHECK(count == delta->records); /* what was added is shown: its sync did not fail */
  CHECK(delta->tasks.count == count && delta->times.count == count);
  if (kind == ENTRY_IDENTITY) {
    if (count > 0) memcpy(room, delta->identities.items, count * sizeof *room);
  } else {
    pieces_copy(kind == ENTRY_TASK ? &delta->tasks : &delta->times, count, room);
  }
  entry_sort(room, room + count, count);
  return room;
}

const struct pieces *delta_tasks(const struct delta *delta) { return &delta->tasks; }
const struct pieces *delta_times(const struct delta *delta) { return &delta->times; }

struct puts *delta_puts(struct delta *delta) { return &delta->puts; }
