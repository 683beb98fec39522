/* Reads totals. A query takes the view lock, which nobody holds during I/O, begins an LMDB snapshot, and adds up what
 * the deltas hold beyond it. Then it reads the snapshot without the lock. It skips a delta that the snapshot covers,
 * so nothing is counted twice while a checkpoint hands over.
 *
 * A query collects a row whose records were all voided like any other, and drops it at the end, so it knows the
 * number of rows only then. The days and the project's codecs bound the rows that it collects: ledger_totals_cost.
 */
#include <stdlib.h>

#include "base/check.h"
#include "base/lock.h"
#include "base/vector.h"
#include "ledger/state.h"

#define ROWS_FIRST 64u

/* The totals of one day and codec, chained by day. */
struct sum_row {
  uint8_t codec;
  uint32_t next; /* index + 1 of the day's next row; 0: none */
  struct usage_count sums[TIERS];
};

struct query {
  const struct zone *zone;
  int32_t first_day, last_day;
  int64_t *starts;     /* F(first_day) … F(last_day + 1) */
  uint32_t *first_row; /* by day: index + 1 of its first row; 0: none */
  VECTOR(struct sum_row) rows;
  uint64_t cap_usual; /* rows that days and codecs allow; more only if a codec is added during the query */
  int result;         /* -ERR_MEMORY */
};

static bool grow_rows(struct query *query) {
  size_t count = query->rows.count, more = count == 0 ? ROWS_FIRST : count;
  if (count + more > query->cap_usual && query->cap_usual > count) more = query->cap_usual - count;
  return count + more <= UINT32_MAX && vector_reserve_exact(&query->rows, more);
}

static struct sum_row *row_of(struct query *query, int32_t day, uint8_t codec) {
  uint32_t *link = &query->first_row[day - query->first_day];
  for (; *link != 0; link = &query->rows.items[*link - 1].next) {
    if (query->rows.items[*link - 1].codec == codec) return &query->rows.items[*link - 1];
  }
  if (query->result != 0) return NULL;
  *link = (uint32_t)query->rows.count + 1; /* before the rows may move */
  if (query->rows.count == query->rows.cap && !grow_rows(query)) {
    *link = 0;
    query->result = -ERR_MEMORY;
    return NULL;
  }
  struct sum_row *row = vector_must_add(&query->rows);
  row->codec = codec;
  return row;
}

static void visit_day(void *arg, int32_t day, uint8_t codec, const struct usage_count sums[TIERS]) {
  struct sum_row *row = row_of(arg, day, codec);
  for (int tier = 0; row != NULL && tier < TIERS; tier++)
    usage_count_add(&row->sums[tier], &sums[tier]);
}

/* The index of an instant's day, by binary search over the days' starts; -1 if it is outside the window. An empty day
 * has the same start as the next day, so the last day that starts at or before the instant is the right one. */
static int32_t day_index(const struct query *query, int64_t time) {
  int32_t low = 0, high = query->last_day - query->first_day + 1;
  if (time < query->starts[low] || time >= query->starts[high]) return -1;
  while (high - low > 1) {
    int32_t middle = low + (high - low) / 2;
    if (query->starts[middle] <= time)
      low = middle;
    else
      high = middle;
  }
  return low;
}

static void visit_cell(void *arg, const struct cell *cell) {
  struct query *query = arg;
  int32_t index = day_index(query, (int64_t)cell->quarter * QUARTER_SECONDS);
  struct sum_row *row = index < 0 ? NULL : row_of(query, query->first_day + index, cell->codec);
  if (row != NULL) usage_count_add(&row->sums[cell->tier], &cell->sum);
}

static bool take_day(void *arg, int32_t day, uint8_t codec, const struct usage_count sums[TIERS]) {
  struct query *query = arg;
  visit_day(query, day, codec, sums);
  return query->result == 0;
}

static bool take_cell(void *arg, const struct cell *cell) {
  struct query *query = arg;
  visit_cell(query, cell);
  return query->result == 0;
}

static void add_delta(struct query *query, const struct delta *delta, uint64_t covered, uint32_t project,
                      enum usage_kind kind) {
  if (delta == NULL || delta_end(delta) <= covered) return;
  const struct cells *cells = delta_cells(delta);
  if (cells_days_match(cells, project, query->zone)) {
    cells_visit_days(cells, project, kind, query->first_day, query->last_day, visit_day, query);
  } else {
    cells_visit(cells, project, kind, visit_cell, query);
  }
}

/* Begins the snapshot and adds what the deltas hold beyond it. For writers this is one step. */
static int read_memory(struct ledger *ledger, struct query *query, uint32_t project, enum usage_kind kind,
                       struct rows_txn **ret_snapshot, uint64_t *ret_position, struct err *err) {
  lock_read(&ledger->view);
  struct totals_meta meta;
  int result = rows_begin(ledger->rows, ret_snapshot, err);
  if (result == 0) result = totals_meta(*ret_snapshot, &meta, err);
  if (result == 0) {
    add_delta(query, ledger->frozen, meta.position, project, kind);
    add_delta(query, ledger->filling, meta.position, project, kind);
    result = query->result;
    *ret_position = delta_end(ledger->filling);
  }
  lock_leave(&ledger->view);
  return result;
}

static int read_snapshot(struct query *query, struct rows_txn *snapshot, uint32_t project, enum usage_kind kind,
                         struct err *err) {
  enum totals_days days;
  int result = totals_days_state(snapshot, project, query->zone, &days, err);
  if (result != 0 || days == TOTALS_DAYS_NONE) return result;
  if (days == TOTALS_DAYS_MATCH) {
    result = totals_visit_days(snapshot, project, kind, query->first_day, query->last_day, take_day, query, err);
  } else {
    int64_t from = query->starts[0], to = query->starts[query->last_day - query->first_day + 1] - 1;
    if (to < 0) return 0;
    result = totals_visit_quarters(snapshot, project, kind, from < 0 ? 0 : (uint32_t)(from / QUARTER_SECONDS),
                                   (uint32_t)(to / QUARTER_SECONDS), take_cell, query, err);
  }
  return result != 0 ? result : query->result;
}

#define CODECS_MAX (CODEC_NAMES_PER_PROJECT + 1) /* the names, and usage without one */

/* Each codec's place in the order of names, by its number. Usage without a codec comes first. */
static void rank_codecs(const struct project_state *state, uint8_t ranks[CODEC_NUMBER_NONE + 1]) {
  uint8_t ordered[CODEC_NAMES_PER_PROJECT];
  for (unsigned codec = 0; codec < state->codecs_count; codec++) {
    unsigned at = codec;
    for (; at > 0 && strcmp(state->codecs[ordered[at - 1]], state->codecs[codec]) > 0; at--)
      ordered[at] = ordered[at - 1];
    ordered[at] = (uint8_t)codec;
  }
  for (unsigned at = 0; at < state->codecs_count; at++)
    ranks[ordered[at]] = (uint8_t)(at + 1);
  ranks[CODEC_NUMBER_NONE] = 0;
}

/* False if everything in the row was voided. */
static bool has_tasks(const struct sum_row *row) {
  uint64_t tasks = 0;
  for (int tier = 0; tier < TIERS; tier++)
    tasks |= row->sums[tier].tasks;
  return tasks != 0;
}

/* A day's rows, at most one for each codec, in the order of the codecs' names. Returns their number. */
static unsigned order_day(const struct query *query, uint32_t first, const uint8_t ranks[CODEC_NUMBER_NONE + 1],
                          const struct sum_row *ret[CODECS_MAX]) {
  unsigned count = 0;
  for (uint32_t link = first; link != 0; link = query->rows.items[link - 1].next) {
    const struct sum_row *row = &query->rows.items[link - 1];
    if (!has_tasks(row)) continue;
    unsigned at = count++;
    CHECK(at < CODECS_MAX);
    for (; at > 0 && ranks[ret[at - 1]->codec] > ranks[row->codec]; at--)
      ret[at] = ret[at - 1];
    ret[at] = row;
  }
  return count;
}

static void give_row(const struct sum_row *row, int32_t day, const char *codec, struct ledger_row *ret) {
  ret->day = day;
  bool fits = str_copy(str_of(codec), ret->codec, sizeof ret->codec);
  CHECK(fits);
  for (int tier = 0; tier < TIERS; tier++) {
    ret->units[tier] = row->sums[tier].units;
    ret->minutes[tier] = row->sums[tier].minutes;
    ret->tasks[tier] = row->sums[tier].tasks;
  }
}

static const char *codec_name(const struct project_state *state, uint8_t codec) {
  if (codec == CODEC_NUMBER_NONE) return "";
  CHECK(codec < state->codecs_count);
  return state->codecs[codec];
}

static size_t count_answered(const struct query *query) {
  size_t count = 0;
  for (size_t i = 0; i < query->rows.count; i++)
    count += has_tasks(&query->rows.items[i]);
  return count;
}

static int give_rows(const struct query *query, const struct project_state *state, size_t rows_max,
                      struct ledger_rows *ret) {
  size_t answered = count_answered(query);
  if (answered > rows_max) return -ERR_LIMIT;
  struct ledger_row *items = reallocarray(NULL, answered + 1, sizeof *items);
  if (items == NULL) return -ERR_MEMORY;
  uint8_t ranks[CODEC_NUMBER_NONE + 1] = {0};
  rank_codecs(state, ranks);
  size_t count = 0;
  for (int32_t day = query->first_day; day <= query->last_day; day++) {
    const struct sum_row *rows[CODECS_MAX];
    unsigned rows_count = order_day(query, query->first_row[day - query->first_day], ranks, rows);
    for (unsigned i = 0; i < rows_count; i++) {
      give_row(rows[i], day, codec_name(state, rows[i]->codec), &items[count++]);
    }
  }
  CHECK(count == answered);
  *ret = (struct ledger_rows){.items = items, .count = count};
  return 0;
}

static void query_fini(struct query *query) {
  free(query->starts);
  free(query->first_row);
  vector_fini(&query->rows);
}

static uint64_t days_of(int32_t first_day, int32_t last_day) { return (uint64_t)((int64_t)last_day - first_day) + 1; }

/* A project without codecs can have rows, of remuxes and snapshots. */
static uint64_t rows_of(uint64_t days, unsigned codecs) { return days * (codecs > 0 ? codecs : 1); }

static int query_init(struct query *query, const struct project_state *state, int32_t first_day, int32_t last_day,
                      size_t rows_max) {
  size_t days = days_of(first_day, last_day);
  const struct zone *zone = state->zone;
  *query = (struct query){.zone = zone,
                          .first_day = first_day,
                          .last_day = last_day,
                          .cap_usual = rows_of(days, state->codecs_count)};
  if (days > rows_max) return -ERR_LIMIT;
  query->starts = calloc(days + 1, sizeof *query->starts);
  query->first_row = calloc(days, sizeof *query->first_row);
  if (query->starts == NULL || query->first_row == NULL) return -ERR_MEMORY;
  for (size_t i = 0; i <= days; i++)
    query->starts[i] = zone_day_start(zone, first_day + (int32_t)i);
  return 0;
}

int ledger_totals_at(struct ledger *ledger, const struct project *project, enum usage_kind kind, int32_t first_day,
                     int32_t last_day, size_t rows_max, struct ledger_rows *ret, uint64_t *ret_position,
                     struct err *err) {
  CHECK(first_day <= last_day);
  SCOPED_MALLOC struct project_state *state = malloc(sizeof *state);
  if (state == NULL) return err_set(err, ERR_MEMORY, "no memory for a query: free some memory");
  if (!catalogue_copy_state(ledger->catalogue, str_of(project->id), state)) {
    return err_set(err, ERR_NOT_FOUND, "no project %s exists", project->id);
  }
  SCOPED(query_fini) struct query query;
  SCOPED(rows_end_ref) struct rows_txn *snapshot = NULL;
  uint32_t number = state->info.number;
  uint64_t position = 0;
  int result = query_init(&query, state, first_day, last_day, rows_max);
  if (result == 0) result = read_memory(ledger, &query, number, kind, &snapshot, &position, err);
  if (result == 0) result = read_snapshot(&query, snapshot, number, kind, err);
  /* Copy it again: a codec may have been added since, and a row may be of that codec. */
  if (result == 0 && !catalogue_copy_state(ledger->catalogue, str_of(project->id), state)) result = -ERR_NOT_FOUND;
  if (result == 0) result = give_rows(&query, state, rows_max, ret);
  if (result == -ERR_LIMIT) return err_set(err, ERR_LIMIT, "the answer would have more than %zu rows", rows_max);
  if (result == -ERR_MEMORY) return err_set(err, ERR_MEMORY, "no memory for a query: free some memory");
  if (result == 0) *ret_position = position;
  return result;
}

int ledger_totals(struct ledger *ledger, const struct project *project, enum usage_kind kind, int32_t first_day,
                  int32_t last_day, size_t rows_max, struct ledger_rows *ret, struct err *err) {
  uint64_t position;
  return ledger_totals_at(ledger, project, kind, first_day, last_day, rows_max, ret, &position, err);
}

void ledger_totals_cost(const struct ledger *ledger, const struct project *project, int32_t first_day,
                        int32_t last_day, struct ledger_cost *ret) {
  CHECK(first_day <= last_day);
  uint64_t days = days_of(first_day, last_day);
  uint64_t rows = rows_of(days, catalogue_codecs_count(ledger->catalogue, str_of(project->id)));
  static const struct query q;
  *ret = (struct ledger_cost){
      .rows = rows,
      .bytes = (days + 1) * (sizeof *q.starts + sizeof *q.first_row) +
               rows * (sizeof(struct sum_row) + sizeof(struct ledger_row)),
  };
}

void ledger_rows_fini(struct ledger_rows *rows) {
  free(rows->items);
  *rows = (struct ledger_rows){0};
}

const struct catalogue *ledger_catalogue(const struct ledger *ledger) { return ledger->catalogue; }

void ledger_status(struct ledger *ledger, struct ledger_status *ret) {
  lock_read(&ledger->view);
  const struct delta *oldest = ledger->frozen != NULL ? ledger->frozen : ledger->filling;
  *ret = (struct ledger_status){
      .end = delta_end(ledger->filling),
      .checkpoint = delta_begin(oldest),
      .delta_records = {delta_records(ledger->filling), ledger->frozen != NULL ? delta_records(ledger->frozen) : 0},
      .runs = (unsigned)ledger->runs->count,
  };
  lock_leave(&ledger->view);
}

void ledger_formats(struct buf *out) {
  buf_text(out, "log segment: writes 2, reads 1 to 2\n");
  buf_text(out, "run: writes 1, reads 1\n");
  buf_text(out, "totals: writes 3, reads 1 to 3\n");
}
