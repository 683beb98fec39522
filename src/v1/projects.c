/* GET /v1/projects: the projects that the token may read. The ids are kept for the whole answer, 65 bytes each;
 * everything else is read when its row is written. */
#include <stdlib.h>

#include "base/check.h"
#include "ledger/scan.h"
#include "v1/examples.h"
#include "v1/param_common.h"
#include "v1/resource.h"
#include "v1/times.h"

/* In a piece. The span of each costs a search in every run; a row has 2.2 KB at most, in JSON with everything
 * escaped. */
#define PIECE_PROJECTS 50

struct listing {
  const struct v1_request *request;
  uint64_t position;
  char (*ids)[PROJECT_ID_MAX + 1];
  size_t count, next;
};

static const struct v1_param params[] = {V1_PARAM_PROJECT, V1_PARAM_AS_OF, {0}};

static const struct v1_column columns[] = {
    {"id", "text", {"the project's id", "项目 ID"}},
    {"name", "text", {"its name", "项目名称"}},
    {"time_zone", "text", {"the time zone of its days", "项目的时区，按它分天"}},
    {"labels",
     "list",
     {"the labels that it declares; usage can be grouped by them", "项目声明的标签名，用量可以按它们分组"}},
    {"first_usage",
     "time?",
     {"the earliest finish time of its tasks, also of failed and voided ones, as local time with its offset; null if "
      "it has none",
      "最早的任务完成时间（含失败和已作废的任务），为带偏移量的当地时间；没有任务则为 null"}},
    {"last_usage",
     "time?",
     {"the latest finish time, likewise", "最晚的任务完成时间，写法相同"}},
    {0},
};

static int open_list(const struct v1_request *request, struct v1_answer *answer, struct v1_problem *problem) {
  SCOPED_MALLOC struct project *projects = NULL;
  size_t count;
  int status = v1_request_projects(request, &projects, &count, problem);
  if (status != 0) return status;
  struct listing *listing = calloc(1, sizeof *listing);
  answer->state = listing;
  bool has_room = v1_hold(answer, count * sizeof *listing->ids);
  if (listing != NULL && has_room) listing->ids = calloc(count + 1, sizeof *listing->ids);
  if (listing == NULL || listing->ids == NULL)
    return v1_refuse(problem, 503, "the server has no memory now: ask again later");
  for (size_t i = 0; i < count; i++) memcpy(listing->ids[i], projects[i].id, sizeof listing->ids[i]);
  listing->request = request;
  listing->position = answer->position;
  listing->count = count;
  answer->is_fixed = request->has_as_of;
  for (const struct v1_column *column = columns; column->name != NULL; column++)
    v1_rows_column(&answer->rows, column->name);
  return 0;
}

/* -ERR_NOT_FOUND: it did not exist then. */
static int find_project(const struct listing *listing, const char *id, struct project *ret, struct err *err) {
  struct ledger *ledger = listing->request->ledger;
  if (listing->request->has_as_of) return ledger_project_as_of(ledger, str_of(id), listing->position, ret, err);
  return catalogue_project(ledger_catalogue(ledger), str_of(id), ret) ? 0 : -ERR_NOT_FOUND;
}

static void put_time(struct v1_rows *rows, bool is_known, int64_t ms, const struct zone *zone) {
  char text[V1_LOCAL_SIZE];
  if (!is_known) {
    v1_cell_null(rows);
    return;
  }
  v1_time_local(ms, zone, text);
  v1_cell_text(rows, str_of(text));
}

static int put_project(const struct listing *listing, const struct project *project, struct v1_rows *rows,
                       struct err *err) {
  const struct zone *zone;
  struct str labels[PROJECT_LABELS_MAX];
  bool has_usage;
  int64_t first_ms = 0, last_ms = 0;
  int result = zone_find(str_of(project->zone), &zone, err);
  if (result == 0)
    result = ledger_project_span(listing->request->ledger, project->number, listing->position, &has_usage, &first_ms,
                                 &last_ms, err);
  if (result != 0) return result == -ERR_RANGE ? err_set(err, ERR_MISSING, "%s", err->text) : result;
  for (size_t i = 0; i < project->labels_count; i++) labels[i] = str_of(project->labels[i]);
  v1_row_begin(rows);
  v1_cell_text(rows, str_of(project->id));
  v1_cell_text(rows, str_of(project->name));
  v1_cell_text(rows, str_of(project->zone));
  v1_cell_list(rows, labels, project->labels_count);
  put_time(rows, has_usage, first_ms, zone);
  put_time(rows, has_usage, last_ms, zone);
  v1_row_end(rows);
  return 0;
}

static enum v1_next next_projects(void *state, struct v1_rows *rows, struct err *err) {
  struct listing *listing = state;
  for (size_t i = 0; i < PIECE_PROJECTS && listing->next < listing->count; i++) {
    struct project project;
    int result = find_project(listing, listing->ids[listing->next++], &project, err);
    if (result == -ERR_NOT_FOUND) continue;
    if (result == 0) result = put_project(listing, &project, rows, err);
    if (result != 0) return V1_FAILED;
  }
  return listing->next < listing->count ? V1_MORE : V1_DONE;
}

static void free_list(void *state) {
  struct listing *listing = state;
  if (listing == NULL) return;
  free(listing->ids);
  free(listing);
}

const struct v1_resource v1_resource_projects = {
    .name = "projects",
    .path = "/v1/projects",
    .shape = V1_LIST,
    .formats = V1_FORMATS,
    .params = params,
    .columns = columns,
    .answer_example = v1_example_projects,
    .help = {"the projects that the token may read, in the order of their ids", "令牌可读的项目，按 ID 排序"},
    .open = open_list,
    .next = next_projects,
    .free = free_list,
};
