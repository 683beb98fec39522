/* A report under way: the events of one request, to the committer and back.
 *
 * It belongs to two: to whoever waits for it and, from delivery_submit to `done`, to the committer.
 *
 *   WAITING ──done──────────> DONE       `done` is called; the waiter frees the report
 *      └────delivery_abandon──> ABANDONED  the waiter has gone; the committer's `done` frees the report
 */
#ifndef CODECMETER_INGEST_DELIVERY_H
#define CODECMETER_INGEST_DELIVERY_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/arena.h"
#include "ingest/committer.h"
#include "ingest/event.h"

enum delivery_state { DELIVERY_WAITING, DELIVERY_DONE, DELIVERY_ABANDONED };

struct delivery {
  struct batch batch; /* the committer's; its verdicts belong to the report */
  _Atomic enum delivery_state state;
  struct arena *arena; /* what the events live in */
  struct events events;
  void (*done)(struct delivery *delivery, int result); /* as a batch's; not called once abandoned */
  void *arg;                                           /* the waiter's */
};

/* An empty one, whose arena holds so many bytes. NULL when out of memory. */
MUST_USE struct delivery *delivery_new(size_t arena_max);
void delivery_free(struct delivery *delivery);
SCOPED_REF(struct delivery, delivery_free)

/* Bytes that it keeps until it is done. */
size_t delivery_size(const struct delivery *delivery);
/* Hands the events that were not rejected, one at least, to the committer. projects_zone: of the projects that they
 * make; NULL: they make none. Errors as committer_submit's, and -ERR_MEMORY; then it is still the caller's alone.
 * `done` must not block, nor call the committer. */
MUST_USE int delivery_submit(struct delivery *delivery, struct committer *committer, const char *projects_zone);
/* The waiter goes. True: the report is not its own any more, and `done` will not be called. False: `done` has been
 * called or is about to be. */
MUST_USE bool delivery_abandon(struct delivery *delivery);

/* What to tell a client whose report could not be written, by the result that `done` or delivery_submit gave. */
const char *delivery_failure(int result);

#endif
