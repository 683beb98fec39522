#include "base/stop.h"

#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/check.h"

static int fd = -1;
static unsigned count;

void stop_begin(void) {
  static const int wishes[] = {SIGINT, SIGTERM, SIGHUP};
  sigset_t signals;
  struct sigaction action;
  (void)sigemptyset(&signals);
  for (size_t i = 0; i < sizeof wishes / sizeof wishes[0]; i++) {
    /* An ignored signal (nohup) is not blocked: the kernel would keep it pending if it were. */
    if (sigaction(wishes[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
      (void)sigaddset(&signals, wishes[i]);
  }
  CHECK(sigprocmask(SIG_BLOCK, &signals, NULL) == 0);
  fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
  CHECK(fd >= 0);
}

unsigned stop_count(void) {
  struct signalfd_siginfo info;
  while (read(fd, &info, sizeof info) == (ssize_t)sizeof info)
    count++;
  return count;
}

bool stop_is_wanted(void) { return stop_count() > 0; }
bool stop_is_insisted(void) { return stop_count() > 1; }

int stop_fd(void) { return fd; }

bool stop_wait(int64_t ms) {
  struct pollfd wait = {.fd = fd, .events = POLLIN};
  if (stop_is_wanted()) return true;
  (void)poll(&wait, 1, ms > INT_MAX ? INT_MAX : (int)ms);
  return stop_is_wanted();
}
