#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define WAIT_MS 60000
#define POLL_MS 50

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
