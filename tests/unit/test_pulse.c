/* The status of an agent: its names, when it is due, and how full its spool is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include <cmocka.h>

#include "agent/pulse.h"
#include "base/file.h"

#define X32 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static void test_names(void **state) {
  (void)state;
  static const char *const bad[] = {"", " ", "\t", "a\nb", "a\x7f", "\xff", "\xc2\x85", X32 X32 "x"};
  static const char *const good[] = {"a", " a ", "node-7.example.org", "\xe8\x8a\x82\xe7\x82\xb9", X32 X32};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    if (pulse_is_name(str_of(bad[i]))) fail_msg("'%s' is a name", bad[i]);
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
    if (!pulse_is_name(str_of(good[i]))) fail_msg("'%s' is no name", good[i]);
}

/* Whatever a directory is called, the server takes the command. */
static void test_commands(void **state) {
  (void)state;
  static const struct {
    const char *command, *begins;
  } rows[] = {
      {"watch /srv/out", "watch /srv/out"},
      {"watch /a\nb\xff", "watch /a\\x0ab\\xff"},
      {"watch /" X32 X32 X32 X32 X32, "watch /" X32 X32 X32 X32},
      {"watch /\xe8\x8a\x82\xe7\x82\xb9\xe8\x8a\x82\xe7\x82\xb9" X32 X32 X32 X32 "\xe8\x8a\x82\xe7\x82\xb9\xe8\x8a\x82",
       "watch /\xe8\x8a\x82"},
  };
  const struct client_settings settings = {.url = NULL};
  struct pulse pulse, other;
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    pulse_init(&pulse, &settings, str_of(rows[i].command), 0);
    struct str kept = str_of(pulse.command);
    bool good = kept.len <= PULSE_COMMAND_MAX && str_is_utf8(kept) && !str_has_control(kept) &&
                str_starts(kept, str_of(rows[i].begins));
    if (!good) fail_msg("row %zu: %s", i, pulse.command);
    assert_true(pulse_is_name(str_of(pulse.name)));
  }
  /* two that differ only behind what fits are two */
  pulse_init(&pulse, &settings, STR("watch /" X32 X32 X32 X32 X32 X32 "a"), 0);
  pulse_init(&other, &settings, STR("watch /" X32 X32 X32 X32 X32 X32 "b"), 0);
  assert_string_not_equal(pulse.command, other.command);
}

static void test_when_it_is_due(void **state) {
  (void)state;
  const struct client_settings settings = {.url = NULL};
  struct pulse pulse = {.settings = NULL};
  assert_true(pulse_next_ms(&pulse) == INT64_MAX);
  pulse_init(&pulse, &settings, STR("run"), 0);
  assert_true(pulse_next_ms(&pulse) == INT64_MAX); /* it promises nothing, and has sent nothing */
  pulse_hurry(&pulse);
  assert_true(pulse_next_ms(&pulse) < INT64_MAX);
  pulse_init(&pulse, &settings, STR("watch"), PULSE_INTERVAL_MS);
  int64_t first_ms = pulse_next_ms(&pulse);
  pulse.sent_ms = first_ms;
  pulse.due_ms = first_ms + PULSE_INTERVAL_MS;
  pulse_hurry(&pulse);
  assert_true(pulse_next_ms(&pulse) == first_ms + 10000);
  pulse.due_ms = first_ms + 1; /* never later than it was due */
  pulse_hurry(&pulse);
  assert_true(pulse_next_ms(&pulse) == first_ms + 1);
  pulse.is_unknown = true; /* an older server is not asked again soon */
  pulse.due_ms = INT64_MAX;
  pulse_hurry(&pulse);
  assert_true(pulse_next_ms(&pulse) == INT64_MAX);
}

static void touch(const char *dir, const char *name, int64_t age_s) {
  SCOPED_MALLOC char *path = file_path(dir, name);
  assert_int_equal(file_replace(dir, name, STR("{}"), NULL), 0);
  const struct timespec times[2] = {{.tv_sec = time(NULL) - age_s}, {.tv_sec = time(NULL) - age_s}};
  assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void test_how_full_a_spool_is(void **state) {
  (void)state;
  char dir[] = "/tmp/test_pulse.XXXXXX";
  struct spool_depth depth;
  assert_non_null(mkdtemp(dir));
  SCOPED_MALLOC char *rejected = file_path(dir, "rejected");
  spool_measure("/nonexistent", &depth);
  assert_true(depth.waiting == 0 && depth.oldest_ms == 0 && depth.rejected == 0);
  touch(dir, "1700000000000-00-00.event", 50);
  spool_measure(dir, &depth);
  assert_int_equal(depth.waiting, 0); /* it is not marked as a spool */
  struct err err;
  assert_int_equal(spool_make(dir, &err), 0);
  touch(dir, "1700000000001-00-00.event", 700);
  touch(dir, ".1700000000002-00-00.event.77", 9000); /* is being written, or was cut off */
  touch(dir, "watch-1.state", 9000);
  assert_int_equal(mkdir(rejected, 0700), 0);
  touch(rejected, "1.json", 1);
  touch(rejected, "2.event.3.0", 1); /* what was moved aside: its note counts */
  touch(rejected, "2.event.3.0.json", 1);
  spool_measure(dir, &depth);
  assert_int_equal(depth.waiting, 2);
  assert_int_equal(depth.rejected, 2);
  assert_true(depth.oldest_ms >= 699000 && depth.oldest_ms < 760000);
  assert_int_equal(file_remove_tree(dir, &err), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_names),
      cmocka_unit_test(test_commands),
      cmocka_unit_test(test_when_it_is_due),
      cmocka_unit_test(test_how_full_a_spool_is),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
