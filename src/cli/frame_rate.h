/* The value of --frame-rate. */
#ifndef CODECMETER_CLI_FRAME_RATE_H
#define CODECMETER_CLI_FRAME_RATE_H

#include <stdint.h>

#include "base/err.h"

/* Reads pictures per second: "25", "29.97", "30000/1001"; more than 0, at most 1000. -ERR_USAGE. */
MUST_USE int frame_rate_option(const char *text, uint32_t *ret_num, uint32_t *ret_den, struct err *err);

#endif
