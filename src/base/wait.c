#include "base/wait.h"

#include <errno.h>

#include "base/check.h"
#include "base/clock.h"

void wait_init(pthread_cond_t *cond) {
  pthread_condattr_t attributes;
  CHECK(pthread_condattr_init(&attributes) == 0);
  CHECK(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
  CHECK(pthread_cond_init(cond, &attributes) == 0);
  (void)pthread_condattr_destroy(&attributes);
}

void wait_fini(pthread_cond_t *cond) { CHECK(pthread_cond_destroy(cond) == 0); }

void wait_on(pthread_cond_t *cond, pthread_mutex_t *lock) { CHECK(pthread_cond_wait(cond, lock) == 0); }

void wait_wake(pthread_cond_t *cond) { CHECK(pthread_cond_signal(cond) == 0); }
void wait_wake_all(pthread_cond_t *cond) { CHECK(pthread_cond_broadcast(cond) == 0); }

bool wait_for_ms(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t timeout_ms) {
  if (timeout_ms > CLOCK_DEADLINE_MAX_MS) timeout_ms = CLOCK_DEADLINE_MAX_MS;
  struct timespec until = clock_deadline(timeout_ms);
  int code = pthread_cond_timedwait(cond, lock, &until);
  CHECK(code == 0 || code == ETIMEDOUT);
  return code == 0;
}
