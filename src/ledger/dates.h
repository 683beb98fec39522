/* Compares the machine's clock with the ledger's newest record and with the time that passes, and warns if it seems
 * wrong. The clock dates events that arrive without a time, so a wrong clock counts usage on wrong days, and nothing
 * else shows it. Only warns.
 */
#ifndef CODECMETER_LEDGER_DATES_H
#define CODECMETER_LEDGER_DATES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

#define DATES_STEP_MS INT64_C(300000)    /* 5 minutes: smaller errors of the clock cause no warning */
#define DATES_GAP_MS INT64_C(2678400000) /* 31 days: a start longer after the newest record causes a warning */

struct dates {
  const struct clock *clock;
  int64_t real_ms, monotonic_ms; /* at the last check */
};

/* Call at a start. Warns if the newest record is dated more than DATES_STEP_MS ahead of the clock, or if the clock is
 * more than DATES_GAP_MS ahead of the newest record. newest_ms is 0 if there is no record. Returns true if it warned.
 * Borrows the clock as long as dates is used. */
bool dates_begin(struct dates *dates, const struct clock *clock, int64_t newest_ms);

/* Call regularly. Warns if, since the last check, the clock has moved by more than DATES_STEP_MS more or less than
 * the time that has passed. Returns true if it warned. */
bool dates_look(struct dates *dates);

#endif
