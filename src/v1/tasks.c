/* GET /v1/tasks: tasks, newest first.
 *
 * A page is fixed by its position, and so are the zones in which its days are counted: a cursor carries the position,
 * and everything else follows from it and from the request. JSON and ndjson with `limit` are pages; ndjson and CSV
 * without one are exports, which go on to the end, because a CSV file has no place for a cursor and must never be
 * short in silence.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "query/dims.h"
#include "query/explain.h"
#include "query/tasks.h"
#include "v1/cursor.h"
#include "v1/examples.h"
#include "v1/filters.h"
#include "v1/param_common.h"
#include "v1/resource.h"
#include "v1/times.h"

#define LIMIT_USUAL 100
#define LIMIT_MAX 1000
/* A page ends early, with a cursor, when so many records were looked at: then a filter finds few. */
#define PAGE_RECORDS UINT64_C(200000)

struct list {
  const struct v1_request *request;
  struct filter filter;
  struct str task_ids[TASKS_TASK_IDS_MAX];
  size_t task_ids_count;
  unsigned statuses;
  struct project *projects; /* malloc'd */
  struct tasks_project *asked;
  const struct zone **zones; /* of each project asked for */
  size_t count;
  uint64_t as_of;
  uint64_t limit; /* of rows; 0: none */
  bool is_page;   /* may end early */
  bool has_behind;
  struct scan_key behind;
  struct tasks *tasks;
  uint64_t rows;
};

/* ---- the tables ---- */

/* clang-format off */

static const struct v1_param params[] = {
    V1_PARAM_PROJECT,
    V1_PARAM_FROM("the first task", "最早的任务"),
    V1_PARAM_TO("up to the last task", "直到最后的任务"),
    V1_PARAM_MONTH,
    V1_PARAM_ZONE,
    V1_PARAMS_FILTERS,
    {.name = "task_id",
     .type = V1_TEXT,
     .repeats = true,
     .least = 1,
     .most = TASK_ID_MAX,
     .example = "job-4711",
     .help = {"only tasks of this task id. A task whose report gave none has its 'id' as task id. May be given 16 times",
              "只要这个任务编号的任务；上报时没有给出编号的，任务编号就是它的 id。最多给出 16 次"}},
    {.name = "status",
     .type = V1_CHOICE,
     .choices = "finished failed voided unresolved all",
     .preset = "finished",
     .example = "all",
     .help = {"finished: the tasks that count; failed: those that count nothing; voided: those that were taken off; "
              "unresolved: outputs that wait for a measure; all: every one of these",
              "finished：计量在内的任务；failed：失败的任务，不计量；voided：已被撤销的任务；unresolved：还缺数据、等待补全的输出；"
              "all：以上全部"}},
    V1_PARAM_AS_OF,
    {.name = "limit",
     .type = V1_INT,
     .least = 1,
     .most = LIMIT_MAX,
     .example = "100",
     .help = {"the most rows of one page. Absent: 100 in JSON, all rows in ndjson and CSV",
              "一页最多多少行。不给：JSON 为 100；ndjson 和 CSV 为全部"}},
    {.name = "cursor",
     .type = V1_TEXT,
     .least = 1,
     .most = V1_CURSOR_MAX,
     .example = "AQAAAAAAAB",
     .help = {"where the next page begins: next_cursor of the page before. The other parameters must be those of that "
              "request; 'limit' and 'format' may differ",
              "下一页从哪里开始：上一页的 next_cursor。除 limit 和 format 外，其他参数必须与上一次请求相同"}},
    {0},
};

/* In the order of `put_row`. */
static const struct v1_column columns[] = {
    {"project", "text", {"the project's id", "项目 ID"}},
    {"source", "text", {"who reported the task", "由谁上报"}},
    {"id", "text", {"the task, unique to the source", "任务的 id，在来源内唯一"}},
    {"task_id", "text", {"the task's id in lists: the same as 'id', unless the report gave another", "任务编号：上报时没有给出的，与 id 相同"}},
    {"kind", "text?", {"'transcode', 'remux', 'snapshot' or 'audio'; null: not known yet", "任务种类；null：尚不知道"}},
    {"status", "text", {"'finished', 'failed', 'voided' or 'unresolved'", "状态"}},
    {"finished", "time", {"when the task finished, in the zone", "完成时间（按该时区）"}},
    {"day", "text", {"the day that the task belongs to, in the zone", "任务所属的日期（按该时区）"}},
    {"codec", "text?", {"the codec's canonical name", "编码的标准名称"}},
    {"codec_reported", "text?", {"the codec as it was reported; null: the same as 'codec'", "上报时的编码名称；null：与 codec 相同"}},
    {"tier", "text?", {"'low', 'medium', 'high' or 'super'; null: only finished transcodes have a tier", "档位；只有完成的转码才有"}},
    {"resolution", "text?", {"WIDTHxHEIGHT in pixels", "分辨率"}},
    {"frame_rate", "text?", {"pictures a second, as a decimal; a fraction if no short decimal is exact", "帧率，小数；没有精确的短小数时为分数"}},
    {"seconds", "integer", {"seconds that the task counts; 0 unless it is finished", "计量的秒数；未计量的任务为 0"}},
    {"minutes", "integer", {"these seconds, rounded up to whole minutes", "计量的分钟数，向上取整"}},
    {"images", "integer", {"images that a snapshot task counts", "截图任务计量的图片数"}},
    {"duration_ms", "integer?", {"the duration that was reported, in milliseconds", "上报的时长（毫秒）"}},
    {"quality", "text?", {"as reported", "上报的质量"}},
    {"region", "text?", {"as reported", "上报的地域"}},
    {"passes", "integer?", {"passes of the encoder", "编码遍数"}},
    {"input_duration_ms", "integer?", {"the duration of the input, in milliseconds", "输入的时长（毫秒）"}},
    {"labels", "object", {"names and values; in CSV the object's text", "标签的名称和值；CSV 中为对象的文本"}},
    {"src_url", "text?", {"as reported", "上报的源地址"}},
    {"dest_name", "text?", {"as reported", "上报的目标文件名"}},
    {"dest_bucket", "text?", {"as reported", "上报的目标空间"}},
    {"format", "text?", {"the container, as reported", "上报的封装格式"}},
    {"created", "time?", {"when the task was made, in the zone, as reported", "任务的创建时间（上报的）"}},
    {"arrived", "time", {"when the report arrived, in the zone", "上报到达的时间"}},
    {"token", "text?", {"the id of the token that reported it; null: the record names none", "上报所用令牌的 id；null：记录里没有"}},
    {"position", "integer", {"where the record is in the log", "记录在日志中的位置"}},
    {0},
};
/* clang-format on */

/* ---- reading the request ---- */

static void read_statuses(struct list *list) {
  static const unsigned statuses[] = {TASK_FINISHED, TASK_FAILED, TASK_VOIDED, TASK_UNRESOLVED, TASK_STATUS_ALL};
  list->statuses = statuses[v1_number(&list->request->values, "status", 0)];
}

static int read_task_ids(struct list *list, struct v1_problem *problem) {
  const struct v1_values *values = &list->request->values;
  const struct v1_value *value = v1_value(values, "task_id");
  for (; value != NULL; value = v1_value_next(values, value)) {
    if (list->task_ids_count == TASKS_TASK_IDS_MAX) {
      return v1_refuse_param(problem, value->name, "may be given at most %u times", TASKS_TASK_IDS_MAX);
    }
    list->task_ids[list->task_ids_count++] = value->text;
  }
  return 0;
}

/* Pages have a limit. An export in ndjson or CSV has none; a CSV never ends early. */
static void read_limit(struct list *list) {
  const struct v1_request *request = list->request;
  list->limit = (uint64_t)v1_number(&request->values, "limit", request->format == V1_JSON ? LIMIT_USUAL : 0);
  list->is_page = list->limit > 0 && request->format != V1_CSV;
}

static bool is_of_query(struct str name) {
  return !str_equal(name, STR("cursor")) && !str_equal(name, STR("limit")) && !str_equal(name, STR("format"));
}

static size_t gather_params(const struct v1_request *request, struct cursor_param ret[CURSOR_PARAMS_MAX]) {
  size_t count = 0;
  _Static_assert(V1_VALUES_MAX <= CURSOR_PARAMS_MAX, "all values");
  for (size_t i = 0; i < request->values.count; i++) {
    const struct v1_value *value = &request->values.items[i];
    if (is_of_query(value->name)) ret[count++] = (struct cursor_param){value->name, value->text};
  }
  return count;
}

static int read_cursor(struct list *list, struct v1_problem *problem) {
  const struct v1_request *request = list->request;
  const struct v1_value *value = v1_value(&request->values, "cursor");
  struct cursor_param given[CURSOR_PARAMS_MAX];
  struct cursor cursor;
  struct err err = {0};
  if (value == NULL) return 0;
  size_t count = gather_params(request, given);
  int result = cursor_read(request->cursor_key, str_of(request->token.id), STR("tasks"), given, count, value->text,
                           &cursor, &err);
  if (result != 0) return v1_refuse_param(problem, value->name, "%s", err.text);
  if (cursor.as_of > ledger_position(request->ledger)) {
    return v1_refuse_param(
        problem, value->name,
        "the ledger no longer reaches the position of this cursor, so it was replaced: leave cursor "
        "out to begin with the first page");
  }
  list->as_of = cursor.as_of;
  list->has_behind = true;
  list->behind = (struct scan_key){.finished_ms = cursor.finished_ms, .position = cursor.position};
  return 0;
}

/* ---- projects and their zones ---- */

static const struct zone *zone_asked_for(const struct v1_request *request) {
  const struct v1_value *value = v1_value(&request->values, "zone");
  return value != NULL ? value->zone : NULL;
}

/* The zone that the project had at the position. *ret_exists is false if it did not exist then: no task is below. */
static int zone_of(const struct list *list, const struct project *project, bool *ret_exists, const struct zone **ret,
                   struct v1_problem *problem) {
  struct project then;
  struct err err = {0};
  *ret_exists = true;
  *ret = zone_asked_for(list->request);
  if (*ret != NULL) return 0;
  int result = ledger_project_as_of(list->request->ledger, str_of(project->id), list->as_of, &then, &err);
  *ret_exists = result != -ERR_NOT_FOUND;
  if (result == -ERR_NOT_FOUND) return 0;
  if (result == 0) result = zone_find(str_of(then.zone), ret, &err);
  return result == 0 ? 0 : v1_refuse_err(problem, result, "reading a project's zone", &err);
}

static int ask_for(struct list *list, const struct project *project, struct v1_problem *problem) {
  struct tasks_project *asked = &list->asked[list->count];
  struct v1_period period;
  bool exists;
  int status = zone_of(list, project, &exists, &list->zones[list->count], problem);
  if (status != 0 || !exists) return status;
  status = v1_period(&list->request->values, list->zones[list->count], &period, problem);
  if (status != 0) return status;
  *asked = (struct tasks_project){
      .number = project->number,
      .id = str_of(project->id),
      .from_ms = period.has_from ? period.from_ms : INT64_MIN,
      .to_ms = period.has_to ? period.to_ms : INT64_MAX,
  };
  list->count++;
  return 0;
}

static int open_projects(struct list *list, struct v1_problem *problem) {
  size_t count;
  int status = v1_request_projects(list->request, &list->projects, &count, problem);
  if (status != 0) return status;
  list->asked = calloc(count + 1, sizeof *list->asked);
  list->zones = calloc(count + 1, sizeof *list->zones);
  if (list->asked == NULL || list->zones == NULL) return v1_refuse_err(problem, -ERR_MEMORY, "listing tasks", NULL);
  for (size_t i = 0; i < count && status == 0; i++)
    status = ask_for(list, &list->projects[i], problem);
  return status;
}

static int open_tasks(struct list *list, struct v1_problem *problem) {
  struct err err = {0};
  const struct tasks_query query = {
      .projects = list->asked,
      .projects_count = list->count,
      .filter = &list->filter,
      .statuses = list->statuses,
      .task_ids = list->task_ids,
      .task_ids_count = list->task_ids_count,
      .as_of = list->as_of,
      .has_behind = list->has_behind,
      .behind = list->behind,
  };
  int result = tasks_new(list->request->ledger, &query, &list->tasks, &err);
  return result == 0 ? 0 : v1_refuse_err(problem, result, "listing tasks", &err);
}

static int open_list(const struct v1_request *request, struct v1_answer *answer, struct v1_problem *problem) {
  struct list *list = calloc(1, sizeof *list);
  if (list == NULL) return v1_refuse_err(problem, -ERR_MEMORY, "listing tasks", NULL);
  answer->state = list;
  list->request = request;
  list->as_of = answer->position;
  read_limit(list);
  read_statuses(list);
  int status = v1_filters_read(&request->values, &list->filter, problem);
  if (status == 0) status = read_task_ids(list, problem);
  if (status == 0) status = read_cursor(list, problem);
  if (status == 0) status = open_projects(list, problem);
  if (status == 0) status = open_tasks(list, problem);
  if (status != 0) return status;
  for (const struct v1_column *column = columns; column->name != NULL; column++)
    v1_rows_column(&answer->rows, column->name);
  answer->position = list->as_of;
  answer->is_fixed = true;
  return 0;
}

static void free_list(void *state) {
  struct list *list = state;
  if (list == NULL) return;
  tasks_free(list->tasks);
  free(list->zones);
  free(list->asked);
  free(list->projects);
  free(list);
}

/* ---- rows ---- */

static void put_text(struct v1_rows *rows, struct str text) {
  if (text.len > 0)
    v1_cell_text(rows, text);
  else
    v1_cell_null(rows);
}

static void put_time(struct v1_rows *rows, int64_t ms, const struct zone *zone) {
  char text[V1_LOCAL_SIZE];
  v1_time_text(ms, zone, text);
  v1_cell_text(rows, str_of(text));
}

static void put_number(struct v1_rows *rows, bool is_stated, uint64_t number) {
  if (is_stated)
    v1_cell_u64(rows, number);
  else
    v1_cell_null(rows);
}

static void put_size(struct v1_rows *rows, const struct usage *usage) {
  char text[16];
  int len = snprintf(text, sizeof text, "%ux%u", usage->width, usage->height);
  CHECK(len > 0 && (size_t)len < sizeof text);
  put_text(rows, usage->width > 0 && usage->height > 0 ? str_of(text) : STR(""));
}

static void put_frame_rate(struct v1_rows *rows, struct frame_rate rate) {
  SCOPED(buf_fini) struct buf text = {0};
  if (rate.denominator > 0) dim_write_frame_rate(rate, &text);
  put_text(rows, buf_view(&text));
}

static void put_labels(struct v1_rows *rows, struct str labels) {
  SCOPED(buf_fini) struct buf text = {0};
  labels_write_json(labels, &text);
  v1_cell_json(rows, buf_view(&text));
}

static void put_identity(struct v1_rows *rows, const struct tasks_item *item, const struct zone *zone) {
  const struct usage *usage = item->usage;
  char day[EXPLAIN_DATE_SIZE];
  explain_date(zone_day_of(zone, usage->finished_ms / 1000), day);
  v1_cell_text(rows, usage->project);
  v1_cell_text(rows, usage->source);
  v1_cell_text(rows, usage->id);
  v1_cell_text(rows, usage->task_id.len > 0 ? usage->task_id : usage->id);
  put_text(rows, usage->kind == USAGE_UNRESOLVED ? STR("") : str_of(dim_kind_name(usage->kind)));
  v1_cell_text(rows, str_of(task_status_name(item->status)));
  put_time(rows, usage->finished_ms, zone);
  v1_cell_text(rows, str_of(day));
}

static void put_amounts(struct v1_rows *rows, const struct tasks_item *item) {
  const struct usage *usage = item->usage;
  struct usage_count count = item->status == TASK_FINISHED ? usage_count(usage) : (struct usage_count){0};
  bool has_images = usage->kind == USAGE_SNAPSHOT;
  v1_cell_u64(rows, has_images ? 0 : count.units);
  v1_cell_u64(rows, count.minutes);
  v1_cell_u64(rows, has_images ? count.units : 0);
  put_number(rows, usage->has_amount && !has_images, usage->amount);
}

static void put_row(struct v1_rows *rows, const struct tasks_item *item, const struct zone *zone) {
  const struct usage *usage = item->usage;
  v1_row_begin(rows);
  put_identity(rows, item, zone);
  put_text(rows, usage->codec);
  put_text(rows, usage->codec_reported);
  put_text(rows, dim_has_tier(usage) ? str_of(tier_name(usage->tier)) : STR(""));
  put_size(rows, usage);
  put_frame_rate(rows, usage->frame_rate);
  put_amounts(rows, item);
  put_text(rows, usage->quality);
  put_text(rows, usage->region);
  put_number(rows, usage->passes > 0, usage->passes);
  put_number(rows, usage->has_input_duration, usage->input_duration_ms);
  put_labels(rows, usage->labels);
  put_text(rows, usage->src_url);
  put_text(rows, usage->dest_name);
  put_text(rows, usage->dest_bucket);
  put_text(rows, usage->format);
  if (usage->has_created)
    put_time(rows, usage->created_ms, zone);
  else
    v1_cell_null(rows);
  put_time(rows, usage->arrived_ms, zone);
  put_text(rows, usage->token);
  v1_cell_u64(rows, item->position);
  v1_row_end(rows);
}

struct putting {
  struct list *list;
  struct v1_rows *rows;
};

static bool put(void *arg, const struct tasks_item *item) {
  const struct putting *putting = arg;
  struct list *list = putting->list;
  put_row(putting->rows, item, list->zones[item->project]);
  list->rows++;
  return list->rows != list->limit && !v1_rows_is_full(putting->rows);
}

static void put_cursor(const struct list *list, struct v1_rows *rows) {
  const struct v1_request *request = list->request;
  struct cursor_param given[CURSOR_PARAMS_MAX];
  struct scan_key key = {0};
  char text[CURSOR_TEXT_SIZE];
  if (!tasks_key(list->tasks, &key)) CHECK(!"a page that ends before its list has a key");
  size_t count = gather_params(request, given);
  const struct cursor cursor = {.as_of = list->as_of, .finished_ms = key.finished_ms, .position = key.position};
  cursor_write(request->cursor_key, str_of(request->token.id), STR("tasks"), given, count, &cursor, text);
  v1_rows_cursor(rows, str_of(text));
}

static enum v1_next next(void *state, struct v1_rows *rows, struct err *err) {
  struct list *list = state;
  struct putting putting = {.list = list, .rows = rows};
  bool is_end;
  if (tasks_next(list->tasks, put, &putting, &is_end, err) != 0) return V1_FAILED;
  if (is_end || tasks_is_at_end(list->tasks)) return V1_DONE;
  bool is_full = list->limit > 0 && list->rows == list->limit;
  bool is_long = list->is_page && tasks_looked_at(list->tasks) >= PAGE_RECORDS;
  if (!is_full && !is_long) return V1_MORE;
  put_cursor(list, rows);
  return V1_DONE;
}

const struct v1_resource v1_resource_tasks = {
    .name = "tasks",
    .path = "/v1/tasks",
    .shape = V1_LIST,
    .formats = V1_FORMATS,
    .has_cursor = true,
    .params = params,
    .columns = columns,
    .answer_example = v1_example_tasks,
    .help = {"Tasks, newest first. Their seconds add up to those of /v1/usage with the same filters.",
             "任务列表，最新的在前。相同条件下，各任务的秒数之和等于 /v1/usage 的秒数。"},
    .open = open_list,
    .next = next,
    .free = free_list,
};
