/* The ledger through its door, in a temporary directory: what is stored stays, counts once, and totals follow. */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "ledger/ledger.h"
#include "ledger/totals/rows.h"

#define DAY INT64_C(86400000)
#define T0 INT64_C(1500220800000) /* midnight in Shanghai */

/* ---- a ledger in a temporary directory ---- */

struct fixture {
  char dir[64];
  struct ledger *ledger;
  struct ledger_options options;
  int64_t now_ms;
  pthread_mutex_t lock;
  pthread_cond_t wake;
  unsigned wakes; /* checkpoints and merges that have ended */
};

static int64_t test_now(void *arg) { return ((struct fixture *)arg)->now_ms; }

static void wake_writer(void *arg) {
  struct fixture *f = arg;
  pthread_mutex_lock(&f->lock);
  f->wakes++;
  pthread_cond_broadcast(&f->wake);
  pthread_mutex_unlock(&f->lock);
}

static void open_ledger(struct fixture *f) {
  struct err err = {0};
  if (ledger_open(&f->options, &f->ledger, &err) != 0) fail_msg("ledger_open: %s", err.text);
}

static void reopen(struct fixture *f) {
  ledger_close(f->ledger);
  f->ledger = NULL;
  open_ledger(f);
}

static int setup(void **state) {
  struct fixture *f = calloc(1, sizeof *f);
  static struct clock clock;
  clock = (struct clock){.real_ms = test_now, .monotonic_ms = test_now, .arg = f};
  strcpy(f->dir, "/tmp/codecmeter-ledger-XXXXXX");
  assert_non_null(mkdtemp(f->dir));
  pthread_mutex_init(&f->lock, NULL);
  pthread_cond_init(&f->wake, NULL);
  f->now_ms = T0 + 10 * DAY;
  f->options = (struct ledger_options){
      .dir = f->dir,
      .clock = &clock,
      .map_size = UINT64_C(64) << 20,
      .disk_reserve = UINT64_MAX,
      .wake_writer = wake_writer,
      .wake_writer_arg = f,
  };
  open_ledger(f);
  *state = f;
  return 0;
}

static int teardown(void **state) {
  struct fixture *f = *state;
  struct err err;
  ledger_close(f->ledger);
  assert_int_equal(file_remove_tree(f->dir, &err), 0);
  free(f);
  return 0;
}

static void commit(struct fixture *f) {
  struct err err = {0};
  if (ledger_commit(f->ledger, &err) != 0) fail_msg("commit: %s", err.text);
  if (ledger_turn(f->ledger, &err) != 0) fail_msg("turn: %s", err.text);
}

static int change(struct fixture *f, const struct change *change) {
  struct err err = {0};
  int result = ledger_stage_change(f->ledger, change, &err);
  commit(f);
  return result;
}

static int make_project(struct fixture *f, const char *id, const char *zone) {
  struct change make = {.type = CHANGE_PROJECT_CREATE};
  strcpy(make.project.id, id);
  strcpy(make.project.zone, zone[0] != '\0' ? zone : "Asia/Shanghai");
  return change(f, &make);
}

static struct usage usage_of(const char *id, int64_t finished_ms, uint64_t amount) {
  return (struct usage){
      .project = STR("org-a"),
      .source = STR("farm"),
      .id = str_of(id),
      .kind = USAGE_TRANSCODE,
      .outcome = USAGE_FINISHED,
      .codec = STR("h264"),
      .width = 640,
      .height = 360,
      .has_amount = true,
      .amount = amount,
      .tier = TIER_LOW,
      .finished_ms = finished_ms,
      .finish_stated = true,
      .arrived_ms = finished_ms,
  };
}

/* Stages one, waiting for checkpoints while both deltas are full. */
static struct verdict stage(struct fixture *f, const struct usage *usage) {
  struct verdict verdict = {0};
  struct err err = {0};
  for (;;) {
    pthread_mutex_lock(&f->lock);
    unsigned seen = f->wakes;
    pthread_mutex_unlock(&f->lock);
    size_t decided;
    int result = ledger_stage_usages(f->ledger, usage, 1, UINT64_MAX, &verdict, &decided, &err);
    if (result == 0) return verdict;
    if (result != -ERR_BUSY) fail_msg("stage: %s", err.text);
    commit(f);
    struct ledger_status status;
    ledger_status(f->ledger, &status);
    if (status.delta_records[0] < f->options.delta_max) continue;
    pthread_mutex_lock(&f->lock);
    while (f->wakes == seen) pthread_cond_wait(&f->wake, &f->lock);
    pthread_mutex_unlock(&f->lock);
    commit(f);
  }
}

static enum verdict_outcome store(struct fixture *f, const struct usage *usage) {
  struct verdict verdict = stage(f, usage);
  commit(f);
  return verdict.outcome;
}

/* Totals of a project over a window of days around T0, all tiers and codecs together. */
static struct usage_count sum(struct fixture *f, const char *id, int32_t days_before, int32_t days_after) {
  struct project project;
  struct ledger_rows rows;
  struct err err = {0};
  const struct zone *zone;
  assert_true(catalogue_project(ledger_catalogue(f->ledger), str_of(id), &project));
  assert_int_equal(zone_find(str_of(project.zone), &zone, &err), 0);
  int32_t day = zone_day_of(zone, T0 / 1000);
  if (ledger_totals(f->ledger, &project, USAGE_TRANSCODE, day - days_before, day + days_after, 100000, &rows, &err)) {
    fail_msg("totals: %s", err.text);
  }
  struct usage_count total = {0};
  for (size_t i = 0; i < rows.count; i++) {
    for (int tier = 0; tier < TIERS; tier++) {
      total.units += rows.items[i].units[tier];
      total.minutes += rows.items[i].minutes[tier];
      total.tasks += rows.items[i].tasks[tier];
    }
  }
  ledger_rows_fini(&rows);
  return total;
}

/* ---- the tests ---- */

static void test_empty(void **state) {
  struct fixture *f = *state;
  struct project project;
  assert_false(catalogue_project_default(ledger_catalogue(f->ledger), &project));
  reopen(f);
  struct usage usage = usage_of("1", T0, 1000);
  assert_int_equal(store(f, &usage), VERDICT_REJECTED);
}

static void test_verdicts(void **state) {
  struct fixture *f = *state;
  assert_int_equal(make_project(f, "org-a", ""), 0);
  struct usage first = usage_of("1", T0, 137000), again = first, other = first, later = first, failed = first;
  assert_int_equal(store(f, &first), VERDICT_STORED);
  assert_int_equal(store(f, &again), VERDICT_DUPLICATE);
  again.finish_stated = false; /* a retry without time */
  again.finished_ms = T0 + 5;
  assert_int_equal(store(f, &again), VERDICT_DUPLICATE);
  other.amount = 138000;
  struct verdict verdict = stage(f, &other);
  assert_int_equal(verdict.outcome, VERDICT_CONFLICT);
  assert_int_equal(verdict.fields, USAGE_FIELD_AMOUNT);
  assert_true(verdict.first.kind == USAGE_TRANSCODE && verdict.first.outcome == USAGE_FINISHED);
  assert_true(verdict.first.has_amount && verdict.first.amount == 137000 && verdict.first.finished_ms == T0);
  assert_true(verdict.first.width == first.width && verdict.first.height == first.height);
  assert_true(str_equal(str_of(verdict.first.codec), first.codec));
  later.finished_ms = T0 + 1;
  later.codec = STR("h265");
  verdict = stage(f, &later);
  assert_int_equal(verdict.fields, USAGE_FIELD_TIME | USAGE_FIELD_CODEC);
  failed.outcome = USAGE_FAILED;
  assert_int_equal(stage(f, &failed).fields, USAGE_FIELD_OUTCOME);
  /* the same id of another source is another task */
  other.source = STR("farm2");
  assert_int_equal(store(f, &other), VERDICT_STORED);
  assert_int_equal(sum(f, "org-a", 0, 0).units, 137 + 138);
}

static void test_duplicates_within_a_group(void **state) {
  struct fixture *f = *state;
  assert_int_equal(make_project(f, "org-a", ""), 0);
  struct usage usage = usage_of("same", T0, 1000), other = usage;
  other.width = 641;
  assert_int_equal(stage(f, &usage).outcome, VERDICT_STORED);
  assert_int_equal(stage(f, &usage).outcome, VERDICT_DUPLICATE);
  assert_int_equal(stage(f, &other).outcome, VERDICT_CONFLICT);
  assert_int_equal(sum(f, "org-a", 0, 0).tasks, 0); /* not committed: not seen */
  commit(f);
  assert_int_equal(sum(f, "org-a", 0, 0).tasks, 1);
}

/* Staged blocks are sealed as they fill: a duplicate of a sealed one is found too. */
static void test_large_group(void **state) {
  struct fixture *f = *state;
  assert_int_equal(make_project(f, "org-a", ""), 0);
  static char ids[20000][24], sources[20000][24];
  for (int i = 0; i < 20000; i++) {
    snprintf(ids[i], sizeof ids[i], "task-%d", i);
    snprintf(sources[i], sizeof sources[i], "host-%d", i % 9000);
    struct usage usage = usage_of(ids[i], T0 + i * 1000, 1000);
    usage.source = str_of(sources[i]);
    assert_int_equal(stage(f, &usage).outcome, VERDICT_STORED);
    if (i % 1000 == 7) assert_int_equal(stage(f, &usage).outcome, VERDICT_DUPLICATE);
  }
  struct usage first = usage_of(ids[0], T0, 1000);
  first.source = str_of(sources[0]);
  assert_int_equal(stage(f, &first).outcome, VERDICT_DUPLICATE);
  commit(f);
  assert_int_equal(sum(f, "org-a", 0, 1).tasks, 20000);
  assert_int_equal(stage(f, &first).outcome, VERDICT_DUPLICATE);
  reopen(f);
  assert_int_equal(sum(f, "org-a", 0, 1).tasks, 20000);
  assert_int_equal(stage(f, &first).outcome, VERDICT_DUPLICATE);
}

static void test_uncommitted_is_gone(void **state) {
  struct fixture *f = *state;
  assert_int_equal(make_project(f, "org-a", ""), 0);
  struct usage usage = usage_of("1", T0, 1000);
  assert_int_equal(stage(f, &usage).outcome, VERDICT_STORED);
  reopen(f);
  assert_int_equal(sum(f, "org-a", 0, 0).tasks, 0);
  assert_int_equal(store(f, &usage), VERDICT_STORED);
}

static void test_codecs_are_bounded(void **state) {
  struct fixture *f = *state;
  assert_int_equal(make_project(f, "org-a", ""), 0);
  static const char *const known[] = {"h264", "h265", "av1", "vp9", "aac", "prores"};
  for (int round = 0; round < 2; round++) {
    for (int i = 0; i < CODEC_OTHERS_MAX + 1; i++) {
      char id[24], codec[24];
      snprintf(id, sizeof id, "%d-%d", round, i);
      snprintf(codec, sizeof codec, "codec%d", i);
      struct usage usage = usage_of(id, T0, 1000);
      usage.codec = str_of(codec);
      struct verdict verdict = stage(f, &usage);
      bool fits = i < CODEC_OTHERS_MAX;
      assert_int_equal(verdict.outcome, fits ? VERDICT_STORED : VERDICT_REJECTED);
      if (!fits) assert_int_equal(verdict.reason, VERDICT_REASON_CODECS);
    }
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) { /* known names never run out */
      char id[24];
      snprintf(id, sizeof id, "known %d-%zu", round, i);
      struct usage usage = usage_of(id, T0, 1000);
      usage.codec = str_of(known[i]);
      assert_int_equal(stage(f, &usage).outcome, VERDICT_STORED);
    }
    commit(f); /* the first round decides within one group, the second against the catalogue */
  }
  reopen(f);
  assert_int_equal(sum(f, "org-a", 0, 0).tasks, 2 * (CODEC_OTHERS_MAX + sizeof known / sizeof known[0]));
}

/* A remux that names no codec, beside one of the project's first codec and one of its second. */
static void expect_remuxes(struct fixture *f) {
  static const struct {
    const char *codec;
    uint64_t units, tasks;
  } wanted[] = {{"", 7, 2}, {"h264", 10, 1}, {"h265", 100, 1}};
  struct project project;
  struct ledger_rows rows;
  struct err err = {0};
  assert_true(catalogue_project(ledger_catalogue(f->ledger), STR("org-a"), &project));
  int32_t day = (int32_t)(T0 / DAY);
  if (ledger_totals(f->ledger, &project, USAGE_REMUX, day - 1, day + 1, 100, &rows, &err)) fail_msg("%s", err.text);
  assert_int_equal(rows.count, 3);
  for (size_t i = 0; i < 3; i++) {
    assert_string_equal(rows.items[i].codec, wanted[i].codec);
    assert_int_equal(rows.items[i].units[0], wanted[i].units);
    assert_int_equal(rows.items[i].tasks[0], wanted[i].tasks);
  }
  ledger_rows_fini(&rows);
}

/* Usage without a codec is nobody else's: in the delta, in the rows of a checkpoint, after a void, after a rebuild. */
static void test_usage_without_a_codec(void **state) {
  struct fixture *f = *state;
  struct err err = {0};
  assert_int_equal(make_project(f, "org-a", "UTC"), 0);
  static const struct {
    const char *id, *codec;
    uint64_t amount;
  } remuxes[] = {{"first", "h264", 10000}, {"second", "h265", 100000}, {"third", "", 3000}, {"fourth", "", 4000},
                 {"voided", "", 50000}};
  for (size_t i = 0; i < sizeof remuxes / sizeof remuxes[0]; i++) {
    struct usage usage = usage_of(remuxes[i].id, T0, remuxes[i].amount);
    usage.kind = USAGE_REMUX;
    usage.codec = str_of(remuxes[i].codec);
    usage.width = usage.height = 0;
    assert_int_equal(store(f, &usage), VERDICT_STORED);
  }
  struct usage usage = {.project = STR("org-a"), .source = STR("farm"), .id = STR("void"), .kind = USAGE_VOID,
                        .outcome = USAGE_FINISHED, .finished_ms = T0, .arrived_ms = T0,
                        .target_source = STR("farm"), .target_id = STR("voided")};
  assert_int_equal(store(f, &usage), VERDICT_STORED);
  expect_remuxes(f);
  reopen(f);
  expect_remuxes(f);
  ledger_close(f->ledger);
  f->ledger = NULL;
  if (ledger_rebuild(&f->options, NULL, &err) != 0) fail_msg("rebuild: %s", err.text);
  struct ledger_verify_options how = {0};
  struct ledger_verify_report report;
  if (ledger_verify(&f->options, &how, &report, &err) != 0) fail_msg("verify: %s", err.text);
  assert_int_equal(report.differences, 0);
  open_ledger(f);
  expect_remuxes(f);
  struct change zone = {.type = CHANGE_PROJECT_SET, .set = CHANGE_SET_ZONE}; /* from quarter hours, then days anew */
  strcpy(zone.project.id, "org-a");
  strcpy(zone.project.zone, "Etc/GMT+1");
  assert_int_equal(change(f, &zone), 0);
  expect_remuxes(f);
}

/* Many small deltas: the same answers as one large, before and after a restart and a rebuild. */
static void test_checkpoints(void **state) {
  struct fixture *f = *state;
  f->options.delta_max = 50;
  reopen(f);
  assert_int_equal(make_project(f, "org-a", "America/New_York"), 0);
  enum { N = 2000 };
  srandom(20260131);
  uint64_t seconds = 0;
  for (int i = 0; i < N; i++) {
    char id[24];
    snprintf(id, sizeof id, "%d", i);
    uint64_t amount = (uint64_t)(random() % 100000);
    struct usage usage = usage_of(id, T0 + random() % (20 * DAY), amount);
    seconds += usage_count(&usage).units;
    assert_int_equal(stage(f, &usage).outcome, VERDICT_STORED);
    if (i % 7 == 0) commit(f);
    if (i % 100 == 99) {
      commit(f);
      assert_int_equal(sum(f, "org-a", 1, 21).tasks, i + 1);
    }
  }
  commit(f);
  assert_true(f->wakes > 10);
  assert_int_equal(sum(f, "org-a", 1, 21).units, seconds);
  for (int i = 0; i < N; i += 13) {
    char id[24];
    snprintf(id, sizeof id, "%d", i);
    struct usage usage = usage_of(id, T0, 1);
    assert_int_equal(stage(f, &usage).outcome, VERDICT_CONFLICT);
  }
  reopen(f);
  assert_int_equal(sum(f, "org-a", 1, 21).units, seconds);
  ledger_close(f->ledger);
  f->ledger = NULL;
  struct err err = {0};
  if (ledger_rebuild(&f->options, NULL, &err) != 0) fail_msg("rebuild: %s", err.text);
  open_ledger(f);
  assert_int_equal(sum(f, "org-a", 1, 21).units, seconds);
  assert_int_equal(sum(f, "org-a", 1, 21).tasks, N);
}

/* Waits until the runs are few, and gives their number. */
static unsigned settled_runs(struct fixture *f, unsigned few) {
  struct ledger_status status = {.runs = few + 1};
  for (int i = 0; i < 2000 && status.runs > few; i++) {
    commit(f);
    ledger_status(f->ledger, &status);
    usleep(5000);
  }
  return status.runs;
}

static unsigned count_files(const char *dir, const char *name) {
  char *path = file_path(dir, name);
  DIR *files = opendir(path);
  assert_non_null(files);
  unsigned count = 0;
  for (struct dirent *entry = readdir(files); entry != NULL; entry = readdir(files)) count += entry->d_name[0] != '.';
  closedir(files);
  free(path);
  return count;
}

/* A hundred checkpoints leave a few runs of each kind; every identity is still known, by its content; the files are those
 * that are listed. */
static void test_merges(void **state) {
  struct fixture *f = *state;
  f->options.delta_max = 40;
  reopen(f);
  assert_int_equal(make_project(f, "org-a", ""), 0);
  enum { N = 4000 };
  for (int i = 0; i < N; i++) {
    char id[24];
    snprintf(id, sizeof id, "%d", i);
    struct usage usage = usage_of(id, T0 + i, 1000 + (uint64_t)i);
    assert_int_equal(stage(f, &usage).outcome, VERDICT_STORED);
    if (i % 10 == 9) commit(f);
    if (i % 100 == 99) {
      snprintf(id, sizeof id, "%d", i / 2);
      struct usage early = usage_of(id, T0 + i / 2, 1000 + (uint64_t)(i / 2));
      assert_int_equal(stage(f, &early).outcome, VERDICT_DUPLICATE);
    }
  }
  assert_in_range(settled_runs(f, 3 * 8), 3, 3 * 8);
  for (int round = 0; round < 2; round++) {
    for (int i = 0; i < N; i++) {
      char id[24];
      snprintf(id, sizeof id, "%d", i);
      struct usage usage = usage_of(id, T0 + i, 1000 + (uint64_t)i), other = usage;
      assert_int_equal(stage(f, &usage).outcome, VERDICT_DUPLICATE);
      other.amount++;
      assert_int_equal(stage(f, &other).outcome, VERDICT_CONFLICT);
    }
    reopen(f);
  }
  struct ledger_status status;
  ledger_close(f->ledger);
  f->options.maintenance = true; /* nothing is merged while we count */
  open_ledger(f);
  ledger_status(f->ledger, &status);
  assert_int_equal(count_files(f->dir, "derived/runs"), status.runs);
}

static void test_zone_change(void **state) {
  struct fixture *f = *state;
  f->options.delta_max = 10;
  reopen(f);
  assert_int_equal(make_project(f, "org-a", "Asia/Shanghai"), 0);
  for (int i = 0; i < 45; i++) {
    char id[24];
    snprintf(id, sizeof id, "%d", i);
    struct usage usage = usage_of(id, T0 + i * 3600000, 1000);
    assert_int_equal(store(f, &usage), VERDICT_STORED);
  }
  assert_int_equal(sum(f, "org-a", 0, 0).tasks, 24);
  struct change set = {.type = CHANGE_PROJECT_SET, .set = CHANGE_SET_ZONE};
  strcpy(set.project.id, "org-a");
  strcpy(set.project.zone, "UTC");
  assert_int_equal(change(f, &set), 0);
  for (int i = 0; i < 3; i++) {
    /* T0 is 16:00 in UTC: eight hours are left of that day; from quarters first, from days after the checkpoint */
    assert_int_equal(sum(f, "org-a", 0, 0).tasks, 8);
    assert_int_equal(sum(f, "org-a", 0, 1).tasks, 32);
    assert_int_equal(sum(f, "org-a", 0, 5).tasks, 45);
    reopen(f);
    commit(f);
  }
}

static void test_catalogue(void **state) {
  struct fixture *f = *state;
  f->options.delta_max = 3;
  reopen(f);
  assert_int_equal(make_project(f, "org-a", "Mars/Olympus"), -ERR_RANGE);
  struct change nowhere = {.type = CHANGE_PROJECT_CREATE, .project = {.id = "org-a"}};
  assert_int_equal(change(f, &nowhere), -ERR_RANGE); /* there is no zone by default */
  assert_int_equal(make_project(f, "org-a", ""), 0);
  assert_int_equal(make_project(f, "org-a", ""), -ERR_EXISTS);
  assert_int_equal(make_project(f, "org-b", "UTC"), 0);
  struct change key = {.type = CHANGE_KEY_CREATE};
  strcpy(key.key.public_key, "pub");
  strcpy(key.key.private_key, "secret");
  assert_int_equal(change(f, &key), 0);
  assert_int_equal(change(f, &key), -ERR_EXISTS);
  const char *projects[] = {"org-b"};
  strcpy(key.key.public_key, "sub");
  key.key.sub_account = true;
  key.projects = projects;
  key.projects_count = 1;
  assert_int_equal(change(f, &key), 0);
  struct change token = {.type = CHANGE_TOKEN_CREATE};
  strcpy(token.token.id, "t1");
  memset(token.token.hash, 7, TOKEN_HASH_SIZE);
  token.token.scope = TOKEN_WRITE;
  assert_int_equal(change(f, &token), 0);
  struct change maker = {.type = CHANGE_TOKEN_CREATE, .token = {.id = "t2", .hash = {8}, .scope = TOKEN_WRITE}};
  maker.token.creates_projects = true;
  assert_int_equal(change(f, &maker), -ERR_RANGE); /* in no zone */
  strcpy(maker.token.zone, "Mars/Olympus");
  assert_int_equal(change(f, &maker), -ERR_RANGE);
  strcpy(maker.token.zone, "Europe/Berlin");
  assert_int_equal(change(f, &maker), 0);
  struct change disable = {.type = CHANGE_KEY_DISABLE};
  strcpy(disable.key.public_key, "pub");
  struct change revoke = {.type = CHANGE_TOKEN_REVOKE};
  strcpy(revoke.token.id, "t1");
  for (int round = 0; round < 3; round++) {
    const struct catalogue *c = ledger_catalogue(f->ledger);
    struct project project;
    struct key found;
    struct token found_token;
    assert_true(catalogue_project_default(c, &project));
    assert_string_equal(project.id, "org-a");
    assert_true(catalogue_key(c, STR("pub"), &found));
    assert_int_equal(found.disabled, round == 2);
    assert_false(catalogue_key(c, STR("nobody"), &found));
    assert_true(catalogue_key_allows(c, STR("pub"), STR("org-a")));
    assert_false(catalogue_key_allows(c, STR("sub"), STR("org-a")));
    assert_true(catalogue_key_allows(c, STR("sub"), STR("org-b")));
    assert_true(catalogue_token(c, token.token.hash, &found_token));
    assert_int_equal(found_token.revoked, round == 2);
    assert_string_equal(found_token.zone, "");
    assert_true(catalogue_token(c, maker.token.hash, &found_token));
    assert_true(found_token.creates_projects && !found_token.revoked);
    assert_string_equal(found_token.zone, "Europe/Berlin");
    if (round == 1) {
      assert_int_equal(change(f, &disable), 0);
      assert_int_equal(change(f, &revoke), 0);
    }
    /* the second time from LMDB, the third with the changes from the log */
    struct usage usage = usage_of(round == 0 ? "x" : "y", T0, 1);
    for (int i = 0; i < 4; i++) {
      usage.source = STR("s");
      usage.id = str_make("abcdefgh" + round * 4 % 5 + i, 1);
      (void)store(f, &usage);
    }
    reopen(f);
  }
}

/* ---- damage ---- */

static void last_segment(struct fixture *f, char *path, size_t size) {
  snprintf(path, size, "%s/log/0000000000000000.seg", f->dir);
}

static uint64_t file_length(const char *path) {
  struct stat st;
  assert_int_equal(stat(path, &st), 0);
  return (uint64_t)st.st_size;
}

static void copy_file(const char *from, const char *to, uint64_t length) {
  static char bytes[1 << 20];
  int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  assert_true(in >= 0 && out >= 0 && length <= sizeof bytes);
  assert_int_equal(read(in, bytes, length), length);
  assert_int_equal(write(out, bytes, length), length);
  close(in);
  close(out);
}

/* Cuts the last block at every offset: what was committed before it stands, and writing goes on. */
static void test_torn_tail(void **state) {
  struct fixture *f = *state;
  char path[256], saved[300];
  f->options.maintenance = true; /* no checkpoint may cover what is then cut */
  reopen(f);
  assert_int_equal(make_project(f, "org-a", ""), 0);
  struct usage one = usage_of("1", T0, 1000), two = usage_of("2", T0, 2000);
  assert_int_equal(store(f, &one), VERDICT_STORED);
  last_segment(f, path, sizeof path);
  uint64_t before = file_length(path);
  assert_int_equal(store(f, &two), VERDICT_STORED);
  uint64_t after = file_length(path);
  ledger_close(f->ledger);
  f->ledger = NULL;
  snprintf(saved, sizeof saved, "%s.saved", f->dir);
  copy_file(path, saved, after);
  for (uint64_t length = before; length < after; length++) {
    copy_file(saved, path, length);
    open_ledger(f);
    assert_int_equal(sum(f, "org-a", 0, 0).units, 1);
    assert_int_equal(file_length(path), before);
    assert_int_equal(store(f, &two), VERDICT_STORED);
    assert_int_equal(sum(f, "org-a", 0, 0).units, 3);
    ledger_close(f->ledger);
    f->ledger = NULL;
  }
  unlink(saved);
  open_ledger(f);
}

/* Flips a bit at every offset: of the last block, that is a torn tail; of one before, which a later block says was
 * synced, the start is stopped. */
static void test_flipped_bits(void **state) {
  struct fixture *f = *state;
  char path[256], saved[300];
  last_segment(f, path, sizeof path);
  uint64_t empty = file_length(path);
  assert_int_equal(make_project(f, "org-a", ""), 0);
  struct usage one = usage_of("1", T0, 1000), two = usage_of("2", T0, 2000);
  assert_int_equal(store(f, &one), VERDICT_STORED);
  uint64_t before = file_length(path);
  assert_int_equal(store(f, &two), VERDICT_STORED);
  uint64_t after = file_length(path);
  ledger_close(f->ledger);
  f->ledger = NULL;
  snprintf(saved, sizeof saved, "%s.saved", f->dir);
  copy_file(path, saved, after);
  for (uint64_t at = 0; at < after; at++) {
    copy_file(saved, path, after);
    int fd = open(path, O_RDWR);
    char byte;
    assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
    close(fd);
    struct err err = {0};
    int result = ledger_open(&f->options, &f->ledger, &err);
    if (at >= before) {
      assert_int_equal(result, 0);
      assert_int_equal(sum(f, "org-a", 0, 0).units, 1);
    } else {
      /* a higher version in the header reads as a later format */
      if (result != -ERR_CORRUPT && result != -ERR_VERSION) fail_msg("offset %" PRIu64 " of %" PRIu64, at, empty);
      assert_true(strlen(err.text) > 10);
      assert_int_equal(file_length(path), after); /* nothing was cut */
    }
    ledger_close(f->ledger);
    f->ledger = NULL;
  }
  copy_file(saved, path, after);
  unlink(saved);
  open_ledger(f);
}

static void test_missing_parts(void **state) {
  struct fixture *f = *state;
  char path[128], away[140];
  struct err err = {0};
  assert_int_equal(make_project(f, "org-a", ""), 0);
  f->options.delta_max = 2;
  reopen(f);
  for (int i = 0; i < 5; i++) {
    struct usage usage = usage_of((char[2]){(char)('a' + i), '\0'}, T0, 1000);
    assert_int_equal(store(f, &usage), VERDICT_STORED);
  }
  ledger_close(f->ledger);
  f->ledger = NULL;
  const char *parts[] = {"derived", "log", "derived/runs/0000000000000001.run"};
  for (size_t i = 0; i < 3; i++) {
    snprintf(path, sizeof path, "%s/%s", f->dir, parts[i]);
    snprintf(away, sizeof away, "%s.away", f->dir);
    assert_int_equal(rename(path, away), 0);
    assert_int_equal(ledger_open(&f->options, &f->ledger, &err), -ERR_CORRUPT);
    assert_non_null(strstr(err.text, i == 1 ? "backup" : "rebuild"));
    assert_int_equal(rename(away, path), 0);
  }
  open_ledger(f);
  assert_int_equal(sum(f, "org-a", 0, 0).tasks, 5);
}

/* The totals of a later version are refused by name. */
static void test_later_totals(void **state) {
  struct fixture *f = *state;
  struct err err = {0};
  struct rows *rows;
  struct rows_txn *txn;
  bool is_old;
  char *derived = file_path(f->dir, "derived");
  ledger_close(f->ledger);
  f->ledger = NULL;
  assert_int_equal(rows_open(derived, f->options.map_size, false, &rows, &is_old, &err), 0);
  assert_int_equal(rows_begin_write(rows, &txn, &err), 0);
  char bytes[4];
  le32_store(bytes, 99);
  int result = rows_put(txn, TABLE_META, STR("format"), str_make(bytes, sizeof bytes), &err);
  assert_int_equal(rows_finish(txn, result, &err), 0);
  rows_close(rows);
  assert_int_equal(ledger_open(&f->options, &f->ledger, &err), -ERR_VERSION);
  assert_non_null(strstr(err.text, "format 99"));
  assert_int_equal(ledger_rebuild(&f->options, NULL, &err), 0);
  open_ledger(f);
  free(derived);
}

static void test_segments(void **state) {
  struct fixture *f = *state;
  f->options.segment_size = 1000;
  f->options.delta_max = 7;
  reopen(f);
  assert_int_equal(make_project(f, "org-a", ""), 0);
  for (int i = 0; i < 100; i++) {
    char id[24];
    snprintf(id, sizeof id, "%d", i);
    struct usage usage = usage_of(id, T0, 1000);
    assert_int_equal(store(f, &usage), VERDICT_STORED);
    if (i % 10 == 0) reopen(f);
    assert_int_equal(store(f, &usage), VERDICT_DUPLICATE);
  }
  assert_int_equal(sum(f, "org-a", 0, 0).tasks, 100);
}

/* Blocks that repeats are compared with stay in memory, and are freed a minute after the last repeat. */
static void test_blocks_are_kept_for_a_while(void **state) {
  struct fixture *f = *state;
  struct err err = {0};
  assert_int_equal(make_project(f, "org-a", ""), 0);
  struct usage usage = usage_of("1", T0, 1000);
  assert_int_equal(store(f, &usage), VERDICT_STORED);
  assert_int_equal(ledger_turn_due_ms(f->ledger), INT64_MAX);
  assert_int_equal(store(f, &usage), VERDICT_DUPLICATE);
  assert_int_equal(ledger_turn_due_ms(f->ledger), 60000);
  f->now_ms += 50000;
  assert_int_equal(store(f, &usage), VERDICT_DUPLICATE);
  assert_int_equal(ledger_turn_due_ms(f->ledger), 60000);
  f->now_ms += 59999;
  assert_int_equal(ledger_turn(f->ledger, &err), 0);
  assert_int_equal(ledger_turn_due_ms(f->ledger), 1);
  f->now_ms += 1;
  assert_int_equal(ledger_turn_due_ms(f->ledger), 0);
  assert_int_equal(ledger_turn(f->ledger, &err), 0);
  assert_int_equal(ledger_turn_due_ms(f->ledger), INT64_MAX);
  assert_int_equal(store(f, &usage), VERDICT_DUPLICATE);
}

/* What is open must be where a later start looks for it. */
static void test_places(void **state) {
  struct fixture *f = *state;
  static const char *const places[] = {"log", "log/0000000000000000.seg", "derived", "derived/runs", "derived/totals",
                                       "derived/totals/data.mdb", ""};
  assert_int_equal(make_project(f, "org-a", ""), 0);
  for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
    char path[128], away[140];
    struct err err = {0};
    assert_int_equal(ledger_check_places(f->ledger, &err), 0);
    snprintf(path, sizeof path, "%s%s%s", f->dir, places[i][0] != '\0' ? "/" : "", places[i]);
    snprintf(away, sizeof away, "%s.away", f->dir);
    assert_int_equal(rename(path, away), 0);
    assert_int_equal(ledger_check_places(f->ledger, &err), -ERR_CORRUPT);
    assert_non_null(strstr(err.text, places[i]));
    bool is_file = strstr(places[i], ".") != NULL;
    int fd = is_file ? open(path, O_WRONLY | O_CREAT, 0600) : mkdir(path, 0700); /* another one in its place */
    assert_true(fd >= 0);
    if (is_file) close(fd);
    assert_int_equal(ledger_check_places(f->ledger, &err), -ERR_CORRUPT);
    assert_int_equal(remove(path), 0);
    assert_int_equal(rename(away, path), 0);
  }
  struct err err = {0};
  assert_int_equal(ledger_check_places(f->ledger, &err), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
      T(test_empty),      T(test_verdicts),   T(test_duplicates_within_a_group), T(test_large_group),
      T(test_uncommitted_is_gone), T(test_codecs_are_bounded), T(test_usage_without_a_codec), T(test_checkpoints), T(test_zone_change),
      T(test_catalogue),  T(test_torn_tail),  T(test_flipped_bits),              T(test_missing_parts),
      T(test_segments),   T(test_merges),     T(test_later_totals),
      T(test_blocks_are_kept_for_a_while), T(test_places),
#undef T
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
