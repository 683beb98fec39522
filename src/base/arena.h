/* A bounded arena: memory of one request or one batch, freed at once.
 *
 * Running out is a refusal (NULL), never a crash. Pointers live until arena_reset or arena_free. One thread.
 */
#ifndef CODECMETER_BASE_ARENA_H
#define CODECMETER_BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "base/scope.h"

struct arena;

/* limit: bytes that may be handed out between two resets. Caller frees with arena_free. */
MUST_USE struct arena *arena_new(size_t limit);
void arena_free(struct arena *arena);
SCOPED_REF(struct arena, arena_free)

/* Gives back all but the first chunk. */
void arena_reset(struct arena *arena);

/* size bytes, aligned to 16, zeroed; NULL when the limit would be passed. */
MUST_USE void *arena_alloc(struct arena *arena, size_t size);
/* The same, not zeroed: for whoever writes every byte. */
MUST_USE void *arena_alloc_raw(struct arena *arena, size_t size);
/* A copy of s with a NUL behind it (not counted in its length); ptr NULL when out of memory. */
struct str arena_copy(struct arena *arena, struct str s);
size_t arena_used(const struct arena *arena);
/* True if the arena gave NULL since the last reset because the system has no memory, and not because of its limit. */
bool arena_is_starved(const struct arena *arena);

#endif
