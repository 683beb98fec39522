#include "base/clock.h"

#include <stddef.h>
#include <time.h>

#include "base/check.h"

static int64_t read_ms(clockid_t id) {
  struct timespec now;
  CHECK(clock_gettime(id, &now) == 0);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t system_real_ms(void *arg) {
  (void)arg;
  return read_ms(CLOCK_REALTIME);
}

static int64_t system_monotonic_ms(void *arg) {
  (void)arg;
  return read_ms(CLOCK_MONOTONIC);
}

const struct clock *clock_system(void) {
  static const struct clock clock = {.real_ms = system_real_ms, .monotonic_ms = system_monotonic_ms, .arg = NULL};
  return &clock;
}
