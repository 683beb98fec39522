/* Where an open ledger lies: whether a later start will find what is written now. */
#ifndef CODECMETER_LEDGER_PLACES_H
#define CODECMETER_LEDGER_PLACES_H

#include "ledger/state.h"

/* Remembers the directories of a ledger whose files are open. */
MUST_USE int places_begin(struct ledger *ledger, struct err *err);
void places_fini(struct ledger *ledger);
/* As ledger_check_places; `all`: each segment of the log, too. */
MUST_USE int places_check(struct ledger *ledger, bool all, struct err *err);

#endif
