/* A claim adds first, and then compares. So of two claims at the same time both may be refused where one would fit. The sum of
 * what is granted is never above the bound. */
#include "base/budget.h"

#include "base/check.h"

/* FNV-1a. A client that makes names with equal hashes gets one part for all of them. */
uint64_t budget_owner(struct str name) {
  uint64_t hash = UINT64_C(14695981039346656037);
  for (size_t i = 0; i < name.len; i++)
    hash = (hash ^ (uint8_t)name.ptr[i]) * UINT64_C(1099511628211);
  return name.len > 0 ? hash : 0;
}

static atomic_uint_fast64_t *part_of(struct budget *budget, uint64_t owner) {
  return owner != 0 ? &budget->parts[owner % BUDGET_PARTS] : NULL;
}

static bool add(atomic_uint_fast64_t *count, uint64_t more, uint64_t max) {
  uint64_t before = atomic_fetch_add(count, more);
  if (before <= max && more <= max - before) return true;
  atomic_fetch_sub(count, more);
  return false;
}

static void take_off(atomic_uint_fast64_t *count, uint64_t less) {
  uint64_t before = atomic_fetch_sub(count, less);
  CHECK(before >= less);
}

static bool grow(struct budget *budget, atomic_uint_fast64_t *part, uint64_t more) {
  if (!add(&budget->held, more, budget->max)) return false;
  if (part == NULL || add(part, more, budget->max - budget->max / 4)) return true;
  take_off(&budget->held, more);
  return false;
}

bool budget_claim(struct budget *budget, uint64_t owner, uint64_t *part, uint64_t bytes) {
  atomic_uint_fast64_t *owners = part_of(budget, owner);
  if (bytes > *part && !grow(budget, owners, bytes - *part)) return false;
  if (bytes < *part && owners != NULL) take_off(owners, *part - bytes);
  if (bytes < *part) take_off(&budget->held, *part - bytes);
  *part = bytes;
  return true;
}

void budget_give_back(struct budget *budget, uint64_t owner, uint64_t *part) {
  bool done = budget_claim(budget, owner, part, 0);
  CHECK(done);
}
