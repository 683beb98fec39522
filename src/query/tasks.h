/* Lists of tasks: newest first, filtered, as of one position. Knows no HTTP.
 *
 *   projects ──time runs, deltas──> entries, merged by time ──log──> records ──filter, voids──> tasks
 *
 * The order is by finish time, then by position, both descending. No two tasks have the same key, so a list can go on
 * behind any key, and a list with a fixed as_of gives each task exactly once, whatever is reported, voided or merged
 * meanwhile.
 *
 * A call of tasks_next looks at a bounded number of records and holds nothing of the ledger when it returns. Between
 * calls a list holds at most TASKS_MEMORY_MAX bytes, and 64 for each project. It claims them before it takes them. Records
 * that wait for the visitor are kept only if the budget has room; else they are read again.
 */
#ifndef CODECMETER_QUERY_TASKS_H
#define CODECMETER_QUERY_TASKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/budget.h"
#include "base/err.h"
#include "ledger/scan.h"
#include "query/filter.h"

#define TASKS_STEP_RECORDS 2048u /* records that one call looks at, about; then it returns what it has */
#define TASKS_STEP_SEARCHES 128u /* times that one call asks a project for entries */
#define TASKS_BATCH 2048u        /* records that are read together, in the order of the log */
#define TASKS_COPIES 256u        /* of these, records that wait for the visitor */
#define TASKS_ENTRIES_MAX 32768u /* entries that wait to be read, of all projects; at least one for each */
#define TASKS_FOUND_MAX 65536u   /* records of the task ids that are asked for; beyond it they are found by time */
#define TASKS_TASK_IDS_MAX 16u
#define TASKS_MEMORY_MAX ((size_t)4 << 20)

/* voided: reported, and later taken off. unresolved: an output that still waits for a measure. */
enum task_status { TASK_FINISHED = 1, TASK_FAILED = 2, TASK_VOIDED = 4, TASK_UNRESOLVED = 8 };
#define TASK_STATUS_ALL (TASK_FINISHED | TASK_FAILED | TASK_VOIDED | TASK_UNRESOLVED)
/* "finished", "failed", "voided", "unresolved"; one status. */
const char *task_status_name(enum task_status status);
/* The status of a task, or of an output that still waits. */
enum task_status task_status_of(const struct usage *usage, bool is_voided);

struct tasks_project {
  uint32_t number; /* struct project's */
  struct str id;
  int64_t from_ms, to_ms; /* finish times in [from_ms, to_ms); INT64_MIN and INT64_MAX: no bound */
};

struct tasks_query {
  const struct tasks_project *projects;
  size_t projects_count;
  /* An unresolved output has no kind yet, so a filter of kinds excludes it. It has no tier either. */
  const struct filter *filter;
  unsigned statuses;          /* enum task_status bits, at least one */
  const struct str *task_ids; /* only tasks with one of these task ids (a task's `id` if it has none); none: all */
  size_t task_ids_count;      /* at most TASKS_TASK_IDS_MAX */
  uint64_t as_of;
  bool has_behind; /* only what comes behind this key in the order */
  struct scan_key behind;
  struct budget *budget; /* borrowed; NULL: no bound */
  uint64_t owner;        /* who asks: see base/budget.h */
};

struct tasks;

/* Borrows everything that the query points to, and the ledger, until tasks_free. -ERR_BUSY: the budget has no
 * room. -ERR_MEMORY. */
MUST_USE int tasks_new(struct ledger *ledger, const struct tasks_query *query, struct tasks **ret, struct err *err);
void tasks_free(struct tasks *tasks);
SCOPED_REF(struct tasks, tasks_free)

/* Texts are borrowed for the time of the call. */
struct tasks_item {
  const struct usage *usage;
  size_t project; /* index in the query */
  uint64_t position;
  enum task_status status;
};
/* Takes a task. False: no more for now; the next call of tasks_next goes on with the next task. */
typedef bool (*tasks_visit)(void *arg, const struct tasks_item *item);

/* Passes the next tasks to `visit`, until it returns false, the call has done its share, or there are no more
 * (*ret_is_end). Errors as in ledger/scan.h; -ERR_BUSY, before the first task, as tasks_new. After one, only tasks_free may be called. */
MUST_USE int tasks_next(struct tasks *tasks, tasks_visit visit, void *arg, bool *ret_is_end, struct err *err);

/* Where the list is: everything up to this key, included, has been passed or filtered away. *ret is untouched, and
 * the result false, before that holds for any. */
bool tasks_key(const struct tasks *tasks, struct scan_key *ret);
/* True if the list certainly has nothing behind its key. */
bool tasks_is_at_end(const struct tasks *tasks);
/* Records looked at since the beginning. */
uint64_t tasks_looked_at(const struct tasks *tasks);

#endif
