/* The window that an action is asked about: BeginTime and EndTime, as days of the project's zone. The three statistics
 * and the three task lists share it, so that they speak about the same tasks if they get the same parameters. Only for
 * files of src/api. */
#ifndef CODECMETER_API_PERIOD_H
#define CODECMETER_API_PERIOD_H

#include "api/call.h"
#include "meter/window.h"

struct period {
  const struct zone *zone; /* the project's */
  struct window window;
  uint64_t days;           /* from window.first_day to window.last_day, dates that the zone skipped included */
};

/* Reads the window of a call that has a project. 0, or a RetCode, and the refusal names the parameter at fault. */
int period_read(const struct call *call, struct period *ret, struct refusal *refusal);

/* RetCode 230: the answer would have more than query.rows_max rows. */
int period_refuse_rows(const struct call *call, struct refusal *refusal);

#endif
