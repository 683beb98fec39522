#include "base/wait.h"

#include <errno.h>
#include <time.h>

#include "base/check.h"

#define LONGEST_MS (24 * 3600 * INT64_C(1000))

void wait_init(pthread_cond_t *cond) {
  pthread_condattr_t attributes;
  CHECK(pthread_condattr_init(&attributes) == 0);
  CHECK(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
  CHECK(pthread_cond_init(cond, &attributes) == 0);
  (void)pthread_condattr_destroy(&attributes);
}

bool wait_for_ms(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t timeout_ms) {
  CHECK(timeout_ms >= 0);
  if (timeout_ms > LONGEST_MS) timeout_ms = LONGEST_MS;
  struct timespec until;
  CHECK(clock_gettime(CLOCK_MONOTONIC, &until) == 0);
  until.tv_sec += (time_t)(timeout_ms / 1000);
  until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
  if (until.tv_nsec >= 1000000000) {
    until.tv_sec++;
    until.tv_nsec -= 1000000000;
  }
  int code = pthread_cond_timedwait(cond, lock, &until);
  CHECK(code == 0 || code == ETIMEDOUT);
  return code == 0;
}
