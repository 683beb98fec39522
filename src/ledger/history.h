/* What the log holds of a task: records as they were reported, and what voided them. Reads beside a running server.
 *
 * Of options dir and map_size count. Of what is asked for only places are held, 8 bytes a record, and 24 of each void
 * or resolution since the last checkpoint. -ERR_NOT_FOUND for a project that does not exist.
 */
#ifndef CODECMETER_LEDGER_HISTORY_H
#define CODECMETER_LEDGER_HISTORY_H

#include "ledger/ledger.h"

/* Which records: of an identity, or all of a task id, when `task_id` is not empty. */
struct history_query {
  struct str project;
  struct str source, id;
  struct str task_id;
};

/* One record. voided: it counts no more, since `voiding`. Texts are borrowed for the time of the call. */
struct history_item {
  const struct usage *usage;
  uint64_t position;
  const struct usage *voiding; /* NULL: it counts */
};
typedef int (*history_visit)(void *arg, const struct history_item *item, struct err *err);

/* Hands each to `visit`, in the order in which they were stored. -ERR_NOT_FOUND when there is none. */
MUST_USE int history_find(const struct ledger_options *options, const struct history_query *query,
                          history_visit visit, void *arg, struct err *err);

/* What waits to be resolved: all of it, or that of a project, a source, an id; each empty for all. Handed out in the
 * order in which it came. */
struct unresolved_query {
  struct str project;
  struct str source, id;
};
MUST_USE int history_unresolved(const struct ledger_options *options, const struct unresolved_query *query,
                                int (*visit)(void *arg, const struct usage *usage, struct err *err), void *arg,
                                struct err *err);

/* Usage that was stored from an instant on, and more than a delay after it had finished (as far as it said when).
 * project: empty for all. progress: bytes of the log. */
struct late_query {
  struct str project;
  int64_t since_ms;
  int64_t delay_ms;
};
MUST_USE int history_late(const struct ledger_options *options, const struct late_query *query, history_visit visit,
                          void *arg, const struct ledger_progress *progress, struct err *err);

#endif
