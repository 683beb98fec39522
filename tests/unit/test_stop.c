/* base/stop: which signals ask for a stop and how often, under nohup, for threads, and for a child. Each test is a process
 * of its own, because a process begins once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "base/stop.h"

static bool ends_late; /* the child has not ended when the relay first asks, and has when it goes on */

int waitid(idtype_t type, id_t id, siginfo_t *ret, int flags) {
  if (!ends_late) return (int)syscall(SYS_waitid, type, id, ret, flags, NULL);
  ends_late = false;
  CHECK(syscall(SYS_waitid, type, id, ret, WEXITED | WNOWAIT, NULL) == 0);
  ret->si_pid = 0;
  return 0;
}

static int status_of(void (*body)(void)) {
  int status;
  pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0) {
    body();
    _exit(0);
  }
  assert_int_equal(waitpid(pid, &status, 0), pid);
  return status;
}

static void send_self(int number) { CHECK(kill(getpid(), number) == 0); }

static bool is_blocked(int number) {
  sigset_t mask;
  CHECK(pthread_sigmask(SIG_BLOCK, NULL, &mask) == 0);
  return sigismember(&mask, number) == 1;
}

static bool is_readable(int fd) {
  struct pollfd look = {.fd = fd, .events = POLLIN};
  return poll(&look, 1, 0) == 1;
}

/* ---- requests ---- */

static void ask_before_the_beginning(void) {
  CHECK(!stop_is_wanted() && !stop_wait(0) && stop_fd() == -1);
  send_self(SIGTERM);
}

static void count(void) {
  static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
  stop_begin();
  CHECK(!stop_wait(0) && !is_readable(stop_fd()));
  for (size_t i = 0; i < 3; i++) {
    send_self(numbers[i]);
    CHECK(is_readable(stop_fd()));
    CHECK(stop_is_wanted() && stop_is_insisted() == (i > 0));
    CHECK(!is_readable(stop_fd()));
  }
  CHECK(stop_wait(-1));
}

static void ignore(void) {
  CHECK(signal(SIGHUP, SIG_IGN) != SIG_ERR && signal(SIGINT, SIG_IGN) != SIG_ERR);
  stop_begin();
  CHECK(!is_blocked(SIGHUP) && !is_blocked(SIGINT));
  send_self(SIGHUP);
  send_self(SIGINT);
  CHECK(!stop_is_wanted());
  send_self(SIGTERM);
  CHECK(stop_is_wanted());
}

static void serve_ignored(void) {
  CHECK(signal(SIGHUP, SIG_IGN) != SIG_ERR && signal(SIGINT, SIG_IGN) != SIG_ERR);
  stop_begin_service();
  send_self(SIGHUP);
  CHECK(!stop_is_wanted());
  send_self(SIGINT);
  CHECK(stop_is_wanted() && !stop_is_insisted());
  stop_request();
  CHECK(stop_is_insisted());
}

static void write_to_nobody(void) {
  int ends[2];
  CHECK(pipe(ends) == 0);
  (void)close(ends[0]);
  stop_begin_service();
  CHECK(write(ends[1], "x", 1) == -1);
}

static void *request(void *arg) {
  (void)arg;
  CHECK(is_blocked(SIGTERM) && is_blocked(SIGINT) && is_blocked(SIGHUP));
  stop_request();
  return NULL;
}

static void ask_by_thread(void) {
  pthread_t thread;
  stop_begin_service();
  CHECK(pthread_create(&thread, NULL, request, NULL) == 0);
  CHECK(stop_wait(-1));
  CHECK(pthread_join(thread, NULL) == 0);
}

/* ---- a child ---- */

static pid_t start(int ends[2]) {
  CHECK(pipe(ends) == 0);
  stop_begin_relay();
  return fork();
}

/* Signals that came before there was a child reach it; SIGHUP too, which is ignored here and not there. */
static void relay(void) {
  int ends[2], status;
  CHECK(signal(SIGHUP, SIG_IGN) != SIG_ERR);
  pid_t pid = start(ends);
  if (pid == 0) {
    CHECK(signal(SIGHUP, SIG_DFL) != SIG_ERR);
    stop_restore();
    CHECK(!is_blocked(SIGTERM) && !is_blocked(SIGHUP) && !is_blocked(SIGCHLD));
    CHECK(write(ends[1], "x", 1) == 1);
    for (;;)
      (void)pause();
  }
  char byte;
  CHECK(read(ends[0], &byte, 1) == 1);
  send_self(SIGHUP);
  CHECK(stop_relay(pid) == 0);
  CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGHUP);
  CHECK(!stop_is_wanted());
  send_self(SIGHUP); /* ignored before, so no request */
  CHECK(!stop_is_wanted());
  send_self(SIGQUIT);
  CHECK(stop_is_wanted() && !stop_is_insisted());
}

/* An ignored SIGCHLD would lose the child's status. */
static void relay_nothing(void) {
  int ends[2], status;
  CHECK(signal(SIGCHLD, SIG_IGN) != SIG_ERR);
  pid_t pid = start(ends);
  if (pid == 0) _exit(3);
  CHECK(stop_relay(pid) == 0);
  CHECK(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 3);
  CHECK(!stop_is_wanted());
  CHECK(stop_relay(pid) == -ECHILD);
}

static void relay_late_end(void) {
  int ends[2], status;
  pid_t pid = start(ends);
  if (pid == 0) _exit(3);
  ends_late = true;
  CHECK(stop_relay(pid) == 0);
  CHECK(!ends_late && waitpid(pid, &status, 0) == pid);
}

static void test_bodies(void **unused) {
  (void)unused;
  static void (*const bodies[])(void) = {count,         ignore, serve_ignored, write_to_nobody,
                                         ask_by_thread, relay,  relay_nothing, relay_late_end};
  for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++)
    assert_int_equal(status_of(bodies[i]), 0);
}

static void test_before_the_beginning(void **unused) {
  (void)unused;
  int status = status_of(ask_before_the_beginning);
  assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

int main(void) {
  /* What starts the tests may ignore signals; a test that needs that does it itself. */
  static const int taken[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGCHLD};
  for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++)
    (void)signal(taken[i], SIG_DFL);
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_before_the_beginning), cmocka_unit_test(test_bodies)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
