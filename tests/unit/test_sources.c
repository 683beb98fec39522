/* Agents and sources: what a report may say, what the tally counts and forgets, who has room, who is named silent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "sources/judge.h"

#define DAY INT64_C(86400000)
#define HOUR INT64_C(3600000)
#define X32 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X160 X32 X32 X32 X32 X32

/* ---- reports ---- */

static int read_report(const char *text, struct agent_status *ret, struct err *err) {
  SCOPED(json_parser_free_ref) struct json_parser *parser = json_parser_new();
  SCOPED(buf_fini) struct buf body = {0};
  char padding[JSON_PADDING] = {0};
  buf_text(&body, text);
  buf_append(&body, padding, sizeof padding);
  return status_read(parser, str_make(body.ptr, strlen(text)), ret, err);
}

static void test_reports_that_are_refused(void **state) {
  (void)state;
  static const struct {
    const char *body, *says;
  } rows[] = {
      {"", ""},
      {"x", ""},
      {"[]", "must be a JSON object"},
      {"7", "expected an object"},
      {"{\"agent\":\"a\"", ""},
      {"{\"agent\":\"a\"}{}", ""},
      {"{}", "agent is missing"},
      {"{\"agent\":null}", "agent is missing"},
      {"{\"agent\":\"\"}", "agent is missing"},
      {"{\"agent\":\"  \"}", "agent is missing"},
      {"{\"agent\":7}", "agent must be a text"},
      {"{\"agent\":[\"a\"]}", "agent must be a text"},
      {"{\"agent\":\"a\\nb\"}", "agent has"},
      {"{\"agent\":\"a\\u0000b\"}", "agent has"},
      {"{\"agent\":\"a\\u0085\"}", "agent has"},
      {"{\"agent\":\"" X32 X32 "x\"}", "agent has more than 64 bytes"},
      {"{\"agent\":\"\\ud800\"}", ""},
      {"{\"agent\":\"\xff\"}", ""},
      {"{\"agent\":\"a\",\"command\":1}", "command must be a text"},
      {"{\"agent\":\"a\",\"command\":\"" X160 "x\"}", "command has more than 160 bytes"},
      {"{\"agent\":\"a\",\"project\":\"" X32 X32 "x\"}", "project has more than 64 bytes"},
      {"{\"agent\":\"a\",\"version\":\"" X32 "x\"}", "version has more than 32 bytes"},
      {"{\"agent\":\"a\",\"spool_error\":true}", "spool_error must be a text"},
      {"{\"agent\":\"a\",\"spooled\":\"3\"}", "spooled must be a number"},
      {"{\"agent\":\"a\",\"spooled\":-1}", "spooled must be an integer from 0"},
      {"{\"agent\":\"a\",\"spooled\":1.5}", "spooled must be an integer"},
      {"{\"agent\":\"a\",\"spooled\":9223372036854775808}", "spooled must be an integer"},
      {"{\"agent\":\"a\",\"spooled\":1e99}", "spooled must be an integer"},
      {"{\"agent\":\"a\",\"spooled\":NaN}", ""},
      {"{\"agent\":\"a\",\"spooled\":{}}", "spooled must be a number"},
      {"{\"agent\":\"a\",\"oldest_ms\":-1}", "oldest_ms must be"},
      {"{\"agent\":\"a\",\"rejected\":-9223372036854775808}", "rejected must be"},
      {"{\"agent\":\"a\",\"rejected\":true}", "rejected must be a number"},
      {"{\"agent\":\"a\",\"interval_ms\":0}", "interval_ms must be an integer from 1000 to 3600000"},
      {"{\"agent\":\"a\",\"interval_ms\":3600001}", "interval_ms must be"},
      {"{\"agent\":\"a\",\"clock_offset_ms\":9223372036854775807}", "clock_offset_ms must be"},
      {"{\"agent\":\"a\",\"clock_offset_ms\":\"0\"}", "clock_offset_ms must be a number"},
      {"{\"agent\":\"a\",\"time\":0}", "time must be a text"},
      {"{\"agent\":\"a\",\"time\":\"2026-11-28T03:00:00\"}", "time: "},
      {"{\"agent\":\"a\",\"x\":[[[[[[[[[[1]]]]]]]]]]}", "nested too deep"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct agent_status status = {.agent = "untouched"};
    struct err err = {0};
    int result = read_report(rows[i].body, &status, &err);
    bool good = (result == -ERR_PARSE || result == -ERR_RANGE) && strstr(err.text, rows[i].says) != NULL &&
                err.text[0] != '\0' && strcmp(status.agent, "untouched") == 0;
    if (!good) fail_msg("%s: %d %s", rows[i].body, result, err.text);
  }
}

static void test_reports_that_are_taken(void **state) {
  (void)state;
  static const char *const bodies[] = {
      "{\"agent\":\"a\"}",
      "{\"agent\":\"a\",\"command\":null,\"project\":null,\"version\":null,\"spooled\":null,\"oldest_ms\":null,"
      "\"rejected\":null,\"clock_offset_ms\":null,\"time\":null,\"interval_ms\":null,\"spool_error\":null}",
      "{\"agent\":\"a\",\"new\":{\"in\":[\"a later version\",1e999]},\"x\":-1}",
  };
  struct agent_status status;
  struct err err = {0};
  for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
    if (read_report(bodies[i], &status, &err) != 0) fail_msg("%s: %s", bodies[i], err.text);
    assert_true(strcmp(status.agent, "a") == 0 && status.spooled == 0 && status.interval_ms == 0 &&
                !status.has_offset && !status.has_time);
  }
  assert_int_equal(
      read_report(
          "{\"agent\":\"\xe8\x8a\x82\",\"command\":\"watch /x\",\"project\":\"p\",\"version\":\"1\",\"spooled\":"
          "9223372036854775807,\"oldest_ms\":1,\"rejected\":2,\"clock_offset_ms\":-3,\"interval_ms\":"
          "60000,\"time\":\"1970-01-01T00:00:01Z\",\"spool_error\":\"full\"}",
          &status, &err),
      0);
  assert_true(status.spooled == INT64_MAX && status.oldest_ms == 1 && status.rejected == 2 &&
              status.offset_ms == -3 && status.has_offset && status.interval_ms == 60000 && status.time_ms == 1000);
  assert_string_equal(status.command, "watch /x");
  assert_string_equal(status.spool_error, "full");
}

/* ---- the tally ---- */

static void count(struct tally *tally, enum usage_kind kind, const char *project, const char *source, const char *id,
                  int64_t arrived_ms) {
  const struct usage usage = {.project = str_of(project),
                              .source = str_of(source),
                              .id = str_of(id),
                              .kind = kind,
                              .outcome = USAGE_FINISHED,
                              .arrived_ms = arrived_ms};
  tally_count(tally, &usage);
}

static void count_many(struct tally *tally, const char *source, uint64_t how_many, int64_t arrived_ms) {
  for (uint64_t i = 0; i < how_many; i++)
    count(tally, USAGE_TRANSCODE, "p", source, "x", arrived_ms);
}

struct found {
  const char *project, *source;
  struct tally_source row;
  size_t rows, times;
};

static void look(void *arg, const struct tally_source *row) {
  struct found *found = arg;
  found->rows++;
  if (strcmp(row->project, found->project) != 0 || strcmp(row->source, found->source) != 0) return;
  found->row = *row;
  found->times++;
}

static struct tally_source source_of(const struct tally *tally, const char *project, const char *source,
                                     int64_t now_ms) {
  struct found found = {.project = project, .source = source};
  assert_int_equal(tally_visit(tally, now_ms, look, &found), 0);
  if (found.times != 1) fail_msg("%s/%s is there %zu times", project, source, found.times);
  return found.row;
}

static size_t rows_of(const struct tally *tally) {
  struct found found = {.project = "", .source = "none"};
  assert_int_equal(tally_visit(tally, 0, look, &found), 0);
  return found.rows;
}

/* Written and read again, it says the same. */
static struct tally *again(struct tally *tally) {
  SCOPED(buf_fini) struct buf bytes = {0};
  SCOPED(buf_fini) struct buf twice = {0};
  struct tally *copy;
  struct err err = {0};
  tally_encode(tally, &bytes);
  tally_free(tally);
  if (tally_decode(buf_view(&bytes), &copy, &err) != 0) fail_msg("%s", err.text);
  tally_encode(copy, &twice);
  assert_true(twice.len == bytes.len);
  return copy;
}

static void test_what_counts(void **state) {
  (void)state;
  const int64_t now = 20000 * DAY + 5 * HOUR;
  struct tally *tally = tally_new();
  count(tally, USAGE_TRANSCODE, "p", "s", "1", now);
  count(tally, USAGE_REMUX, "p", "s", "2", now);
  count(tally, USAGE_VOID, "p", "s", "3", now);       /* takes nothing off */
  count(tally, USAGE_UNRESOLVED, "p", "s", "4", now); /* counts as it arrives */
  count(tally, USAGE_UNRESOLVED, "p", "s", "5", now);
  count(tally, USAGE_UNRESOLVED, "q", "s", "4", now);
  struct tally_source row = source_of(tally, "p", "s", now);
  assert_true(row.outputs == 4 && row.unresolved == 2 && row.today == 4 && row.days == 0);
  tally = again(tally);
  count(tally, USAGE_TRANSCODE, "p", "s", "4", now + 1); /* and not again when it is resolved */
  row = source_of(tally, "p", "s", now);
  assert_true(row.outputs == 4 && row.unresolved == 1 && row.today == 4 && row.first_ms == now);
  assert_true(source_of(tally, "q", "s", now).unresolved == 1);
  count(tally, USAGE_TRANSCODE, "p", "s", "4", now + 2); /* only in a log to which several nodes append */
  assert_true(source_of(tally, "p", "s", now).unresolved == 1 && rows_of(tally) == 2);
  tally_free(tally);
}

static void test_waiting_outputs_are_found_in_any_order(void **state) {
  (void)state;
  enum { MANY = 5000 };
  struct tally *tally = tally_new();
  char id[16];
  for (unsigned i = 0; i < MANY; i++) {
    (void)snprintf(id, sizeof id, "%u", i);
    count(tally, USAGE_UNRESOLVED, "p", "s", id, DAY);
  }
  tally = again(tally);
  for (unsigned i = 0; i < MANY; i++) {
    (void)snprintf(id, sizeof id, "%u", (i * 7919u) % MANY);
    count(tally, USAGE_TRANSCODE, "p", "s", id, DAY);
  }
  struct tally_source row = source_of(tally, "p", "s", DAY);
  assert_true(row.unresolved == 0 && row.outputs == MANY && !tally_is_rough(tally));
  tally_free(tally);
}

static void test_days_and_medians(void **state) {
  (void)state;
  const int64_t first = 20000 * DAY, last = first + 30 * DAY;
  struct tally *tally = tally_new();
  count_many(tally, "s", 5, first + 4 * HOUR); /* 30 days later it has left the ring */
  /* day k has 10 * k outputs at 01:00 and as many at 14:00 */
  for (int64_t day = 0; day < 30; day++) {
    count_many(tally, "s", (uint64_t)day * 10, first + day * DAY + HOUR);
    count_many(tally, "s", (uint64_t)day * 10, first + day * DAY + 14 * HOUR);
  }
  count_many(tally, "s", 7, last + 4 * HOUR);
  tally = again(tally);
  struct tally_source row = source_of(tally, "p", "s", last + 4 * HOUR);
  /* the days 2 to 29: their median, of which there are two, is the lower one: day 15 */
  assert_true(row.today == 7 && row.days == 28 && row.median == 300 && row.hours == 3 && row.so_far == 0);
  /* by 03:00 half a day's outputs are there; of days 23, 16, 9 and 2 the lower median is day 9 */
  assert_true(row.usual == 150 && row.usual_weekday == 90);
  row = source_of(tally, "p", "s", last + 15 * HOUR);
  assert_true(row.hours == 15 && row.usual == 300 && row.so_far == 7);
  /* four weeks later nothing is usual any more, and after five the source is forgotten */
  row = source_of(tally, "p", "s", last + 40 * DAY);
  assert_true(row.today == 0 && row.median == 0 && row.usual == 0);
  count(tally, USAGE_TRANSCODE, "p", "t", "x", last + 34 * DAY);
  assert_int_equal(rows_of(tally), 2);
  count(tally, USAGE_TRANSCODE, "p", "t", "x", last + 36 * DAY);
  assert_int_equal(rows_of(tally), 1);
  tally_free(tally);
}

static void test_a_source_with_waiting_outputs_is_not_forgotten(void **state) {
  (void)state;
  struct tally *tally = tally_new();
  count(tally, USAGE_UNRESOLVED, "p", "s", "1", DAY);
  count(tally, USAGE_TRANSCODE, "p", "t", "1", DAY);
  count(tally, USAGE_TRANSCODE, "p", "u", "1", 50 * DAY);
  assert_true(rows_of(tally) == 2 && source_of(tally, "p", "s", 50 * DAY).unresolved == 1);
  tally_free(tally);
}

static void test_a_clock_that_was_wrong(void **state) {
  (void)state;
  const int64_t now = 20000 * DAY;
  struct tally *tally = tally_new();
  count_many(tally, "s", 3, now);
  count_many(tally, "s", 1, now + 3000 * DAY);
  count_many(tally, "s", 2, now + HOUR);
  assert_int_equal(source_of(tally, "p", "s", now + HOUR).today, 2); /* what was before is lost, and it goes on */
  count_many(tally, "s", 1, now - HOUR);                             /* a step of an hour loses nothing */
  struct tally_source row = source_of(tally, "p", "s", now + HOUR);
  assert_true(row.today == 2 && row.outputs == 4 && row.first_ms == now - HOUR);
  tally_free(tally);
}

static void test_the_sources_beyond_the_bound(void **state) {
  (void)state;
  char name[16];
  struct tally *tally = tally_new();
  for (unsigned i = 0; i < TALLY_SOURCES_MAX + 500; i++) {
    (void)snprintf(name, sizeof name, "s%u", i);
    count(tally, USAGE_TRANSCODE, "p", name, "x", DAY);
    count(tally, USAGE_TRANSCODE, "p", name, "y", DAY);
  }
  tally = again(tally);
  assert_int_equal(rows_of(tally), TALLY_SOURCES_MAX + 1);
  assert_int_equal(source_of(tally, "", "", DAY).outputs, 1000);
  assert_int_equal(source_of(tally, "p", "s9998", DAY).outputs, 2);
  tally_free(tally);
}

static void test_bytes_that_were_not_written(void **state) {
  (void)state;
  SCOPED(buf_fini) struct buf bytes = {0};
  SCOPED(tally_free_ref) struct tally *tally = tally_new();
  struct tally *copy = NULL;
  struct err err = {0};
  count(tally, USAGE_TRANSCODE, "p", "s", "x", DAY);
  count(tally, USAGE_UNRESOLVED, "p", "s", "y", DAY);
  tally_reach(tally, 4711);
  tally_encode(tally, &bytes);
  for (size_t len = 0; len < bytes.len; len++)
    assert_int_equal(tally_decode(str_make(bytes.ptr, len), &copy, &err), -ERR_CORRUPT);
  for (size_t i = 0; i < bytes.len; i++) {
    bytes.ptr[i] ^= 0x10;
    assert_int_equal(tally_decode(buf_view(&bytes), &copy, &err), -ERR_CORRUPT);
    bytes.ptr[i] ^= 0x10;
  }
  assert_int_equal(tally_decode(buf_view(&bytes), &copy, &err), 0);
  assert_int_equal(tally_position(copy), 4711);
  tally_free(copy);
}

/* ---- agents ---- */

static const struct token bound = {.id = "0123456789ab", .project = "p"}, unbound = {.id = "ba9876543210"};

static int report(struct agents *agents, const struct token *token, const char *name, const char *project,
                  int64_t interval_ms, int64_t now_ms) {
  struct agent_status status = {.interval_ms = interval_ms, .command = "watch"};
  struct err err = {0};
  (void)snprintf(status.agent, sizeof status.agent, "%s", name);
  (void)snprintf(status.project, sizeof status.project, "%s", project);
  return agents_report(agents, token, &status, now_ms, &err);
}

static void tell(void *arg, const struct agent *agent) {
  buf_printf(arg, "%s/%s ", agent->status.project, agent->status.agent);
}

static void count_agent(void *arg, const struct agent *agent) {
  (void)agent;
  ++*(size_t *)arg;
}

static size_t agents_count(struct agents *agents) {
  size_t how_many = 0;
  assert_int_equal(agents_visit(agents, count_agent, &how_many), 0);
  return how_many;
}

static void check_names(struct agents *agents, const char *expected) {
  SCOPED(buf_fini) struct buf text = {0};
  assert_int_equal(agents_visit(agents, tell, &text), 0);
  buf_char(&text, '\0');
  assert_string_equal(text.ptr, expected);
}

static void test_whose_agents(void **state) {
  (void)state;
  SCOPED(agents_free_ref) struct agents *agents = agents_new();
  assert_int_equal(report(agents, &bound, "a", "q", 0, DAY), -ERR_DENIED);
  assert_int_equal(report(agents, &bound, "a", "", 0, DAY), 0);
  assert_int_equal(report(agents, &bound, "a", "p", 0, DAY), 0);
  assert_int_equal(report(agents, &unbound, "a", "q", 0, DAY), 0);
  assert_int_equal(report(agents, &unbound, "b", "", 0, DAY), 0);
  check_names(agents, "/b p/a q/a ");
  assert_int_equal(agents_forget(agents, STR("q"), STR("b")), 0);
  assert_int_equal(agents_forget(agents, STR("q"), STR("a")), 1);
  assert_int_equal(agents_forget(agents, STR(""), STR("a")), 1);
  check_names(agents, "/b ");
}

static void test_agents_across_a_restart(void **state) {
  (void)state;
  SCOPED(agents_free_ref) struct agents *agents = agents_new();
  SCOPED(agents_free_ref) struct agents *later = agents_new();
  SCOPED(buf_fini) struct buf lines = {0};
  SCOPED(buf_fini) struct buf twice = {0};
  char padding[JSON_PADDING] = {0};
  assert_false(agents_are_new(agents));
  assert_int_equal(report(agents, &unbound, "old", "p", 60000, DAY), 0);
  assert_int_equal(report(agents, &unbound, "a \"quoted\" \xe5\x90\x8d", "p", 60000, 30 * DAY), 0);
  assert_int_equal(report(agents, &unbound, "b", "", 0, 31 * DAY), 0);
  assert_true(agents_are_new(agents));
  agents_encode(agents, 31 * DAY, &lines); /* forgets the one that was silent for four weeks */
  assert_false(agents_are_new(agents));
  assert_int_equal(agents_count(agents), 2);
  size_t len = lines.len;
  buf_text(&lines, "{\"agent\":\"no times\"}\nnot json\n\n{\"agent\"");
  buf_append(&lines, padding, sizeof padding);
  assert_int_equal(agents_decode(later, str_make(lines.ptr, lines.len - sizeof padding)), 3);
  agents_encode(later, 31 * DAY, &twice);
  assert_true(str_equal(buf_view(&twice), str_make(lines.ptr, len)));
}

static void test_a_clock_of_another_age_comes_back(void **state) {
  (void)state;
  SCOPED(agents_free_ref) struct agents *agents = agents_new();
  SCOPED(agents_free_ref) struct agents *later = agents_new();
  SCOPED(buf_fini) struct buf lines = {0};
  char padding[JSON_PADDING] = {0};
  const int64_t times_ms[] = {INT64_C(253402300799000), 0}; /* the year 9999, and 1970 */
  for (size_t i = 0; i < 2; i++) {
    struct agent_status status = {.has_time = true, .time_ms = times_ms[i]};
    (void)snprintf(status.agent, sizeof status.agent, "n%zu", i);
    assert_int_equal(agents_report(agents, &bound, &status, 200 * 365 * DAY, NULL), 0);
  }
  agents_encode(agents, 200 * 365 * DAY, &lines);
  size_t len = lines.len;
  buf_append(&lines, padding, sizeof padding);
  assert_int_equal(agents_decode(later, str_make(lines.ptr, len)), 0);
  assert_int_equal(agents_count(later), 2);
}

static void test_ten_thousand_names_of_one_token(void **state) {
  (void)state;
  SCOPED(agents_free_ref) struct agents *agents = agents_new();
  char name[32];
  unsigned refused = 0;
  assert_int_equal(report(agents, &unbound, "stopped", "p", 60000, DAY), 0);
  assert_int_equal(report(agents, &unbound, "other", "q", 60000, DAY), 0);
  for (unsigned i = 0; i < 10000; i++) {
    (void)snprintf(name, sizeof name, "n%u", i);
    refused += report(agents, &bound, name, "", 60000, DAY + 2 * HOUR) == -ERR_LIMIT;
  }
  /* the stopped one gave up its place; those that report keep theirs, and may go on */
  assert_int_equal(refused, 10000 - AGENTS_PROJECT_MAX);
  assert_int_equal(agents_count(agents), AGENTS_PROJECT_MAX + 1);
  assert_int_equal(report(agents, &bound, "n0", "", 60000, DAY + 2 * HOUR), 0);
  assert_int_equal(agents_forget(agents, STR("p"), STR("stopped")), 0);
  assert_int_equal(agents_forget(agents, STR("q"), STR("other")), 1);
  /* later the one that has been silent for longest goes first */
  assert_int_equal(report(agents, &bound, "new", "", 60000, 2 * DAY), 0);
  assert_int_equal(agents_count(agents), AGENTS_PROJECT_MAX);
}

static void test_the_bound_of_all_agents(void **state) {
  (void)state;
  SCOPED(agents_free_ref) struct agents *agents = agents_new();
  char name[32], project[32];
  unsigned refused = 0;
  for (unsigned i = 0; i < AGENTS_MAX + 50; i++) {
    (void)snprintf(name, sizeof name, "n%u", i);
    (void)snprintf(project, sizeof project, "p%u", i / 500);
    refused += report(agents, &unbound, name, project, 60000, DAY) == -ERR_LIMIT;
  }
  assert_int_equal(refused, 50);
  assert_int_equal(report(agents, &unbound, "late", "z", 60000, DAY + HOUR), 0);
  assert_int_equal(agents_count(agents), AGENTS_MAX);
}

/* ---- judging ---- */

static void test_troubles_of_agents(void **state) {
  (void)state;
  const int64_t now = 100 * DAY;
  static const struct {
    struct agent_status status;
    int64_t silent_ms, up_ms, offset_ms; /* since the last report; since the server began */
    unsigned troubles;
    const char *text;
  } rows[] = {
      {{.interval_ms = 60000}, 180000, DAY, 0, 0, ""},
      {{.interval_ms = 60000}, 180001, DAY, 0, TROUBLE_SILENT, "no report for 3 min, expected every 60 s"},
      {{.interval_ms = 60000}, DAY, 180000, 0, 0, ""}, /* nobody could report while the server was away */
      {{.interval_ms = 60000}, DAY, 180001, 0, TROUBLE_SILENT, "no report for 24 h, expected every 60 s"},
      {{.interval_ms = 0}, 20 * DAY, 30 * DAY, 0, 0, ""}, /* it promised nothing */
      {{.interval_ms = 60000}, -HOUR, DAY, 0, 0, ""},     /* the server's clock was set back */
      {{.spooled = 1, .oldest_ms = 599999}, 0, DAY, 0, 0, ""},
      {{.spooled = 1, .oldest_ms = 600000},
       0,
       DAY,
       0,
       TROUBLE_SPOOL,
       "1 event waits in its spool, the oldest for 10 min"},
      {{.spooled = 812, .oldest_ms = 840000},
       0,
       DAY,
       0,
       TROUBLE_SPOOL,
       "812 events wait in its spool, the oldest for 14 min"},
      {{.spool_error = "the disk is full"}, 0, DAY, 0, TROUBLE_SPOOL, "its spool takes no events: the disk is full"},
      {{.spool_error = "full", .spooled = 2, .oldest_ms = 1000},
       0,
       DAY,
       0,
       TROUBLE_SPOOL,
       "its spool takes no events: full; 2 events wait in its spool, the oldest for 1 s"},
      {{.interval_ms = 0}, 0, DAY, 29999, 0, ""},
      {{.interval_ms = 0}, 0, DAY, 30000, TROUBLE_CLOCK, "its clock is 30 s ahead of the server's"},
      {{.interval_ms = 0}, 0, DAY, -300000, TROUBLE_CLOCK, "its clock is 5 min behind the server's"},
      {{.interval_ms = 0},
       0,
       DAY,
       -STATUS_OFFSET_MAX_MS,
       TROUBLE_CLOCK,
       "its clock is 36525 days behind the server's"},
      {{.rejected = 1}, 0, DAY, 0, TROUBLE_REJECTED, "1 event was rejected: see `codecmeter spool status` there"},
      {{.interval_ms = 60000, .rejected = 3},
       HOUR,
       DAY,
       60000,
       TROUBLE_SILENT | TROUBLE_CLOCK | TROUBLE_REJECTED,
       "no report for 60 min, expected every 60 s; its clock is 60 s ahead of the server's; 3 events were rejected: "
       "see "
       "`codecmeter spool status` there"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    SCOPED(buf_fini) struct buf text = {0};
    const struct agent agent = {
        .status = rows[i].status, .last_ms = now - rows[i].silent_ms, .offset_ms = rows[i].offset_ms};
    unsigned troubles = judge_agent(&agent, now, now - rows[i].up_ms);
    judge_tell_agent(&agent, troubles, now, &text);
    if (troubles != rows[i].troubles || !str_equal(buf_view(&text), str_of(rows[i].text)))
      fail_msg("row %zu: %u %.*s", i, troubles, STR_ARG(buf_view(&text)));
  }
}

static void test_troubles_of_sources(void **state) {
  (void)state;
  static const struct {
    struct tally_source source;
    const char *text;
  } rows[] = {
      {{.project = "p", .days = 28, .today = 9, .usual = 100, .usual_weekday = 100, .hours = 9},
       "9 outputs since 00:00 UTC; by 09:00 there are usually 100"},
      {{.project = "p", .days = 28, .today = 1, .usual = 100, .usual_weekday = 80, .hours = 15},
       "1 output since 00:00 UTC; by 15:00 there are usually 80"},
      {{.project = "p", .days = 28, .today = 10, .usual = 100, .usual_weekday = 100}, ""},
      {{.project = "p", .days = 28, .today = 0, .usual = 100, .usual_weekday = 0},
       ""}, /* it rests on this day of the week */
      {{.project = "p", .days = 28, .today = 0, .usual = 0, .usual_weekday = 100}, ""},
      {{.project = "p", .days = 28, .today = 0, .usual = 9, .usual_weekday = 9}, ""},  /* too few to say */
      {{.project = "p", .days = 6, .today = 0, .usual = 100, .usual_weekday = 0}, ""}, /* not known for long enough */
      {{.project = "", .days = 28, .today = 0, .usual = 100, .usual_weekday = 100}, ""}, /* the others */
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    SCOPED(buf_fini) struct buf text = {0};
    unsigned troubles = judge_source(&rows[i].source);
    judge_tell_source(&rows[i].source, troubles, &text);
    if (!str_equal(buf_view(&text), str_of(rows[i].text))) fail_msg("row %zu: %.*s", i, STR_ARG(buf_view(&text)));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_reports_that_are_refused),
      cmocka_unit_test(test_reports_that_are_taken),
      cmocka_unit_test(test_what_counts),
      cmocka_unit_test(test_waiting_outputs_are_found_in_any_order),
      cmocka_unit_test(test_days_and_medians),
      cmocka_unit_test(test_a_source_with_waiting_outputs_is_not_forgotten),
      cmocka_unit_test(test_a_clock_that_was_wrong),
      cmocka_unit_test(test_the_sources_beyond_the_bound),
      cmocka_unit_test(test_bytes_that_were_not_written),
      cmocka_unit_test(test_whose_agents),
      cmocka_unit_test(test_agents_across_a_restart),
      cmocka_unit_test(test_a_clock_of_another_age_comes_back),
      cmocka_unit_test(test_ten_thousand_names_of_one_token),
      cmocka_unit_test(test_the_bound_of_all_agents),
      cmocka_unit_test(test_troubles_of_agents),
      cmocka_unit_test(test_troubles_of_sources),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
