/* Preloaded by test_clock.py: the wall clock that the program reads is CLOCK_STEP_SECONDS ahead of the kernel's. A deadline
 * that the program computes on it is as far in the future as after a backward step of the clock by so much. The kernel's
 * own clocks, which end a wait, stay as they are. */
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t id, struct timespec *now) {
  int result = (int)syscall(SYS_clock_gettime, id, now);
  const char *seconds = getenv("CLOCK_STEP_SECONDS");
  if (result == 0 && id == CLOCK_REALTIME && seconds != NULL) now->tv_sec += atol(seconds);
  return result;
}
