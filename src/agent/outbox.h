/* Getting events away: to the server, else into the spool. What `record`, `run` and `watch` share. */
#ifndef CODECMETER_AGENT_OUTBOX_H
#define CODECMETER_AGENT_OUTBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/client.h"
#include "agent/report.h"
#include "agent/spool.h"
#include "base/err.h"

struct outbox {
  struct client *client;
  struct spool spool;
  bool reached;     /* the server has answered since the last outbox_catch_up */
  int64_t again_ms; /* monotonic: until then it is taken to be away still */
  struct err away;  /* why */
  bool told_elsewhere;
  bool quiet; /* outbox_catch_up says nothing but errors; the owner may set it */
  uint64_t told_unsettled; /* how many */
};
/* The settings, filled, are borrowed for as long as it lives. */
MUST_USE int outbox_open(const struct client_settings *settings, struct outbox *ret, struct err *err);
void outbox_close(struct outbox *outbox);

struct delivered {
  enum report_outcome outcome;
  char reason[ERR_TEXT_MAX]; /* unless it is stored */
  bool needs_help;           /* spooled, and waiting alone will not mend it: the token or the address is wrong */
};
/* Sends, with retries; spools what the server cannot take now, or will not take from us. After that the server is
 * taken to be away for some seconds, so that many events are not many waits. An error: it is neither with the server
 * nor on disk. */
MUST_USE int outbox_send(struct outbox *outbox, const struct report *report, struct delivered *ret, struct err *err);
/* "WHAT: REASON; it waits in DIR, and goes with what is stored next, or with `codecmeter flush`", of what is spooled;
 * or, where the token or the address was refused, with what it can be sent then. Gives -ERR_DENIED when it needs
 * help, else -ERR_NETWORK. */
int outbox_say_waiting(const struct outbox *outbox, const char *what, const struct delivered *delivered,
                       struct err *err);

/* Before a command starts that makes these outputs: settles the runs that were killed and had one of them too
 * (intent_settle_outputs). Sends nothing. outputs ends with NULL. */
void outbox_before_run(const struct outbox *outbox, const char *command, char *const *outputs);

enum catch_up { CATCH_UP_ALL, CATCH_UP_SOME, CATCH_UP_NONE };
/* Sends a few of those that wait, if the server has just been reached, and says on standard error what came of it. Before,
 * settles the runs that were killed (agent/intent.h).
 * CATCH_UP_ALL: none of ours is left. Says once if others'
 * are. */
enum catch_up outbox_catch_up(struct outbox *outbox, const char *command);

#endif
