/* Rows: the sums of each group in each step. Sums are added modulo 2^64, because a delta may take off more than it
 * has added; so a row means something only when everything has been added. Bounded.
 */
#ifndef CODECMETER_QUERY_USAGE_ROWS_H
#define CODECMETER_QUERY_USAGE_ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/vector.h"
#include "meter/usage.h"

/* Rows of one question at most. Also those of the period before, each. */
#define USAGE_ROWS_MAX 500000u

struct usage_row {
  uint32_t group, step;
  struct usage_count sum;
};

struct usage_rows {
  VECTOR(struct usage_row);
  uint32_t *slots; /* by hash of (group, step): index + 1; 0: free. Twice `cap`; NULL once sorted */
  uint32_t last;   /* the row that was added to last */
};

/* Starts as {0}. */
void usage_rows_fini(struct usage_rows *rows);
/* Adds to the row of a group and a step; makes the row if there is none. -ERR_LIMIT: more than USAGE_ROWS_MAX rows;
 * the text says how to ask for fewer. -ERR_MEMORY. */
MUST_USE int usage_rows_add(struct usage_rows *rows, uint32_t group, uint32_t step, const struct usage_count *sum,
                            struct err *err);
size_t usage_rows_bytes(const struct usage_rows *rows);

/* Drops rows without tasks, and sorts the rest with `compare`. Nothing can be added afterwards. */
void usage_rows_sort(struct usage_rows *rows, int (*compare)(const void *a, const void *b, void *arg), void *arg);

#endif
