/* The committer on a real ledger: reporters that overlap, deltas so small that it must wait for checkpoints, changes
 * and readers meanwhile. Whatever the order, each identity is stored once, and what was answered is in the totals. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/diag.h"
#include "base/file.h"
#include "ingest/commit/committer.h"

#define T0 INT64_C(1500220800000) /* midnight in Shanghai */
#define FIRST_DAY 17364           /* that of T0 */
#define DAYS 5

#define REPORTERS 4
#define IDENTITIES 2000
#define BATCH 25

struct stage {
  char dir[64];
  struct ledger *ledger;
  struct committer *committer;
  atomic_uint_fast64_t stored, seconds; /* as answered */
  atomic_uint_fast64_t duplicates, conflicts, failures;
  atomic_bool is_over;
};

static void on_fatal(void *arg, const struct err *err) {
  (void)arg;
  (void)fprintf(stderr, "fatal: %s\n", err->text);
  CHECK(false);
}

static void open_stage(struct stage *stage) {
  struct err err = {0};
  stage->committer = committer_new();
  assert_non_null(stage->committer);
  const struct ledger_options ledger_options = {.dir = stage->dir,
                                                .delta_max = 150,
                                                .map_size = UINT64_C(64) << 20,
                                                .disk_reserve = UINT64_MAX,
                                                .wake_writer = committer_wake,
                                                .wake_writer_arg = stage->committer};
  if (ledger_open(&ledger_options, &stage->ledger, &err) != 0) fail_msg("ledger_open: %s", err.text);
  const struct committer_options options = {
      .ledger = stage->ledger, .queue_events = 60, .commit_bytes = 4096, .on_fatal = on_fatal};
  if (committer_start(stage->committer, &options, &err) != 0) fail_msg("committer_start: %s", err.text);
}

static void close_stage(struct stage *stage) {
  committer_stop(stage->committer);
  ledger_close(stage->ledger);
  committer_free(stage->committer);
}

static void make_project(struct stage *stage, const char *id) {
  struct change change = {.type = CHANGE_PROJECT_CREATE};
  struct err err = {0};
  CHECK(str_copy(str_of(id), change.project.id, sizeof change.project.id));
  CHECK(str_copy(STR("Asia/Shanghai"), change.project.zone, sizeof change.project.zone));
  CHECK(committer_change(stage->committer, &change, &err) == 0);
}

/* ---- reporters ---- */

struct job {
  struct batch batch;
  struct usage usages[BATCH];
  struct verdict verdicts[BATCH];
  char ids[BATCH][16];
  struct stage *stage;
};

static void on_done(struct batch *batch, int result) {
  struct job *job = batch->arg;
  struct stage *stage = job->stage;
  if (result != 0) stage->failures++;
  for (size_t i = 0; i < batch->count && result == 0; i++) {
    switch (job->verdicts[i].outcome) {
      case VERDICT_STORED:
        stage->stored++;
        stage->seconds += job->usages[i].amount / 1000;
        break;
      case VERDICT_DUPLICATE:
        stage->duplicates++;
        break;
      case VERDICT_CONFLICT:
        stage->conflicts++;
        break;
      case VERDICT_REJECTED:
        stage->failures++;
        break;
    }
  }
  free(job);
}

/* Every tenth identity is told with two durations, of which the first to come stands. */
static void fill(struct job *job, size_t at, const char *id, unsigned number, unsigned reporter) {
  (void)snprintf(job->ids[at], sizeof job->ids[at], "%s", id);
  job->usages[at] = (struct usage){.project = STR("org-a"),
                                   .source = STR("farm"),
                                   .id = str_of(job->ids[at]),
                                   .kind = USAGE_TRANSCODE,
                                   .outcome = USAGE_FINISHED,
                                   .codec = number % 3 == 0 ? STR("h265") : STR("h264"),
                                   .width = 640,
                                   .height = 360,
                                   .has_amount = true,
                                   .amount = number % 10 == 0 && reporter % 2 == 0 ? 2000 : 1000,
                                   .tier = TIER_LOW,
                                   .finished_ms = T0 + (int64_t)(number % DAYS) * 86400000 + number,
                                   .finish_stated = true,
                                   .arrived_ms = T0};
}

struct reporter {
  struct stage *stage;
  unsigned number;
};

/* Goes over all identities, from a place and with a step of its own. */
static void *report(void *arg) {
  const struct reporter *reporter = arg;
  static const unsigned steps[REPORTERS] = {1, 7, 1999, 11};
  unsigned at = reporter->number * 501;
  for (unsigned sent = 0; sent < IDENTITIES; sent += BATCH) {
    struct job *job = calloc(1, sizeof *job);
    CHECK(job != NULL);
    job->stage = reporter->stage;
    job->batch =
        (struct batch){.usages = job->usages, .count = BATCH, .verdicts = job->verdicts, .done = on_done, .arg = job};
    for (size_t i = 0; i < BATCH; i++) {
      char id[16];
      at = (at + steps[reporter->number]) % IDENTITIES;
      (void)snprintf(id, sizeof id, "task-%u", at);
      fill(job, i, id, at, reporter->number);
    }
    while (committer_submit(reporter->stage->committer, &job->batch) == -ERR_BUSY)
      (void)usleep(100);
  }
  return NULL;
}

/* ---- readers ---- */

struct sums {
  uint64_t tasks, seconds;
};

static struct sums totals(struct stage *stage) {
  struct project project;
  struct ledger_rows rows;
  struct err err = {0};
  struct sums sums = {0};
  CHECK(catalogue_project(ledger_catalogue(stage->ledger), STR("org-a"), &project));
  int result =
      ledger_totals(stage->ledger, &project, USAGE_TRANSCODE, FIRST_DAY, FIRST_DAY + DAYS, 1000, &rows, &err);
  CHECK(result == 0);
  for (size_t i = 0; i < rows.count; i++) {
    sums.tasks += rows.items[i].tasks[TIER_LOW];
    sums.seconds += rows.items[i].units[TIER_LOW];
  }
  ledger_rows_fini(&rows);
  return sums;
}

/* What was answered before the question is in the answer, and nothing is ever lost again. */
static void *watch(void *arg) {
  struct stage *stage = arg;
  struct sums last = {0};
  for (unsigned i = 0; !stage->is_over; i++) {
    uint64_t stored = stage->stored, seconds = stage->seconds;
    struct sums now = totals(stage);
    CHECK(now.tasks >= stored && now.seconds >= seconds);
    CHECK(now.tasks >= last.tasks && now.tasks <= IDENTITIES);
    last = now;
    if (i < 20) {
      char id[16];
      (void)snprintf(id, sizeof id, "org-%u", i);
      make_project(stage, id);
    }
  }
  return NULL;
}

static void test_overlapping_reporters(void **state) {
  (void)state;
  struct stage stage = {.dir = "/tmp/codecmeter-committer-XXXXXX"};
  struct reporter reporters[REPORTERS];
  pthread_t threads[REPORTERS], watcher;
  assert_non_null(mkdtemp(stage.dir));
  open_stage(&stage);
  make_project(&stage, "org-a");
  assert_int_equal(pthread_create(&watcher, NULL, watch, &stage), 0);
  for (unsigned i = 0; i < REPORTERS; i++) {
    reporters[i] = (struct reporter){.stage = &stage, .number = i};
    assert_int_equal(pthread_create(&threads[i], NULL, report, &reporters[i]), 0);
  }
  for (unsigned i = 0; i < REPORTERS; i++)
    assert_int_equal(pthread_join(threads[i], NULL), 0);
  stage.is_over = true;
  assert_int_equal(pthread_join(watcher, NULL), 0);
  committer_stop(stage.committer); /* all that was taken is answered */

  assert_int_equal(stage.failures, 0);
  assert_int_equal(stage.stored, IDENTITIES);
  assert_int_equal(stage.conflicts, IDENTITIES / 10 * (REPORTERS / 2));
  assert_int_equal(stage.stored + stage.duplicates + stage.conflicts, IDENTITIES * REPORTERS);
  struct sums before = totals(&stage);
  assert_int_equal(before.tasks, IDENTITIES);
  assert_int_equal(before.seconds, stage.seconds);
  close_stage(&stage);

  open_stage(&stage);
  struct sums after = totals(&stage);
  assert_int_equal(after.tasks, before.tasks);
  assert_int_equal(after.seconds, before.seconds);
  close_stage(&stage);
  struct err err = {0};
  assert_int_equal(file_remove_tree(stage.dir, &err), 0);
}

int main(void) {
  diag_set_level(DIAG_WARNING);
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_overlapping_reporters)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
