/* A heap of the projects' next entries. Each project has a few entries at hand, and asks the ledger for more when it
 * has none. Which entry is the latest is known only when every project has been asked, so nothing is given before
 * that.
 */
#include "query/newest.h"

#include <stdlib.h>

#include "base/check.h"

#define ENTRIES_USUAL 1024u /* at hand for a project, if there are few projects */

struct newest_place {
  struct scan_entry *entries; /* `room` of them */
  uint32_t at, count;
  bool is_last; /* the ledger has no more behind these */
};

static size_t room_of(size_t projects) {
  size_t room = projects > 0 ? TASKS_ENTRIES_MAX / projects : 1;
  return room > ENTRIES_USUAL ? ENTRIES_USUAL : room < 1 ? 1 : room;
}

size_t newest_bytes(size_t projects) {
  return (projects + 1) * (sizeof(struct newest_place) + sizeof(size_t)) +
         (projects * room_of(projects) + 1) * sizeof(struct scan_entry);
}

bool newest_open(struct newest *newest, struct ledger *ledger, const struct tasks_query *query, unsigned kinds) {
  size_t projects = query->projects_count;
  *newest = (struct newest){.ledger = ledger, .query = query, .kinds = kinds, .room = room_of(projects)};
  newest->places = calloc(projects + 1, sizeof *newest->places);
  newest->heap = calloc(projects + 1, sizeof *newest->heap);
  newest->entries = calloc(projects * newest->room + 1, sizeof *newest->entries);
  if (newest->places == NULL || newest->heap == NULL || newest->entries == NULL) return false;
  for (size_t i = 0; i < projects; i++)
    newest->places[i].entries = newest->entries + i * newest->room;
  return true;
}

void newest_fini(struct newest *newest) {
  free(newest->places);
  free(newest->heap);
  free(newest->entries);
}

int newest_compare(const struct scan_key *a, const struct scan_key *b) {
  if (a->finished_ms != b->finished_ms) return a->finished_ms > b->finished_ms ? -1 : 1;
  return a->position > b->position ? -1 : a->position < b->position;
}

/* ---- the heap ---- */

static const struct scan_key *next_key(const struct newest *newest, size_t project) {
  const struct newest_place *place = &newest->places[project];
  CHECK(place->at < place->count);
  return &place->entries[place->at].key;
}

static bool is_before(const struct newest *newest, size_t a, size_t b) {
  return newest_compare(next_key(newest, newest->heap[a]), next_key(newest, newest->heap[b])) < 0;
}

static void swap(struct newest *newest, size_t a, size_t b) {
  size_t moved = newest->heap[a];
  newest->heap[a] = newest->heap[b];
  newest->heap[b] = moved;
}

static void sink(struct newest *newest, size_t at) {
  for (;;) {
    size_t left = 2 * at + 1, first = at;
    if (left < newest->heap_count && is_before(newest, left, first)) first = left;
    if (left + 1 < newest->heap_count && is_before(newest, left + 1, first)) first = left + 1;
    if (first == at) return;
    swap(newest, at, first);
    at = first;
  }
}

static void push(struct newest *newest, size_t project) {
  size_t at = newest->heap_count++;
  newest->heap[at] = project;
  for (; at > 0 && is_before(newest, at, (at - 1) / 2); at = (at - 1) / 2)
    swap(newest, at, (at - 1) / 2);
}

/* ---- asking ---- */

/* Asks the ledger for the entries of a project behind those that it had, or behind the key of the query. */
static int ask(struct newest *newest, size_t project, unsigned *searches, struct err *err) {
  const struct tasks_query *query = newest->query;
  struct newest_place *place = &newest->places[project];
  bool had = place->count > 0;
  size_t count = 0;
  const struct scan_query scan = {
      .project = query->projects[project].number,
      .kinds = newest->kinds,
      .from_ms = query->projects[project].from_ms,
      .to_ms = query->projects[project].to_ms,
      .as_of = query->as_of,
      .descending = true,
      .has_behind = had || query->has_behind,
      .behind = had ? place->entries[place->count - 1].key : query->behind,
  };
  CHECK(place->at == place->count && !place->is_last);
  ++*searches;
  int result = ledger_scan_entries(newest->ledger, &scan, place->entries, newest->room, &count, err);
  if (result != 0) return result;
  place->at = 0;
  place->count = (uint32_t)count;
  place->is_last = count < newest->room;
  return 0;
}

static int open_projects(struct newest *newest, unsigned *searches, struct err *err) {
  while (newest->opened < newest->query->projects_count && *searches < TASKS_STEP_SEARCHES) {
    size_t project = newest->opened;
    int result = ask(newest, project, searches, err);
    if (result != 0) return result;
    newest->opened++;
    if (newest->places[project].count > 0) push(newest, project);
  }
  return 0;
}

/* Brings the heap in order after the entry of its first project was taken. *ret_is_ready is false if that project
 * must ask the ledger and may not now. */
static int advance(struct newest *newest, unsigned *searches, bool *ret_is_ready, struct err *err) {
  struct newest_place *place = &newest->places[newest->heap[0]];
  *ret_is_ready = true;
  if (place->at < place->count) return 0;
  if (!place->is_last) {
    *ret_is_ready = *searches < TASKS_STEP_SEARCHES;
    int result = *ret_is_ready ? ask(newest, newest->heap[0], searches, err) : 0;
    if (result != 0 || !*ret_is_ready) return result;
  }
  if (place->at == place->count) swap(newest, 0, --newest->heap_count);
  sink(newest, 0);
  return 0;
}

int newest_take(struct newest *newest, unsigned *searches, bool *ret_has, struct scan_entry *ret, size_t *ret_project,
                struct err *err) {
  bool is_ready = true;
  *ret_has = false;
  int result = open_projects(newest, searches, err);
  if (result != 0 || newest->opened < newest->query->projects_count || newest->heap_count == 0) return result;
  result = advance(newest, searches, &is_ready, err);
  if (result != 0 || !is_ready || newest->heap_count == 0) return result;
  size_t project = newest->heap[0];
  struct newest_place *place = &newest->places[project];
  *ret = place->entries[place->at++];
  *ret_project = project;
  *ret_has = true;
  if (place->at < place->count) sink(newest, 0);
  return 0;
}

bool newest_is_at_end(const struct newest *newest) {
  if (newest->opened < newest->query->projects_count) return false;
  if (newest->heap_count == 0) return true;
  const struct newest_place *place = &newest->places[newest->heap[0]];
  return newest->heap_count == 1 && place->at == place->count && place->is_last;
}
