/* The spool: a directory in which events wait that could not be sent, and `rejected/` in it for what never will be.
 *
 * It is known by the text in its `lock`. A file an event, two lines: the event as it was first made, and for whom it
 * is. Its name is time, id and a hash of the content, so that the oldest come first, the same event is there once,
 * and damage shows. Whoever sends holds a lock; whoever only adds need not. What users may know of it is in
 * docs/agents.md.
 */
#ifndef CODECMETER_AGENT_SPOOL_H
#define CODECMETER_AGENT_SPOOL_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/client.h"
#include "agent/report.h"
#include "auth/token.h"
#include "base/err.h"

#define SPOOL_WATCH_PREFIX "watch-" /* of files that `watch` keeps in it */
#define SPOOL_RUN_PREFIX "run-"     /* of files that `run` keeps in it: agent/intent.h */
#define SPOOL_RUN_SUFFIX ".intent"

struct spool {
  char *dir, *url;                  /* where, and whom its events are for */
  char token[TOKEN_PUBLIC_ID_SIZE]; /* and whose; "" for no token */
};
/* Takes what the settings say, else the default place. Makes and opens nothing. */
void spool_init(struct spool *spool, const struct client_settings *settings);
void spool_fini(struct spool *spool);

/* Makes a directory to be a spool if it is not there, 0700, with those above it. -ERR_EXISTS: it holds other files.
 */
MUST_USE int spool_make(const char *dir, struct err *err);

/* The event is on disk when this returns 0. -ERR_FULL, -ERR_IO, -ERR_EXISTS. */
MUST_USE int spool_put(const struct spool *spool, const struct report *report, struct err *err);
/* The same into rejected/, with outcome and reason. */
MUST_USE int spool_reject(const struct spool *spool, const struct report *report, enum report_outcome outcome,
                          const char *reason, struct err *err);

/* The second line of a file: for whom its events are. */
void spool_append_address(const struct spool *spool, struct buf *out);
/* Is a file of that name the note of a run? */
bool spool_is_run(const char *name);
/* Notes in rejected/, under a name, an output of which there is no event. */
MUST_USE int spool_note_unmetered(const struct spool *spool, const char *name, const char *output,
                                  const char *reason, struct err *err);
/* Moves a damaged file into rejected/, with a note of the reason beside it. */
MUST_USE int spool_move_aside(const struct spool *spool, const char *name, const char *reason, struct err *err);

struct spool_sums {
  uint64_t sent, duplicate, rejected;
  uint64_t left;      /* still there */
  uint64_t elsewhere; /* of these: for another server or token */
  uint64_t unreadable; /* of these: files that this user may not read */
  uint64_t unsettled;  /* of these: runs that were killed and of which there are no events yet */
  struct err why_unsettled; /* of the first of them */
};
struct spool_pass {
  /* Called first, with the lock held; or NULL. */
  void (*first)(const struct spool *spool, const struct spool_pass *pass, struct spool_sums *sums);
  void (*say)(void *arg, const char *text); /* takes a line for the user; or NULL */
  void *say_arg;
  uint64_t most;     /* events to send at most */
  int tries;         /* of each */
  bool waits;        /* while another process sends; else it is left to that one */
  bool other_tokens; /* also what came with another token, if it names its project */
  bool any;          /* also what is for another server, or for another token's project */
  void (*step)(void *arg, const struct spool_sums *sums, uint64_t of); /* or NULL */
  void *step_arg;
};
/* Sends what waits, oldest first, and adds to sums. The first failure ends it: nothing is lost, what is left is
 * counted. -ERR_NOT_FOUND: there is no spool; -ERR_BUSY: another process sends; else as report_send and files do. */
MUST_USE int spool_send(const struct spool *spool, struct client *client, const struct spool_pass *pass,
                        struct spool_sums *sums, struct err *err);

#endif
