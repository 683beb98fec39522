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
    {"**/*a*/**/*b*/**/*c*/**/*d*/**/{project}x", "aaaaaaaaaaaaaaaaaaaaaaaaa/bbbbbbbbbbbbbbbbbbbbbbb/ccccccccccccccccccccccc/"
     "abcdabcdabcdabcdabcdabcdabcd/abcdabcdabcdabcdabcdabcdabcd/y", -ERR_RANGE, "too many ways", NULL, NULL},
    /* values that the server does not take */
    {"{project}/{name}", " a/x.mp4", -ERR_RANGE, "its project ' a' begins or ends with a blank", NULL, NULL},
    {"{project}/{name}", "a\n/x.mp4", -ERR_RANGE, "control character", NULL, NULL},
    {"{project}/{name}", "\xff/x.mp4", -ERR_RANGE, "not UTF-8", NULL, NULL},
    {"{project}/{name}", "0123456789012345678901234567890123456789012345678901234567890123x/x.mp4", -ERR_RANGE,
     "longer than 64 bytes", NULL, NULL},
    {"{task_id}/{name}", "\xc3\x28/x.mp4", -ERR_RANGE, "its task_id", NULL, NULL},
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
  path_pattern_free(pattern);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(refuses_bad_patterns),
      cmocka_unit_test(matches_paths),
      cmocka_unit_test(says_what_it_gives),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
