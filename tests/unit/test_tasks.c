/* Lists of tasks against a naive recount of the log: random projects, ranges, filters, statuses, task ids and positions,
 * read in pages and in small helpings, while tasks, voids and resolutions arrive between the pages. SEED=n replays,
 * ROUNDS=n does more.
 */
#include "scan_fixture.h"

#include "query/task.h"
#include "query/tasks.h"
#include "query/usage_copy.h"

static const char *const projects[] = {"org-a", "org-b", "org-c", "org-d"};
static const char *const codecs[] = {"h264", "h265", "av1"};
static const char *const task_ids[] = {"job-1", "job-2", "task-7"};
#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static unsigned below(unsigned n) { return (unsigned)random() % n; }

/* ---- a random history ---- */

struct story {
  struct fixture *f;
  unsigned tasks;
  char names[20000][16];
  uint8_t project[20000];
  bool waits[20000];
};

static void add_task(struct story *story) {
  static const enum usage_kind kinds[] = {USAGE_TRANSCODE, USAGE_TRANSCODE, USAGE_TRANSCODE, USAGE_REMUX,
                                          USAGE_SNAPSHOT,  USAGE_AUDIO,     USAGE_UNRESOLVED};
  unsigned at = story->tasks++;
  assert_true(at < COUNT(story->names));
  (void)snprintf(story->names[at], sizeof story->names[at], "task-%u", at);
  story->project[at] = (uint8_t)below(3); /* org-d stays empty */
  struct usage usage = usage_of(projects[story->project[at]], story->names[at], T0 + (int64_t)below(40) * DAY / 4);
  usage.kind = kinds[below(COUNT(kinds))];
  usage.codec = str_of(codecs[below(COUNT(codecs))]);
  usage.amount = 1 + below(200000);
  usage.tier = usage.kind == USAGE_TRANSCODE ? (enum tier)below(TIERS) : TIER_LOW;
  if (below(3) == 0) usage.task_id = str_of(task_ids[below(2)]);
  if (usage.kind == USAGE_UNRESOLVED) usage.codec = (struct str){0};
  if (usage.kind == USAGE_TRANSCODE && below(6) == 0) usage.outcome = USAGE_FAILED, usage.tier = TIER_LOW;
  if (usage.kind != USAGE_TRANSCODE && usage.kind != USAGE_UNRESOLVED) usage.width = usage.height = 0;
  story->waits[at] = usage.kind == USAGE_UNRESOLVED;
  assert_int_equal(stage(story->f, &usage), VERDICT_STORED);
}

/* Voids a task, or resolves an output. */
static void change_task(struct story *story) {
  char id[24];
  unsigned at = below(story->tasks);
  const char *project = projects[story->project[at]];
  struct usage usage = usage_of(project, story->names[at], T0 + (int64_t)below(40) * DAY / 4);
  if (!story->waits[at]) {
    (void)snprintf(id, sizeof id, "void-%u", at);
    usage = void_of(project, id, story->names[at], usage.finished_ms);
  }
  story->waits[at] = false;
  (void)stage(story->f, &usage);
}

static void go_on(struct story *story, unsigned steps) {
  for (unsigned i = 0; i < steps; i++) {
    if (below(4) > 0)
      add_task(story);
    else
      change_task(story);
  }
  commit(story->f);
  if (below(4) == 0) checkpoint(story->f, below(2));
}

/* ---- the recount ---- */

struct row {
  struct scan_key key;
  size_t project;
  enum task_status status;
};

static bool is_later(const struct row *a, const struct row *b) {
  return a->key.finished_ms != b->key.finished_ms ? a->key.finished_ms > b->key.finished_ms
                                                  : a->key.position > b->key.position;
}

static int by_time(const void *a, const void *b) { return is_later(a, b) ? -1 : is_later(b, a) ? 1 : 0; }

static bool names_kind(const struct filter *filter) {
  for (size_t i = 0; i < filter->count; i++) {
    if (filter->values[i].ref.dim == DIM_KIND) return true;
  }
  return false;
}

static bool recount_status(const struct notes *notes, const struct noted *noted, uint64_t as_of, enum task_status *ret) {
  if (noted->usage.kind == USAGE_UNRESOLVED) {
    *ret = TASK_UNRESOLVED;
    return noted_resolution(notes, noted, as_of) == 0;
  }
  *ret = noted->usage.outcome == USAGE_FAILED ? TASK_FAILED : TASK_FINISHED;
  if (noted_void(notes, noted, as_of) != 0) *ret = TASK_VOIDED;
  return true;
}

static bool recount_filter(const struct tasks_query *query, const struct noted *noted) {
  struct usage usage = noted->usage;
  const char *task_id = noted->task_id[0] != '\0' ? noted->task_id : noted->id;
  bool has_id = query->task_ids_count == 0;
  for (size_t i = 0; i < query->task_ids_count; i++)
    has_id = has_id || str_equal(query->task_ids[i], str_of(task_id));
  if (usage.kind == USAGE_UNRESOLVED && names_kind(query->filter)) return false;
  if (usage.kind == USAGE_UNRESOLVED) usage.kind = USAGE_REMUX; /* no tier */
  usage.codec = str_of(noted->codec);
  usage.source = str_of(noted->source);
  usage.labels = STR("");
  return has_id && filter_passes(query->filter, &usage);
}

static struct row *recount(const struct notes *notes, const struct tasks_query *query, size_t *ret_count) {
  struct row *rows = calloc(notes->count + 1, sizeof *rows);
  size_t count = 0;
  for (size_t i = 0; i < notes->count; i++) {
    const struct noted *noted = &notes->items[i];
    struct row row = {.key = {noted->usage.finished_ms, noted->position}};
    if (noted->usage.kind == USAGE_VOID || noted->position >= query->as_of) continue;
    for (size_t p = 0; p < query->projects_count; p++) {
      const struct tasks_project *of = &query->projects[p];
      bool fits = str_equal(of->id, str_of(noted->project)) && row.key.finished_ms >= of->from_ms && row.key.finished_ms < of->to_ms;
      row.project = p;
      if (!fits || !recount_filter(query, noted) || !recount_status(notes, noted, query->as_of, &row.status)) continue;
      if ((query->statuses & row.status) != 0) rows[count++] = row;
    }
  }
  qsort(rows, count, sizeof *rows, by_time);
  *ret_count = count;
  return rows;
}

/* ---- reading pages ---- */

struct reading {
  struct row *rows;
  size_t count, cap;
  size_t page_left; /* rows until the page is full */
  unsigned stop_at; /* the visitor now and then has enough */
};

static bool take(void *arg, const struct tasks_item *item) {
  struct reading *reading = arg;
  assert_true(reading->count < reading->cap);
  assert_true(reading->page_left > 0);
  assert_int_equal(task_status_of(item->usage, item->status == TASK_VOIDED), item->status);
  if (item->usage->dest_name.len > 0) assert_true(str_equal(item->usage->dest_name, item->usage->id));
  reading->rows[reading->count++] = (struct row){
      .key = {item->usage->finished_ms, item->position}, .project = item->project, .status = item->status};
  return --reading->page_left > 0 && below(reading->stop_at) > 0;
}

/* Reads one page; false after the last. */
static bool read_page(struct fixture *f, struct tasks_query *query, struct reading *reading) {
  struct err err = {0};
  SCOPED(tasks_free_ref) struct tasks *tasks = NULL;
  bool is_end = false;
  if (tasks_new(f->ledger, query, &tasks, &err) != 0) fail_msg("%s", err.text);
  while (!is_end && reading->page_left > 0) {
    uint64_t before = tasks_looked_at(tasks);
    if (tasks_next(tasks, take, reading, &is_end, &err) != 0) fail_msg("%s", err.text);
    assert_true(tasks_looked_at(tasks) - before <= TASKS_STEP_RECORDS + TASKS_BATCH);
  }
  assert_true(!is_end || tasks_is_at_end(tasks));
  query->has_behind = tasks_key(tasks, &query->behind);
  return !tasks_is_at_end(tasks);
}

/* A story that goes on between the pages may be NULL. */
static void expect_list(struct fixture *f, struct story *story, const struct notes *notes, struct tasks_query query,
                        size_t page) {
  size_t wanted_count;
  struct row *wanted = recount(notes, &query, &wanted_count);
  struct reading reading = {.rows = calloc(notes->count + 1, sizeof *reading.rows), .cap = notes->count, .stop_at = 1 + below(9)};
  do {
    reading.page_left = page;
    if (story != NULL && below(8) == 0) go_on(story, below(5));
  } while (read_page(f, &query, &reading));
  assert_int_equal(reading.count, wanted_count);
  for (size_t i = 0; i < wanted_count; i++) {
    assert_int_equal(reading.rows[i].key.finished_ms, wanted[i].key.finished_ms);
    assert_int_equal(reading.rows[i].key.position, wanted[i].key.position);
    assert_int_equal(reading.rows[i].project, wanted[i].project);
    assert_int_equal(reading.rows[i].status, wanted[i].status);
  }
  free(wanted);
  free(reading.rows);
}

/* ---- random questions ---- */

struct question {
  struct tasks_project projects[COUNT(projects)];
  struct filter filter;
  struct str task_ids[COUNT(task_ids)];
  struct tasks_query query;
};

static void ask_projects(struct fixture *f, struct question *question) {
  size_t count = 0;
  for (size_t i = 0; i < COUNT(projects); i++) {
    struct tasks_project *of = &question->projects[count];
    if (below(3) == 0) continue;
    *of = (struct tasks_project){number_of(f, projects[i]), str_of(projects[i]), INT64_MIN, INT64_MAX};
    if (below(2)) of->from_ms = T0 + (int64_t)below(40) * DAY / 4;
    if (below(2)) of->to_ms = T0 + (int64_t)below(60) * DAY / 4;
    count++;
  }
  question->query.projects = question->projects;
  question->query.projects_count = count;
}

static void ask_filter(struct question *question) {
  static const char *const filters[][2] = {{"kind", "transcode"}, {"kind", "audio"}, {"kind", "snapshot"}, {"codec", "h264"},
                                           {"codec", "av1"},      {"codec", ""},     {"tier", "high"},     {"tier", ""},
                                           {"tier", "low"},       {"source", "farm"}, {"source", "none"},  {"resolution", "640x360"},
                                           {"resolution", ""},    {"frame_rate", ""}, {"label.team", ""}};
  for (unsigned i = below(4); i > 0; i--) {
    const char *const *filter = filters[below(COUNT(filters))];
    assert_int_equal(filter_add(&question->filter, str_of(filter[0]), str_of(filter[1]), NULL), 0);
  }
  question->query.filter = &question->filter;
}

static void ask(struct fixture *f, const struct notes *notes, struct question *question) {
  struct tasks_query *query = &question->query;
  ask_projects(f, question);
  ask_filter(question);
  query->statuses = below(2) ? TASK_FINISHED : 1 + below(TASK_STATUS_ALL);
  query->task_ids = question->task_ids;
  while (below(3) == 0 && query->task_ids_count < COUNT(task_ids)) {
    question->task_ids[query->task_ids_count] = str_of(task_ids[query->task_ids_count]);
    query->task_ids_count++;
  }
  query->as_of = below(2) ? notes->end : notes->items[below((unsigned)notes->count)].position;
}

static void test_random(void **state) {
  struct fixture *f = *state;
  static const size_t pages[] = {1, 2, 7, 100, 100000};
  const char *seed = getenv("SEED"), *rounds = getenv("ROUNDS");
  unsigned number = seed != NULL ? (unsigned)strtoul(seed, NULL, 10) : 20261130;
  print_message("SEED=%u\n", number);
  srandom(number);
  f->options.delta_max = 300;
  open_ledger(f);
  for (size_t i = 0; i < COUNT(projects); i++)
    make_project(f, projects[i], "UTC");
  struct story *story = calloc(1, sizeof *story);
  story->f = f;
  go_on(story, 1500);
  for (unsigned round = 0; round < (rounds != NULL ? strtoul(rounds, NULL, 10) : 120); round++) {
    struct notes notes = take_notes(f);
    struct question question = {0};
    ask(f, &notes, &question);
    expect_list(f, story, &notes, question.query, pages[below(COUNT(pages))]);
    notes_fini(&notes);
    if (below(4) == 0) go_on(story, below(60));
  }
  free(story);
}

/* ---- bounds ---- */

/* More projects than one call may ask: the first calls give nothing. */
static void test_many_projects(void **state) {
  struct fixture *f = *state;
  enum { MANY = 3 * TASKS_STEP_SEARCHES };
  static char ids[MANY][16];
  static struct tasks_project of[MANY];
  open_ledger(f);
  for (unsigned i = 0; i < MANY; i++) {
    (void)snprintf(ids[i], sizeof ids[i], "org-%u", i);
    make_project(f, ids[i], "UTC");
    of[i] = (struct tasks_project){number_of(f, ids[i]), str_of(ids[i]), INT64_MIN, INT64_MAX};
    for (unsigned task = 0; task < 5; task++) {
      static char id[8];
      (void)snprintf(id, sizeof id, "%u", task);
      struct usage usage = usage_of(ids[i], id, T0 + (i * 7919 + task * 104729) % 1000);
      assert_int_equal(stage(f, &usage), VERDICT_STORED);
    }
    commit(f);
  }
  const struct filter filter = {0};
  struct notes notes = take_notes(f);
  struct tasks_query query = {
      .projects = of, .projects_count = MANY, .filter = &filter, .statuses = TASK_FINISHED, .as_of = notes.end};
  static const size_t pages[] = {7, 100, 100000};
  for (size_t i = 0; i < COUNT(pages); i++)
    expect_list(f, NULL, &notes, query, pages[i]);
  notes_fini(&notes);
}

/* More records of a task id than a list keeps: they are found by time. */
static void test_many_of_a_task_id(void **state) {
  struct fixture *f = *state;
  open_ledger(f);
  make_project(f, "org-a", "UTC");
  for (unsigned i = 0; i < TASKS_FOUND_MAX + 1000; i++) {
    char id[16];
    (void)snprintf(id, sizeof id, "%u", i);
    struct usage usage = usage_of("org-a", id, T0 + (int64_t)(i * UINT64_C(7919) % 100003));
    usage.task_id = STR("job-1");
    assert_int_equal(stage(f, &usage), VERDICT_STORED);
    if (i % 1000 == 0) commit(f);
  }
  commit(f);
  const struct filter filter = {0};
  const struct tasks_project of = {number_of(f, "org-a"), STR("org-a"), INT64_MIN, INT64_MAX};
  const struct str wanted = STR("job-1");
  struct notes notes = take_notes(f);
  struct tasks_query query = {.projects = &of,
                              .projects_count = 1,
                              .filter = &filter,
                              .statuses = TASK_STATUS_ALL,
                              .task_ids = &wanted,
                              .task_ids_count = 1,
                              .as_of = notes.end};
  query.statuses = TASK_FINISHED | TASK_FAILED;
  struct reading reading = {.rows = calloc(notes.count + 1, sizeof *reading.rows), .cap = notes.count, .page_left = SIZE_MAX, .stop_at = 1000};
  while (read_page(f, &query, &reading)) {
  }
  assert_int_equal(reading.count, TASKS_FOUND_MAX + 1000);
  for (size_t i = 1; i < reading.count; i++)
    assert_true(is_later(&reading.rows[i - 1], &reading.rows[i]));
  free(reading.rows);
  notes_fini(&notes);
}

/* The newest records do not match, so the batches grow; then all match, more than are kept whole. */
static void test_many_match(void **state) {
  struct fixture *f = *state;
  enum { HAY = 10000, NEEDLES = 5000 };
  open_ledger(f);
  make_project(f, "org-a", "UTC");
  for (unsigned i = 0; i < HAY + NEEDLES; i++) {
    char id[16];
    (void)snprintf(id, sizeof id, "%u", i);
    bool is_hay = i % 3 != 0;
    struct usage usage = usage_of("org-a", id, is_hay ? T0 + 1000000 + i : T0 + (int64_t)(i * UINT64_C(7919) % 100003));
    usage.source = is_hay ? STR("hay") : STR("farm");
    usage.dest_name = usage.id;
    assert_int_equal(stage(f, &usage), VERDICT_STORED);
    if (i % 1000 == 0) commit(f);
  }
  commit(f);
  checkpoint(f, true);
  struct filter filter = {0};
  assert_int_equal(filter_add(&filter, STR("source"), STR("farm"), NULL), 0);
  const struct tasks_project of = {number_of(f, "org-a"), STR("org-a"), INT64_MIN, INT64_MAX};
  struct notes notes = take_notes(f);
  struct tasks_query query = {
      .projects = &of, .projects_count = 1, .filter = &filter, .statuses = TASK_FINISHED, .as_of = notes.end};
  static const size_t pages[] = {100, 1000, 1000000};
  for (size_t i = 0; i < COUNT(pages); i++)
    expect_list(f, NULL, &notes, query, pages[i]);
  notes_fini(&notes);
}

static void test_bad(void **state) {
  struct fixture *f = *state;
  struct err err = {0};
  open_ledger(f);
  make_project(f, "org-a", "UTC");
  const struct filter filter = {0};
  const struct tasks_project of = {number_of(f, "org-a"), STR("org-a"), INT64_MIN, INT64_MAX};
  const struct tasks_query query = {.projects = &of,
                                    .projects_count = 1,
                                    .filter = &filter,
                                    .statuses = TASK_FINISHED,
                                    .as_of = ledger_position(f->ledger) + 1};
  SCOPED(tasks_free_ref) struct tasks *tasks = NULL;
  struct reading reading = {.page_left = 1};
  bool is_end;
  assert_int_equal(tasks_new(f->ledger, &query, &tasks, &err), 0);
  assert_int_equal(tasks_next(tasks, take, &reading, &is_end, &err), -ERR_RANGE);
}

/* A record that is not of the project that it was found for is not shown. */
static void test_another_record(void **state) {
  struct fixture *f = *state;
  struct err err = {0};
  open_ledger(f);
  make_project(f, "org-a", "UTC");
  struct usage usage = usage_of("org-a", "one", T0);
  assert_int_equal(store(f, &usage), VERDICT_STORED);
  const struct filter filter = {0};
  const struct tasks_project of = {number_of(f, "org-a"), STR("org-b"), INT64_MIN, INT64_MAX};
  const struct tasks_query query = {.projects = &of,
                                    .projects_count = 1,
                                    .filter = &filter,
                                    .statuses = TASK_FINISHED,
                                    .as_of = ledger_position(f->ledger)};
  SCOPED(tasks_free_ref) struct tasks *tasks = NULL;
  struct reading reading = {.page_left = 1};
  bool is_end;
  assert_int_equal(tasks_new(f->ledger, &query, &tasks, &err), 0);
  assert_int_equal(tasks_next(tasks, take, &reading, &is_end, &err), -ERR_CORRUPT);
  assert_int_equal(reading.count, 0);
}

/* ---- copies ---- */

/* Every text of a record is copied: the first ones are overwritten before the look. */
static void test_copy(void **state) {
  (void)state;
  static const enum usage_kind kinds[] = {USAGE_TRANSCODE, USAGE_VOID};
  for (size_t k = 0; k < COUNT(kinds); k++) {
    char texts[14][SRC_URL_MAX];
    struct usage usage = {.kind = kinds[k], .finished_ms = 7, .width = 640}, copy;
    struct str *const of[14] = {&usage.project, &usage.source,  &usage.id,      &usage.codec,     &usage.quality,
                                &usage.region,  &usage.codec_reported, &usage.labels, &usage.token, &usage.task_id,
                                &usage.src_url, &usage.dest_name, &usage.dest_bucket, &usage.format};
    static const size_t lengths[14] = {PROJECT_ID_MAX, SOURCE_MAX, EVENT_ID_MAX, CODEC_NAME_MAX, QUALITY_MAX, REGION_MAX, CODEC_REPORTED_MAX,
                                       LABELS_SIZE_MAX, USAGE_TOKEN_MAX, TASK_ID_MAX, SRC_URL_MAX, DEST_MAX, DEST_MAX, DEST_MAX};
    const size_t count = kinds[k] == USAGE_VOID ? 13 : 14; /* a void has no format */
    for (size_t i = 0; i < count; i++) {
      memset(texts[i], 'a' + (int)i, sizeof texts[i]);
      *of[i] = str_make(texts[i], lengths[i]);
    }
    SCOPED(arena_free_ref) struct arena *arena = arena_new(USAGE_COPY_MAX), *small = arena_new(USAGE_COPY_MAX / 2);
    assert_false(usage_copy(small, &usage, &copy));
    assert_true(usage_copy(arena, &usage, &copy));
    memset(texts, '!', sizeof texts);
    for (size_t i = 0; i < count; i++) {
      const struct str *text = (const struct str *)(const void *)((const char *)&copy + ((char *)of[i] - (char *)&usage));
      assert_int_equal(text->len, lengths[i]);
      for (size_t at = 0; at < text->len; at++) assert_int_equal(text->ptr[at], 'a' + (int)i);
    }
    assert_int_equal(copy.finished_ms, 7);
    assert_int_equal(copy.width, 640);
    if (count == 13) assert_int_equal(copy.format.len, 0);
  }
}

/* ---- one task ---- */

static void test_story(void **state) {
  struct fixture *f = *state;
  struct err err = {0};
  open_ledger(f);
  make_project(f, "org-a", "UTC");
  struct usage waiting = unresolved_of("org-a", "one", T0), done = usage_of("org-a", "one", T0 + 1000);
  struct usage voiding = void_of("org-a", "v1", "one", T0 + 2000);
  const uint64_t empty = ledger_position(f->ledger);
  assert_int_equal(store(f, &waiting), VERDICT_STORED);
  const uint64_t waits = ledger_position(f->ledger);
  checkpoint(f, true);
  f->now_ms += 5000;
  assert_int_equal(store(f, &done), VERDICT_STORED);
  const uint64_t resolved = ledger_position(f->ledger);
  assert_int_equal(store(f, &voiding), VERDICT_STORED);
  const struct {
    const char *source, *id;
    uint64_t as_of;
    bool record, voiding, waiting;
  } rows[] = {
      {"farm", "one", empty, false, false, false},  {"farm", "two", ledger_position(f->ledger), false, false, false},
      {"desk", "one", ledger_position(f->ledger), false, false, false},
      {"farm", "one", waits, false, false, true},   {"farm", "one", resolved, true, false, true},
      {"farm", "one", ledger_position(f->ledger), true, true, true},
      {"desk", "v1", ledger_position(f->ledger), true, false, false},
  };
  for (size_t i = 0; i < COUNT(rows); i++) {
    SCOPED(arena_free_ref) struct arena *arena = arena_new(TASK_STORY_ARENA_MAX);
    struct task_story story = {0};
    int result = task_find(f->ledger, STR("org-a"), str_of(rows[i].source), str_of(rows[i].id), rows[i].as_of, arena, &story, &err);
    assert_int_equal(result, rows[i].record || rows[i].waiting ? 0 : -ERR_NOT_FOUND);
    assert_int_equal(story.record.exists, rows[i].record);
    assert_int_equal(story.voiding.exists, rows[i].voiding);
    assert_int_equal(story.waiting.exists, rows[i].waiting);
    if (story.record.exists) assert_true(str_equal(story.record.usage.id, str_of(rows[i].id)));
    if (story.waiting.exists) assert_int_equal(story.waiting.stored_ms, T0 + 10 * DAY);
    if (story.voiding.exists) {
      assert_true(str_equal(story.voiding.usage.reason, STR("wrong")));
      assert_int_equal(story.voiding.stored_ms, T0 + 10 * DAY + 5000);
    }
  }
  struct task_story story;
  SCOPED(arena_free_ref) struct arena *arena = arena_new(TASK_STORY_ARENA_MAX);
  assert_int_equal(task_find(f->ledger, STR("org-x"), STR("farm"), STR("one"), waits, arena, &story, &err), -ERR_NOT_FOUND);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_copy),
      cmocka_unit_test_setup_teardown(test_bad, setup, teardown),
      cmocka_unit_test_setup_teardown(test_another_record, setup, teardown),
      cmocka_unit_test_setup_teardown(test_story, setup, teardown),
      cmocka_unit_test_setup_teardown(test_random, setup, teardown),
      cmocka_unit_test_setup_teardown(test_many_projects, setup, teardown),
      cmocka_unit_test_setup_teardown(test_many_of_a_task_id, setup, teardown),
      cmocka_unit_test_setup_teardown(test_many_match, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
