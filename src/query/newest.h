/* The entries of several projects in one order: the latest first. For query/tasks.c. */
#ifndef CODECMETER_QUERY_NEWEST_H
#define CODECMETER_QUERY_NEWEST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "ledger/scan.h"
#include "query/tasks.h"

/* Begin with zeros. newest_open takes memory: 32 bytes for each project, and TASKS_ENTRIES_MAX entries, or one for
 * each project if that is more. newest_fini frees it. */
struct newest {
  struct ledger *ledger;
  const struct tasks_query *query; /* borrowed */
  unsigned kinds;                  /* SCAN_KIND bits */
  struct newest_place *places;     /* of each project */
  struct scan_entry *entries;
  size_t room;  /* entries at hand for each project */
  size_t *heap; /* projects with an entry at hand; the one with the latest is first */
  size_t heap_count;
  size_t opened; /* so many projects have been asked for their first entries */
};

/* What newest_open takes. */
size_t newest_bytes(size_t projects);
/* Borrows the ledger and the query until newest_fini. False: no memory; newest_fini is still needed. */
MUST_USE bool newest_open(struct newest *newest, struct ledger *ledger, const struct tasks_query *query,
                          unsigned kinds);
void newest_fini(struct newest *newest);

/* Takes the next entry. *ret_has is false if there are no more, or if the ledger must be asked and *searches, which
 * counts how often it was asked, has reached TASKS_STEP_SEARCHES. Errors as ledger_scan_entries. */
MUST_USE int newest_take(struct newest *newest, unsigned *searches, bool *ret_has, struct scan_entry *ret,
                         size_t *ret_project, struct err *err);
/* True if there certainly are no more. */
bool newest_is_at_end(const struct newest *newest);

/* The order: negative if a comes before b, which is earlier. */
int newest_compare(const struct scan_key *a, const struct scan_key *b);

#endif
