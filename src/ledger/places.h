/* Checks that the files of an open ledger are still in their places, so that a later start finds them. */
#ifndef CODECMETER_LEDGER_PLACES_H
#define CODECMETER_LEDGER_PLACES_H

#include "ledger/state.h"

/* Remembers the directories of a ledger whose files are open. */
MUST_USE int places_begin(struct ledger *ledger, struct err *err);
void places_fini(struct ledger *ledger);
/* As ledger_check_places; checks every segment of the log only if `all`. */
MUST_USE int places_check(struct ledger *ledger, bool all, struct err *err);

#endif
