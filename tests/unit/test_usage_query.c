/* Questions of /v1/usage against a ledger with random tasks of all kinds, failures and voids, in deltas so small that
 * checkpoints go on all the time. Each question is answered from the cheapest source and from all dearer ones, as of
 * now and as of earlier positions; every answer must be equal to a naive recount of the tasks. SEED=n replays.
 */
#include <inttypes.h>

#include "query/usage_rows.h"
#include "usage_world.h"

#define MEMORY_MAX (UINT64_C(192) << 20)

/* ---- asking ---- */

static void write_answer(struct usage_answer *answer, struct lines *ret) {
  size_t dims_count;
  const struct dim_ref *dims = usage_dims(answer, &dims_count);
  struct usage_line line;
  while (usage_next(answer, &line)) {
    SCOPED(buf_fini) struct buf group = {0};
    for (size_t i = 0; i < dims_count; i++) {
      dim_write_name(&dims[i], &group);
      buf_char(&group, '=');
      if (line.values[i].is_null)
        buf_text(&group, "null");
      else
        dim_write_value(dims[i].dim, &line.values[i], &group);
      buf_char(&group, ' ');
    }
    int64_t bounds[4] = {line.start, line.end, line.before_start, line.before_end};
    if (!line.has_step) bounds[0] = bounds[1] = -1;
    if (!line.has_before) bounds[2] = bounds[3] = -1;
    snprintf(new_line(ret), 512,
             "%.*s%" PRId64 "-%" PRId64 ": %" PRIu64 " %" PRIu64 " %" PRIu64 " before %" PRId64 "-%" PRId64
             ": %" PRIu64 " %" PRIu64 " %" PRIu64,
             (int)group.len, group.ptr, bounds[0], bounds[1], line.sum.units, line.sum.minutes, line.sum.tasks,
             bounds[2], bounds[3], line.before.units, line.before.minutes, line.before.tasks);
  }
}

static void make_spec(struct world *world, const struct question *question, struct project list[3],
                      struct filter *filter, struct usage_spec *ret) {
  *ret = (struct usage_spec){.projects = list,
                             .projects_count = 3,
                             .filter = filter,
                             .zeros = question->zeros,
                             .compare = question->compare,
                             .has_as_of = question->as_of > 0,
                             .as_of = question->as_of};
  for (size_t i = 0; i < 3; i++)
    assert_true(catalogue_project(ledger_catalogue(world->f->ledger), str_of(projects[i]), &list[i]));
  assert_int_equal(read_range(question->from, question->to, &ret->range), 0);
  assert_true(calendar_step_parse(str_of(question->step), &ret->step));
  if (question->zone != NULL) ret->zone = zone_of(question->zone);
  for (size_t i = 0; i < question->groups_count; i++)
    assert_int_equal(usage_group_add(ret, str_of(question->groups[i]), NULL), 0);
  for (size_t i = 0; i < question->filters_count; i++)
    assert_int_equal(filter_add(filter, str_of(question->filters[i][0]), str_of(question->filters[i][1]), NULL), 0);
}

static enum usage_method ask(struct world *world, const struct question *question, enum usage_method least,
                             struct lines *ret) {
  struct project list[3];
  struct filter filter = {0};
  struct usage_spec spec;
  struct err err = {0};
  const char *param = "";
  SCOPED(usage_free_ref) struct usage_answer *answer = NULL;
  make_spec(world, question, list, &filter, &spec);
  spec.method_least = least;
  if (usage_begin(world->f->ledger, &spec, &world->memory, clock_system(), &answer, &param, &err) != 0)
    fail_msg("%s: %s", param != NULL ? param : "-", err.text);
  bool is_ready = false;
  while (!is_ready) {
    if (usage_work(answer, &is_ready, &err) != 0) fail_msg("work: %s", err.text);
  }
  assert_true(world->budget.held > 0);
  write_answer(answer, ret);
  return usage_method(answer);
}

/* ---- random questions ---- */

static void some_question(const struct world *world, struct question *ret) {
  static const char *const froms[] = {"2010-11-01", "2010-11-07",           "2010-10-01", "2010-11-06T12:07:31Z",
                                      "1289093400", "2010-11-07T02:31:00Z", "1980-01-01", "2010-11-06T18:00:00Z"};
  static const char *const tos[] = {"2010-12-01", "2010-11-08", "2010-11-08T01:59:59Z",
                                    "1289115000", "2011-01-01", "2010-11-07T02:31:01Z"};
  static const char *const groups[] = {"project",    "codec",  "tier",       "kind",      "resolution",
                                       "frame_rate", "source", "label.team", "label.show"};
  static const char *const filters[][2] = {
      {"codec", "h264"},       {"codec", ""},         {"tier", "low"},        {"tier", ""},
      {"kind", "snapshot"},    {"kind", "transcode"}, {"source", "farm"},     {"resolution", "720x1280"},
      {"frame_rate", "29.97"}, {"frame_rate", ""},    {"label.team", "news"}, {"label.team", ""}};
  static const char *const steps[] = {"15m", "1h", "1d", "1w", "1mo", "total"};
  *ret = (struct question){.from = froms[below(COUNT(froms))],
                           .to = tos[below(COUNT(tos))],
                           .zeros = below(3) == 0,
                           .compare = below(3) == 0,
                           .step = steps[below(COUNT(steps))]};
  bool in_totals = below(3) > 0;
  for (unsigned i = below(4); i > 0; i--) {
    const char *group = groups[below(in_totals ? 4 : COUNT(groups))];
    bool is_new = true;
    for (size_t k = 0; k < ret->groups_count; k++)
      is_new = is_new && strcmp(ret->groups[k], group) != 0;
    if (is_new) ret->groups[ret->groups_count++] = group;
  }
  for (unsigned i = below(3); i > 0; i--) {
    unsigned at = below(in_totals ? 6 : COUNT(filters));
    bool is_new = true;
    for (size_t k = 0; k < ret->filters_count; k++)
      is_new = is_new && strcmp(ret->filters[k][0], filters[at][0]) != 0;
    if (is_new) memcpy(ret->filters[ret->filters_count++], filters[at], sizeof filters[at]);
  }
  for (size_t i = 0; i < ret->groups_count; i++)
    ret->by_project = ret->by_project || strcmp(ret->groups[i], "project") == 0;
  if (below(2) || !ret->by_project) ret->zone = zones[below(COUNT(zones))];
  if (below(4) == 0 && world->count > 0) ret->as_of = world->tasks[below((unsigned)world->count)].stored;
}

/* Steps of these ranges that are refused, or that are not interesting. */
static bool is_possible(const struct question *question) {
  bool is_long = strncmp(question->from, "1980", 4) == 0,
       is_fine = strcmp(question->step, "15m") == 0 || strcmp(question->step, "1h") == 0;
  for (size_t i = 0; i < 3; i++) {
    const struct zone *zone = zone_of(question->zone != NULL ? question->zone : zones[i]);
    struct range range;
    int64_t from, to;
    if (read_range(question->from, question->to, &range) != 0 ||
        range_in_zone(&range, zone, 0, &from, &to, NULL) != 0)
      return false;
  }
  return !(is_long && (is_fine || question->zeros));
}

static void show(const struct question *question) {
  print_message("from %s to %s step %s zone %s zeros %d compare %d as_of %" PRIu64 " group", question->from,
                question->to, question->step, question->zone, question->zeros, question->compare, question->as_of);
  for (size_t i = 0; i < question->groups_count; i++)
    print_message(" %s", question->groups[i]);
  for (size_t i = 0; i < question->filters_count; i++)
    print_message(" [%s=%s]", question->filters[i][0], question->filters[i][1]);
  print_message("\n");
}

static void expect_same(const struct question *question, const char *what, struct lines *wanted,
                        const struct lines *given) {
  size_t at = 0;
  while (at < wanted->count && at < given->count && strcmp(wanted->items[at], given->items[at]) == 0)
    at++;
  if (at == wanted->count && at == given->count) return;
  show(question);
  fail_msg("%s: %zu lines, %zu wanted; line %zu: '%s', wanted '%s'", what, given->count, wanted->count, at,
           at < given->count ? given->items[at] : "none", at < wanted->count ? wanted->items[at] : "none");
}

/* Returns the cheapest method. */
static enum usage_method check_question(struct world *world, const struct question *question) {
  SCOPED(lines_fini) struct lines wanted = {0}, first = {0}, sorted = {0};
  recount(world, question, &wanted);
  enum usage_method method = ask(world, question, USAGE_BY_DAYS, &first);
  for (enum usage_method dearer = method + 1; dearer <= USAGE_BY_RECORDS; dearer++) {
    SCOPED(lines_fini) struct lines other = {0};
    assert_int_equal(ask(world, question, dearer, &other), dearer);
    expect_same(question, "a dearer method, in the same order", &first, &other);
  }
  for (size_t i = 0; i < first.count; i++)
    strcpy(new_line(&sorted), first.items[i]);
  qsort(sorted.items, sorted.count, sizeof *sorted.items, compare_text);
  qsort(wanted.items, wanted.count, sizeof *wanted.items, compare_text);
  expect_same(question, "the recount", &wanted, &sorted);
  assert_int_equal(world->budget.held, 0);
  return method;
}

static void build(struct world *world, unsigned steps) {
  for (unsigned i = 0; i < steps; i++) {
    unsigned dice = below(100);
    if (dice < 85)
      add_task(world);
    else if (dice < 98)
      void_task(world);
    else if (dice < 99)
      checkpoint(world->f, below(2));
    else
      reopen(world->f);
  }
}

static struct world *new_world(struct fixture *f) {
  struct world *world = calloc(1, sizeof *world);
  assert_non_null(world);
  world->f = f;
  world->budget.max = MEMORY_MAX;
  world->memory.budget = &world->budget;
  f->options.delta_max = 5 + below(60);
  f->now_ms = INT64_C(1290000000000);
  open_ledger(f);
  for (size_t i = 0; i < 3; i++)
    make_project(f, projects[i], zones[i]);
  return world;
}

static void test_random_questions(void **state) {
  uint64_t seed = getenv("SEED") != NULL ? strtoull(getenv("SEED"), NULL, 10) : 20101107;
  unsigned rounds = getenv("ROUNDS") != NULL ? (unsigned)atoi(getenv("ROUNDS")) : 1, methods[3] = {0};
  print_message("SEED=%" PRIu64 "\n", seed);
  srandom((unsigned)seed);
  struct world *world = new_world(*state);
  for (unsigned round = 0; round < 12 * rounds; round++) {
    if (world->count < TASKS_MAX - 200) build(world, 60);
    for (int asked = 0; asked < 25;) {
      struct question question;
      some_question(world, &question);
      if (!is_possible(&question)) continue;
      methods[check_question(world, &question)]++;
      asked++;
    }
  }
  print_message("by days %u, by quarters %u, by records %u\n", methods[0], methods[1], methods[2]);
  assert_true(methods[0] > 0 && methods[1] > 0 && methods[2] > 0);
  free(world);
}

/* ---- questions that are refused ---- */

static int try(struct world *world, struct usage_spec *spec, const char **ret_param, struct err *err) {
  SCOPED(usage_free_ref) struct usage_answer *answer = NULL;
  int result = usage_begin(world->f->ledger, spec, &world->memory, clock_system(), &answer, ret_param, err);
  bool is_ready = false;
  while (result == 0 && !is_ready)
    result = usage_work(answer, &is_ready, err);
  return result;
}

static void test_refused(void **state) {
  static const struct {
    struct question question;
    int result;
    const char *param, *words;
  } rows[] = {
      {{.from = "2010-11-01", .to = "2010-12-01", .step = "1d"}, -ERR_RANGE, "zone", "America/St_Johns"},
      {{.from = "1289093400", .to = "1289093401", .step = "1h"}, -ERR_RANGE, "zone", "group by project"},
      {{.from = "1980-01-01", .to = "2010-12-01", .step = "15m", .zone = "UTC"}, -ERR_LIMIT, "step", "shorter range"},
      {{.from = "1980-01-01",
        .to = "2010-12-01",
        .step = "1h",
        .groups = {"project"},
        .groups_count = 1,
        .compare = true,
        .zeros = true},
       -ERR_LIMIT,
       NULL,
       "zone"},
      {{.from = "1999-01-01",
        .to = "2010-12-01",
        .step = "15m",
        .zone = "UTC",
        .groups = {"project"},
        .groups_count = 1,
        .zeros = true},
       -ERR_LIMIT,
       NULL,
       "zeros"},
  };
  struct world *world = new_world(*state);
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct project list[3];
    struct filter filter = {0};
    struct usage_spec spec;
    struct err err = {0};
    const char *param = "";
    make_spec(world, &rows[i].question, list, &filter, &spec);
    int result = try(world, &spec, &param, &err);
    if (result != rows[i].result || strstr(err.text, rows[i].words) == NULL)
      fail_msg("row %zu: %d %s", i, result, err.text);
    if (rows[i].param != NULL) assert_string_equal(param, rows[i].param);
    assert_int_equal(world->budget.held, 0);
  }
  /* One row over instants is the same in every zone. */
  struct question total = {.from = "1289093400", .to = "1289093401", .step = "total", .zeros = true};
  SCOPED(lines_fini) struct lines lines = {0};
  (void)ask(world, &total, USAGE_BY_DAYS, &lines);
  assert_int_equal(lines.count, 1);
  free(world);
}

static void test_groups_refused(void **state) {
  (void)state;
  struct usage_spec spec = {0};
  struct err err = {0};
  assert_int_equal(usage_group_add(&spec, STR("colour"), &err), -ERR_NOT_FOUND);
  assert_int_equal(usage_group_add(&spec, STR("codec"), &err), 0);
  assert_int_equal(usage_group_add(&spec, STR("codec"), &err), -ERR_EXISTS);
  static const char *const names[] = {"label.a", "label.b", "label.c", "label.d", "label.e",
                                      "label.f", "label.g", "label.h", "label.i", "label.j"};
  for (size_t i = 0; i < COUNT(names); i++)
    assert_int_equal(usage_group_add(&spec, str_of(names[i]), &err), 0);
  assert_int_equal(usage_group_add(&spec, STR("tier"), &err), -ERR_LIMIT);
}

/* The budget of all questions, and the bound of one. */
static void test_bounds(void **state) {
  (void)state;
  struct usage_rows rows = {0};
  struct err err = {0};
  const struct usage_count one = {1, 1, 1};
  for (uint32_t i = 0; i < USAGE_ROWS_MAX; i++)
    assert_int_equal(usage_rows_add(&rows, i % 7, i, &one, &err), 0);
  assert_int_equal(usage_rows_add(&rows, 3, 3, &one, &err), 0); /* of a row that exists */
  assert_int_equal(usage_rows_add(&rows, 7, 0, &one, &err), -ERR_LIMIT);
  assert_non_null(strstr(err.text, "500000 rows"));
  assert_true(usage_rows_bytes(&rows) < (size_t)40 << 20);
  usage_rows_fini(&rows);
  struct usage_groups *groups;
  const struct dim_ref dims[] = {{.dim = DIM_SOURCE}, {.dim = DIM_KIND}};
  assert_int_equal(usage_groups_new(dims, 2, &groups, &err), 0);
  char source[SOURCE_MAX];
  int result = 0;
  memset(source, 'x', sizeof source);
  for (uint32_t i = 0; result == 0 && i < 10000000; i++) {
    memcpy(source, &i, sizeof i);
    struct dim_value values[] = {{.text = str_make(source, sizeof source)}, {.number = USAGE_TRANSCODE}};
    uint32_t number;
    result = usage_groups_number(groups, 0, values, &number, &err);
    if (result == 0) assert_int_equal(number, i);
  }
  assert_int_equal(result, -ERR_LIMIT);
  assert_non_null(strstr(err.text, "32 MiB"));
  usage_groups_free(groups);
}

/* A question may read so much, and not one task or total more. */
static void test_reading_is_bounded(void **state) {
  static const char *const groups[] = {"codec", "source"};
  struct world *world = new_world(*state);
  struct question question = {
      .from = "2010-10-01", .to = "2010-12-01", .step = "15m", .zone = "UTC", .groups_count = 1};
  srandom(1);
  build(world, 80);
  for (size_t i = 0; i < COUNT(groups); i++) {
    struct project list[3];
    struct filter filter = {0};
    struct usage_spec spec;
    struct err err = {0};
    const char *param = "";
    question.groups[0] = groups[i];
    make_spec(world, &question, list, &filter, &spec);
    uint64_t *max = i == 0 ? &spec.cells_max : &spec.scan_max;
    *max = 1;
    assert_int_equal(try(world, &spec, &param, &err), -ERR_LIMIT);
    assert_non_null(strstr(err.text, "fewer projects"));
    for (*max = i == 0 ? 1 : world->count; try(world, &spec, &param, &err) != 0; ++*max)
      assert_true(*max < 3 * world->count);
    if (i == 1) { /* every task, failed and voided ones too */
      assert_int_equal(*max, world->count);
      *max = world->count - 1;
      assert_int_equal(try(world, &spec, &param, &err), -ERR_LIMIT);
    }
    assert_int_equal(world->budget.held, 0);
  }
  free(world);
}

static void test_budget(void **state) {
  struct world *world = new_world(*state);
  struct question question = {.from = "2010-11-01", .to = "2010-12-01", .step = "1d", .zone = "UTC"};
  struct project list[3];
  struct filter filter = {0};
  struct usage_spec spec;
  struct err err = {0};
  const char *param;
  make_spec(world, &question, list, &filter, &spec);
  world->budget.max = 1000;
  assert_int_equal(try(world, &spec, &param, &err), -ERR_BUSY);
  assert_int_equal(world->budget.held, 0);
  world->budget.max = MEMORY_MAX;
  assert_int_equal(try(world, &spec, &param, &err), 0);
  spec.owner = 7;
  uint64_t others = 0;
  world->budget.max = 200000;
  assert_true(budget_claim(&world->budget, 7, &others, 150000)); /* all that one owner may have */
  assert_int_equal(try(world, &spec, &param, &err), -ERR_BUSY);
  spec.owner = 8;
  assert_int_equal(try(world, &spec, &param, &err), 0);
  budget_give_back(&world->budget, 7, &others);
  assert_int_equal(world->budget.held, 0);
  assert_int_equal(world->memory.gathered, 0);
  free(world);
}

/* The more questions read records, the fewer positions a new one keeps; an answer that is ready keeps its rows alone. */
static void test_memory_of_many(void **state) {
  enum { QUESTIONS = 80 };
  struct world *world = new_world(*state);
  build(world, 30);
  struct question question = {.from = "2010-01-01", .to = "2011-01-01", .step = "1mo", .zone = "UTC", .groups = {"project", "source"}, .groups_count = 2};
  struct project list[3];
  struct filter filter = {0};
  struct usage_spec spec;
  struct err err = {0};
  const char *param;
  struct usage_answer *answers[QUESTIONS];
  make_spec(world, &question, list, &filter, &spec);
  for (int i = 0; i < QUESTIONS; i++) {
    assert_int_equal(usage_begin(world->f->ledger, &spec, &world->memory, clock_system(), &answers[i], &param, &err), 0);
    assert_true(world->budget.held >= world->memory.gathered);
  }
  assert_true(world->memory.gathered > 4 << 20 && world->memory.gathered < 24 << 20);
  assert_true(world->budget.held < 32 << 20);
  for (int i = 0; i < QUESTIONS; i++) {
    bool is_ready = false;
    while (!is_ready)
      assert_int_equal(usage_work(answers[i], &is_ready, &err), 0);
  }
  assert_int_equal(world->memory.gathered, 0);
  assert_true(world->budget.held < QUESTIONS * 32000);
  for (int i = 0; i < QUESTIONS; i++)
    usage_free(answers[i]);
  assert_int_equal(world->budget.held, 0);
  free(world);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
                                     cmocka_unit_test(test_groups_refused),
                                     cmocka_unit_test(test_bounds),
                                     cmocka_unit_test_setup_teardown(test_budget, setup, teardown),
                                     cmocka_unit_test_setup_teardown(test_memory_of_many, setup, teardown),
                                     cmocka_unit_test_setup_teardown(test_reading_is_bounded, setup, teardown),
                                     cmocka_unit_test_setup_teardown(test_random_questions, setup, teardown)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
