/* cli/child: a fork that fails, with a signal that came just then. A fork and a kill of our own stand in for the
 * system's, because the fault would signal every process that the user may signal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "base/stop.h"
#include "cli/child.h"

static int kills;

pid_t fork(void) {
  (void)raise(SIGTERM);
  errno = EAGAIN;
  return -1;
}

int kill(pid_t pid, int number) {
  (void)pid;
  (void)number;
  kills++;
  return 0;
}

static void prepare(void *arg) { (void)arg; }

static void test_fork_fails(void **unused) {
  (void)unused;
  char name[] = "true", *const command[] = {name, NULL};
  const struct child_hook hook = {.prepare = prepare};
  int status = 0;
  bool was_started = true;
  struct err err = {0};
  assert_int_equal(child_run(command, &hook, &status, &was_started, &err), -ERR_INTERNAL);
  assert_string_equal(err.text, "cannot start a process: Resource temporarily unavailable");
  assert_false(was_started);
  assert_int_equal(kills, 0);
  assert_true(stop_is_wanted());
  assert_int_equal(raise(SIGTERM), 0); /* nor one that comes later */
  assert_int_equal(kills, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_fork_fails)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
