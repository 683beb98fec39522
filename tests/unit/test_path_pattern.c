/* Patterns of `watch --path`: which texts are patterns, and which fields a path gets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/path_pattern.h"

static void refuses_bad_patterns(void **unused) {
  (void)unused;
  static const struct {
    const char *text, *why;
  } rows[] = {
      {"", "empty part"},
      {"/{project}/{name}", "empty part"},
      {"{project}//{name}", "empty part"},
      {"{project}/", "file's name is missing"},
      {"{project}/**", "file's name is missing"},
      {"../{project}/{name}", "match nothing"},
      {"{project}/./{name}", "match nothing"},
      {"{customer}/{name}", "{customer} is not a field"},
      {"{label}/{name}", "{label} is not a field"},
      {"{labels.a}/{name}", "{labels.a} is not a field"},
      {"{label.}/{name}", "{label.}: the name of a label must be"},
      {"{label.A}/{name}", "{label.A}: the name of a label must be"},
      {"{label.1a}/{name}", "must be 1 to 32 of"},
      {"{label.a-b}/{name}", "must be 1 to 32 of"},
      {"{label.a }/{name}", "must be 1 to 32 of"},
      {"{label.a01234567890123456789012345678901}/{name}", "must be 1 to 32 of"},
      {"{label.a}/{label.b}/{label.a}", "a field twice"},
      {"{label.a}/{label.b}/{label.c}/{label.d}/{label.e}/{label.f}/{label.g}/{label.h}/{label.i}", "too many labels"},
      {"{label.a}{label.b}/{name}", "no text between"},
      {"{Project}/{name}", "{Project} is not a field"},
      {"{}/{project}", "{} is not a field"},
      {"{project}/{project}", "a field twice"},
      {"{name}/{project}", "{name} is the file's name"},
      {"{project}/{name}-{name}", "{name} twice"},
      {"{project}{task_id}/{name}", "no text between"},
      {"{project}*/{name}", "no text between"},
      {"{project}/a**/{name}", "whole part"},
      {"{project}/***/{name}", "whole part"},
      {"{project/{name}", "is not a field"},
      {"{project}/{name", "no } behind"},
      {"project}/{name}", "no { before"},
      {"a/b/{name}", "gives no field"},
      {"**/*", "gives no field"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct path_pattern *pattern = NULL;
    struct err err = {0};
    int result = path_pattern_parse(rows[i].text, &pattern, &err);
    if (result != -ERR_USAGE || strstr(err.text, rows[i].why) == NULL)
      fail_msg("'%s' gives %d, '%s'; expected '%s'", rows[i].text, result, err.text, rows[i].why);
    assert_null(pattern);
  }
  char longer[2000];
  memset(longer, 'a', sizeof longer - 1);
  longer[sizeof longer - 1] = '\0';
  struct path_pattern *pattern = NULL;
  struct err err;
  assert_int_equal(path_pattern_parse(longer, &pattern, &err), -ERR_USAGE);
  for (size_t i = 0; i < 200; i++)
    memcpy(longer + 3 * i, "*a/", 4);
  assert_int_equal(path_pattern_parse(longer, &pattern, &err), -ERR_USAGE);
}

static const struct {
  const char *pattern, *below;
  int result;
  const char *project, *task_id, *source; /* or project: a part of the error */
} rows[] = {
    /* no match */
    {"{project}/{name}", "a.mp4", -ERR_NOT_FOUND, "does not match", NULL, NULL},
    {"{project}/{name}", "a/b/c.mp4", -ERR_NOT_FOUND, "does not match", NULL, NULL},
    {"{project}/{task_id}/{name}", "acme/720p.mp4", -ERR_NOT_FOUND, "does not match", NULL, NULL},
    {"cust-{project}/{name}", "cust-/a.mp4", -ERR_NOT_FOUND, "does not match", NULL, NULL},
    {"cust-{project}/{name}", "Cust-a/a.mp4", -ERR_NOT_FOUND, "does not match", NULL, NULL},
    {"{project}/{task_id}_{*}.mp4", "acme/job.mp4", -ERR_NOT_FOUND, "does not match", NULL, NULL},
    {"{project}/{task_id}_{*}.mp4", "acme/_720p.mp4", -ERR_NOT_FOUND, "does not match", NULL, NULL},
    {"{project}/**/{task_id}.mp4", "acme.mp4", -ERR_NOT_FOUND, "does not match", NULL, NULL},
    {"{project}/*", "", -ERR_NOT_FOUND, "does not match", NULL, NULL},
    /* more than one way */
    {"{project}-{task_id}/{name}", "a-b-c/x.mp4", -ERR_RANGE, "{project} may be 'a' or 'a-b'", NULL, NULL},
    {"{project}/{task_id}_{*}.mp4", "acme/j_7_720p.mp4", -ERR_RANGE, "{task_id} may be 'j' or 'j_7'", NULL, NULL},
    {"**/{project}/**/{name}", "a/b/x.mp4", -ERR_RANGE, "{project} may be 'a' or 'b'", NULL, NULL},
    {"{label.a}-{*}/{name}", "a-b-c/x.mp4", -ERR_RANGE, "{label.a} may be 'a' or 'a-b'", NULL, NULL},
    {"**/*a*/**/*b*/**/*c*/**/*d*/**/{project}x", "aaaaaaaaaaaaaaaaaaaaaaaaa/bbbbbbbbbbbbbbbbbbbbbbb/ccccccccccccccccccccccc/"
     "abcdabcdabcdabcdabcdabcdabcd/abcdabcdabcdabcdabcdabcdabcd/y", -ERR_RANGE, "too many ways", NULL, NULL},
    /* values that the server does not take */
    {"{project}/{name}", " a/x.mp4", -ERR_RANGE, "its project ' a' begins or ends with a blank", NULL, NULL},
    {"{project}/{name}", "a\n/x.mp4", -ERR_RANGE, "control character", NULL, NULL},
    {"{project}/{name}", "\xff/x.mp4", -ERR_RANGE, "not UTF-8", NULL, NULL},
    {"{project}/{name}", "0123456789012345678901234567890123456789012345678901234567890123x/x.mp4", -ERR_RANGE,
     "longer than 64 bytes", NULL, NULL},
    {"{task_id}/{name}", "\xc3\x28/x.mp4", -ERR_RANGE, "its task_id", NULL, NULL},
    {"{label.a}/{name}", "a\x7f/x.mp4", -ERR_RANGE, "its label.a 'a\x7f' contains a control character", NULL, NULL},
    {"{label.a}/{name}", "\xed\xa0\x80/x.mp4", -ERR_RANGE, "not UTF-8", NULL, NULL},
    {"{label.a}/{name}", "0123456789012345678901234567890123456789012345678901234567890123x/x.mp4", -ERR_RANGE,
     "its label.a '0123", NULL, NULL},
    {"{label.a}_{label.b}.mp4", "_b.mp4", -ERR_NOT_FOUND, "does not match", NULL, NULL},
    /* matches */
    {"{project}/{task_id}/{name}", "acme/job-7/720p.mp4", 0, "acme", "job-7", ""},
    {"{project}/{task_id}/{name}", "/acme/job-7/720p.mp4", 0, "acme", "job-7", ""},
    {"{project}/{name}", "0123456789012345678901234567890123456789012345678901234567890123/x.mp4", 0,
     "0123456789012345678901234567890123456789012345678901234567890123", "", ""},
    {"{project}/{name}", "\xe5\xae\xa2 1/x.mp4", 0, "\xe5\xae\xa2 1", "", ""},
    {"{task_id}/{name}", " a /x.mp4", 0, "", " a ", ""},
    {"cust-{project}/**/{task_id}_{*}.mp4", "cust-a/j_720p.mp4", 0, "a", "j", ""},
    {"cust-{project}/**/{task_id}_{*}.mp4", "cust-a/2026/01/j_720p.mp4", 0, "a", "j", ""},
    {"{source}/{project}/*/{task_id}.{*}", "farm-7/a/any/j.mp4", 0, "a", "j", "farm-7"},
    {"**/**/{task_id}.mp4", "a/b/j.mp4", 0, "", "j", ""},
    {"{project}/{task_id}/**/{name}", "acme/job-7/hls/v0/list.m3u8", 0, "acme", "job-7", ""},
    {"{project}/{task_id}/**/{name}", "acme/job-7/x.mp4", 0, "acme", "job-7", ""},
    {"{{{project}}}/out-*.mp4", "{a}/out-1.mp4", 0, "a", "", ""},
    {"{project}/v*/{name}", "a/v12/x.mp4", 0, "a", "", ""},
};

static void matches_paths(void **unused) {
  (void)unused;
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct path_pattern *pattern = NULL;
    struct path_fields fields = {.project = ""};
    struct err err = {0};
    if (path_pattern_parse(rows[i].pattern, &pattern, &err) != 0) fail_msg("%s", err.text);
    int result = path_pattern_match(pattern, rows[i].below, &fields, &err);
    path_pattern_free(pattern);
    if (result != rows[i].result) fail_msg("'%s', '%s': %d, %s", rows[i].pattern, rows[i].below, result, err.text);
    if (result != 0 && strstr(err.text, rows[i].project) == NULL)
      fail_msg("'%s', '%s': '%s'; expected '%s'", rows[i].pattern, rows[i].below, err.text, rows[i].project);
    if (result != 0) continue;
    assert_string_equal(fields.project, rows[i].project);
    assert_string_equal(fields.task_id, rows[i].task_id);
    assert_string_equal(fields.source, rows[i].source);
  }
}

static void gives_labels(void **unused) {
  (void)unused;
  static const struct {
    const char *pattern, *below, *labels;
  } table[] = {
      {"{project}/{name}", "a/x.mp4", ""},
      {"{label.a}/{name}", "0123456789012345678901234567890123456789012345678901234567890123/x.mp4",
       "a=0123456789012345678901234567890123456789012345678901234567890123,"},
      {"{project}/{label.show}/{task_id}_{label.team}.mp4", "acme/ a=b /j_\xe5\xae\xa2.mp4",
       "show= a=b ,team=\xe5\xae\xa2,"},
      {"{label.h}/{label.g}/{label.f}/{label.e}/{label.d}/{label.c}/{label.b}/{label.a}.mp4", "1/2/3/4/5/6/7/8.mp4",
       "h=1,g=2,f=3,e=4,d=5,c=6,b=7,a=8,"},
  };
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
    struct path_pattern *pattern = NULL;
    struct path_fields fields = {.project = ""};
    struct err err = {0};
    SCOPED(buf_fini) struct buf out = {0};
    assert_int_equal(path_pattern_parse(table[i].pattern, &pattern, &err), 0);
    assert_int_equal(path_pattern_match(pattern, table[i].below, &fields, &err), 0);
    for (size_t n = 0; n < path_pattern_label_count(pattern); n++)
      buf_printf(&out, "%.*s=%.*s,", STR_ARG(fields.labels[n].name), STR_ARG(fields.labels[n].value));
    buf_char(&out, '\0');
    assert_string_equal(out.ptr, table[i].labels);
    path_pattern_free(pattern);
  }
}

static void says_what_it_gives(void **unused) {
  (void)unused;
  struct path_pattern *pattern = NULL;
  struct err err;
  assert_int_equal(path_pattern_parse("{project}/{name}", &pattern, &err), 0);
  assert_true(path_pattern_gives_project(pattern));
  assert_false(path_pattern_gives_source(pattern));
  path_pattern_free(pattern);
  assert_int_equal(path_pattern_parse("{source}/{name}", &pattern, &err), 0);
  assert_false(path_pattern_gives_project(pattern));
  assert_true(path_pattern_gives_source(pattern));
  assert_int_equal(path_pattern_label_count(pattern), 0);
  path_pattern_free(pattern);
  assert_int_equal(path_pattern_parse("{label.team}/{label.show}.mp4", &pattern, &err), 0);
  assert_int_equal(path_pattern_label_count(pattern), 2);
  assert_true(path_pattern_gives_label(pattern, STR("show")) && !path_pattern_gives_label(pattern, STR("sho")));
  assert_false(path_pattern_gives_project(pattern) || path_pattern_gives_source(pattern));
  path_pattern_free(pattern);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(refuses_bad_patterns),
      cmocka_unit_test(matches_paths),
      cmocka_unit_test(gives_labels),
      cmocka_unit_test(says_what_it_gives),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
