/* Totals, catalogue and run list: small data that is derived from the log and changes. It is kept in checked rows
 * (ledger/totals/rows.h); docs/format.md, "LMDB".
 *
 * Each transaction carries the log position that all of it covers. One writer at a time: the checkpointer or the
 * merger.
 */
#ifndef CODECMETER_LEDGER_TOTALS_TOTALS_H
#define CODECMETER_LEDGER_TOTALS_TOTALS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "ledger/index/run.h"
#include "ledger/log/log.h"
#include "ledger/totals/cells.h"
#include "ledger/totals/puts.h"
#include "ledger/totals/rows.h"
#include "meter/usage.h"
#include "meter/zone.h"

/* Writes the first rows of new tables. They cover a new log up to its first block. */
MUST_USE int totals_init(struct rows *rows, const uint8_t uuid[LEDGER_UUID_SIZE], struct err *err);

/* ---- reading ---- */

struct totals_meta {
  uint8_t uuid[LEDGER_UUID_SIZE];
  uint64_t position;     /* all of the log below it is included */
  int64_t block_time_ms; /* of the last block below it */
  uint64_t next_run;
};
MUST_USE int totals_meta(struct rows_txn *txn, struct totals_meta *ret, struct err *err);

/* Whether a project's day totals match a zone and its present rules. NONE: no checkpoint has covered the project yet.
 */
enum totals_days { TOTALS_DAYS_NONE, TOTALS_DAYS_MATCH, TOTALS_DAYS_STALE };
MUST_USE int totals_days_state(struct rows_txn *txn, uint32_t project, const struct zone *zone, enum totals_days *ret,
                               struct err *err);

/* Return true to go on, false to end the walk, which is then no error. */
typedef bool (*totals_visit_day)(void *arg, int32_t day, uint8_t codec, const struct usage_count sums[TIERS]);
typedef bool (*totals_visit_cell)(void *arg, const struct cell *cell);

/* Calls visit for the cells of a project and kind, in order: the days, or the quarter hours, in [first, last]. */
MUST_USE int totals_visit_days(struct rows_txn *txn, uint32_t project, enum usage_kind kind, int32_t first,
                               int32_t last, totals_visit_day visit, void *arg, struct err *err);
MUST_USE int totals_visit_quarters(struct rows_txn *txn, uint32_t project, enum usage_kind kind, uint32_t first,
                                   uint32_t last, totals_visit_cell visit, void *arg, struct err *err);

/* The same for the quarter hours of all projects and kinds. */
MUST_USE int totals_visit_all_quarters(struct rows_txn *txn, totals_visit_cell visit, void *arg, struct err *err);

/* Calls visit for every row of the catalogue, in the order of keys. An error of visit ends the walk and is returned.
 */
MUST_USE int totals_visit_catalogue(struct rows_txn *txn,
                                    int (*visit)(void *arg, struct str key, struct str value, struct err *err),
                                    void *arg, struct err *err);
/* The same for the run list, in the order of numbers. */
MUST_USE int totals_visit_runs(struct rows_txn *txn,
                               int (*visit)(void *arg, const struct run_info *info, struct err *err), void *arg,
                               struct err *err);

/* ---- writing: all of a checkpoint in one durable transaction ---- */

struct totals_checkpoint {
  uint64_t end;              /* of the log that it covers */
  int64_t block_time_ms;     /* of the last block below it; 0: there is no new block */
  const struct puts *puts;   /* rows of the catalogue */
  const struct cell *cells;  /* sorted */
  size_t cells_count;
  const struct run_info *runs; /* already synced */
  size_t runs_count;
};
/* Writes a checkpoint. Afterwards the days of every project match its zone and the zone's present rules. */
MUST_USE int totals_apply(struct rows *rows, const struct totals_checkpoint *checkpoint, struct err *err);

/* Lists a run, which is already synced, in place of the runs with these numbers, which must be listed. Uses a
 * transaction of its own. */
MUST_USE int totals_replace_runs(struct rows *rows, const uint64_t *replaced, size_t count,
                                 const struct run_info *run, struct err *err);

#endif
