/* Asks a running server for a checkpoint, so that what it holds in memory only is in its derived files too. */
#ifndef CODECMETER_CLI_CHECKPOINT_H
#define CODECMETER_CLI_CHECKPOINT_H

#include "base/err.h"
#include "cli/datadir.h"
#include "cli/progress.h"

/* Waits until the server of a data directory has checkpointed all that it holds now, and shows how far it is. 0 too
 * when no server runs. -ERR_BUSY: it has not done so within two minutes; other errors say why it cannot. */
MUST_USE int checkpoint_wait(const struct datadir *dir, struct progress *progress, struct err *err);

#endif
