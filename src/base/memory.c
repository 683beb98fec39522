/* glibc's allocator. By default it learns: once a block of 20 MB is freed, it takes such blocks from its arenas, and an
 * arena shrinks at its end only. One small block behind the large ones keeps them all. A fixed threshold sends large
 * blocks to mmap, which gives them back at once; what smaller blocks leave, malloc_trim gives back.
 */
#include "base/memory.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MMAP_BYTES (1 << 20)  /* blocks from here on are mapped: less costs batches of events their speed */
#define ARENA_KEEPS (8 << 20) /* free bytes at an arena's end that free() itself leaves there */
#define USUAL ((uint64_t)8 << 20)
#define CHANGE ((uint64_t)2 << 20)
#define WAIT_MS 60000
#define POLL_MS 50

void memory_init(void) {
  /* Another allocator, such as a sanitizer's, refuses these: then they do not apply. */
  (void)mallopt(M_MMAP_THRESHOLD, MMAP_BYTES);
  (void)mallopt(M_TRIM_THRESHOLD, ARENA_KEEPS);
}

/* Resident bytes that are not of a file; 0 if the system does not say. */
static uint64_t anonymous_bytes(void) {
  unsigned long long resident = 0, shared = 0;
  FILE *file = fopen("/proc/self/statm", "re");
  if (file == NULL) return 0;
  int count = fscanf(file, "%*u %llu %llu", &resident, &shared);
  (void)fclose(file);
  return count == 2 && resident > shared ? (resident - shared) * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

/* What was taken during a load and freed after it stays resident, so the size of the process alone does not tell. */
void memory_give_back(struct memory_state *state) {
  uint64_t resident = anonymous_bytes(), before = state->resident, free = mallinfo2().fordblks;
  uint64_t change = resident > before ? resident - before : before - resident;
  if (resident <= USUAL || (change < CHANGE && free < state->free + CHANGE)) {
    if (free < state->free) state->free = free;
    return;
  }
  (void)malloc_trim(0);
  *state = (struct memory_state){.resident = anonymous_bytes(), .free = mallinfo2().fordblks};
}

void *memory_wait(size_t size) {
  void *piece = calloc(1, size);
  for (int waited_ms = 0; piece == NULL && waited_ms < WAIT_MS; waited_ms += POLL_MS) {
    (void)usleep(POLL_MS * 1000);
    piece = calloc(1, size);
  }
  if (piece != NULL) return piece;
  (void)fprintf(stderr, "codecmeter: no memory for %zu bytes: free some, or lower ingest.delta_max\n", size);
  _exit(1);
}
