/* Reads several runs of one kind as one, in order. Merges and verification use it. */
#ifndef CODECMETER_LEDGER_INDEX_RUN_UNION_H
#define CODECMETER_LEDGER_INDEX_RUN_UNION_H

#include <stddef.h>

#include "base/err.h"
#include "ledger/index/run.h"

struct run_union;

/* Borrows the runs, which are all of one kind. The caller frees. One thread. */
MUST_USE int run_union_new(struct run *const *runs, size_t count, struct run_union **ret, struct err *err);
void run_union_free(struct run_union *reader);
SCOPED_REF(struct run_union, run_union_free)

/* The next entries, as many as fit into room; fewer only at the end, none after it. -ERR_CORRUPT for a damaged page,
 * for entries out of order, and for an entry that occurs twice. */
MUST_USE int run_union_next(struct run_union *reader, struct entry *out, size_t room, size_t *ret_count,
                        struct err *err);

#endif
