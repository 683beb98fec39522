/* The outbox: sends events to the server, or puts them into the spool. `record`, `run` and `watch` share it. */
#ifndef CODECMETER_AGENT_OUTBOX_H
#define CODECMETER_AGENT_OUTBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/client.h"
#include "agent/outputs.h"
#include "agent/pulse.h"
#include "agent/report.h"
#include "agent/spool.h"
#include "base/err.h"

struct outbox {
  struct client *client;
  struct spool spool;
  struct pulse pulse;        /* of this command; the owner sets it up, or leaves it without settings: no reports */
  bool reached;              /* the server has answered since the last outbox_catch_up */
  int64_t again_ms;          /* monotonic: until then the outbox does not try to reach the server */
  struct err away;           /* why the server could not be reached */
  bool keeps_projectless;    /* events whose project the server does not take go into the spool; the owner may set it */
  bool said_elsewhere;       /* the user knows that events wait for another server or token */
  uint64_t said_projectless; /* the user knows of so many events that wait for a project */
  bool quiet;                /* outbox_catch_up prints only errors; the owner may set it */
  uint64_t said_unsettled;   /* the user knows of so many unsettled runs */
  struct err said;           /* the last failure of outbox_catch_up that the user knows */
};
/* The settings must be filled; the outbox borrows them as long as it lives. */
MUST_USE int outbox_open(const struct client_settings *settings, struct outbox *ret, struct err *err);
void outbox_close(struct outbox *outbox);

struct delivered {
  enum report_outcome outcome;
  char reason[ERR_TEXT_MAX]; /* unless the event is stored */
  bool needs_help; /* spooled, and only the user can correct the cause: the token, the address or the project is wrong */
  bool lacks_project; /* of these: the server does not know the project, or the token is not for it */
};
/* Sends an event, with retries. Puts it into the spool if the server is away or busy, or if the token or the address
 * is wrong; with keeps_projectless also if the server does not take its project. After the server was away or busy, the outbox does not try again for 5 s, so that many events do not wait
 * one after the other. An error: the event is neither with the server nor on disk. */
MUST_USE int outbox_send(struct outbox *outbox, const struct report *report, struct delivered *ret, struct err *err);
/* Fills err for a spooled event: "WHAT: REASON; the event waits in DIR, …" and how it will be sent. Returns
 * -ERR_DENIED if it needs help, else -ERR_NETWORK. */
int outbox_say_waiting(const struct outbox *outbox, const char *what, const struct delivered *delivered,
                       struct err *err);

/* Before a command starts that makes these outputs: settles the runs that were killed and had one of them too
 * (intent_settle_outputs). Sends nothing. */
void outbox_before_run(const struct outbox *outbox, const char *command, const struct outputs *outputs);

/* Reports this agent's status, if that is due and the server was not just away. */
void outbox_beat(struct outbox *outbox, const char *command);
/* When outbox_beat has work to do (monotonic); INT64_MAX: never. */
int64_t outbox_beat_ms(const struct outbox *outbox);

enum catch_up { CATCH_UP_ALL, CATCH_UP_SOME, CATCH_UP_NONE };
/* If the server has just been reached: settles the runs that were killed (agent/intent.h), sends up to 64 of the
 * events that wait, and prints the result on standard error. CATCH_UP_ALL: none is left that this server and token
 * can take. If events of others are left, it says so once. */
enum catch_up outbox_catch_up(struct outbox *outbox, const char *command);

#endif
