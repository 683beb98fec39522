/* Syncs a file while its owner does something else: a thread that waits for the disk in its place. One owner. */
#ifndef CODECMETER_LEDGER_SYNCER_H
#define CODECMETER_LEDGER_SYNCER_H

#include "base/err.h"
#include "base/scope.h"

struct syncer;

/* NULL when there is no thread to be had. */
MUST_USE struct syncer *syncer_new(void);
/* Nothing may be under way. */
void syncer_free(struct syncer *syncer);

/* Begins with fdatasync; fd and name (for the message) are lent until syncer_wait. */
void syncer_begin(struct syncer *syncer, int fd, const char *name);
/* Waits for it; what file_sync_data gave. */
MUST_USE int syncer_wait(struct syncer *syncer, struct err *err);

#endif
