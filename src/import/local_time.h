/* Times as databases and spreadsheets write them, read into instants. */
#ifndef CODECMETER_IMPORT_LOCAL_TIME_H
#define CODECMETER_IMPORT_LOCAL_TIME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "meter/zone.h"

enum local_time_state {
  LOCAL_TIME_OTHER,   /* not a time of these forms */
  LOCAL_TIME_GOOD,    /* an instant */
  LOCAL_TIME_DATE,    /* a date without a time of day */
  LOCAL_TIME_NO_ZONE, /* it states no zone, and none is given */
  LOCAL_TIME_SKIPPED, /* no instant has this local time: the clock went forward over it */
};

/* Reads a date, year first ("2026-02-03", "2026/2/3"), a blank or T, and a time of day ("20:01", "20:01:00.250").
 * Behind it there may be a zone: Z, UTC, +08, +0800, +08:00, also after a blank. A time without one is in `zone`
 * (NULL: none is given). If the clock went back and the local time occurs twice, this is the earlier instant, and
 * *ret_is_twice is true. Digits below a millisecond are dropped. Both outputs are set for LOCAL_TIME_GOOD only. */
enum local_time_state local_time_read(struct str text, const struct zone *zone, int64_t *ret_ms, bool *ret_is_twice);

#endif
