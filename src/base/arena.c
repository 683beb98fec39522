/* A list of chunks. Each is twice as large as the one before, so a small request costs one malloc and a large
 * one a few. */
#include "base/arena.h"

#include <string.h>

#define ARENA_ALIGN 16
#define ARENA_CHUNK_FIRST 4096

struct chunk {
  struct chunk *next; /* the older, smaller one */
  size_t size;
  size_t used;
  _Alignas(ARENA_ALIGN) char bytes[];
};

struct arena {
  struct chunk *newest;
  size_t limit;
  size_t used;
  bool starved;
};

struct arena *arena_new(size_t limit) {
  struct arena *arena = calloc(1, sizeof *arena);
  if (arena != NULL) arena->limit = limit;
  return arena;
}

static struct chunk *chunk_new(struct chunk *next, size_t size) {
  struct chunk *chunk = malloc(sizeof *chunk + size);
  if (chunk == NULL) return NULL;
  chunk->next = next;
  chunk->size = size;
  chunk->used = 0;
  return chunk;
}

void arena_reset(struct arena *arena) {
  while (arena->newest != NULL && arena->newest->next != NULL) {
    struct chunk *older = arena->newest->next;
    free(arena->newest);
    arena->newest = older;
  }
  if (arena->newest != NULL) arena->newest->used = 0;
  arena->used = 0;
  arena->starved = false;
}

bool arena_is_starved(const struct arena *arena) { return arena->starved; }
void arena_starve(struct arena *arena) { arena->starved = true; }

void arena_free(struct arena *arena) {
  if (arena == NULL) return;
  arena_reset(arena);
  free(arena->newest);
  free(arena);
}

void *arena_alloc_raw(struct arena *arena, size_t size) {
  if (size > arena->limit) return NULL;
  size = (size + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
  if (size > arena->limit - arena->used) return NULL;
  struct chunk *chunk = arena->newest;
  if (chunk == NULL || chunk->size - chunk->used < size) {
    size_t want = chunk == NULL ? ARENA_CHUNK_FIRST : chunk->size * 2;
    chunk = chunk_new(chunk, want > size ? want : size);
    arena->starved = arena->starved || chunk == NULL;
    if (chunk == NULL) return NULL;
    arena->newest = chunk;
  }
  void *at = chunk->bytes + chunk->used;
  chunk->used += size;
  arena->used += size;
  return at;
}

void *arena_alloc(struct arena *arena, size_t size) {
  void *at = arena_alloc_raw(arena, size);
  if (at != NULL) memset(at, 0, size);
  return at;
}

struct str arena_copy(struct arena *arena, struct str s) {
  char *at = arena_alloc_raw(arena, s.len + 1);
  if (at == NULL) return str_make(NULL, 0);
  if (s.len > 0) memcpy(at, s.ptr, s.len);
  at[s.len] = '\0';
  return str_make(at, s.len);
}

size_t arena_used(const struct arena *arena) { return arena->used; }
