/* Runs a command as a child and passes on to it the signals meant for it. */
#ifndef CODECMETER_CLI_CHILD_H
#define CODECMETER_CLI_CHILD_H

#include <stdbool.h>

#include "base/err.h"

/* Called in the child just before it becomes the command. */
struct child_hook {
  void (*prepare)(void *arg);
  void *arg;
};

/* Runs argv (NULL-terminated) and waits. Begins base/stop.h for it (stop_begin_relay): signals go to the child until it
 * has ended, and are requests to stop from then on, so that the caller can finish its work or report it. Call this at
 * most once. *ret_status: as a shell gives it, 128 + n for a signal n, 127 when there is no such command, 126 when it
 * cannot be executed. *ret_started: whether it ran. */
MUST_USE int child_run(char *const *argv, const struct child_hook *hook, int *ret_status, bool *ret_started,
                       struct err *err);

#endif
