/* Totals, catalogue and run list in LMDB: what is derived from the log, small, and changes. docs/format.md, "LMDB".
 *
 * One writer at a time (the checkpointer, or recovery); any number of readers, each at one snapshot, never waiting.
 * A snapshot carries the position that all of it covers.
 */
#ifndef CODECMETER_LEDGER_TOTALS_H
#define CODECMETER_LEDGER_TOTALS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "ledger/delta.h"
#include "ledger/log.h"
#include "ledger/run.h"
#include "meter/usage.h"
#include "meter/zone.h"

struct totals;

/* Opens DIR/totals. -ERR_NOT_FOUND when it is not there. Caller closes. */
MUST_USE int totals_open(const char *dir, uint64_t map_size, struct totals **ret, struct err *err);
/* Makes a new, empty one that covers a new log up to its first block. DIR is made if need be. */
MUST_USE int totals_create(const char *dir, const uint8_t uuid[LEDGER_UUID_SIZE], uint64_t map_size,
                           struct totals **ret, struct err *err);
void totals_close(struct totals *totals);

/* ---- reading ---- */

struct totals_snapshot;

MUST_USE int totals_begin(struct totals *totals, struct totals_snapshot **ret, struct err *err);
void totals_end(struct totals_snapshot *snapshot);
SCOPED_REF(struct totals_snapshot, totals_end)

struct totals_meta {
  uint8_t uuid[LEDGER_UUID_SIZE];
  uint64_t position;     /* all of the log below it is in */
  int64_t block_time_ms; /* of the last block below it */
  uint64_t next_run;
};
MUST_USE int totals_meta(struct totals_snapshot *snapshot, struct totals_meta *ret, struct err *err);

/* How the days of a project stand to a zone and its present rules. NONE: no checkpoint has seen the project yet. */
enum totals_days { TOTALS_DAYS_NONE, TOTALS_DAYS_MATCH, TOTALS_DAYS_STALE };
MUST_USE int totals_days_state(struct totals_snapshot *snapshot, uint32_t project, const struct zone *zone,
                               enum totals_days *ret, struct err *err);

typedef void (*totals_visit_day)(void *arg, int32_t day, uint8_t codec, const struct usage_count sums[TIERS]);
typedef void (*totals_visit_cell)(void *arg, const struct cell *cell);

/* Cells of a project and kind, in order: days in [first, last]; quarter hours in [first, last]. */
MUST_USE int totals_visit_days(struct totals_snapshot *snapshot, uint32_t project, enum usage_kind kind,
                               int32_t first, int32_t last, totals_visit_day visit, void *arg, struct err *err);
MUST_USE int totals_visit_quarters(struct totals_snapshot *snapshot, uint32_t project, enum usage_kind kind,
                                   uint32_t first, uint32_t last, totals_visit_cell visit, void *arg,
                                   struct err *err);

/* Every row of the catalogue, in the order of keys; a visit that returns non-zero ends it with that. */
MUST_USE int totals_visit_catalogue(struct totals_snapshot *snapshot,
                                    int (*visit)(void *arg, struct str key, struct str value, struct err *err),
                                    void *arg, struct err *err);
/* The run list, in the order of numbers. */
MUST_USE int totals_visit_runs(struct totals_snapshot *snapshot,
                               int (*visit)(void *arg, const struct run_info *info, struct err *err), void *arg,
                               struct err *err);

/* ---- writing: all of a checkpoint in one durable transaction ---- */

struct totals_checkpoint {
  const struct delta *delta;    /* catalogue rows and end */
  const struct cell *cells;     /* sorted */
  size_t cells_count;
  const struct run_info *runs;  /* synced already */
  size_t runs_count;
};
/* Afterwards the days of every project match its zone and the zone's present rules. */
MUST_USE int totals_apply(struct totals *totals, const struct totals_checkpoint *checkpoint, struct err *err);

/* In a transaction of its own: lists a run, synced already, in place of those of these numbers, which must be listed. */
MUST_USE int totals_replace_runs(struct totals *totals, const uint64_t *replaced, size_t count,
                                 const struct run_info *run, struct err *err);
/* Forgets readers whose process has died, whose snapshots would keep old pages from being used again. */
void totals_forget_dead_readers(struct totals *totals);

#endif
