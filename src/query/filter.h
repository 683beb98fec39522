/* Filters: which tasks a question is about. The same for all resources that take filters. Source: design §7.
 *
 * A filter's name is a dimension's (query/dims.h) but `project`, which the caller resolves. A name may be given
 * several times: a task passes if it has one of these values. Different names: it passes if it passes all of them. An
 * empty value is the tasks that have no such value: `label.team=` are those without the label. No filter: all tasks
 * pass.
 *
 * A struct filter starts as {0}, owns no memory, and borrows the texts that were added to it. It must not be copied
 * or moved once something has been added.
 */
#ifndef CODECMETER_QUERY_FILTER_H
#define CODECMETER_QUERY_FILTER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "base/err.h"
#include "meter/usage.h"
#include "query/dims.h"

/* Values of all names of one question. */
#define FILTER_VALUES_MAX 64u

struct filter_value {
  struct dim_ref ref;
  struct dim_value value;
  char codec[CODEC_NAME_MAX + 1]; /* room for the canonical name */
};

struct filter {
  struct filter_value values[FILTER_VALUES_MAX];
  size_t count;
};

/* True if this is the name of a filter: "tier", "label.team" … Never "project". */
bool filter_is_name(struct str name);
/* Adds one value. -ERR_NOT_FOUND: no filter has this name. -ERR_RANGE: the value is wrong; the text says what it must
 * be, "must be low, medium, high or super". -ERR_LIMIT: too many. */
MUST_USE int filter_add(struct filter *filter, struct str name, struct str value, struct err *err);

/* True if a task passes. `usage` is the record of a task; whether it counts is the caller's question. */
bool filter_passes(const struct filter *filter, const struct usage *usage);

/* The kinds of tasks that can pass, as bits 1 << kind (ledger/scan.h: SCAN_KIND). 0: no task can. */
unsigned filter_kinds(const struct filter *filter);
/* True if totals know every dimension of the filter. Then filter_passes_cell decides as filter_passes would for each
 * task of the cell. */
bool filter_is_in_totals(const struct filter *filter);
bool filter_passes_cell(const struct filter *filter, enum usage_kind kind, struct str codec, enum tier tier);

#endif
