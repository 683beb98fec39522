/* A list of live runs: never changed, counted, shared. To change which runs are live, make a new list.
 *
 * Runs are in the order of the positions that they cover, oldest first; the runs of one kind join without a gap. A
 * run is closed when no list and no caller holds it any more.
 */
#ifndef CODECMETER_LEDGER_INDEX_RUN_LIST_H
#define CODECMETER_LEDGER_INDEX_RUN_LIST_H

#include <stdatomic.h>
#include <stddef.h>

#include "base/err.h"
#include "ledger/index/run.h"

struct run_list {
  atomic_uint holds;
  size_t count;
  struct run *items[];
};

/* All of these return a list that the caller holds. They do not fail: they wait for memory (memory_wait), which ends
 * the program after a while, because a ledger that does not know its live runs must not go on. The lists are small.
 */
struct run_list *run_list_new(void);
struct run_list *run_list_hold(struct run_list *list);
void run_list_release(struct run_list *list);
SCOPED_REF(struct run_list, run_list_release)

/* The list and one more run, at its place. Takes over the caller's hold of the run. */
struct run_list *run_list_with(const struct run_list *list, struct run *run);
/* The list with `merged` in place of the runs that it was made of: those of its kind whose positions it covers. Takes
 * over the caller's hold of `merged`. */
struct run_list *run_list_with_merged(const struct run_list *list, struct run *merged);

/* The number of runs of a kind. */
size_t run_list_count(const struct run_list *list, enum entry_kind kind);

#endif
