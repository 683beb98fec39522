/* The committer: the one thread that writes to the ledger. Source: design §6.
 *
 * It gathers what is queued (bounded), decides, commits with one sync, and tells each waiter. Administration goes
 * first. While both deltas are full it waits for the checkpointer; a job waits with it until its deadline.
 *
 * A batch belongs to the committer from committer_submit on until its `done` is called, which happens exactly once,
 * on the committer's thread. A waiter that has given up meanwhile is the maker's affair: `done` still comes, and the
 * batch is freed there.
 */
#ifndef CODECMETER_INGEST_COMMITTER_H
#define CODECMETER_INGEST_COMMITTER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "ledger/ledger.h"

struct committer;

struct committer_options {
  struct ledger *ledger; /* borrowed; the committer is its writer until committer_stop has returned */
  uint64_t queue_events; /* events that may be queued; more is -ERR_BUSY */
  uint64_t commit_bytes; /* staged bytes at which a group is committed though more is queued */
  /* Called once, on the committer's thread, when the ledger cannot go on: the program must drain and exit non-zero. */
  void (*on_fatal)(void *arg, const struct err *err);
  void *on_fatal_arg;
};

struct batch {
  const struct usage *usages; /* borrowed until done */
  size_t count;
  struct verdict *verdicts;   /* count entries, written before done is called with 0 */
  /* result 0: every verdict is durable. -ERR_FULL, -ERR_STOPPING, -ERR_IO: nothing may be told. */
  void (*done)(struct batch *batch, int result);
  struct batch *next;         /* the committer's */
};

MUST_USE int committer_start(const struct committer_options *options, struct committer **ret, struct err *err);
/* For ledger_options.on_checkpoint. */
void committer_wake(void *committer);
/* Queues a batch. -ERR_BUSY when queue_events would be passed (one batch larger than that alone is taken when the
 * queue is empty), -ERR_STOPPING when draining; then `done` is not called. */
MUST_USE int committer_submit(struct committer *committer, struct batch *batch);
/* Makes one change and waits until it is durable and in force. Any thread but the committer's. */
MUST_USE int committer_change(struct committer *committer, const struct change *change, struct err *err);
/* Accepts nothing more, commits what is queued, calls every done, ends the thread, frees. */
void committer_stop(struct committer *committer);

#endif
