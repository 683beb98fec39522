/* Writing a run: entries come sorted, pages and filter go out as they fill, so a run of any size takes the same
 * memory. */
#ifndef CODECMETER_LEDGER_RUN_WRITER_H
#define CODECMETER_LEDGER_RUN_WRITER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "ledger/run.h"

struct run_writer;

/* Begins DIR/<number>.run; a file of that name, which no list names, is written over. info->count entries are to
 * come. */
MUST_USE int run_writer_new(const char *dir, const uint8_t uuid[LEDGER_UUID_SIZE], const struct run_info *info,
                            struct run_writer **ret, struct err *err);
/* Entries in the order of entry_compare. */
MUST_USE int run_writer_add(struct run_writer *writer, const struct entry *entries, size_t count, struct err *err);
/* Writes what is left and syncs the file, not its directory. All info->count entries have been added. */
MUST_USE int run_writer_finish(struct run_writer *writer, struct err *err);
/* A file that was not finished is removed. */
void run_writer_free(struct run_writer *writer);
SCOPED_REF(struct run_writer, run_writer_free)

#endif
