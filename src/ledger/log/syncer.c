/* A thread waits for the disk, so that the owner can apply a group while it is synced.
 *
 *   IDLE ──syncer_begin──> ASKED ──thread──> DONE ──syncer_wait──> IDLE
 */
#include "ledger/log/syncer.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/file.h"
#include "base/lock.h"
#include "base/wait.h"
#include "metrics/metrics.h"

enum sync_state { SYNC_IDLE, SYNC_ASKED, SYNC_DONE };

struct syncer {
  pthread_t thread;
  pthread_mutex_t lock;    /* protects what follows */
  pthread_cond_t asked;    /* wakes the thread */
  pthread_cond_t answered; /* wakes the owner */
  enum sync_state state;
  bool stopping;
  int fd;
  const char *name;
  int result;
  struct err err;
};


int syncer_sync(int fd, const char *name, struct err *err) {
  int64_t begun_us = counters_now_us();
  int result = file_sync_data(fd, name, err);
  metrics_observe_since(METRIC_SYNC, 0, begun_us);
  return result;
}

/* Called with the lock held, and returns with it; the sync runs without it. */
static void sync_file(struct syncer *syncer) {
  int fd = syncer->fd;
  const char *name = syncer->name;
  lock_give(&syncer->lock);
  struct err err = {0};
  int result = syncer_sync(fd, name, &err);
  lock_take(&syncer->lock);
  syncer->result = result;
  syncer->err = err;
  syncer->state = SYNC_DONE;
  wait_wake(&syncer->answered);
}

static void *run(void *arg) {
  struct syncer *syncer = arg;
  lock_take(&syncer->lock);
  while (!syncer->stopping) {
    if (syncer->state == SYNC_ASKED)
      sync_file(syncer);
    else
      wait_on(&syncer->asked, &syncer->lock);
  }
  lock_give(&syncer->lock);
  return NULL;
}

static void destroy(struct syncer *syncer) {
  wait_fini(&syncer->answered);
  wait_fini(&syncer->asked);
  lock_fini(&syncer->lock);
  free(syncer);
}

struct syncer *syncer_new(void) {
  struct syncer *syncer = calloc(1, sizeof *syncer);
  if (syncer == NULL) return NULL;
  lock_init(&syncer->lock);
  wait_init(&syncer->asked);
  wait_init(&syncer->answered);
  if (pthread_create(&syncer->thread, NULL, run, syncer) != 0) {
    destroy(syncer);
    return NULL;
  }
  (void)pthread_setname_np(syncer->thread, "syncer");
  return syncer;
}

void syncer_free(struct syncer *syncer) {
  if (syncer == NULL) return;
  lock_take(&syncer->lock);
  CHECK(syncer->state == SYNC_IDLE);
  syncer->stopping = true;
  wait_wake(&syncer->asked);
  lock_give(&syncer->lock);
  CHECK(pthread_join(syncer->thread, NULL) == 0);
  destroy(syncer);
}

void syncer_begin(struct syncer *syncer, int fd, const char *name) {
  lock_take(&syncer->lock);
  CHECK(syncer->state == SYNC_IDLE);
  syncer->fd = fd;
  syncer->name = name;
  syncer->state = SYNC_ASKED;
  wait_wake(&syncer->asked);
  lock_give(&syncer->lock);
}

int syncer_wait(struct syncer *syncer, struct err *err) {
  lock_take(&syncer->lock);
  CHECK(syncer->state != SYNC_IDLE);
  while (syncer->state != SYNC_DONE)
    wait_on(&syncer->answered, &syncer->lock);
  syncer->state = SYNC_IDLE;
  int result = syncer->result;
  if (result != 0 && err != NULL) *err = syncer->err;
  lock_give(&syncer->lock);
  return result;
}
