/* A delta holds, in memory, what the log has beyond the last checkpoint. Design §6.
 *
 * It has entries of the three kinds, totals by quarter hour of UTC, and the changes of the catalogue as the rows that
 * LMDB will keep. Only the writer fills it; nothing is added to a frozen one. To read a delta that is being filled,
 * hold the ledger's view lock; readers see what was shown.
 *
 * A reader that holds a delta (delta_hold) may read without the view lock: its beginning; the entries of delta_tasks
 * and delta_times below the delta_records that it saw under the lock; and all of a delta that was frozen under the
 * lock. The writer does not use a delta's memory again while a reader holds it.
 */
#ifndef CODECMETER_LEDGER_DELTA_H
#define CODECMETER_LEDGER_DELTA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "ledger/index/entry.h"
#include "ledger/index/pieces.h"
#include "ledger/totals/cells.h"
#include "ledger/totals/puts.h"
#include "meter/usage.h"

struct delta;

/* Never NULL: an empty delta is small, and its memory is waited for (memory_wait). The caller releases. */
MUST_USE struct delta *delta_new(uint64_t begin);
/* Holds are counted; any thread. delta_new gives the first one. The last release frees the delta; NULL is allowed. */
struct delta *delta_hold(struct delta *delta);
void delta_release(struct delta *delta);
/* True if nobody but the caller holds it. Once that is true of a delta that no view shows, it stays true. */
bool delta_is_sole(const struct delta *delta);
/* Empties the delta and sets its new beginning; keeps its memory. The caller is the only holder. */
void delta_recycle(struct delta *delta, uint64_t begin);

/* It covers [begin, end) of the log. */
uint64_t delta_begin(const struct delta *delta);
uint64_t delta_end(const struct delta *delta);
int64_t delta_block_time(const struct delta *delta); /* of the last block in it; 0: none */
uint64_t delta_records(const struct delta *delta);   /* of usage, as shown to readers */
bool delta_is_empty(const struct delta *delta);      /* neither usage nor changes */

/* How much a caller will add to a delta. */
struct delta_load {
  uint32_t usages; /* voids too */
  uint32_t voids;  /* of these */
  size_t puts;     /* bytes of keys and values of the catalogue's rows, and PUTS_HEAD for each */
};

/* True if delta_reserve will move memory that readers look at: keep readers out during the call. */
bool delta_moves(const struct delta *delta, const struct delta_load *load);
/* Makes room, so that adding so much cannot fail. False if there is no memory; the contents are then as before. */
MUST_USE bool delta_reserve(struct delta *delta, const struct delta_load *load);

/* A record that counts, as a delta keeps it. */
struct delta_record {
  struct hash identity, task; /* of its entries; a void's task is the hash of its target */
  uint64_t position;
  int64_t finished_ms;
  enum usage_kind kind;
  struct cell counted;     /* what it adds to the totals; a void takes off what its target counted */
  const struct zone *zone; /* of its project, whose number is in `counted` */
};
/* Adds a record; delta_reserve has made room. delta_find_identity finds it at once. What readers see does not change
 * before delta_show, so readers need not be kept out. */
void delta_add(struct delta *delta, const struct delta_record *record);

/* Publishes everything added so far to readers; the delta now reaches to `end`. The caller holds the view lock for
 * writing. */
void delta_show(struct delta *delta, uint64_t end, int64_t block_time_ms);

void delta_prefetch(const struct delta *delta, struct hash identity);
/* The position of the next identity with that hash, oldest first; 0 if there are no more. *at is 0 at first. The
 * writer needs no lock; a reader holds the view lock, and also finds what was added but not shown yet. */
uint64_t delta_find_identity(const struct delta *delta, struct hash hash, uint32_t *at);
/* The same among voids, by the hash_void_of of their target. */
uint64_t delta_find_void(const struct delta *delta, struct hash hash, uint32_t *at);

/* Sorted entries for the checkpoint, borrowed from room, which has space for 2 * delta_records entries. The delta
 * must be frozen; it does not change, because queries read it. */
const struct entry *delta_sorted_entries(const struct delta *delta, enum entry_kind kind, struct entry *room);

/* Its entries of task ids (voids under the hash of their target) and of times, in the order of positions. */
const struct pieces *delta_tasks(const struct delta *delta);
const struct pieces *delta_times(const struct delta *delta);

/* The totals of its records. */
const struct cells *delta_cells(const struct delta *delta);

/* The rows of the catalogue that the checkpoint will write. Room for a new one is reserved like all else. */
struct puts *delta_puts(struct delta *delta);

#endif
