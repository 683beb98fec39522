/* The spool: a directory for events that could not be sent yet. Its subdirectory `rejected/` is for those that never
 * will be.
 *
 * A directory is known as a spool by the text in its `lock`. Each event is a file with two lines: the event as it was
 * first made, and the server and token that it is for. The file's name is time, id and a hash of the content. So the
 * oldest come first, an event is there once, and damage shows. A sender holds a lock; a process that only adds needs
 * none. For users: docs/agents.md.
 */
#ifndef CODECMETER_AGENT_SPOOL_H
#define CODECMETER_AGENT_SPOOL_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/client.h"
#include "agent/report.h"
#include "auth/token.h"
#include "base/err.h"

#define SPOOL_WATCH_PREFIX "watch-" /* of files that `watch` keeps in the spool */
#define SPOOL_RUN_PREFIX "run-"     /* of files that `run` keeps in the spool: agent/intent.h */
#define SPOOL_RUN_SUFFIX ".intent"

struct spool {
  char *dir, *url;                  /* its path, and the server that new events are for */
  char token[TOKEN_PUBLIC_ID_SIZE]; /* id of the token that new events are for; "" for no token */
};
/* Fills a spool from the settings; without --spool, with the default directory. Makes and opens nothing. */
void spool_init(struct spool *spool, const struct client_settings *settings);
void spool_fini(struct spool *spool);

/* Makes the directory if it does not exist, 0700, with those above it, and marks it as a spool. -ERR_EXISTS: it
 * contains other files. */
MUST_USE int spool_make(const char *dir, struct err *err);

/* Puts an event into the spool. It is on disk when this returns 0. If an equal event waits already, it keeps its time, so
 * that it never seems to wait for less long than it does. -ERR_FULL, -ERR_IO, -ERR_EXISTS. */
MUST_USE int spool_put(const struct spool *spool, const struct report *report, struct err *err);
/* The same for an event of `watch` whose project the server does not take. It waits like any other, so it is not lost
 * if its file goes away. But while the file is there, `watch` may record it for another project later: spool_release.
 * replaces: removes another event that an earlier process held for this output, time and project. That `watch` had
 * other options (labels, kind), and the last ones count. */
MUST_USE int spool_hold(const struct spool *spool, const struct report *report, bool replaces, struct err *err);
/* Removes what spool_hold has put for the same output at the same time, because the output is recorded. An event that
 * cannot be removed stays: the user sees it, or it is a duplicate. */
void spool_release(const struct spool *spool, const struct report *report);
/* True if there is an event that spool_hold has put. */
bool spool_has_held(const struct spool *spool);
/* The same as spool_put into rejected/, with outcome and reason. */
MUST_USE int spool_reject(const struct spool *spool, const struct report *report, enum report_outcome outcome,
                          const char *reason, struct err *err);

/* Appends the second line of a file: the server and token that its event is for. */
void spool_append_address(const struct spool *spool, struct buf *out);
/* True if that is the name of a run's note. */
bool spool_is_run(const char *name);
/* An output that has no event: of a run, or one that `watch` does not record. */
struct spool_lost {
  const char *output, *project; /* its path; "" for the token's project */
  int64_t began_ms;             /* when the run began, or what was recorded of the output was written; Unix ms */
};
/* Notes it in rejected/, under that name. */
MUST_USE int spool_note_unmetered(const struct spool *spool, const char *name, const struct spool_lost *lost,
                                  const char *reason, struct err *err);
/* Moves a damaged file into rejected/, and writes a note with the reason beside it. */
MUST_USE int spool_move_aside(const struct spool *spool, const char *name, const char *reason, struct err *err);

struct spool_sums {
  uint64_t sent, duplicate, rejected;
  uint64_t left;        /* still in the spool */
  uint64_t elsewhere;   /* of `left`: for another server or token */
  uint64_t unreadable;  /* of `left`: files that this user may not read, or that the disk does not give back */
  struct err why_unreadable; /* of the first of these */
  uint64_t projectless; /* of `left`: the server does not know their project, or the token is not for it */
  char why_projectless[REPORT_REASON_MAX]; /* of the first of these events */
  uint64_t unsettled;                      /* of `left`: killed runs that have no events yet */
  struct err why_unsettled;                /* of the first of these runs */
};
struct spool_pass {
  /* Called first, with the lock held; or NULL. */
  void (*first)(const struct spool *spool, const struct spool_pass *pass, struct spool_sums *sums);
  void (*say)(void *arg, const char *text); /* gets a line for the user; or NULL */
  void *say_arg;
  uint64_t most;     /* events to send at most */
  int tries;         /* for each event */
  bool waits;        /* wait while another process sends; else -ERR_BUSY */
  bool other_tokens; /* also send events of another token that name their project */
  bool any;          /* also send events for another server, or for the project of another token */
  void (*step)(void *arg, const struct spool_sums *sums, uint64_t of); /* called after each event; or NULL */
  void *step_arg;
};
/* Sends the waiting events, oldest first, and adds to sums. The first failure ends it: nothing is lost, and the rest
 * is counted as left. Without `any`, an event whose project the server does not take stays: the project may be
 * created, or a flush with another token may send it. -ERR_NOT_FOUND: there is no spool. -ERR_DENIED: there is one, and this user
 * may not read and write it. -ERR_BUSY: another process
 * sends. Other errors: those of report_send and of files. */
MUST_USE int spool_send(const struct spool *spool, struct client *client, const struct spool_pass *pass,
                        struct spool_sums *sums, struct err *err);

/* ---- looking at a spool: changes nothing, takes no lock, needs no token, and works beside a sender ---- */

enum spool_item_state {
  SPOOL_WAITS,      /* url, token and project say for whom */
  SPOOL_DAMAGED,    /* the next sender moves it into rejected/; `why` says why */
  SPOOL_UNREADABLE, /* this user may not read it, or it cannot be read now; `why` says why */
};
/* An event's file. The texts are valid during the call. */
struct spool_item {
  enum spool_item_state state;
  struct str url, token, project; /* token and project may be empty: no token was given; the token's project */
  int64_t put_ms;                 /* Unix ms: when it was first put into the spool; 0: unknown */
  const char *why;
};
/* Visits the events in the directory's order, which is no order. Skips those that are being written. Its memory does
 * not grow with their number. -ERR_NOT_FOUND: the directory does not exist. -ERR_EXISTS: it is no spool. -ERR_DENIED:
 * this user may not list it. -ERR_IO. */
MUST_USE int spool_look(const char *dir, void (*visit)(void *arg, const struct spool_item *item), void *arg,
                        struct err *err);

/* How full a spool is. */
struct spool_depth {
  uint64_t waiting;  /* events, also damaged ones */
  int64_t oldest_ms; /* how long the oldest of them has waited; 0: there is none */
  uint64_t rejected; /* notes in rejected/ */
};
/* Counts files by their names and times, and reads none. A directory that does not exist, is no spool or cannot be read
 * counts as empty. */
void spool_measure(const char *dir, struct spool_depth *ret);

/* A note in rejected/. The texts are valid during the call. */
struct spool_refusal {
  struct str outcome, reason; /* "unreadable" and why, if the note itself cannot be read */
  int64_t refused_ms;         /* Unix ms */
};
/* Visits the notes in rejected/ likewise. 0 also if there is no rejected/. */
MUST_USE int spool_look_rejected(const char *dir, void (*visit)(void *arg, const struct spool_refusal *refusal),
                                 void *arg, struct err *err);

#endif
