/* Runs: immutable sorted files of entries. docs/format.md, section "Run"; design §6.
 *
 * Mapped into memory; a page or filter block is believed only if its checksum holds, each time it is asked. A read
 * error of the disk under a mapped page kills the process (SIGBUS), which the log survives.
 */
#ifndef CODECMETER_LEDGER_RUN_H
#define CODECMETER_LEDGER_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "ledger/entry.h"
#include "ledger/log.h"

/* What the run list in LMDB says of a run, and its header repeats. */
struct run_info {
  uint64_t number;
  enum entry_kind kind;
  uint64_t count;    /* entries */
  uint64_t from, to; /* positions of the log that it covers */
};

#define RUN_NAME_SIZE 21 /* "0000000000000001.run", NUL */
void run_name(uint64_t number, char out[RUN_NAME_SIZE]);

struct run;

/* -ERR_CORRUPT when the file is not what info says, or belongs to another ledger; -ERR_NOT_FOUND when it is missing,
 * with a text that takes it for damage. The caller holds it. */
MUST_USE int run_open(const char *dir, const uint8_t uuid[LEDGER_UUID_SIZE], const struct run_info *info,
                      struct run **ret, struct err *err);
/* Counted holds, of any thread; the last one to let go closes the file, which may have been removed meanwhile. */
struct run *run_hold(struct run *run);
void run_release(struct run *run);
SCOPED_REF(struct run, run_release)
const struct run_info *run_info(const struct run *run);

/* Says that run_may_hold will soon be asked for that hash: the memory it needs may come meanwhile. */
void run_prefetch(const struct run *run, struct hash hash);
/* May the run hold that hash? *ret false is certain. -ERR_CORRUPT when the filter's block is damaged. Hash runs only.
 */
MUST_USE int run_may_hold(const struct run *run, struct hash hash, bool *ret, struct err *err);

/* The index of the first entry not before (first, second, position); count when all are before it. */
MUST_USE int run_seek(const struct run *run, const struct entry *wanted, uint64_t *ret_index, struct err *err);
/* The entry at an index below count. */
MUST_USE int run_entry(const struct run *run, uint64_t index, struct entry *ret, struct err *err);

/* Reads all entries in order, a page at a time, by plain reads with room of its own. One thread. */
struct run_cursor;
MUST_USE struct run_cursor *run_cursor_new(const struct run *run); /* NULL: no memory. Borrows the run. */
void run_cursor_free(struct run_cursor *cursor);
SCOPED_REF(struct run_cursor, run_cursor_free)
/* The entries of the next page, checked, borrowed until the next call; none behind the last page. */
MUST_USE int run_cursor_next(struct run_cursor *cursor, const struct entry **ret, uint32_t *ret_count,
                             struct err *err);

/* Is the file a run of that ledger? */
bool run_is_of(const char *path, const uint8_t uuid[LEDGER_UUID_SIZE]);

#endif
