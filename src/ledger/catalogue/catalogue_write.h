/* The writing side of the catalogue: how the ledger fills it. Only for files of src/ledger.
 *
 * Only the writer calls these functions (or recovery, before there are readers), except catalogue_copy_state. They
 * make changes under the catalogue's lock. They read without it, because nobody else makes changes.
 */
#ifndef CODECMETER_LEDGER_CATALOGUE_CATALOGUE_WRITE_H
#define CODECMETER_LEDGER_CATALOGUE_CATALOGUE_WRITE_H

#include "ledger/catalogue.h"
#include "ledger/log/record.h"
#include "ledger/totals/puts.h"
#include "ledger/totals/totals.h"
#include "meter/codec.h"

MUST_USE struct catalogue *catalogue_new(void);
void catalogue_free(struct catalogue *catalogue);

/* Fills the catalogue from the rows that a checkpoint wrote. */
MUST_USE int catalogue_load(struct catalogue *catalogue, struct rows_txn *snapshot, struct err *err);

/* Decides a change: appends the encoded records that it needs to out, one after another. If the change is refused:
 * -ERR_EXISTS, -ERR_NOT_FOUND, -ERR_RANGE, -ERR_LIMIT. For a shortage: -ERR_MEMORY, -ERR_DESCRIPTORS. */
MUST_USE int catalogue_decide(const struct catalogue *catalogue, const struct change *change, int64_t now_ms,
                              struct buf *out, struct err *err);

/* An upper bound of the bytes that it takes to apply the records of one change, including the growth of a table. */
size_t catalogue_memory_of_change(const struct catalogue *catalogue);

/* Applies a committed catalogue record, and adds its rows to puts. A record that creates what exists already
 * changes nothing. */
MUST_USE int catalogue_apply(struct catalogue *catalogue, const struct record *record, struct puts *puts,
                             struct err *err);

/* The number of usage that names no codec: failed tasks, remuxes and snapshots need none. No codec name has it. */
#define CODEC_NUMBER_NONE UINT8_MAX
static_assert(CODEC_NAMES_PER_PROJECT <= CODEC_NUMBER_NONE, "no codec name has the number of usage without a codec");

/* A project as the writer sees it. */
struct project_state {
  struct project info;
  const struct zone *zone;
  const char *codecs[CODEC_NAMES_PER_PROJECT]; /* by codec number; they live as long as the catalogue */
  unsigned codecs_count, others_count;         /* of these, others_count are in no group of meter/codec.h */
  uint64_t listed;                             /* the number of enabled sub-account keys that list it */
};
/* NULL if there is none. Valid until the next apply. */
const struct project_state *catalogue_state(const struct catalogue *catalogue, struct str id);
const struct project_state *catalogue_state_of_number(const struct catalogue *catalogue, uint32_t number);
/* The number of a codec name in a project's list; -1 if it is not there; CODEC_NUMBER_NONE for an empty name. */
int catalogue_codec_number(const struct project_state *project, struct str codec);
/* Keeps a codec's name, so that catalogue_add_codec needs no memory for it. Gives the kept name, which lives as long
 * as the catalogue; NULL without memory. The writer only. */
MUST_USE const char *catalogue_keep_codec(struct catalogue *catalogue, struct str codec);
/* True if the project has the codec's name, or room for one more, given names that it is about to get: `others` of
 * them are in no group of meter/codec.h. */
MUST_USE bool catalogue_has_codec_room(const struct project_state *project, struct str codec, unsigned others);
/* Gives a codec the next number of its project. False if the project has no room for it. */
MUST_USE bool catalogue_add_codec(struct catalogue *catalogue, const struct project_state *project, struct str codec,
                                  struct puts *puts);

/* For readers, any thread: copies a project, its zone, and its codec names by number. False if there is none. */
MUST_USE bool catalogue_copy_state(const struct catalogue *catalogue, struct str id, struct project_state *ret);

#endif
