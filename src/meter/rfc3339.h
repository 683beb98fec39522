/* RFC 3339 date-times, kept to the millisecond. Source: design §4 (`time`). */
#ifndef CODECMETER_METER_RFC3339_H
#define CODECMETER_METER_RFC3339_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

#define RFC3339_MIN_MS INT64_C(-62135596800000) /* 0001-01-01T00:00:00.000Z */
#define RFC3339_MAX_MS INT64_C(253402300799999) /* 9999-12-31T23:59:59.999Z */

/* Reads a date-time as Unix milliseconds. It drops digits below a millisecond, and reads `:60` as the last
 * millisecond of its minute. It accepts 't', 'z', and a blank between date and time. -ERR_PARSE for any other text,
 * also if the zone is missing. Years 0001 to 9999, in UTC too (the caller sets narrower bounds). */
MUST_USE int rfc3339_parse(struct str text, int64_t *ret_ms, struct err *err);

/* Writes "2026-01-31T12:00:00.123Z" into out, which has RFC3339_SIZE bytes. A time outside the years 1 to 9999 is
 * written as their first or last millisecond, because a file's time may be anything. */
#define RFC3339_SIZE 25
void rfc3339_format(int64_t ms, char out[RFC3339_SIZE]);

#endif
