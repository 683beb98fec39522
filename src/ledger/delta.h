/* A delta holds, in memory, what the log has beyond the last checkpoint. Design §6.
 *
 * It has entries of the three kinds, totals by quarter hour of UTC, and the changes of the catalogue as the rows that
 * LMDB will keep. Only the writer fills it; nothing is added to a frozen one. To read a delta that is being filled,
 * hold the ledger's view lock; readers see what was shown.
 */
#ifndef CODECMETER_LEDGER_DELTA_H
#define CODECMETER_LEDGER_DELTA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "ledger/cells.h"
#include "ledger/entry.h"
#include "meter/usage.h"

struct delta;

/* Never NULL: an empty delta is small, and its memory is waited for (memory_wait). The caller frees. */
MUST_USE struct delta *delta_new(uint64_t begin);
void delta_free(struct delta *delta);
/* Empties the delta and sets its new beginning; keeps its memory. */
void delta_recycle(struct delta *delta, uint64_t begin);

/* It covers [begin, end) of the log. */
uint64_t delta_begin(const struct delta *delta);
uint64_t delta_end(const struct delta *delta);
int64_t delta_block_time(const struct delta *delta); /* of the last block in it; 0: none */
uint64_t delta_records(const struct delta *delta); /* of usage, as shown to readers */
bool delta_is_empty(const struct delta *delta);    /* neither usage nor changes */

/* How much a caller will add to a delta. */
struct delta_load {
  uint32_t usages; /* voids too */
  uint32_t voids;  /* of these */
  size_t puts;     /* bytes of keys and values of the catalogue's rows, and DELTA_PUT_HEAD for each */
};
#define DELTA_PUT_HEAD 8u

/* True if delta_reserve will move memory that readers look at: keep readers out during the call. */
bool delta_moves(const struct delta *delta, const struct delta_load *load);
/* Makes room, so that adding so much cannot fail. False if there is no memory; the contents are then as before. */
MUST_USE bool delta_reserve(struct delta *delta, const struct delta_load *load);

/* Every function that adds needs delta_reserve first. Adds a usage. Its project has that number and zone, its codec
 * that number in the project's list (CODEC_NUMBER_NONE if it has none), its identity that hash. delta_find_identity
 * finds it at once. What readers see does not change before delta_show, so readers need not be kept out. */
void delta_add_usage(struct delta *delta, const struct usage *usage, struct hash identity, uint32_t project,
                     const struct zone *zone, uint8_t codec, uint64_t position);
/* Adds a void in the same way, and takes off what its target counts. codec is the target's. */
void delta_add_void(struct delta *delta, const struct usage *usage, const struct usage *target, uint32_t project,
                    const struct zone *zone, uint8_t codec, uint64_t position);

/* Publishes everything added so far to readers; the delta now reaches to `end`. The caller holds the view lock for
 * writing. */
void delta_show(struct delta *delta, uint64_t end, int64_t block_time_ms);

void delta_prefetch(const struct delta *delta, struct hash identity);
/* The position of the next identity with that hash, oldest first; 0 if there are no more. *at is 0 at first. */
uint64_t delta_find_identity(const struct delta *delta, struct hash hash, uint32_t *at);
/* The same among voids, by the hash_void_of of their target. */
uint64_t delta_find_void(const struct delta *delta, struct hash hash, uint32_t *at);

/* Sorted entries for the checkpoint, borrowed until the next call; room has space for 2 * delta_records entries. The
 * delta must be frozen. Entries that nobody searches in memory are sorted in place. */
const struct entry *delta_sorted_entries(struct delta *delta, enum entry_kind kind, struct entry *room);

/* The totals of its records. */
const struct cells *delta_cells(const struct delta *delta);

/* Adds a row of the catalogue; rows keep the order in which they were added. The caller appends the key to what
 * delta_put_key returns, then the value to what delta_put_value returns, then calls delta_put_end. Both are written
 * where they stay, into the room that delta_reserve has made, so no step needs memory. */
MUST_USE struct buf *delta_put_key(struct delta *delta);
MUST_USE struct buf *delta_put_value(struct delta *delta);
void delta_put_end(struct delta *delta);
/* The next row, borrowed from the delta; false after the last. *at is 0 at first. */
MUST_USE bool delta_next_put(const struct delta *delta, size_t *at, struct str *ret_key, struct str *ret_value);

#endif
