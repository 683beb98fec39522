/* What query_pool.h promises: who has the next turn, how many have a place, who is refused, and how it stops. */
#include "http/query_pool.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/check.h"

#define QUERIES 200
#define FOREVER_MS 3600000

/* What the turns did, in their order: the number of the query. */
static struct {
  pthread_mutex_t lock;
  pthread_cond_t moved;
  int turns[100000];
  int count;
  bool is_open; /* turns wait at this gate */
  int at_gate, at_gate_most;
} seen = {.lock = PTHREAD_MUTEX_INITIALIZER, .moved = PTHREAD_COND_INITIALIZER};

static struct query_pool *pool;

struct query {
  struct query_job job;
  int number, turns_left;
  bool goes_away; /* between two turns it is away, until the test calls query_pool_again */
  atomic_int ended, away, in_turn;
};

static struct query queries[QUERIES];

static void note_turn(const struct query *query) {
  (void)pthread_mutex_lock(&seen.lock);
  CHECK(seen.count < (int)(sizeof seen.turns / sizeof seen.turns[0]));
  seen.turns[seen.count++] = query->number;
  seen.at_gate++;
  if (seen.at_gate > seen.at_gate_most) seen.at_gate_most = seen.at_gate;
  (void)pthread_cond_broadcast(&seen.moved);
  while (!seen.is_open)
    (void)pthread_cond_wait(&seen.moved, &seen.lock);
  seen.at_gate--;
  (void)pthread_mutex_unlock(&seen.lock);
}

static void turn(struct query_job *job) {
  struct query *query = (struct query *)(void *)job;
  CHECK(atomic_fetch_add(&query->in_turn, 1) == 0);
  note_turn(query);
  atomic_fetch_sub(&query->in_turn, 1);
  if (--query->turns_left == 0 || (!query->goes_away && !query_pool_again(pool, job))) {
    query_pool_end(pool, job);
    atomic_store(&query->ended, 1);
  } else if (query->goes_away) {
    query_pool_away(pool, job);
    atomic_store(&query->away, 1);
  }
}

static void set_gate(bool is_open) {
  (void)pthread_mutex_lock(&seen.lock);
  seen.is_open = is_open;
  (void)pthread_cond_broadcast(&seen.moved);
  (void)pthread_mutex_unlock(&seen.lock);
}

static int count_at_gate(void) {
  (void)pthread_mutex_lock(&seen.lock);
  int count = seen.at_gate;
  (void)pthread_mutex_unlock(&seen.lock);
  return count;
}

static void wait_for_turns(int count) {
  (void)pthread_mutex_lock(&seen.lock);
  while (seen.count < count)
    (void)pthread_cond_wait(&seen.moved, &seen.lock);
  (void)pthread_mutex_unlock(&seen.lock);
}

static void wait_for(atomic_int *flag) {
  while (atomic_load(flag) == 0)
    (void)usleep(1000);
}

static void start(unsigned threads, unsigned running_max, unsigned waiting_max, int64_t wait_ms) {
  const struct query_pool_options options = {
      .threads = threads, .running_max = running_max, .waiting_max = waiting_max, .wait_ms = wait_ms};
  struct err err = {0};
  memset(queries, 0, sizeof queries);
  for (int i = 0; i < QUERIES; i++)
    queries[i] = (struct query){.job.turn = turn, .number = i, .turns_left = 1};
  seen.count = seen.at_gate_most = 0;
  set_gate(false);
  assert_int_equal(query_pool_start(&options, &pool, &err), 0);
}

static void begin(int number, enum query_begun expected) {
  assert_int_equal(query_pool_begin(pool, &queries[number].job), expected);
}

static void check_turns(const int *numbers, int count) {
  assert_int_equal(seen.count, count);
  for (int i = 0; i < count; i++)
    if (seen.turns[i] != numbers[i]) fail_msg("turn %d was of query %d, not of %d", i, seen.turns[i], numbers[i]);
}

static void finish(void) {
  query_pool_stop(pool);
  query_pool_free(pool);
}

/* What was relieved once is relieved again. */
static void start_again(void) {
  set_gate(false);
  for (int i = 10; i < 12; i++)
    begin(i, QUERY_BEGUN);
  while (atomic_load(&queries[10].in_turn) + atomic_load(&queries[11].in_turn) < 2) {
    query_pool_relieve(pool);
    (void)usleep(1000);
  }
  set_gate(true);
  for (int i = 10; i < 12; i++)
    wait_for(&queries[i].ended);
}

static void turns_go_round(void **state) {
  (void)state;
  start(1, 10, 0, FOREVER_MS);
  for (int i = 0; i < 3; i++) {
    queries[i].turns_left = 3 - i;
    begin(i, QUERY_BEGUN);
    wait_for_turns(1); /* the first has its turn, before the others ask for theirs */
  }
  set_gate(true);
  for (int i = 0; i < 3; i++)
    wait_for(&queries[i].ended);
  check_turns((const int[]){0, 1, 2, 0, 1, 0}, 6);
  finish();
}

/* While turns are long, spare threads take those that wait, QUERY_SPARES_MAX at most; then they end. */
static void spare_threads_relieve_long_turns(void **state) {
  (void)state;
  start(1, 10, 0, FOREVER_MS);
  for (int i = 0; i < 5; i++)
    begin(i, QUERY_BEGUN);
  wait_for_turns(1); /* at the gate */
  for (int turns = 2; turns <= 1 + (int)QUERY_SPARES_MAX; turns++) {
    while (count_at_gate() < turns) {
      query_pool_relieve(pool);
      (void)usleep(1000);
    }
  }
  (void)usleep(2 * QUERY_LONG_MS * 1000);
  query_pool_relieve(pool);
  assert_int_equal(seen.at_gate_most, 1 + QUERY_SPARES_MAX);
  set_gate(true);
  for (int i = 0; i < 5; i++)
    wait_for(&queries[i].ended);
  start_again();
  finish();
}

/* Owner 7 has three of four places, and waits in three of four: the others have room, and pass it. */
static void an_owner_leaves_room(void **state) {
  (void)state;
  static const struct {
    int number;
    uint64_t owner;
    enum query_begun expected;
  } asked[] = {
      {0, 7, QUERY_BEGUN}, {1, 7, QUERY_BEGUN}, {2, 7, QUERY_BEGUN}, /* run */
      {3, 7, QUERY_BEGUN}, {4, 7, QUERY_BEGUN}, {5, 7, QUERY_BEGUN}, /* wait, although a place is free */
      {6, 7, QUERY_FULL},  {7, 8, QUERY_BEGUN},                      /* another one runs at once */
      {8, 8, QUERY_BEGUN}, {9, 9, QUERY_FULL},                       /* waits; and then nobody can */
  };
  start(4, 4, 4, FOREVER_MS);
  for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
    queries[asked[i].number].job.owner = asked[i].owner;
    begin(asked[i].number, asked[i].expected);
    if (i < 3) wait_for_turns((int)i + 1);
  }
  wait_for_turns(4);
  (void)usleep(20000);
  assert_int_equal(seen.count, 4);
  assert_int_equal(seen.turns[3], 7);
  set_gate(true);
  static const int run[] = {0, 1, 2, 3, 4, 5, 7, 8};
  for (size_t i = 0; i < sizeof run / sizeof run[0]; i++)
    wait_for(&queries[run[i]].ended);
  finish();
}

static void places_go_to_those_that_came_first(void **state) {
  (void)state;
  start(3, 2, 3, FOREVER_MS);
  static const enum query_begun expected[] = {QUERY_BEGUN, QUERY_BEGUN, QUERY_BEGUN, QUERY_BEGUN,
                                              QUERY_BEGUN, QUERY_FULL,  QUERY_FULL};
  for (int i = 0; i < 7; i++) {
    begin(i, expected[i]);
    if (i < 2) wait_for_turns(i + 1);
  }
  (void)usleep(20000);
  assert_int_equal(seen.count, 2); /* three threads, two places */
  set_gate(true);
  for (int i = 0; i < 5; i++)
    wait_for(&queries[i].ended);
  assert_true(seen.at_gate_most <= 2);
  assert_int_equal(seen.count, 5);
  begin(5, QUERY_BEGUN); /* there is room again */
  wait_for(&queries[5].ended);
  finish();
}

static void without_room_to_wait_only_places_count(void **state) {
  (void)state;
  start(1, 1, 0, FOREVER_MS);
  begin(0, QUERY_BEGUN);
  begin(1, QUERY_FULL);
  begin(2, QUERY_FULL);
  set_gate(true);
  wait_for(&queries[0].ended);
  begin(1, QUERY_BEGUN);
  wait_for(&queries[1].ended);
  finish();
}

static void one_that_is_away_keeps_its_place_but_no_thread(void **state) {
  (void)state;
  start(1, 2, 5, FOREVER_MS);
  set_gate(true);
  queries[0].goes_away = true;
  queries[0].turns_left = 2;
  begin(0, QUERY_BEGUN);
  wait_for(&queries[0].away);
  begin(1, QUERY_BEGUN); /* has the thread meanwhile */
  wait_for(&queries[1].ended);
  queries[2].goes_away = true;
  queries[2].turns_left = 9;
  begin(2, QUERY_BEGUN);
  wait_for(&queries[2].away);
  begin(3, QUERY_BEGUN); /* waits: both places are taken */
  (void)usleep(20000);
  assert_int_equal(atomic_load(&queries[3].ended), 0);
  query_pool_end(pool, &queries[2].job); /* ends while it is away */
  wait_for(&queries[3].ended);
  assert_true(query_pool_again(pool, &queries[0].job));
  wait_for(&queries[0].ended);
  check_turns((const int[]){0, 1, 2, 3, 0}, 5);
  finish();
}

static void a_wait_expires(void **state) {
  (void)state;
  start(1, 1, 9, 0);
  begin(0, QUERY_BEGUN);
  for (int i = 1; i < 4; i++)
    begin(i, QUERY_BEGUN);
  for (int i = 1; i < 4; i++)
    assert_ptr_equal(query_pool_expire(pool), &queries[i].job);
  assert_null(query_pool_expire(pool)); /* one that has its place does not expire */
  begin(1, QUERY_BEGUN);                /* an expired one is idle */
  set_gate(true);
  wait_for(&queries[0].ended);
  wait_for(&queries[1].ended);
  finish();
  start(1, 1, 9, FOREVER_MS);
  begin(0, QUERY_BEGUN);
  begin(1, QUERY_BEGUN);
  assert_null(query_pool_expire(pool));
  set_gate(true);
  wait_for(&queries[1].ended);
  finish();
}

static void *open_later(void *arg) {
  (void)arg;
  (void)usleep(50000);
  set_gate(true);
  return NULL;
}

/* A stop waits for turns that go on; it begins none, and gives back what waits, with or without a place. */
static void a_stop_gives_back_what_waits(void **state) {
  (void)state;
  bool runs;
  pthread_t opener;
  start(1, 3, 9, FOREVER_MS);
  queries[0].turns_left = 5;
  for (int i = 0; i < 5; i++) {
    begin(i, QUERY_BEGUN);
    wait_for_turns(1);
  }
  assert_int_equal(pthread_create(&opener, NULL, open_later, NULL), 0);
  query_pool_stop(pool);
  assert_int_equal(pthread_join(opener, NULL), 0);
  /* The first one asked for its next turn while the pool stopped: it ended itself, or is among those given back. */
  check_turns((const int[]){0}, 1);
  bool given[5] = {false};
  for (struct query_job *job; (job = query_pool_take(pool, &runs)) != NULL;) {
    int number = ((struct query *)(void *)job)->number;
    assert_false(given[number]);
    given[number] = true;
    assert_int_equal(runs, number < 3);
    if (runs) query_pool_end(pool, job);
  }
  assert_true(given[1] && given[2] && given[3] && given[4]);
  assert_true(given[0] != (atomic_load(&queries[0].ended) == 1));
  begin(5, QUERY_STOPPED);
  query_pool_free(pool);
}

/* Many queries that end, go on and go away, from several threads. Each has all its turns. */
static void *drive(void *arg) {
  int first = *(const int *)arg;
  for (int i = first; i < QUERIES; i += 4) {
    queries[i].turns_left = 1 + i % 17;
    while (query_pool_begin(pool, &queries[i].job) == QUERY_FULL)
      (void)usleep(100);
  }
  return NULL;
}

static void many_queries_have_all_their_turns(void **state) {
  (void)state;
  pthread_t threads[4];
  int firsts[4] = {0, 1, 2, 3}, had[QUERIES] = {0};
  start(4, 5, 7, FOREVER_MS);
  set_gate(true);
  for (int i = 0; i < 4; i++)
    assert_int_equal(pthread_create(&threads[i], NULL, drive, &firsts[i]), 0);
  for (int i = 0; i < 4; i++)
    assert_int_equal(pthread_join(threads[i], NULL), 0);
  for (int i = 0; i < QUERIES; i++)
    wait_for(&queries[i].ended);
  for (int i = 0; i < seen.count; i++)
    had[seen.turns[i]]++;
  for (int i = 0; i < QUERIES; i++)
    assert_int_equal(had[i], 1 + i % 17);
  assert_true(seen.at_gate_most <= 4);
  finish();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(turns_go_round),
      cmocka_unit_test(spare_threads_relieve_long_turns),
      cmocka_unit_test(an_owner_leaves_room),
      cmocka_unit_test(places_go_to_those_that_came_first),
      cmocka_unit_test(without_room_to_wait_only_places_count),
      cmocka_unit_test(one_that_is_away_keeps_its_place_but_no_thread),
      cmocka_unit_test(a_wait_expires),
      cmocka_unit_test(a_stop_gives_back_what_waits),
      cmocka_unit_test(many_queries_have_all_their_turns),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
