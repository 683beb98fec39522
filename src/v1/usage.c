/* GET /v1/usage: how much was used, by step of time and by group. query/usage.h has the rules, and says where an
 * answer comes from; this file reads the parameters and writes the rows.
 *
 * Totals are read in `open`, so the position is known before the first row. Records are read in `next`, a turn at a
 * time, before the first row: a question that turns out to be too large still gets a status.
 */
#include <stdlib.h>

#include "base/check.h"
#include "query/usage.h"
#include "v1/examples.h"
#include "v1/filters.h"
#include "v1/param_common.h"
#include "v1/resource.h"

struct report {
  struct filter filter;
  struct project *projects; /* malloc'd */
  size_t projects_count;
  struct usage_answer *answer;
  bool is_ready, compares;
};

/* ---- the tables ---- */

static const struct v1_param params[] = {
    V1_PARAM_PROJECT,
    V1_PARAM_FROM("the month that it is now", "本月初"),
    V1_PARAM_TO("the end of today", "今天结束"),
    V1_PARAM_MONTH,
    {.name = "step",
     .type = V1_CHOICE,
     .choices = "15m 1h 1d 1w 1mo total",
     .preset = "total",
     .example = "1d",
     .help = {"one row for each 15m, 1h, 1d, 1w (from Monday on) or 1mo of the zone, or for the whole range: total",
              "每多长时间一行：15m、1h、1d、1w（从星期一开始）、1mo，按该时区计算；total：整个范围一行"}},
    V1_PARAM_ZONE,
    {.name = "group",
     .type = V1_CHOICES,
     .repeats = true,
     .choices = "project codec tier resolution frame_rate source kind label.",
     .example = "project,tier",
     .help = {"one row for each value of these, with commas between: project, codec, tier, resolution, frame_rate, "
              "source, kind, label.NAME. Rows have the fields in this order. resolution, frame_rate, source and "
              "label.NAME are counted from the tasks' records, which takes longer",
              "按这些字段分行，用逗号分隔：project、codec、tier、resolution、frame_rate、source、kind、"
              "label.NAME；行内字段按此顺序。"
              "resolution、frame_rate、source 和 label.NAME 要逐条读取任务记录，耗时较长"}},
    V1_PARAMS_FILTERS,
    {.name = "zeros",
     .type = V1_FLAG,
     .preset = "0",
     .example = "1",
     .help = {"1: also rows without usage, for every group in every step",
              "1：也给出没有用量的行：每个分组在每个时间段都有一行"}},
    {.name = "compare",
     .type = V1_CHOICE,
     .choices = "previous",
     .example = "previous",
     .help =
         {"previous: adds the figures of the period before: as many months, else as many days, else as many seconds",
          "previous：加上前一个周期的数字：同样多的月，否则同样多的天，否则同样多的秒"}},
    V1_PARAM_AS_OF_IF(" Needs 'month', or 'from' and 'to'.", "须给出 month，或 from 和 to。"),
    {0},
};

/* In the order of put_row. */
static const struct v1_column columns[] = {
    {"start",
     "integer?",
     {"where the row begins, in Unix seconds. The first row begins where the range begins, not where its step would",
      "该行的开始时间（Unix 秒）；第一行从查询范围的开始算起"}},
    {"end",
     "integer?",
     {"where it ends, not included. The last row ends where the range ends",
      "结束时间（不含）；最后一行到查询范围的结束为止"}},
    {"date", "time?", {"'start' as local time of the zone, with its offset", "开始时间，按该时区书写，带偏移量"}},
    {"project",
     "text+",
     {"of the group, like those before 'kind'", "分组：项目 ID。与其后 kind 之前的字段一样，只在按它分组时给出"}},
    {"codec", "text?+", {"the codec; null: the tasks name none", "分组：编码；null：任务没有给出"}},
    {"tier",
     "text?+",
     {"'low', 'medium', 'high' or 'super'; null: only finished transcodes have a tier",
      "分组：档位；只有完成的转码才有"}},
    {"resolution",
     "text?+",
     {"WIDTHxHEIGHT in pixels; null: the tasks state none", "分组：分辨率；null：任务没有给出"}},
    {"frame_rate",
     "text?+",
     {"such as '29.97'; null: the tasks state none", "分组：帧率，如 29.97；null：任务没有给出"}},
    {"source", "text+", {"who reported the tasks", "分组：来源"}},
    {"label.",
     "text?+",
     {"label.team and so on; null: the tasks do not have the label", "分组：标签；null：任务没有该标签"}},
    {"kind",
     "text",
     {"'transcode', 'remux', 'snapshot' or 'audio'; always there, because kinds are never added up",
      "任务种类；总是给出：不同种类的用量从不相加"}},
    {"seconds",
     "integer",
     {"each task's milliseconds are rounded half up to seconds, then added; 0 for snapshots",
      "每个任务的毫秒数四舍五入到秒，再相加；截图为 0"}},
    {"minutes",
     "integer",
     {"each task's seconds are rounded up to minutes, then added; 0 for snapshots",
      "每个任务的秒数向上取整到分钟，再相加；截图为 0"}},
    {"rounding_seconds",
     "integer",
     {"60 x 'minutes' - 'seconds': what rounding to minutes adds", "60 × minutes − seconds：取整到分钟所增加的秒数"}},
    {"tasks", "integer", {"how many tasks", "任务数"}},
    {"images", "integer", {"images of snapshots; 0 for other kinds", "截图张数；其他种类为 0"}},
    {"previous_start",
     "integer?+",
     {"only with compare=previous, like the columns below: the 'start' of the row that has the same number in the "
      "period before; null if that period has no such row",
      "compare=previous 时给出（下同）：前一个周期中序号相同的行；没有则为 null"}},
    {"previous_end", "integer?+", {"its 'end'", "该行的 end"}},
    {"previous_seconds", "integer+", {"the 'seconds' of that row; 0 without such a row", "该行的 seconds；没有则为 0"}},
    {"previous_minutes", "integer+", {"its 'minutes', likewise", "该行的 minutes，同上"}},
    {"previous_rounding_seconds", "integer+", {"its rounding_seconds, likewise", "该行的 rounding_seconds，同上"}},
    {"previous_tasks", "integer+", {"its 'tasks', likewise", "该行的 tasks，同上"}},
    {"previous_images", "integer+", {"its 'images', likewise", "该行的 images，同上"}},
    {0},
};

static const struct v1_column members[] = {
    {"answered_from",
     "text",
     {"what was read: day_totals, quarter_hours or records. All three give the same numbers",
      "从哪里得出：day_totals（日合计）、quarter_hours（刻钟合计）或 records（逐条记录）。三者结果相同"}},
    {0},
};

/* ---- reading the request ---- */

static int read_bound(const struct v1_values *values, const char *name, struct range_bound *room,
                      const struct range_bound **ret, struct v1_problem *problem) {
  const struct v1_value *value = v1_value(values, name);
  *ret = NULL;
  if (value == NULL) return 0;
  if (!value->is_date && value->number % 1000 != 0)
    return v1_refuse_param(problem, value->name, "'%.*s' must be a whole second", V1_SHOWN(value->text));
  *room = (struct range_bound){.is_date = value->is_date, .day = value->day, .time = value->number / 1000};
  bool is_number = value->text.len == 8 && !value->is_date;
  if (is_number && range_looks_like_date(room->time)) {
    return v1_refuse_param(problem, value->name,
                           "as Unix seconds, '%.*s' is in the year 1970; a date is written %.4s-%.2s-%.2s",
                           V1_SHOWN(value->text), value->text.ptr, value->text.ptr + 4, value->text.ptr + 6);
  }
  *ret = room;
  return 0;
}

static int read_range(const struct v1_request *request, struct range *ret, struct v1_problem *problem) {
  const struct v1_value *month = v1_value(&request->values, "month");
  struct range_bound from_room, to_room;
  const struct range_bound *from, *to;
  struct err err = {0};
  const char *param = "";
  if (month != NULL) {
    *ret = range_of_month(zone_day_from_date((int)(month->number / 12), (int)(month->number % 12) + 1, 1));
    return 0;
  }
  int status = read_bound(&request->values, "from", &from_room, &from, problem);
  if (status == 0) status = read_bound(&request->values, "to", &to_room, &to, problem);
  if (status != 0) return status;
  if (range_of_bounds(from, to, ret, &param, &err) != 0)
    return v1_refuse_param(problem, str_of(param), "%s", err.text);
  if (!request->has_as_of || !range_depends_on_now(ret)) return 0;
  return v1_refuse_param(
      problem, STR("as_of"),
      "needs 'from' and 'to', or 'month': otherwise the answer would depend on the day on which it is asked");
}

static int read_group(const struct v1_request *request, struct usage_spec *spec, struct v1_problem *problem) {
  const struct v1_value *value = v1_value(&request->values, "group");
  for (; value != NULL; value = v1_value_next(&request->values, value)) {
    struct err err = {0};
    if (usage_group_add(spec, value->text, &err) != 0) return v1_refuse_param(problem, value->name, "%s", err.text);
  }
  return 0;
}

static int read_projects(const struct v1_request *request, struct report *report, struct v1_problem *problem) {
  struct err err = {0};
  int status = v1_request_projects(request, &report->projects, &report->projects_count, problem);
  if (status != 0 || !request->has_as_of) return status;
  int result = usage_projects_as_of(request->ledger, report->projects, &report->projects_count, request->as_of, &err);
  return result == 0 ? 0 : v1_refuse_err(problem, result, "reading projects of an earlier position", &err);
}

static int read_request(const struct v1_request *request, struct report *report, struct usage_spec *spec,
                        struct v1_problem *problem) {
  const struct v1_value *zone = v1_value(&request->values, "zone");
  *spec = (struct usage_spec){
      .now = request->now_ms / 1000,
      .step = (enum calendar_step)v1_number(&request->values, "step", CALENDAR_TOTAL),
      .zone = zone != NULL ? zone->zone : NULL,
      .filter = &report->filter,
      .zeros = v1_number(&request->values, "zeros", 0) == 1,
      .compare = v1_value(&request->values, "compare") != NULL,
      .has_as_of = request->has_as_of,
      .as_of = request->as_of,
  };
  int status = read_range(request, &spec->range, problem);
  if (status == 0) status = read_group(request, spec, problem);
  if (status == 0) status = v1_filters_read(&request->values, &report->filter, problem);
  if (status == 0) status = read_projects(request, report, problem);
  spec->projects = report->projects;
  spec->projects_count = report->projects_count;
  report->compares = spec->compare;
  return status;
}

/* ---- columns ---- */

/* False: no memory. */
static bool add_columns(const struct usage_answer *answer, bool compares, struct v1_rows *rows) {
  static const char *const sums[] = {"seconds", "minutes", "rounding_seconds", "tasks", "images"};
  static const char *const before[] = {
      "previous_start", "previous_end",   "previous_seconds", "previous_minutes", "previous_rounding_seconds",
      "previous_tasks", "previous_images"};
  size_t count;
  const struct dim_ref *dims = usage_dims(answer, &count);
  v1_rows_column(rows, "start");
  v1_rows_column(rows, "end");
  v1_rows_column(rows, "date");
  for (size_t i = 0; i < count; i++) {
    char name[V1_COLUMN_NAME_MAX + 1];
    SCOPED(buf_fini) struct buf text = {0};
    dim_write_name(&dims[i], &text);
    if (text.failed) return false;
    bool fits = str_copy(buf_view(&text), name, sizeof name);
    CHECK(fits);
    v1_rows_column(rows, name);
  }
  for (size_t i = 0; i < sizeof sums / sizeof sums[0]; i++)
    v1_rows_column(rows, sums[i]);
  for (size_t i = 0; compares && i < sizeof before / sizeof before[0]; i++)
    v1_rows_column(rows, before[i]);
  return true;
}

/* ---- the three functions ---- */

static int refuse_begin(int result, const char *param, const struct err *err, struct v1_problem *problem) {
  if (err_kind(result) != ERR_KIND_CLIENT) return v1_refuse_err(problem, result, "reading totals", err);
  if (param != NULL) return v1_refuse_param(problem, str_of(param), "%s", err->text);
  return v1_refuse(problem, 400, "%s", err->text);
}

static int begin_report(const struct v1_request *request, struct v1_answer *answer, struct report *report,
                        const struct usage_spec *spec, struct v1_problem *problem) {
  struct err err = {0};
  const char *param;
  int result = usage_begin(request->ledger, spec, answer->usage, request->clock, &report->answer, &param, &err);
  if (result != 0) return refuse_begin(result, param, &err, problem);
  if (request->has_as_of || spec->zone != NULL) return 0;
  return v1_check_zones(request, report->projects, report->projects_count, problem);
}

static int open_report(const struct v1_request *request, struct v1_answer *answer, struct v1_problem *problem) {
  static const char *const methods[] = {"day_totals", "quarter_hours", "records"};
  struct report *report = calloc(1, sizeof *report);
  struct usage_spec spec;
  if (report == NULL) return v1_refuse(problem, 503, "the server has no memory now: ask again later");
  answer->state = report;
  int status = read_request(request, report, &spec, problem);
  spec.owner = answer->owner;
  if (status == 0) status = begin_report(request, answer, report, &spec, problem);
  if (status != 0) return status;
  if (!add_columns(report->answer, report->compares, &answer->rows))
    return v1_refuse_err(problem, -ERR_MEMORY, "naming columns", NULL);
  v1_rows_member_text(&answer->rows, "answered_from", str_of(methods[usage_method(report->answer)]));
  answer->position = usage_position(report->answer);
  answer->is_fixed = request->has_as_of;
  free(MOVE(report->projects)); /* the answer has what it needs */
  return 0;
}

static void put_instant(struct v1_rows *rows, bool is_known, int64_t time) {
  if (is_known)
    v1_cell_i64(rows, time);
  else
    v1_cell_null(rows);
}

static void put_date(struct v1_rows *rows, const struct usage_line *line) {
  SCOPED(buf_fini) struct buf date = {0};
  if (line->has_step) calendar_write_date(line->zone, line->start, &date);
  if (line->has_step)
    v1_cell_written(rows, &date);
  else
    v1_cell_null(rows);
}

static void put_value(struct v1_rows *rows, enum dim dim, const struct dim_value *value) {
  SCOPED(buf_fini) struct buf text = {0};
  if (value->is_null) {
    v1_cell_null(rows);
    return;
  }
  dim_write_value(dim, value, &text);
  v1_cell_written(rows, &text);
}

static void put_sums(struct v1_rows *rows, enum usage_kind kind, const struct usage_count *sum) {
  bool has_images = kind == USAGE_SNAPSHOT;
  v1_cell_u64(rows, has_images ? 0 : sum->units);
  v1_cell_u64(rows, sum->minutes);
  v1_cell_u64(rows, has_images ? 0 : 60 * sum->minutes - sum->units);
  v1_cell_u64(rows, sum->tasks);
  v1_cell_u64(rows, has_images ? sum->units : 0);
}

static void put_row(const struct report *report, const struct usage_line *line, struct v1_rows *rows) {
  size_t count;
  const struct dim_ref *dims = usage_dims(report->answer, &count);
  v1_row_begin(rows);
  put_instant(rows, line->has_step, line->start);
  put_instant(rows, line->has_step, line->end);
  put_date(rows, line);
  for (size_t i = 0; i < count; i++)
    put_value(rows, dims[i].dim, &line->values[i]);
  put_sums(rows, line->kind, &line->sum);
  if (report->compares) {
    put_instant(rows, line->has_before, line->before_start);
    put_instant(rows, line->has_before, line->before_end);
    put_sums(rows, line->kind, &line->before);
  }
  v1_row_end(rows);
}

static enum v1_next next_rows(void *state, struct v1_rows *rows, struct err *err) {
  struct report *report = state;
  struct usage_line line;
  if (!report->is_ready && usage_work(report->answer, &report->is_ready, err) != 0) return V1_FAILED;
  if (!report->is_ready) return V1_MORE;
  while (!v1_rows_is_full(rows)) {
    if (!usage_next(report->answer, &line)) return V1_DONE;
    put_row(report, &line, rows);
  }
  return V1_MORE;
}

static void free_report(void *state) {
  struct report *report = state;
  if (report == NULL) return;
  usage_free(report->answer);
  free(report->projects);
  free(report);
}

const struct v1_resource v1_resource_usage = {
    .name = "usage",
    .path = "/v1/usage",
    .shape = V1_LIST,
    .formats = V1_FORMATS,
    .params = params,
    .columns = columns,
    .members = members,
    .answer_example = v1_example_usage,
    .help = {"Usage by step of time and by group", "按时间和分组统计的用量"},
    .open = open_report,
    .next = next_rows,
    .free = free_report,
};
