/* A set of identities in memory: hashes and the positions of their records. Equal hashes may stand in it many times.
 */
#ifndef CODECMETER_LEDGER_IDENTITIES_H
#define CODECMETER_LEDGER_IDENTITIES_H

#include "base/scope.h"
#include "ledger/entry.h"

struct identities {
  struct entry *items; /* in the order in which they came */
  uint32_t count, cap;
  uint64_t *slots; /* open addressing; 0 is free, else 32 bits of the hash and index + 1 */
  uint32_t size;   /* of slots: a power of two, or 0 */
};

void identities_fini(struct identities *set);
/* Forgets all, keeps the memory. */
void identities_clear(struct identities *set);
/* Makes room for so many more. False: there is no memory, and the set is as it was. */
MUST_USE bool identities_reserve(struct identities *set, uint32_t more);
/* Adds one, for which room has been made. */
void identities_add(struct identities *set, struct hash hash, uint64_t position);
/* Says that a hash will soon be looked for: the memory it needs may come meanwhile. */
static inline void identities_prefetch(const struct identities *set, struct hash hash) {
  if (set->size > 0) __builtin_prefetch(&set->slots[(uint32_t)hash.low & (set->size - 1)]);
}
/* The next one with that hash, oldest first: its position, or 0 when there are no more. *at is 0 at first. */
uint64_t identities_find(const struct identities *set, struct hash hash, uint32_t *at);

#endif
