/* Entries in the order of time: a merge of sorted sources.
 *
 *   time runs ─────────────────────────┐
 *   pieces of the frozen delta ────────┤  each kind of usage is a source of its own
 *   full pieces of the filling delta ──┼──> heap by (finish time, position) ──> the page
 *   its last piece, what fits, sorted ─┘
 *
 * A source is a sorted array with an index: it is searched once, for the place at which the page begins, and then
 * read forwards or backwards. So a page costs its entries and a search in each source, wherever it is in a walk.
 */
#include "ledger/scan.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/lock.h"
#include "ledger/read/view.h"
#include "ledger/state.h"

_Static_assert(SCAN_PIECE == PIECE_ENTRIES, "the header states the cost of a piece");

#define KINDS 7u /* numbers of kinds; 0 is none */
_Static_assert(SCAN_KINDS < 1u << KINDS, "every kind that a query may name has its bounds");

/* One sorted array. */
struct source {
  const struct run *run;     /* or NULL, and then: */
  const struct entry *items; /* in the order of the indices in `order`, or sorted if that is NULL */
  const uint16_t *order;
  uint64_t count;
  uint64_t at;              /* the next one forwards; backwards the one before */
  const struct entry *page; /* of a run: the page read last */
  uint64_t page_first;
  uint32_t page_count;
  uint32_t pages; /* read so far */
  struct entry current;
};

/* What a query wants of one kind: entries in [lower, upper). */
struct bounds {
  struct entry lower, upper;
};

struct merge {
  const struct scan_query *query;
  const struct view *view;
  struct bounds bounds[KINDS];
  struct source *sources;
  size_t count, room;
  struct source **heap; /* the one with the next entry is first */
  size_t heap_count;
  struct entry *tail; /* of the filling delta's last piece what is wanted, sorted */
};

static void merge_fini(struct merge *merge) {
  free(merge->sources);
  free(merge->heap);
  free(merge->tail);
}

static int no_memory(struct err *err) {
  return err_set(err, ERR_MEMORY, "no memory to read a page of entries: free some memory");
}

/* ---- bounds ---- */

static bool wants_kind(const struct scan_query *query, unsigned kind) { return (query->kinds >> kind & 1) != 0; }

static struct entry later_of(struct entry a, struct entry b) { return entry_compare(&a, &b) < 0 ? b : a; }
static struct entry earlier_of(struct entry a, struct entry b) { return entry_compare(&a, &b) < 0 ? a : b; }

/* The bound at a time: entries at it and later ones are not before it. Finish times are never negative. */
static struct entry at_time(uint64_t key, int64_t time_ms) {
  return (struct entry){.first = key, .second = time_ms < 0 ? 0 : (uint64_t)time_ms};
}

static struct bounds bounds_of(const struct scan_query *query, unsigned kind) {
  uint64_t key = entry_time_key(query->project, (enum usage_kind)kind);
  struct bounds bounds = {.lower = at_time(key, query->from_ms), .upper = at_time(key, query->to_ms)};
  if (!query->has_behind) return bounds;
  struct entry behind = at_time(key, query->behind.finished_ms);
  if (query->behind.finished_ms >= 0) behind.position = query->behind.position;
  if (query->descending) {
    bounds.upper = earlier_of(bounds.upper, behind);
    return bounds;
  }
  if (query->behind.finished_ms >= 0) behind.position++;
  if (query->behind.finished_ms >= 0 && behind.position == 0) behind.second++;
  bounds.lower = later_of(bounds.lower, behind);
  return bounds;
}

static bool is_within(const struct entry *entry, const struct bounds *bounds) {
  return entry_compare(entry, &bounds->lower) >= 0 && entry_compare(entry, &bounds->upper) < 0;
}

/* ---- one source ---- */

/* Runs are mapped for random access, so a source that reads on from page to page says what it will need. */
static int read_page(struct source *source, uint64_t index, bool backwards, struct err *err) {
  if (source->pages > 0 && (source->pages - 1) % RUN_EXPECT_PAGES == 0) run_expect(source->run, index, backwards);
  int result = run_page_at(source->run, index, &source->page, &source->page_first, &source->page_count, err);
  if (result != 0) source->page = NULL;
  source->pages++;
  return result;
}

static int entry_at(struct source *source, uint64_t index, bool backwards, struct entry *ret, struct err *err) {
  if (source->run == NULL) {
    *ret = source->items[source->order != NULL ? source->order[index] : index];
    return 0;
  }
  bool has_page =
      source->page != NULL && index >= source->page_first && index - source->page_first < source->page_count;
  int result = has_page ? 0 : read_page(source, index, backwards, err);
  if (result == 0) *ret = source->page[index - source->page_first];
  return result;
}

/* The index of the first entry that is not before `wanted`. */
static int seek(struct source *source, const struct entry *wanted, uint64_t *ret, struct err *err) {
  if (source->run != NULL) return run_seek(source->run, wanted, ret, err);
  uint64_t low = 0, high = source->count;
  while (low < high) {
    uint64_t middle = low + (high - low) / 2;
    struct entry entry;
    int result = entry_at(source, middle, false, &entry, err);
    if (result != 0) return result;
    if (entry_compare(&entry, wanted) < 0)
      low = middle + 1;
    else
      high = middle;
  }
  *ret = low;
  return 0;
}

/* Reads the source's next wanted entry into `current`; *ret_any is false if there is none. */
static int advance(const struct merge *merge, struct source *source, const struct bounds *bounds, bool *ret_any,
                   struct err *err) {
  bool descending = merge->query->descending;
  *ret_any = false;
  while (descending ? source->at > 0 : source->at < source->count) {
    struct entry entry;
    int result = entry_at(source, descending ? --source->at : source->at++, descending, &entry, err);
    if (result != 0) return result;
    if (!is_within(&entry, bounds)) return 0;
    if (entry.position >= merge->query->as_of) continue;
    source->current = entry;
    *ret_any = true;
    return 0;
  }
  return 0;
}

/* ---- the heap ---- */

static bool comes_before(const struct merge *merge, const struct source *a, const struct source *b) {
  const struct entry *x = &a->current, *y = &b->current;
  bool is_less = x->second != y->second ? x->second < y->second : x->position < y->position;
  return merge->query->descending ? !is_less : is_less;
}

static void sift_down(struct merge *merge, size_t at) {
  struct source **heap = merge->heap, *moved = heap[at];
  for (size_t child = 2 * at + 1; child < merge->heap_count; child = 2 * at + 1) {
    if (child + 1 < merge->heap_count && comes_before(merge, heap[child + 1], heap[child])) child++;
    if (!comes_before(merge, heap[child], moved)) break;
    heap[at] = heap[child];
    at = child;
  }
  heap[at] = moved;
}

static void make_heap(struct merge *merge) {
  for (size_t at = merge->heap_count / 2; at > 0; at--)
    sift_down(merge, at - 1);
}

static const struct bounds *bounds_at(const struct merge *merge, const struct entry *entry) {
  uint64_t kind = entry->first >> 56;
  CHECK(kind < KINDS);
  return &merge->bounds[kind];
}

/* Takes the first entry off the heap. */
static int take_first(struct merge *merge, struct scan_entry *ret, struct err *err) {
  struct source *source = merge->heap[0];
  const struct entry *entry = &source->current;
  bool any;
  *ret = (struct scan_entry){.key = {.finished_ms = (int64_t)entry->second, .position = entry->position},
                             .kind = (enum usage_kind)(entry->first >> 56)};
  int result = advance(merge, source, bounds_at(merge, entry), &any, err);
  if (result != 0) return result;
  if (!any) merge->heap[0] = merge->heap[--merge->heap_count];
  if (merge->heap_count > 0) sift_down(merge, 0);
  return 0;
}

/* ---- gathering the sources ---- */

/* Adds a source for each kind of an array, if it has any wanted entry. */
static int add_source(struct merge *merge, const struct source *model, struct err *err) {
  for (unsigned kind = 0; kind < KINDS; kind++) {
    if (!wants_kind(merge->query, kind)) continue;
    const struct bounds *bounds = &merge->bounds[kind];
    CHECK(merge->count < merge->room);
    struct source *source = &merge->sources[merge->count];
    *source = *model;
    bool any;
    int result = seek(source, merge->query->descending ? &bounds->upper : &bounds->lower, &source->at, err);
    if (result == 0) result = advance(merge, source, bounds, &any, err);
    if (result != 0) return result;
    if (!any) continue;
    merge->count++;
    merge->heap[merge->heap_count++] = source;
  }
  return 0;
}

static int add_runs(struct merge *merge, struct err *err) {
  const struct run_list *runs = merge->view->runs;
  int result = 0;
  for (size_t i = 0; i < runs->count && result == 0; i++) {
    const struct run_info *info = run_info(runs->items[i]);
    if (info->kind != ENTRY_TIME || info->from >= merge->query->as_of) continue;
    result = add_source(merge, &(struct source){.run = runs->items[i], .count = info->count}, err);
  }
  return result;
}

/* Copies what the query wants of a piece that is not full yet, and sorts the copy: it is read once. */
static int add_tail(struct merge *merge, const struct entry *items, uint32_t count, struct err *err) {
  uint32_t wanted = 0;
  merge->tail = reallocarray(NULL, 2 * (size_t)count, sizeof *merge->tail);
  if (merge->tail == NULL) return no_memory(err);
  for (uint32_t i = 0; i < count; i++) {
    uint64_t kind = items[i].first >> 56;
    bool is_of_project = (uint32_t)items[i].first == merge->query->project;
    if (!is_of_project || kind >= KINDS || !wants_kind(merge->query, (unsigned)kind)) continue;
    if (is_within(&items[i], &merge->bounds[kind])) merge->tail[wanted++] = items[i];
  }
  entry_sort(merge->tail, merge->tail + wanted, wanted);
  return add_source(merge, &(struct source){.items = merge->tail, .count = wanted}, err);
}

static int add_piece(struct merge *merge, const struct view_delta *seen, uint32_t piece, struct err *err) {
  const struct pieces *times = delta_times(seen->delta);
  const struct entry *items = pieces_at(times, piece);
  uint32_t left = seen->shown - piece * PIECE_ENTRIES, count = left < PIECE_ENTRIES ? left : PIECE_ENTRIES;
  if (items[0].position >= merge->query->as_of) return 0; /* so are the others */
  if (count < PIECE_ENTRIES && !seen->is_frozen) return add_tail(merge, items, count, err);
  const uint16_t *order;
  if (pieces_order(times, piece, count, &order) != 0) return no_memory(err);
  return add_source(merge, &(struct source){.items = items, .order = order, .count = count}, err);
}

static uint32_t pieces_of(const struct view_delta *seen) {
  return (uint32_t)(((uint64_t)seen->shown + PIECE_ENTRIES - 1) / PIECE_ENTRIES);
}

static int gather(struct merge *merge, struct err *err) {
  const struct view *view = merge->view;
  size_t arrays = view->runs->count + pieces_of(&view->deltas[0]) + pieces_of(&view->deltas[1]);
  merge->room = arrays * (size_t)__builtin_popcount(merge->query->kinds) + 1; /* the last one is tried, not kept */
  merge->sources = reallocarray(NULL, merge->room, sizeof *merge->sources);
  merge->heap = reallocarray(NULL, merge->room, sizeof(struct source *));
  if (merge->sources == NULL || merge->heap == NULL) return no_memory(err);
  for (unsigned kind = 0; kind < KINDS; kind++)
    merge->bounds[kind] = bounds_of(merge->query, kind);
  int result = add_runs(merge, err);
  for (int i = 0; i < 2; i++) {
    for (uint32_t piece = 0; piece < pieces_of(&view->deltas[i]) && result == 0; piece++)
      result = add_piece(merge, &view->deltas[i], piece, err);
  }
  return result;
}

/* ---- the door ---- */

uint64_t ledger_position(struct ledger *ledger) {
  lock_read(&ledger->view);
  uint64_t end = delta_end(ledger->filling);
  lock_leave(&ledger->view);
  return end;
}

static int check_query(const struct scan_query *query, size_t room, struct err *err) {
  if (query->kinds == 0 || (query->kinds & ~SCAN_KINDS) != 0) {
    return err_set(err, ERR_RANGE, "a scan needs kinds of usage, not the bits %#x", query->kinds);
  }
  if (room < 1 || room > SCAN_ROOM_MAX) {
    return err_set(err, ERR_RANGE, "a page has from 1 to %u entries, not %zu", SCAN_ROOM_MAX, room);
  }
  return 0;
}

int ledger_scan_entries(struct ledger *ledger, const struct scan_query *query, struct scan_entry *ret_entries,
                        size_t room, size_t *ret_count, struct err *err) {
  SCOPED(view_fini) struct view view = {0};
  SCOPED(merge_fini) struct merge merge = {.query = query, .view = &view};
  int result = check_query(query, room, err);
  if (result != 0) return result;
  view_take(ledger, &view);
  result = view_check(&view, query->as_of, err);
  if (result == 0) result = gather(&merge, err);
  if (result != 0) return result;
  make_heap(&merge);
  size_t count = 0;
  while (count < room && merge.heap_count > 0 && result == 0)
    result = take_first(&merge, &ret_entries[count++], err);
  if (result == 0) *ret_count = count;
  return result;
}

int ledger_project_span(struct ledger *ledger, uint32_t project, uint64_t as_of, bool *ret_any, int64_t *ret_first_ms,
                        int64_t *ret_last_ms, struct err *err) {
  struct scan_query query = {
      .project = project, .kinds = SCAN_TASKS, .from_ms = INT64_MIN, .to_ms = INT64_MAX, .as_of = as_of};
  struct scan_entry first, last;
  size_t any;
  int result = ledger_scan_entries(ledger, &query, &first, 1, &any, err);
  query.descending = true;
  if (result == 0 && any > 0) result = ledger_scan_entries(ledger, &query, &last, 1, &any, err);
  if (result != 0) return result;
  *ret_any = any > 0;
  if (any == 0) return 0;
  *ret_first_ms = first.key.finished_ms;
  *ret_last_ms = last.key.finished_ms;
  return 0;
}
