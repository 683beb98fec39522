/* Running a command as a child that gets the signals meant for it. */
#ifndef CODECMETER_CLI_CHILD_H
#define CODECMETER_CLI_CHILD_H

#include <stdbool.h>

#include "base/err.h"

/* What the child does just before it becomes the command. */
struct child_hook {
  void (*prepare)(void *arg);
  void *arg;
};

/* Runs argv (NULL-terminated) and waits. SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2 sent to this process are
 * passed on; those that a terminal sends reach the child by themselves. *ret_status: as a shell gives it, 128 + n for
 * a signal n, 127 when there is no such command, 126 when it cannot be executed; *ret_started says whether it ran.
 * The signals stay caught afterwards: what is left to do is done, or said. */
MUST_USE int child_run(char *const *argv, const struct child_hook *hook, int *ret_status, bool *ret_started,
                       struct err *err);
/* Has one of those signals come since the command ended? */
bool child_interrupted(void);

#endif
