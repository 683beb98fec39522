/* The plan of a question: its steps in each zone, and where the answer comes from. Only for files of usage_*.
 */
#ifndef CODECMETER_QUERY_USAGE_PLAN_H
#define CODECMETER_QUERY_USAGE_PLAN_H

#include "ledger/scan.h"
#include "query/usage.h"

/* The steps of the projects of one zone. `before` is empty ({0}) unless the question compares; it ends where `now`
 * begins. */
struct usage_zone {
  const struct zone *zone;
  struct calendar now, before;
};

struct usage_plan {
  struct usage_zone *zones; /* at least one */
  size_t zones_count;
  uint32_t *zone_of; /* by project: index in zones */
  enum usage_method method;
  enum sums_step step; /* by days or by quarters: what to read, both inclusive */
  int64_t first, last;
};

/* -ERR_RANGE and -ERR_LIMIT with *ret_param; -ERR_MEMORY. The caller frees with usage_plan_fini. */
MUST_USE int usage_plan_make(const struct usage_spec *spec, struct usage_plan *ret, const char **ret_param,
                             struct err *err);
void usage_plan_fini(struct usage_plan *plan);
size_t usage_plan_bytes(const struct usage_plan *plan);

/* True if a quarter hour lies within one step of a zone: of `before` if *ret_is_before. False: it is cut, or outside.
 */
MUST_USE bool usage_plan_step_of_quarter(const struct usage_zone *zone, int64_t quarter, bool *ret_is_before,
                                         uint32_t *ret_step);
/* The same for an instant: false if it is outside. */
MUST_USE bool usage_plan_step_of(const struct usage_zone *zone, int64_t time, bool *ret_is_before,
                                 uint32_t *ret_step);

/* The begin of the period before, or else of the range; the end of the range. */
int64_t usage_zone_begin(const struct usage_zone *zone);
int64_t usage_zone_end(const struct usage_zone *zone);

/* The next cut quarter hour of a zone behind *at (-1 at first), as instants within the range: [*ret_from, *ret_to).
 * Moves *at on. False if there are no more. Quarter hours of before 1980 have no usage. */
MUST_USE bool usage_plan_next_cut(const struct usage_zone *zone, int64_t *at, int64_t *ret_from, int64_t *ret_to);

#endif
