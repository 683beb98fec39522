/* Time is an argument: a function that needs it takes a struct clock, so that tests control it. */
#ifndef CODECMETER_BASE_CLOCK_H
#define CODECMETER_BASE_CLOCK_H

#include <stdint.h>

struct clock {
  int64_t (*real_ms)(void *arg);      /* Unix time in milliseconds */
  int64_t (*monotonic_ms)(void *arg); /* for deadlines only */
  void *arg;
};

/* The machine's clocks. */
const struct clock *clock_system(void);

static inline int64_t clock_real_ms(const struct clock *clock) { return clock->real_ms(clock->arg); }
static inline int64_t clock_monotonic_ms(const struct clock *clock) { return clock->monotonic_ms(clock->arg); }

#endif
