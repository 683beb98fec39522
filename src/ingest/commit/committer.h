/* The committer: the only thread that writes to the ledger. Source: design §6.
 *
 * It takes the queued batches (the queue is bounded), decides them, commits them with one sync, and calls each
 * batch's `done`. Administrative changes go first. While both deltas are full it waits for the checkpointer, and the
 * batches wait with it. It does not wait for a checkpoint that lacks something: the batches get that error.
 *
 * A batch belongs to the committer from committer_submit until its `done` is called. That happens exactly once, on
 * the committer's thread, even if the batch's maker no longer waits for it: then `done` frees the batch.
 *
 * The committer is made before the ledger and freed after it, so that the ledger's wake_writer always finds it:
 *
 *   committer_new -> ledger_open -> committer_start … committer_stop -> ledger_close -> committer_free
 */
#ifndef CODECMETER_INGEST_COMMIT_COMMITTER_H
#define CODECMETER_INGEST_COMMIT_COMMITTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "ledger/ledger.h"

struct committer;

struct committer_options {
  struct ledger *ledger; /* borrowed; the committer is its writer until committer_stop has returned */
  uint64_t queue_events; /* limit of events that are queued or being committed; beyond it, -ERR_BUSY */
  uint64_t commit_bytes; /* a group is committed when so many bytes are staged, even if more events wait */
  /* Called at most once, on the committer's thread, when the ledger cannot go on. The program must drain and exit
   * non-zero. Must not call the committer. From then on submissions and changes get -ERR_STOPPING. */
  void (*on_fatal)(void *arg, const struct err *err);
  void *on_fatal_arg;
};

#define COMMITTER_PROJECTS_MAX 100 /* projects that one batch may create */

struct batch {
  const struct usage *usages; /* borrowed until done */
  size_t count;
  uint64_t bytes; /* of memory that the batch holds; only counted */
  /* If not "", the committer creates the projects that the usages name and that do not exist, in this zone, before it
   * decides the batch. If more than COMMITTER_PROJECTS_MAX are missing, it creates that many, decides nothing, and
   * gives -ERR_LIMIT; the next attempt continues. */
  char projects_zone[ZONE_NAME_MAX + 1];
  struct verdict *verdicts; /* count entries, written before done is called with 0 */
  /* result 0: every verdict is durable. Otherwise no verdict may be reported to the client: -ERR_LIMIT as above,
   * -ERR_FULL or another error of ours that passes, -ERR_IO if the ledger cannot go on. Some events may have been
   * stored even so; a retry finds them as duplicates. `done` may free the batch; it must not block or call the
   * committer. */
  void (*done)(struct batch *batch, int result);
  void *arg;          /* belongs to the maker */
  struct batch *next; /* belongs to the committer */
};

/* NULL if there is no memory. */
MUST_USE struct committer *committer_new(void);
/* The committer must be stopped, or never have been started. */
void committer_free(struct committer *committer);
SCOPED_REF(struct committer, committer_free)

/* Call once. From here until committer_stop has returned, the committer's thread is the ledger's writer. */
MUST_USE int committer_start(struct committer *committer, const struct committer_options *options, struct err *err);
/* Accepts nothing more, commits what is queued, calls every `done`, and ends the thread. After this, and before the
 * start, submissions and changes get -ERR_STOPPING. */
void committer_stop(struct committer *committer);

/* True if the committer has nothing to do, waits for a checkpoint, or has made progress since the last call with the
 * same `seen` (*seen is 0 before the first call). False: it hangs, for example on a disk that does not answer. Any
 * thread. */
MUST_USE bool committer_has_moved(struct committer *committer, uint64_t *seen);

/* A shortage for which usage was refused is forgotten after this time, if nobody has reported since. */
#define COMMITTER_RECENT_MS 15000
struct committer_status {
  uint64_t events, events_max; /* queued or being committed, and the bound */
  uint64_t bytes;              /* of memory that these hold */
  enum err_code shortage;      /* for which usage is refused now; ERR_NONE: it is taken */
};
/* Any thread, after committer_start. */
void committer_status(struct committer *committer, struct committer_status *ret);

/* For ledger_options.wake_writer, with the committer as the argument. Any thread, any time. */
void committer_wake(void *committer);
/* Queues a batch. -ERR_BUSY: queue_events would be exceeded (a batch that is larger on its own is accepted if the
 * queue is empty). -ERR_STOPPING: the committer is not running. After an error `done` is not called. Any thread. */
MUST_USE int committer_submit(struct committer *committer, struct batch *batch);
/* Makes one change and waits until it is durable and in force. -ERR_IO: the ledger cannot go on. Any thread except
 * the committer's. */
MUST_USE int committer_change(struct committer *committer, const struct change *change, struct err *err);
/* Asks for a checkpoint of everything below a position, and does not wait for it: ledger_status says when it is done.
 * -ERR_STOPPING: the committer is not running. Any thread. */
MUST_USE int committer_want_checkpoint(struct committer *committer, uint64_t up_to, struct err *err);
/* Reports usages, at least one, and waits until their verdicts are durable. projects_zone: as of a batch; NULL for
 * none. Errors: those of committer_submit and of a batch. Any thread except the committer's. */
MUST_USE int committer_report(struct committer *committer, const struct usage *usages, size_t count,
                              const char *projects_zone, struct verdict *ret_verdicts, struct err *err);

#endif
