/* Records are fastest to read in the order of the log, and must be passed in the order of time. So a batch of entries
 * is sorted by position, read, filtered, and what matches is sorted back. The fewer records match, the larger the
 * next batch is, because the records of a large batch share blocks of the log.
 *
 *   gather: entries of a batch  ──>  match: read them, keep those that match  ──>  pass: to the visitor, one by one
 *
 * Only TASKS_COPIES records are kept whole. If more of a large batch match, they are read again, so many at a time,
 * when the visitor comes to them.
 *
 * The list is behind `key`. While tasks of a batch wait for the visitor, that is the last one passed; when all have
 * been passed, the last entry of the batch.
 *
 * Task ids have an index of their own. The records of those that are asked for are gathered first, and take the place
 * of the projects' entries by time (query/newest.h), unless there are too many of them.
 */
#include "query/tasks.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/check.h"
#include "base/vector.h"
#include "query/newest.h"
#include "query/usage_copy.h"

#define BATCH_FIRST 64u     /* the first batch is small, because most pages are */
#define FOUND_FIRST 64u     /* records that the first memory for them holds */
#define FEW 8u              /* a batch of which less than one in so many matches is followed by a larger one */
#define TASK_ID_SEARCHES 4u /* a search for a task id counts as so many others: it may pass over a whole delta */

struct gathered {
  struct scan_entry entry;
  size_t project;
};

struct found {
  VECTOR(struct gathered); /* sorted when all are there */
  size_t at;
  size_t pair;     /* the next pair of a project and a task id to ask for */
  uint64_t behind; /* in the middle of a pair: the history goes on behind this position */
  bool is_used;
};

/* A task that waits for the visitor. */
struct matched {
  struct scan_key key;
  size_t project;
  enum task_status status;
  uint32_t copy; /* index in `copies`; NO_COPY: it must be read again */
};
#define NO_COPY UINT32_MAX

struct tasks {
  struct ledger *ledger;
  struct tasks_query query;
  unsigned kinds; /* SCAN_KIND bits */
  bool has_key;
  struct scan_key key;
  uint64_t looked_at;
  uint64_t claimed; /* of the budget */
  struct newest newest;
  struct found found;
  /* The batch. */
  struct gathered batch[TASKS_BATCH];
  size_t batch_count, batch_size;
  struct scan_key batch_end;
  struct matched matched[TASKS_BATCH]; /* in the order of time */
  size_t matched_at, matched_count;
  struct usage copies[TASKS_COPIES];
  uint32_t copies_count;
  struct arena *texts; /* of the copies */
  /* Of one call. */
  struct scan_reader *reader;
  unsigned searches;
  size_t step_looked_at;
};
#define COPIES_SIZE (TASKS_COPIES * USAGE_COPY_MAX)
_Static_assert(sizeof(struct tasks) + COPIES_SIZE + TASKS_FOUND_MAX * (sizeof(struct scan_entry) + sizeof(size_t)) <=
                   TASKS_MEMORY_MAX,
               "a list by task id");
_Static_assert(sizeof(struct tasks) + COPIES_SIZE + TASKS_ENTRIES_MAX * sizeof(struct scan_entry) <= TASKS_MEMORY_MAX,
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

/* ---- memory ---- */

static size_t texts_bytes(const struct tasks *tasks) {
  return 2 * arena_used(tasks->texts); /* its chunks double */
}

/* Claims memory for the list with so many found records and bytes of texts. */
static bool claim(struct tasks *tasks, size_t found, size_t texts) {
  size_t bytes = sizeof *tasks + newest_bytes(tasks->query.projects_count) + texts +
                 found * sizeof *tasks->found.items;
  return tasks->query.budget == NULL || budget_claim(tasks->query.budget, tasks->query.owner, &tasks->claimed, bytes);
}

static int refuse(struct err *err) {
  return err_set(err, ERR_BUSY, "no room in the budget of answers");
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
  if ((query->statuses & (TASK_FINISHED | TASK_FAILED | TASK_VOIDED)) != 0)
    asked |= filter_kinds(query->filter) & SCAN_TASKS;
  if (takes_unresolved) asked |= SCAN_KIND(USAGE_UNRESOLVED);
  return asked;
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
  if (!claim(tasks, 0, 0)) return refuse(err);
  tasks->texts = arena_new(COPIES_SIZE);
  bool is_open = newest_open(&tasks->newest, ledger, &tasks->query, tasks->kinds);
  if (!is_open || tasks->texts == NULL) return err_set(err, ERR_MEMORY, "no memory for a list of tasks");
  *ret = MOVE(tasks);
  return 0;
}

void tasks_free(struct tasks *tasks) {
  if (tasks == NULL) return;
  newest_fini(&tasks->newest);
  vector_fini(&tasks->found);
  if (tasks->texts != NULL) arena_free(tasks->texts);
  if (tasks->query.budget != NULL) budget_give_back(tasks->query.budget, tasks->query.owner, &tasks->claimed);
  free(tasks);
}

bool tasks_key(const struct tasks *tasks, struct scan_key *ret) {
  if (tasks->has_key) *ret = tasks->key;
  return tasks->has_key;
}

uint64_t tasks_looked_at(const struct tasks *tasks) { return tasks->looked_at; }

/* ---- order ---- */

static int by_key(const void *a, const void *b) {
  return newest_compare(&((const struct matched *)a)->key, &((const struct matched *)b)->key);
}

static int by_position(const void *a, const void *b) {
  uint64_t x = ((const struct gathered *)a)->entry.key.position, y = ((const struct gathered *)b)->entry.key.position;
  return x < y ? -1 : x > y;
}

/* ---- entries ---- */

static bool may_search(const struct tasks *tasks) { return tasks->searches < TASKS_STEP_SEARCHES; }

static void gather(struct tasks *tasks, const struct scan_entry *entry, size_t project) {
  tasks->batch[tasks->batch_count++] = (struct gathered){.entry = *entry, .project = project};
  tasks->batch_end = entry->key;
}

static int gather_by_time(struct tasks *tasks, struct err *err) {
  bool has = true;
  while (has && tasks->batch_count < tasks->batch_size) {
    struct scan_entry entry;
    size_t project;
    int result = newest_take(&tasks->newest, &tasks->searches, &has, &entry, &project, err);
    if (result != 0) return result;
    if (has) gather(tasks, &entry, project);
  }
  return 0;
}

/* ---- by task id ---- */

struct finding {
  struct tasks *tasks;
  size_t project;
};

static int expect_found(struct tasks *tasks, struct err *err) {
  struct found *found = &tasks->found;
  size_t more = found->cap == 0 ? FOUND_FIRST : 1;
  if (found->count < found->cap) return 0;
  if (!claim(tasks, vector_cap(found, more), 0)) return refuse(err);
  return vector_reserve(found, more) ? 0 : err_set(err, ERR_MEMORY, "no memory for a list of tasks");
}

static bool is_asked_for(const struct tasks *tasks, size_t project, const struct scan_entry *entry) {
  const struct tasks_project *of = &tasks->query.projects[project];
  int64_t time = entry->key.finished_ms;
  return (tasks->kinds & SCAN_KIND(entry->kind)) != 0 && time >= of->from_ms &&
         (time < of->to_ms || of->to_ms == INT64_MAX) &&
         (!tasks->has_key || newest_compare(&tasks->key, &entry->key) < 0);
}

static int add_found(void *arg, const struct ledger_history_item *item, struct err *err) {
  const struct finding *finding = arg;
  struct found *found = &finding->tasks->found;
  const struct scan_entry entry = {.key = {item->usage->finished_ms, item->position}, .kind = item->usage->kind};
  if (!is_asked_for(finding->tasks, finding->project, &entry)) return 0;
  if (found->count == TASKS_FOUND_MAX) return -ERR_LIMIT;
  int result = expect_found(finding->tasks, err);
  if (result == 0) *vector_must_add(found) = (struct gathered){entry, finding->project};
  return result;
}

static int by_rank(const void *a, const void *b) {
  return newest_compare(&((const struct gathered *)a)->entry.key, &((const struct gathered *)b)->entry.key);
}

static size_t pairs_of(const struct tasks *tasks) {
  return tasks->query.projects_count * tasks->query.task_ids_count;
}

/* Asks for a part of the records of one pair. */
static int find_pair(struct tasks *tasks, struct err *err) {
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
  int result = ledger_history(tasks->reader, &query, add_found, &finding, &found->behind, err);
  if (result == 0 && found->behind == 0) found->pair++;
  return result;
}

/* Too many records: gives them up, and looks at all tasks by time. */
static void give_up(struct found *found) {
  vector_fini(found);
  *found = (struct found){.is_used = false};
}

static int find_all(struct tasks *tasks, struct err *err) {
  struct found *found = &tasks->found;
  int result = 0;
  while (found->pair < pairs_of(tasks) && may_search(tasks) && result == 0) {
    result = find_pair(tasks, err);
    bool is_all = result == 0 && found->pair == pairs_of(tasks);
    if (is_all && found->count > 0) qsort(found->items, found->count, sizeof *found->items, by_rank);
  }
  if (result != -ERR_LIMIT) return result;
  give_up(found);
  return 0;
}

static int gather_found(struct tasks *tasks, struct err *err) {
  struct found *found = &tasks->found;
  int result = find_all(tasks, err);
  if (result != 0 || !found->is_used || found->pair < pairs_of(tasks)) return result;
  for (; tasks->batch_count < tasks->batch_size && found->at < found->count; found->at++)
    gather(tasks, &found->items[found->at].entry, found->items[found->at].project);
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
static int find_status(const struct tasks *tasks, const struct usage *usage, bool *ret_passes, enum task_status *ret,
                       struct err *err) {
  uint64_t other = 0;
  if (usage->kind == USAGE_UNRESOLVED) {
    int result = scan_resolution(tasks->reader, usage, tasks->query.as_of, &other, err);
    *ret_passes = other == 0;
    *ret = TASK_UNRESOLVED;
    return result;
  }
  *ret_passes = (tasks->query.statuses & (TASK_VOIDED | task_status_of(usage, false))) != 0;
  int result = *ret_passes ? scan_void(tasks->reader, usage, tasks->query.as_of, &other, err) : 0;
  *ret = task_status_of(usage, other != 0);
  *ret_passes = *ret_passes && (tasks->query.statuses & *ret) != 0;
  return result;
}

/* Keeps a record whole. Without room the match is kept alone. */
static int copy(struct tasks *tasks, const struct usage *usage, struct matched *matched, struct err *err) {
  matched->copy = NO_COPY;
  if (tasks->copies_count == TASKS_COPIES) return 0;
  if (!usage_copy(tasks->texts, usage, &tasks->copies[tasks->copies_count])) {
    return err_set(err, ERR_MEMORY, "no memory for a list of tasks");
  }
  matched->copy = tasks->copies_count++;
  return 0;
}

/* The derived files name the record by its position alone. If it is not the one that they mean, nothing of it is
 * shown: it could be another project's. */
static int check_record(const struct tasks *tasks, const struct gathered *gathered, const struct usage *usage,
                        struct err *err) {
  const struct scan_entry *entry = &gathered->entry;
  bool is_meant = usage->kind == entry->kind && usage->finished_ms == entry->key.finished_ms &&
                  str_equal(usage->project, tasks->query.projects[gathered->project].id);
  if (is_meant) return 0;
  return err_set(err, ERR_CORRUPT,
                 "the list of finish times leads to another record at position %" PRIu64
                 " of the log: stop the server and run `codecmeter rebuild`",
                 entry->key.position);
}

static int match(struct tasks *tasks, const struct gathered *gathered, struct err *err) {
  const struct usage *usage;
  enum task_status status;
  bool passes = false;
  int result = scan_record(tasks->reader, gathered->entry.key.position, &usage, err);
  if (result == 0) result = check_record(tasks, gathered, usage, err);
  if (result != 0 || !passes_filter(tasks, usage)) return result;
  result = find_status(tasks, usage, &passes, &status, err);
  if (result != 0 || !passes) return result;
  struct matched *matched = &tasks->matched[tasks->matched_count++];
  *matched = (struct matched){.key = gathered->entry.key, .project = gathered->project, .status = status};
  return copy(tasks, usage, matched, err);
}

static void drop_copies(struct tasks *tasks) {
  arena_reset(tasks->texts);
  tasks->copies_count = 0;
}

static void adapt_batch(struct tasks *tasks) {
  bool are_few = tasks->matched_count < tasks->batch_count / FEW;
  size_t most = are_few ? TASKS_BATCH : TASKS_COPIES;
  tasks->batch_size *= 2;
  if (tasks->batch_size > most) tasks->batch_size = most;
}

static int match_batch(struct tasks *tasks, struct err *err) {
  int result = 0;
  qsort(tasks->batch, tasks->batch_count, sizeof *tasks->batch, by_position);
  for (size_t i = 0; i < tasks->batch_count && result == 0; i++)
    result = match(tasks, &tasks->batch[i], err);
  if (tasks->matched_count > 0) qsort(tasks->matched, tasks->matched_count, sizeof *tasks->matched, by_key);
  tasks->looked_at += tasks->batch_count;
  tasks->step_looked_at += tasks->batch_count;
  adapt_batch(tasks);
  return result;
}

struct again {
  uint64_t position;
  size_t matched;
};

static int by_again(const void *a, const void *b) {
  uint64_t x = ((const struct again *)a)->position, y = ((const struct again *)b)->position;
  return x < y ? -1 : x > y;
}

/* Reads the next matches again, because not all of them could be kept whole. */
static int read_again(struct tasks *tasks, struct err *err) {
  struct again again[TASKS_COPIES];
  size_t left = tasks->matched_count - tasks->matched_at, count = left < TASKS_COPIES ? left : TASKS_COPIES;
  int result = 0;
  for (size_t i = 0; i < count; i++)
    again[i] = (struct again){tasks->matched[tasks->matched_at + i].key.position, tasks->matched_at + i};
  qsort(again, count, sizeof *again, by_again);
  drop_copies(tasks);
  for (size_t i = 0; i < count && result == 0; i++) {
    const struct usage *usage;
    result = scan_record(tasks->reader, again[i].position, &usage, err);
    if (result == 0) result = copy(tasks, usage, &tasks->matched[again[i].matched], err);
  }
  tasks->step_looked_at += count;
  for (size_t i = tasks->matched_at + count; i < tasks->matched_count; i++)
    tasks->matched[i].copy = NO_COPY;
  return result;
}

/* ---- the walk ---- */

static void pass_one(struct tasks *tasks, tasks_visit visit, void *arg, bool *ret_wants_more) {
  const struct matched *matched = &tasks->matched[tasks->matched_at++];
  const struct tasks_item item = {.usage = &tasks->copies[matched->copy],
                                  .project = matched->project,
                                  .position = matched->key.position,
                                  .status = matched->status};
  *ret_wants_more = visit(arg, &item);
  tasks->has_key = true;
  tasks->key = tasks->matched_at < tasks->matched_count ? matched->key : tasks->batch_end;
}

/* Passes what waits. *ret_wants_more is false if the visitor has enough. */
static int pass(struct tasks *tasks, tasks_visit visit, void *arg, bool *ret_wants_more, struct err *err) {
  *ret_wants_more = true;
  while (*ret_wants_more && tasks->matched_at < tasks->matched_count) {
    int result = tasks->matched[tasks->matched_at].copy == NO_COPY ? read_again(tasks, err) : 0;
    if (result != 0) return result;
    pass_one(tasks, visit, arg, ret_wants_more);
  }
  return 0;
}

bool tasks_is_at_end(const struct tasks *tasks) {
  if (tasks->kinds == 0) return true;
  if (tasks->matched_at < tasks->matched_count) return false;
  if (tasks->found.is_used) return tasks->found.pair == pairs_of(tasks) && tasks->found.at == tasks->found.count;
  return newest_is_at_end(&tasks->newest);
}

/* Gathers and reads a batch. It may stay empty: the call has done its share of searches. */
static int next_batch(struct tasks *tasks, struct err *err) {
  tasks->batch_count = tasks->matched_at = tasks->matched_count = 0;
  drop_copies(tasks);
  int result = tasks->found.is_used ? gather_found(tasks, err) : 0;
  if (result == 0 && !tasks->found.is_used) result = gather_by_time(tasks, err);
  if (result != 0 || tasks->batch_count == 0) return result;
  result = match_batch(tasks, err);
  if (result != 0 || tasks->matched_count > 0) return result;
  tasks->key = tasks->batch_end;
  tasks->has_key = true;
  return 0;
}

static int walk(struct tasks *tasks, tasks_visit visit, void *arg, bool *ret_is_end, struct err *err) {
  for (;;) {
    bool wants_more;
    int result = pass(tasks, visit, arg, &wants_more, err);
    if (result != 0 || !wants_more) return result;
    *ret_is_end = tasks_is_at_end(tasks);
    if (*ret_is_end || !may_search(tasks) || tasks->step_looked_at >= TASKS_STEP_RECORDS) return 0;
    result = next_batch(tasks, err);
    if (result != 0) return result;
  }
}

/* Between two calls the list keeps copies only if there is room for them. */
static void settle(struct tasks *tasks) {
  bool waits = tasks->matched_at < tasks->matched_count;
  if (waits && claim(tasks, tasks->found.cap, texts_bytes(tasks))) return;
  drop_copies(tasks);
  for (size_t i = tasks->matched_at; i < tasks->matched_count; i++)
    tasks->matched[i].copy = NO_COPY;
  bool is_less = claim(tasks, tasks->found.cap, 0);
  CHECK(is_less);
}

int tasks_next(struct tasks *tasks, tasks_visit visit, void *arg, bool *ret_is_end, struct err *err) {
  tasks->searches = 0;
  tasks->step_looked_at = 0;
  *ret_is_end = false;
  int result = scan_reader_new(tasks->ledger, &tasks->reader, err);
  if (result != 0) return result;
  result = walk(tasks, visit, arg, ret_is_end, err);
  settle(tasks);
  scan_reader_free(MOVE(tasks->reader));
  return result;
}
