/* The entries of several projects are merged with a heap of the projects' next entries. Each project has a few entries
 * at hand, and asks the ledger for more when it has none.
 *
 * Records are fastest to read in the order of the log, and must be passed in the order of time. So a batch of entries is
 * sorted by position, read, filtered, and what passes is copied and sorted back.
 *
 *   gather: entries of a batch  ──>  read: the records that pass  ──>  pass: to the visitor, one by one
 *
 * The list is behind `key`. While tasks of a batch wait for the visitor, that is the last one passed; when all have been
 * passed, the last entry of the batch.
 *
 * Task ids have an index of their own. The records of those that are asked for are gathered first, and replace the
 * entries of the projects (`found`), unless there are too many of them.
 */
#include "query/tasks.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/check.h"
#include "query/usage_copy.h"

#define BATCH_FIRST 64u      /* the first batch is small, because most pages are; later ones double */
#define ENTRIES_USUAL 256u   /* at hand for a project, if there are few projects */
#define TASK_ID_SEARCHES 4u  /* a search for a task id counts as so many others: it may pass over a whole delta */

/* A project's place in the list. */
struct place {
  struct scan_entry *entries; /* `room` of them */
  uint32_t at, count;
  bool is_last; /* the ledger has no more behind these */
};

struct found {
  struct scan_entry *items; /* sorted when all are gathered */
  size_t *projects;         /* of each item */
  size_t count, cap, at;
  size_t pair;     /* the next pair of a project and a task id to ask for */
  uint64_t behind; /* in the middle of a pair: the history goes on behind this position */
  bool is_used;
};

struct gathered {
  struct scan_entry entry;
  size_t project;
};

struct passed {
  struct usage usage;
  struct scan_key key;
  size_t project;
  enum task_status status;
};

struct tasks {
  struct ledger *ledger;
  struct tasks_query query;
  unsigned kinds; /* SCAN_KIND bits */
  bool has_key;
  struct scan_key key;
  uint64_t looked_at;
  /* The merge. */
  struct place *places; /* of each project */
  struct scan_entry *entries;
  size_t room;
  size_t *heap; /* indices of places with an entry at hand; the latest is first */
  size_t heap_count, opened; /* `opened` projects have been asked for their first entries */
  struct found found;
  /* The batch. */
  struct gathered batch[TASKS_BATCH];
  size_t batch_count, batch_size;
  struct scan_key batch_end;
  struct passed *waiting; /* TASKS_BATCH */
  size_t waiting_at, waiting_count;
  struct arena *texts;
  /* Of one call. */
  size_t searches, step_looked_at;
};
_Static_assert(TASKS_BATCH * USAGE_COPY_MAX + TASKS_BATCH * (sizeof(struct passed) + sizeof(struct gathered)) +
                       TASKS_FOUND_MAX * (sizeof(struct scan_entry) + sizeof(size_t)) <=
                   TASKS_MEMORY_MAX,
               "a list by task id");
_Static_assert(TASKS_BATCH * USAGE_COPY_MAX + TASKS_BATCH * (sizeof(struct passed) + sizeof(struct gathered)) +
                       TASKS_ENTRIES_MAX * sizeof(struct scan_entry) <=
                   TASKS_MEMORY_MAX,
               "a list by time");

/* ---- statuses ---- */

static const struct {
  enum task_status status;
  const char *name;
} statuses[] = {
    {TASK_FINISHED, "finished"},
    {TASK_FAILED, "failed"},
    {TASK_VOIDED, "voided"},
    {TASK_UNRESOLVED, "unresolved"},
};

const char *task_status_name(enum task_status status) {
  for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
    if (statuses[i].status == status) return statuses[i].name;
  }
  CHECK(!"one status");
  return "";
}

enum task_status task_status_of(const struct usage *usage, bool is_voided) {
  CHECK(usage->kind != USAGE_VOID);
  if (usage->kind == USAGE_UNRESOLVED) return TASK_UNRESOLVED;
  if (is_voided) return TASK_VOIDED;
  return usage->outcome == USAGE_FAILED ? TASK_FAILED : TASK_FINISHED;
}

/* ---- making ---- */

static bool names_kind(const struct filter *filter) {
  for (size_t i = 0; i < filter->count; i++) {
    if (filter->values[i].ref.dim == DIM_KIND) return true;
  }
  return false;
}

static unsigned kinds_of(const struct tasks_query *query) {
  unsigned asked = 0;
  bool takes_unresolved = (query->statuses & TASK_UNRESOLVED) != 0 && !names_kind(query->filter);
  if ((query->statuses & (TASK_FINISHED | TASK_FAILED | TASK_VOIDED)) != 0) asked |= filter_kinds(query->filter) & SCAN_TASKS;
  if (takes_unresolved) asked |= SCAN_KIND(USAGE_UNRESOLVED);
  return asked;
}

static size_t room_of(size_t projects) {
  size_t room = projects > 0 ? TASKS_ENTRIES_MAX / projects : 1;
  return room > ENTRIES_USUAL ? ENTRIES_USUAL : room < 1 ? 1 : room;
}

static bool make_room(struct tasks *tasks) {
  size_t projects = tasks->query.projects_count;
  tasks->room = room_of(projects);
  tasks->places = calloc(projects + 1, sizeof *tasks->places);
  tasks->heap = calloc(projects + 1, sizeof *tasks->heap);
  tasks->entries = calloc(projects * tasks->room + 1, sizeof *tasks->entries);
  tasks->waiting = calloc(TASKS_BATCH, sizeof *tasks->waiting);
  tasks->texts = arena_new((size_t)TASKS_BATCH * USAGE_COPY_MAX);
  if (tasks->places == NULL || tasks->heap == NULL || tasks->entries == NULL || tasks->waiting == NULL) return false;
  for (size_t i = 0; i < projects; i++)
    tasks->places[i].entries = tasks->entries + i * tasks->room;
  return tasks->texts != NULL;
}

int tasks_new(struct ledger *ledger, const struct tasks_query *query, struct tasks **ret, struct err *err) {
  CHECK(query->statuses != 0 && query->task_ids_count <= TASKS_TASK_IDS_MAX);
  SCOPED(tasks_free_ref) struct tasks *tasks = calloc(1, sizeof *tasks);
  if (tasks == NULL) return err_set(err, ERR_MEMORY, "no memory for a list of tasks");
  tasks->ledger = ledger;
  tasks->query = *query;
  tasks->kinds = kinds_of(query);
  tasks->has_key = query->has_behind;
  tasks->key = query->behind;
  tasks->batch_size = BATCH_FIRST;
  tasks->found.is_used = query->task_ids_count > 0;
  if (!make_room(tasks)) return err_set(err, ERR_MEMORY, "no memory for a list of tasks");
  *ret = MOVE(tasks);
  return 0;
}

void tasks_free(struct tasks *tasks) {
  if (tasks == NULL) return;
  free(tasks->places);
  free(tasks->heap);
  free(tasks->entries);
  free(tasks->found.items);
  free(tasks->found.projects);
  free(tasks->waiting);
  if (tasks->texts != NULL) arena_free(tasks->texts);
  free(tasks);
}

bool tasks_key(const struct tasks *tasks, struct scan_key *ret) {
  if (tasks->has_key) *ret = tasks->key;
  return tasks->has_key;
}

uint64_t tasks_looked_at(const struct tasks *tasks) { return tasks->looked_at; }

/* ---- order ---- */

/* True if a comes before b: it is later. */
static bool is_before(const struct scan_key *a, const struct scan_key *b) {
  return a->finished_ms != b->finished_ms ? a->finished_ms > b->finished_ms : a->position > b->position;
}

static int compare_keys(const struct scan_key *a, const struct scan_key *b) {
  return is_before(a, b) ? -1 : is_before(b, a) ? 1 : 0;
}

static int by_key(const void *a, const void *b) {
  return compare_keys(&((const struct passed *)a)->key, &((const struct passed *)b)->key);
}

static int by_position(const void *a, const void *b) {
  uint64_t x = ((const struct gathered *)a)->entry.key.position, y = ((const struct gathered *)b)->entry.key.position;
  return x < y ? -1 : x > y;
}

/* ---- the merge by time ---- */

static const struct scan_key *next_key(const struct tasks *tasks, size_t project) {
  const struct place *place = &tasks->places[project];
  CHECK(place->at < place->count);
  return &place->entries[place->at].key;
}

static bool is_earlier_in_heap(const struct tasks *tasks, size_t a, size_t b) {
  return is_before(next_key(tasks, tasks->heap[a]), next_key(tasks, tasks->heap[b]));
}

static void swap_in_heap(struct tasks *tasks, size_t a, size_t b) {
  size_t moved = tasks->heap[a];
  tasks->heap[a] = tasks->heap[b];
  tasks->heap[b] = moved;
}

static void sink(struct tasks *tasks, size_t at) {
  for (;;) {
    size_t left = 2 * at + 1, first = at;
    if (left < tasks->heap_count && is_earlier_in_heap(tasks, left, first)) first = left;
    if (left + 1 < tasks->heap_count && is_earlier_in_heap(tasks, left + 1, first)) first = left + 1;
    if (first == at) return;
    swap_in_heap(tasks, at, first);
    at = first;
  }
}

static void push(struct tasks *tasks, size_t project) {
  size_t at = tasks->heap_count++;
  tasks->heap[at] = project;
  for (; at > 0 && is_earlier_in_heap(tasks, at, (at - 1) / 2); at = (at - 1) / 2)
    swap_in_heap(tasks, at, (at - 1) / 2);
}

/* Asks the ledger for the entries of a project behind those that it had, or behind the list's key. */
static int ask(struct tasks *tasks, size_t project, struct err *err) {
  struct place *place = &tasks->places[project];
  bool had = place->count > 0;
  size_t count = 0;
  const struct tasks_project *of = &tasks->query.projects[project];
  const struct scan_query query = {
      .project = of->number,
      .kinds = tasks->kinds,
      .from_ms = of->from_ms,
      .to_ms = of->to_ms,
      .as_of = tasks->query.as_of,
      .descending = true,
      .has_behind = had || tasks->has_key,
      .behind = had ? place->entries[place->count - 1].key : tasks->key,
  };
  CHECK(place->at == place->count && !place->is_last);
  tasks->searches++;
  int result = ledger_scan_entries(tasks->ledger, &query, place->entries, tasks->room, &count, err);
  if (result != 0) return result;
  place->at = 0;
  place->count = (uint32_t)count;
  place->is_last = count < tasks->room;
  return 0;
}

static bool may_search(const struct tasks *tasks) { return tasks->searches < TASKS_STEP_SEARCHES; }

/* Asks each project for its first entries. The list's key does not move before all have been asked. */
static int open_projects(struct tasks *tasks, struct err *err) {
  while (tasks->opened < tasks->query.projects_count && may_search(tasks)) {
    size_t project = tasks->opened;
    int result = ask(tasks, project, err);
    if (result != 0) return result;
    tasks->opened++;
    if (tasks->places[project].count > 0) push(tasks, project);
  }
  return 0;
}

/* Brings the first of the heap forward: its entry was taken. False: it must ask the ledger, and may not in this call. */
static int advance(struct tasks *tasks, bool *ret_goes_on, struct err *err) {
  struct place *place = &tasks->places[tasks->heap[0]];
  *ret_goes_on = true;
  if (place->at == place->count && !place->is_last) {
    *ret_goes_on = may_search(tasks);
    int result = *ret_goes_on ? ask(tasks, tasks->heap[0], err) : 0;
    if (result != 0 || !*ret_goes_on) return result;
  }
  if (place->at == place->count) {
    swap_in_heap(tasks, 0, --tasks->heap_count);
  }
  sink(tasks, 0);
  return 0;
}

static void gather(struct tasks *tasks, const struct scan_entry *entry, size_t project) {
  tasks->batch[tasks->batch_count++] = (struct gathered){.entry = *entry, .project = project};
  tasks->batch_end = entry->key;
}

static int gather_by_time(struct tasks *tasks, struct err *err) {
  int result = open_projects(tasks, err);
  if (result != 0 || tasks->opened < tasks->query.projects_count) return result;
  while (tasks->batch_count < tasks->batch_size && tasks->heap_count > 0) {
    size_t project = tasks->heap[0];
    struct place *place = &tasks->places[project];
    bool goes_on = true;
    if (place->at < place->count) gather(tasks, &place->entries[place->at++], project);
    result = advance(tasks, &goes_on, err);
    if (result != 0 || !goes_on) return result;
  }
  return 0;
}

/* ---- by task id ---- */

struct finding {
  struct tasks *tasks;
  size_t project;
};

static bool grow_found(struct found *found) {
  size_t cap = found->cap == 0 ? 64 : found->cap * 2;
  struct scan_entry *items = reallocarray(found->items, cap, sizeof *items);
  if (items != NULL) found->items = items;
  size_t *projects = reallocarray(found->projects, cap, sizeof *projects);
  if (projects != NULL) found->projects = projects;
  if (items == NULL || projects == NULL) return false;
  found->cap = cap;
  return true;
}

static bool is_asked_for(const struct tasks *tasks, size_t project, const struct scan_entry *entry) {
  const struct tasks_project *of = &tasks->query.projects[project];
  int64_t time = entry->key.finished_ms;
  return (tasks->kinds & SCAN_KIND(entry->kind)) != 0 && time >= of->from_ms && (time < of->to_ms || of->to_ms == INT64_MAX) &&
         (!tasks->has_key || is_before(&tasks->key, &entry->key));
}

static int add_found(void *arg, const struct ledger_history_item *item, struct err *err) {
  const struct finding *finding = arg;
  struct found *found = &finding->tasks->found;
  const struct scan_entry entry = {.key = {item->usage->finished_ms, item->position}, .kind = item->usage->kind};
  if (!is_asked_for(finding->tasks, finding->project, &entry)) return 0;
  if (found->count == TASKS_FOUND_MAX) return -ERR_LIMIT;
  if (found->count == found->cap && !grow_found(found)) return err_set(err, ERR_MEMORY, "no memory for a list of tasks");
  found->items[found->count] = entry;
  found->projects[found->count++] = finding->project;
  return 0;
}

struct ranked {
  struct scan_entry entry;
  size_t project;
};

static int by_rank(const void *a, const void *b) {
  return compare_keys(&((const struct ranked *)a)->entry.key, &((const struct ranked *)b)->entry.key);
}

static int sort_found(struct found *found, struct err *err) {
  SCOPED_MALLOC struct ranked *ranked = calloc(found->count + 1, sizeof *ranked);
  if (ranked == NULL) return err_set(err, ERR_MEMORY, "no memory for a list of tasks");
  for (size_t i = 0; i < found->count; i++)
    ranked[i] = (struct ranked){found->items[i], found->projects[i]};
  if (found->count > 0) qsort(ranked, found->count, sizeof *ranked, by_rank);
  for (size_t i = 0; i < found->count; i++) {
    found->items[i] = ranked[i].entry;
    found->projects[i] = ranked[i].project;
  }
  return 0;
}

static size_t pairs_of(const struct tasks *tasks) { return tasks->query.projects_count * tasks->query.task_ids_count; }

/* Asks for a part of the records of one pair. */
static int find_pair(struct tasks *tasks, struct scan_reader *reader, struct err *err) {
  struct found *found = &tasks->found;
  struct finding finding = {.tasks = tasks, .project = found->pair / tasks->query.task_ids_count};
  const struct ledger_history_query query = {
      .project = tasks->query.projects[finding.project].id,
      .task_id = tasks->query.task_ids[found->pair % tasks->query.task_ids_count],
      .as_of = tasks->query.as_of,
      .behind = found->behind,
      .max = LEDGER_HISTORY_MAX,
  };
  tasks->searches += TASK_ID_SEARCHES;
  int result = ledger_history(reader, &query, add_found, &finding, &found->behind, err);
  if (result == 0 && found->behind == 0) found->pair++;
  return result;
}

/* Too many records: gives them up, and looks at all tasks by time. */
static void give_up(struct found *found) {
  free(found->items);
  free(found->projects);
  *found = (struct found){.is_used = false};
}

static int find_all(struct tasks *tasks, struct scan_reader *reader, struct err *err) {
  struct found *found = &tasks->found;
  int result = 0;
  while (found->pair < pairs_of(tasks) && may_search(tasks) && result == 0) {
    result = find_pair(tasks, reader, err);
    if (result == 0 && found->pair == pairs_of(tasks)) result = sort_found(found, err);
  }
  if (result != -ERR_LIMIT) return result;
  give_up(found);
  return 0;
}

static int gather_found(struct tasks *tasks, struct scan_reader *reader, struct err *err) {
  struct found *found = &tasks->found;
  int result = find_all(tasks, reader, err);
  if (result != 0 || !found->is_used || found->pair < pairs_of(tasks)) return result;
  for (; tasks->batch_count < tasks->batch_size && found->at < found->count; found->at++)
    gather(tasks, &found->items[found->at], found->projects[found->at]);
  return 0;
}

/* ---- records ---- */

static bool has_task_id(const struct tasks *tasks, const struct usage *usage) {
  struct str task_id = usage->task_id.len > 0 ? usage->task_id : usage->id;
  for (size_t i = 0; i < tasks->query.task_ids_count; i++) {
    if (str_equal(tasks->query.task_ids[i], task_id)) return true;
  }
  return tasks->query.task_ids_count == 0;
}

/* To a filter that names no kind, an unresolved output is like a failed transcode: it has measures, and no tier. */
static bool passes_filter(const struct tasks *tasks, const struct usage *usage) {
  if (!has_task_id(tasks, usage)) return false;
  if (usage->kind != USAGE_UNRESOLVED) return filter_passes(tasks->query.filter, usage);
  struct usage as_task = *usage;
  as_task.kind = USAGE_TRANSCODE;
  as_task.outcome = USAGE_FAILED;
  return filter_passes(tasks->query.filter, &as_task);
}

/* False: the status is not among those asked for, or the output waits no more. */
static int find_status(const struct tasks *tasks, struct scan_reader *reader, const struct usage *usage, bool *ret_passes,
                       enum task_status *ret, struct err *err) {
  uint64_t other = 0;
  if (usage->kind == USAGE_UNRESOLVED) {
    int result = scan_resolution(reader, usage, tasks->query.as_of, &other, err);
    *ret_passes = other == 0;
    *ret = TASK_UNRESOLVED;
    return result;
  }
  *ret_passes = (tasks->query.statuses & (TASK_VOIDED | task_status_of(usage, false))) != 0;
  int result = *ret_passes ? scan_void(reader, usage, tasks->query.as_of, &other, err) : 0;
  *ret = task_status_of(usage, other != 0);
  *ret_passes = *ret_passes && (tasks->query.statuses & *ret) != 0;
  return result;
}

static int read_one(struct tasks *tasks, struct scan_reader *reader, const struct gathered *gathered, struct err *err) {
  const struct usage *usage;
  enum task_status status;
  bool passes = false;
  int result = scan_record(reader, gathered->entry.key.position, &usage, err);
  if (result != 0 || !passes_filter(tasks, usage)) return result;
  result = find_status(tasks, reader, usage, &passes, &status, err);
  if (result != 0 || !passes) return result;
  struct passed *passed = &tasks->waiting[tasks->waiting_count];
  *passed = (struct passed){.key = gathered->entry.key, .project = gathered->project, .status = status};
  if (!usage_copy(tasks->texts, usage, &passed->usage)) return err_set(err, ERR_MEMORY, "no memory for a list of tasks");
  tasks->waiting_count++;
  return 0;
}

static int read_batch(struct tasks *tasks, struct scan_reader *reader, struct err *err) {
  int result = 0;
  qsort(tasks->batch, tasks->batch_count, sizeof *tasks->batch, by_position);
  for (size_t i = 0; i < tasks->batch_count && result == 0; i++)
    result = read_one(tasks, reader, &tasks->batch[i], err);
  if (tasks->waiting_count > 0) qsort(tasks->waiting, tasks->waiting_count, sizeof *tasks->waiting, by_key);
  tasks->looked_at += tasks->batch_count;
  tasks->step_looked_at += tasks->batch_count;
  return result;
}

/* ---- the walk ---- */

/* Passes what waits. False: the visitor wants no more. */
static bool pass(struct tasks *tasks, tasks_visit visit, void *arg) {
  while (tasks->waiting_at < tasks->waiting_count) {
    const struct passed *passed = &tasks->waiting[tasks->waiting_at++];
    const struct tasks_item item = {
        .usage = &passed->usage, .project = passed->project, .position = passed->key.position, .status = passed->status};
    bool wants_more = visit(arg, &item);
    tasks->key = passed->key;
    tasks->has_key = true;
    if (tasks->waiting_at == tasks->waiting_count) tasks->key = tasks->batch_end;
    if (!wants_more) return false;
  }
  return true;
}

bool tasks_is_at_end(const struct tasks *tasks) {
  if (tasks->kinds == 0) return true;
  if (tasks->waiting_at < tasks->waiting_count) return false;
  if (tasks->found.is_used) return tasks->found.pair == pairs_of(tasks) && tasks->found.at == tasks->found.count;
  return tasks->opened == tasks->query.projects_count && tasks->heap_count == 0;
}

/* Gathers and reads a batch. It may stay empty: the call has done its share of searches. */
static int next_batch(struct tasks *tasks, struct scan_reader *reader, struct err *err) {
  tasks->batch_count = tasks->waiting_at = tasks->waiting_count = 0;
  arena_reset(tasks->texts);
  int result = tasks->found.is_used ? gather_found(tasks, reader, err) : 0;
  if (result == 0 && !tasks->found.is_used) result = gather_by_time(tasks, err);
  if (result != 0 || tasks->batch_count == 0) return result;
  result = read_batch(tasks, reader, err);
  if (result != 0) return result;
  if (tasks->batch_size < TASKS_BATCH) tasks->batch_size *= 2;
  if (tasks->waiting_count > 0) return 0;
  tasks->key = tasks->batch_end;
  tasks->has_key = true;
  return 0;
}

int tasks_next(struct tasks *tasks, tasks_visit visit, void *arg, bool *ret_is_end, struct err *err) {
  SCOPED(scan_reader_free_ref) struct scan_reader *reader = NULL;
  tasks->searches = tasks->step_looked_at = 0;
  *ret_is_end = false;
  for (;;) {
    if (!pass(tasks, visit, arg)) return 0;
    *ret_is_end = tasks_is_at_end(tasks);
    if (*ret_is_end || !may_search(tasks) || tasks->step_looked_at >= TASKS_STEP_RECORDS) return 0;
    int result = reader == NULL ? scan_reader_new(tasks->ledger, &reader, err) : 0;
    if (result == 0) result = next_batch(tasks, reader, err);
    if (result != 0) return result;
  }
}
