/* Entries in the order in which they were added, in pieces of memory that never move. So other threads may read
 * entries while the writer adds more: the writer publishes a count (delta_show, under the view lock), and what is
 * below it does not change any more.
 */
#ifndef CODECMETER_LEDGER_INDEX_PIECES_H
#define CODECMETER_LEDGER_INDEX_PIECES_H

#include <stdint.h>

#include "base/err.h"
#include "base/scope.h"
#include "ledger/index/entry.h"

#define PIECE_ENTRIES 32768u /* an order has 2 bytes for each: at most 65536 */
#define PIECES_MAX 4096u     /* pieces; more than the largest ingest.delta_max needs */

struct piece;

/* Zeroed: no entries. */
struct pieces {
  struct piece *items[PIECES_MAX];
  uint32_t pieces; /* allocated */
  uint32_t count;  /* entries; the writer's own */
};

void pieces_fini(struct pieces *pieces);
/* Removes all entries; keeps their memory. No thread may read them. */
void pieces_clear(struct pieces *pieces);
/* Makes room for `more` entries. False if there is no memory, or no place for more; the entries are then as before.
 */
MUST_USE bool pieces_reserve(struct pieces *pieces, uint32_t more);
/* Adds an entry; pieces_reserve has made room. */
void pieces_add(struct pieces *pieces, const struct entry *entry);
/* Copies the first `count` entries. */
void pieces_copy(const struct pieces *pieces, uint32_t count, struct entry *out);

/* The entries of a piece, borrowed. */
const struct entry *pieces_at(const struct pieces *pieces, uint32_t piece);

/* The order in which entry_compare sorts the first `count` entries of a piece: indices, borrowed as long as the
 * entries. Sorts at the first call and keeps the order. Any thread; all callers must give the same count for a piece,
 * so call it for a piece that is full, or of a frozen delta. Entries must have growing positions. -ERR_MEMORY. */
MUST_USE int pieces_order(const struct pieces *pieces, uint32_t piece, uint32_t count, const uint16_t **ret);

#endif
