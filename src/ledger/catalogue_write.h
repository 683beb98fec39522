/* The catalogue's other side: how the ledger fills it. For files of src/ledger only.
 *
 * All of these are called by the writer thread (or by recovery, before there are readers). What they change, they change
 * under the catalogue's lock; what they only read needs none, since nobody else changes it.
 */
#ifndef CODECMETER_LEDGER_CATALOGUE_WRITE_H
#define CODECMETER_LEDGER_CATALOGUE_WRITE_H

#include "ledger/catalogue.h"
#include "ledger/delta.h"
#include "ledger/record.h"
#include "ledger/totals.h"
#include "meter/codec.h"

MUST_USE struct catalogue *catalogue_new(void);
void catalogue_free(struct catalogue *catalogue);

/* Fills it from the rows that a checkpoint left. */
MUST_USE int catalogue_load(struct catalogue *catalogue, struct rows_txn *snapshot, struct err *err);

/* Decides a change: appends the encoded records that it takes, one behind the other, to out. -ERR_EXISTS,
 * -ERR_NOT_FOUND, -ERR_RANGE say why not. */
MUST_USE int catalogue_decide(const struct catalogue *catalogue, const struct change *change, int64_t now_ms,
                              struct buf *out, struct err *err);

/* More bytes than applying the records of one change takes, the growth of a table included. */
size_t catalogue_memory_of_change(const struct catalogue *catalogue);

/* Applies a committed catalogue record, and puts the rows to keep into the delta. One that a later look shows to be
 * void (created twice) changes nothing. */
MUST_USE int catalogue_apply(struct catalogue *catalogue, const struct record *record, struct delta *delta,
                             struct err *err);

/* The number of usage that names no codec: failed tasks, remuxes and snapshots need none. It is no name's. */
#define CODEC_NUMBER_NONE UINT8_MAX
static_assert(CODEC_NAMES_PER_PROJECT <= CODEC_NUMBER_NONE, "a codec's number is none of a name's");

/* A project as the writer sees it. */
struct project_state {
  struct project info;
  const struct zone *zone;
  char codecs[CODEC_NAMES_PER_PROJECT][CODEC_NAME_MAX + 1]; /* by codec number */
  unsigned codecs_count;
  uint64_t listed; /* by enabled keys of sub-accounts */
};
/* NULL when there is none. Valid until the next apply. */
const struct project_state *catalogue_state(const struct catalogue *catalogue, struct str id);
const struct project_state *catalogue_state_of_number(const struct catalogue *catalogue, uint32_t number);
/* The number of a codec name in a project's list, or -1; CODEC_NUMBER_NONE for an empty name. */
int catalogue_codec_number(const struct project_state *project, struct str codec);
/* Gives a codec the next number of its project. False when all are taken. */
MUST_USE bool catalogue_add_codec(struct catalogue *catalogue, const struct project_state *project, struct str codec,
                                  struct delta *delta);

/* For readers, any thread: copies a project's zone and its codec names by number. */
MUST_USE bool catalogue_copy_state(const struct catalogue *catalogue, struct str id, struct project_state *ret);

#endif
