/* A thread that syncs a file while its owner does other work. One owner. */
#ifndef CODECMETER_LEDGER_LOG_SYNCER_H
#define CODECMETER_LEDGER_LOG_SYNCER_H

#include "base/err.h"
#include "base/scope.h"

struct syncer;

/* NULL if no thread can be started, or there is no memory. */
MUST_USE struct syncer *syncer_new(void);
/* No sync may be under way. */
void syncer_free(struct syncer *syncer);

/* Begins an fdatasync. Borrows fd and name (for the message) until syncer_wait. */
void syncer_begin(struct syncer *syncer, int fd, const char *name);
/* Waits for the sync that syncer_begin began and returns the result of file_sync_data. */
MUST_USE int syncer_wait(struct syncer *syncer, struct err *err);

/* Syncs on the caller's thread, and counts how long it took, as the thread does. */
MUST_USE int syncer_sync(int fd, const char *name, struct err *err);

#endif
