/* Groups: the different values that usage is divided by, each with a number. Two tasks are in one group if they have
 * the same value in each dimension. Groups have a bound in bytes, because a farm may have millions of sources.
 */
#ifndef CODECMETER_QUERY_USAGE_GROUPS_H
#define CODECMETER_QUERY_USAGE_GROUPS_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "query/dims.h"

/* Dimensions of a question: the seven, and labels. The kind is always among them. */
#define USAGE_DIMS_MAX 12u

/* Bytes of the groups of one question. */
#define USAGE_GROUPS_BYTES ((size_t)32 << 20)

struct usage_groups;

/* dims are borrowed until usage_groups_free. -ERR_MEMORY. */
MUST_USE int usage_groups_new(const struct dim_ref *dims, size_t dims_count, struct usage_groups **ret,
                              struct err *err);
void usage_groups_free(struct usage_groups *groups);
SCOPED_REF(struct usage_groups, usage_groups_free)

/* The number of the group with these values, one for each dimension; makes it if there is none. `project` is the
 * index of the project, which is part of the group if DIM_PROJECT is a dimension (its value is then not read).
 * -ERR_LIMIT: no room for more groups. -ERR_MEMORY. */
MUST_USE int usage_groups_number(struct usage_groups *groups, uint32_t project, const struct dim_value *values,
                                 uint32_t *ret, struct err *err);

uint32_t usage_groups_count(const struct usage_groups *groups);
size_t usage_groups_bytes(const struct usage_groups *groups);
/* The index of a group's project; 0 if DIM_PROJECT is no dimension. */
uint32_t usage_groups_project(const struct usage_groups *groups, uint32_t group);
/* The values of a group; texts live as long as the groups. The value of DIM_PROJECT is null. */
void usage_groups_values(const struct usage_groups *groups, uint32_t group, struct dim_value ret[USAGE_DIMS_MAX]);

/* Orders the groups: by project, then by the dimensions in their order. Afterwards usage_groups_rank gives the place
 * of a group in this order. Call it again after new groups. -ERR_MEMORY. */
MUST_USE int usage_groups_order(struct usage_groups *groups, struct err *err);
uint32_t usage_groups_rank(const struct usage_groups *groups, uint32_t group);
/* The group at a place in the order. */
uint32_t usage_groups_at(const struct usage_groups *groups, uint32_t rank);

#endif
