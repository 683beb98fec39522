#include "adapt/keeper.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/lock.h"
#include "base/wait.h"

struct keeper {
  struct quarantine *quarantine;
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t wake;
  struct keeper_job *first, **end;
  unsigned count;
  uint64_t bytes; /* of the contents of the jobs that are not done */
  bool is_stopping;
};


/* NULL: the keeper stops, and nothing waits. */
static struct keeper_job *take(struct keeper *keeper) {
  lock_take(&keeper->lock);
  while (keeper->first == NULL && !keeper->is_stopping)
    wait_on(&keeper->wake, &keeper->lock);
  struct keeper_job *job = keeper->first;
  if (job != NULL) {
    keeper->first = job->next;
    if (keeper->first == NULL) keeper->end = &keeper->first;
    keeper->count--;
  }
  lock_give(&keeper->lock);
  return job;
}

static void give_back(struct keeper *keeper, size_t bytes) {
  lock_take(&keeper->lock);
  CHECK(keeper->bytes >= bytes);
  keeper->bytes -= bytes;
  lock_give(&keeper->lock);
}

static void *run(void *arg) {
  struct keeper *keeper = arg;
  for (struct keeper_job *job; (job = take(keeper)) != NULL;) {
    size_t bytes = job->content.len;
    job->result = quarantine_keep(keeper->quarantine, job->id, buf_view(&job->content), &job->err);
    job->done(job); /* which may free it */
    give_back(keeper, bytes);
  }
  return NULL;
}

int keeper_start(struct quarantine *quarantine, struct keeper **ret, struct err *err) {
  struct keeper *keeper = calloc(1, sizeof *keeper);
  if (keeper == NULL) return err_set(err, ERR_MEMORY, "no memory for the quarantine's thread");
  keeper->quarantine = quarantine;
  keeper->end = &keeper->first;
  lock_init(&keeper->lock);
  wait_init(&keeper->wake);
  int failure = pthread_create(&keeper->thread, NULL, run, keeper);
  if (failure != 0) {
    free(keeper);
    return err_set_errno(err, ERR_INTERNAL, failure, "cannot start the quarantine's thread");
  }
  (void)pthread_setname_np(keeper->thread, "keeper");
  *ret = keeper;
  return 0;
}

void keeper_stop(struct keeper *keeper) {
  if (keeper == NULL) return;
  lock_take(&keeper->lock);
  keeper->is_stopping = true;
  wait_wake(&keeper->wake);
  lock_give(&keeper->lock);
  CHECK(pthread_join(keeper->thread, NULL) == 0);
}

void keeper_free(struct keeper *keeper) {
  if (keeper == NULL) return;
  CHECK(keeper->is_stopping && keeper->first == NULL && keeper->count == 0);
  wait_fini(&keeper->wake);
  lock_fini(&keeper->lock);
  free(keeper);
}

/* A client that gives up frees its share of the memory for bodies, but the job stays until the disk has answered. */
static bool has_room(const struct keeper *keeper, size_t bytes) {
  if (keeper->count == KEEPER_QUEUE_MAX) return false;
  return keeper->bytes == 0 || keeper->bytes + bytes <= KEEPER_BYTES_MAX;
}

int keeper_submit(struct keeper *keeper, struct keeper_job *job) {
  int result = 0;
  lock_take(&keeper->lock);
  if (keeper->is_stopping) {
    result = -ERR_STOPPING;
  } else if (!has_room(keeper, job->content.len)) {
    result = -ERR_BUSY;
  } else {
    job->next = NULL;
    *keeper->end = job;
    keeper->end = &job->next;
    keeper->count++;
    keeper->bytes += job->content.len;
    wait_wake(&keeper->wake);
  }
  lock_give(&keeper->lock);
  return result;
}
