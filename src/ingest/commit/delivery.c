#include "ingest/commit/delivery.h"

#include <stddef.h>
#include <stdlib.h>

#include "base/check.h"
#include "ingest/commit/answer.h"

_Static_assert(offsetof(struct delivery, batch) == 0, "batch_done finds the delivery from its batch");

struct delivery *delivery_new(size_t arena_max) {
  struct delivery *delivery = calloc(1, sizeof *delivery);
  if (delivery == NULL) return NULL;
  delivery->arena = arena_new(arena_max);
  if (delivery->arena != NULL) return delivery;
  free(delivery);
  return NULL;
}

void delivery_free(struct delivery *delivery) {
  if (delivery == NULL) return;
  arena_free(delivery->arena);
  free(delivery->batch.verdicts);
  free(delivery);
}

size_t delivery_size(const struct delivery *delivery) {
  return arena_used(delivery->arena) + delivery->events.usages_count * sizeof *delivery->batch.verdicts;
}

void delivery_finish(struct delivery *delivery, int result) {
  enum delivery_state expected = DELIVERY_WAITING;
  if (result == 0) delivery->has_lost = ingest_note(&delivery->events, delivery->batch.verdicts);
  if (atomic_compare_exchange_strong(&delivery->state, &expected, DELIVERY_DONE))
    delivery->done(delivery, result);
  else
    delivery_free(delivery);
}

/* On the committer's thread. */
static void batch_done(struct batch *batch, int result) {
  delivery_finish((struct delivery *)(void *)batch, result);
}

int delivery_submit(struct delivery *delivery, struct committer *committer, const char *projects_zone) {
  struct batch *batch = &delivery->batch;
  batch->usages = delivery->events.usages;
  batch->count = delivery->events.usages_count;
  batch->verdicts = reallocarray(NULL, batch->count, sizeof *batch->verdicts); /* the committer writes them */
  if (batch->verdicts == NULL) return -ERR_MEMORY;
  bool fits =
      str_copy(str_of(projects_zone != NULL ? projects_zone : ""), batch->projects_zone, sizeof batch->projects_zone);
  CHECK(fits);
  batch->done = batch_done;
  batch->bytes = delivery_size(delivery);
  return committer_submit(committer, batch);
}

bool delivery_abandon(struct delivery *delivery) {
  enum delivery_state expected = DELIVERY_WAITING;
  return atomic_compare_exchange_strong(&delivery->state, &expected, DELIVERY_ABANDONED);
}

#define TEXT(number) #number
#define TEXT_OF(number) TEXT(number)

const char *delivery_failure(int result) {
  if (result == -ERR_LIMIT) {
    return "too many new projects in one request: the server created " TEXT_OF(
        COMMITTER_PROJECTS_MAX) " and stored no event; send this again until all of them exist";
  }
  if (result == -ERR_FULL) return "the server's disk is full: send this again later, what was stored counts once";
  if (result == -ERR_MEMORY)
    return "the server has no memory now: send this again later, what was stored counts once";
  if (result == -ERR_BUSY) return "the server is busy: its queue of events is full; send this again later";
  if (result == -ERR_DESCRIPTORS)
    return "the server has too many files open: send this again later, what was stored counts once";
  if (result == -ERR_STOPPING) return "the server is stopping: send this again later";
  return "the server cannot store events now: send this again later, what was stored counts once";
}
