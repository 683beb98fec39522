/* Parameters of /v1: what is refused and how it is said, what is taken, periods in zones, Accept, and the texts of
 * rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/json.h"
#include "v1/accept.h"
#include "v1/param_common.h"
#include "v1/rows.h"
#include "v1/times.h"

#define HELP .example = "x", .help = {"x", "x"}

static bool is_even(struct str text) { return text.len % 2 == 0; }

static const struct v1_param params[] = {
    V1_PARAM_PROJECT,
    V1_PARAM_FROM("now", "现在"),
    V1_PARAM_TO("now", "现在"),
    V1_PARAM_MONTH,
    V1_PARAM_ZONE,
    V1_PARAM_AS_OF,
    V1_PARAM_LABEL,
    {.name = "limit", .type = V1_INT, .least = 1, .most = 1000, HELP},
    {.name = "offset", .type = V1_INT, .least = -5, .most = 5, HELP},
    {.name = "zeros", .type = V1_FLAG, HELP},
    {.name = "step", .type = V1_CHOICE, .choices = "15m 1h total", HELP},
    {.name = "group", .type = V1_CHOICES, .repeats = true, .choices = "project tier label.", HELP},
    {.name = "once", .type = V1_CHOICES, .choices = "a b", HELP},
    {.name = "codec", .type = V1_TEXT, .repeats = true, .may_be_empty = true, .least = 1, .most = 8, HELP},
    {.name = "even", .type = V1_TEXT, .least = 1, .most = 8, .fits = is_even, .allowed = "must be even", HELP},
    {0},
};

static int read_query(const char *query, struct arena *arena, struct v1_values *ret, struct v1_problem *problem) {
  /* A copy of exact size: the sanitizer sees a read beyond it. */
  size_t len = strlen(query);
  char *copy = malloc(len + 1);
  assert_non_null(copy);
  memcpy(copy, query, len);
  arena_reset(arena);
  int status = v1_params_read(params, str_make(copy, len), arena, ret, problem);
  free(copy);
  return status;
}

#define LONG_64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct bad {
  const char *query, *parameter, *says; /* says: a part of the detail */
} bad[] = {
    /* names */
    {"frm=1", "frm", "there is no such parameter here; there are project, from, to, month, zone, as_of, label.NAME"},
    {"From=1", "From", "no such parameter"},
    {"=1", "", "no such parameter"},
    {"from%3D=1", "from=", "no such parameter"},
    {"fr%6=1", "", "name of a parameter"},
    {"fr%6xm=1", "", "name of a parameter"},
    {"%FF=1", "", "name of a parameter"},
    {"a%00=1", "", "name of a parameter"},
    {"a%0A=1", "", "name of a parameter"},
    {"label=1", "label", "no such parameter"},
    {"label.=1", "label.", "no label of this name"},
    {"label.Team=1", "label.Team", "no label of this name"},
    {"label.1=1", "label.1", "no label of this name"},
    {"label.a%20b=1", "label.a b", "no label of this name"},
    /* values that are missing or no text */
    {"from", "from", "a = is missing"},
    {"from=", "from", "it is empty"},
    {"limit=", "limit", "it is empty; it must be a whole number from 1 to 1000"},
    {"group=", "group", "it is empty"},
    {"zone=", "zone", "it is empty"},
    {"codec", "codec", "a = is missing"},
    {"codec=%", "codec", "not percent-encoded"},
    {"codec=%4", "codec", "not percent-encoded"},
    {"codec=%G0", "codec", "not percent-encoded"},
    {"codec=%-1", "codec", "not percent-encoded"},
    {"codec=%C3", "codec", "not percent-encoded"},
    {"codec=%ED%A0%80", "codec", "not percent-encoded"},
    {"codec=%00", "codec", "not percent-encoded"},
    {"codec=a%0D%0Ab", "codec", "not percent-encoded"},
    {"codec=%C2%80", "codec", "not percent-encoded"},
    /* twice */
    {"from=1&from=2", "from", "more than once"},
    {"from=1&from=1", "from", "given twice"},
    {"project=a&project=a", "project", "'a' is given twice"},
    {"label.a=1&label.a=1", "label.a", "given twice"},
    {"codec=&codec=", "codec", "given twice"},
    {"group=tier,tier", "group", "'tier' is given twice"},
    {"group=tier&group=project,tier", "group", "'tier' is given twice"},
    {"once=a&once=b", "once", "more than once"},
    {"month=2026-10&month=2026-11", "month", "more than once"},
    /* contradictions */
    {"from=1&month=2026-10", "from", "it excludes month"},
    {"month=2026-10&to=2", "month", "it excludes to"},
    {"to=2&from=1&month=2026-10", "to", "it excludes month"},
    /* numbers, flags, choices */
    {"limit=0", "limit", "'0' is not allowed; it must be a whole number from 1 to 1000"},
    {"limit=1001", "limit", "from 1 to 1000"},
    {"limit=-1", "limit", "from 1 to 1000"},
    {"limit=%2B1", "limit", "from 1 to 1000"},
    {"limit=1.0", "limit", "from 1 to 1000"},
    {"limit=1e2", "limit", "from 1 to 1000"},
    {"limit=0x1", "limit", "from 1 to 1000"},
    {"limit=1%20", "limit", "from 1 to 1000"},
    {"limit=+1", "limit", "from 1 to 1000"},
    {"limit=99999999999999999999", "limit", "from 1 to 1000"},
    {"offset=-6", "offset", "from -5 to 5"},
    {"zeros=2", "zeros", "must be 0 or 1"},
    {"zeros=01", "zeros", "must be 0 or 1"},
    {"zeros=true", "zeros", "must be 0 or 1"},
    {"step=1d", "step", "must be one of 15m, 1h, total"},
    {"step=15m,1h", "step", "must be one of"},
    {"step=TOTAL", "step", "must be one of"},
    {"group=source", "group", "of project, tier, label.NAME"},
    {"group=tier,", "group", "'tier,' is not allowed"},
    {"group=,tier", "group", "'' is not allowed"},
    {"group=tier,,project", "group", "'' is not allowed"},
    {"group=,", "group", "',' is not allowed"},
    {"group=label.", "group", "'label.' is not allowed"},
    {"group=label.A", "group", "'label.A' is not allowed"},
    {"group=label", "group", "'label' is not allowed"},
    {"group=tier, project", "group", "' project' is not allowed"},
    /* texts */
    {"codec=123456789", "codec", "must have 1 to 8 bytes"},
    {"codec=%C3%A4%C3%A4%C3%A4%C3%A4a", "codec", "must have 1 to 8 bytes"},
    {"even=abc", "even", "'abc' is not allowed; it must be even"},
    {"even=", "even", "it is empty; it must be even"},
    {"project=" LONG_64 "a", "project", "must be the id of a project"},
    /* times */
    {"from=2026-13-01", "from", "must be a time with a zone"},
    {"from=2026-02-29", "from", "must be a time with a zone"},
    {"from=2026-2-1", "from", "must be a time with a zone"},
    {"from=1969-12-31", "from", "from 1970 to 9999"},
    {"from=10000-01-01", "from", "from 1970 to 9999"},
    {"from=2026-10", "from", "must be a time with a zone"},
    {"from=2026-10-01T00:00:00", "from", "must be a time with a zone"},
    {"from=2026-10-01T24:00:00Z", "from", "must be a time with a zone"},
    {"from=2026-10-01T00:00:00+08:00", "from", "in a URL, write + as %2B"},
    {"from=1969-12-31T23:59:59Z", "from", "from 1970 to 9999"},
    {"from=-1", "from", "from 1970 to 9999"},
    {"from=253402300800", "from", "from 1970 to 9999"},
    {"from=1790812800000", "from", "Unix seconds"},
    {"from=20261001", "from", "as Unix seconds, '20261001' is in the year 1970; a date is written 2026-10-01"},
    {"to=19700101", "to", "a date is written 1970-01-01"},
    {"from=1.5", "from", "Unix seconds"},
    {"from=yesterday", "from", "must be a time with a zone"},
    {"from=99999999999999999999", "from", "from 1970 to 9999"},
    {"month=2026-13", "month", "must be a month like 2026-10"},
    {"month=2026-00", "month", "must be a month"},
    {"month=2026-1", "month", "must be a month"},
    {"month=2026-10-01", "month", "must be a month"},
    {"month=1969-12", "month", "from 1970-01 to 9999-12"},
    {"month=-026-10", "month", "must be a month"},
    {"month=2026/10", "month", "must be a month"},
    {"month=2026--1", "month", "must be a month"},
    /* zones */
    {"zone=Mars/Base", "zone", "must be a time zone of tzdata"},
    {"zone=%2B08:00", "zone", "must be a time zone of tzdata"},
    {"zone=..%2F..%2Fetc%2Fpasswd", "zone", "must be a time zone of tzdata"},
    {"zone=asia%2Fshanghai", "zone", "must be a time zone of tzdata"},
    {"zone=Etc/GMT+8", "zone", "in a URL, write + as %2B"},
    /* as_of */
    {"as_of=-1", "as_of", "must be a position"},
    {"as_of=9223372036854775808", "as_of", "must be a position"},
    {"as_of=2026-10-01", "as_of", "must be a position"},
    {"as_of=now", "as_of", "must be a position"},
    /* the first problem in the query's order is the one that is named */
    {"limit=0&zeros=2", "limit", "from 1 to 1000"},
    {"zeros=2&limit=0", "zeros", "must be 0 or 1"},
};

static void test_bad(void **state) {
  (void)state;
  struct arena *arena = arena_new(V1_ARENA_MAX);
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    struct v1_values values;
    struct v1_problem problem = {0};
    int status = read_query(bad[i].query, arena, &values, &problem);
    if (status != 400 || problem.status != 400) fail_msg("%s: taken", bad[i].query);
    if (strcmp(problem.parameter, bad[i].parameter) != 0) fail_msg("%s: names %s", bad[i].query, problem.parameter);
    if (strstr(problem.detail, bad[i].says) == NULL) fail_msg("%s: says %s", bad[i].query, problem.detail);
    bool begins = strncmp(problem.detail, problem.parameter, strlen(problem.parameter)) == 0;
    if (!begins) fail_msg("%s: does not begin with its name: %s", bad[i].query, problem.detail);
  }
  arena_free(arena);
}

static void test_bounds(void **state) {
  (void)state;
  struct arena *arena = arena_new(V1_ARENA_MAX);
  struct buf query = {0};
  struct v1_values values;
  struct v1_problem problem;
  for (int i = 0; i < V1_VALUES_MAX; i++) buf_printf(&query, "&project=p%d", i);
  assert_int_equal(v1_params_read(params, buf_view(&query), arena, &values, &problem), 0);
  assert_int_equal(values.count, V1_VALUES_MAX);
  buf_text(&query, "&project=p");
  arena_reset(arena);
  assert_int_equal(v1_params_read(params, buf_view(&query), arena, &values, &problem), 400);
  assert_non_null(strstr(problem.detail, "more than 256 values"));
  /* The longest query that a head can hold fits into the arena, as many short pieces and as one long one. */
  for (int piece = 0; piece < 2; piece++) {
    buf_clear(&query);
    while (query.len < (28u << 10)) buf_text(&query, piece == 0 ? "&" : "a");
    if (piece == 0) memcpy(query.ptr + query.len - 7, "&zeros=", 7);
    arena_reset(arena);
    assert_int_equal(v1_params_read(params, buf_view(&query), arena, &values, &problem), 400);
  }
  /* An arena without room is the server's shortage. */
  struct arena *small = arena_new(64);
  assert_int_equal(v1_params_read(params, STR("zeros=1"), small, &values, &problem), 503);
  arena_free(small);
  arena_free(arena);
  buf_fini(&query);
}

static void test_good(void **state) {
  (void)state;
  struct arena *arena = arena_new(V1_ARENA_MAX);
  struct v1_values values;
  struct v1_problem problem;
  assert_int_equal(read_query("", arena, &values, &problem), 0);
  assert_int_equal(values.count, 0);
  assert_null(v1_value(&values, "from"));
  assert_int_equal(v1_number(&values, "limit", 7), 7);

  assert_int_equal(read_query("&&limit=1000&", arena, &values, &problem), 0);
  assert_int_equal(v1_number(&values, "limit", 7), 1000);
  assert_int_equal(read_query("offset=-5&zeros=1&step=total", arena, &values, &problem), 0);
  assert_int_equal(v1_number(&values, "offset", 0), -5);
  assert_int_equal(v1_number(&values, "zeros", 0), 1);
  assert_int_equal(v1_number(&values, "step", 0), 2);

  assert_int_equal(read_query("codec=a+%2Bb%26%3D%25&codec=&codec=%e4%bd%a0&cod%65c==", arena, &values, &problem), 0);
  const struct v1_value *value = v1_value(&values, "codec");
  assert_true(str_equal(value->text, STR("a +b&=%")));
  value = v1_value_next(&values, value);
  assert_int_equal(value->text.len, 0);
  value = v1_value_next(&values, value);
  assert_true(str_equal(value->text, STR("\xE4\xBD\xA0")));
  value = v1_value_next(&values, value);
  assert_true(str_equal(value->text, STR("=")));
  assert_null(v1_value_next(&values, value));

  assert_int_equal(read_query("label.team=a&label.show=b&label.team=", arena, &values, &problem), 0);
  value = v1_value(&values, "label.");
  assert_true(str_equal(value->name, STR("label.team")) && str_equal(value->text, STR("a")));
  value = v1_value_next(&values, value);
  assert_true(str_equal(value->name, STR("label.show")));
  value = v1_value_next(&values, value);
  assert_true(str_equal(value->name, STR("label.team")) && value->text.len == 0);

  assert_int_equal(read_query("group=label.b,tier&group=label.a", arena, &values, &problem), 0);
  value = v1_value(&values, "group");
  assert_true(value->number == 2 && str_equal(value->text, STR("label.b")));
  value = v1_value_next(&values, value);
  assert_true(value->number == 1 && str_equal(value->text, STR("tier")));
  value = v1_value_next(&values, value);
  assert_true(value->number == 2 && str_equal(value->text, STR("label.a")));
  assert_null(v1_value_next(&values, value));

  assert_int_equal(read_query("as_of=824", arena, &values, &problem), 0);
  value = v1_value(&values, "as_of");
  assert_true(value->number == 824 && !value->is_time);
  assert_int_equal(read_query("as_of=2026-10-01T00:00:00Z&zone=Etc/GMT%2B8", arena, &values, &problem), 0);
  value = v1_value(&values, "as_of");
  assert_true(value->number == INT64_C(1790812800000) && value->is_time);
  assert_string_equal(zone_name(v1_value(&values, "zone")->zone), "Etc/GMT+8");
  arena_free(arena);
}

/* ---- periods ---- */

static const struct period_case {
  const char *query, *zone;
  int64_t from_ms, to_ms; /* -1: open */
  bool is_days;
  const char *first, *last;
} periods[] = {
    {"", "UTC", -1, -1, false, NULL, NULL},
    {"from=2026-10-01", "Asia/Shanghai", INT64_C(1790784000000), -1, false, NULL, NULL},
    {"from=20261032&to=21000101", "UTC", INT64_C(20261032000), INT64_C(21000101000), false, NULL, NULL}, /* no dates */
    {"to=1790784000", "Asia/Shanghai", -1, INT64_C(1790784000000), false, NULL, NULL},
    {"month=2026-10", "Asia/Shanghai", INT64_C(1790784000000), INT64_C(1793462400000), true, "2026-10-01",
     "2026-10-31"},
    {"month=2026-12", "UTC", INT64_C(1796083200000), INT64_C(1798761600000), true, "2026-12-01", "2026-12-31"},
    {"month=2024-02", "UTC", INT64_C(1706745600000), INT64_C(1709251200000), true, "2024-02-01", "2024-02-29"},
    {"month=1970-01", "Asia/Shanghai", INT64_C(-28800000), INT64_C(2649600000), true, "1970-01-01", "1970-01-31"},
    /* 23 and 25 hours */
    {"from=2026-03-29&to=2026-03-30", "Europe/Berlin", INT64_C(1774738800000), INT64_C(1774821600000), true,
     "2026-03-29", "2026-03-29"},
    {"from=2026-10-25&to=2026-10-26", "Europe/Berlin", INT64_C(1792879200000), INT64_C(1792969200000), true,
     "2026-10-25", "2026-10-25"},
    /* instants that begin days of the zone are days, in any spelling */
    {"from=1790784000&to=2026-10-02T00:00:00%2B08:00", "Asia/Shanghai", INT64_C(1790784000000),
     INT64_C(1790870400000), true, "2026-10-01", "2026-10-01"},
    {"from=2026-10-01T00:00:00Z&to=2026-10-02T00:00:00Z", "Asia/Shanghai", INT64_C(1790812800000),
     INT64_C(1790899200000), false, NULL, NULL},
    {"from=2026-10-01&to=2026-10-01T00:00:00.001%2B08:00", "Asia/Shanghai", INT64_C(1790784000000),
     INT64_C(1790784000001), false, NULL, NULL},
    /* Apia skipped 2011-12-30 */
    {"from=2011-12-29&to=2011-12-31", "Pacific/Apia", INT64_C(1325152800000), INT64_C(1325239200000), true,
     "2011-12-29", "2011-12-30"},
    {"from=9999-12-30&to=9999-12-31", "UTC", INT64_C(253402128000000), INT64_C(253402214400000), true, "9999-12-30",
     "9999-12-30"},
    {"month=9999-12", "UTC", INT64_C(253399622400000), INT64_C(253402300800000), true, "9999-12-01", "9999-12-31"},
};

static int32_t day_of(const char *date) {
  int32_t day;
  assert_int_equal(zone_day_parse(str_of(date), &day, NULL), 0);
  return day;
}

static void test_periods(void **state) {
  (void)state;
  struct arena *arena = arena_new(V1_ARENA_MAX);
  for (size_t i = 0; i < sizeof periods / sizeof periods[0]; i++) {
    const struct period_case *c = &periods[i];
    struct v1_values values;
    struct v1_problem problem;
    struct v1_period period;
    const struct zone *zone;
    assert_int_equal(zone_find(str_of(c->zone), &zone, NULL), 0);
    assert_int_equal(read_query(c->query, arena, &values, &problem), 0);
    if (v1_period(&values, zone, &period, &problem) != 0) fail_msg("%s: %s", c->query, problem.detail);
    bool is_good = period.has_from == (c->from_ms != -1) && period.has_to == (c->to_ms != -1) &&
                   (!period.has_from || period.from_ms == c->from_ms) && (!period.has_to || period.to_ms == c->to_ms) &&
                   period.is_days == c->is_days;
    if (!is_good) fail_msg("%s: %lld to %lld", c->query, (long long)period.from_ms, (long long)period.to_ms);
    if (!c->is_days) continue;
    if (period.first_day != day_of(c->first) || period.last_day != day_of(c->last)) fail_msg("%s: days", c->query);
  }
  arena_free(arena);
}

static void test_bad_periods(void **state) {
  (void)state;
  static const struct {
    const char *query, *zone, *says;
  } cases[] = {
      {"from=2026-10-01&to=2026-10-01", "UTC",
       "to: '2026-10-01' is not later than from, '2026-10-01', in the time zone UTC; to itself is not included"},
      {"from=2026-10-02&to=2026-10-01", "UTC", "is not later than from"},
      {"from=2&to=1", "UTC", "to: '1' is not later than from, '2'; to itself is not included"},
      {"from=1&to=1", "UTC", "is not later than from"},
      {"from=2026-10-01T00:00:00Z&to=2026-10-01", "Asia/Shanghai", "in the time zone Asia/Shanghai"},
      {"from=2011-12-30&to=2011-12-31", "Pacific/Apia", "in the time zone Pacific/Apia"}, /* no such day there */
  };
  struct arena *arena = arena_new(V1_ARENA_MAX);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct v1_values values;
    struct v1_problem problem;
    struct v1_period period;
    const struct zone *zone;
    assert_int_equal(zone_find(str_of(cases[i].zone), &zone, NULL), 0);
    assert_int_equal(read_query(cases[i].query, arena, &values, &problem), 0);
    if (v1_period(&values, zone, &period, &problem) != 400) fail_msg("%s: taken", cases[i].query);
    if (strstr(problem.detail, cases[i].says) == NULL) fail_msg("%s: %s", cases[i].query, problem.detail);
    assert_string_equal(problem.parameter, "to");
  }
  arena_free(arena);
}

static void test_local_times(void **state) {
  (void)state;
  static const struct {
    int64_t ms;
    const char *zone, *text;
  } cases[] = {
      {0, "UTC", "1970-01-01T00:00:00+00:00"},
      {0, "America/New_York", "1969-12-31T19:00:00-05:00"},
      {INT64_C(1790784000123), "Asia/Shanghai", "2026-10-01T00:00:00.123+08:00"},
      {INT64_C(1790784000000), "Asia/Kathmandu", "2026-09-30T21:45:00+05:45"},
      {INT64_C(1790784000007), "America/St_Johns", "2026-09-30T13:30:00.007-02:30"},
      {INT64_C(253402300799999), "UTC", "9999-12-31T23:59:59.999+00:00"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char text[V1_LOCAL_SIZE];
    const struct zone *zone;
    assert_int_equal(zone_find(str_of(cases[i].zone), &zone, NULL), 0);
    v1_time_local(cases[i].ms, zone, text);
    assert_string_equal(text, cases[i].text);
  }
}

/* ---- segments of paths ---- */

static void test_segments(void **state) {
  (void)state;
  static const char *const bad_segments[] = {"%", "%2", "%zz", "a%00", "%FF", "%0a", "%C2%9F"};
  struct arena *arena = arena_new(4096);
  struct str ret = STR("untouched");
  for (size_t i = 0; i < sizeof bad_segments / sizeof bad_segments[0]; i++) {
    if (v1_segment_decode(str_of(bad_segments[i]), arena, &ret)) fail_msg("%s: taken", bad_segments[i]);
    assert_string_equal(ret.ptr, "untouched");
  }
  assert_true(v1_segment_decode(STR("a+b%2Fc%20d%2B"), arena, &ret));
  assert_string_equal(ret.ptr, "a+b/c d+");
  arena_free(arena);
}

/* ---- Accept ---- */

static void test_accept(void **state) {
  (void)state;
  static const struct {
    const char *accept;
    int format; /* -1: none */
  } cases[] = {
      {"image/png", -1},
      {"text/html", -1},
      {"application/json;q=0", -1},
      {"*/*;q=0", -1},
      {"*/json", -1},
      {"text/csv;q=0, text/*;q=0", -1},
      {"application/json;q=0, application/x-ndjson;q=0.0, text/csv;q=0.000", -1},
      {"", V1_JSON},
      {"  ", V1_JSON},
      {"*/*", V1_JSON},
      {"application/json", V1_JSON},
      {"APPLICATION/JSON; charset=utf-8", V1_JSON},
      {"application/*", V1_JSON},
      {"text/*", V1_CSV},
      {"text/csv", V1_CSV},
      {"text/csv, */*", V1_CSV},
      {"text/csv;q=0.5, */*", V1_JSON},
      {"text/csv;q=0.5, */*;q=0.4", V1_CSV},
      {"text/csv;q=0.5,*/*;q=0.49,application/json;q=0", V1_CSV},
      {"application/x-ndjson", V1_NDJSON},
      {"application/ndjson", V1_NDJSON},
      {"application/json;q=0.9, application/x-ndjson", V1_NDJSON},
      {"application/json, application/x-ndjson, text/csv", V1_JSON},
      {"text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8", V1_JSON}, /* a browser */
      {"application/*;q=0, */*", V1_CSV},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    enum v1_format format = V1_JSON;
    bool accepts = v1_accept(str_of(cases[i].accept), V1_FORMATS, &format);
    if (accepts != (cases[i].format != -1)) fail_msg("%s: %d", cases[i].accept, accepts);
    if (accepts && (int)format != cases[i].format) fail_msg("%s: format %d", cases[i].accept, (int)format);
  }
  enum v1_format format = V1_CSV;
  assert_false(v1_accept(STR("text/csv"), V1_FORMAT(V1_JSON), &format));
  assert_true(v1_accept(STR("text/csv, */*;q=0.1"), V1_FORMAT(V1_JSON), &format));
  assert_int_equal(format, V1_JSON);
}

/* ---- rows ---- */

struct cell_case {
  const char *text, *csv;
};

/* What a spreadsheet would run, or what would end a cell, comes out as text. */
static const struct cell_case cells[] = {
    {"=1+2", "'=1+2"},
    {"+1", "'+1"},
    {"-1", "'-1"},
    {"@SUM(A1)", "'@SUM(A1)"},
    {"\t=1", "\"'\t=1\""},
    {"\r=1", "\"'\r=1\""},
    {"=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"},
    {"=\"a\",b", "\"'=\"\"a\"\",b\""},
    {"a,b", "\"a,b\""},
    {"a;b", "\"a;b\""},
    {"a\"b", "\"a\"\"b\""},
    {"\"", "\"\"\"\""},
    {"a\nb", "\"a\nb\""},
    {" a", "\" a\""},
    {"a ", "\"a \""},
    {"", ""},
    {"a=b", "a=b"},
    {"1-2", "1-2"},
    {"<script>", "<script>"},
    {"\xE4\xBD\xA0", "\xE4\xBD\xA0"},
};

static void begin(struct v1_rows *rows, enum v1_format format, bool has_cursor, struct buf *out) {
  v1_rows_init(rows, format, V1_LIST, has_cursor);
  rows->position = 77;
  v1_rows_column(rows, "a");
  v1_rows_label_column(rows, STR("team"));
  v1_rows_piece(rows, out);
}

static void test_csv_cells(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof cells / sizeof cells[0]; i++) {
    struct buf out = {0}, wanted = {0};
    struct v1_rows rows;
    begin(&rows, V1_CSV, false, &out);
    v1_row_begin(&rows);
    v1_cell_text(&rows, str_of(cells[i].text));
    v1_cell_i64(&rows, -5); /* numbers stay numbers */
    v1_row_end(&rows);
    v1_rows_end(&rows);
    buf_printf(&wanted, "\xEF\xBB\xBF" "a,label.team\r\n%s,-5\r\n", cells[i].csv);
    if (!str_equal(buf_view(&out), buf_view(&wanted))) fail_msg("%s: %.*s", cells[i].text, STR_ARG(buf_view(&out)));
    v1_rows_fini(&rows);
    buf_fini(&out);
    buf_fini(&wanted);
  }
}

static void put_two_rows(struct v1_rows *rows) {
  const struct str list[] = {STR("x"), STR("=y")};
  v1_row_begin(rows);
  v1_cell_text(rows, STR("<\"\n>"));
  v1_cell_null(rows);
  v1_row_end(rows);
  v1_row_begin(rows);
  v1_cell_list(rows, list, 2);
  v1_cell_bool(rows, true);
  v1_row_end(rows);
}

static void test_formats(void **state) {
  (void)state;
  static const struct {
    enum v1_format format;
    bool has_cursor;
    const char *cursor, *text;
  } cases[] = {
      {V1_JSON, false, NULL,
       "{\"position\":77,\"zone\":\"UTC\",\"n\":-1,\"rows\":[{\"a\":\"<\\\"\\n>\",\"label.team\":null},"
       "{\"a\":[\"x\",\"=y\"],"
       "\"label.team\":true}],\"complete\":true}"},
      {V1_JSON, true, NULL,
       "{\"position\":77,\"zone\":\"UTC\",\"n\":-1,\"rows\":[{\"a\":\"<\\\"\\n>\",\"label.team\":null},"
       "{\"a\":[\"x\",\"=y\"],"
       "\"label.team\":true}],\"next_cursor\":null,\"complete\":true}"},
      {V1_NDJSON, true, "abc",
       "{\"a\":\"<\\\"\\n>\",\"label.team\":null}\n{\"a\":[\"x\",\"=y\"],\"label.team\":true}\n"
       "{\"complete\":true,\"next_cursor\":\"abc\"}\n"},
      {V1_NDJSON, false, NULL,
       "{\"a\":\"<\\\"\\n>\",\"label.team\":null}\n{\"a\":[\"x\",\"=y\"],\"label.team\":true}\n{\"complete\":true}\n"},
      {V1_CSV, true, "abc", "\xEF\xBB\xBF" "a,label.team\r\n\"<\"\"\n>\",\r\nx =y,true\r\n"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct buf out = {0};
    struct v1_rows rows;
    begin(&rows, cases[i].format, cases[i].has_cursor, &out);
    v1_rows_member_text(&rows, "zone", STR("UTC"));
    v1_rows_member_i64(&rows, "n", -1);
    put_two_rows(&rows);
    if (cases[i].cursor != NULL) v1_rows_cursor(&rows, str_of(cases[i].cursor));
    v1_rows_end(&rows);
    if (!str_equal(buf_view(&out), str_of(cases[i].text))) fail_msg("%zu: %.*s", i, STR_ARG(buf_view(&out)));
    v1_rows_fini(&rows);
    buf_fini(&out);
  }
}

/* A piece without rows is empty, so a problem that is found in it can still be told. Pieces put together are the
 * answer. */
static void test_pieces(void **state) {
  (void)state;
  struct buf first = {0}, second = {0}, third = {0};
  struct v1_rows rows;
  begin(&rows, V1_JSON, false, &first);
  assert_int_equal(first.len, 0);
  v1_rows_piece(&rows, &second);
  uint64_t count = 0;
  for (; !v1_rows_is_full(&rows); count++) {
    v1_row_begin(&rows);
    v1_cell_u64(&rows, UINT64_MAX);
    v1_cell_text(&rows, STR("x"));
    v1_row_end(&rows);
  }
  assert_true(second.len >= V1_PIECE && second.len < V1_PIECE + 200);
  v1_rows_piece(&rows, &third);
  assert_false(v1_rows_is_full(&rows));
  v1_row_begin(&rows);
  v1_cell_u64(&rows, 0);
  v1_cell_null(&rows);
  v1_row_end(&rows);
  v1_rows_end(&rows);
  assert_int_equal(third.ptr[0], ',');
  buf_str(&second, buf_view(&third));
  size_t len = second.len;
  memset(buf_extend(&second, JSON_PADDING), 0, JSON_PADDING);
  struct arena *arena = arena_new((size_t)16 << 20);
  struct json_parser *parser = json_parser_new();
  const struct json *tree;
  assert_int_equal(json_parse(parser, arena, str_make(second.ptr, len), 4, &tree, NULL), 0);
  const struct json *row = json_member(tree, "rows")->child;
  uint64_t rows_count = 0;
  for (; row != NULL; row = row->next) rows_count++;
  assert_int_equal(rows_count, count + 1);
  json_parser_free(parser);
  arena_free(arena);
  v1_rows_fini(&rows);
  buf_fini(&first);
  buf_fini(&second);
  buf_fini(&third);
}

static void test_object(void **state) {
  (void)state;
  struct buf out = {0};
  struct v1_rows rows;
  v1_rows_init(&rows, V1_JSON, V1_OBJECT, false);
  rows.position = 5;
  v1_rows_piece(&rows, &out);
  json_write_raw(v1_rows_json(&rows), "task", STR("{}"));
  v1_rows_end(&rows);
  assert_true(str_equal(buf_view(&out), STR("{\"position\":5,\"task\":{},\"complete\":true}")));
  buf_fini(&out);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_bad),         cmocka_unit_test(test_bounds),      cmocka_unit_test(test_good),
      cmocka_unit_test(test_bad_periods), cmocka_unit_test(test_periods),     cmocka_unit_test(test_local_times),
      cmocka_unit_test(test_segments),    cmocka_unit_test(test_accept),      cmocka_unit_test(test_csv_cells),
      cmocka_unit_test(test_formats),     cmocka_unit_test(test_pieces),      cmocka_unit_test(test_object),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
