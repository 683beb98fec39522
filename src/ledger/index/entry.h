/* Entries, 24 bytes each: deltas collect them, runs keep them sorted. docs/format.md, section "Run". */
#ifndef CODECMETER_LEDGER_INDEX_ENTRY_H
#define CODECMETER_LEDGER_INDEX_ENTRY_H

#include <stddef.h>
#include <stdint.h>

#include "ledger/log/hash.h"
#include "meter/usage.h"

enum entry_kind { ENTRY_IDENTITY = 1, ENTRY_TASK = 2, ENTRY_TIME = 3 };
#define ENTRY_KINDS 3

/* The name for messages: "identity", "task id", "time". */
static inline const char *entry_kind_name(enum entry_kind kind) {
  return kind == ENTRY_IDENTITY ? "identity" : kind == ENTRY_TASK ? "task id" : "time";
}

/* The same as on disk. Identity and task: the hash's high and low word. Time: entry_time_key and the finish time in
 * ms. */
struct entry {
  uint64_t first, second;
  uint64_t position;
};
_Static_assert(sizeof(struct entry) == 24, "entries are written as they are");

/* The kind of the entries among which a question is answered: those of voids are among the task ids. */
static inline enum entry_kind entry_kind_of(enum decide_question question) {
  return question == DECIDE_VOID ? ENTRY_TASK : ENTRY_IDENTITY;
}

static inline uint64_t entry_time_key(uint32_t project, enum usage_kind kind) {
  return (uint64_t)kind << 56 | project;
}

/* Order of a run: by first, second, position. Finish times are never negative, so all compare as unsigned. */
static inline int entry_compare(const struct entry *a, const struct entry *b) {
  if (a->first != b->first) return a->first < b->first ? -1 : 1;
  if (a->second != b->second) return a->second < b->second ? -1 : 1;
  return a->position < b->position ? -1 : a->position > b->position;
}

/* Sorts entries in that order; room has space for `count` more entries. */
void entry_sort(struct entry *entries, struct entry *room, size_t count);

#endif
