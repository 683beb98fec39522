/* Runs: immutable sorted files of entries. docs/format.md, section "Run"; design §6.
 *
 * Mapped into memory; a page or filter block is believed only if its checksum holds, each time it is asked. A read error
 * of the disk under a mapped page kills the process (SIGBUS), which the log survives.
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

/* Writes sorted entries as DATA/derived/runs/<number>.run and syncs the file, not the directory. A file of that name
 * that no list names is written over. */
MUST_USE int run_write(const char *dir, const uint8_t uuid[LEDGER_UUID_SIZE], const struct run_info *info,
                       const struct entry *entries, struct err *err);

struct run;

/* -ERR_CORRUPT when the file is missing, is not what info says, or belongs to another ledger. Caller closes. */
MUST_USE int run_open(const char *dir, const uint8_t uuid[LEDGER_UUID_SIZE], const struct run_info *info,
                      struct run **ret, struct err *err);
void run_close(struct run *run);
const struct run_info *run_info(const struct run *run);

/* May the run hold that hash? *ret false is certain. -ERR_CORRUPT when the filter's block is damaged. Hash runs only. */
MUST_USE int run_may_hold(const struct run *run, struct hash hash, bool *ret, struct err *err);

/* The index of the first entry not before (first, second, position); count when all are before it. */
MUST_USE int run_seek(const struct run *run, const struct entry *wanted, uint64_t *ret_index, struct err *err);
/* The entry at an index below count. */
MUST_USE int run_entry(const struct run *run, uint64_t index, struct entry *ret, struct err *err);

/* Is the file a run of that ledger? */
bool run_is_of(const char *path, const uint8_t uuid[LEDGER_UUID_SIZE]);

/* Checks every byte. */
MUST_USE int run_verify(const struct run *run, struct err *err);

#endif
