/* Counters: both formats to the byte, unknown gauges, exact decimals, sums over threads; and the table of metrics keeps
 * the conventions of Prometheus and OpenMetrics. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <string.h>

#include "metrics/metrics.h"

static const char *const colours[] = {"red", "blue"}, *const sizes[] = {"s", "l"}, *const version[] = {"1.2"};
static const uint64_t times[] = {100, 1000000, 2500000}, sizes_up_to[] = {1, 20};
#define NONE {.name = NULL, .values = NULL, .count = 1}

enum { BALLS, FREE, WAIT, GROUP, BUILD, RATIO, FAMILIES };
static const struct counters_family families[] = {
    [BALLS] = {.name = "toy_balls", .type = COUNTERS_COUNTER, .first = 0, .help = "Balls.",
               .labels = {{"colour", colours, 2}, {"size", sizes, 2}}},
    [FREE] = {.name = "toy_free_bytes", .type = COUNTERS_GAUGE, .unit = COUNTERS_BYTES, .first = 4, .help = "Room.",
              .labels = {{"colour", colours, 2}, NONE}},
    [WAIT] = {.name = "toy_wait_seconds", .type = COUNTERS_HISTOGRAM, .unit = COUNTERS_SECONDS, .first = 6,
              .help = "Waits.", .labels = {{"colour", colours, 2}, NONE}, .bounds = times, .bounds_count = 3},
    [GROUP] = {.name = "toy_group", .type = COUNTERS_HISTOGRAM, .first = 16, .help = "Groups.", .labels = {NONE, NONE},
               .bounds = sizes_up_to, .bounds_count = 2},
    [BUILD] = {.name = "toy_build", .type = COUNTERS_INFO, .first = 20, .help = "Version.",
               .labels = {{"version", version, 1}, NONE}},
    [RATIO] = {.name = "toy_done_ratio", .type = COUNTERS_GAUGE, .unit = COUNTERS_RATIO, .first = 21, .help = "Done.",
               .labels = {NONE, NONE}},
};
static counters_cell cells[22];
static const struct counters toys = {families, FAMILIES, cells};

static void expect_written(enum counters_format format, const char *wanted) {
  struct buf out = {0};
  counters_write(&toys, format, 1700000000250000, &out);
  buf_char(&out, '\0');
  assert_string_equal(out.ptr, wanted);
  buf_fini(&out);
}

static int reset(void **state) {
  (void)state;
  memset(cells, 0, sizeof cells);
  counters_add(&toys, BALLS, 1, 3); /* red, l */
  counters_add(&toys, BALLS, 2, 4); /* blue, s */
  counters_set(&toys, FREE, 0, COUNTERS_UNKNOWN);
  counters_set(&toys, FREE, 1, UINT64_C(1) << 53);
  counters_observe(&toys, WAIT, 0, 100);
  counters_observe(&toys, WAIT, 0, 101);
  counters_observe(&toys, WAIT, 0, 2500001);
  counters_observe(&toys, GROUP, 0, 0);
  counters_observe(&toys, GROUP, 0, 20);
  counters_set(&toys, RATIO, 0, 250000);
  return 0;
}

static void test_text(void **state) {
  (void)state;
  expect_written(COUNTERS_TEXT,
                 "# HELP toy_balls_total Balls.\n# TYPE toy_balls_total counter\n"
                 "toy_balls_total{colour=\"red\",size=\"s\"} 0\ntoy_balls_total{colour=\"red\",size=\"l\"} 3\n"
                 "toy_balls_total{colour=\"blue\",size=\"s\"} 4\ntoy_balls_total{colour=\"blue\",size=\"l\"} 0\n"
                 "# HELP toy_free_bytes Room.\n# TYPE toy_free_bytes gauge\n"
                 "toy_free_bytes{colour=\"blue\"} 9007199254740992\n"
                 "# HELP toy_wait_seconds Waits.\n# TYPE toy_wait_seconds histogram\n"
                 "toy_wait_seconds_bucket{colour=\"red\",le=\"0.0001\"} 1\n"
                 "toy_wait_seconds_bucket{colour=\"red\",le=\"1.0\"} 2\n"
                 "toy_wait_seconds_bucket{colour=\"red\",le=\"2.5\"} 2\n"
                 "toy_wait_seconds_bucket{colour=\"red\",le=\"+Inf\"} 3\n"
                 "toy_wait_seconds_sum{colour=\"red\"} 2.500202\ntoy_wait_seconds_count{colour=\"red\"} 3\n"
                 "toy_wait_seconds_bucket{colour=\"blue\",le=\"0.0001\"} 0\n"
                 "toy_wait_seconds_bucket{colour=\"blue\",le=\"1.0\"} 0\n"
                 "toy_wait_seconds_bucket{colour=\"blue\",le=\"2.5\"} 0\n"
                 "toy_wait_seconds_bucket{colour=\"blue\",le=\"+Inf\"} 0\n"
                 "toy_wait_seconds_sum{colour=\"blue\"} 0.0\ntoy_wait_seconds_count{colour=\"blue\"} 0\n"
                 "# HELP toy_group Groups.\n# TYPE toy_group histogram\n"
                 "toy_group_bucket{le=\"1.0\"} 1\ntoy_group_bucket{le=\"20.0\"} 2\ntoy_group_bucket{le=\"+Inf\"} 2\n"
                 "toy_group_sum 20\ntoy_group_count 2\n"
                 "# HELP toy_build_info Version.\n# TYPE toy_build_info gauge\ntoy_build_info{version=\"1.2\"} 1\n"
                 "# HELP toy_done_ratio Done.\n# TYPE toy_done_ratio gauge\ntoy_done_ratio 0.25\n");
}

static void test_openmetrics(void **state) {
  (void)state;
  expect_written(COUNTERS_OPENMETRICS,
                 "# HELP toy_balls Balls.\n# TYPE toy_balls counter\n"
                 "toy_balls_total{colour=\"red\",size=\"s\"} 0\ntoy_balls_created{colour=\"red\",size=\"s\"} 1700000000.25\n"
                 "toy_balls_total{colour=\"red\",size=\"l\"} 3\ntoy_balls_created{colour=\"red\",size=\"l\"} 1700000000.25\n"
                 "toy_balls_total{colour=\"blue\",size=\"s\"} 4\ntoy_balls_created{colour=\"blue\",size=\"s\"} 1700000000.25\n"
                 "toy_balls_total{colour=\"blue\",size=\"l\"} 0\ntoy_balls_created{colour=\"blue\",size=\"l\"} 1700000000.25\n"
                 "# HELP toy_free_bytes Room.\n# TYPE toy_free_bytes gauge\n# UNIT toy_free_bytes bytes\n"
                 "toy_free_bytes{colour=\"blue\"} 9007199254740992\n"
                 "# HELP toy_wait_seconds Waits.\n# TYPE toy_wait_seconds histogram\n# UNIT toy_wait_seconds seconds\n"
                 "toy_wait_seconds_bucket{colour=\"red\",le=\"0.0001\"} 1\n"
                 "toy_wait_seconds_bucket{colour=\"red\",le=\"1.0\"} 2\n"
                 "toy_wait_seconds_bucket{colour=\"red\",le=\"2.5\"} 2\n"
                 "toy_wait_seconds_bucket{colour=\"red\",le=\"+Inf\"} 3\n"
                 "toy_wait_seconds_sum{colour=\"red\"} 2.500202\ntoy_wait_seconds_count{colour=\"red\"} 3\n"
                 "toy_wait_seconds_created{colour=\"red\"} 1700000000.25\n"
                 "toy_wait_seconds_bucket{colour=\"blue\",le=\"0.0001\"} 0\n"
                 "toy_wait_seconds_bucket{colour=\"blue\",le=\"1.0\"} 0\n"
                 "toy_wait_seconds_bucket{colour=\"blue\",le=\"2.5\"} 0\n"
                 "toy_wait_seconds_bucket{colour=\"blue\",le=\"+Inf\"} 0\n"
                 "toy_wait_seconds_sum{colour=\"blue\"} 0.0\ntoy_wait_seconds_count{colour=\"blue\"} 0\n"
                 "toy_wait_seconds_created{colour=\"blue\"} 1700000000.25\n"
                 "# HELP toy_group Groups.\n# TYPE toy_group histogram\n"
                 "toy_group_bucket{le=\"1.0\"} 1\ntoy_group_bucket{le=\"20.0\"} 2\ntoy_group_bucket{le=\"+Inf\"} 2\n"
                 "toy_group_sum 20\ntoy_group_count 2\ntoy_group_created 1700000000.25\n"
                 "# HELP toy_build Version.\n# TYPE toy_build info\ntoy_build_info{version=\"1.2\"} 1\n"
                 "# HELP toy_done_ratio Done.\n# TYPE toy_done_ratio gauge\n# UNIT toy_done_ratio ratio\n"
                 "toy_done_ratio 0.25\n# EOF\n");
}

static void test_description(void **state) {
  (void)state;
  struct buf out = {0};
  counters_describe(&toys, &out);
  buf_char(&out, '\0');
  assert_non_null(strstr(out.ptr, "| `toy_balls_total` | counter | `colour`: red, blue; `size`: s, l | Balls. |\n"));
  assert_non_null(strstr(out.ptr, "| `toy_build_info` | info | `version` | Version. |\n"));
  assert_non_null(strstr(out.ptr, "| `toy_group` | histogram | | Groups. |\n"));
  buf_fini(&out);
}

#define THREADS 4
#define TIMES 50000

static void *count_many(void *arg) {
  (void)arg;
  for (int i = 0; i < TIMES; i++) {
    counters_add(&toys, BALLS, 0, 2);
    counters_observe(&toys, GROUP, 0, 7);
  }
  return NULL;
}

static void test_threads(void **state) {
  (void)state;
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&threads[i], NULL, count_many, NULL), 0);
  for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
  assert_int_equal(counters_value(&toys, BALLS, 0), 2 * THREADS * TIMES);
  assert_int_equal(counters_value(&toys, GROUP, 0), 2 + THREADS * TIMES);
  assert_int_equal(cells[families[GROUP].first + 3], 20 + 7 * THREADS * TIMES); /* the sum */
}

/* ---- the table of metrics ---- */

static bool ends(const char *text, const char *end) {
  size_t len = strlen(text), end_len = strlen(end);
  return len > end_len && strcmp(text + len - end_len, end) == 0;
}

static bool is_plain(const char *text) { return strpbrk(text, "\"\\\n|`") == NULL && text[0] != '\0'; }

static void test_table(void **state) {
  (void)state;
  static const char *const units[] = {"", "_bytes", "_seconds", "_ratio"};
  static const char *const reserved[] = {"_total", "_info", "_created", "_bucket", "_count", "_sum"};
  for (unsigned i = 0; i < metrics.count; i++) {
    const struct counters_family *family = &metrics.families[i];
    size_t letters = strspn(family->name, "abcdefghijklmnopqrstuvwxyz0123456789_");
    if (letters != strlen(family->name)) fail_msg("%s: a character that no name has", family->name);
    if (!str_starts(str_of(family->name), STR("codecmeter_")) && !str_starts(str_of(family->name), STR("process_")))
      fail_msg("%s: a foreign name", family->name);
    for (unsigned u = 1; u < 4; u++) {
      bool is_process_start = ends(family->name, "_start_time_seconds");
      if (ends(family->name, units[u]) != (family->unit == u) && !is_process_start)
        fail_msg("%s: the unit is not the name's end", family->name);
    }
    for (unsigned r = 0; r < sizeof reserved / sizeof reserved[0]; r++)
      if (ends(family->name, reserved[r])) fail_msg("%s: ends with %s", family->name, reserved[r]);
    if (!is_plain(family->help) || !ends(family->help, ".")) fail_msg("%s: help: %s", family->name, family->help);
    for (unsigned l = 0; l < COUNTERS_LABELS_MAX; l++)
      for (unsigned v = 0; family->labels[l].name != NULL && family->type != COUNTERS_INFO && v < family->labels[l].count; v++)
        assert_true(is_plain(family->labels[l].values[v]));
    for (unsigned b = 1; b < family->bounds_count; b++) assert_true(family->bounds[b - 1] < family->bounds[b]);
    for (unsigned other = 0; other < i; other++) assert_string_not_equal(family->name, metrics.families[other].name);
  }
}

/* Each cell belongs to one sample: filling all of a family's leaves the others as they are. */
static void test_cells_do_not_overlap(void **state) {
  (void)state;
  for (unsigned i = 0; i + 1 < metrics.count; i++) {
    const struct counters_family *family = &metrics.families[i];
    unsigned labels = family->labels[0].count * family->labels[1].count;
    unsigned size = family->type == COUNTERS_HISTOGRAM ? COUNTERS_HISTOGRAM_CELLS(family->bounds_count) : 1;
    assert_int_equal(family->first + labels * size, metrics.families[i + 1].first);
  }
}

static void test_process(void **state) {
  (void)state;
  metrics_begin("1.0", "abc");
  assert_true(counters_value(&metrics, METRIC_PROCESS_FDS, 0) == COUNTERS_UNKNOWN);
  metrics_look_at_process();
  uint64_t fds = counters_value(&metrics, METRIC_PROCESS_FDS, 0);
  assert_true(fds >= 3 && fds < 1000);
  assert_int_equal(counters_value(&metrics, METRIC_PROCESS_THREADS, 0), 1);
  assert_true(counters_value(&metrics, METRIC_PROCESS_RESIDENT, 0) > 100000);
  assert_true(counters_value(&metrics, METRIC_PROCESS_VIRTUAL, 0) >= counters_value(&metrics, METRIC_PROCESS_RESIDENT, 0));
  assert_true(counters_value(&metrics, METRIC_PROCESS_START, 0) > UINT64_C(1600000000) * 1000000);
  struct buf out = {0};
  metrics_write(COUNTERS_TEXT, &out);
  buf_char(&out, '\0');
  assert_non_null(strstr(out.ptr, "codecmeter_build_info{version=\"1.0\",commit=\"abc\"} 1\n"));
  assert_null(strstr(out.ptr, "\ncodecmeter_queue_events "));
  buf_fini(&out);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(test_text, reset), cmocka_unit_test_setup(test_openmetrics, reset),
      cmocka_unit_test_setup(test_description, reset), cmocka_unit_test_setup(test_threads, reset),
      cmocka_unit_test(test_table), cmocka_unit_test(test_cells_do_not_overlap), cmocka_unit_test(test_process),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
