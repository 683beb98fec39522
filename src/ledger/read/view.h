/* What readers of the running ledger see at one moment: every record below one position, each exactly once, in the
 * runs or in a delta. A view holds its runs and deltas, so checkpoints and merges do not disturb it. Any thread.
 */
#ifndef CODECMETER_LEDGER_READ_VIEW_H
#define CODECMETER_LEDGER_READ_VIEW_H

#include "ledger/delta.h"
#include "ledger/index/run_list.h"
#include "ledger/ledger.h"

/* A delta, held, as it was shown when the view was taken. */
struct view_delta {
  struct delta *delta; /* NULL: none */
  uint32_t shown;      /* entries of each kind that may be read */
  bool is_frozen;
};

struct view {
  struct ledger *ledger; /* borrowed */
  struct run_list *runs;
  struct view_delta deltas[2]; /* in the order of positions */
  uint64_t end;
};

/* Takes the view lock for a moment. The caller calls view_fini soon: while a view lives, the files of replaced runs
 * stay open, and memory of a checkpointed delta stays in use. */
void view_take(struct ledger *ledger, struct view *ret);
void view_fini(struct view *view);
/* -ERR_RANGE if as_of is behind the view's end. */
MUST_USE int view_check(const struct view *view, uint64_t as_of, struct err *err);

/* Passes the position of each entry of that hash to `take`, in no order: identities, voids by their target, or all of
 * a task id (VIEW_TASKS finds voids by their target too; it passes over all entries of the deltas). Equal hashes
 * prove nothing: compare the texts. An error of take ends the walk and is returned. */
enum view_what { VIEW_IDENTITIES, VIEW_VOIDS, VIEW_TASKS };
MUST_USE int view_find(const struct view *view, enum view_what what, struct hash hash,
                       int (*take)(void *arg, uint64_t position, struct err *err), void *arg, struct err *err);

#endif
