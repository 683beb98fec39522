/* The values of all names are in one array, in the order in which they were added. There are few of them, so the
 * values of one name are found by a search. */
#include "query/filter.h"

#include "base/check.h"

bool filter_is_name(struct str name) {
  struct dim_ref ref;
  return dim_parse(name, &ref, NULL) == 0 && ref.dim != DIM_PROJECT;
}

int filter_add(struct filter *filter, struct str name, struct str value, struct err *err) {
  struct dim_ref ref;
  int result = dim_parse(name, &ref, err);
  if (result != 0) return result;
  if (ref.dim == DIM_PROJECT) return err_set(err, ERR_NOT_FOUND, "the project is not a filter here");
  if (filter->count == FILTER_VALUES_MAX)
    return err_set(err, ERR_LIMIT, "the question has more than %u values of filters: ask with fewer",
                   FILTER_VALUES_MAX);
  struct filter_value *added = &filter->values[filter->count];
  result = dim_parse_value(&ref, value, added->codec, &added->value, err);
  if (result != 0) return result;
  added->ref = ref;
  filter->count++;
  return 0;
}

/* A codec's name may have been stored by a version with another table. */
static bool is_same(enum dim dim, const struct dim_value *wanted, const struct dim_value *has) {
  if (dim == DIM_CODEC && !wanted->is_null && !has->is_null) return codecs_are_same(wanted->text, has->text);
  return dim_compare(dim, wanted, has) == 0;
}

/* True if `at` is the first value of its name. */
static bool is_first(const struct filter *filter, size_t at) {
  for (size_t i = 0; i < at; i++) {
    if (dim_equal(&filter->values[i].ref, &filter->values[at].ref)) return false;
  }
  return true;
}

static bool name_has(const struct filter *filter, size_t first, const struct dim_value *has) {
  const struct dim_ref *ref = &filter->values[first].ref;
  for (size_t i = first; i < filter->count; i++) {
    const struct filter_value *value = &filter->values[i];
    if (dim_equal(&value->ref, ref) && is_same(ref->dim, &value->value, has)) return true;
  }
  return false;
}

bool filter_passes(const struct filter *filter, const struct usage *usage) {
  CHECK(usage_is_task(usage->kind));
  for (size_t i = 0; i < filter->count; i++) {
    if (!is_first(filter, i)) continue;
    struct dim_value has;
    dim_of_usage(&filter->values[i].ref, usage, &has);
    if (!name_has(filter, i, &has)) return false;
  }
  return true;
}

unsigned filter_kinds(const struct filter *filter) {
  unsigned all = 0, named = 0;
  bool is_named = false;
  for (size_t i = 0; i < USAGE_TASK_KINDS; i++)
    all |= 1u << (unsigned)usage_task_kinds[i];
  for (size_t i = 0; i < filter->count; i++) {
    if (filter->values[i].ref.dim != DIM_KIND) continue;
    named |= 1u << filter->values[i].value.number;
    is_named = true;
  }
  return is_named ? named : all;
}

bool filter_is_in_totals(const struct filter *filter) {
  for (size_t i = 0; i < filter->count; i++) {
    if (!dim_is_in_totals(filter->values[i].ref.dim)) return false;
  }
  return true;
}

bool filter_passes_cell(const struct filter *filter, enum usage_kind kind, struct str codec, enum tier tier) {
  for (size_t i = 0; i < filter->count; i++) {
    if (!is_first(filter, i)) continue;
    struct dim_value has;
    dim_of_cell(filter->values[i].ref.dim, kind, codec, tier, &has);
    if (!name_has(filter, i, &has)) return false;
  }
  return true;
}
