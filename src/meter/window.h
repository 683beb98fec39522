/* The window of a statistics query: turns the times that a client gave into the days to answer. Source: design
 * §3.5. */
#ifndef CODECMETER_METER_WINDOW_H
#define CODECMETER_METER_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "meter/zone.h"

struct window_limits {
  int64_t max_age;  /* seconds; an older EndTime is refused; 0: no limit; default 31 days */
  int64_t max_span; /* seconds; a longer window is refused; 0: no limit; default 32 days */
};

enum window_param { WINDOW_NONE, WINDOW_BEGIN, WINDOW_END };

struct window_request {
  bool has_begin, has_end;
  int64_t begin, end; /* Unix seconds, already checked to be integers; negative or beyond year 9999 is refused here */
};

struct window {
  int64_t begin, end;          /* Unix seconds, both inclusive, after the rules */
  int32_t first_day, last_day; /* of the zone, both inclusive */
};

/* Applies the rules in the contract's order. -ERR_RANGE: *ret_param is the parameter at fault, and err says what is
 * wrong (the text after "not available: "). */
MUST_USE int window_resolve(const struct window_request *request, const struct window_limits *limits,
                            const struct zone *zone, int64_t now, struct window *ret, enum window_param *ret_param,
                            struct err *err);

#endif
