/* Whether the machine's clock can be right, judged by the ledger's newest record and by the time that passes. It
 * dates events that come without a time, so when it is wrong, usage counts on wrong days and nothing else shows it.
 * Only warns.
 */
#ifndef CODECMETER_LEDGER_DATES_H
#define CODECMETER_LEDGER_DATES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

#define DATES_STEP_MS INT64_C(300000)    /* a clock that is wrong by less is not worth a warning: 5 minutes */
#define DATES_GAP_MS INT64_C(2678400000) /* a start so long after the newest record is: 31 days */

struct dates {
  const struct clock *clock;
  int64_t real_ms, monotonic_ms; /* at the last look */
};

/* At a start: warns if the newest record is dated more than DATES_STEP_MS ahead of the clock, or the clock is more
 * than DATES_GAP_MS ahead of that. newest_ms is 0 if there is no record. Returns true if it warned. clock is
 * borrowed. */
bool dates_begin(struct dates *dates, const struct clock *clock, int64_t newest_ms);

/* Now and then: warns if the clock has moved against the time that has passed since the last look by more than
 * DATES_STEP_MS. Returns true if it warned. */
bool dates_look(struct dates *dates);

#endif
