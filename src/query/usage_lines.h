/* The lines of an answer, in order, made from its rows and groups one at a time. Only for files of usage_*.
 */
#ifndef CODECMETER_QUERY_USAGE_LINES_H
#define CODECMETER_QUERY_USAGE_LINES_H

#include "query/usage.h"
#include "query/usage_plan.h"
#include "query/usage_rows.h"

/* Where a line is in the order. */
struct usage_place {
  uint32_t project, step, rank;
};

struct usage_lines {
  const struct usage_plan *plan; /* borrowed, like the next three */
  struct usage_groups *groups;
  struct usage_rows *now, *before;
  bool zeros, by_project;
  uint32_t now_at, before_at; /* rows that were given */
  uint8_t *shown;             /* zeros: by group, whether it has a row */
  struct usage_place next;    /* zeros: the place that comes next, unless `ended` */
  bool ended;
};

/* Sorts rows and groups and begins with the first line. projects: their number; kind: that of a row that has no
 * usage. by_project: DIM_PROJECT is a dimension. -ERR_LIMIT: zeros would give too many rows. -ERR_MEMORY. The caller
 * frees with usage_lines_fini. */
MUST_USE int usage_lines_begin(const struct usage_plan *plan, struct usage_groups *groups, struct usage_rows *now,
                               struct usage_rows *before, const struct dim_value *empty, size_t projects,
                               bool by_project, bool zeros, struct usage_lines *ret, struct err *err);
void usage_lines_fini(struct usage_lines *lines);

/* The group, and the rest of the next line but its values. False after the last one. */
MUST_USE bool usage_lines_next(struct usage_lines *lines, uint32_t *ret_group, struct usage_line *ret);

#endif
