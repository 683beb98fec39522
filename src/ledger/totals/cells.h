/* Cells in memory: totals by quarter hour of UTC, which are the truth, and totals by day of the project's zone, which
 * are derived as usage is added. So a question costs its days, not the quarter hours in them. Design §6.
 *
 * A delta has cells, and so has a recount of the log. One writer.
 */
#ifndef CODECMETER_LEDGER_TOTALS_CELLS_H
#define CODECMETER_LEDGER_TOTALS_CELLS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/vector.h"
#include "meter/usage.h"
#include "meter/zone.h"

#define QUARTER_SECONDS 900

/* Units, minutes and tasks of one (project, kind, quarter hour, codec, tier). In a delta they may be negative, modulo
 * 2^64, if the delta takes off what an earlier one added. */
struct cell {
  uint32_t project;
  uint32_t quarter; /* quarter hours since 1970, UTC */
  uint8_t kind, codec, tier;
  uint32_t day; /* for struct cells only: index of its day + 1 */
  struct usage_count sum;
};

/* Totals of one (project, kind, day, codec), by tier. */
struct cell_day {
  uint32_t project;
  int32_t day;
  uint8_t kind, codec;
  uint32_t next; /* for struct cells only: index + 1 of the same day's next codec; 0: none */
  struct usage_count sums[TIERS];
};

/* What a usage counts, in its cell. Its project has that number, its codec that number in the project's list
 * (CODEC_NUMBER_NONE if it has none). */
struct cell cell_of(const struct usage *usage, uint32_t project, uint8_t codec);
/* Turns what a usage adds into what its void adds: together, the sums are then as if the usage had never been added.
 */
void cell_negate(struct cell *cell);
/* Order of the table of quarters: project, kind, quarter, codec, tier. */
int cell_compare(const struct cell *a, const struct cell *b);

/* An addition that readers do not see yet. */
struct cell_addition {
  struct cell cell; /* which cell, and what to add to it */
  const struct zone *zone;
  uint32_t hash;
  uint32_t at; /* index of the cell + 1; 0: it did not exist */
};

struct cell_table {
  uint32_t *slots;
  uint32_t size; /* a power of two, or 0 */
  uint32_t used;
};

/* The zone with which a project's days are made. NULL if the zone has changed since the first usage: the days are
 * then not valid. */
struct cell_zone {
  uint32_t project;
  const struct zone *zone;
};

struct cells {
  VECTOR(struct cell);
  VECTOR(struct cell_day) days;
  VECTOR(struct cell_zone) zones;
  struct cell_table by_cell, by_day, by_project;
  VECTOR(struct cell_addition) unseen;
  uint32_t found; /* how many of `unseen` have been looked up */
};

void cells_fini(struct cells *cells);
void cells_clear(struct cells *cells); /* keeps their memory */
/* True if `more` additions, seen or unseen, need no memory. */
bool cells_has_room(const struct cells *cells, uint32_t more);
/* Makes that room. It moves what readers look at, so keep readers out. False if there is no memory; the sums are then
 * as before. */
MUST_USE bool cells_reserve(struct cells *cells, uint32_t more);
/* Both functions that add need cells_reserve first. Adds what a cell of cell_of counts, if anything. Its project has
 * that zone. */
void cells_add(struct cells *cells, const struct cell *more, const struct zone *zone);
/* The same, but what readers look at does not change before cells_show, so readers need not be kept out. */
void cells_add_unseen(struct cells *cells, const struct cell *more, const struct zone *zone);
/* Applies the unseen additions; keep readers out. */
void cells_show(struct cells *cells);
/* True if the project's day totals were made for this zone, or if there are none. If false, visit its quarter hours
 * instead. */
bool cells_days_match(const struct cells *cells, uint32_t project, const struct zone *zone);
/* Calls visit for each codec's totals of a project and kind in the days [first, last]. */
void cells_visit_days(const struct cells *cells, uint32_t project, enum usage_kind kind, int32_t first, int32_t last,
                      void (*visit)(void *arg, int32_t day, uint8_t codec, const struct usage_count sums[TIERS]),
                      void *arg);
/* Calls visit for each cell of a project and kind. Reads all cells. */
void cells_visit(const struct cells *cells, uint32_t project, enum usage_kind kind,
                 void (*visit)(void *arg, const struct cell *cell), void *arg);
/* Makes a sorted copy, malloc'd; the caller frees it. -ERR_MEMORY. */
MUST_USE int cells_sorted(const struct cells *cells, struct cell **ret, size_t *ret_count);

#endif
