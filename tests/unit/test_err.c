/* Messages: whatever is too long in them, they keep how they begin and what they end with, in whole characters. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/err.h"

static bool ends_with(const char *text, const char *end) {
  size_t len = strlen(text), end_len = strlen(end);
  return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

static void test_short_ones(void **state) {
  (void)state;
  struct err err = {0};
  assert_int_equal(err_set(&err, ERR_RANGE, "%d is too much", 7), -ERR_RANGE);
  assert_string_equal(err.text, "7 is too much");
  assert_int_equal(err_prefix(&err, "line %d", 3), -ERR_RANGE);
  assert_string_equal(err.text, "line 3: 7 is too much");
  assert_int_equal(err_set_errno(&err, ERR_IO, ENOSPC, "cannot write %s", "a"), -ERR_FULL);
  assert_string_equal(err.text, "cannot write a: No space left on device");
  assert_int_equal(err_set(&err, ERR_IO, "%s, twice", err.text), -ERR_IO); /* out of itself */
  assert_string_equal(err.text, "cannot write a: No space left on device, twice");
  assert_int_equal(err_set(NULL, ERR_IO, "nobody reads it"), -ERR_IO);
}

/* A shortage that passes is one whatever the caller's code says, but not behind a write or a sync. */
static void test_shortages(void **state) {
  (void)state;
  static const struct {
    int errno_value;
    enum err_code code, lasting;
  } cases[] = {
      {ENOSPC, ERR_FULL, ERR_FULL},       {EDQUOT, ERR_FULL, ERR_FULL}, {EMFILE, ERR_DESCRIPTORS, ERR_IO},
      {ENFILE, ERR_DESCRIPTORS, ERR_IO}, {ENOMEM, ERR_MEMORY, ERR_IO}, {EIO, ERR_IO, ERR_IO},
      {EACCES, ERR_IO, ERR_IO},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct err err = {0};
    assert_int_equal(err_set_errno(&err, ERR_IO, cases[i].errno_value, "a"), -(int)cases[i].code);
    assert_int_equal(err.code, cases[i].code);
    bool passes = cases[i].code != ERR_IO;
    assert_int_equal(err_kind(-(int)cases[i].code), passes ? ERR_KIND_RETRY : ERR_KIND_STOP);
    assert_int_equal(err_set_errno_lasting(&err, ERR_IO, cases[i].errno_value, "a"), -(int)cases[i].lasting);
    assert_int_equal(err.code, cases[i].lasting);
  }
  struct err err = {0};
  (void)err_set_errno(&err, ERR_IO, EMFILE, "cannot open %s", "a");
  assert_true(str_starts(str_of(err.text), STR("cannot open a: Too many open files; raise ")));
  assert_int_equal(err_set_errno(NULL, ERR_IO, EMFILE, "nobody reads it"), -ERR_DESCRIPTORS);
}

static void test_long_ones(void **state) {
  (void)state;
  static char path[5000];
  struct err err = {0};
  for (size_t len = 900; len + 4 < sizeof path; len += len < 1100 ? 1 : 61) {
    memset(path, 'x', len);
    for (size_t i = 0; i + 3 <= len; i += 3)
      memcpy(path + i, "\xE9\xAD\x9A", 3);
    path[len] = '\0';
    (void)err_set_errno(&err, ERR_IO, EACCES, "cannot write %s", path);
    (void)err_prefix(&err, "%s", path);
    if (!ends_with(err.text, ": Permission denied")) fail_msg("%zu: ends with %s", len, err.text);
    if (strncmp(err.text, path, 150) != 0) fail_msg("%zu: begins with %s", len, err.text);
    if (!str_is_utf8(str_of(err.text))) fail_msg("%zu: is not UTF-8", len);
    err_set(&err, ERR_IO, "%s: the end", path);
    if (!ends_with(err.text, ": the end") || !str_is_utf8(str_of(err.text))) fail_msg("%zu: is %s", len, err.text);
    if (len >= ERR_TEXT_MAX && strlen(err.text) < ERR_TEXT_MAX - 16) fail_msg("%zu: only %zu are left", len, strlen(err.text));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_short_ones), cmocka_unit_test(test_shortages), cmocka_unit_test(test_long_ones)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
