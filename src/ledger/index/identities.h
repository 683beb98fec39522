/* A set of identities in memory: hashes and the positions of their records. It may hold equal hashes many times. */
#ifndef CODECMETER_LEDGER_INDEX_IDENTITIES_H
#define CODECMETER_LEDGER_INDEX_IDENTITIES_H

#include <stdbool.h>

#include "base/scope.h"
#include "base/vector.h"
#include "ledger/index/entry.h"

struct identities {
  VECTOR(struct entry); /* in the order in which they were added */
  uint64_t *slots; /* open addressing; 0: free; else 32 bits of the hash, and index + 1 */
  uint32_t size;   /* of slots: a power of two, or 0 */
};

void identities_fini(struct identities *set);
/* Empties the set; keeps its memory. */
void identities_clear(struct identities *set);
/* True if `more` identities need no memory. */
bool identities_has_room(const struct identities *set, uint32_t more);
/* Makes room for `more` identities, and moves the set if it must. False if there is no memory; the set is then as before. */
MUST_USE bool identities_reserve(struct identities *set, uint32_t more);
/* Adds an identity; identities_reserve has made room. Other threads may search the set meanwhile. */
void identities_add(struct identities *set, struct hash hash, uint64_t position);
/* Prefetches what a search for that hash will read. */
static inline void identities_prefetch(const struct identities *set, struct hash hash) {
  if (set->size > 0) __builtin_prefetch(&set->slots[(uint32_t)hash.low & (set->size - 1)]);
}
/* The position of the next identity with that hash, oldest first; 0 if there are no more. *at is 0 at first. */
uint64_t identities_find(const struct identities *set, struct hash hash, uint32_t *at);

#endif
