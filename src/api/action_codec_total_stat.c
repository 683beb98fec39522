/* GetCodecTotalStat: seconds by day, tier and codec. Source: design §3.5. */
#include <stdlib.h>

#include "api/period.h"

/* ---- the codecs of an answer: each has a row for every day ---- */

struct codecs {
  char (*names)[CODEC_NAME_MAX + 1];
  size_t count;
};

static int by_text(const void *a, const void *b) { return strcmp(a, b); }

static bool holds(const struct codecs *codecs, const char *name) {
  for (size_t i = 0; i < codecs->count; i++) {
    if (strcmp(codecs->names[i], name) == 0) return true;
  }
  return false;
}

/* The rows have at most CODEC_NAMES_PER_PROJECT codecs. If there are none, each day gets one row of zeros with
 * h264. */
static void gather_codecs(const struct ledger_rows *rows, struct codecs *codecs) {
  for (size_t i = 0; i < rows->count; i++) {
    if (holds(codecs, rows->items[i].codec)) continue;
    memcpy(codecs->names[codecs->count++], rows->items[i].codec, CODEC_NAME_MAX + 1);
  }
  qsort(codecs->names, codecs->count, sizeof codecs->names[0], by_text);
  if (codecs->count == 0) memcpy(codecs->names[codecs->count++], "h264", sizeof "h264");
}

/* ---- rows ---- */

/* The member names of a row, five numbers of seconds, one time and a codec. */
#define ROW_MAX 384
#define ROW_USUAL 200
_Static_assert(ROW_MAX > 160 + 6 * (BYTES_DIGITS_MAX + 1) + CODEC_NAME_MAX, "a row fits");

static char *put(char *at, struct str text) {
  memcpy(at, text.ptr, text.len);
  return at + text.len;
}

static char *put_field(char *at, struct str field, uint64_t value) {
  at = put(at, field);
  return at + bytes_digits(value, at);
}

/* Writes the row in place. Programs ask for this answer most often, and it consists of little else; member by member,
 * the whole call takes 1.6 times as long. */
static void write_row(struct json_write *json, int64_t time, const uint64_t units[TIERS], const char *codec) {
  json_write_next(json, NULL);
  char *at = buf_extend(json->out, ROW_MAX);
  if (at == NULL) return;
  at = put(at, STR("{\"Time\":"));
  if (time < 0) *at++ = '-'; /* the day of the epoch, east of Greenwich */
  at += bytes_digits(time < 0 ? 0 - (uint64_t)time : (uint64_t)time, at);
  at = put_field(at, STR(",\"SuperDefinitionTime\":"), units[TIER_SUPER]);
  at = put_field(at, STR(",\"HighDefinitionTime\":"), units[TIER_HIGH]);
  at = put_field(at, STR(",\"MidiumDefinitionTime\":"), units[TIER_MEDIUM]); /* sic */
  at = put_field(at, STR(",\"LowDefinitionTime\":"), units[TIER_LOW]);
  uint64_t total = units[TIER_SUPER] + units[TIER_HIGH] + units[TIER_MEDIUM] + units[TIER_LOW];
  at = put_field(at, STR(",\"TotalTime\":"), total);
  at = put(at, STR(",\"VideoCodec\":\""));
  at = put(at, str_of(codec)); /* [a-z0-9._-] only */
  at = put(at, STR("\"}"));
  json->out->len = (size_t)(at - json->out->ptr);
}

/* The ledger's rows have the order of the answer, so one cursor is enough. */
static void write_rows(struct json_write *json, const struct zone *zone, const struct window *window,
                       const struct ledger_rows *rows, const struct codecs *codecs) {
  static const uint64_t zeros[TIERS];
  size_t next = 0;
  int64_t time = zone_day_start(zone, window->first_day), next_time;
  json_write_list(json, "StatSet");
  for (int32_t day = window->first_day; day <= window->last_day; day++, time = next_time) {
    next_time = zone_day_start(zone, day + 1);
    if (next_time == time) continue; /* a date that the zone skipped */
    for (size_t i = 0; i < codecs->count; i++) {
      const struct ledger_row *row = next < rows->count ? &rows->items[next] : NULL;
      bool is_here = row != NULL && row->day == day && strcmp(row->codec, codecs->names[i]) == 0;
      if (is_here) next++;
      write_row(json, time, is_here ? row->units : zeros, codecs->names[i]);
    }
  }
  json_write_end(json);
}

/* Of the answer and of the query, which is gone before the answer is made. */
static int claim_memory(const struct call *call, const struct window *window, struct refusal *refusal) {
  struct ledger_cost cost;
  uint64_t rows_max = call->options->rows_max;
  ledger_totals_cost(call->options->ledger, &call->project, window->first_day, window->last_day, &cost);
  return call_claim(call, cost.bytes + (cost.rows < rows_max ? cost.rows : rows_max) * ROW_MAX, refusal);
}

static int answer(const struct call *call, struct json_write *json, struct refusal *refusal) {
  struct period period;
  struct err err = {0};
  uint64_t rows_max = call->options->rows_max;
  int code = period_read(call, &period, refusal);
  if (code != 0) return code;
  if (period.days > rows_max) return period_refuse_rows(call, refusal);
  const struct window *window = &period.window;
  code = claim_memory(call, window, refusal);
  if (code != 0) return code;
  SCOPED(ledger_rows_fini) struct ledger_rows rows = {0};
  int result = ledger_totals(call->options->ledger, &call->project, USAGE_TRANSCODE, window->first_day,
                             window->last_day, rows_max, &rows, &err);
  if (result == -ERR_LIMIT) return period_refuse_rows(call, refusal);
  if (result != 0) return refuse_internal(refusal, "GetCodecTotalStat: cannot read totals", &err);
  char names[CODEC_NAMES_PER_PROJECT + 1][CODEC_NAME_MAX + 1];
  struct codecs codecs = {.names = names};
  gather_codecs(&rows, &codecs);
  uint64_t answered = period.days * codecs.count;
  if (answered > rows_max) return period_refuse_rows(call, refusal);
  code = call_claim(call, rows.count * sizeof *rows.items + answered * ROW_MAX, refusal);
  if (code != 0) return code;
  buf_expect(json->out, answered * ROW_USUAL + ROW_MAX);
  write_rows(json, period.zone, window, &rows, &codecs);
  return 0;
}

/* ---- the table ---- */

/* clang-format off */
static const struct api_param params[] = {API_PARAM_PROJECT, PERIOD_PARAMS, {0}};

/* In the order of write_row. */
static const struct api_field row[] = {
    {.name = "Time", .type = API_INT,
     .help = {"the day's first instant, Unix seconds", "当天的开始时间（Unix 时间戳，秒）"}},
    {.name = "SuperDefinitionTime", .type = API_INT,
     .help = {"seconds of 超高清: larger than 1920 x 1080", "超高清时长（秒）：大于 1920 x 1080"}},
    {.name = "HighDefinitionTime", .type = API_INT,
     .help = {"seconds of 超清: up to 1920 x 1080", "超清时长（秒）：不大于 1920 x 1080"}},
    {.name = "MidiumDefinitionTime", .type = API_INT,
     .help = {"seconds of 高清: up to 1280 x 720 (the name is the API's)",
              "高清时长（秒）：不大于 1280 x 720（字段名的拼写是接口原有的）"}},
    {.name = "LowDefinitionTime", .type = API_INT,
     .help = {"seconds of 普清: up to 640 x 480", "普清时长（秒）：不大于 640 x 480"}},
    {.name = "TotalTime", .type = API_INT, .help = {"the sum of these seconds", "以上时长之和（秒）"}},
    {.name = "VideoCodec", .type = API_TEXT, .help = {"the codec: 'h264', 'h265', 'av1' …", "视频编码：h264、h265、av1 等"}},
    {0},
};

static const struct api_field fields[] = {
    {.name = "StatSet", .type = API_LIST, .members = row,
     .help = {"one row for each day and each codec that has usage in the window, sorted by Time, then by VideoCodec. A "
              "day without usage of a codec has zeros. If no codec has usage, each day has one row of zeros with 'h264'",
              "时间段内每天、每种有用量的编码各一行，先按 Time、再按 VideoCodec 排序；某天没有某种编码的用量，则为 0；"
              "没有任何用量，则每天一行 h264，全部为 0"}},
    {0},
};

const struct api_action api_get_codec_total_stat = {
    .name = "GetCodecTotalStat",
    .handle = answer,
    .needs_project = true,
    .params = params,
    .fields = fields,
    .request_example = "BeginTime=1500220800&EndTime=1500480000",
    .answer_example = API_JSON(
        {"RetCode":0,"Action":"GetCodecTotalStatResponse","StatSet":[
         {"Time":1500220800,"SuperDefinitionTime":0,"HighDefinitionTime":0,"MidiumDefinitionTime":0,"LowDefinitionTime":0,"TotalTime":0,"VideoCodec":"h264"},
         {"Time":1500307200,"SuperDefinitionTime":0,"HighDefinitionTime":0,"MidiumDefinitionTime":0,"LowDefinitionTime":0,"TotalTime":0,"VideoCodec":"h264"},
         {"Time":1500393600,"SuperDefinitionTime":0,"HighDefinitionTime":0,"MidiumDefinitionTime":0,"LowDefinitionTime":137,"TotalTime":137,"VideoCodec":"h264"},
         {"Time":1500480000,"SuperDefinitionTime":0,"HighDefinitionTime":137,"MidiumDefinitionTime":0,"LowDefinitionTime":0,"TotalTime":137,"VideoCodec":"h264"}]}),
    .help = {"seconds of transcoding by day, codec and definition tier", "按天、编码和清晰度档位统计的转码时长"},
};
/* clang-format on */
