/* Which parameters are filters is decided by query/filter.h, so a new dimension needs only its row in the table. */
#include "v1/filters.h"

int v1_filters_read(const struct v1_values *values, struct filter *ret, struct v1_problem *problem) {
  for (size_t i = 0; i < values->count; i++) {
    const struct v1_value *value = &values->items[i];
    struct err err = {0};
    if (!filter_is_name(value->name)) continue;
    int result = filter_add(ret, value->name, value->text, &err);
    if (result != 0) return v1_refuse_param(problem, value->name, "%s", err.text);
  }
  return 0;
}
