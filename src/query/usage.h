/* The question of /v1/usage: how much was used, by step of time and by group. Knows no HTTP and no JSON. Source: design
 * §7.
 *
 * What is added up. Finished tasks that were not voided, by the instant at which they finished. Kinds are never added
 * up: a row is of one kind, whether or not `kind` is in the group, because a customer pays for a transcode and for a
 * remux in different ways, and snapshots count images, not seconds. Sums are exact integers.
 *
 * Zones. A step is made in the zone of the question, else in that of the row's project. If rows are not of one project
 * each, the projects must agree, except for one row over a range of instants: that is the same in every zone.
 *
 * Where the answer comes from:
 *
 *   USAGE_BY_DAYS      day totals. All steps of all projects begin and end with days, and totals know each dimension
 *                      (project, codec, tier, kind). If the zone is not the project's own, the ledger reads the quarter
 *                      hours of these days instead.
 *   USAGE_BY_QUARTERS  totals by quarter hour of UTC. Totals know each dimension, and some step does not begin with a
 *                      day. A quarter hour within which a step ends is *cut*: its tasks are read one by one. Cut are
 *                      those of a range that does not begin or end with a quarter hour, and those in which clocks
 *                      changed off the quarter hour (St John's until 2011).
 *   USAGE_BY_RECORDS   the records of all tasks of the range. For resolution, frame_rate, source and label.NAME, in the
 *                      group or as a filter, and for as_of: totals know neither. At most USAGE_SCAN_MAX tasks.
 *
 * All of an answer is as of one position of the log, over all projects: the totals of all of them are read in one
 * view, and records are read as of its position. So the rows of an answer are kept until they are sent. Bounds of one
 * question: USAGE_ROWS_MAX rows (24 MB), the same for the period before, USAGE_GROUPS_BYTES, CALENDAR_MAX steps,
 * USAGE_CELLS_MAX parts of totals, USAGE_SCAN_MAX tasks. All questions together: struct usage_memory.
 *
 * Order: by project, if that is in the group (as text); then by start; then by the other dimensions in the order of the
 * group; then by kind. Null is last.
 */
#ifndef CODECMETER_QUERY_USAGE_H
#define CODECMETER_QUERY_USAGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/budget.h"
#include "base/clock.h"
#include "base/err.h"
#include "ledger/ledger.h"
#include "query/calendar.h"
#include "query/dims.h"
#include "query/filter.h"
#include "query/range.h"
#include "query/usage_groups.h"

/* Tasks of one question whose records are read. */
#define USAGE_SCAN_MAX UINT64_C(20000000)
/* Parts of totals (of a project, kind, quarter hour or day, codec and tier) that one question reads. */
#define USAGE_CELLS_MAX UINT64_C(20000000)
#define USAGE_GROUP_MAX (USAGE_DIMS_MAX - 1) /* the kind may come to these */

enum usage_method { USAGE_BY_DAYS, USAGE_BY_QUARTERS, USAGE_BY_RECORDS };

struct usage_spec {
  const struct project *projects; /* in the order of ids; of as_of, see usage_projects_as_of */
  size_t projects_count;
  struct range range;
  int64_t now; /* Unix seconds, for a range that depends on it */
  enum calendar_step step;
  const struct zone *zone; /* NULL: each project's own */
  struct dim_ref group[USAGE_GROUP_MAX];
  size_t group_count;
  const struct filter *filter;
  bool zeros;   /* also rows without tasks: each group that has any, in each step; a project without any has one */
  bool compare; /* beside each row, that of the same place in the period before (range_before) */
  bool has_as_of;
  uint64_t as_of;
  uint64_t owner; /* who asks: see base/budget.h */
  /* For tests; 0 otherwise. */
  enum usage_method method_least; /* this method, or a more costly one */
  uint64_t scan_max, cells_max;   /* in place of USAGE_SCAN_MAX and USAGE_CELLS_MAX */
};

/* What questions share. Starts as {.budget = …}. All that a question holds between two turns is claimed in the budget. Within
 * a turn it also has a scan_reader (SCAN_READER_BYTES).
 *
 * A question that reads records keeps positions of those that it reads next: 2 MB if it is alone. The more of them are
 * under way, the fewer a new one keeps, down to 64 KB. With fewer it reads blocks of the log more often. */
struct usage_memory {
  struct budget *budget;         /* borrowed */
  atomic_uint_fast64_t gathered; /* bytes of all these positions */
};

/* Adds a dimension to the group. -ERR_NOT_FOUND: it is none. -ERR_EXISTS: it is there already. -ERR_LIMIT. */
MUST_USE int usage_group_add(struct usage_spec *spec, struct str name, struct err *err);

/* Replaces projects by what they were at a position, and drops those that did not exist. */
MUST_USE int usage_projects_as_of(struct ledger *ledger, struct project *projects, size_t *count, uint64_t as_of,
                                  struct err *err);

struct usage_answer;

/* Begins a question: checks it, and reads totals. Borrows the ledger, memory, clock, filter and the texts of `group`
 * until usage_free; nothing else of spec. Errors of kind CLIENT: *ret_param is the parameter at fault, or NULL. Kind RETRY:
 * -ERR_BUSY if the budget is used up, or the owner's part of it, -ERR_MEMORY, -ERR_DESCRIPTORS. */
MUST_USE int usage_begin(struct ledger *ledger, const struct usage_spec *spec, struct usage_memory *memory,
                         const struct clock *clock, struct usage_answer **ret, const char **ret_param, struct err *err);
void usage_free(struct usage_answer *answer);
SCOPED_REF(struct usage_answer, usage_free)

/* The position as of which the answer is. */
uint64_t usage_position(const struct usage_answer *answer);
enum usage_method usage_method(const struct usage_answer *answer);
/* The dimensions of a row: those of the group in their order, and behind them the kind if it is not among them. */
const struct dim_ref *usage_dims(const struct usage_answer *answer, size_t *ret_count);

/* Reads records for about USAGE_TURN_MS. *ret_ready: there is nothing left to read; usage_next may be called. Errors as
 * usage_begin's; -ERR_LIMIT says how to ask for less. Holds nothing of the ledger between two calls. */
#define USAGE_TURN_MS 40
MUST_USE int usage_work(struct usage_answer *answer, bool *ret_ready, struct err *err);

/* One row. */
struct usage_line {
  const struct zone *zone;
  bool has_step;       /* false: the period before has more steps, and this is one of these */
  int64_t start, end;  /* real ones: cut where the range begins and ends */
  struct dim_value values[USAGE_DIMS_MAX]; /* as usage_dims */
  enum usage_kind kind;
  struct usage_count sum; /* units are images if the kind is USAGE_SNAPSHOT, else seconds */
  /* if the question compares: */
  bool has_before; /* false: the period before has fewer steps */
  int64_t before_start, before_end;
  struct usage_count before;
};
/* The next row; false after the last one. Texts live as long as the answer. */
MUST_USE bool usage_next(struct usage_answer *answer, struct usage_line *ret);

#endif
