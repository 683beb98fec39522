/* Group commit: the batches that are queued while one group is synced form the next group. So a single waiter waits
 * for one sync, a thousand waiters share one, and no batch is delayed to wait for others.
 *
 *           committer_submit, committer_change, committer_wake
 *                                │
 *   idle ──work──> boundary ──> stage … stage ──> commit ──> done … done ──> boundary ──> idle
 *                     ^            │   │                                        │
 *                     │            │   └── commit_bytes are staged: commit, go on behind the boundary
 *                     │            └── -ERR_BUSY: commit, and unless that made room:
 *                     └──────────────── wait for a checkpoint or a change
 *
 * At a boundary nothing is staged. Deltas are turned and changes are made only there. So a change never waits for
 * room in a delta, and waits for one group at most.
 *
 * A batch is in `decided` from the time its last event is decided until a commit makes the verdicts durable. A batch
 * that spans several commits enters `decided` with its last event; if an earlier commit fails, the batch fails. After
 * a final failure the thread only drains: every batch gets -ERR_IO, and then the thread ends.
 */
#include "ingest/commit/committer.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/diag.h"
#include "base/lock.h"
#include "base/wait.h"
#include "ingest/commit/answer.h"
#include "metrics/metrics.h"

#define SHORTAGE_SAY_MS 60000

struct batches {
  struct batch *first, *last;
};

/* A call of committer_change; lives on the caller's stack. */
struct asked_change {
  const struct change *change;
  struct err *err;
  int result;
  bool is_answered;
  struct asked_change *next;
};

struct committer {
  struct committer_options options;
  pthread_t thread;
  bool has_thread;

  pthread_mutex_t lock;    /* of the fields up to is_waiting */
  pthread_cond_t work;     /* wakes the committer: there is something to do, or it must stop */
  pthread_cond_t answered; /* wakes committer_change and committer_report */
  bool is_open;
  bool checkpoint_ended;
  uint64_t checkpoint_up_to; /* a checkpoint up to this position is wanted; 0: none is */
  struct batches queued;
  uint64_t events; /* queued or being committed */
  uint64_t bytes;  /* of these, as their batches say */
  enum err_code refused_for; /* the last shortage for which usage was refused, */
  int64_t refused_ms;        /* and when, on the monotonic clock; ERR_NONE: usage was taken since */
  struct asked_change *asked_first, *asked_last;
  uint64_t moves;  /* boundaries passed, for committer_has_moved */
  bool is_waiting; /* for work or for a checkpoint */

  /* only for the committer's thread */
  struct batches decided;
  bool has_failed;
  struct err failure;
  enum err_code shortage; /* for which usage was refused last; ERR_NONE: it is taken */
  int64_t say_again_ms;   /* monotonic: until then it is not said once more */
};


/* ---- batches ---- */

static void batches_add(struct batches *batches, struct batch *batch) {
  batch->next = NULL;
  if (batches->first == NULL) {
    batches->first = batch;
  } else {
    batches->last->next = batch;
  }
  batches->last = batch;
}

static struct batches batches_take(struct batches *batches) {
  struct batches taken = *batches;
  *batches = (struct batches){0};
  return taken;
}

static struct batch *batches_pop(struct batches *batches) {
  struct batch *batch = batches->first;
  if (batch != NULL) batches->first = batch->next;
  return batch;
}

/* What a batch takes of queue_events. An empty batch takes 1, so that the queue stays bounded. */
static uint64_t weight(const struct batch *batch) { return batch->count > 0 ? batch->count : 1; }

/* Calls each batch's `done`, without a lock. Does not touch a batch after that, because `done` may free it. */
static void tell(struct committer *committer, struct batches batches, int result) {
  uint64_t events = 0, bytes = 0;
  for (const struct batch *batch = batches.first; batch != NULL; batch = batch->next) {
    events += weight(batch);
    bytes += batch->bytes;
  }
  lock_take(&committer->lock);
  committer->events -= events;
  committer->bytes -= bytes;
  lock_give(&committer->lock);
  for (struct batch *batch = batches_pop(&batches); batch != NULL; batch = batches_pop(&batches)) {
    batch->done(batch, result);
  }
}

static void tell_one(struct committer *committer, struct batch *batch, int result) {
  batch->next = NULL;
  tell(committer, (struct batches){.first = batch, .last = batch}, result);
}

/* ---- final failure ---- */

static int fail(struct committer *committer, const struct err *err) {
  CHECK(!committer->has_failed);
  committer->has_failed = true;
  committer->failure = *err;
  lock_take(&committer->lock);
  committer->is_open = false;
  lock_give(&committer->lock);
  committer->options.on_fatal(committer->options.on_fatal_arg, err);
  return -ERR_IO;
}

/* ---- shortages ---- */

static void note_refusal(struct committer *committer, enum err_code code, int64_t now_ms) {
  lock_take(&committer->lock);
  committer->refused_for = code;
  committer->refused_ms = now_ms;
  lock_give(&committer->lock);
}

/* Logs why usage is refused and what to free: once, and again each minute while the shortage lasts. Each reporter
 * gets 503 and a short text. */
static void say_shortage(struct committer *committer, const struct err *err) {
  int64_t now_ms = clock_monotonic_ms(clock_system());
  note_refusal(committer, err->code, now_ms);
  bool is_known = committer->shortage == err->code && now_ms < committer->say_again_ms;
  committer->shortage = err->code;
  if (is_known) return;
  committer->say_again_ms = now_ms + SHORTAGE_SAY_MS;
  diag_warning("usage is refused with 503 for now: %s", err->text);
}

static void end_shortage(struct committer *committer) {
  if (committer->shortage == ERR_NONE) return;
  committer->shortage = ERR_NONE;
  note_refusal(committer, ERR_NONE, 0);
  diag_info("usage is taken again");
}

/* When the disk is full or memory is short, ledger_commit drops the staged records, and the ledger goes on. Any other
 * error is final. */
static int commit_staged(struct committer *committer, struct err *err) {
  bool is_empty = ledger_staged_bytes(committer->options.ledger) == 0;
  int64_t begun_us = counters_now_us();
  int result = ledger_commit(committer->options.ledger, err);
  if (result == 0 && !is_empty) metrics_observe_since(METRIC_COMMIT, 0, begun_us);
  bool passes = result == -ERR_FULL || result == -ERR_MEMORY;
  if (passes) say_shortage(committer, err);
  if (result == 0 && !is_empty) end_shortage(committer);
  return result == 0 || passes ? result : fail(committer, err);
}

static void turn(struct committer *committer) {
  /* Cleared before the turn: a checkpoint that ends from here on is a new reason to turn. */
  lock_take(&committer->lock);
  committer->checkpoint_ended = false;
  uint64_t up_to = committer->checkpoint_up_to;
  committer->checkpoint_up_to = 0;
  committer->moves++;
  lock_give(&committer->lock);
  struct err err = {0};
  if (up_to > 0) ledger_want_checkpoint(committer->options.ledger, up_to);
  if (!committer->has_failed && ledger_turn(committer->options.ledger, &err) != 0) (void)fail(committer, &err);
}

/* ---- changes ---- */

static int make_change(struct committer *committer, const struct change *change, struct err *err) {
  if (committer->has_failed) {
    *err = committer->failure;
    return -ERR_IO;
  }
  int result = ledger_stage_change(committer->options.ledger, change, err);
  if (result == 0) return commit_staged(committer, err);
  return err_kind(result) == ERR_KIND_STOP ? fail(committer, err) : result;
}

static void add_asked(struct committer *committer, struct asked_change *asked) {
  if (committer->asked_first == NULL)
    committer->asked_first = asked;
  else
    committer->asked_last->next = asked;
  committer->asked_last = asked;
}

static struct asked_change *take_asked(struct committer *committer) {
  lock_take(&committer->lock);
  struct asked_change *asked = committer->asked_first;
  if (asked != NULL) committer->asked_first = asked->next;
  lock_give(&committer->lock);
  return asked;
}

static void boundary(struct committer *committer) {
  turn(committer);
  for (struct asked_change *asked = take_asked(committer); asked != NULL; asked = take_asked(committer)) {
    struct err err = {0};
    int result = make_change(committer, asked->change, &err);
    lock_take(&committer->lock);
    if (result != 0 && asked->err != NULL) *asked->err = err;
    asked->result = result;
    asked->is_answered = true;
    wait_wake_all(&committer->answered);
    lock_give(&committer->lock);
    turn(committer);
  }
}

/* ---- groups ---- */

/* Commits what is staged, and calls `done` for the decided batches with the result. */
static int commit(struct committer *committer) {
  struct err err = {0};
  int result = committer->has_failed ? -ERR_IO : commit_staged(committer, &err);
  tell(committer, batches_take(&committer->decided), result);
  boundary(committer);
  return result;
}

static void wait_for_checkpoint(struct committer *committer) {
  lock_take(&committer->lock);
  committer->is_waiting = true;
  while (!committer->checkpoint_ended && committer->asked_first == NULL) {
    wait_on(&committer->work, &committer->lock);
  }
  committer->is_waiting = false;
  lock_give(&committer->lock);
  boundary(committer);
}

/* A batch, and how many of its events are decided. */
struct staging {
  struct batch *batch;
  size_t decided;
};

/* Stages the rest of the batch, or commit_bytes of it. -ERR_BUSY: the deltas have no room. */
static int stage_more(struct committer *committer, struct staging *staging) {
  if (committer->has_failed) return -ERR_IO;
  struct batch *batch = staging->batch;
  size_t decided = 0;
  struct err err = {0};
  int result = ledger_stage_usages(committer->options.ledger, batch->usages + staging->decided,
                                   batch->count - staging->decided, committer->options.commit_bytes,
                                   batch->verdicts + staging->decided, &decided, &err);
  staging->decided += decided;
  if (result != 0 && result != -ERR_BUSY && err_kind(result) == ERR_KIND_RETRY) say_shortage(committer, &err);
  return result == 0 || err_kind(result) == ERR_KIND_RETRY ? result : fail(committer, &err);
}

/* Both deltas are full, staged records included: commits those first, then waits for the checkpointer. */
static int make_room(struct committer *committer, struct staging *staging) {
  int result = commit(committer);
  while (result == 0) {
    result = stage_more(committer, staging);
    if (result != -ERR_BUSY) break;
    bool is_staged = ledger_staged_bytes(committer->options.ledger) > 0;
    result = is_staged ? commit(committer) : 0;
    if (!is_staged) wait_for_checkpoint(committer);
  }
  return result;
}

static int stage_all(struct committer *committer, struct staging *staging) {
  while (staging->decided < staging->batch->count) {
    int result = stage_more(committer, staging);
    if (result == -ERR_BUSY) result = make_room(committer, staging);
    if (result != 0) return result;
    bool is_enough = ledger_staged_bytes(committer->options.ledger) >= committer->options.commit_bytes;
    if (is_enough) result = commit(committer);
    if (result != 0) return result;
  }
  return 0;
}

/* Returns 0 without making the project if no project may have that id: its usages will be rejected. -ERR_MISSING:
 * tzdata lacks the zone. */
static int create_project(struct committer *committer, struct str id, const char *zone, unsigned *made) {
  const struct zone *found;
  struct change change = {.type = CHANGE_PROJECT_CREATE};
  struct err err = {0};
  if (!str_copy(id, change.project.id, sizeof change.project.id)) return 0;
  bool fits = str_copy(str_of(zone), change.project.zone, sizeof change.project.zone);
  CHECK(fits);
  if (zone_find(str_of(zone), &found, &err) != 0) {
    diag_error("cannot create project %s, which an event names: %s", change.project.id, err.text);
    return -ERR_MISSING;
  }
  int result = make_change(committer, &change, &err);
  if (result == 0) (*made)++;
  return result == -ERR_EXISTS || result == -ERR_RANGE ? 0 : result;
}

/* A change is made at a boundary, so each new project first commits what is staged. Other batches wait for that, so a
 * batch may not create many. A void creates no project, because a new project has nothing to void. */
static int create_projects(struct committer *committer, const struct batch *batch) {
  const struct catalogue *catalogue = ledger_catalogue(committer->options.ledger);
  struct str before = STR("");
  unsigned made = 0;
  int result = 0;
  for (size_t i = 0; i < batch->count && result == 0; i++) {
    struct str id = batch->usages[i].project;
    struct project project;
    if (str_equal(id, before) || batch->usages[i].kind == USAGE_VOID) continue;
    before = id;
    if (catalogue_project(catalogue, id, &project)) continue;
    if (made == COMMITTER_PROJECTS_MAX) return -ERR_LIMIT;
    result = commit(committer);
    if (result == 0) result = create_project(committer, id, batch->projects_zone, &made);
    turn(committer);
  }
  return result;
}

static void stage_batch(struct committer *committer, struct batch *batch) {
  struct staging staging = {.batch = batch};
  int result = batch->projects_zone[0] != '\0' ? create_projects(committer, batch) : 0;
  if (result == 0) result = stage_all(committer, &staging);
  if (result == 0) {
    batches_add(&committer->decided, batch);
  } else {
    tell_one(committer, batch, result);
  }
}

/* ---- the thread ---- */

/* With the lock held: waits for something to do, or until the ledger is due for a turn. */
static void wait_a_while(struct committer *committer, int64_t due_ms) {
  committer->is_waiting = true;
  if (due_ms == INT64_MAX) {
    wait_on(&committer->work, &committer->lock);
  } else {
    (void)wait_for_ms(&committer->work, &committer->lock, due_ms + 1);
  }
  committer->is_waiting = false;
}

/* False if there is nothing to do and the committer must stop. */
static bool wait_for_work(struct committer *committer) {
  bool has_work = false, goes_on = true;
  lock_take(&committer->lock);
  while (!has_work && goes_on) {
    int64_t due_ms = committer->has_failed ? INT64_MAX : ledger_turn_due_ms(committer->options.ledger);
    has_work = committer->queued.first != NULL || committer->asked_first != NULL || committer->checkpoint_ended ||
               committer->checkpoint_up_to > 0 || due_ms == 0;
    goes_on = committer->is_open;
    if (!has_work && goes_on) wait_a_while(committer, due_ms);
  }
  lock_give(&committer->lock);
  return has_work;
}

static void *run(void *arg) {
  struct committer *committer = arg;
  boundary(committer);
  while (wait_for_work(committer)) {
    boundary(committer);
    lock_take(&committer->lock);
    struct batches batches = batches_take(&committer->queued);
    lock_give(&committer->lock);
    if (batches.first == NULL) continue;
    for (struct batch *batch = batches_pop(&batches); batch != NULL; batch = batches_pop(&batches)) {
      stage_batch(committer, batch);
    }
    (void)commit(committer);
  }
  return NULL;
}

/* ---- the contract ---- */

struct committer *committer_new(void) {
  struct committer *committer = calloc(1, sizeof *committer);
  if (committer == NULL) return NULL;
  lock_init(&committer->lock);
  wait_init(&committer->work);
  wait_init(&committer->answered);
  return committer;
}

void committer_free(struct committer *committer) {
  if (committer == NULL) return;
  CHECK(!committer->has_thread);
  wait_fini(&committer->answered);
  wait_fini(&committer->work);
  lock_fini(&committer->lock);
  free(committer);
}

int committer_start(struct committer *committer, const struct committer_options *options, struct err *err) {
  CHECK(!committer->has_thread && !committer->has_failed);
  committer->options = *options;
  lock_take(&committer->lock);
  committer->is_open = true;
  lock_give(&committer->lock);
  int failure = pthread_create(&committer->thread, NULL, run, committer);
  if (failure != 0) {
    lock_take(&committer->lock);
    committer->is_open = false;
    lock_give(&committer->lock);
    return err_set_errno(err, ERR_INTERNAL, failure, "cannot start the committer's thread");
  }
  committer->has_thread = true;
  (void)pthread_setname_np(committer->thread, "committer");
  return 0;
}

void committer_stop(struct committer *committer) {
  if (!committer->has_thread) return;
  lock_take(&committer->lock);
  committer->is_open = false;
  wait_wake(&committer->work);
  lock_give(&committer->lock);
  CHECK(pthread_join(committer->thread, NULL) == 0);
  committer->has_thread = false;
}

bool committer_has_moved(struct committer *committer, uint64_t *seen) {
  lock_take(&committer->lock);
  bool has_moved = committer->is_waiting || committer->moves != *seen;
  *seen = committer->moves;
  lock_give(&committer->lock);
  return has_moved;
}

void committer_status(struct committer *committer, struct committer_status *ret) {
  lock_take(&committer->lock);
  int64_t age_ms = clock_monotonic_ms(clock_system()) - committer->refused_ms;
  *ret = (struct committer_status){.events = committer->events,
                                   .events_max = committer->options.queue_events,
                                   .bytes = committer->bytes,
                                   .shortage = age_ms < COMMITTER_RECENT_MS ? committer->refused_for : ERR_NONE};
  lock_give(&committer->lock);
}

void committer_wake(void *arg) {
  struct committer *committer = arg;
  lock_take(&committer->lock);
  committer->checkpoint_ended = true;
  wait_wake(&committer->work);
  lock_give(&committer->lock);
}

static bool has_room(const struct committer *committer, uint64_t events) {
  uint64_t max = committer->options.queue_events;
  return committer->events == 0 || (events <= max && committer->events <= max - events);
}

int committer_submit(struct committer *committer, struct batch *batch) {
  int result = 0;
  lock_take(&committer->lock);
  if (!committer->is_open) {
    result = -ERR_STOPPING;
  } else if (!has_room(committer, weight(batch))) {
    result = -ERR_BUSY;
  } else {
    batches_add(&committer->queued, batch);
    committer->events += weight(batch);
    committer->bytes += batch->bytes;
    wait_wake(&committer->work);
  }
  lock_give(&committer->lock);
  return result;
}

int committer_change(struct committer *committer, const struct change *change, struct err *err) {
  struct asked_change asked = {.change = change, .err = err};
  lock_take(&committer->lock);
  if (!committer->is_open) {
    lock_give(&committer->lock);
    return err_set(err, ERR_STOPPING,
                   "the ledger accepts no changes now: it is starting or stopping; try again later");
  }
  add_asked(committer, &asked);
  wait_wake(&committer->work);
  while (!asked.is_answered)
    wait_on(&committer->answered, &committer->lock);
  lock_give(&committer->lock);
  return asked.result;
}

int committer_want_checkpoint(struct committer *committer, uint64_t up_to, struct err *err) {
  int result = 0;
  lock_take(&committer->lock);
  if (!committer->is_open)
    result =
        err_set(err, ERR_STOPPING, "the ledger makes no checkpoint now: it is starting or stopping; try again later");
  else if (up_to > committer->checkpoint_up_to)
    committer->checkpoint_up_to = up_to;
  wait_wake(&committer->work);
  lock_give(&committer->lock);
  return result;
}

/* A call of committer_report; lives on the caller's stack. */
struct waiting_report {
  struct batch batch;
  struct committer *committer;
  int result;
  bool is_done;
};

static void report_done(struct batch *batch, int result) {
  struct waiting_report *waiting = batch->arg;
  struct committer *committer = waiting->committer;
  lock_take(&committer->lock);
  waiting->result = result;
  waiting->is_done = true;
  wait_wake_all(&committer->answered);
  lock_give(&committer->lock);
}

int committer_report(struct committer *committer, const struct usage *usages, size_t count,
                     const char *projects_zone, struct verdict *ret_verdicts, struct err *err) {
  struct waiting_report waiting = {
      .batch = {.usages = usages, .count = count, .verdicts = ret_verdicts, .done = report_done},
      .committer = committer};
  struct batch *batch = &waiting.batch;
  bool fits = str_copy(str_of(projects_zone), batch->projects_zone, sizeof batch->projects_zone);
  CHECK(fits);
  batch->arg = &waiting;
  int result = committer_submit(committer, batch);
  if (result != 0)
    return err_set(err, (enum err_code) - result,
                   "the ledger accepts no usage now: it is busy, starting or stopping; try again later");
  lock_take(&committer->lock);
  while (!waiting.is_done)
    wait_on(&committer->answered, &committer->lock);
  lock_give(&committer->lock);
  const struct events reported = {.usages = (struct usage *)(uintptr_t)usages, .usages_count = count, .count = count};
  if (waiting.result == 0) (void)ingest_note(&reported, ret_verdicts);
  if (waiting.result == 0) return 0;
  return err_set(err, (enum err_code) - waiting.result, "the ledger did not store the usage: %s",
                 err_meaning(waiting.result));
}
