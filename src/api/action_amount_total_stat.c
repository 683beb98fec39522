/* GetFormatTotalStat and GetSnapTotalStat: seconds of remuxing and images of snapshots, by day. Source: design §5.
 *
 * These answers have one amount a day, so a day's rows are added up, in case records of an earlier version name codecs.
 * The totals of these kinds have no tier: everything is in units[0]. */
#include "api/period.h"

/* A row is {"Time":…,"…":…} and a comma: two numbers and two short names. */
#define ROW_MAX 96
_Static_assert(ROW_MAX > 2 * (BYTES_DIGITS_MAX + 1) + 40, "a row fits");

static void write_row(struct json_write *json, int64_t time, const char *name, uint64_t amount) {
  json_write_object(json, NULL);
  json_write_i64(json, "Time", time); /* may be negative: the day of the epoch, east of Greenwich */
  json_write_u64(json, name, amount);
  json_write_end(json);
}

/* The sum of a day's rows, and of those of a date before it that has no row: the project's zone may change between
 * finding the project and reading its totals. The rows are sorted by day; *next is the first one that is not added up
 * yet. */
static uint64_t take_day(const struct ledger_rows *rows, size_t *next, int32_t day) {
  uint64_t sum = 0;
  for (; *next < rows->count && rows->items[*next].day <= day; (*next)++)
    sum += rows->items[*next].units[0];
  return sum;
}

static void write_rows(struct json_write *json, const struct period *period, const struct ledger_rows *rows,
                       const char *name) {
  size_t next = 0;
  int64_t time = zone_day_start(period->zone, period->window.first_day), next_time;
  json_write_list(json, "StatSet");
  for (int32_t day = period->window.first_day; day <= period->window.last_day; day++, time = next_time) {
    next_time = zone_day_start(period->zone, day + 1);
    if (next_time == time) continue; /* a date that the zone skipped */
    write_row(json, time, name, take_day(rows, &next, day));
  }
  json_write_end(json);
}

static int answer(const struct call *call, enum usage_kind kind, const char *name, struct json_write *json,
                  struct refusal *refusal) {
  struct period period;
  struct ledger_cost cost;
  struct err err = {0};
  int code = period_read(call, &period, refusal);
  if (code != 0) return code;
  if (period.days > call->options->rows_max) return period_refuse_rows(call, refusal);
  const struct window *window = &period.window;
  ledger_totals_cost(call->options->ledger, &call->project, window->first_day, window->last_day, &cost);
  /* Usage without a codec makes one row a day more; the memory for rows doubles as it grows. */
  uint64_t bytes = cost.bytes + period.days * (2 * sizeof(struct ledger_row) + ROW_MAX);
  code = call_claim(call, bytes, refusal);
  if (code != 0) return code;
  SCOPED(ledger_rows_fini) struct ledger_rows rows = {0};
  /* The bound is on the rows of the answer, which are days. The memory for the codecs' rows is claimed. */
  int result = ledger_totals(call->options->ledger, &call->project, kind, window->first_day, window->last_day,
                             SIZE_MAX, &rows, &err);
  if (result != 0) return refuse_internal(refusal, "cannot read totals", &err);
  write_rows(json, &period, &rows, name);
  return 0;
}

/* ---- the tables ---- */

/* clang-format off */
static const struct api_param params[] = {API_PARAM_PROJECT, PERIOD_PARAMS, {0}};

#define FIELDS(row) { \
    {.name = "StatSet", .type = API_LIST, .members = row, \
     .help = {"one row for each day, sorted by Time", "每天一行，按 Time 排序"}}, \
    {0}, \
  }
#define TIME \
  {.name = "Time", .type = API_INT, .help = {"the day's first instant, Unix seconds", "当天的开始时间（Unix 时间戳，秒）"}}

static int answer_format(const struct call *call, struct json_write *json, struct refusal *refusal) {
  return answer(call, USAGE_REMUX, "FormatTime", json, refusal);
}

static const struct api_field format_row[] = {
    TIME,
    {.name = "FormatTime", .type = API_INT,
     .help = {"seconds of all remuxes that finished on that day", "当天完成的转封装（切片）的总时长（秒）"}},
    {0},
};
static const struct api_field format_fields[] = FIELDS(format_row);

const struct api_action api_get_format_total_stat = {
    .name = "GetFormatTotalStat",
    .handle = answer_format,
    .needs_project = true,
    .params = params,
    .fields = format_fields,
    .request_example = "BeginTime=1500393600&EndTime=1500480000",
    .answer_example = API_JSON(
        {"RetCode":0,"Action":"GetFormatTotalStatResponse","StatSet":[
         {"Time":1500393600,"FormatTime":62},
         {"Time":1500480000,"FormatTime":0}]}),
    .help = {"seconds of remuxing by day", "按天统计的转封装（切片）时长"},
};

static int answer_snap(const struct call *call, struct json_write *json, struct refusal *refusal) {
  return answer(call, USAGE_SNAPSHOT, "ImageCount", json, refusal);
}

static const struct api_field snap_row[] = {
    TIME,
    {.name = "ImageCount", .type = API_INT,
     .help = {"images of all snapshot tasks that finished on that day", "当天完成的截图任务的图片总张数"}},
    {0},
};
static const struct api_field snap_fields[] = FIELDS(snap_row);

const struct api_action api_get_snap_total_stat = {
    .name = "GetSnapTotalStat",
    .handle = answer_snap,
    .needs_project = true,
    .params = params,
    .fields = snap_fields,
    .request_example = "BeginTime=1500393600&EndTime=1500480000",
    .answer_example = API_JSON(
        {"RetCode":0,"Action":"GetSnapTotalStatResponse","StatSet":[
         {"Time":1500393600,"ImageCount":5},
         {"Time":1500480000,"ImageCount":0}]}),
    .help = {"images of snapshots by day", "按天统计的截图张数"},
};
/* clang-format on */
