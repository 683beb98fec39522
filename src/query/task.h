/* Everything that the ledger knows of one task: its record, what voided it, and the unresolved output that it was. */
#ifndef CODECMETER_QUERY_TASK_H
#define CODECMETER_QUERY_TASK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "ledger/scan.h"
#include "meter/usage.h"

/* One record, with its texts in the arena. */
struct task_record {
  bool exists;
  struct usage usage;
  uint64_t position; /* of the record, in the log */
  int64_t stored_ms; /* when its block was written */
};

struct task_story {
  struct task_record record;  /* the task, or a void that has this identity */
  struct task_record voiding; /* what took the task off */
  struct task_record waiting; /* the unresolved output of this identity; `record` resolved it, if that exists */
};

#define TASK_STORY_ARENA_MAX ((size_t)32 << 10)

/* Finds the records of an identity as of a position. At least one of `record` and `waiting` exists. -ERR_NOT_FOUND:
 * there is none, or no such project. Otherwise errors as in ledger/scan.h. */
MUST_USE int task_find(struct ledger *ledger, struct str project, struct str source, struct str id, uint64_t as_of,
                       struct arena *arena, struct task_story *ret, struct err *err);

#endif
