/* The layout of a run file, shared by run.c, which reads, and run_writer.c, which writes. docs/format.md, "Run". */
#ifndef CODECMETER_LEDGER_INDEX_RUN_FORMAT_H
#define CODECMETER_LEDGER_INDEX_RUN_FORMAT_H

#include <assert.h>
#include <stdint.h>

#include "ledger/index/run.h"

#define RUN_VERSION 1u
#define RUN_MAGIC "CMRUNFIL"
#define RUN_PAGE 4096u
#define RUN_PAGE_ENTRIES 170u
#define RUN_FILTER_BLOCK 64u
#define RUN_FILTER_BITS 480u         /* in the 60 bytes before the checksum */
#define RUN_FILTER_BLOCK_ENTRIES 40u /* 12 bits an entry */
#define RUN_FILTER_PROBES 8u

enum run_offset {
  RUN_AT_VERSION = 8,
  RUN_AT_KIND = 12,
  RUN_AT_UUID = 16,
  RUN_AT_NUMBER = 32,
  RUN_AT_COUNT = 40,
  RUN_AT_FROM = 48,
  RUN_AT_TO = 56,
  RUN_AT_PAGES = 64,
  RUN_AT_FILTER = 72,
  RUN_AT_PAGE_COUNT = 4080,
  RUN_AT_PAGE_NUMBER = 4084,
  RUN_AT_PAGE_CRC = 4092,
};
static_assert(RUN_PAGE_ENTRIES * sizeof(struct entry) <= RUN_AT_PAGE_COUNT,
              "a page's entries end before its trailer");

static inline uint64_t run_pages(uint64_t count) { return (count + RUN_PAGE_ENTRIES - 1) / RUN_PAGE_ENTRIES; }

static inline uint64_t run_filter_blocks(const struct run_info *info) {
  if (info->kind == ENTRY_TIME) return 0;
  return (info->count + RUN_FILTER_BLOCK_ENTRIES - 1) / RUN_FILTER_BLOCK_ENTRIES;
}

/* x * n / 2^64: maps a uniform 64-bit number to one of n places. It grows with x, so a sorted run fills its filter
 * from front to back. */
static inline uint64_t run_scale(uint64_t x, uint64_t n) { return (uint64_t)((unsigned __int128)x * n >> 64); }

/* The i-th bit of a hash in its filter block, from the two halves of the low word (Kirsch and Mitzenmacher). */
static inline unsigned run_filter_bit(uint64_t low, unsigned i) {
  uint32_t step = (uint32_t)(low >> 32) | 1u;
  return (unsigned)(((uint64_t)((uint32_t)low + i * step) * RUN_FILTER_BITS) >> 32);
}

#endif
