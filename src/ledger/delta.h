/* A delta: what the log holds beyond the last checkpoint, in memory. Design §6.
 *
 * Entries of the three kinds, totals by quarter hour of UTC, and the changes of the catalogue as the rows that LMDB
 * will keep. Filled by the writer alone; a frozen one is not changed any more. Reading while it is filled needs the
 * ledger's view lock, and sees what has been shown.
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

/* Never NULL: an empty one is small. */
MUST_USE struct delta *delta_new(uint64_t begin);
void delta_free(struct delta *delta);
/* Empties it and begins anew there, with the memory that it has. */
void delta_recycle(struct delta *delta, uint64_t begin);

/* [begin, end) of the log. */
uint64_t delta_begin(const struct delta *delta);
uint64_t delta_end(const struct delta *delta);
int64_t delta_block_time(const struct delta *delta); /* of the last block in it; 0: none */
uint64_t delta_records(const struct delta *delta); /* of usage, as shown */
bool delta_is_empty(const struct delta *delta);    /* neither usage nor changes */

/* What is to be added to a delta. */
struct delta_load {
  uint32_t usages; /* voids too */
  uint32_t voids;  /* of these */
  size_t puts;     /* bytes of keys and values of the catalogue's rows, and DELTA_PUT_HEAD for each */
};
#define DELTA_PUT_HEAD 8u

/* True if room for so much needs what readers look at to be moved: they must be kept out of delta_reserve. */
bool delta_moves(const struct delta *delta, const struct delta_load *load);
/* Makes room: then adding so much cannot fail. False: there is no memory, and what the delta holds is as it was. */
MUST_USE bool delta_reserve(struct delta *delta, const struct delta_load *load);

/* For all that adds, room must have been made. Adds a usage whose project has that number and zone, whose codec
 * (CODEC_NUMBER_NONE when it has none) is that of the project's list, and whose identity has that hash. Its identity
 * is found at once; what readers see is not touched until delta_show, so they need not be kept out. */
void delta_add_usage(struct delta *delta, const struct usage *usage, struct hash identity, uint32_t project,
                     const struct zone *zone, uint8_t codec, uint64_t position);
/* Adds a void, likewise, and takes off what its target counts, whose codec that is. */
void delta_add_void(struct delta *delta, const struct usage *usage, const struct usage *target, uint32_t project,
                    const struct zone *zone, uint8_t codec, uint64_t position);

/* Has readers see all that was added; the delta now reaches to that end. With the view lock, for writing. */
void delta_show(struct delta *delta, uint64_t end, int64_t block_time_ms);

void delta_prefetch(const struct delta *delta, struct hash identity);
/* The next identity with that hash, oldest first: its position, or 0 when there are no more. *at is 0 at first. */
uint64_t delta_find_identity(const struct delta *delta, struct hash hash, uint32_t *at);
/* The same among voids, by hash_void_of what they void. */
uint64_t delta_find_void(const struct delta *delta, struct hash hash, uint32_t *at);

/* Sorted entries for the checkpoint, borrowed until the next call: room is for 2 * delta_records entries. The delta
 * must be frozen; entries that nobody looks for in memory are sorted where they stand. */
const struct entry *delta_sorted_entries(struct delta *delta, enum entry_kind kind, struct entry *room);

/* Totals of what it holds. */
const struct cells *delta_cells(const struct delta *delta);

/* Rows of the catalogue, in the order in which they came. */
/* Adds one: the caller appends the key to what delta_put_key returns, then the value to what delta_put_value returns,
 * then calls delta_put_end. Both are written where they stay, into the room that delta_reserve has made, so no step
 * needs memory. */
MUST_USE struct buf *delta_put_key(struct delta *delta);
MUST_USE struct buf *delta_put_value(struct delta *delta);
void delta_put_end(struct delta *delta);
/* Walks them: at is 0 at first. */
MUST_USE bool delta_next_put(const struct delta *delta, size_t *at, struct str *ret_key, struct str *ret_value);

#endif
