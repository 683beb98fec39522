/* A list of live runs: never changed, counted, shared. Whoever changes which runs are live makes a new list.
 *
 * In the order of the positions they cover, oldest first; those of one kind join without a gap. A run that no list
 * and nobody else holds any more is closed.
 */
#ifndef CODECMETER_LEDGER_RUN_LIST_H
#define CODECMETER_LEDGER_RUN_LIST_H

#include <stdatomic.h>
#include <stddef.h>

#include "base/err.h"
#include "ledger/run.h"

struct run_list {
  atomic_uint holds;
  size_t count;
  struct run *items[];
};

/* All of these give a list that the caller holds; they do not fail for want of memory, they end the program: the
 * lists are small, and a ledger that cannot say which runs are live must not go on. */
struct run_list *run_list_new(void);
struct run_list *run_list_hold(struct run_list *list);
void run_list_release(struct run_list *list);
SCOPED_REF(struct run_list, run_list_release)

/* The list with a run more, at its place; takes over the caller's hold of the run. */
struct run_list *run_list_with(const struct run_list *list, struct run *run);
/* The list without the runs that `merged` was made of: those of its kind whose positions it covers. Takes its hold
 * too. */
struct run_list *run_list_with_merged(const struct run_list *list, struct run *merged);

/* Runs of a kind. */
size_t run_list_count(const struct run_list *list, enum entry_kind kind);

#endif
