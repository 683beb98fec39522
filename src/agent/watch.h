/* Recording outputs as they are finished in directories: what `watch` does, without its options.
 *
 *   told of a file ──> pending ──(unchanged for the settling time, nobody writes it)──> recorder ──> place
 *         ^               │ changed: waits again                    │ could not be kept: waits again
 *         └── overflow, restart: every file is told of, and those in the place passed over
 */
#ifndef CODECMETER_AGENT_WATCH_H
#define CODECMETER_AGENT_WATCH_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/client.h"
#include "agent/wanted.h"
#include "base/err.h"

/* Borrowed, as all that it points to, for as long as the watch lives. */
struct watch_options {
  struct client_settings settings; /* filled; interrupted says when to end */
  struct wanted wanted;
  uint64_t settle_ms;
  char *state;         /* directory of places; NULL: the spool */
  bool existing, once; /* record what was there before the first watch; look once */
  bool quiet;          /* prints nothing but what complain does */
  void (*complain)(const struct err *err);
  void (*on_progress)(void); /* called often while it gets on, never while it hangs */
  int64_t wait_max_ms;       /* it calls on_progress at least this often while there is nothing to do; 0: no need */
};

struct watch;
/* Locks the place of each directory; names end with NULL and are borrowed. -ERR_USAGE, -ERR_DENIED; -ERR_BUSY:
 * another watches it. */
MUST_USE int watch_open(const struct watch_options *options, char *const *names, struct watch **ret, struct err *err);
void watch_close(struct watch *watch);
SCOPED_REF(struct watch, watch_close)

/* Finds everything that is there, and says that it watches. The places are saved before that: from then on a file is
 * new. */
MUST_USE int watch_look_round(struct watch *watch, struct err *err);
/* Records what is finished until it is interrupted, or with once until nothing is left. Signals have the mask
 * `while_waiting` only while it waits. */
MUST_USE int watch_go_on(struct watch *watch, const sigset_t *while_waiting, struct err *err);
/* Sends what waits, with once, and saves the places. */
MUST_USE int watch_end(struct watch *watch, struct err *err);
/* With once: was there something that could be kept nowhere? */
bool watch_has_lost(const struct watch *watch);

#endif
