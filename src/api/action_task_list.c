/* GetCodecTaskList, GetFormatTaskList, GetSnapTaskList: the tasks of the days of a window, by finish time. Source:
 * design §5.
 *
 *   entries of the window, a chunk at a time, in the order of the answer
 *     ──> leave out the voided ones      reads the records, and only if the project has voids at all
 *     ──> those from Offset on, at most Limit ──> their records, in the order of the log ──> text ──> the answer
 *
 * UMedia's lists have no pages. A list that is cut in silence would give wrong sums, so a window with more tasks than
 * query.rows_max is refused, and Offset, Limit and TotalCount, which are ours, give it in parts. Each call reads the
 * entries from the first on, because Offset counts tasks; so it has a bound, LIST_WINDOW_MAX.
 *
 * Everything is as of one position, so a record that arrives meanwhile does not shift the rows. The work is cut into turns: after
 * each chunk, if the turn is over, the list waits until the other queries had theirs.
 */
#include <stdio.h>
#include <stdlib.h>

#include "api/period.h"
#include "api/task_fields.h"
#include "base/check.h"
#include "ledger/scan.h"

#define LIST_WINDOW_MAX 1000000u /* tasks in the window of one call, voided ones included */
#define CHUNK 4096u              /* entries that are looked at together */
_Static_assert(CHUNK <= SCAN_ROOM_MAX, "a chunk is one page of the scan");

struct item {
  struct scan_entry entry;
  bool is_out;        /* voided: it does not count and is not listed */
  size_t start, len;  /* its text in `texts`; len 0: it is not shown */
};

struct list {
  struct api_work work;   /* first: the list is kept between turns */
  const struct call *call; /* of this turn, like refusal */
  const struct task_type *type;
  struct refusal *refusal;
  struct scan_query query;
  bool has_begun, is_counted, is_at_end; /* what is done */
  struct scan_query counting;
  uint64_t counted;       /* entries of the window so far */
  uint64_t offset, limit; /* tasks before the first one that is shown; the most that are shown */
  bool has_limit;         /* given; else limit is query.rows_max */
  bool has_voids;         /* the project has any */
  uint64_t total;         /* tasks that are not voided: so far, or all if nothing has to be read for that */
  uint64_t shown;
  struct scan_reader *reader;
  struct scan_entry *entries; /* CHUNK: as the ledger gave them */
  struct item *items;     /* CHUNK */
  uint16_t *order;        /* of the items, by position: the records are read in this order */
  size_t count;           /* of the items of this chunk */
  struct buf texts;       /* of this chunk */
};
_Static_assert(CHUNK <= UINT16_MAX, "an index fits");

static void free_list(struct api_work *work) {
  struct list *list = (struct list *)(void *)work;
  if (list->reader != NULL) scan_reader_free(list->reader);
  free(list->entries);
  free(list->items);
  free(list->order);
  buf_fini(&list->texts);
  free(list);
}

/* ---- parameters ---- */

static int read_page(struct list *list) {
  bool has_offset;
  list->limit = list->call->options->rows_max;
  int code = call_int(list->call, "Limit", &list->has_limit, &list->limit, list->refusal);
  if (code != 0) return code;
  return call_int(list->call, "Offset", &has_offset, &list->offset, list->refusal);
}

static void ask_for(struct list *list, const struct period *period) {
  list->query = (struct scan_query){
      .project = list->call->project.number,
      .kinds = SCAN_KIND(list->type->kind),
      .from_ms = zone_day_start(period->zone, period->window.first_day) * 1000,
      .to_ms = zone_day_start(period->zone, period->window.last_day + 1) * 1000,
      .as_of = ledger_position(list->call->options->ledger),
  };
}

/* ---- refusals ---- */

static int refuse_error(struct list *list, const struct err *err) {
  return refuse_internal(list->refusal, "cannot read tasks", err);
}

static int refuse_window(struct list *list) {
  char allowed[160];
  (void)snprintf(allowed, sizeof allowed,
                 "the window has more than %u tasks: ask for fewer days, or ask GET /v1/tasks, which has no such limit",
                 LIST_WINDOW_MAX);
  return refuse_param(list->refusal, "BeginTime", allowed);
}

static int refuse_long(struct list *list) {
  char allowed[192];
  (void)snprintf(allowed, sizeof allowed,
                 "the list has more than %llu tasks (query.rows_max): ask for fewer days, or in parts with Limit and "
                 "Offset",
                 (unsigned long long)list->limit);
  return refuse_param(list->refusal, "BeginTime", allowed);
}

/* ---- memory ---- */

/* What the call holds besides the answer. The scan's own memory is bounded by the number of query threads. */
static size_t held(const struct list *list) {
  return CHUNK * (sizeof *list->entries + sizeof *list->items + sizeof *list->order) + list->texts.cap;
}

/* Claims and reserves room for `more` bytes in buf, which is the answer or list->texts. While it grows, the old memory
 * and the new exist. */
static int reserve(struct list *list, struct buf *buf, const struct buf *out, size_t more) {
  if (buf->cap - buf->len >= more) return 0;
  size_t grown = buf->cap * 2 > buf->len + more ? buf->cap * 2 : buf->len + more;
  int code = call_claim(list->call, held(list) + out->cap + grown, list->refusal);
  if (code != 0) return code;
  static const struct err err = {.code = ERR_MEMORY, .text = "not enough memory"};
  return buf_reserve(buf, more) ? 0 : refuse_error(list, &err);
}

static int take_memory(struct list *list, const struct buf *out, struct err *err) {
  int code = call_claim(list->call, held(list) + out->cap, list->refusal);
  if (code != 0) return code;
  list->entries = calloc(CHUNK, sizeof *list->entries);
  list->items = calloc(CHUNK, sizeof *list->items);
  list->order = calloc(CHUNK, sizeof *list->order);
  if (list->entries == NULL || list->items == NULL || list->order == NULL) {
    (void)err_set(err, ERR_MEMORY, "not enough memory");
    return refuse_error(list, err);
  }
  return scan_reader_new(list->call->options->ledger, &list->reader, err) == 0 ? 0 : refuse_error(list, err);
}

/* ---- chunks ---- */

static int next_chunk(struct list *list, struct err *err) {
  struct scan_entry *entries = list->entries;
  size_t count;
  int result = ledger_scan_entries(list->call->options->ledger, &list->query, entries, CHUNK, &count, err);
  if (result != 0) return refuse_error(list, err);
  for (size_t i = 0; i < count; i++)
    list->items[i] = (struct item){.entry = entries[i]};
  if (count > 0) list->query.behind = entries[count - 1].key;
  CHECK(count <= CHUNK);
  list->query.has_behind = true;
  list->count = count;
  return 0;
}

static int by_position(const void *a, const void *b, void *arg) {
  const struct list *list = arg;
  uint64_t x = list->items[*(const uint16_t *)a].entry.key.position;
  uint64_t y = list->items[*(const uint16_t *)b].entry.key.position;
  return x < y ? -1 : x > y;
}

static void order_chunk(struct list *list) {
  for (size_t i = 0; i < list->count; i++)
    list->order[i] = (uint16_t)i;
  qsort_r(list->order, list->count, sizeof *list->order, by_position, list);
}

static int mark_voided(struct list *list, struct err *err) {
  for (size_t i = 0; i < list->count; i++) {
    struct item *item = &list->items[list->order[i]];
    const struct usage *usage;
    uint64_t voided_at = 0;
    int result = scan_record(list->reader, item->entry.key.position, &usage, err);
    if (result == 0) result = scan_void(list->reader, usage, list->query.as_of, &voided_at, err);
    if (result != 0) return refuse_error(list, err);
    item->is_out = voided_at != 0;
  }
  return 0;
}

/* Counts the chunk's tasks, and leaves those in it that are on the page: it puts the others out. */
static void choose(struct list *list) {
  for (size_t i = 0; i < list->count; i++) {
    if (list->items[i].is_out) continue;
    uint64_t rank = list->total++;
    list->items[i].is_out = rank < list->offset || rank - list->offset >= list->limit;
  }
}

static int write_texts(struct list *list, const struct buf *out, struct err *err) {
  buf_clear(&list->texts);
  for (size_t i = 0; i < list->count; i++) {
    struct item *item = &list->items[list->order[i]];
    const struct usage *usage;
    if (item->is_out) continue;
    if (scan_record(list->reader, item->entry.key.position, &usage, err) != 0) return refuse_error(list, err);
    int code = reserve(list, &list->texts, out, TASK_FIELDS_MAX);
    if (code != 0) return code;
    item->start = list->texts.len;
    task_append(&list->texts, list->type->list, usage);
    item->len = list->texts.len - item->start;
  }
  return 0;
}

static int append_chunk(struct list *list, struct json_write *json) {
  int code = reserve(list, json->out, json->out, list->texts.len + list->count);
  for (size_t i = 0; i < list->count && code == 0; i++) {
    const struct item *item = &list->items[i];
    if (item->is_out) continue;
    CHECK(item->len > 0 && item->start + item->len <= list->texts.len);
    json_write_raw(json, NULL, str_make(list->texts.ptr + item->start, item->len));
    list->shown++;
  }
  return code;
}

/* True if a chunk without voided tasks is not on the page; it is then only counted. */
static bool pass_over(struct list *list) {
  bool is_before = list->total + list->count <= list->offset;
  bool is_behind = list->total >= list->offset && list->total - list->offset >= list->limit;
  if (list->has_voids || (!is_before && !is_behind)) return false;
  list->total += list->count;
  return true;
}

static int take_chunk(struct list *list, struct json_write *json, struct err *err) {
  if (pass_over(list)) return 0;
  order_chunk(list);
  int code = list->has_voids ? mark_voided(list, err) : 0;
  if (code != 0) return code;
  choose(list);
  code = write_texts(list, json->out, err);
  return code != 0 ? code : append_chunk(list, json);
}

/* True if tasks would be missing at the end of a list that is not asked for in parts. */
static bool is_cut(const struct list *list) {
  return !list->has_limit && list->total > list->offset && list->total - list->offset > list->limit;
}

static int take_next(struct list *list, struct json_write *json, struct err *err) {
  int code = next_chunk(list, err);
  if (code == 0) code = take_chunk(list, json, err);
  if (code != 0) return code;
  list->is_at_end = list->count < CHUNK;
  return is_cut(list) ? refuse_long(list) : 0;
}

/* ---- before anything is read ---- */

/* Counts the next entries of the window, voided ones included. That is cheap beside the reading of their records. */
static int count_next(struct list *list, struct err *err) {
  struct scan_query *query = &list->counting;
  size_t count;
  if (ledger_scan_entries(list->call->options->ledger, query, list->entries, CHUNK, &count, err) != 0)
    return refuse_error(list, err);
  if (count > 0) query->behind = list->entries[count - 1].key;
  query->has_behind = true;
  list->counted += count;
  if (list->counted > LIST_WINDOW_MAX) return refuse_window(list);
  list->is_counted = count < CHUNK;
  bool is_long = !list->has_limit && list->counted > list->offset && list->counted - list->offset > list->limit;
  return list->is_counted && is_long && !list->has_voids ? refuse_long(list) : 0;
}

static int look_for_voids(struct list *list, struct err *err) {
  struct scan_query query = {
      .project = list->query.project,
      .kinds = SCAN_KIND(USAGE_VOID),
      .from_ms = INT64_MIN,
      .to_ms = INT64_MAX,
      .as_of = list->query.as_of,
  };
  struct scan_entry entry;
  size_t count;
  if (ledger_scan_entries(list->call->options->ledger, &query, &entry, 1, &count, err) != 0)
    return refuse_error(list, err);
  list->has_voids = count > 0;
  return 0;
}

static int begin(struct list *list, struct json_write *json, struct err *err) {
  struct period period;
  int code = period_read(list->call, &period, list->refusal);
  if (code == 0) code = read_page(list);
  if (code != 0) return code;
  ask_for(list, &period);
  list->counting = list->query;
  code = take_memory(list, json->out, err);
  if (code == 0) code = look_for_voids(list, err);
  if (code == 0) json_write_list(json, "TaskList");
  list->has_begun = code == 0;
  return code;
}

static int end(const struct list *list, struct json_write *json) {
  uint64_t behind = list->total > list->offset ? list->total - list->offset : 0;
  CHECK(list->shown == (behind < list->limit ? behind : list->limit)); /* nothing is cut in silence */
  json_write_end(json);
  json_write_u64(json, "TotalCount", list->total);
  return 0;
}

/* Works until the turn is over or the list is whole. */
static int work(struct list *list, struct json_write *json) {
  struct err err = {0};
  int code = list->has_begun ? 0 : begin(list, json, &err);
  while (code == 0 && !list->is_at_end) {
    if (call_turn_is_over(list->call)) {
      scan_reader_rest(list->reader);
      return CALL_LATER;
    }
    code = list->is_counted ? take_next(list, json, &err) : count_next(list, &err);
  }
  return code == 0 ? end(list, json) : code;
}

static int answer(const struct call *call, const struct task_type *type, struct json_write *json,
                  struct refusal *refusal) {
  struct list *list = call->work != NULL ? (struct list *)(void *)*call->work : NULL;
  if (list == NULL) list = calloc(1, sizeof *list);
  if (list == NULL) {
    static const struct err err = {.code = ERR_MEMORY, .text = "not enough memory"};
    return refuse_internal(refusal, "cannot read tasks", &err);
  }
  list->work.free = free_list;
  list->call = call;
  list->type = type;
  list->refusal = refusal;
  int code = work(list, json);
  if (call->work != NULL) *call->work = code == CALL_LATER ? &list->work : NULL;
  if (code != CALL_LATER) free_list(&list->work);
  return code;
}

/* ---- the tables ---- */

/* clang-format off */
static const struct api_param params[] = {
    API_PARAM_PROJECT,
    PERIOD_PARAMS,
    {.name = "Limit", .type = API_INT, .least = 1, .most = API_ROWS_MAX, .is_within_rows_max = true, .example = "100",
     .help = {"the most tasks to return; at most query.rows_max, which is 100000 unless the server's settings change "
              "it. Absent: all tasks, or RetCode 230 if there are more (codecmeter's own)",
              "最多返回多少个任务；不超过 query.rows_max（默认 100000，可由服务器的设置改变）。不填写：返回全部，"
              "超过该数则返回 RetCode 230（codecmeter 自有参数）"}},
    {.name = "Offset", .type = API_INT, .most = LIST_WINDOW_MAX, .example = "0",
     .help = {"how many tasks to leave out at the beginning. Absent: 0 (codecmeter's own)",
              "从头跳过多少个任务。不填写为 0（codecmeter 自有参数）"}},
    {0},
};

#define FIELDS(of_a_task) { \
    {.name = "TaskList", .type = API_LIST, .members = of_a_task, \
     .help = {"the tasks, by finish time", "任务列表，按完成时间排序"}}, \
    {.name = "TotalCount", .type = API_INT, \
     .help = {"how many tasks the window has (codecmeter's own)", "时间段内的任务总数（codecmeter 自有字段）"}}, \
    {0}, \
  }

static int answer_codec(const struct call *call, struct json_write *json, struct refusal *refusal) {
  return answer(call, &task_type_codec, json, refusal);
}

static const struct api_field codec_fields[] = FIELDS(task_codec_list);

const struct api_action api_get_codec_task_list = {
    .name = "GetCodecTaskList",
    .handle = answer_codec,
    .needs_project = true,
    .is_long = true,
    .params = params,
    .fields = codec_fields,
    .request_example = "BeginTime=1500393600&EndTime=1500480000",
    .answer_example = API_JSON(
        {"RetCode":0,"Action":"GetCodecTaskListResponse","TaskList":[
         {"TaskId":"1265","SrcUrl":"http://in.example.com/a.mp4","DestVideoName":"a_low.mp4","DestBucket":"out","DestFormat":"mp4",
          "Duration":137,"CodecLevel":"lowdefinition","CreateTime":1500436634,"Status":"finished",
          "FinishTime":1500436800,"Minutes":3,"VideoCodec":"h264","Width":640,"Height":480,"Source":"farm-7","Id":"job-1/low"},
         {"TaskId":"job-2/high","SrcUrl":"","DestVideoName":"","DestBucket":"","DestFormat":"",
          "Duration":137,"CodecLevel":"highdefinition","CreateTime":0,"Status":"finished",
          "FinishTime":1500523200,"Minutes":3,"VideoCodec":"h264","Width":1920,"Height":1080,"Source":"farm-7","Id":"job-2/high"},
         {"TaskId":"job-3/low","SrcUrl":"","DestVideoName":"","DestBucket":"","DestFormat":"",
          "Duration":0,"CodecLevel":"","CreateTime":0,"Status":"failed",
          "FinishTime":1500523500,"Minutes":0,"VideoCodec":"","Width":0,"Height":0,"Source":"farm-7","Id":"job-3/low"}],
         "TotalCount":3}),
    .help = {"the transcoding tasks of a window, finished and failed ones; a task is one output",
             "一段时间内的转码任务，包括完成的和失败的；一个任务对应一个输出"},
};

static int answer_format(const struct call *call, struct json_write *json, struct refusal *refusal) {
  return answer(call, &task_type_format, json, refusal);
}

static const struct api_field format_fields[] = FIELDS(task_format_list);

const struct api_action api_get_format_task_list = {
    .name = "GetFormatTaskList",
    .handle = answer_format,
    .needs_project = true,
    .is_long = true,
    .params = params,
    .fields = format_fields,
    .request_example = "BeginTime=1500393600&EndTime=1500393600",
    .answer_example = API_JSON(
        {"RetCode":0,"Action":"GetFormatTaskListResponse","TaskList":[
         {"TaskId":"job-1/hls","SrcUrl":"","DestVideoName":"a.m3u8","DestBucket":"out","DestFormat":"m3u8",
          "Duration":62,"CreateTime":0,"Status":"finished",
          "FinishTime":1500436860,"Minutes":2,"Source":"farm-7","Id":"job-1/hls"}],
         "TotalCount":1}),
    .help = {"the remuxing tasks of a window, finished and failed ones",
             "一段时间内的转封装（切片）任务，包括完成的和失败的"},
};

static int answer_snap(const struct call *call, struct json_write *json, struct refusal *refusal) {
  return answer(call, &task_type_snap, json, refusal);
}

static const struct api_field snap_fields[] = FIELDS(task_snap_list);

const struct api_action api_get_snap_task_list = {
    .name = "GetSnapTaskList",
    .handle = answer_snap,
    .needs_project = true,
    .is_long = true,
    .params = params,
    .fields = snap_fields,
    .request_example = "BeginTime=1500393600&EndTime=1500393600",
    .answer_example = API_JSON(
        {"RetCode":0,"Action":"GetSnapTaskListResponse","TaskList":[
         {"TaskId":"job-1/thumbs","SrcUrl":"","ImageName":"a_thumb","ImageFormat":"jpg","SnapType":"","ImageCount":5,
          "CreateTime":0,"Status":"finished",
          "FinishTime":1500436920,"DestBucket":"out","Source":"farm-7","Id":"job-1/thumbs"}],
         "TotalCount":1}),
    .help = {"the snapshot tasks of a window, finished and failed ones",
             "一段时间内的截图任务，包括完成的和失败的"},
};
/* clang-format on */
