/* Tables say which field an action has, what it means, and where it comes from. A meter does not know everything that
 * UMedia knew: what no report states is "" or 0, never a guess. The documentation shows ImageList as an array, but its
 * table and the SDK say string, and an array would make the typed client fail; the names of images are not reported,
 * so it is "".
 */
#include "api/task_fields.h"

#include <stdio.h>

#include "base/check.h"

/* ---- texts ---- */

static void no_text(struct json_write *json, const char *name, const struct usage *task) {
  (void)task;
  json_write_text(json, name, "");
}

static void task_id(struct json_write *json, const char *name, const struct usage *task) {
  json_write_str(json, name, task->task_id.len > 0 ? task->task_id : task->id);
}

#define TEXT_OF(member) \
  static void member(struct json_write *json, const char *name, const struct usage *task) { \
    json_write_str(json, name, task->member); \
  }
TEXT_OF(id)
TEXT_OF(source)
TEXT_OF(src_url)
TEXT_OF(dest_name)
TEXT_OF(dest_bucket)
TEXT_OF(format)
TEXT_OF(codec)

static bool is_finished(const struct usage *task) { return task->outcome == USAGE_FINISHED; }

/* A ledger holds what is over: nothing waits, nothing is being processed. */
static void status(struct json_write *json, const char *name, const struct usage *task) {
  json_write_text(json, name, is_finished(task) ? "finished" : "failed");
}

static void codec_level(struct json_write *json, const char *name, const struct usage *task) {
  json_write_text(json, name, is_finished(task) ? tier_codec_level(task->tier) : "");
}

static void resolution(struct json_write *json, const char *name, const struct usage *task) {
  char text[24] = "";
  if (task->width > 0 && task->height > 0) (void)snprintf(text, sizeof text, "%ux%u", task->width, task->height);
  json_write_text(json, name, text);
}

/* ---- numbers ---- */

static void no_number(struct json_write *json, const char *name, const struct usage *task) {
  (void)task;
  json_write_u64(json, name, 0);
}

/* Seconds as counted, images of a snapshot; 0 unless the task finished. So their sum is what the statistics say. */
static void units(struct json_write *json, const char *name, const struct usage *task) {
  json_write_u64(json, name, usage_count(task).units);
}

static void minutes(struct json_write *json, const char *name, const struct usage *task) {
  json_write_u64(json, name, usage_count(task).minutes);
}

static void width(struct json_write *json, const char *name, const struct usage *task) {
  json_write_u64(json, name, task->width);
}

static void height(struct json_write *json, const char *name, const struct usage *task) {
  json_write_u64(json, name, task->height);
}

static void write_seconds(struct json_write *json, const char *name, int64_t ms) {
  json_write_u64(json, name, ms > 0 ? (uint64_t)ms / 1000 : 0);
}

static void finish_time(struct json_write *json, const char *name, const struct usage *task) {
  write_seconds(json, name, task->finished_ms);
}

static void create_time(struct json_write *json, const char *name, const struct usage *task) {
  write_seconds(json, name, task->has_created ? task->created_ms : 0);
}

/* ---- the answers ---- */

/* clang-format off */
#define T(field, from, en, zh) {.name = field, .type = API_TEXT, .write = from, .help = {en, zh}}
#define N(field, from, en, zh) {.name = field, .type = API_INT, .write = from, .help = {en, zh}}
#define O(field, of, en, zh) {.name = field, .type = API_OBJECT, .members = of, .help = {en, zh}}
/* What UMedia did not have. */
#define OWN_T(field, from, en, zh) T(field, from, en " (codecmeter's own)", zh "（codecmeter 自有字段）")
#define OWN_N(field, from, en, zh) N(field, from, en " (codecmeter's own)", zh "（codecmeter 自有字段）")

#define TASK_ID T("TaskId", task_id, "the event's task_id; if it has none, the event's 'id'", "任务 ID：事件的 task_id；没有则为事件的 id")
#define SRC_URL T("SrcUrl", src_url, "the address of the source: the event's src_url", "源文件地址：事件的 src_url")
#define DEST_VIDEO_NAME T("DestVideoName", dest_name, "the output's name: the event's dest_name", "输出文件名：事件的 dest_name")
#define BUCKET(type) \
  type("DestBucket", dest_bucket, "the bucket of the output: the event's dest_bucket", "输出所在的存储空间：事件的 dest_bucket")
#define FORMAT(name) T(name, format, "the container of the output: the event's 'format'", "输出的封装格式：事件的 format")
#define DURATION \
  N("Duration", units, "seconds, as they are counted; 0 if the task failed", "时长（秒），按计量的秒数；失败的任务为 0")
#define CODEC_LEVEL \
  T("CodecLevel", codec_level, \
    "the definition tier: 'lowdefinition', 'mediumdefinition', 'highdefinition' or 'superdefinition'; empty if the task failed", \
    "清晰度档位：lowdefinition（普清）、mediumdefinition（高清）、highdefinition（超清）、superdefinition（超高清）；" \
    "失败的任务为空")
#define CREATE_TIME \
  N("CreateTime", create_time, "Unix seconds: the event's 'created'; 0 if it has none", \
    "创建时间（Unix 时间戳，秒）：事件的 created；没有则为 0")
#define STATUS T("Status", status, "'finished' or 'failed'", "任务状态：finished（完成）或 failed（失败）")
#define FINISH_TIME(type) \
  type("FinishTime", finish_time, "when the task finished, Unix seconds; it decides the day", \
       "完成时间（Unix 时间戳，秒），决定任务计入哪一天")
#define MINUTES \
  OWN_N("Minutes", minutes, "billable minutes: Duration rounded up to whole minutes; 0 if the task failed", \
        "计费分钟数：Duration 向上取整到分钟；失败的任务为 0")
#define OUR_VIDEO \
  OWN_T("VideoCodec", codec, "the codec as in GetCodecTotalStat; empty if a failed task names none", \
        "视频编码，与 GetCodecTotalStat 中相同；失败的任务没有给出则为空"), \
  OWN_N("Width", width, "pixels; 0 if not reported", "宽度（像素）；没有上报则为 0"), \
  OWN_N("Height", height, "pixels; 0 if not reported", "高度（像素）；没有上报则为 0")
#define IDENTITY \
  OWN_T("Source", source, "the event's 'source'", "上报来源：事件的 source"), \
  OWN_T("Id", id, "the event's 'id'; with the project and Source it names the task", \
        "事件的 id，与项目、Source 一起唯一确定任务")
#define IMAGE_NAME T("ImageName", dest_name, "the name of the images: the event's dest_name", "图片名称：事件的 dest_name")
#define IMAGE_FORMAT T("ImageFormat", format, "the event's 'format'", "图片格式：事件的 format")
#define IMAGE_COUNT \
  N("ImageCount", units, "images, as they are counted; 0 if the task failed", "图片张数，按计量的张数；失败的任务为 0")
#define SNAP_TYPE T("SnapType", no_text, "empty: reports do not say it", "截图类型：上报没有此信息，始终为空")

const struct api_field task_codec_list[] = {
    TASK_ID, SRC_URL, DEST_VIDEO_NAME, BUCKET(T), FORMAT("DestFormat"), DURATION, CODEC_LEVEL, CREATE_TIME, STATUS,
    FINISH_TIME(OWN_N), MINUTES, OUR_VIDEO, IDENTITY, {0},
};

/* There are no templates here; what one would say of the output is in the record. */
static const struct api_field patten_detail[] = {
    T("CodecPattenId", no_text, "empty: there is no template", "始终为空：没有模板"),
    T("CodecPattenName", no_text, "empty: there is no template", "始终为空：没有模板"),
    FORMAT("DestFormat"),
    T("DestSuffix", no_text, "empty: there is no template", "始终为空：没有模板"),
    T("DestVideoResolution", resolution, "such as 1280x720; empty if not reported", "分辨率，如 1280x720；没有上报则为空"),
    T("DestVideoCodec", codec, "the codec of the output", "输出的视频编码"),
    N("DestVideoBitrate", no_number, "0: reports do not say it", "始终为 0：上报没有此信息"), {0},
};

const struct api_field task_codec_detail[] = {
    TASK_ID, SRC_URL, DEST_VIDEO_NAME, BUCKET(T), FORMAT("DestFormat"), DURATION, CODEC_LEVEL, CREATE_TIME,
    FINISH_TIME(N), STATUS, T("CallbackUrl", no_text, "empty: reports do not say it", "回调地址：上报没有此信息，始终为空"),
    O("CodecPattenDetail", patten_detail, "what a template would say of the output", "转码模板的信息：没有模板，按输出给出"),
    O("WatermarkDetail", NULL, "always {}: there is no template", "水印模板的信息：没有模板，始终为 {}"),
    MINUTES, OUR_VIDEO, IDENTITY, {0},
};

const struct api_field task_format_list[] = {
    TASK_ID, SRC_URL, DEST_VIDEO_NAME, BUCKET(T), FORMAT("DestFormat"), DURATION, CREATE_TIME, STATUS,
    FINISH_TIME(OWN_N), MINUTES, IDENTITY, {0},
};

const struct api_field task_format_detail[] = {
    TASK_ID, SRC_URL, DEST_VIDEO_NAME, BUCKET(T), FORMAT("DestVideoFormat"), DURATION, CREATE_TIME, FINISH_TIME(N),
    STATUS, MINUTES, IDENTITY, {0},
};

const struct api_field task_snap_list[] = {
    TASK_ID, SRC_URL, IMAGE_NAME, IMAGE_FORMAT, SNAP_TYPE, IMAGE_COUNT, CREATE_TIME, STATUS, FINISH_TIME(OWN_N),
    BUCKET(OWN_T), IDENTITY, {0},
};

const struct api_field task_snap_detail[] = {
    TASK_ID, SRC_URL, BUCKET(T), IMAGE_NAME, IMAGE_FORMAT,
    T("ImageList", no_text, "empty: reports do not name each image", "图片列表：上报没有此信息，始终为空"), IMAGE_COUNT, SNAP_TYPE,
    CREATE_TIME, FINISH_TIME(N), STATUS, IDENTITY, {0},
};
/* clang-format on */

const struct task_type task_type_codec = {USAGE_TRANSCODE, "transcoding", task_codec_list, task_codec_detail};
const struct task_type task_type_format = {USAGE_REMUX, "remuxing", task_format_list, task_format_detail};
const struct task_type task_type_snap = {USAGE_SNAPSHOT, "snapshot", task_snap_list, task_snap_detail};

/* JSON writes a byte as six characters at most, an answer has each text at most twice (the codec, the format), and the
 * rest is names and numbers. */
_Static_assert(TASK_FIELDS_MAX > 6 * (SOURCE_MAX + EVENT_ID_MAX + TASK_ID_MAX + SRC_URL_MAX + 4 * DEST_MAX +
                                      2 * CODEC_NAME_MAX) + 1024,
               "a task fits");

void task_write_members(struct json_write *json, const struct api_field *fields, const struct usage *task) {
  for (const struct api_field *field = fields; field->name != NULL; field++) {
    if (field->type != API_OBJECT) {
      field->write(json, field->name, task);
      continue;
    }
    json_write_object(json, field->name);
    if (field->members != NULL) task_write_members(json, field->members, task);
    json_write_end(json);
  }
}

void task_append(struct buf *out, const struct api_field *fields, const struct usage *task) {
  size_t start = out->len;
  struct json_write json = json_write_to(out);
  json_write_object(&json, NULL);
  task_write_members(&json, fields, task);
  json_write_end(&json);
  CHECK(out->len - start <= TASK_FIELDS_MAX);
}
