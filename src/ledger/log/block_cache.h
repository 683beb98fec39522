/* A bounded cache of checked blocks of the log; it keeps those used last. Every block comes from block_read, so the
 * cache never holds a byte that was not verified. Used by one thread.
 */
#ifndef CODECMETER_LEDGER_LOG_BLOCK_CACHE_H
#define CODECMETER_LEDGER_LOG_BLOCK_CACHE_H

#include <stdint.h>

#include "base/err.h"
#include "base/scope.h"
#include "ledger/log/block.h"

struct block_cache;

/* bytes_max bounds the memory of all blocks with their names; the cache keeps at least one block. NULL: no memory. */
MUST_USE struct block_cache *block_cache_new(uint64_t bytes_max);
void block_cache_free(struct block_cache *cache);
SCOPED_REF(struct block_cache, block_cache_free)

/* The block that holds a position, or NULL. Borrowed until the next block_cache_add or block_cache_clear. */
const struct block *block_cache_find(struct block_cache *cache, uint64_t position);

/* Checks the bytes that were read at a position and keeps the block. Takes bytes (from malloc), also on failure.
 * Frees the least recently used blocks to make room. -ERR_CORRUPT as block_read; -ERR_MEMORY. */
MUST_USE int block_cache_add(struct block_cache *cache, char *bytes, size_t len, uint64_t position,
                             const struct block **ret, struct err *err);

/* Frees all kept blocks. */
void block_cache_clear(struct block_cache *cache);
/* Bytes of memory that the kept blocks take. */
uint64_t block_cache_bytes(const struct block_cache *cache);

#endif
