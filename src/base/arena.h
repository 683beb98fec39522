/* A bounded arena: the memory of one request or one batch, freed all at once.
 *
 * An allocation beyond the limit returns NULL; it never aborts. Pointers are valid until arena_reset or arena_free.
 * One thread at a time uses an arena.
 */
#ifndef CODECMETER_BASE_ARENA_H
#define CODECMETER_BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "base/scope.h"

struct arena;

/* limit: how many bytes can be allocated between two resets. Caller frees with arena_free. */
MUST_USE struct arena *arena_new(size_t limit);
void arena_free(struct arena *arena);
SCOPED_REF(struct arena, arena_free)

/* Frees all chunks but the first one, which is reused. */
void arena_reset(struct arena *arena);

/* Allocates size bytes, aligned to 16 and zeroed. NULL if that would exceed the limit, or if memory is short. */
MUST_USE void *arena_alloc(struct arena *arena, size_t size);
/* The same, not zeroed: for callers that write every byte. */
MUST_USE void *arena_alloc_raw(struct arena *arena, size_t size);
/* Copies s and adds a NUL, which its length does not count. ptr is NULL if the arena has no room. */
struct str arena_copy(struct arena *arena, struct str s);
size_t arena_used(const struct arena *arena);
/* True if the arena gave NULL since the last reset because the system has no memory, and not because of its limit. */
bool arena_is_starved(const struct arena *arena);
/* Says so of what is made beside the arena and for the same purpose: the system has no memory for it. */
void arena_starve(struct arena *arena);

#endif
