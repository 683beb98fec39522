/* Computes what a change of a project's zone would move. Every quarter hour with usage has a date in both zones. If
 * the dates differ, its usage leaves one date and comes to the other. A delta may hold negative sums (it takes off
 * what was voided), so all sums are added modulo 2^64 before any is used. */
#include <glib.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/lock.h"
#include "ledger/state.h"

/* The usage that leaves one date, and the usage that comes to it. */
struct moved {
  struct usage_count left, came;
};

struct move {
  const struct zone *from, *to;
  enum usage_kind kind;
  GHashTable *days; /* date + 1 -> struct moved */
  uint64_t tasks, seconds;
};

static struct moved *moved_on(struct move *move, int32_t day) {
  gpointer key = GINT_TO_POINTER(day + 1);
  struct moved *moved = g_hash_table_lookup(move->days, key);
  if (moved != NULL) return moved;
  moved = calloc(1, sizeof *moved);
  CHECK(moved != NULL);
  (void)g_hash_table_insert(move->days, key, moved);
  return moved;
}

static void visit_cell(void *arg, const struct cell *cell) {
  struct move *move = arg;
  int64_t time = (int64_t)cell->quarter * QUARTER_SECONDS;
  int32_t before = zone_day_of(move->from, time), after = zone_day_of(move->to, time);
  if (before == after) return;
  struct usage_count *left = &moved_on(move, before)->left, *came = &moved_on(move, after)->came;
  usage_count_add(left, &cell->sum);
  usage_count_add(came, &cell->sum);
  move->tasks += cell->sum.tasks;
  if (move->kind != USAGE_SNAPSHOT) move->seconds += cell->sum.units;
}

static bool take_cell(void *arg, const struct cell *cell) {
  visit_cell(arg, cell);
  return true;
}

static void visit_delta(struct move *move, const struct delta *delta, uint64_t covered, uint32_t project) {
  if (delta == NULL || delta_end(delta) <= covered) return;
  cells_visit(delta_cells(delta), project, move->kind, visit_cell, move);
}

/* Reads like a query: for writers, it begins the snapshot and reads the deltas in one step. */
static int visit_kind(struct ledger *ledger, struct move *move, uint32_t project, struct err *err) {
  SCOPED(rows_end_ref) struct rows_txn *snapshot = NULL;
  struct totals_meta meta;
  lock_read(&ledger->view);
  int result = rows_begin(ledger->rows, &snapshot, err);
  if (result == 0) result = totals_meta(snapshot, &meta, err);
  if (result == 0) {
    visit_delta(move, ledger->frozen, meta.position, project);
    visit_delta(move, ledger->filling, meta.position, project);
  }
  lock_leave(&ledger->view);
  if (result != 0) return result;
  return totals_visit_quarters(snapshot, project, move->kind, 0, UINT32_MAX, take_cell, move, err);
}

static struct ledger_zone_move sum_up(const struct move *move) {
  struct ledger_zone_move sum = {.tasks = move->tasks, .seconds = move->seconds};
  GHashTableIter iter;
  gpointer key, value;
  g_hash_table_iter_init(&iter, move->days);
  while (g_hash_table_iter_next(&iter, &key, &value)) {
    const struct moved *moved = value;
    int32_t day = GPOINTER_TO_INT(key) - 1;
    if (moved->left.tasks == 0 && moved->came.tasks == 0) continue; /* all of it was voided */
    if (sum.days == 0 || day < sum.first_day) sum.first_day = day;
    if (sum.days == 0 || day > sum.last_day) sum.last_day = day;
    sum.days++;
  }
  return sum;
}

int ledger_zone_move(struct ledger *ledger, const struct project *project, const struct zone *to,
                     struct ledger_zone_move *ret, struct err *err) {
  struct project now;
  struct move move = {.to = to};
  if (!catalogue_project(ledger->catalogue, str_of(project->id), &now)) {
    return err_set(err, ERR_NOT_FOUND, "no project %s exists", project->id);
  }
  int result = zone_find(str_of(now.zone), &move.from, err);
  if (result != 0) return result;
  move.days = g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, free);
  for (size_t i = 0; i < USAGE_TASK_KINDS && result == 0; i++) {
    move.kind = usage_task_kinds[i];
    result = visit_kind(ledger, &move, now.number, err);
  }
  if (result == 0) *ret = sum_up(&move);
  g_hash_table_destroy(move.days);
  return result;
}
