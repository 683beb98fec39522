/* Cells in memory: totals by quarter hour of UTC, found by what they are of, and by day. Design §6.
 *
 * A delta's, and those that a recount of the log makes. One writer.
 */
#ifndef CODECMETER_LEDGER_CELLS_H
#define CODECMETER_LEDGER_CELLS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "meter/usage.h"

#define QUARTER_SECONDS 900

/* Units, minutes and tasks of one (project, kind, quarter hour, codec, tier). */
struct cell {
  uint32_t project;
  uint32_t quarter; /* quarter hours since 1970, UTC */
  uint8_t kind, codec, tier;
  uint32_t next_of_day; /* of struct cells alone */
  struct usage_count sum;
};

/* Order of the table of quarters: project, kind, quarter, codec, tier. */
int cell_compare(const struct cell *a, const struct cell *b);

struct cell_table {
  uint32_t *slots;
  uint32_t size; /* a power of two, or 0 */
  uint32_t used;
};

struct cells {
  struct cell *items;
  uint32_t count, cap;
  struct cell_day *days; /* private to cells.c */
  uint32_t days_count, days_cap;
  struct cell_table by_cell, by_day;
};

void cells_fini(struct cells *cells);
/* Adds what a usage counts, if anything; its project has that number, its codec (0 when it has none) that number of the
 * project's list. */
void cells_add(struct cells *cells, const struct usage *usage, uint32_t project, uint8_t codec);
/* Calls visit for each cell of a project and kind in the UTC days [first_day, last_day]. */
void cells_visit(const struct cells *cells, uint32_t project, enum usage_kind kind, int64_t first_day, int64_t last_day,
                 void (*visit)(void *arg, const struct cell *cell), void *arg);
/* A sorted copy: malloc'd, the caller frees. -ERR_MEMORY. */
MUST_USE int cells_sorted(const struct cells *cells, struct cell **ret, size_t *ret_count);

#endif
