#include "cli/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"

static const int passed_on[] = {SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2};
#define SIGNALS (sizeof passed_on / sizeof passed_on[0])

static volatile sig_atomic_t child_pid;
static sigset_t ignored; /* those that were ignored before, as under nohup: passed on, but no interruption */
static volatile sig_atomic_t interrupted; /* by a signal that came when no child was there to receive it */

/* A terminal signals its whole foreground group, with the child. So only a signal sent to this process alone is
 * passed on. */
static void pass_on(int number, siginfo_t *info, void *context) {
  (void)context;
  int saved = errno;
  bool from_terminal = info->si_code == SI_KERNEL;
  if (child_pid <= 0)
    interrupted = interrupted || sigismember(&ignored, number) != 1;
  else if (!from_terminal)
    (void)kill(child_pid, number);
  errno = saved;
}

static void catch_signals(struct sigaction before[SIGNALS]) {
  for (size_t i = 0; i < SIGNALS; i++) {
    struct sigaction action = {.sa_sigaction = pass_on, .sa_flags = SA_SIGINFO};
    CHECK(sigaction(passed_on[i], &action, &before[i]) == 0);
    if (before[i].sa_handler == SIG_IGN) (void)sigaddset(&ignored, passed_on[i]);
  }
  (void)signal(SIGCHLD, SIG_DFL); /* if it is ignored, the kernel drops the child's status */
}

static void restore_signals(const struct sigaction before[SIGNALS]) {
  for (size_t i = 0; i < SIGNALS; i++)
    (void)sigaction(passed_on[i], &before[i], NULL);
}

static _Noreturn void become(char *const *argv, const struct child_hook *hook, int failure_fd,
                             const struct sigaction before[SIGNALS], const sigset_t *mask) {
  hook->prepare(hook->arg);
  restore_signals(before);
  (void)sigprocmask(SIG_SETMASK, mask, NULL);
  (void)execvp(argv[0], argv);
  int code = errno;
  ssize_t wrote = write(failure_fd, &code, sizeof code);
  (void)wrote;
  _exit(code == ENOENT ? 127 : 126);
}

/* The child's number is kept for it until its status is taken. So no signal goes to it after that: another process
 * may have the number then. */
static int wait_for(pid_t pid, struct err *err, int *ret_status) {
  siginfo_t info;
  int status;
  while (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) != 0) {
    if (errno != EINTR) return err_set_errno(err, ERR_INTERNAL, errno, "cannot wait for the command");
  }
  child_pid = 0;
  while (waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return err_set_errno(err, ERR_INTERNAL, errno, "cannot wait for the command");
  }
  *ret_status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return 0;
}

bool child_interrupted(void) { return interrupted != 0; }

int child_run(char *const *argv, const struct child_hook *hook, int *ret_status, bool *ret_started, struct err *err) {
  struct sigaction before[SIGNALS];
  sigset_t all, mask;
  int failure[2], code = 0;
  if (pipe2(failure, O_CLOEXEC) != 0) return err_set_errno(err, ERR_INTERNAL, errno, "cannot create a pipe");
  /* Block signals until child_pid is set, so that none is lost in between. */
  (void)sigfillset(&all);
  (void)sigprocmask(SIG_BLOCK, &all, &mask);
  catch_signals(before);
  pid_t pid = fork();
  if (pid == 0) become(argv, hook, failure[1], before, &mask);
  int fork_error = errno;
  if (pid > 0) child_pid = pid; /* kill(-1, …) would reach every process of the user */
  (void)sigprocmask(SIG_SETMASK, &mask, NULL);
  (void)close(failure[1]);
  int result = pid < 0 ? err_set_errno(err, ERR_INTERNAL, fork_error, "cannot start a process") : 0;
  ssize_t got;
  do
    got = read(failure[0], &code, sizeof code);
  while (got < 0 && errno == EINTR);
  *ret_started = result == 0 && got == 0;
  (void)close(failure[0]);
  if (result == 0) result = wait_for(pid, err, ret_status);
  child_pid = 0;
  if (result == 0 && !*ret_started) (void)err_set_errno(err, ERR_USAGE, code, "cannot run %s", argv[0]);
  return result;
}
