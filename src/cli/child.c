#include "cli/child.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/stop.h"

static _Noreturn void become(char *const *argv, const struct child_hook *hook, int failure_fd) {
  hook->prepare(hook->arg);
  stop_restore();
  (void)execvp(argv[0], argv);
  int code = errno;
  ssize_t wrote = write(failure_fd, &code, sizeof code);
  (void)wrote;
  _exit(code == ENOENT ? 127 : 126);
}

static int wait_for(pid_t pid, struct err *err, int *ret_status) {
  int status, failure = stop_relay(pid);
  if (failure != 0) return err_set_errno(err, ERR_INTERNAL, -failure, "cannot wait for the command");
  while (waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return err_set_errno(err, ERR_INTERNAL, errno, "cannot wait for the command");
  }
  *ret_status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return 0;
}

int child_run(char *const *argv, const struct child_hook *hook, int *ret_status, bool *ret_started, struct err *err) {
  int failure[2], code = 0;
  if (pipe2(failure, O_CLOEXEC) != 0) return err_set_errno(err, ERR_INTERNAL, errno, "cannot create a pipe");
  stop_begin_relay();
  pid_t pid = fork();
  if (pid == 0) become(argv, hook, failure[1]);
  int fork_error = errno;
  (void)close(failure[1]);
  int result = pid < 0 ? err_set_errno(err, ERR_INTERNAL, fork_error, "cannot start a process")
                       : wait_for(pid, err, ret_status);
  ssize_t got;
  do
    got = read(failure[0], &code, sizeof code); /* none: the pipe was closed when the child became the command */
  while (got < 0 && errno == EINTR);
  *ret_started = pid > 0 && got == 0;
  (void)close(failure[0]);
  if (result == 0 && !*ret_started) (void)err_set_errno(err, ERR_USAGE, code, "cannot run %s", argv[0]);
  return result;
}
