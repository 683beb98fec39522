/* A heap of cursors: the first has the least entry. */
#include "ledger/index/run_union.h"

#include <stdlib.h>

/* One of the runs, and how far it was read. */
struct source {
  struct run_cursor *cursor;
  const struct entry *at, *end;
};

struct run_union {
  size_t count, left; /* sources; those that have entries left */
  struct entry before;
  struct source *items;
  struct source **heap;
};

static int refill(struct source *source, struct err *err) {
  uint32_t count = 0;
  int result = run_cursor_next(source->cursor, &source->at, &count, err);
  if (result == 0) source->end = source->at + count;
  return result;
}

static void sift(struct run_union *reader, size_t at) {
  struct source **heap = reader->heap, *moved = heap[at];
  for (;;) {
    size_t child = 2 * at + 1;
    if (child >= reader->left) break;
    if (child + 1 < reader->left && entry_compare(heap[child + 1]->at, heap[child]->at) < 0) child++;
    if (entry_compare(moved->at, heap[child]->at) <= 0) break;
    heap[at] = heap[child];
    at = child;
  }
  heap[at] = moved;
}

static int open_sources(struct run_union *reader, struct run *const *runs, struct err *err) {
  for (size_t i = 0; i < reader->count; i++) {
    struct source *source = &reader->items[i];
    source->cursor = run_cursor_new(runs[i]);
    if (source->cursor == NULL) return err_set(err, ERR_MEMORY, "no memory to read runs: free some memory");
    int result = refill(source, err);
    if (result != 0) return result;
    if (source->at != source->end) reader->heap[reader->left++] = source;
  }
  for (size_t i = reader->left; i > 0; i--)
    sift(reader, i - 1);
  return 0;
}

static int make_room(struct run_union *reader, size_t count, struct err *err) {
  reader->items = calloc(count + 1, sizeof *reader->items);
  reader->heap = calloc(count + 1, sizeof(struct source *));
  if (reader->items == NULL || reader->heap == NULL)
    return err_set(err, ERR_MEMORY, "no memory to read runs: free some memory");
  reader->count = count;
  return 0;
}

int run_union_new(struct run *const *runs, size_t count, struct run_union **ret, struct err *err) {
  SCOPED(run_union_free_ref) struct run_union *reader = calloc(1, sizeof *reader);
  if (reader == NULL) return err_set(err, ERR_MEMORY, "no memory to read runs: free some memory");
  int result = make_room(reader, count, err);
  if (result == 0) result = open_sources(reader, runs, err);
  if (result == 0) *ret = MOVE(reader);
  return result;
}

void run_union_free(struct run_union *reader) {
  if (reader == NULL) return;
  for (size_t i = 0; i < reader->count; i++)
    run_cursor_free(reader->items[i].cursor);
  free(reader->items);
  free(reader->heap);
  free(reader);
}

static int out_of_order(struct err *err) {
  return err_set(err, ERR_CORRUPT,
                 "derived/runs is damaged: an entry is out of order, or occurs twice; stop the server and run "
                 "`codecmeter rebuild`");
}

int run_union_next(struct run_union *reader, struct entry *out, size_t room, size_t *ret_count, struct err *err) {
  size_t count = 0;
  while (count < room && reader->left > 0) {
    struct source *first = reader->heap[0];
    if (entry_compare(&reader->before, first->at) >= 0) return out_of_order(err);
    reader->before = out[count++] = *first->at++;
    if (first->at == first->end) {
      int result = refill(first, err);
      if (result != 0) return result;
      if (first->at == first->end) reader->heap[0] = reader->heap[--reader->left];
    }
    if (reader->left > 0) sift(reader, 0);
  }
  *ret_count = count;
  return 0;
}
