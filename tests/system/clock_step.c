/* Preloaded by test_clock.py: the wall clock that the program reads is ahead of the kernel's by CLOCK_STEP_SECONDS, or by the
 * number in the file CLOCK_STEP_FILE. A deadline that the program computes on it is as far in the future as after a backward step
 * of the clock by so much. The kernel's own clocks, which end a wait, stay as they are. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long seconds_ahead(void) {
  const char *seconds = getenv("CLOCK_STEP_SECONDS"), *path = getenv("CLOCK_STEP_FILE");
  char text[32] = "";
  if (path == NULL) return seconds != NULL ? atol(seconds) : 0;
  long fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  (void)syscall(SYS_read, fd, text, sizeof text - 1);
  (void)syscall(SYS_close, fd);
  return atol(text);
}

int clock_gettime(clockid_t id, struct timespec *now) {
  int result = (int)syscall(SYS_clock_gettime, id, now);
  if (result == 0 && id == CLOCK_REALTIME) now->tv_sec += seconds_ahead();
  return result;
}
