/* The committer against a ledger of our own that can be held in a commit, be full, be broken. Each test says which
 * promise of committer.h it is about; the journal of the ledger's calls shows the order of things:
 *
 *   S staged   B busy   F full   X broken   D decided duplicate   C commit   T turn   A change (administration)
 */
#include "ingest/commit/committer.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/check.h"

/* ---- a ledger ---- */

#define RECORD_BYTES 100
#define JOURNAL_SIZE 4096

struct ledger {
  pthread_mutex_t lock;
  pthread_cond_t moved;
  char journal[JOURNAL_SIZE];
  size_t journal_len;
  bool is_held; /* commits wait */
  bool is_in_commit;
  uint64_t staged;
  uint64_t stored;  /* committed */
  uint64_t room;    /* records that the deltas have room for */
  uint64_t renewed; /* room that a turn makes once a checkpoint has ended */
  bool checkpoint_ended;
  int commit_results[8]; /* of the first commits */
  size_t commits;
  int turn_result;
};

static void note(struct ledger *ledger, char call) {
  if (ledger->journal_len < JOURNAL_SIZE - 1) ledger->journal[ledger->journal_len++] = call;
  CHECK(pthread_cond_broadcast(&ledger->moved) == 0);
}

static int stage_one(struct ledger *ledger, const struct usage *usage, struct verdict *ret_verdict, struct err *err) {
  (void)pthread_mutex_lock(&ledger->lock);
  int result = 0;
  *ret_verdict = (struct verdict){.outcome = VERDICT_STORED};
  if (str_equal(usage->id, STR("duplicate"))) {
    ret_verdict->outcome = VERDICT_DUPLICATE;
    note(ledger, 'D');
  } else if (str_equal(usage->id, STR("full"))) {
    note(ledger, 'F');
    result = err_set(err, ERR_FULL, "full");
  } else if (str_equal(usage->id, STR("broken"))) {
    note(ledger, 'X');
    result = err_set(err, ERR_CORRUPT, "broken");
  } else if (ledger->stored + ledger->staged >= ledger->room) {
    note(ledger, 'B');
    result = err_set(err, ERR_BUSY, "busy");
  } else {
    note(ledger, 'S');
    ledger->staged++;
  }
  (void)pthread_mutex_unlock(&ledger->lock);
  return result;
}

int ledger_stage_usages(struct ledger *ledger, const struct usage *usages, size_t count, uint64_t bytes_max,
                        struct verdict *ret_verdicts, size_t *ret_decided, struct err *err) {
  int result = 0;
  size_t i = 0;
  while (i < count && (i == 0 || ledger_staged_bytes(ledger) < bytes_max)) {
    result = stage_one(ledger, &usages[i], &ret_verdicts[i], err);
    if (result != 0) break;
    i++;
  }
  *ret_decided = i;
  return result;
}

int ledger_stage_change(struct ledger *ledger, const struct change *change, struct err *err) {
  (void)pthread_mutex_lock(&ledger->lock);
  CHECK(ledger->staged == 0); /* ledger.h: nothing else may be staged */
  note(ledger, 'A');
  (void)pthread_mutex_unlock(&ledger->lock);
  if (change->type == CHANGE_KEY_DISABLE) return err_set(err, ERR_NOT_FOUND, "no such key");
  if (change->type == CHANGE_TOKEN_REVOKE) return err_set(err, ERR_CORRUPT, "broken by a change");
  return 0;
}

uint64_t ledger_staged_bytes(const struct ledger *ledger) { return ledger->staged * RECORD_BYTES; }

int ledger_commit(struct ledger *ledger, struct err *err) {
  (void)pthread_mutex_lock(&ledger->lock);
  ledger->is_in_commit = true;
  note(ledger, 'C');
  while (ledger->is_held)
    (void)pthread_cond_wait(&ledger->moved, &ledger->lock);
  int result = ledger->commits < 8 ? ledger->commit_results[ledger->commits] : 0;
  ledger->commits++;
  if (result == 0) ledger->stored += ledger->staged;
  ledger->staged = 0;
  ledger->is_in_commit = false;
  (void)pthread_mutex_unlock(&ledger->lock);
  return result == 0 ? 0 : err_set(err, (enum err_code) - result, "commit failed");
}

int ledger_turn(struct ledger *ledger, struct err *err) {
  (void)pthread_mutex_lock(&ledger->lock);
  CHECK(ledger->staged == 0);
  note(ledger, 'T');
  int result = ledger->turn_result;
  if (ledger->checkpoint_ended) ledger->room += ledger->renewed;
  ledger->checkpoint_ended = false;
  (void)pthread_mutex_unlock(&ledger->lock);
  return result == 0 ? 0 : err_set(err, (enum err_code) - result, "turn failed");
}

void ledger_want_checkpoint(struct ledger *ledger, uint64_t up_to) {
  (void)ledger;
  (void)up_to;
}

int64_t ledger_turn_due_ms(const struct ledger *ledger) {
  (void)ledger;
  return INT64_MAX;
}

static void hold(struct ledger *ledger, bool is_held) {
  (void)pthread_mutex_lock(&ledger->lock);
  ledger->is_held = is_held;
  (void)pthread_cond_broadcast(&ledger->moved);
  (void)pthread_mutex_unlock(&ledger->lock);
}

static void end_checkpoint(struct ledger *ledger, struct committer *committer) {
  (void)pthread_mutex_lock(&ledger->lock);
  ledger->checkpoint_ended = true;
  (void)pthread_mutex_unlock(&ledger->lock);
  committer_wake(committer);
}

static void wait_for_commit(struct ledger *ledger) {
  (void)pthread_mutex_lock(&ledger->lock);
  while (!ledger->is_in_commit)
    (void)pthread_cond_wait(&ledger->moved, &ledger->lock);
  (void)pthread_mutex_unlock(&ledger->lock);
}

/* Until the journal holds that many of these calls. */
static void wait_for_calls(struct ledger *ledger, const char *calls, size_t times) {
  (void)pthread_mutex_lock(&ledger->lock);
  for (;;) {
    size_t seen = 0;
    for (size_t i = 0; i < ledger->journal_len; i++)
      seen += strchr(calls, ledger->journal[i]) != NULL;
    if (seen >= times) break;
    (void)pthread_cond_wait(&ledger->moved, &ledger->lock);
  }
  (void)pthread_mutex_unlock(&ledger->lock);
}

/* The journal without turns. */
static void calls_of(struct ledger *ledger, char calls[JOURNAL_SIZE]) {
  size_t len = 0;
  (void)pthread_mutex_lock(&ledger->lock);
  for (size_t i = 0; i < ledger->journal_len; i++) {
    if (ledger->journal[i] != 'T') calls[len++] = ledger->journal[i];
  }
  (void)pthread_mutex_unlock(&ledger->lock);
  calls[len] = '\0';
}

static void assert_calls(struct ledger *ledger, const char *expected) {
  char calls[JOURNAL_SIZE];
  calls_of(ledger, calls);
  assert_string_equal(calls, expected);
}

/* ---- jobs ---- */

#define EVENTS_MAX 64
#define NOT_DONE 1

struct job {
  struct batch batch;
  struct usage usages[EVENTS_MAX];
  struct verdict verdicts[EVENTS_MAX];
  int result;
  unsigned times;
};

static pthread_mutex_t done_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t done_cond = PTHREAD_COND_INITIALIZER;

static void on_done(struct batch *batch, int result) {
  struct job *job = batch->arg;
  (void)pthread_mutex_lock(&done_lock);
  job->result = result;
  job->times++;
  (void)pthread_cond_broadcast(&done_cond);
  (void)pthread_mutex_unlock(&done_lock);
}

static int result_of(struct job *job) {
  (void)pthread_mutex_lock(&done_lock);
  while (job->times == 0)
    (void)pthread_cond_wait(&done_cond, &done_lock);
  int result = job->result;
  assert_int_equal(job->times, 1);
  (void)pthread_mutex_unlock(&done_lock);
  return result;
}

static bool is_done(const struct job *job) {
  (void)pthread_mutex_lock(&done_lock);
  bool done = job->times > 0;
  (void)pthread_mutex_unlock(&done_lock);
  return done;
}

/* `count` events named `id`. */
static void job_of(struct job *job, const char *id, size_t count) {
  *job = (struct job){.batch = {.count = count, .done = on_done}};
  job->batch.usages = job->usages;
  job->batch.verdicts = job->verdicts;
  job->batch.arg = job;
  for (size_t i = 0; i < count; i++)
    job->usages[i].id = str_of(id);
}

/* ---- the stage ---- */

struct stage {
  struct ledger ledger;
  struct committer *committer;
  unsigned fatal;
  char fatal_text[ERR_TEXT_MAX];
};

static void on_fatal(void *arg, const struct err *err) {
  struct stage *stage = arg;
  (void)pthread_mutex_lock(&done_lock);
  stage->fatal++;
  memcpy(stage->fatal_text, err->text, sizeof stage->fatal_text);
  (void)pthread_mutex_unlock(&done_lock);
}

static unsigned times_fatal(struct stage *stage) {
  (void)pthread_mutex_lock(&done_lock);
  unsigned times = stage->fatal;
  (void)pthread_mutex_unlock(&done_lock);
  return times;
}

static void start_with(struct stage *stage, uint64_t queue_events, uint64_t commit_bytes) {
  (void)pthread_mutex_init(&stage->ledger.lock, NULL);
  (void)pthread_cond_init(&stage->ledger.moved, NULL);
  if (stage->ledger.room == 0) stage->ledger.room = UINT64_MAX;
  stage->committer = committer_new();
  assert_non_null(stage->committer);
  struct committer_options options = {.ledger = &stage->ledger,
                                      .queue_events = queue_events,
                                      .commit_bytes = commit_bytes,
                                      .on_fatal = on_fatal,
                                      .on_fatal_arg = stage};
  struct err err;
  assert_int_equal(committer_start(stage->committer, &options, &err), 0);
}

static void start(struct stage *stage) { start_with(stage, 1000, UINT64_MAX); }

static void end(struct stage *stage) {
  committer_stop(stage->committer);
  committer_free(stage->committer);
  (void)pthread_cond_destroy(&stage->ledger.moved);
  (void)pthread_mutex_destroy(&stage->ledger.lock);
}

static void submit(struct stage *stage, struct job *job, const char *id, size_t count) {
  job_of(job, id, count);
  assert_int_equal(committer_submit(stage->committer, &job->batch), 0);
}

/* Holds the ledger in a commit of one event, so that what is submitted next makes one group. */
static void occupy(struct stage *stage, struct job *job) {
  hold(&stage->ledger, true);
  submit(stage, job, "first", 1);
  wait_for_commit(&stage->ledger);
}

static const struct change any_change = {.type = CHANGE_PROJECT_CREATE};

static void *change_thread(void *arg) {
  struct stage *stage = arg;
  struct err err;
  return committer_change(stage->committer, &any_change, &err) == 0 ? stage : NULL;
}

/* ---- promises ---- */

static void test_not_running(void **state) {
  (void)state;
  struct job job;
  struct err err;
  job_of(&job, "a", 1);
  SCOPED(committer_free_ref) struct committer *idle = committer_new();
  assert_int_equal(committer_submit(idle, &job.batch), -ERR_STOPPING);
  assert_int_equal(committer_change(idle, &any_change, &err), -ERR_STOPPING);
  committer_wake(idle);
  committer_stop(idle);

  struct stage stage = {0};
  start(&stage);
  committer_stop(stage.committer);
  assert_int_equal(committer_submit(stage.committer, &job.batch), -ERR_STOPPING);
  assert_int_equal(committer_change(stage.committer, &any_change, &err), -ERR_STOPPING);
  committer_wake(stage.committer);
  end(&stage);
  assert_false(is_done(&job));
}

static void test_queue_is_bounded(void **state) {
  (void)state;
  struct stage stage = {0};
  struct job first, second, third, empty;
  start_with(&stage, 10, UINT64_MAX);
  occupy(&stage, &first);
  submit(&stage, &second, "b", 9);
  job_of(&third, "c", 1);
  assert_int_equal(committer_submit(stage.committer, &third.batch), -ERR_BUSY);
  job_of(&empty, "", 0);
  assert_int_equal(committer_submit(stage.committer, &empty.batch), -ERR_BUSY);
  hold(&stage.ledger, false);
  assert_int_equal(result_of(&second), 0);
  submit(&stage, &third, "c", 11); /* larger than the queue, but alone */
  assert_int_equal(result_of(&third), 0);
  end(&stage);
}

static void test_one_commit_for_all_that_waited(void **state) {
  (void)state;
  struct stage stage = {0};
  struct job first, jobs[5];
  start(&stage);
  occupy(&stage, &first);
  for (size_t i = 0; i < 5; i++)
    submit(&stage, &jobs[i], i == 3 ? "duplicate" : "b", i);
  assert_false(is_done(&first));
  hold(&stage.ledger, false);
  for (size_t i = 0; i < 5; i++)
    assert_int_equal(result_of(&jobs[i]), 0);
  assert_int_equal(jobs[3].verdicts[2].outcome, VERDICT_DUPLICATE);
  assert_int_equal(jobs[4].verdicts[3].outcome, VERDICT_STORED);
  assert_calls(&stage.ledger, "SCSSSDDDSSSSC");
  end(&stage);
}

/* A full disk drops a whole group: nobody in it may be told an outcome, but the next group starts afresh. */
static void test_full_at_commit(void **state) {
  (void)state;
  struct stage stage = {.ledger.commit_results = {0, -ERR_FULL, 0}};
  struct job first, stored, duplicate, later;
  start(&stage);
  occupy(&stage, &first);
  submit(&stage, &stored, "a", 2);
  submit(&stage, &duplicate, "duplicate", 1);
  hold(&stage.ledger, false);
  assert_int_equal(result_of(&first), 0);
  assert_int_equal(result_of(&stored), -ERR_FULL);
  assert_int_equal(result_of(&duplicate), -ERR_FULL);
  submit(&stage, &later, "a", 2);
  assert_int_equal(result_of(&later), 0);
  assert_int_equal(times_fatal(&stage), 0);
  end(&stage);
}

/* Refused while staging: the batch gets it, its neighbours get what the commit says. */
static void test_full_at_stage(void **state) {
  (void)state;
  struct stage stage = {0};
  struct job first, duplicate, full, stored;
  start(&stage);
  occupy(&stage, &first);
  submit(&stage, &duplicate, "duplicate", 1);
  job_of(&full, "full", 3);
  full.usages[0].id = STR("a");
  assert_int_equal(committer_submit(stage.committer, &full.batch), 0);
  submit(&stage, &stored, "a", 1);
  hold(&stage.ledger, false);
  assert_int_equal(result_of(&duplicate), 0);
  assert_int_equal(result_of(&full), -ERR_FULL);
  assert_int_equal(result_of(&stored), 0);
  assert_calls(&stage.ledger, "SCDSFSC");
  end(&stage);
}

enum failing { FAILING_COMMIT, FAILING_STAGE };

static void run_fatal(enum failing where) {
  struct stage stage = {0};
  if (where == FAILING_COMMIT) stage.ledger.commit_results[1] = -ERR_IO;
  struct job first, duplicate, second, third;
  start(&stage);
  occupy(&stage, &first);
  submit(&stage, &duplicate, "duplicate", 1);
  submit(&stage, &second, where == FAILING_STAGE ? "broken" : "a", 2);
  submit(&stage, &third, "a", 2);
  hold(&stage.ledger, false);
  assert_int_equal(result_of(&first), 0);
  assert_int_equal(result_of(&duplicate), -ERR_IO);
  assert_int_equal(result_of(&second), -ERR_IO);
  assert_int_equal(result_of(&third), -ERR_IO);
  assert_int_equal(times_fatal(&stage), 1);
  assert_string_equal(stage.fatal_text, where == FAILING_STAGE ? "broken" : "commit failed");
  struct err err;
  assert_int_equal(committer_submit(stage.committer, &third.batch), -ERR_STOPPING);
  assert_int_equal(committer_change(stage.committer, &any_change, &err), -ERR_STOPPING);
  committer_stop(stage.committer);
  /* the ledger was left alone from then on */
  assert_calls(&stage.ledger, where == FAILING_STAGE ? "SCDX" : "SCDSSSSC");
  end(&stage);
}

static void test_fatal_at_commit(void **state) {
  (void)state;
  run_fatal(FAILING_COMMIT);
}

static void test_fatal_at_stage(void **state) {
  (void)state;
  run_fatal(FAILING_STAGE);
}

/* What was committed before the checkpointer's failure was seen is durable, and told so. */
static void test_fatal_at_turn(void **state) {
  (void)state;
  struct stage stage = {0};
  struct job first, second;
  start(&stage);
  occupy(&stage, &first);
  submit(&stage, &second, "b", 1);
  (void)pthread_mutex_lock(&stage.ledger.lock);
  stage.ledger.turn_result = -ERR_CORRUPT;
  (void)pthread_mutex_unlock(&stage.ledger.lock);
  hold(&stage.ledger, false);
  assert_int_equal(result_of(&first), 0);
  assert_int_equal(result_of(&second), -ERR_IO);
  end(&stage);
  assert_int_equal(stage.fatal, 1);
  assert_string_equal(stage.fatal_text, "turn failed");
}

static void test_waits_for_the_checkpointer(void **state) {
  (void)state;
  struct stage stage = {.ledger = {.room = 3, .renewed = 3}};
  struct job first, second, third;
  struct err err;
  start(&stage);
  submit(&stage, &first, "a", 2);
  assert_int_equal(result_of(&first), 0);
  submit(&stage, &second, "b", 5);
  submit(&stage, &third, "c", 1);
  wait_for_calls(&stage.ledger, "B", 2); /* once before the commit that makes no room, once behind it */
  assert_false(is_done(&second));
  /* administration goes on meanwhile */
  assert_int_equal(committer_change(stage.committer, &any_change, &err), 0);
  assert_false(is_done(&second));
  end_checkpoint(&stage.ledger, stage.committer); /* room for three of the four that are left */
  wait_for_calls(&stage.ledger, "B", 4);
  assert_false(is_done(&second));
  end_checkpoint(&stage.ledger, stage.committer);
  assert_int_equal(result_of(&second), 0);
  assert_int_equal(result_of(&third), 0);
  assert_int_equal(stage.ledger.stored, 8);
  end(&stage);
}

static void *stop_thread(void *arg) {
  committer_stop(((struct stage *)arg)->committer);
  return NULL;
}

/* Draining waits for the checkpointer too: what was taken is committed. */
static void test_stop_drains(void **state) {
  (void)state;
  struct stage stage = {.ledger = {.room = 2, .renewed = 10}};
  struct job first, jobs[3];
  pthread_t stopper;
  start(&stage);
  occupy(&stage, &first);
  for (size_t i = 0; i < 3; i++)
    submit(&stage, &jobs[i], "a", 2);
  assert_int_equal(pthread_create(&stopper, NULL, stop_thread, &stage), 0);
  hold(&stage.ledger, false);
  wait_for_calls(&stage.ledger, "B", 2);
  end_checkpoint(&stage.ledger, stage.committer);
  assert_int_equal(pthread_join(stopper, NULL), 0);
  for (size_t i = 0; i < 3; i++) {
    assert_true(is_done(&jobs[i]));
    assert_int_equal(result_of(&jobs[i]), 0);
  }
  end(&stage);
}

static void test_commit_bytes_bound_a_group(void **state) {
  (void)state;
  struct stage stage = {0};
  struct job first, second, third;
  start_with(&stage, 1000, 3 * RECORD_BYTES);
  occupy(&stage, &first);
  submit(&stage, &second, "b", 2);
  submit(&stage, &third, "c", 5);
  hold(&stage.ledger, false);
  assert_int_equal(result_of(&third), 0);
  assert_int_equal(result_of(&second), 0);
  assert_calls(&stage.ledger, "SCSSSCSSSCSC");
  end(&stage);
}

/* One that straddles commits: done behind the last, and it fails when any of them did. */
static void test_batch_over_several_commits(void **state) {
  (void)state;
  struct stage stage = {.ledger.commit_results = {0, 0, -ERR_FULL, 0}};
  struct job first, second, third;
  start_with(&stage, 1000, 2 * RECORD_BYTES);
  occupy(&stage, &first);
  submit(&stage, &second, "b", 5);
  submit(&stage, &third, "c", 1);
  hold(&stage.ledger, false);
  assert_int_equal(result_of(&second), -ERR_FULL);
  assert_int_equal(result_of(&third), 0);
  assert_calls(&stage.ledger, "SCSSCSSCSC");
  end(&stage);
}

/* One round: a batch is queued, then a change. When the change has been queued is not to be seen from here, so it is
 * given a moment. */
static bool change_went_first(void) {
  struct stage stage = {0};
  struct job first, second;
  pthread_t changer;
  void *made;
  char calls[JOURNAL_SIZE];
  start(&stage);
  occupy(&stage, &first);
  submit(&stage, &second, "b", 1);
  assert_int_equal(pthread_create(&changer, NULL, change_thread, &stage), 0);
  (void)usleep(2000);
  hold(&stage.ledger, false);
  assert_int_equal(pthread_join(changer, &made), 0);
  assert_non_null(made);
  assert_int_equal(result_of(&second), 0);
  calls_of(&stage.ledger, calls);
  end(&stage);
  bool is_first = strcmp(calls, "SCACSC") == 0;
  if (!is_first) assert_string_equal(calls, "SCSCAC"); /* alone in its commit all the same */
  return is_first;
}

static void test_changes_go_first(void **state) {
  (void)state;
  unsigned rounds = 1;
  while (!change_went_first())
    assert_true(rounds++ < 50);
}

static void test_change_refused(void **state) {
  (void)state;
  struct stage stage = {0};
  struct job job;
  struct err err = {0};
  start(&stage);
  const struct change refused = {.type = CHANGE_KEY_DISABLE};
  assert_int_equal(committer_change(stage.committer, &refused, &err), -ERR_NOT_FOUND);
  assert_string_equal(err.text, "no such key");
  assert_int_equal(committer_change(stage.committer, &refused, NULL), -ERR_NOT_FOUND);
  submit(&stage, &job, "a", 1);
  assert_int_equal(result_of(&job), 0);
  end(&stage);
  assert_int_equal(stage.fatal, 0);
}

static void test_change_full_then_fatal(void **state) {
  (void)state;
  struct stage stage = {.ledger.commit_results = {-ERR_FULL}};
  struct err err = {0};
  start(&stage);
  assert_int_equal(committer_change(stage.committer, &any_change, &err), -ERR_FULL);
  assert_int_equal(committer_change(stage.committer, &any_change, &err), 0);
  const struct change breaking = {.type = CHANGE_TOKEN_REVOKE};
  assert_int_equal(committer_change(stage.committer, &breaking, &err), -ERR_IO);
  assert_string_equal(err.text, "broken by a change");
  assert_int_equal(times_fatal(&stage), 1);
  end(&stage);
}

static void test_idle_is_woken_to_turn(void **state) {
  (void)state;
  struct stage stage = {0};
  start(&stage);
  wait_for_calls(&stage.ledger, "T", 1); /* at the start: what a checkpoint left before */
  committer_wake(stage.committer);
  wait_for_calls(&stage.ledger, "T", 2);
  end(&stage);
}

/* ---- many at once ---- */

#define STORM_THREADS 6
#define STORM_JOBS 200

struct storm {
  struct stage *stage;
  struct job *jobs;
  bool is_over;
};

static void *storm_client(void *arg) {
  struct storm *storm = arg;
  struct err err;
  for (size_t i = 0; i < STORM_JOBS; i++) {
    struct job *job = &storm->jobs[i];
    job_of(job, i % 5 == 0 ? "duplicate" : "a", 1 + i % 7);
    while (committer_submit(storm->stage->committer, &job->batch) == -ERR_BUSY)
      (void)sched_yield();
    if (i % 20 == 0) CHECK(committer_change(storm->stage->committer, &any_change, &err) == 0);
  }
  return NULL;
}

static void *storm_checkpointer(void *arg) {
  struct storm *storm = arg;
  for (bool is_over = false; !is_over;) {
    end_checkpoint(&storm->stage->ledger, storm->stage->committer);
    (void)usleep(100);
    (void)pthread_mutex_lock(&done_lock);
    is_over = storm->is_over;
    (void)pthread_mutex_unlock(&done_lock);
  }
  return NULL;
}

static void test_storm(void **state) {
  (void)state;
  struct stage stage = {.ledger = {.room = 20, .renewed = 20}};
  struct storm storms[STORM_THREADS + 1] = {0};
  pthread_t threads[STORM_THREADS + 1];
  start_with(&stage, 50, 10 * RECORD_BYTES);
  for (size_t i = 0; i <= STORM_THREADS; i++) {
    storms[i].stage = &stage;
    storms[i].jobs = calloc(STORM_JOBS, sizeof *storms[i].jobs);
    assert_non_null(storms[i].jobs);
    void *(*run)(void *) = i < STORM_THREADS ? storm_client : storm_checkpointer;
    assert_int_equal(pthread_create(&threads[i], NULL, run, &storms[i]), 0);
  }
  uint64_t stored = 0;
  for (size_t i = 0; i < STORM_THREADS; i++) {
    assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (size_t k = 0; k < STORM_JOBS; k++) {
      assert_int_equal(result_of(&storms[i].jobs[k]), 0);
      if (k % 5 != 0) stored += storms[i].jobs[k].batch.count;
    }
  }
  (void)pthread_mutex_lock(&done_lock);
  storms[STORM_THREADS].is_over = true;
  (void)pthread_mutex_unlock(&done_lock);
  assert_int_equal(pthread_join(threads[STORM_THREADS], NULL), 0);
  end(&stage);
  assert_int_equal(stage.ledger.stored, stored);
  for (size_t i = 0; i <= STORM_THREADS; i++)
    free(storms[i].jobs);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_not_running),
      cmocka_unit_test(test_queue_is_bounded),
      cmocka_unit_test(test_one_commit_for_all_that_waited),
      cmocka_unit_test(test_full_at_commit),
      cmocka_unit_test(test_full_at_stage),
      cmocka_unit_test(test_fatal_at_commit),
      cmocka_unit_test(test_fatal_at_stage),
      cmocka_unit_test(test_fatal_at_turn),
      cmocka_unit_test(test_waits_for_the_checkpointer),
      cmocka_unit_test(test_stop_drains),
      cmocka_unit_test(test_commit_bytes_bound_a_group),
      cmocka_unit_test(test_batch_over_several_commits),
      cmocka_unit_test(test_changes_go_first),
      cmocka_unit_test(test_change_refused),
      cmocka_unit_test(test_change_full_then_fatal),
      cmocka_unit_test(test_idle_is_woken_to_turn),
      cmocka_unit_test(test_storm),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
