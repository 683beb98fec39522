/* The only file that knows libsystemd. It drops the results of its calls: a manager that does not listen is no reason
 * to fail.
 *
 * The manager's start timeout is short, because a start usually takes a moment. A start that applies much of the log
 * asks for more time while it makes progress, so that only a start that hangs runs into the timeout.
 */
#include "server/service_notify.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <systemd/sd-daemon.h>

#include "base/clock.h"

#define MORE_TIME_MS 300000 /* to start, from the last progress on */
#define MORE_TIME_EVERY_MS 1000
#define STATUS_SIZE 512

static bool is_ready;
static int64_t rhythm_ms = -1;
static int64_t due_ms; /* monotonic: when the next message of progress is due */

void service_notify_begin(void) {
  uint64_t interval_us = 0;
  bool is_watched = sd_watchdog_enabled(0, &interval_us) > 0;
  rhythm_ms = !is_watched ? -1 : interval_us < 2000 ? 1 : (int64_t)(interval_us / 2000);
}

int64_t service_notify_rhythm_ms(void) { return rhythm_ms; }

/* A ping is due a little early, because a caller in this rhythm may come a moment too soon. */
void service_notify_progress(void) {
  int64_t now_ms = clock_monotonic_ms(clock_system());
  if (now_ms < due_ms || (is_ready && rhythm_ms < 0)) return;
  due_ms = now_ms + (is_ready ? rhythm_ms - rhythm_ms / 8 : MORE_TIME_EVERY_MS);
  if (is_ready)
    (void)sd_notify(0, "WATCHDOG=1");
  else
    (void)sd_notifyf(0, "EXTEND_TIMEOUT_USEC=%" PRIu64, (uint64_t)MORE_TIME_MS * 1000);
}

void service_notify_status(const char *format, ...) {
  char status[STATUS_SIZE];
  va_list args;
  va_start(args, format);
  (void)vsnprintf(status, sizeof status, format, args);
  va_end(args);
  (void)sd_notifyf(0, "STATUS=%s", status);
}

void service_notify_ready(void) {
  is_ready = true;
  due_ms = 0;
  (void)sd_notify(0, "READY=1");
}

void service_notify_stopping(void) { (void)sd_notify(0, "STOPPING=1"); }
