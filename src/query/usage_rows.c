/* Totals come in order of time and records in order of position, so the next addition often goes to the same row as
 * the last one. */
#include "query/usage_rows.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/scope.h"

#define ROWS_FIRST 64u

void usage_rows_fini(struct usage_rows *rows) {
  vector_fini(rows);
  free(rows->slots);
  *rows = (struct usage_rows){0};
}

static uint32_t *slot_of(const struct usage_rows *rows, uint32_t group, uint32_t step) {
  uint32_t mask = (uint32_t)rows->cap * 2 - 1;
  uint64_t hash = ((uint64_t)group << 32 | step) * UINT64_C(0x9E3779B97F4A7C15);
  for (uint32_t at = (uint32_t)(hash >> 32) & mask;; at = (at + 1) & mask) {
    uint32_t *slot = &rows->slots[at];
    if (*slot == 0) return slot;
    const struct usage_row *row = &rows->items[*slot - 1];
    if (row->group == group && row->step == step) return slot;
  }
}

static bool grow(struct usage_rows *rows) {
  size_t more = rows->cap == 0 ? ROWS_FIRST : 1;
  uint32_t *slots = calloc(vector_cap(rows, more) * 2, sizeof *slots);
  if (slots == NULL || !vector_reserve(rows, more)) {
    free(slots);
    return false;
  }
  free(rows->slots);
  rows->slots = slots;
  for (uint32_t i = 0; i < rows->count; i++)
    *slot_of(rows, rows->items[i].group, rows->items[i].step) = i + 1;
  return true;
}

static int row_of(struct usage_rows *rows, uint32_t group, uint32_t step, struct usage_row **ret, struct err *err) {
  if (rows->count == rows->cap && !grow(rows))
    return err_set(err, ERR_MEMORY, "no memory for the rows of an answer: ask again later");
  uint32_t *slot = slot_of(rows, group, step);
  if (*slot == 0) {
    if (rows->count == USAGE_ROWS_MAX) {
      return err_set(
          err, ERR_LIMIT,
          "the answer would have more than %u rows: ask for a shorter range, a longer step, fewer dimensions in "
          "'group', or with a filter",
          USAGE_ROWS_MAX);
    }
    rows->items[rows->count] = (struct usage_row){.group = group, .step = step};
    *slot = (uint32_t)++rows->count;
  }
  rows->last = *slot - 1;
  *ret = &rows->items[rows->last];
  return 0;
}

int usage_rows_add(struct usage_rows *rows, uint32_t group, uint32_t step, const struct usage_count *sum,
                   struct err *err) {
  CHECK(rows->slots != NULL || rows->count == 0);
  struct usage_row *row = rows->count > 0 ? &rows->items[rows->last] : NULL;
  if (row == NULL || row->group != group || row->step != step) {
    int result = row_of(rows, group, step, &row, err);
    if (result != 0) return result;
  }
  usage_count_add(&row->sum, sum);
  return 0;
}

size_t usage_rows_bytes(const struct usage_rows *rows) {
  return rows->cap * (sizeof *rows->items + (rows->slots != NULL ? 2 * sizeof *rows->slots : 0));
}

void usage_rows_sort(struct usage_rows *rows, int (*compare)(const void *a, const void *b, void *arg), void *arg) {
  size_t kept = 0;
  for (uint32_t i = 0; i < rows->count; i++) {
    if (rows->items[i].sum.tasks != 0) rows->items[kept++] = rows->items[i];
  }
  rows->count = kept;
  free(MOVE(rows->slots));
  vector_shrink(rows);
  if (kept > 1) qsort_r(rows->items, kept, sizeof *rows->items, compare, arg);
}
