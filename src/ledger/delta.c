/* Entries stand in plain arrays in the order in which they came, cells too; small tables of 4-byte indices find them. So
 * a delta costs about 90 bytes a record, a checkpoint sorts copies of dense arrays, and nothing is moved while it fills.
 *
 * The tables of cells and days are open addressing with linear probing over indices + 1 (0 is free), doubled at half
 * full, like that of identities.
 */
#include "ledger/delta.h"

#include <stdlib.h>

#include "base/check.h"
#include "ledger/identities.h"

#define TABLE_FIRST 1024u
#define DAY_QUARTERS 96u

struct table {
  uint32_t *slots;
  uint32_t size; /* a power of two, or 0 */
  uint32_t used;
};

/* The cells of one (project, kind, UTC day), linked by next_of_day. */
struct day {
  uint32_t project, day;
  uint8_t kind;
  uint32_t first_cell; /* index + 1 */
};

#define VECTOR(type)    \
  struct {              \
    type *items;        \
    uint32_t count, cap; \
  }

struct delta {
  uint64_t begin, end;
  int64_t block_time_ms;
  struct identities identities;
  VECTOR(struct entry) tasks, times;
  VECTOR(struct cell) cells;
  VECTOR(struct day) days;
  struct table cell_table, day_table;
  struct buf puts; /* 4-byte key length, 4-byte value length, key, value */
};

/* Room for one more; memory that cannot be had here ends the program, as nothing is acknowledged from it yet. */
#define VECTOR_ADD(vector)                                                               \
  ({                                                                                     \
    __typeof__(vector) *v_ = &(vector);                                                  \
    if (v_->count == v_->cap) {                                                          \
      v_->cap = v_->cap == 0 ? 64 : v_->cap * 2;                                         \
      v_->items = reallocarray(v_->items, v_->cap, sizeof *v_->items);                   \
      CHECK(v_->items != NULL);                                                          \
    }                                                                                    \
    &v_->items[v_->count++];                                                             \
  })

struct delta *delta_new(uint64_t begin) {
  struct delta *delta = calloc(1, sizeof *delta);
  CHECK(delta != NULL);
  delta->begin = begin;
  delta->end = begin;
  return delta;
}

void delta_free(struct delta *delta) {
  if (delta == NULL) return;
  identities_fini(&delta->identities);
  free(delta->tasks.items);
  free(delta->times.items);
  free(delta->cells.items);
  free(delta->days.items);
  free(delta->cell_table.slots);
  free(delta->day_table.slots);
  buf_fini(&delta->puts);
  free(delta);
}

uint64_t delta_begin(const struct delta *delta) { return delta->begin; }
uint64_t delta_end(const struct delta *delta) { return delta->end; }
int64_t delta_block_time(const struct delta *delta) { return delta->block_time_ms; }
uint64_t delta_records(const struct delta *delta) { return delta->identities.count; }
bool delta_is_empty(const struct delta *delta) { return delta_records(delta) == 0 && delta->puts.len == 0; }

void delta_set_end(struct delta *delta, uint64_t end, int64_t block_time_ms) {
  CHECK(end >= delta->end);
  delta->end = end;
  if (block_time_ms > delta->block_time_ms) delta->block_time_ms = block_time_ms;
}

/* ---- tables ---- */

static uint64_t mix(uint64_t a, uint64_t b) {
  uint64_t h = (a ^ UINT64_C(0x9E3779B97F4A7C15)) * UINT64_C(0xBF58476D1CE4E5B9) + b;
  h = (h ^ h >> 32) * UINT64_C(0x94D049BB133111EB);
  return h ^ h >> 29;
}

static uint64_t hash_of_cell(const struct cell *cell) {
  return mix((uint64_t)cell->project << 32 | cell->quarter,
             (uint64_t)cell->kind << 16 | (uint64_t)cell->codec << 8 | cell->tier);
}

static uint64_t hash_of_day(const struct day *day) {
  return mix((uint64_t)day->project << 32 | day->day, day->kind);
}

static void table_put(struct table *table, uint64_t hash, uint32_t index) {
  uint32_t slot = (uint32_t)hash & (table->size - 1);
  while (table->slots[slot] != 0) slot = (slot + 1) & (table->size - 1);
  table->slots[slot] = index + 1;
  table->used++;
}

/* Makes room for one more; true when the table was made anew and everything must be put again. */
static bool table_grow(struct table *table) {
  if ((table->used + 1) * 2 <= table->size) return false;
  uint32_t size = table->size == 0 ? TABLE_FIRST : table->size * 2;
  CHECK(size > table->size);
  free(table->slots);
  table->slots = calloc(size, sizeof *table->slots);
  CHECK(table->slots != NULL);
  table->size = size;
  table->used = 0;
  return true;
}

void delta_prefetch(const struct delta *delta, struct hash identity) {
  identities_prefetch(&delta->identities, identity);
}

uint64_t delta_find_identity(const struct delta *delta, struct hash hash, uint32_t *at) {
  return identities_find(&delta->identities, hash, at);
}

/* ---- cells ---- */

static bool same_cell(const struct cell *a, const struct cell *b) {
  return a->project == b->project && a->quarter == b->quarter && a->kind == b->kind && a->codec == b->codec &&
         a->tier == b->tier;
}

static const struct day *find_day(const struct delta *delta, const struct day *wanted) {
  const struct table *table = &delta->day_table;
  if (table->size == 0) return NULL;
  for (uint32_t slot = (uint32_t)hash_of_day(wanted) & (table->size - 1);; slot = (slot + 1) & (table->size - 1)) {
    if (table->slots[slot] == 0) return NULL;
    const struct day *day = &delta->days.items[table->slots[slot] - 1];
    if (day->project == wanted->project && day->day == wanted->day && day->kind == wanted->kind) return day;
  }
}

static struct day *make_day(struct delta *delta, const struct day *wanted) {
  const struct day *found = find_day(delta, wanted);
  if (found != NULL) return &delta->days.items[found - delta->days.items];
  *VECTOR_ADD(delta->days) = *wanted;
  uint32_t from = table_grow(&delta->day_table) ? 0 : delta->days.count - 1;
  for (uint32_t i = from; i < delta->days.count; i++) {
    table_put(&delta->day_table, hash_of_day(&delta->days.items[i]), i);
  }
  return &delta->days.items[delta->days.count - 1];
}

static struct cell *find_cell(const struct delta *delta, const struct cell *wanted) {
  const struct table *table = &delta->cell_table;
  if (table->size == 0) return NULL;
  for (uint32_t slot = (uint32_t)hash_of_cell(wanted) & (table->size - 1);; slot = (slot + 1) & (table->size - 1)) {
    if (table->slots[slot] == 0) return NULL;
    struct cell *cell = &delta->cells.items[table->slots[slot] - 1];
    if (same_cell(cell, wanted)) return cell;
  }
}

static struct cell *make_cell(struct delta *delta, const struct cell *wanted) {
  struct cell *found = find_cell(delta, wanted);
  if (found != NULL) return found;
  struct day key = {.project = wanted->project, .day = wanted->quarter / DAY_QUARTERS, .kind = wanted->kind};
  struct day *day = make_day(delta, &key);
  struct cell *cell = VECTOR_ADD(delta->cells);
  *cell = *wanted;
  cell->next_of_day = day->first_cell;
  day->first_cell = delta->cells.count;
  uint32_t from = table_grow(&delta->cell_table) ? 0 : delta->cells.count - 1;
  for (uint32_t i = from; i < delta->cells.count; i++) {
    table_put(&delta->cell_table, hash_of_cell(&delta->cells.items[i]), i);
  }
  return cell;
}

void delta_add_usage(struct delta *delta, const struct usage *usage, struct hash identity, uint32_t project,
                     uint8_t codec, uint64_t position) {
  struct hash task = hash_task(usage->project, usage->task_id.len > 0 ? usage->task_id : usage->id);
  identities_add(&delta->identities, identity, position);
  *VECTOR_ADD(delta->tasks) = (struct entry){.first = task.high, .second = task.low, .position = position};
  *VECTOR_ADD(delta->times) = (struct entry){
      .first = entry_time_key(project, usage->kind), .second = (uint64_t)usage->finished_ms, .position = position};
  struct usage_count count = usage_count(usage);
  if (count.tasks == 0) return;
  struct cell wanted = {
      .project = project,
      .quarter = (uint32_t)(usage->finished_ms / 1000 / QUARTER_SECONDS),
      .kind = (uint8_t)usage->kind,
      .codec = codec,
      .tier = (uint8_t)usage->tier,
  };
  struct cell *cell = make_cell(delta, &wanted);
  cell->sum.units += count.units;
  cell->sum.minutes += count.minutes;
  cell->sum.tasks += count.tasks;
}

void delta_visit_cells(const struct delta *delta, uint32_t project, enum usage_kind kind, int64_t first_day,
                       int64_t last_day, void (*visit)(void *arg, const struct cell *cell), void *arg) {
  if (delta->cells.count == 0) return;
  for (int64_t number = first_day < 0 ? 0 : first_day; number <= last_day; number++) {
    struct day key = {.project = project, .day = (uint32_t)number, .kind = (uint8_t)kind};
    const struct day *day = find_day(delta, &key);
    for (uint32_t i = day == NULL ? 0 : day->first_cell; i != 0; i = delta->cells.items[i - 1].next_of_day) {
      visit(arg, &delta->cells.items[i - 1]);
    }
  }
}

/* ---- for the checkpoint ---- */

int cell_compare(const struct cell *a, const struct cell *b) {
  if (a->project != b->project) return a->project < b->project ? -1 : 1;
  if (a->kind != b->kind) return a->kind < b->kind ? -1 : 1;
  if (a->quarter != b->quarter) return a->quarter < b->quarter ? -1 : 1;
  if (a->codec != b->codec) return a->codec < b->codec ? -1 : 1;
  return (a->tier > b->tier) - (a->tier < b->tier);
}

static int compare_cells(const void *a, const void *b) { return cell_compare(a, b); }

static const struct entry *entries_of(const struct delta *delta, enum entry_kind kind, size_t *ret_count) {
  switch (kind) {
    case ENTRY_IDENTITY: *ret_count = delta->identities.count; return delta->identities.items;
    case ENTRY_TASK: *ret_count = delta->tasks.count; return delta->tasks.items;
    case ENTRY_TIME: *ret_count = delta->times.count; return delta->times.items;
  }
  return NULL;
}

int delta_sorted_entries(const struct delta *delta, enum entry_kind kind, struct entry **ret, size_t *ret_count) {
  size_t count = 0;
  const struct entry *items = entries_of(delta, kind, &count);
  struct entry *copy = malloc((count + 1) * sizeof *copy);
  if (copy == NULL) return -ERR_MEMORY;
  if (count > 0) memcpy(copy, items, count * sizeof *copy);
  int result = entry_sort(copy, count);
  if (result != 0) {
    free(copy);
    return result;
  }
  *ret = copy;
  *ret_count = count;
  return 0;
}

int delta_sorted_cells(const struct delta *delta, struct cell **ret, size_t *ret_count) {
  size_t count = delta->cells.count;
  struct cell *copy = malloc((count + 1) * sizeof *copy);
  if (copy == NULL) return -ERR_MEMORY;
  if (count > 0) memcpy(copy, delta->cells.items, count * sizeof *copy);
  if (count > 1) qsort(copy, count, sizeof *copy, compare_cells);
  *ret = copy;
  *ret_count = count;
  return 0;
}

/* ---- the catalogue's rows ---- */

void delta_put(struct delta *delta, struct str key, struct str value) {
  char lengths[8];
  le32_store(lengths, (uint32_t)key.len);
  le32_store(lengths + 4, (uint32_t)value.len);
  buf_append(&delta->puts, lengths, sizeof lengths);
  buf_str(&delta->puts, key);
  buf_str(&delta->puts, value);
  CHECK(!delta->puts.failed);
}

bool delta_next_put(const struct delta *delta, size_t *at, struct str *ret_key, struct str *ret_value) {
  if (*at >= delta->puts.len) return false;
  const char *p = delta->puts.ptr + *at;
  *ret_key = str_make(p + 8, le32_load(p));
  *ret_value = str_make(p + 8 + ret_key->len, le32_load(p + 4));
  *at += 8 + ret_key->len + ret_value->len;
  return true;
}
