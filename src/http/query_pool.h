/* The query threads, and who has the next turn. Knows no HTTP.
 *
 * A query takes turns: short calls of its `turn`, one at a time, each on any of the pool's threads. After a turn the
 * other queries have theirs, in the order in which they asked. So many queries share few threads, and none of them
 * holds a thread for long.
 *
 *             begin                                  again
 *   IDLE ─────────────> QUEUED ──thread──> IN_TURN ────────> QUEUED
 *     │                   ^                  │
 *     └─begin, no place─> WAITING            └──(the turn returns)──> AWAY ──again──> QUEUED
 *                           └──expire, stop──> IDLE                   any of these ──end──> IDLE
 *
 * A query runs from QUEUED until `end`, and has one of running_max places meanwhile, also while it is AWAY. A query
 * that finds no place waits; of those that wait, the first gets the place that becomes free.
 *
 * A quarter of the places, and of those to wait in, is kept from each owner, so that one client that reads slowly, or
 * asks much, leaves room for others. With fewer than four places nothing is kept.
 *
 * Some turns are long, such as one that adds up millions of totals. If all threads have been in one turn for QUERY_LONG_MS while
 * others wait, a spare thread takes turns until nobody waits (query_pool_relieve).
 *
 * All functions may be called on any thread, except where they say otherwise.
 */
#ifndef CODECMETER_HTTP_QUERY_POOL_H
#define CODECMETER_HTTP_QUERY_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct query_pool;

enum query_state { QUERY_IDLE, QUERY_WAITING, QUERY_QUEUED, QUERY_IN_TURN, QUERY_AWAY };

/* A query; part of the caller's own struct. The caller zeroes it, and sets `turn` and `owner`. */
struct query_job {
  /* On a query thread. It ends with query_pool_again or query_pool_end for this job, after which the job may already be
   * in its next turn, or freed; or with neither, and then the job is away: another thread calls one of them later. In
   * that case it ends with query_pool_away, before it lets the other thread know of the job. */
  void (*turn)(struct query_job *job);
  uint64_t owner; /* who asks: a hash. Owners whose hashes agree in the lowest bits share their part. 0: not counted */
  /* The pool's. */
  enum query_state state;
  int64_t deadline_ms;
  struct query_job *previous, *next;
};

#define QUERY_THREADS_MAX 64u /* spare ones included: what they read has descriptors of its own (ledger/scan.h) */
#define QUERY_SPARES_MAX 2u
#define QUERY_LONG_MS 200
struct query_pool_options {
  unsigned threads;     /* from 1 to QUERY_THREADS_MAX */
  unsigned running_max; /* at least 1 */
  unsigned waiting_max;
  int64_t wait_ms;      /* how long a query waits for its place */
};
/* -ERR_MEMORY, -ERR_INTERNAL: a thread could not be started. */
MUST_USE int query_pool_start(const struct query_pool_options *options, struct query_pool **ret, struct err *err);

enum query_begun { QUERY_BEGUN, QUERY_FULL, QUERY_STOPPED };
/* The job asks for its first turn. Unless the result is QUERY_BEGUN, the job stays idle, and the caller keeps it. */
MUST_USE enum query_begun query_pool_begin(struct query_pool *pool, struct query_job *job);
/* A running job asks for its next turn. False: the pool has stopped, and the caller keeps the job, which still has its
 * place. */
MUST_USE bool query_pool_again(struct query_pool *pool, struct query_job *job);
/* The turn ends, and another thread will call `again` or `end`. */
void query_pool_away(struct query_pool *pool, struct query_job *job);
/* The query has ended, within its turn or while it is away. Its place goes to a job that waits. */
void query_pool_end(struct query_pool *pool, struct query_job *job);

struct query_pool_status {
  unsigned running, waiting; /* queries */
  unsigned busy, idle;       /* threads in a turn, and those that wait for one */
};
void query_pool_status(struct query_pool *pool, struct query_pool_status *ret);

/* Takes out a job that has waited for too long. NULL: there is none. */
MUST_USE struct query_job *query_pool_expire(struct query_pool *pool);

/* Starts a spare thread if one is needed. Called several times a second, by one thread, until query_pool_stop. */
void query_pool_relieve(struct query_pool *pool);

/* No turn begins any more. Returns when the turns that go on have ended. */
void query_pool_stop(struct query_pool *pool);
/* After query_pool_stop: takes out a job that waits for a place or a turn. NULL: there is none. *ret_runs: it has a
 * place, and query_pool_end is still to be called. */
MUST_USE struct query_job *query_pool_take(struct query_pool *pool, bool *ret_runs);
/* Every job has ended. NULL is allowed. */
void query_pool_free(struct query_pool *pool);

#endif
