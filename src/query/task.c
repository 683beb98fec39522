/* An identity has at most one unresolved record and one other, which is a task or a void (ledger/decide.c decides).
 */
#include "query/task.h"

#include "base/check.h"
#include "query/usage_copy.h"

_Static_assert(3 * USAGE_COPY_MAX <= TASK_STORY_ARENA_MAX, "three records");

struct finding {
  struct scan_reader *reader;
  struct arena *arena;
  struct task_story story;
};

static int keep(struct finding *finding, const struct usage *usage, uint64_t position, struct task_record *ret,
                struct err *err) {
  if (!usage_copy(finding->arena, usage, &ret->usage)) return err_set(err, ERR_MEMORY, "no memory for a task");
  ret->exists = true;
  ret->position = position;
  return 0;
}

static int visit(void *arg, const struct ledger_history_item *item, struct err *err) {
  struct finding *finding = arg;
  struct task_story *story = &finding->story;
  if (item->usage->kind == USAGE_UNRESOLVED) return keep(finding, item->usage, item->position, &story->waiting, err);
  int result = keep(finding, item->usage, item->position, &story->record, err);
  if (result != 0 || item->other == NULL || !usage_is_task(item->usage->kind)) return result;
  return keep(finding, item->other, item->other_position, &story->voiding, err);
}

/* Behind the walk, because it would spoil what the visitor borrows. */
static int date(struct finding *finding, struct task_record *record, struct err *err) {
  return record->exists ? scan_stored_ms(finding->reader, record->position, &record->stored_ms, err) : 0;
}

int task_find(struct ledger *ledger, struct str project, struct str source, struct str id, uint64_t as_of,
              struct arena *arena, struct task_story *ret, struct err *err) {
  SCOPED(scan_reader_free_ref) struct scan_reader *reader = NULL;
  int result = scan_reader_new(ledger, &reader, err);
  if (result != 0) return result;
  struct finding finding = {.reader = reader, .arena = arena};
  const struct ledger_history_query query = {
      .project = project, .source = source, .id = id, .as_of = as_of, .max = LEDGER_HISTORY_MAX};
  uint64_t more;
  result = ledger_history(reader, &query, visit, &finding, &more, err);
  if (result == 0) result = date(&finding, &finding.story.record, err);
  if (result == 0) result = date(&finding, &finding.story.voiding, err);
  if (result == 0) result = date(&finding, &finding.story.waiting, err);
  if (result != 0) return result;
  bool is_found = finding.story.record.exists || finding.story.waiting.exists;
  if (!is_found) return err_set(err, ERR_NOT_FOUND, "no task of this source and id is stored");
  *ret = finding.story;
  return 0;
}
