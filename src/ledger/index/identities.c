/* Entries are in a dense array, which a checkpoint copies and sorts as it is; a table of indices, at most half full,
 * finds them. A slot also holds half of the hash's high word, so an entry is read only if it is almost certainly the
 * wanted one: a new id costs one cache line. Linear probing keeps equal hashes in the order in which they were added.
 */
#include "ledger/index/identities.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define SLOTS_FIRST 1024u
#define AHEAD 16u
#define COUNT_MAX (UINT32_C(1) << 30) /* keeps every size within 32 bits */

void identities_fini(struct identities *set) {
  vector_fini(set);
  free(set->slots);
  *set = (struct identities){0};
}

void identities_clear(struct identities *set) {
  if (set->count > 0) memset(set->slots, 0, set->size * sizeof *set->slots);
  set->count = 0;
}

static uint64_t tag_of(uint64_t high) { return high & ~(uint64_t)UINT32_MAX; }

static void put(struct identities *set, uint32_t index) {
  const struct entry *entry = &set->items[index];
  uint32_t slot = (uint32_t)entry->second & (set->size - 1);
  while (set->slots[slot] != 0)
    slot = (slot + 1) & (set->size - 1);
  /* Not before the entry is in its place: a reader may search the set at this moment. */
  __atomic_store_n(&set->slots[slot], tag_of(entry->first) | (index + 1), __ATOMIC_RELEASE);
}

static bool grow_slots(struct identities *set, uint32_t size) {
  uint64_t *slots = calloc(size, sizeof *slots);
  if (slots == NULL) return false;
  free(set->slots);
  set->slots = slots;
  set->size = size;
  for (uint32_t i = 0; i < set->count; i++) {
    if (i + AHEAD < set->count)
      __builtin_prefetch(&set->slots[(uint32_t)set->items[i + AHEAD].second & (size - 1)], 1);
    put(set, i);
  }
  return true;
}

bool identities_has_room(const struct identities *set, uint32_t more) {
  uint64_t count = (uint64_t)set->count + more;
  return count == 0 || (count <= set->cap && count <= set->size / 2);
}

bool identities_reserve(struct identities *set, uint32_t more) {
  uint64_t count = (uint64_t)set->count + more;
  uint32_t size = set->size > 0 ? set->size : SLOTS_FIRST;
  if (identities_has_room(set, more)) return true; /* nothing moves, as delta_moves has told the caller */
  if (count > COUNT_MAX) return false;
  while (size < count * 2)
    size *= 2;
  return vector_reserve(set, more) && (size == set->size || grow_slots(set, size));
}

void identities_add(struct identities *set, struct hash hash, uint64_t position) {
  CHECK(set->count < set->cap && set->count < set->size / 2);
  set->items[set->count] = (struct entry){.first = hash.high, .second = hash.low, .position = position};
  put(set, (uint32_t)set->count++);
}

uint64_t identities_find(const struct identities *set, struct hash hash, uint32_t *at) {
  if (set->size == 0) return 0;
  /* *at counts the slots on the probe's path that were read. */
  for (;;) {
    const uint64_t *place = &set->slots[((uint32_t)hash.low + *at) & (set->size - 1)];
    uint64_t slot = __atomic_load_n(place, __ATOMIC_ACQUIRE);
    if (slot == 0) return 0;
    (*at)++;
    if (tag_of(slot) != tag_of(hash.high)) continue;
    const struct entry *entry = &set->items[(uint32_t)slot - 1];
    if (entry->first == hash.high && entry->second == hash.low) return entry->position;
  }
}
