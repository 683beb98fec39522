/* Runs: immutable sorted files of entries. docs/format.md, section "Run"; design §6.
 *
 * A run is mapped into memory. Each read of a page or a filter block checks its checksum first. If the disk fails to
 * read a mapped page, the process dies (SIGBUS); the log survives that.
 */
#ifndef CODECMETER_LEDGER_INDEX_RUN_H
#define CODECMETER_LEDGER_INDEX_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "ledger/index/entry.h"
#include "ledger/log/log.h"

/* What the run list in LMDB says about a run, and the header of its file repeats. */
struct run_info {
  uint64_t number;
  enum entry_kind kind;
  uint64_t count;    /* entries */
  uint64_t from, to; /* positions of the log that it covers */
};

#define RUN_NAME_SIZE 21 /* "0000000000000001.run", NUL */
void run_name(uint64_t number, char out[RUN_NAME_SIZE]);

struct run;

/* -ERR_CORRUPT if the file does not match info, or belongs to another ledger; -ERR_VERSION for a later format;
 * -ERR_NOT_FOUND if it is missing, with a text that reports this as damage. The caller gets a hold of the run. */
MUST_USE int run_open(const char *dir, const uint8_t uuid[LEDGER_UUID_SIZE], const struct run_info *info,
                      struct run **ret, struct err *err);
/* Holds are counted; any thread. The last release closes the file, which may have been removed before. */
struct run *run_hold(struct run *run);
void run_release(struct run *run);
SCOPED_REF(struct run, run_release)
const struct run_info *run_info(const struct run *run);

/* Prefetches what run_may_hold will read for that hash. */
void run_prefetch(const struct run *run, struct hash hash);
/* *ret is false if the run certainly does not hold that hash, true if it may. -ERR_CORRUPT if the filter block is
 * damaged. Not for time runs (a CHECK). */
MUST_USE int run_may_hold(const struct run *run, struct hash hash, bool *ret, struct err *err);

/* The index of the first entry that is not before `wanted`; count if all are before it. */
MUST_USE int run_seek(const struct run *run, const struct entry *wanted, uint64_t *ret_index, struct err *err);
/* The entry at an index below count. */
MUST_USE int run_entry(const struct run *run, uint64_t index, struct entry *ret, struct err *err);

/* The page that holds the entry at an index below count: its entries, checked, borrowed from the run, and the index of
 * the first of them. */
MUST_USE int run_page_at(const struct run *run, uint64_t index, const struct entry **ret, uint64_t *ret_first,
                         uint32_t *ret_count, struct err *err);

/* Says that the entries around an index will be read next, later ones or, `backwards`, earlier ones: the disk may begin
 * to read 128 KiB of them. A hint; costs a few microseconds. */
void run_expect(const struct run *run, uint64_t index, bool backwards);
#define RUN_EXPECT_PAGES 32u

/* Reads all entries in order, a page at a time, with plain reads into its own memory. One thread. */
struct run_cursor;
MUST_USE struct run_cursor *run_cursor_new(const struct run *run); /* NULL: no memory. Borrows the run. */
void run_cursor_free(struct run_cursor *cursor);
SCOPED_REF(struct run_cursor, run_cursor_free)
/* The entries of the next page, checked, borrowed until the next call; *ret_count is 0 after the last page. */
MUST_USE int run_cursor_next(struct run_cursor *cursor, const struct entry **ret, uint32_t *ret_count,
                             struct err *err);

/* True if the file is a run of that ledger. */
bool run_is_of(const char *path, const uint8_t uuid[LEDGER_UUID_SIZE]);

#endif
