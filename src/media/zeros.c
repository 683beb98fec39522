/* Most files end with another byte, so the first chunk from the end is small. */
#include "media/zeros.h"

#include <stdlib.h>

#include "base/check.h"

#define CHUNK_FIRST ((size_t)64)
#define CHUNK ((size_t)64 << 10)

int zeros_at_end(struct reel *reel, uint64_t *ret_count, struct err *err) {
  SCOPED_MALLOC uint8_t *chunk = malloc(CHUNK);
  CHECK(chunk != NULL);
  uint64_t end = reel_size(reel);
  for (size_t take = CHUNK_FIRST; end > 0; take = CHUNK) {
    size_t len = end < take ? (size_t)end : take, got = 0, left = len;
    int result = reel_read(reel, end - len, chunk, len, &got, err);
    if (result != 0) return result;
    CHECK(got == len);
    while (left > 0 && chunk[left - 1] == 0)
      left--;
    end -= len - left;
    if (left > 0) break;
  }
  *ret_count = reel_size(reel) - end;
  return 0;
}

int zeros_from(struct reel *reel, uint64_t position, uint64_t *ret_count, struct err *err) {
  SCOPED_MALLOC uint8_t *chunk = malloc(CHUNK);
  CHECK(chunk != NULL);
  uint64_t at = position;
  while (at < reel_size(reel)) {
    size_t got = 0, zeros = 0;
    int result = reel_read(reel, at, chunk, CHUNK, &got, err);
    if (result != 0) return result;
    while (zeros < got && chunk[zeros] == 0)
      zeros++;
    at += zeros;
    if (zeros < got) break;
  }
  *ret_count = at - position;
  return 0;
}
