/* GetCodecTaskDetail, GetFormatTaskDetail, GetSnapTaskDetail: one task by its TaskId. Source: design §5.
 *
 * TaskId is what the report called task_id, or else its id. Several records may have it, of several sources or of
 * several renditions. A finished task comes before a failed one, and a later one before an earlier one. A voided task
 * answers no more, and an output that still waits to be resolved does not answer yet.
 */
#include <stdio.h>
#include <stdlib.h>

#include "api/task_fields.h"
#include "base/check.h"
#include "ledger/scan.h"

#define RECORDS_MAX 1000000u /* of one task id */

struct search {
  struct api_work work; /* first: a search among very many records is kept between turns */
  struct scan_reader *reader;
  char project[PROJECT_ID_MAX + 1]; /* of the first turn: the default project may be another one later */
  uint64_t as_of, behind; /* where the next turn goes on; as_of 0: it has not begun */
  const struct task_type *type;
  uint64_t records;      /* seen */
  bool is_found;
  bool is_finished;      /* of the best one so far; and where it is */
  struct scan_key best;
};

static void free_search(struct api_work *work) {
  struct search *search = (struct search *)(void *)work;
  if (search->reader != NULL) scan_reader_free(search->reader);
  free(search);
}

static bool is_better(const struct search *search, bool is_finished, const struct scan_key *key) {
  if (!search->is_found) return true;
  if (is_finished != search->is_finished) return is_finished;
  if (key->finished_ms != search->best.finished_ms) return key->finished_ms > search->best.finished_ms;
  return key->position > search->best.position;
}

static int visit(void *arg, const struct ledger_history_item *item, struct err *err) {
  (void)err;
  struct search *search = arg;
  const struct usage *usage = item->usage;
  const struct scan_key key = {usage->finished_ms, item->position};
  bool is_finished = usage->outcome == USAGE_FINISHED;
  search->records++;
  if (usage->kind != search->type->kind || item->other_position != 0) return 0;
  if (!is_better(search, is_finished, &key)) return 0;
  search->is_found = true;
  search->is_finished = is_finished;
  search->best = key;
  return 0;
}

/* The same for a task that does not exist, one of another project, and one of another kind. */
static int refuse_unknown(const struct task_type *type, struct refusal *refusal) {
  char allowed[128];
  (void)snprintf(allowed, sizeof allowed, "no %s task of this project has this id", type->what);
  return refuse_param(refusal, "TaskId", allowed);
}

static int find(const struct call *call, struct search *search, struct str task_id, struct refusal *refusal) {
  struct err err = {0};
  struct ledger_history_query query = {
      .project = str_of(search->project),
      .task_id = task_id,
      .as_of = search->as_of,
      .behind = search->behind,
      .max = LEDGER_HISTORY_MAX,
  };
  do {
    if (ledger_history(search->reader, &query, visit, search, &query.behind, &err) != 0)
      return refuse_internal(refusal, "cannot look for a task", &err);
    if (search->records > RECORDS_MAX)
      return refuse_param(refusal, "TaskId", "more than 1000000 records have it; ask GET /v1/tasks, with the source");
    search->behind = query.behind;
    if (query.behind != 0 && call_turn_is_over(call)) return CALL_LATER;
  } while (query.behind != 0);
  return search->is_found ? 0 : refuse_unknown(search->type, refusal);
}
_Static_assert(RECORDS_MAX == 1000000, "the message names the bound");

static int begin(const struct call *call, struct search *search, struct refusal *refusal) {
  struct err err = {0};
  int code = call_claim(call, sizeof *search + TASK_FIELDS_MAX, refusal);
  if (code != 0) return code;
  if (scan_reader_new(call->options->ledger, &search->reader, &err) != 0)
    return refuse_internal(refusal, "cannot look for a task", &err);
  memcpy(search->project, call->project.id, sizeof search->project);
  search->as_of = ledger_position(call->options->ledger);
  return 0;
}

/* Goes on until the turn is over or the task is found. */
static int work(const struct call *call, struct search *search, struct json_write *json, struct refusal *refusal) {
  struct err err = {0};
  struct str task_id;
  const struct usage *usage;
  int code = call_text(call, "TaskId", &task_id, refusal);
  if (code == 0 && search->as_of == 0) code = begin(call, search, refusal);
  if (code == 0) code = find(call, search, task_id, refusal);
  if (code == CALL_LATER) scan_reader_rest(search->reader);
  if (code != 0) return code;
  if (scan_record(search->reader, search->best.position, &usage, &err) != 0)
    return refuse_internal(refusal, "cannot read a task", &err);
  CHECK(usage->kind == search->type->kind);
  task_write_members(json, search->type->detail, usage);
  return 0;
}

static int answer(const struct call *call, const struct task_type *type, struct json_write *json,
                  struct refusal *refusal) {
  struct search *search = call->work != NULL ? (struct search *)(void *)*call->work : NULL;
  if (search == NULL) search = calloc(1, sizeof *search);
  if (search == NULL) {
    static const struct err err = {.code = ERR_MEMORY, .text = "not enough memory"};
    return refuse_internal(refusal, "cannot look for a task", &err);
  }
  search->work.free = free_search;
  search->type = type;
  int code = work(call, search, json, refusal);
  if (call->work != NULL) *call->work = code == CALL_LATER ? &search->work : NULL;
  if (code != CALL_LATER) free_search(&search->work);
  return code;
}

/* ---- the tables ---- */

static const struct api_param params[] = {
    API_PARAM_PROJECT,
    {.name = "TaskId",
     .type = API_TEXT,
     .is_required = true,
     .least = 1,
     .most = TASK_ID_MAX,
     .example = "1265",
     .help = {"the TaskId of a list, at most 256 bytes. Blanks around it are ignored, so a task whose id begins or "
              "ends with a blank cannot be asked for",
              "任务列表中的 TaskId，最长 256 字节。首尾的空格会被忽略，因此无法查询 ID 以空格开头或结尾的任务"}},
    {0},
};
_Static_assert(TASK_ID_MAX == 256 && EVENT_ID_MAX == 256, "the help names the bound, and every TaskId fits");

static int answer_codec(const struct call *call, struct json_write *json, struct refusal *refusal) {
  return answer(call, &task_type_codec, json, refusal);
}

/* clang-format off */
const struct api_action api_get_codec_task_detail = {
    .name = "GetCodecTaskDetail",
    .handle = answer_codec,
    .needs_project = true,
    .is_long = true,
    .params = params,
    .fields = task_codec_detail,
    .request_example = "TaskId=1265",
    .answer_example = API_JSON(
        {"RetCode":0,"Action":"GetCodecTaskDetailResponse",
         "TaskId":"1265","SrcUrl":"http://in.example.com/a.mp4","DestVideoName":"a_low.mp4","DestBucket":"out","DestFormat":"mp4",
         "Duration":137,"CodecLevel":"lowdefinition","CreateTime":1500436634,"FinishTime":1500436800,"Status":"finished",
         "CallbackUrl":"",
         "CodecPattenDetail":{"CodecPattenId":"","CodecPattenName":"","DestFormat":"mp4","DestSuffix":"",
          "DestVideoResolution":"640x480","DestVideoCodec":"h264","DestVideoBitrate":0},
         "WatermarkDetail":{},
         "Minutes":3,"VideoCodec":"h264","Width":640,"Height":480,"Source":"farm-7","Id":"job-1/low"}),
    .help = {"one transcoding task, of any age", "一个转码任务的详情，不限时间"},
};

static int answer_format(const struct call *call, struct json_write *json, struct refusal *refusal) {
  return answer(call, &task_type_format, json, refusal);
}

const struct api_action api_get_format_task_detail = {
    .name = "GetFormatTaskDetail",
    .handle = answer_format,
    .needs_project = true,
    .is_long = true,
    .params = params,
    .fields = task_format_detail,
    .request_example = "TaskId=job-1/hls",
    .answer_example = API_JSON(
        {"RetCode":0,"Action":"GetFormatTaskDetailResponse",
         "TaskId":"job-1/hls","SrcUrl":"","DestVideoName":"a.m3u8","DestBucket":"out","DestVideoFormat":"m3u8",
         "Duration":62,"CreateTime":0,"FinishTime":1500436860,"Status":"finished",
         "Minutes":2,"Source":"farm-7","Id":"job-1/hls"}),
    .help = {"one remuxing task, of any age", "一个转封装（切片）任务的详情，不限时间"},
};

static int answer_snap(const struct call *call, struct json_write *json, struct refusal *refusal) {
  return answer(call, &task_type_snap, json, refusal);
}

const struct api_action api_get_snap_task_detail = {
    .name = "GetSnapTaskDetail",
    .handle = answer_snap,
    .needs_project = true,
    .is_long = true,
    .params = params,
    .fields = task_snap_detail,
    .request_example = "TaskId=job-1/thumbs",
    .answer_example = API_JSON(
        {"RetCode":0,"Action":"GetSnapTaskDetailResponse",
         "TaskId":"job-1/thumbs","SrcUrl":"","DestBucket":"out","ImageName":"a_thumb","ImageFormat":"jpg","ImageList":"",
         "ImageCount":5,"SnapType":"","CreateTime":0,"FinishTime":1500436920,"Status":"finished",
         "Source":"farm-7","Id":"job-1/thumbs"}),
    .help = {"one snapshot task, of any age", "一个截图任务的详情，不限时间"},
};
/* clang-format on */
