/* A roster: a bounded list of items that are found by a hash. Items begin with struct roster_item. All memory but the
 * items' is taken when it is made.
 */
#ifndef CODECMETER_SOURCES_ROSTER_H
#define CODECMETER_SOURCES_ROSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/scope.h"

#define ROSTER_MAX 10000u

struct roster_item {
  uint64_t hash;
};

struct roster {
  struct roster_item **items; /* in no order; the roster owns them */
  size_t count;               /* at most ROSTER_MAX */
  uint16_t *slots;            /* index in items + 1; 0: free */
};

/* Waits for memory. */
void roster_init(struct roster *roster);
void roster_fini(struct roster *roster);
/* The item with that hash for which `is` returns true, or NULL. */
MUST_USE struct roster_item *roster_find(const struct roster *roster, uint64_t hash,
                                         bool (*is)(const struct roster_item *item, const void *key),
                                         const void *key);
/* Takes a malloc'd item. There must be room. */
void roster_add(struct roster *roster, struct roster_item *item);
/* Frees the items for which `is` returns true, and returns how many. */
size_t roster_remove(struct roster *roster, bool (*is)(const struct roster_item *item, const void *key),
                     const void *key);

#endif
