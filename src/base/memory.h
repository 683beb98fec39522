/* Memory: what was freed goes back to the system, and what the program cannot go on without is waited for.
 *
 * An allocator keeps freed memory for later, so what one storm took would stay for ever.
 */
#ifndef CODECMETER_BASE_MEMORY_H
#define CODECMETER_BASE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include "base/scope.h"

/* Sets the allocator up. Call once, before the program has other threads. */
void memory_init(void);

/* Of the last time: starts as {0}. */
struct memory_state {
  uint64_t resident, free; /* bytes of the process; of these, free in the allocator or given back by it */
};
/* Gives back what the allocator keeps free, if the process has grown or shrunk since the last time, or has freed memory.
 * Takes time in proportion to that: milliseconds for 100 MB. One thread calls it every few seconds, with a state of its own. */
void memory_give_back(struct memory_state *state);

/* Zeroed memory, never NULL; the caller frees. While there is none it waits, a minute at most, then ends the program with
 * a message. For small pieces that the ledger's writer cannot go on without; reports wait with it. What depends on a
 * request's size is refused instead. */
MUST_USE void *memory_wait(size_t size);

#endif
