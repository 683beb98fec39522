#include "base/stop.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const int wishes[] = {SIGINT, SIGTERM, SIGHUP};
static const int relayed[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};

static int fd = -1;
static atomic_uint count;
static sigset_t counted; /* the signals that are requests to stop */
static sigset_t before;  /* the mask */

static bool is_ignored(int number) {
  struct sigaction action;
  return sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

/* The kernel keeps an ignored signal pending if it is blocked. So a signal that shall stay ignored is not in the set. */
static void take(const sigset_t *signals) {
  CHECK(fd < 0);
  CHECK(pthread_sigmask(SIG_BLOCK, signals, &before) == 0);
  fd = signalfd(-1, signals, SFD_NONBLOCK | SFD_CLOEXEC);
  CHECK(fd >= 0);
}

void stop_begin(void) {
  (void)sigemptyset(&counted);
  for (size_t i = 0; i < COUNT(wishes); i++) {
    if (!is_ignored(wishes[i])) (void)sigaddset(&counted, wishes[i]);
  }
  take(&counted);
}

void stop_begin_service(void) {
  (void)sigemptyset(&counted);
  for (size_t i = 0; i < COUNT(wishes); i++) {
    if (wishes[i] != SIGHUP || !is_ignored(SIGHUP)) (void)sigaddset(&counted, wishes[i]);
  }
  take(&counted);
  CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
  CHECK(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
}

void stop_request(void) { CHECK(kill(getpid(), SIGTERM) == 0); }

/* False if no signal waits. */
static bool next(struct signalfd_siginfo *ret) { return read(fd, ret, sizeof *ret) == (ssize_t)sizeof *ret; }

static unsigned count_all(void) {
  struct signalfd_siginfo info;
  while (next(&info)) {
    if (sigismember(&counted, (int)info.ssi_signo) == 1) atomic_fetch_add(&count, 1);
  }
  return atomic_load(&count);
}

bool stop_is_wanted(void) { return count_all() > 0; }
bool stop_is_insisted(void) { return count_all() > 1; }

int stop_fd(void) { return fd; }

bool stop_wait(int64_t timeout_ms) {
  struct pollfd wait = {.fd = fd, .events = POLLIN};
  if (stop_is_wanted()) return true;
  (void)poll(&wait, 1, timeout_ms < 0 ? -1 : timeout_ms > INT_MAX ? INT_MAX : (int)timeout_ms);
  return stop_is_wanted();
}

/* ---- for a process that runs a command ---- */

void stop_begin_relay(void) {
  sigset_t signals;
  (void)sigemptyset(&counted);
  (void)sigemptyset(&signals);
  for (size_t i = 0; i < COUNT(relayed); i++) {
    (void)sigaddset(&signals, relayed[i]);
    if (!is_ignored(relayed[i])) (void)sigaddset(&counted, relayed[i]);
  }
  (void)sigaddset(&signals, SIGCHLD);
  CHECK(signal(SIGCHLD, SIG_DFL) != SIG_ERR); /* if it is ignored, the kernel drops the child's status */
  take(&signals);
}

void stop_restore(void) { CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0); }

/* True if a change of the child was among the signals. */
static bool pass_on(pid_t pid) {
  struct signalfd_siginfo info;
  bool has_changed = false;
  while (next(&info)) {
    if (info.ssi_signo == SIGCHLD)
      has_changed = true;
    else if (info.ssi_code != SI_KERNEL)
      (void)kill(pid, (int)info.ssi_signo);
  }
  return has_changed;
}

/* Asks about the child first: what has arrived by the time that it has ended was for the child. Its number is kept for
 * it until its status is taken, so no signal goes to another process that has the number then. */
int stop_relay(pid_t pid) {
  struct pollfd wait = {.fd = fd, .events = POLLIN};
  CHECK(pid > 0 && fd >= 0); /* kill(-1, …) would reach every process of the user */
  for (;;) {
    siginfo_t ended = {.si_pid = 0};
    if (waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOWAIT | WNOHANG) != 0 && errno != EINTR) return -errno;
    bool has_changed = pass_on(pid);
    if (ended.si_pid == pid) return 0;
    if (!has_changed) (void)poll(&wait, 1, -1);
  }
}
