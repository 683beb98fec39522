/* Cells and days are in plain arrays, in the order in which they were made; small tables of 4-byte indices find them.
 * In every zone a quarter hour lies in one day. That day is looked up once, when the cell is made, so an addition
 * touches two places in memory.
 *
 * The tables use open addressing with linear probing over indices + 1 (0 is free), and double at half full. The table
 * of days finds the first codec's day by (project, kind, day); the other codecs are chained to it.
 */
#include "ledger/totals/cells.h"

#include <stdlib.h>

#include "base/check.h"

#define TABLE_FIRST 1024u
#define COUNT_MAX (UINT32_C(1) << 30) /* keeps every size within 32 bits */
#define AHEAD 12u /* additions that are prefetched */

void cells_fini(struct cells *cells) {
  vector_fini(cells);
  vector_fini(&cells->days);
  vector_fini(&cells->zones);
  free(cells->by_cell.slots);
  free(cells->by_day.slots);
  free(cells->by_project.slots);
  vector_fini(&cells->unseen);
  *cells = (struct cells){0};
}

static void table_clear(struct cell_table *table) {
  if (table->used > 0) memset(table->slots, 0, table->size * sizeof *table->slots);
  table->used = 0;
}

void cells_clear(struct cells *cells) {
  cells->count = cells->days.count = cells->zones.count = cells->unseen.count = 0;
  cells->found = 0;
  table_clear(&cells->by_cell);
  table_clear(&cells->by_day);
  table_clear(&cells->by_project);
}

/* Takes the next item of a vector; cells_reserve has made room, so nothing moves. The item is not zeroed. */
#define ADD(v)                    \
  ({                              \
    CHECK((v)->count < (v)->cap); \
    &(v)->items[(v)->count++];    \
  })

static uint64_t mix(uint64_t a, uint64_t b) {
  uint64_t h = (a ^ UINT64_C(0x9E3779B97F4A7C15)) * UINT64_C(0xBF58476D1CE4E5B9) + b;
  h = (h ^ h >> 32) * UINT64_C(0x94D049BB133111EB);
  return h ^ h >> 29;
}

static uint64_t hash_of_cell(const struct cell *cell) {
  return mix((uint64_t)cell->project << 32 | cell->quarter,
             (uint64_t)cell->kind << 16 | (uint64_t)cell->codec << 8 | cell->tier);
}

static uint64_t hash_of_day(const struct cell_day *day) {
  return mix((uint64_t)day->project << 32 | (uint32_t)day->day, day->kind);
}

static void table_put(struct cell_table *table, uint64_t hash, uint32_t index) {
  uint32_t slot = (uint32_t)hash & (table->size - 1);
  while (table->slots[slot] != 0)
    slot = (slot + 1) & (table->size - 1);
  table->slots[slot] = index + 1;
  table->used++;
}

static bool table_has_room(const struct cell_table *table, uint64_t more) {
  return (table->used + more) * 2 <= table->size;
}

/* Makes room for `more` entries. If *ret_remade, the table is new and empty: put every entry again. */
static bool table_reserve(struct cell_table *table, uint64_t more, bool *ret_remade) {
  *ret_remade = false;
  if (table_has_room(table, more)) return true;
  uint32_t size = table->size > 0 ? table->size : TABLE_FIRST;
  if (table->used + more > COUNT_MAX) return false;
  while ((table->used + more) * 2 > size)
    size *= 2;
  uint32_t *slots = calloc(size, sizeof *slots);
  if (slots == NULL) return false;
  free(table->slots);
  *table = (struct cell_table){.slots = slots, .size = size};
  *ret_remade = true;
  return true;
}

static bool same_cell(const struct cell *a, const struct cell *b) {
  return a->project == b->project && a->quarter == b->quarter && a->kind == b->kind && a->codec == b->codec &&
         a->tier == b->tier;
}

/* ---- zones ---- */

static struct cell_zone *find_zone(const struct cells *cells, uint32_t project) {
  const struct cell_table *table = &cells->by_project;
  if (table->size == 0) return NULL;
  for (uint32_t slot = (uint32_t)mix(project, 0) & (table->size - 1);; slot = (slot + 1) & (table->size - 1)) {
    if (table->slots[slot] == 0) return NULL;
    struct cell_zone *zone = &cells->zones.items[table->slots[slot] - 1];
    if (zone->project == project) return zone;
  }
}

static void note_zone(struct cells *cells, uint32_t project, const struct zone *zone) {
  struct cell_zone *found = find_zone(cells, project);
  if (found != NULL) {
    if (found->zone != zone) found->zone = NULL;
    return;
  }
  *ADD(&cells->zones) = (struct cell_zone){.project = project, .zone = zone};
  table_put(&cells->by_project, mix(project, 0), (uint32_t)cells->zones.count - 1);
}

bool cells_days_match(const struct cells *cells, uint32_t project, const struct zone *zone) {
  const struct cell_zone *found = find_zone(cells, project);
  return found == NULL || found->zone == zone;
}

/* ---- days ---- */

/* The index + 1 of a day's first codec; 0 if there is none. */
static uint32_t find_day(const struct cells *cells, const struct cell_day *wanted) {
  const struct cell_table *table = &cells->by_day;
  if (table->size == 0) return 0;
  for (uint32_t slot = (uint32_t)hash_of_day(wanted) & (table->size - 1);; slot = (slot + 1) & (table->size - 1)) {
    if (table->slots[slot] == 0) return 0;
    const struct cell_day *day = &cells->days.items[table->slots[slot] - 1];
    if (day->project == wanted->project && day->day == wanted->day && day->kind == wanted->kind) {
      return table->slots[slot];
    }
  }
}

static void put_first_days(struct cells *cells, uint32_t from) {
  for (uint32_t i = from; i < cells->days.count; i++) {
    if (find_day(cells, &cells->days.items[i]) == 0) table_put(&cells->by_day, hash_of_day(&cells->days.items[i]), i);
  }
}

/* Finds or makes a day; returns its index + 1. */
static uint32_t make_day(struct cells *cells, const struct cell_day *wanted) {
  uint32_t first = find_day(cells, wanted), last = 0;
  for (uint32_t i = first; i != 0; i = cells->days.items[i - 1].next) {
    if (cells->days.items[i - 1].codec == wanted->codec) return i;
    last = i;
  }
  *ADD(&cells->days) = *wanted;
  if (last != 0)
    cells->days.items[last - 1].next = (uint32_t)cells->days.count;
  else
    put_first_days(cells, (uint32_t)cells->days.count - 1);
  return (uint32_t)cells->days.count;
}

/* ---- cells ---- */

/* The cell's index + 1; 0 if there is none. */
static uint32_t find_cell(const struct cells *cells, const struct cell *wanted, uint32_t hash) {
  const struct cell_table *table = &cells->by_cell;
  if (table->size == 0) return 0;
  for (uint32_t slot = hash & (table->size - 1);; slot = (slot + 1) & (table->size - 1)) {
    if (table->slots[slot] == 0 || same_cell(&cells->items[table->slots[slot] - 1], wanted)) return table->slots[slot];
  }
}

static struct cell *make_cell(struct cells *cells, const struct cell *wanted, uint32_t hash, const struct zone *zone) {
  uint32_t found = find_cell(cells, wanted, hash);
  if (found != 0) return &cells->items[found - 1];
  struct cell_day day = {
      .project = wanted->project,
      .day = zone_day_of(zone, (int64_t)wanted->quarter * QUARTER_SECONDS),
      .kind = wanted->kind,
      .codec = wanted->codec,
  };
  note_zone(cells, wanted->project, zone);
  struct cell *cell = ADD(cells);
  *cell = *wanted;
  cell->sum = (struct usage_count){0};
  cell->day = make_day(cells, &day);
  table_put(&cells->by_cell, hash, (uint32_t)cells->count - 1);
  return cell;
}

/* ---- room ---- */

/* Each addition makes at most one cell, one day and one project's zone. */
bool cells_has_room(const struct cells *cells, uint32_t more) {
  uint64_t pending = (uint64_t)cells->unseen.count + more;
  return pending <= cells->unseen.cap && cells->count + pending <= cells->cap &&
         cells->days.count + pending <= cells->days.cap && cells->zones.count + pending <= cells->zones.cap &&
         table_has_room(&cells->by_cell, pending) && table_has_room(&cells->by_day, pending) &&
         table_has_room(&cells->by_project, pending);
}

static bool reserve_tables(struct cells *cells, uint64_t pending) {
  bool is_remade;
  if (!table_reserve(&cells->by_cell, pending, &is_remade)) return false;
  for (uint32_t i = 0; is_remade && i < cells->count; i++)
    table_put(&cells->by_cell, hash_of_cell(&cells->items[i]), i);
  if (!table_reserve(&cells->by_day, pending, &is_remade)) return false;
  if (is_remade) put_first_days(cells, 0);
  if (!table_reserve(&cells->by_project, pending, &is_remade)) return false;
  for (uint32_t i = 0; is_remade && i < cells->zones.count; i++)
    table_put(&cells->by_project, mix(cells->zones.items[i].project, 0), i);
  return true;
}

bool cells_reserve(struct cells *cells, uint32_t more) {
  uint64_t pending = (uint64_t)cells->unseen.count + more;
  if (cells_has_room(cells, more)) return true;
  if (pending > COUNT_MAX || cells->count + pending > COUNT_MAX) return false;
  return vector_reserve(&cells->unseen, more) && vector_reserve(cells, pending) &&
         vector_reserve(&cells->days, pending) && vector_reserve(&cells->zones, pending) &&
         reserve_tables(cells, pending);
}

struct cell cell_of(const struct usage *usage, uint32_t project, uint8_t codec) {
  return (struct cell){.project = project,
                       .quarter = (uint32_t)(usage->finished_ms / 1000 / QUARTER_SECONDS),
                       .kind = (uint8_t)usage->kind,
                       .codec = codec,
                       .tier = (uint8_t)usage->tier,
                       .sum = usage_count(usage)};
}

void cell_negate(struct cell *cell) { cell->sum = usage_count_negative(&cell->sum); }

static bool counts_nothing(const struct cell *cell) { return cell->sum.tasks == 0; }

static struct cell_addition addition_of(const struct cell *cell, const struct zone *zone) {
  return (struct cell_addition){.cell = *cell, .zone = zone, .hash = (uint32_t)hash_of_cell(cell)};
}

static void apply(struct cells *cells, const struct cell_addition *addition) {
  const struct cell *more = &addition->cell;
  struct cell *cell =
      addition->at != 0 ? &cells->items[addition->at - 1] : make_cell(cells, more, addition->hash, addition->zone);
  usage_count_add(&cell->sum, &more->sum);
  usage_count_add(&cells->days.items[cell->day - 1].sums[more->tier], &more->sum);
}

void cells_add(struct cells *cells, const struct cell *more, const struct zone *zone) {
  struct cell_addition addition = addition_of(more, zone);
  if (!counts_nothing(more)) apply(cells, &addition);
}

/* Looks up the cells of the first `count` unseen additions; their slots were prefetched. */
static void find_unseen(struct cells *cells, uint32_t count) {
  for (; cells->found < count; cells->found++) {
    struct cell_addition *addition = &cells->unseen.items[cells->found];
    addition->at = find_cell(cells, &addition->cell, addition->hash);
  }
}

static void keep_unseen(struct cells *cells, const struct cell_addition *addition) {
  *ADD(&cells->unseen) = *addition;
  if (cells->by_cell.size > 0) __builtin_prefetch(&cells->by_cell.slots[addition->hash & (cells->by_cell.size - 1)]);
  if (cells->unseen.count > AHEAD) find_unseen(cells, (uint32_t)cells->unseen.count - AHEAD);
}

void cells_add_unseen(struct cells *cells, const struct cell *more, const struct zone *zone) {
  struct cell_addition addition = addition_of(more, zone);
  if (!counts_nothing(more)) keep_unseen(cells, &addition);
}

void cells_show(struct cells *cells) {
  find_unseen(cells, (uint32_t)cells->unseen.count);
  for (uint32_t i = 0; i < cells->unseen.count; i++) {
    uint32_t ahead = i + AHEAD < cells->unseen.count ? cells->unseen.items[i + AHEAD].at : 0;
    if (ahead != 0) __builtin_prefetch(&cells->items[ahead - 1], 1);
    apply(cells, &cells->unseen.items[i]);
  }
  cells->unseen.count = 0;
  cells->found = 0;
}

void cells_visit_days(const struct cells *cells, uint32_t project, enum usage_kind kind, int32_t first, int32_t last,
                      void (*visit)(void *arg, int32_t day, uint8_t codec, const struct usage_count sums[TIERS]),
                      void *arg) {
  if (cells->count == 0) return;
  for (int32_t number = first; number <= last; number++) {
    struct cell_day key = {.project = project, .day = number, .kind = (uint8_t)kind};
    for (uint32_t i = find_day(cells, &key); i != 0; i = cells->days.items[i - 1].next) {
      visit(arg, number, cells->days.items[i - 1].codec, cells->days.items[i - 1].sums);
    }
  }
}

void cells_visit(const struct cells *cells, uint32_t project, enum usage_kind kind,
                 void (*visit)(void *arg, const struct cell *cell), void *arg) {
  for (uint32_t i = 0; i < cells->count; i++) {
    if (cells->items[i].project == project && cells->items[i].kind == kind) visit(arg, &cells->items[i]);
  }
}

int cell_compare(const struct cell *a, const struct cell *b) {
  if (a->project != b->project) return a->project < b->project ? -1 : 1;
  if (a->kind != b->kind) return a->kind < b->kind ? -1 : 1;
  if (a->quarter != b->quarter) return a->quarter < b->quarter ? -1 : 1;
  if (a->codec != b->codec) return a->codec < b->codec ? -1 : 1;
  return (a->tier > b->tier) - (a->tier < b->tier);
}

static int compare_cells(const void *a, const void *b) { return cell_compare(a, b); }

int cells_sorted(const struct cells *cells, struct cell **ret, size_t *ret_count) {
  size_t count = cells->count;
  struct cell *copy = malloc((count + 1) * sizeof *copy);
  if (copy == NULL) return -ERR_MEMORY;
  if (count > 0) memcpy(copy, cells->items, count * sizeof *copy);
  if (count > 1) qsort(copy, count, sizeof *copy, compare_cells);
  *ret = copy;
  *ret_count = count;
  return 0;
}
