/* The keeper: a thread that puts notices into the quarantine, so that no other thread waits for the disk.
 *
 * A job belongs to the keeper from keeper_submit until its `done` is called. That happens exactly once, on the
 * keeper's thread; then `done` may free the job.
 */
#ifndef CODECMETER_ADAPT_KEEPER_H
#define CODECMETER_ADAPT_KEEPER_H

#include "adapt/quarantine.h"

#define KEEPER_QUEUE_MAX 1024u                 /* jobs that wait; beyond it, -ERR_BUSY */
#define KEEPER_BYTES_MAX (UINT64_C(64) << 20) /* of the contents of all jobs; beyond it likewise, except for a job alone */

struct keeper_job {
  char id[QUARANTINE_ID_SIZE];
  struct buf content; /* the job's maker frees it */
  int result;         /* of quarantine_keep, when `done` is called */
  struct err err;
  void (*done)(struct keeper_job *job); /* must not block */
  struct keeper_job *next;              /* belongs to the keeper */
};

struct keeper;

/* Borrows the quarantine until keeper_stop. Caller frees with keeper_free. */
MUST_USE int keeper_start(struct quarantine *quarantine, struct keeper **ret, struct err *err);
/* Accepts nothing more, keeps what is queued, calls every `done`, and ends the thread. */
void keeper_stop(struct keeper *keeper);
/* The keeper must be stopped. */
void keeper_free(struct keeper *keeper);
/* Queues a job. -ERR_BUSY: too many wait. -ERR_STOPPING. After an error `done` is not called. Any thread. */
MUST_USE int keeper_submit(struct keeper *keeper, struct keeper_job *job);

#endif
