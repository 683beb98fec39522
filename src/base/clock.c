#include "base/clock.h"

#include <stddef.h>

#include "base/check.h"

#define SECOND_NS 1000000000

static struct timespec read_clock(clockid_t id) {
  struct timespec now;
  CHECK(clock_gettime(id, &now) == 0);
  return now;
}

static int64_t read_ms(clockid_t id) {
  struct timespec now = read_clock(id);
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

struct timespec clock_file_time(void) { return read_clock(CLOCK_REALTIME); }

struct timespec clock_deadline(int64_t timeout_ms) {
  struct timespec until = read_clock(CLOCK_MONOTONIC);
  CHECK(timeout_ms >= 0 && timeout_ms <= CLOCK_DEADLINE_MAX_MS);
  until.tv_sec += (time_t)(timeout_ms / 1000);
  until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
  if (until.tv_nsec >= SECOND_NS) {
    until.tv_sec++;
    until.tv_nsec -= SECOND_NS;
  }
  return until;
}

int64_t clock_thread_cpu_ns(void) {
  struct timespec spent = read_clock(CLOCK_THREAD_CPUTIME_ID);
  return (int64_t)spent.tv_sec * SECOND_NS + spent.tv_nsec;
}
