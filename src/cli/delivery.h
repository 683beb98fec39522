/* Getting events away: to the server, else into the spool. What `record`, `run` and `watch` share. */
#ifndef CODECMETER_CLI_DELIVERY_H
#define CODECMETER_CLI_DELIVERY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "cli/client.h"
#include "cli/report.h"
#include "cli/spool.h"

struct delivery {
  struct client *client;
  struct spool spool;
  bool reached;     /* the server has answered since the last delivery_catch_up */
  int64_t again_ms; /* monotonic: until then it is taken to be away still */
  struct err away;  /* why */
};
/* The settings, filled, are borrowed for as long as it lives. */
MUST_USE int delivery_open(const struct client_settings *settings, struct delivery *ret, struct err *err);
void delivery_close(struct delivery *delivery);

struct delivered {
  enum report_outcome outcome;
  char reason[ERR_TEXT_MAX]; /* unless it is stored */
  bool needs_help;           /* spooled, and waiting alone will not mend it: the token or the address is wrong */
};
/* Sends, with retries; spools what the server cannot take now, or will not take from us. After that the server is
 * taken to be away for some seconds, so that many events are not many waits. An error: it is neither with the server
 * nor on disk. */
MUST_USE int delivery_event(struct delivery *delivery, const struct report *report, struct delivered *ret,
                            struct err *err);
/* "it waits in DIR, and goes with what is stored next, or with `codecmeter flush`" */
void delivery_say_where(const struct delivery *delivery, char *out, size_t size);

enum catch_up { CATCH_UP_ALL, CATCH_UP_SOME, CATCH_UP_NONE };
/* Sends a few of those that wait, if the server has just been reached, and says on standard error what came of it.
 * CATCH_UP_ALL: none of ours is left. */
enum catch_up delivery_catch_up(struct delivery *delivery, const char *command);

#endif
