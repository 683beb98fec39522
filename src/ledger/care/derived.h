/* The derived files as of the last checkpoint, also beside a process that has the ledger open: the list of runs, held
 * open, and what a reader takes from the rows of the same position.
 */
#ifndef CODECMETER_LEDGER_CARE_DERIVED_H
#define CODECMETER_LEDGER_CARE_DERIVED_H

#include "ledger/index/run_list.h"
#include "ledger/ledger.h"
#include "ledger/totals/totals.h"

struct snapshot {
  struct totals_meta meta;
  struct run_list *runs;
};

/* Takes a snapshot of the ledger with that log. Calls `take`, unless it is NULL, once to read the rows of the
 * snapshot; `take` must copy what it keeps. Uses only dir and map_size of options. -ERR_CORRUPT if the derived files
 * are missing, of an earlier format, damaged, or another ledger's. Caller calls snapshot_fini. */
MUST_USE int snapshot_take(const struct ledger_options *options, const struct log *log,
                           int (*take)(void *arg, struct rows_txn *txn, struct err *err), void *arg,
                           struct snapshot *ret, struct err *err);
void snapshot_fini(struct snapshot *snapshot);

#endif
