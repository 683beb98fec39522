/* Reads the records of a task from the log, as they were reported, with the voids of these records. Works beside a
 * running server.
 *
 * Uses only dir and map_size of options. Holds in memory 8 bytes for each record found, and about 50 for each
 * record since the last checkpoint. -ERR_NOT_FOUND if the project does not exist.
 */
#ifndef CODECMETER_LEDGER_CARE_HISTORY_H
#define CODECMETER_LEDGER_CARE_HISTORY_H

#include "ledger/ledger.h"

/* The records to find: those of an identity, or, if `task_id` is not empty, all of a task id. */
struct history_query {
  struct str project;
  struct str source, id;
  struct str task_id;
};

/* One record and, if it was voided, the void. Texts are borrowed for the time of the call. */
struct history_item {
  const struct usage *usage;
  uint64_t position;
  const struct usage *voiding; /* NULL: the record counts */
};
typedef int (*history_visit)(void *arg, const struct history_item *item, struct err *err);

/* Passes each record to `visit`, in the order in which they were stored. -ERR_NOT_FOUND if there is none. */
MUST_USE int history_find(const struct ledger_options *options, const struct history_query *query,
                          history_visit visit, void *arg, struct err *err);

/* Passes the outputs that wait to be resolved to `visit`, in the order in which they were stored: those of a project,
 * a source and an id; each may be empty, for all. */
struct unresolved_query {
  struct str project;
  struct str source, id;
};
MUST_USE int history_unresolved(const struct ledger_options *options, const struct unresolved_query *query,
                                int (*visit)(void *arg, const struct usage *usage, struct err *err), void *arg,
                                struct err *err);

/* Passes to `visit` the usage that arrived at `since_ms` or later, and more than `delay_ms` after it had finished.
 * Usage that does not state when it finished is left out. An empty project means all. progress counts bytes of the
 * log. */
struct late_query {
  struct str project;
  int64_t since_ms;
  int64_t delay_ms;
};
MUST_USE int history_late(const struct ledger_options *options, const struct late_query *query, history_visit visit,
                          void *arg, const struct ledger_progress *progress, struct err *err);

#endif
