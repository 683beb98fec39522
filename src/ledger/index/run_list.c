#include "ledger/index/run_list.h"

#include <stdlib.h>

#include "base/memory.h"

static struct run_list *list_of(size_t room) {
  struct run_list *list = memory_wait(sizeof *list + room * sizeof list->items[0]);
  list->holds = 1;
  return list;
}

struct run_list *run_list_new(void) {
  return list_of(0);
}

struct run_list *run_list_hold(struct run_list *list) {
  atomic_fetch_add(&list->holds, 1);
  return list;
}

void run_list_release(struct run_list *list) {
  if (list == NULL || atomic_fetch_sub(&list->holds, 1) > 1) return;
  for (size_t i = 0; i < list->count; i++)
    run_release(list->items[i]);
  free(list);
}

static bool is_within(const struct run_info *inner, const struct run_info *outer) {
  return inner->kind == outer->kind && inner->from >= outer->from && inner->to <= outer->to;
}

/* By the positions they cover, then by kind. */
static bool stands_before(const struct run_info *a, const struct run_info *b) {
  if (a->from != b->from) return a->from < b->from;
  return a->kind < b->kind;
}

static struct run_list *with(const struct run_list *list, struct run *run, bool replaces) {
  struct run_list *made = list_of(list->count + 1);
  const struct run_info *info = run_info(run);
  bool placed = false;
  for (size_t i = 0; i < list->count; i++) {
    const struct run_info *other = run_info(list->items[i]);
    if (replaces && is_within(other, info)) continue;
    if (!placed && stands_before(info, other)) {
      made->items[made->count++] = run;
      placed = true;
    }
    made->items[made->count++] = run_hold(list->items[i]);
  }
  if (!placed) made->items[made->count++] = run;
  return made;
}

struct run_list *run_list_with(const struct run_list *list, struct run *run) {
  return with(list, run, false);
}
struct run_list *run_list_with_merged(const struct run_list *list, struct run *merged) {
  return with(list, merged, true);
}

size_t run_list_count(const struct run_list *list, enum entry_kind kind) {
  size_t count = 0;
  for (size_t i = 0; i < list->count; i++)
    count += run_info(list->items[i])->kind == kind;
  return count;
}
