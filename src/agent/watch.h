/* Records the outputs in directories as they are finished: the work of `watch`, without its command line.
 *
 *   reported file ──> pending ──(unchanged for the settling time, no writer)──> recorder ──> place
 *         ^              │ changed: waits again                │ could not be kept: waits again
 *         │              │ named by a list that is pending: waits for it
 *         └── overflow, restart: every file is reported, and those in the place are passed over
 */
#ifndef CODECMETER_AGENT_WATCH_H
#define CODECMETER_AGENT_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/client.h"
#include "agent/path_pattern.h"
#include "agent/report.h"
#include "agent/wanted.h"
#include "base/err.h"

/* The watch borrows the options, and everything that they point to, as long as it lives. */
struct watch_options {
  struct client_settings settings; /* filled; `interrupted` says when to end */
  struct wanted wanted;
  const struct path_pattern *pattern; /* gives fields of events; NULL: none */
  struct report_options as;           /* source, kind, labels and media of the events; the rest is not used */
  uint64_t settle_ms;
  char *state;         /* directory of places; NULL: the spool */
  bool existing, once; /* record files from before the first watch; look only once */
  bool dry;            /* with `once`: print what would be recorded; send nothing, keep nothing on disk */
  bool quiet;          /* print nothing except through complain */
  void (*complain)(const struct err *err);
  void (*on_progress)(void); /* called often while the watch makes progress, never while it hangs */
  int64_t wait_max_ms;       /* while there is nothing to do, call on_progress at least this often; 0: need not */
};

struct watch;
/* Locks the place of each directory. names ends with NULL and is borrowed. -ERR_USAGE, -ERR_DENIED. -ERR_BUSY:
 * another process watches one of them. */
MUST_USE int watch_open(const struct watch_options *options, char *const *names, struct watch **ret, struct err *err);
void watch_close(struct watch *watch);
SCOPED_REF(struct watch, watch_close)

/* Finds all files, saves the places, and then prints that it watches (not with `once` or `quiet`): a file that
 * appears after that is new. */
MUST_USE int watch_look_round(struct watch *watch, struct err *err);
/* Records finished files until it is interrupted; with `once`, until no file is left. A stop request
 * (base/stop.h) ends a wait. */
MUST_USE int watch_go_on(struct watch *watch, struct err *err);
/* Saves the places. With `once`, first sends the events that wait in the spool. */
MUST_USE int watch_end(struct watch *watch, struct err *err);
/* With `once`: true if a file was left that needs help: it could not be read, its event could be kept nowhere or
 * waits for a token or an address that is wrong, the server does not take its project, or its path does not match. */
bool watch_has_lost(const struct watch *watch);

#endif
