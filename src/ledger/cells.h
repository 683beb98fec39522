/* Cells in memory: totals by quarter hour of UTC, the truth, and by day of the project's zone, derived as they come,
 * so that a question costs its days and not the quarter hours in them. Design §6.
 *
 * A delta's, and those that a recount of the log makes. One writer.
 */
#ifndef CODECMETER_LEDGER_CELLS_H
#define CODECMETER_LEDGER_CELLS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "meter/usage.h"
#include "meter/zone.h"

#define QUARTER_SECONDS 900

/* Units, minutes and tasks of one (project, kind, quarter hour, codec, tier). A delta's may be less than nothing,
 * modulo 2^64, where it takes off what an earlier one has added. */
struct cell {
  uint32_t project;
  uint32_t quarter; /* quarter hours since 1970, UTC */
  uint8_t kind, codec, tier;
  uint32_t day; /* of struct cells alone: index of its day + 1 */
  struct usage_count sum;
};

/* Totals of one (project, kind, day, codec), by tier. */
struct cell_day {
  uint32_t project;
  int32_t day;
  uint8_t kind, codec;
  uint32_t next; /* of struct cells alone: index + 1 of the next codec's of the day */
  struct usage_count sums[TIERS];
};

/* Order of the table of quarters: project, kind, quarter, codec, tier. */
int cell_compare(const struct cell *a, const struct cell *b);

/* An addition that is not to be seen yet. */
struct cell_addition {
  struct cell cell; /* which one, and what is to be added */
  const struct zone *zone;
  uint32_t hash;
  uint32_t at; /* index of the cell + 1; 0: there was none */
};

struct cell_table {
  uint32_t *slots;
  uint32_t size; /* a power of two, or 0 */
  uint32_t used;
};

/* The zone with which a project's days are being made; NULL once it has changed meanwhile: they are then worth
 * nothing. */
struct cell_zone {
  uint32_t project;
  const struct zone *zone;
};

struct cells {
  struct cell *items;
  uint32_t count, cap;
  struct cell_day *days;
  uint32_t days_count, days_cap;
  struct cell_zone *zones;
  uint32_t zones_count, zones_cap;
  struct cell_table by_cell, by_day, by_project;
  struct cell_addition *unseen;
  uint32_t unseen_count, unseen_cap;
  uint32_t found; /* of unseen, so many have been looked for */
};

void cells_fini(struct cells *cells);
void cells_clear(struct cells *cells); /* keeps the memory */
/* True if so many more can be added or taken, seen or unseen, without memory. */
bool cells_has_room(const struct cells *cells, uint32_t more);
/* Makes that room. Moves what readers look at: they must be kept out. False: there is no memory, and the sums are as
 * they were. */
MUST_USE bool cells_reserve(struct cells *cells, uint32_t more);
/* For all that adds or takes, room must have been made. Adds what a usage counts, if anything; its project has that
 * number and zone, its codec that number of the project's list (CODEC_NUMBER_NONE when it has none). */
void cells_add(struct cells *cells, const struct usage *usage, uint32_t project, const struct zone *zone,
               uint8_t codec);
/* The same, but nothing that a reader looks at is changed before cells_show: whoever reads meanwhile need not be kept
 * out. */
void cells_add_unseen(struct cells *cells, const struct usage *usage, uint32_t project, const struct zone *zone,
                      uint8_t codec);
/* Takes off again what was added for a usage, in these cells or in others before them: the sums of all are then as if
 * it had never come. */
void cells_take(struct cells *cells, const struct usage *usage, uint32_t project, const struct zone *zone,
                uint8_t codec);
void cells_take_unseen(struct cells *cells, const struct usage *usage, uint32_t project, const struct zone *zone,
                       uint8_t codec);
void cells_show(struct cells *cells);
/* Do the days of a project stand for that zone? (If it has none, yes.) Else visit its quarter hours. */
bool cells_days_match(const struct cells *cells, uint32_t project, const struct zone *zone);
/* Calls visit for each codec's totals of a project and kind in the days [first, last]. */
void cells_visit_days(const struct cells *cells, uint32_t project, enum usage_kind kind, int32_t first, int32_t last,
                      void (*visit)(void *arg, int32_t day, uint8_t codec, const struct usage_count sums[TIERS]),
                      void *arg);
/* Calls visit for each cell of a project and kind. Looks at all cells there are. */
void cells_visit(const struct cells *cells, uint32_t project, enum usage_kind kind,
                 void (*visit)(void *arg, const struct cell *cell), void *arg);
/* A sorted copy: malloc'd, the caller frees. -ERR_MEMORY. */
MUST_USE int cells_sorted(const struct cells *cells, struct cell **ret, size_t *ret_count);

#endif
