/* Intents: the notes that `run` makes in the spool before it starts a command, so that the outputs are metered even
 * if `run` is killed. For users: docs/agents.md, "A run that is killed".
 *
 * A file `run-TIME-RANDOM.intent` with lines of JSON. `run` writes and syncs the first two before the command exists.
 * The child writes the third before it becomes the command. `run` writes the fourth when the command has ended:
 *
 *   {"intent":3,"host":"…","pid":…,"start":…,"project":"…","began":[SECONDS,NANOSECONDS],"as":{…},"outputs":[…]}
 *   {"spool":1,"url":"…","token":"…"}          the server and token for its events, as in an event's file
 *   {"pid":…,"start":…}                        the command; `start` as in /proc/PID/stat, because ids are reused
 *   {"status":…,"ended":[…,…],"made":"MARKS"}   the files that were made then; none if the status is not 0
 *
 * If an output was still open for writing then, by a process that outlived the command, `run` adds
 *
 *   {"unfinished":true}                        the marks of the fourth line are those of unfinished files: not used
 *
 * Another run that is about to write to one of the outputs, and cannot settle the intent first, adds
 *
 *   {"taken":"PATH"}                           as in outputs: what is there from now on is not this run's
 *
 * Another run that overlaps with this one, and may write to the same places (agent/rivals.h), adds what it is:
 *
 *   {"rival":[SECONDS,NANOSECONDS],"outputs":[…]}   when it began, and its candidates, without `seen`
 *
 * `as` is what the user says about the outputs (report_options):
 * {"source":"…","id":"…","id_prefix":"…","task_id":"…","kind":"remux","rate":[NUMERATOR,DENOMINATOR],"labels":{…}};
 * what is not given is left out. With labels, the version is 4, because an older agent would make the events without
 * them.
 *
 * An output is a candidate of agent/outputs.h:
 *
 *   {"path":"…","was":[DEVICE,INODE,SIZE,MTIME,NANOSECONDS,CTIME,NANOSECONDS],"role":"output","seen":"MARKS","remux":true,…}
 *
 * The path is absolute, with %XX for bytes that JSON text cannot hold. `was` is the file that was there before the
 * run; null if there was none. `role` is "output" or "argument"; without it, the user named the file with --output.
 * `seen` has the marks of the files that the pattern matched before. "remux", "task", "full" and "hidden" are true or
 * left out. MARKS are struct file_mark: 48 hexadecimal digits for each file, so a pattern may match 300,000 files.
 *
 * In notes of version 2, `seen` is an array of objects with path and `was`, and there is no `made`. In notes of
 * version 1, every output is of the kind that --output names, and a task.
 *
 * `run` and its command hold a lock (flock) on the file. `run` removes the file when all its outputs are delivered.
 */
#ifndef CODECMETER_AGENT_INTENT_H
#define CODECMETER_AGENT_INTENT_H

#include <time.h>

#include "agent/findings.h"
#include "agent/outputs.h"
#include "agent/spool.h"
#include "base/err.h"

struct intent;
/* Notes a run whose outputs have been looked at. The note is on disk when this returns 0. -ERR_NOT_FOUND: there is no
 * spool (/dev/null). Other errors: those of spool_put. */
MUST_USE int intent_write(const struct spool *spool, const struct outputs *outputs,
                          const struct outputs_report *report, struct timespec began, struct intent **ret,
                          struct err *err);
/* Call in the child, just before it becomes the command: notes its process, and leaves it a descriptor that holds the
 * lock. */
void intent_note_command(const struct intent *intent);
/* Makes this run and the others that are there known to each other, where they may write to the same places. Call it when
 * the run is noted, and before its command starts: of two runs that begin at once, at least one sees the other then. */
void intent_meet(struct intent *intent, const struct spool *spool, const struct outputs *outputs, struct timespec began);
/* Gives the outputs the rivals that are known now. Returns true if there are more than before. What a rival has made was
 * seen only after the rival was known. So call it after looking at what was made, and if it returns true, look again. */
bool intent_learn_rivals(const struct intent *intent, struct outputs *outputs);
/* Notes how the command ended, and what it made. If that cannot be written, both stay unknown. */
void intent_note_end(const struct intent *intent, const struct outputs *outputs, int status, struct timespec ended);
/* Notes that what the command made was not finished when it ended. */
void intent_note_unfinished(const struct intent *intent);
/* Leaves the file to the next agent, and frees the intent, which may be NULL. */
void intent_leave(struct intent *intent);
/* Removes the file and frees the intent, which may be NULL. Call it when every output is delivered, or the user knows
 * that it is not. */
void intent_remove(struct intent *intent);
SCOPED_REF(struct intent, intent_remove)

/* For spool_pass.first: puts events for the outputs of killed runs into the spool, and removes their intents. The
 * caller holds the spool's lock. Runs that cannot be settled yet are counted in sums->unsettled and sums->left. */
void intent_settle(const struct spool *spool, const struct spool_pass *pass, struct spool_sums *sums);
/* Before a run starts its command: settles the runs that were killed and have one of these outputs too. Later, they
 * would take for their own what this run makes. One that cannot be settled yet loses the output. Without the spool's
 * lock, which a sender holds for long. Says what it did with pass->say. */
void intent_settle_outputs(const struct spool *spool, const struct outputs *outputs, const struct spool_pass *pass);

/* ---- looking at the notes of runs, without changing anything ---- */

enum intent_state {
  INTENT_RUNS,       /* `run` lives, or begins */
  INTENT_KILLED,     /* `run` was killed: `why` says why it is not settled yet */
  INTENT_UNREADABLE, /* `why` says why */
};
/* The texts are valid during the call. */
struct intent_view {
  enum intent_state state;
  const char *name, *why;
  const char *url, *token, *project; /* "" if it is unknown; project: "" for the token's */
  int64_t began_ms;                  /* Unix ms; 0: unknown */
  size_t outputs;
};
/* Visits the notes in a spool. Each is locked while it is read. */
void intent_look(const char *dir, void (*visit)(void *arg, const struct intent_view *view), void *arg);

#endif
