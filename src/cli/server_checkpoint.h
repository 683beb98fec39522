/* Asks a running server for a checkpoint, which writes the records that are in its memory only to derived files. */
#ifndef CODECMETER_CLI_SERVER_CHECKPOINT_H
#define CODECMETER_CLI_SERVER_CHECKPOINT_H

#include "base/err.h"
#include "cli/progress.h"
#include "server/datadir.h"

/* Waits until the server of a data directory has checkpointed every record that it holds now, and shows the progress.
 * 0 also if no server runs. -ERR_BUSY: not done within two minutes; other errors say why the server cannot. */
MUST_USE int server_checkpoint_wait(const struct datadir *dir, struct progress *progress, struct err *err);

#endif
