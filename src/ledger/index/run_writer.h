/* Writes a run. Entries are added in order; pages and filter blocks are written as they fill, so a run of any size
 * needs the same memory. */
#ifndef CODECMETER_LEDGER_INDEX_RUN_WRITER_H
#define CODECMETER_LEDGER_INDEX_RUN_WRITER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "ledger/index/run.h"

struct run_writer;

/* Begins DIR/<number>.run. Overwrites a file of that name: no run list has it. The caller will add exactly
 * info->count entries, and frees the writer. */
MUST_USE int run_writer_new(const char *dir, const uint8_t uuid[LEDGER_UUID_SIZE], const struct run_info *info,
                            struct run_writer **ret, struct err *err);
/* Adds entries, in the order of entry_compare. */
MUST_USE int run_writer_add(struct run_writer *writer, const struct entry *entries, size_t count, struct err *err);
/* Writes the rest and syncs the file, but not its directory. All info->count entries were added (a CHECK). */
MUST_USE int run_writer_finish(struct run_writer *writer, struct err *err);
/* Also removes the file if it was not finished. */
void run_writer_free(struct run_writer *writer);
SCOPED_REF(struct run_writer, run_writer_free)

#endif
