/* The writer changes the run list and the deltas under the view lock only, and takes a checkpointed delta out of the
 * view in the same step in which it adds the runs made of it. So the three, taken under the lock, have each record
 * once.
 */
#include "ledger/read/view.h"

#include <inttypes.h>

#include "base/check.h"
#include "base/lock.h"
#include "ledger/state.h"

static struct view_delta see(struct delta *delta, bool is_frozen) {
  if (delta == NULL) return (struct view_delta){0};
  uint64_t records = delta_records(delta);
  CHECK(records <= UINT32_MAX);
  return (struct view_delta){.delta = delta_hold(delta), .shown = (uint32_t)records, .is_frozen = is_frozen};
}

void view_take(struct ledger *ledger, struct view *ret) {
  lock_read(&ledger->view);
  *ret = (struct view){
      .ledger = ledger,
      .runs = run_list_hold(ledger->runs),
      .deltas = {see(ledger->frozen, true), see(ledger->filling, false)},
      .end = delta_end(ledger->filling),
  };
  lock_leave(&ledger->view);
}

void view_fini(struct view *view) {
  run_list_release(view->runs);
  delta_release(view->deltas[0].delta);
  delta_release(view->deltas[1].delta);
  *view = (struct view){0};
}

int view_check(const struct view *view, uint64_t as_of, struct err *err) {
  if (as_of <= view->end) return 0;
  return err_set(err, ERR_RANGE, "position %" PRIu64 " is behind the ledger's end, %" PRIu64, as_of, view->end);
}

/* ---- finding by hash ---- */

static int find_in_run(const struct run *run, struct hash hash,
                       int (*take)(void *arg, uint64_t position, struct err *err), void *arg, struct err *err) {
  struct entry wanted = {.first = hash.high, .second = hash.low}, entry;
  uint64_t index = 0;
  bool may_hold = false;
  int result = run_may_hold(run, hash, &may_hold, err);
  if (result != 0 || !may_hold) return result;
  result = run_seek(run, &wanted, &index, err);
  for (; result == 0 && index < run_info(run)->count; index++) {
    result = run_entry(run, index, &entry, err);
    if (result != 0 || entry.first != hash.high || entry.second != hash.low) break;
    result = take(arg, entry.position, err);
  }
  return result;
}

/* The first position of that hash behind another one; 0: none. The lock is not held while a candidate is read, and
 * the table may move meanwhile, so each search begins again. More than one step is rare. */
static uint64_t next_in_table(const struct view *view, const struct delta *delta, enum view_what what,
                              struct hash hash, uint64_t behind) {
  uint64_t position;
  uint32_t at = 0;
  lock_read(&view->ledger->view);
  do {
    position = what == VIEW_VOIDS ? delta_find_void(delta, hash, &at) : delta_find_identity(delta, hash, &at);
  } while (position != 0 && position <= behind);
  lock_leave(&view->ledger->view);
  return position;
}

static int find_in_table(const struct view *view, const struct delta *delta, enum view_what what, struct hash hash,
                         int (*take)(void *arg, uint64_t position, struct err *err), void *arg, struct err *err) {
  int result = 0;
  for (uint64_t at = 0; result == 0;) {
    at = next_in_table(view, delta, what, hash, at);
    if (at == 0 || at >= view->end) break;
    result = take(arg, at, err);
  }
  return result;
}

static int find_in_tasks(const struct view_delta *seen, struct hash hash,
                         int (*take)(void *arg, uint64_t position, struct err *err), void *arg, struct err *err) {
  const struct pieces *tasks = delta_tasks(seen->delta);
  int result = 0;
  for (uint32_t base = 0; base < seen->shown; base += PIECE_ENTRIES) {
    const struct entry *items = pieces_at(tasks, base / PIECE_ENTRIES);
    uint32_t count = seen->shown - base < PIECE_ENTRIES ? seen->shown - base : PIECE_ENTRIES;
    for (uint32_t i = 0; i < count && result == 0; i++) {
      if (items[i].first == hash.high && items[i].second == hash.low) result = take(arg, items[i].position, err);
    }
  }
  return result;
}

int view_find(const struct view *view, enum view_what what, struct hash hash,
              int (*take)(void *arg, uint64_t position, struct err *err), void *arg, struct err *err) {
  enum entry_kind kind = what == VIEW_IDENTITIES ? ENTRY_IDENTITY : ENTRY_TASK;
  int result = 0;
  for (size_t i = 0; i < view->runs->count && result == 0; i++) {
    const struct run *run = view->runs->items[i];
    if (run_info(run)->kind == kind) result = find_in_run(run, hash, take, arg, err);
  }
  for (int i = 0; i < 2 && result == 0; i++) {
    const struct view_delta *seen = &view->deltas[i];
    if (seen->delta == NULL) continue;
    result = what == VIEW_TASKS ? find_in_tasks(seen, hash, take, arg, err)
                                : find_in_table(view, seen->delta, what, hash, take, arg, err);
  }
  return result;
}
