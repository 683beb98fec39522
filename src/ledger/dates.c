/* Between two checks, a step is the advance of the wall clock minus that of the monotonic clock, which cannot be set.
 * NTP corrects a running clock slowly, or in steps of less than a second. Suspending the machine looks like a step
 * too, because it stops the monotonic clock.
 */
#include "ledger/dates.h"

#include <inttypes.h>

#include "base/diag.h"
#include "meter/rfc3339.h"

#define REMEDY                                                                                                       \
  "Check the clock and its time service (timedatectl): this clock dates events without `time`, and so decides on "   \
  "which day they count"

static void take(struct dates *dates) {
  dates->real_ms = clock_real_ms(dates->clock);
  dates->monotonic_ms = clock_monotonic_ms(dates->clock);
}

bool dates_begin(struct dates *dates, const struct clock *clock, int64_t newest_ms) {
  dates->clock = clock;
  take(dates);
  char now[RFC3339_SIZE], newest[RFC3339_SIZE];
  rfc3339_format(dates->real_ms, now);
  rfc3339_format(newest_ms, newest);
  if (newest_ms == 0) return false;
  if (newest_ms - dates->real_ms > DATES_STEP_MS) {
    diag_warning(
        "the clock says %s, but the newest record in the ledger was written at %s: the clock is behind now, or was "
        "ahead then. " REMEDY,
        now, newest);
    return true;
  }
  if (dates->real_ms - newest_ms > DATES_GAP_MS) {
    diag_warning("the clock says %s, but the newest record in the ledger was written %" PRId64
                 " days earlier, at %s: no events were reported for so long, or the clock is ahead. " REMEDY,
                 now, (dates->real_ms - newest_ms) / 86400000, newest);
    return true;
  }
  return false;
}

bool dates_look(struct dates *dates) {
  struct dates before = *dates;
  take(dates);
  int64_t passed_ms = dates->monotonic_ms - before.monotonic_ms,
          step_ms = dates->real_ms - before.real_ms - passed_ms;
  if (step_ms <= DATES_STEP_MS && step_ms >= -DATES_STEP_MS) return false;
  char now[RFC3339_SIZE], expected[RFC3339_SIZE];
  rfc3339_format(dates->real_ms, now);
  rfc3339_format(before.real_ms + passed_ms, expected);
  diag_warning("the clock was set %s by %" PRId64
               " seconds, or this machine was suspended: the clock says %s, but %s was expected. " REMEDY,
               step_ms > 0 ? "ahead" : "back", (step_ms > 0 ? step_ms : -step_ms) / 1000, now, expected);
  return true;
}
