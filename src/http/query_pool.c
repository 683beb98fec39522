/* One lock, one condition, two lists. The lists are bounded by running_max and waiting_max. Each operation takes constant
 * time, but for the search of a waiting query whose owner may have the free place.
 *
 * The threads have a lower priority than those that serve connections and commit reports. A question that reads
 * millions of records takes longer when the machine is busy; a report or a signed query does not.
 */
#include "http/query_pool.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/lock.h"
#include "base/wait.h"

#define NICE 5 /* steps below the other threads */
#define PARTS 4096u /* owners are counted in so many places */

struct jobs {
  struct query_job *first, *last;
};

struct query_pool {
  struct query_pool_options options;
  pthread_mutex_t lock;
  pthread_cond_t wake;       /* a turn is wanted, or the pool stops */
  struct jobs turns, places; /* QUEUED; WAITING */
  unsigned running, waiting;
  struct part {
    unsigned running, waiting;
  } parts[PARTS]; /* of the owners with this hash */
  bool stopping;
  unsigned threads_max; /* the spare ones included */
  struct worker {
    struct query_pool *pool;
    pthread_t thread;
    enum { ABSENT, AT_WORK, ENDED } state; /* ENDED: to be joined */
    bool is_spare;
    int64_t turn_ms; /* when its turn began; 0: it is in none */
  } workers[];
};

static int64_t now_ms(void) { return clock_monotonic_ms(clock_system()); }

/* ---- lists ---- */

static void push(struct jobs *jobs, struct query_job *job, enum query_state state) {
  job->state = state;
  job->previous = jobs->last;
  job->next = NULL;
  if (jobs->last != NULL) jobs->last->next = job;
  else jobs->first = job;
  jobs->last = job;
}

static void remove_job(struct jobs *jobs, struct query_job *job) {
  if (job->previous != NULL) job->previous->next = job->next;
  else jobs->first = job->next;
  if (job->next != NULL) job->next->previous = job->previous;
  else jobs->last = job->previous;
  job->previous = job->next = NULL;
}

/* ---- places; all with the lock held ---- */

static struct part *part_of(struct query_pool *pool, const struct query_job *job) {
  return &pool->parts[job->owner % PARTS];
}

/* True if an owner that has so many of the places may have one more. */
static bool leaves_room(const struct query_job *job, unsigned has, unsigned places) {
  return job->owner == 0 || has < places - places / 4;
}

static bool may_run(struct query_pool *pool, const struct query_job *job) {
  return pool->running < pool->options.running_max &&
         leaves_room(job, part_of(pool, job)->running, pool->options.running_max);
}

static bool may_wait(struct query_pool *pool, const struct query_job *job) {
  return pool->waiting < pool->options.waiting_max &&
         leaves_room(job, part_of(pool, job)->waiting, pool->options.waiting_max);
}

static void count_running(struct query_pool *pool, const struct query_job *job, bool begins) {
  struct part *part = part_of(pool, job);
  CHECK(begins || (pool->running > 0 && part->running > 0));
  pool->running += begins ? 1 : -1u;
  part->running += begins ? 1 : -1u;
}

static void count_waiting(struct query_pool *pool, const struct query_job *job, bool begins) {
  struct part *part = part_of(pool, job);
  CHECK(begins || (pool->waiting > 0 && part->waiting > 0));
  pool->waiting += begins ? 1 : -1u;
  part->waiting += begins ? 1 : -1u;
}

/* ---- turns; all with the lock held ---- */

static void want_turn(struct query_pool *pool, struct query_job *job) {
  push(&pool->turns, job, QUERY_QUEUED);
  wait_wake(&pool->wake);
}

static void give_place(struct query_pool *pool) {
  struct query_job *job = pool->places.first;
  while (job != NULL && !may_run(pool, job))
    job = job->next;
  if (job == NULL || pool->stopping) return;
  CHECK(job->state == QUERY_WAITING);
  remove_job(&pool->places, job);
  count_waiting(pool, job, false);
  count_running(pool, job, true);
  want_turn(pool, job);
}

static void take_turn(struct query_pool *pool, struct worker *worker) {
  struct query_job *job = pool->turns.first;
  remove_job(&pool->turns, job);
  job->state = QUERY_IN_TURN;
  worker->turn_ms = now_ms();
  lock_give(&pool->lock);
  job->turn(job); /* frees it, perhaps */
  lock_take(&pool->lock);
  worker->turn_ms = 0;
}

/* Linux has a priority for each thread. */
static void yield_to_others(void) {
  int nice_now = getpriority(PRIO_PROCESS, (id_t)gettid());
  (void)setpriority(PRIO_PROCESS, (id_t)gettid(), nice_now + NICE);
}

static void *thread_main(void *arg) {
  struct worker *worker = arg;
  struct query_pool *pool = worker->pool;
  yield_to_others();
  lock_take(&pool->lock);
  while (!pool->stopping && (pool->turns.first != NULL || !worker->is_spare)) {
    if (pool->turns.first != NULL) take_turn(pool, worker);
    else wait_on(&pool->wake, &pool->lock);
  }
  worker->state = ENDED;
  lock_give(&pool->lock);
  return NULL;
}

/* ---- the door ---- */

enum query_begun query_pool_begin(struct query_pool *pool, struct query_job *job) {
  enum query_begun result = QUERY_BEGUN;
  CHECK(job->state == QUERY_IDLE && job->turn != NULL);
  lock_take(&pool->lock);
  if (pool->stopping) {
    result = QUERY_STOPPED;
  } else if (may_run(pool, job)) {
    count_running(pool, job, true);
    want_turn(pool, job);
  } else if (may_wait(pool, job)) {
    count_waiting(pool, job, true);
    job->deadline_ms = now_ms() + pool->options.wait_ms;
    push(&pool->places, job, QUERY_WAITING);
  } else {
    result = QUERY_FULL;
  }
  lock_give(&pool->lock);
  return result;
}

bool query_pool_again(struct query_pool *pool, struct query_job *job) {
  lock_take(&pool->lock);
  CHECK(job->state == QUERY_IN_TURN || job->state == QUERY_AWAY);
  bool goes_on = !pool->stopping;
  if (goes_on) want_turn(pool, job);
  lock_give(&pool->lock);
  return goes_on;
}

void query_pool_away(struct query_pool *pool, struct query_job *job) {
  lock_take(&pool->lock);
  CHECK(job->state == QUERY_IN_TURN);
  job->state = QUERY_AWAY;
  lock_give(&pool->lock);
}

void query_pool_end(struct query_pool *pool, struct query_job *job) {
  lock_take(&pool->lock);
  CHECK(job->state == QUERY_IN_TURN || job->state == QUERY_AWAY);
  job->state = QUERY_IDLE;
  count_running(pool, job, false);
  give_place(pool);
  lock_give(&pool->lock);
}

void query_pool_status(struct query_pool *pool, struct query_pool_status *ret) {
  lock_take(&pool->lock);
  *ret = (struct query_pool_status){.running = pool->running, .waiting = pool->waiting};
  for (unsigned i = 0; i < pool->threads_max; i++) {
    const struct worker *worker = &pool->workers[i];
    ret->busy += worker->turn_ms != 0;
    ret->idle += worker->state == AT_WORK && worker->turn_ms == 0;
  }
  lock_give(&pool->lock);
}

struct query_job *query_pool_expire(struct query_pool *pool) {
  lock_take(&pool->lock);
  struct query_job *job = pool->places.first; /* the first to come is the first to expire */
  if (job != NULL && job->deadline_ms > now_ms()) job = NULL;
  if (job != NULL) {
    remove_job(&pool->places, job);
    count_waiting(pool, job, false);
    job->state = QUERY_IDLE;
  }
  lock_give(&pool->lock);
  return job;
}

/* ---- threads ---- */

static int start_worker(struct query_pool *pool, struct worker *worker, bool is_spare) {
  *worker = (struct worker){.pool = pool, .state = AT_WORK, .is_spare = is_spare};
  int code = pthread_create(&worker->thread, NULL, thread_main, worker);
  if (code != 0) worker->state = ABSENT;
  return code;
}

/* With the lock held. */
static bool are_all_long(const struct query_pool *pool, int64_t now) {
  for (unsigned i = 0; i < pool->threads_max; i++) {
    const struct worker *worker = &pool->workers[i];
    bool is_long = worker->turn_ms != 0 && now - worker->turn_ms >= QUERY_LONG_MS;
    if (worker->state == AT_WORK && !is_long) return false;
  }
  return true;
}

void query_pool_relieve(struct query_pool *pool) {
  lock_take(&pool->lock);
  bool is_needed = !pool->stopping && pool->turns.first != NULL && are_all_long(pool, now_ms());
  for (unsigned i = pool->options.threads; i < pool->threads_max && is_needed; i++) {
    struct worker *worker = &pool->workers[i];
    if (worker->state == AT_WORK) continue;
    if (worker->state == ENDED) (void)pthread_join(worker->thread, NULL); /* it has left the lock */
    (void)start_worker(pool, worker, true); /* without it the others wait */
    is_needed = false;
  }
  lock_give(&pool->lock);
}

/* ---- starting and stopping ---- */

int query_pool_start(const struct query_pool_options *options, struct query_pool **ret, struct err *err) {
  CHECK(options->threads > 0 && options->threads <= QUERY_THREADS_MAX && options->running_max > 0);
  unsigned left = QUERY_THREADS_MAX - options->threads, spares = left < QUERY_SPARES_MAX ? left : QUERY_SPARES_MAX;
  struct query_pool *pool = calloc(1, sizeof *pool + (options->threads + spares) * sizeof pool->workers[0]);
  if (pool == NULL) return err_set(err, ERR_MEMORY, "no memory for query threads");
  pool->options = *options;
  lock_init(&pool->lock);
  wait_init(&pool->wake);
  pool->threads_max = options->threads + spares;
  for (unsigned i = 0; i < options->threads; i++) {
    int code = start_worker(pool, &pool->workers[i], false);
    if (code != 0) {
      query_pool_stop(pool);
      query_pool_free(pool);
      return err_set_errno(err, ERR_INTERNAL, code, "cannot start a query thread");
    }
  }
  *ret = pool;
  return 0;
}

void query_pool_stop(struct query_pool *pool) {
  lock_take(&pool->lock);
  pool->stopping = true;
  wait_wake_all(&pool->wake);
  lock_give(&pool->lock);
  for (unsigned i = 0; i < pool->threads_max; i++) {
    lock_take(&pool->lock);
    bool is_there = pool->workers[i].state != ABSENT;
    lock_give(&pool->lock);
    if (is_there) (void)pthread_join(pool->workers[i].thread, NULL);
    pool->workers[i].state = ABSENT;
  }
}

struct query_job *query_pool_take(struct query_pool *pool, bool *ret_runs) {
  lock_take(&pool->lock);
  CHECK(pool->stopping && pool->workers[0].state == ABSENT);
  bool runs = pool->turns.first != NULL;
  struct jobs *jobs = runs ? &pool->turns : &pool->places;
  struct query_job *job = jobs->first;
  if (job != NULL) {
    remove_job(jobs, job);
    job->state = runs ? QUERY_AWAY : QUERY_IDLE;
    if (!runs) count_waiting(pool, job, false);
    *ret_runs = runs;
  }
  lock_give(&pool->lock);
  return job;
}

void query_pool_free(struct query_pool *pool) {
  if (pool == NULL) return;
  CHECK(pool->running == 0 && pool->waiting == 0 && pool->workers[0].state == ABSENT);
  wait_fini(&pool->wake);
  lock_fini(&pool->lock);
  free(pool);
}
