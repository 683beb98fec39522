/* The window that an action is asked about: BeginTime and EndTime, as days of the project's zone. The three statistics
 * and the three task lists share it, so that they speak about the same tasks if they get the same parameters. Only for
 * files of src/api. */
#ifndef CODECMETER_API_PERIOD_H
#define CODECMETER_API_PERIOD_H

#include "api/call.h"
#include "meter/window.h"

#define PERIOD_PARAMS \
  { \
    .name = "BeginTime", .type = API_INT, .most = ZONE_TIME_MAX, .allowed = PERIOD_ALLOWED, .example = "1500220800", \
    .help = {"where the window begins, in Unix seconds, not after EndTime; the whole day counts. Absent: seven days " \
             "before EndTime", \
             "查询的起始时间（Unix 时间戳，秒），不晚于 EndTime；当天整天计入。不填写为 EndTime 之前七天"}, \
  }, \
  { \
    .name = "EndTime", .type = API_INT, .most = ZONE_TIME_MAX, .allowed = PERIOD_ALLOWED, .example = "1500480000", \
    .help = {"where the window ends, in Unix seconds; the whole day counts, and a time in the future counts as now. " \
             "Absent: seven days after BeginTime, but not after now; if both are absent, now", \
             "查询的结束时间（Unix 时间戳，秒）；当天整天计入，将来的时间按现在算。不填写为 BeginTime 之后七天，" \
             "但不晚于现在；两者都不填写，则为现在"}, \
  }
#define PERIOD_ALLOWED "must be Unix seconds from 0 to the end of the year 9999"

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
