/* Amounts: how milliseconds become seconds and billable minutes. Source: design §5. */
#ifndef CODECMETER_METER_AMOUNT_H
#define CODECMETER_METER_AMOUNT_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

/* 366 days. */
#define DURATION_MS_MAX (INT64_C(366) * 24 * 3600 * 1000)

/* Rounds milliseconds half up to seconds; at least 1 if duration_ms is above 0. */
uint64_t amount_seconds(uint64_t duration_ms);
/* Rounds seconds up to whole minutes. */
uint64_t amount_minutes(uint64_t seconds);

/* Reads a decimal number of seconds in JSON's number syntax ("20.0335", "2e1") exactly, and rounds it half up to
 * milliseconds. -ERR_PARSE if it is not a JSON number; -ERR_RANGE if it is negative (-0 is 0) or above
 * DURATION_MS_MAX. */
MUST_USE int amount_ms_of_seconds(struct str number, uint64_t *ret_ms, struct err *err);

#endif
