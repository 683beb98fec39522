/* A list of chunks. Each is twice as large as the one before, so a small request costs one malloc and a large
 * one a few. */
#include "base/arena.h"

#include <string.h>

#define ARENA_ALIGN 16
#define ARENA_CHUNK_FIRST 4096

struct chunk {
  struct chunk *next; /* the older, smaller one */
  size_t size;
  _Alignas(ARENA_ALIGN) char bytes[];
};

struct arena {
  struct chunk *newest;
  char *at, *end; /* what is left of the newest chunk, and of the limit: a multiple of the alignment */
  size_t limit;
  size_t older; /* bytes used in the chunks before the newest */
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
  return chunk;
}

static void begin_chunk(struct arena *arena, struct chunk *chunk) {
  size_t left = arena->limit - arena->older;
  if (left > chunk->size) left = chunk->size;
  arena->newest = chunk;
  arena->at = chunk->bytes;
  arena->end = chunk->bytes + left / ARENA_ALIGN * ARENA_ALIGN;
}

void arena_reset(struct arena *arena) {
  while (arena->newest != NULL && arena->newest->next != NULL) {
    struct chunk *older = arena->newest->next;
    free(arena->newest);
    arena->newest = older;
  }
  arena->older = 0;
  arena->starved = false;
  if (arena->newest != NULL) begin_chunk(arena, arena->newest);
}

bool arena_is_starved(const struct arena *arena) { return arena->starved; }
void arena_starve(struct arena *arena) { arena->starved = true; }

void arena_free(struct arena *arena) {
  if (arena == NULL) return;
  arena_reset(arena);
  free(arena->newest);
  free(arena);
}

size_t arena_used(const struct arena *arena) {
  return arena->newest == NULL ? 0 : arena->older + (size_t)(arena->at - arena->newest->bytes);
}

/* Begins a chunk with room for `size` bytes. False beyond the limit, or if there is no memory. */
static bool grow(struct arena *arena, size_t size) {
  size_t used = arena_used(arena);
  if (size > arena->limit - used) return false;
  size_t want = arena->newest == NULL ? ARENA_CHUNK_FIRST : arena->newest->size * 2;
  struct chunk *chunk = chunk_new(arena->newest, want > size ? want : size);
  arena->starved = arena->starved || chunk == NULL;
  if (chunk == NULL) return false;
  arena->older = used;
  begin_chunk(arena, chunk);
  return true;
}

static size_t padded(size_t size) { return (size + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN; }

void *arena_alloc_raw(struct arena *arena, size_t size) {
  bool fits = arena->newest != NULL && size <= (size_t)(arena->end - arena->at);
  if (!fits && (size > arena->limit || !grow(arena, padded(size)))) return NULL;
  char *at = arena->at;
  arena->at += padded(size);
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
