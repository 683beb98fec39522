#include "sources/roster.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/memory.h"

#define SLOTS 32768u
_Static_assert(SLOTS >= 2 * ROSTER_MAX && ROSTER_MAX < UINT16_MAX, "half of the slots stay free, and an index fits");

void roster_init(struct roster *roster) {
  *roster = (struct roster){.items = memory_wait(ROSTER_MAX * sizeof *roster->items),
                            .slots = memory_wait(SLOTS * sizeof *roster->slots)};
}

void roster_fini(struct roster *roster) {
  for (size_t i = 0; i < roster->count; i++)
    free(roster->items[i]);
  free(roster->items);
  free(roster->slots);
  *roster = (struct roster){.items = NULL};
}

struct roster_item *roster_find(const struct roster *roster, uint64_t hash,
                                bool (*is)(const struct roster_item *item, const void *key), const void *key) {
  for (size_t at = hash % SLOTS; roster->slots[at] != 0; at = (at + 1) % SLOTS) {
    struct roster_item *item = roster->items[roster->slots[at] - 1];
    if (item->hash == hash && is(item, key)) return item;
  }
  return NULL;
}

static void enter(struct roster *roster, size_t index) {
  size_t at = roster->items[index]->hash % SLOTS;
  while (roster->slots[at] != 0)
    at = (at + 1) % SLOTS;
  roster->slots[at] = (uint16_t)(index + 1);
}

void roster_add(struct roster *roster, struct roster_item *item) {
  CHECK(roster->count < ROSTER_MAX);
  roster->items[roster->count] = item;
  enter(roster, roster->count++);
}

size_t roster_remove(struct roster *roster, bool (*is)(const struct roster_item *item, const void *key),
                     const void *key) {
  size_t before = roster->count, kept = 0;
  for (size_t i = 0; i < before; i++) {
    if (is(roster->items[i], key))
      free(roster->items[i]);
    else
      roster->items[kept++] = roster->items[i];
  }
  roster->count = kept;
  if (kept == before) return 0;
  memset(roster->slots, 0, SLOTS * sizeof *roster->slots);
  for (size_t i = 0; i < kept; i++)
    enter(roster, i);
  return before - kept;
}
