#include "ledger/entry.h"

#include <stdlib.h>

static int compare(const void *a, const void *b) { return entry_compare(a, b); }

void entry_sort(struct entry *entries, size_t count) {
  if (count > 1) qsort(entries, count, sizeof *entries, compare);
}
