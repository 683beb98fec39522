/* The derived files as the last checkpoint left them, beside whoever has the ledger open: the run list, held, and
 * what else a reader takes of the rows at the same position.
 */
#ifndef CODECMETER_LEDGER_SNAPSHOT_H
#define CODECMETER_LEDGER_SNAPSHOT_H

#include "ledger/ledger.h"
#include "ledger/run_list.h"
#include "ledger/totals.h"

struct snapshot {
  struct totals_meta meta;
  struct run_list *runs;
};

/* Of the ledger with that log. `take`, if there is one, reads what it wants of the rows; it may keep nothing
 * borrowed. Of options dir and map_size count. -ERR_CORRUPT when the derived files are not there, of an old format,
 * damaged, or another ledger's. */
MUST_USE int snapshot_take(const struct ledger_options *options, const struct log *log,
                           int (*take)(void *arg, struct rows_txn *txn, struct err *err), void *arg,
                           struct snapshot *ret, struct err *err);
void snapshot_fini(struct snapshot *snapshot);

#endif
