/* The committer: the one thread that writes to the ledger. Source: design §6.
 *
 * It gathers what is queued (bounded), decides, commits with one sync, and tells each waiter. Administration goes
 * first. While both deltas are full it waits for the checkpointer; a job waits with it until its deadline. It does
 * not wait for a checkpoint that lacks something: the job gets that error.
 *
 * A batch belongs to the committer from committer_submit on until its `done` is called, which happens exactly once,
 * on the committer's thread. A waiter that has given up meanwhile is the maker's affair: `done` still comes, and the
 * batch is freed there.
 *
 * It is made before the ledger and freed after it, so that the ledger's wake_writer always finds it:
 *
 *   committer_new -> ledger_open -> committer_start … committer_stop -> ledger_close -> committer_free
 */
#ifndef CODECMETER_INGEST_COMMITTER_H
#define CODECMETER_INGEST_COMMITTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "ledger/ledger.h"

struct committer;

struct committer_options {
  struct ledger *ledger; /* borrowed; the committer is its writer until committer_stop has returned */
  uint64_t queue_events; /* events that may be queued or under way; more is -ERR_BUSY */
  uint64_t commit_bytes; /* staged bytes at which a group is committed though more of it is to come */
  /* Called at most once, on the committer's thread, when the ledger cannot go on: the program must drain and exit
   * non-zero. Must not call the committer. From then on submissions and changes get -ERR_STOPPING. */
  void (*on_fatal)(void *arg, const struct err *err);
  void *on_fatal_arg;
};

#define COMMITTER_PROJECTS_MAX 100 /* that one batch may make */

struct batch {
  const struct usage *usages; /* borrowed until done */
  size_t count;
  /* If not "", projects of its usages that do not exist are made with this zone before it is decided. When more than
   * COMMITTER_PROJECTS_MAX are missing, so many are made and nothing is decided: -ERR_LIMIT; the next attempt goes
   * on. */
  char projects_zone[ZONE_NAME_MAX + 1];
  struct verdict *verdicts; /* count entries, written before done is called with 0 */
  /* result 0: every verdict is durable. -ERR_LIMIT, or -ERR_FULL or another that is ours for now, -ERR_IO for good:
   * nothing may be told; some events may have been stored nevertheless, which a retry finds as duplicates. May free
   * the batch; must not block, nor call the committer. */
  void (*done)(struct batch *batch, int result);
  void *arg;          /* the maker's */
  struct batch *next; /* the committer's */
};

/* NULL when out of memory. */
MUST_USE struct committer *committer_new(void);
/* Stopped before, or never started. */
void committer_free(struct committer *committer);
SCOPED_REF(struct committer, committer_free)

/* Once. From here until committer_stop has returned the committer's thread is the ledger's writer. */
MUST_USE int committer_start(struct committer *committer, const struct committer_options *options, struct err *err);
/* Accepts nothing more, commits what is queued, calls every done, ends the thread. Afterwards, and before the start,
 * submissions and changes get -ERR_STOPPING. */
void committer_stop(struct committer *committer);

/* True if the committer has nothing to do, waits for a checkpoint, or has got on since the call before with the same
 * *seen (0 at first). False: it has hung since then, as on a disk that does not answer. Any thread. */
MUST_USE bool committer_has_moved(struct committer *committer, uint64_t *seen);

/* For ledger_options.wake_writer, with the committer as its argument; any thread, any time. */
void committer_wake(void *committer);
/* Queues a batch. -ERR_BUSY when queue_events would be passed (one batch larger than that alone is taken when the
 * queue is empty), -ERR_STOPPING when not running; then `done` is not called. Any thread. */
MUST_USE int committer_submit(struct committer *committer, struct batch *batch);
/* Makes one change and waits until it is durable and in force; -ERR_IO when the ledger cannot go on. Any thread but
 * the committer's. */
MUST_USE int committer_change(struct committer *committer, const struct change *change, struct err *err);
/* Asks for a checkpoint of all that the ledger holds below a position, and does not wait for it: ledger_status says
 * when it is done. -ERR_STOPPING when not running. Any thread. */
MUST_USE int committer_want_checkpoint(struct committer *committer, uint64_t up_to, struct err *err);
/* Reports one usage and waits until its verdict is durable. Errors as committer_submit's and a batch's. Any thread
 * but the committer's. */
MUST_USE int committer_report(struct committer *committer, const struct usage *usage, struct verdict *ret,
                              struct err *err);

#endif
