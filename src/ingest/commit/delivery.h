/* A delivery: the events of one request, on their way to the committer and back.
 *
 * It has two owners: the waiter, and from delivery_submit to `done` the committer as well.
 *
 *   WAITING ──done──────────> DONE       `done` is called; the waiter frees the delivery
 *      └────delivery_abandon──> ABANDONED  the waiter has gone; the committer's thread frees the delivery
 *
 * A thread that brings deliveries to their end by delivery_finish takes the committer's place in this.
 */
#ifndef CODECMETER_INGEST_COMMIT_DELIVERY_H
#define CODECMETER_INGEST_COMMIT_DELIVERY_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/arena.h"
#include "ingest/commit/committer.h"
#include "ingest/read/event.h"

enum delivery_state { DELIVERY_WAITING, DELIVERY_DONE, DELIVERY_ABANDONED };

struct delivery {
  struct batch batch; /* belongs to the committer; its verdicts belong to the delivery */
  _Atomic enum delivery_state state;
  struct arena *arena; /* holds the events */
  struct events events;
  bool has_lost; /* of the events that are decided: any was rejected, or contradicts an earlier report */
  void (*done)(struct delivery *delivery, int result); /* as a batch's; not called after delivery_abandon */
  void *arg;                                           /* belongs to the waiter */
};

/* Makes an empty delivery whose arena holds so many bytes. NULL if there is no memory. */
MUST_USE struct delivery *delivery_new(size_t arena_max);
void delivery_free(struct delivery *delivery);
SCOPED_REF(struct delivery, delivery_free)

/* Bytes that the delivery keeps until it is done. */
size_t delivery_size(const struct delivery *delivery);
/* Hands the events that were not rejected, at least one, to the committer. projects_zone: the zone of projects that
 * these events create; NULL if they create none. Errors: those of committer_submit, and -ERR_MEMORY; then the
 * delivery still belongs to the caller alone. `done` must not block or call the committer. */
MUST_USE int delivery_submit(struct delivery *delivery, struct committer *committer, const char *projects_zone);
/* For a delivery that another thread than the committer's brings to its end: that thread calls this once, in place of
 * the committer, and gives the result for `done`. */
void delivery_finish(struct delivery *delivery, int result);
/* The waiter gives up. True: the delivery no longer belongs to it, and `done` will not be called. False: `done` has
 * been called, or is about to be. */
MUST_USE bool delivery_abandon(struct delivery *delivery);

/* The text for a client whose events could not be stored. result: that of `done` or delivery_submit. */
const char *delivery_failure(int result);

#endif
