/* Time is an argument: a function that needs it takes a struct clock, so that tests control it. */
#ifndef CODECMETER_BASE_CLOCK_H
#define CODECMETER_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

struct clock {
  int64_t (*real_ms)(void *arg);      /* Unix time in milliseconds */
  int64_t (*monotonic_ms)(void *arg); /* for deadlines only */
  void *arg;
};

/* The machine's clocks. */
const struct clock *clock_system(void);

static inline int64_t clock_real_ms(const struct clock *clock) { return clock->real_ms(clock->arg); }
static inline int64_t clock_monotonic_ms(const struct clock *clock) { return clock->monotonic_ms(clock->arg); }

/* ---- never an argument ---- */

/* The machine's time, to compare with the times that its kernel gives to files, which no caller can choose either. */
struct timespec clock_file_time(void);
#define CLOCK_DEADLINE_MAX_MS (24 * 3600 * INT64_C(1000))
/* timeout_ms (>= 0, at most that long) from now on CLOCK_MONOTONIC, for a wait of the system's. */
struct timespec clock_deadline(int64_t timeout_ms);
/* Nanoseconds that the CPU has spent on the calling thread. */
int64_t clock_thread_cpu_ns(void);

#endif
