/* Where the writer finds earlier records: among the staged ones, in the deltas, in the runs. Only for writer.c and
 * apply.c.
 */
#ifndef CODECMETER_LEDGER_LOOKUP_H
#define CODECMETER_LEDGER_LOOKUP_H

#include "ledger/state.h"

/* What decide() asks, answered for one record. */
struct lookup {
  struct ledger *ledger;
  struct hash identity; /* of the record's entry: staging has computed it already, to prefetch what is searched */
};
/* The lookup is borrowed. A usage that is found is in ledger->found; its texts are borrowed until the next search. */
struct decide_before lookup_before(struct lookup *lookup);

/* Prefetches what a search for an identity will read, so that its cache misses overlap instead of following one
 * another. */
void lookup_prefetch(const struct ledger *ledger, struct hash identity);

/* NULL if the project does not exist. */
const struct project_state *lookup_project(struct ledger *ledger, struct str id);

#endif
