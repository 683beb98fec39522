/* Tables say which field an action has, and where it comes from. A meter does not know everything that UMedia knew:
 * what no report states is "" or 0, never a guess. The documentation shows ImageList as an array, but its table and the
 * SDK say string, and an array would make the typed client fail; the names of images are not reported, so it is "".
 */
#include "api/task_fields.h"

#include <stdio.h>

#include "base/check.h"
#include "base/json.h"

enum field_type { FIELD_TEXT, FIELD_NUMBER, FIELD_OBJECT };

struct task_field {
  const char *name;
  enum field_type type;
  union {
    struct str (*text)(const struct usage *usage);
    uint64_t (*number)(const struct usage *usage);
    void (*object)(const struct usage *usage, struct buf *out);
  };
};

/* ---- texts ---- */

static struct str no_text(const struct usage *usage) {
  (void)usage;
  return STR("");
}

static struct str task_id(const struct usage *usage) { return usage->task_id.len > 0 ? usage->task_id : usage->id; }
static struct str id(const struct usage *usage) { return usage->id; }
static struct str source(const struct usage *usage) { return usage->source; }
static struct str src_url(const struct usage *usage) { return usage->src_url; }
static struct str dest_name(const struct usage *usage) { return usage->dest_name; }
static struct str dest_bucket(const struct usage *usage) { return usage->dest_bucket; }
static struct str format(const struct usage *usage) { return usage->format; }
static struct str codec(const struct usage *usage) { return usage->codec; }

static bool is_finished(const struct usage *usage) { return usage->outcome == USAGE_FINISHED; }

/* A ledger holds what is over: nothing waits, nothing is being processed. */
static struct str status(const struct usage *usage) { return is_finished(usage) ? STR("finished") : STR("failed"); }

static struct str codec_level(const struct usage *usage) {
  return is_finished(usage) ? str_of(tier_codec_level(usage->tier)) : STR("");
}

/* ---- numbers ---- */

/* Seconds as counted, images of a snapshot; 0 unless the task finished. So their sum is what the statistics say. */
static uint64_t units(const struct usage *usage) { return usage_count(usage).units; }
static uint64_t minutes(const struct usage *usage) { return usage_count(usage).minutes; }
static uint64_t width(const struct usage *usage) { return usage->width; }
static uint64_t height(const struct usage *usage) { return usage->height; }
static uint64_t seconds_of(int64_t ms) { return ms > 0 ? (uint64_t)ms / 1000 : 0; }
static uint64_t finish_time(const struct usage *usage) { return seconds_of(usage->finished_ms); }
static uint64_t create_time(const struct usage *usage) {
  return usage->has_created ? seconds_of(usage->created_ms) : 0;
}

/* ---- objects ---- */

/* Lists consist of little else, so a name is not formatted. */
static void add_name(struct buf *out, const char *name) {
  buf_text(out, out->len > 0 && out->ptr[out->len - 1] == '{' ? "\"" : ",\"");
  buf_text(out, name);
  buf_text(out, "\":");
}

static void add_text(struct buf *out, const char *name, struct str text) {
  add_name(out, name);
  json_quote(out, text);
}

/* There are no templates here; what one would say of the output is in the record. */
static void patten_detail(const struct usage *usage, struct buf *out) {
  char resolution[2 * BYTES_DIGITS_MAX + 2] = "";
  if (usage->width > 0 && usage->height > 0)
    (void)snprintf(resolution, sizeof resolution, "%ux%u", usage->width, usage->height);
  buf_char(out, '{');
  add_text(out, "CodecPattenId", STR(""));
  add_text(out, "CodecPattenName", STR(""));
  add_text(out, "DestFormat", usage->format);
  add_text(out, "DestSuffix", STR(""));
  add_text(out, "DestVideoResolution", str_of(resolution));
  add_text(out, "DestVideoCodec", usage->codec);
  buf_text(out, ",\"DestVideoBitrate\":0}");
}

static void empty_object(const struct usage *usage, struct buf *out) {
  (void)usage;
  buf_text(out, "{}");
}

/* ---- the answers ---- */

#define T(name, from) {name, FIELD_TEXT, {.text = from}}
#define N(name, from) {name, FIELD_NUMBER, {.number = from}}
#define O(name, from) {name, FIELD_OBJECT, {.object = from}}
#define END {NULL, FIELD_TEXT, {.text = NULL}}

#define OUR_VIDEO N("Minutes", minutes), T("VideoCodec", codec), N("Width", width), N("Height", height), IDENTITY
#define IDENTITY T("Source", source), T("Id", id)

static const struct task_field codec_list[] = {
    T("TaskId", task_id), T("SrcUrl", src_url), T("DestVideoName", dest_name), T("DestBucket", dest_bucket),
    T("DestFormat", format), N("Duration", units), T("CodecLevel", codec_level), N("CreateTime", create_time),
    T("Status", status), N("FinishTime", finish_time), OUR_VIDEO, END,
};

static const struct task_field codec_detail[] = {
    T("TaskId", task_id), T("SrcUrl", src_url), T("DestVideoName", dest_name), T("DestBucket", dest_bucket),
    T("DestFormat", format), N("Duration", units), T("CodecLevel", codec_level), N("CreateTime", create_time),
    N("FinishTime", finish_time), T("Status", status), T("CallbackUrl", no_text),
    O("CodecPattenDetail", patten_detail), O("WatermarkDetail", empty_object), OUR_VIDEO, END,
};

static const struct task_field format_list[] = {
    T("TaskId", task_id), T("SrcUrl", src_url), T("DestVideoName", dest_name), T("DestBucket", dest_bucket),
    T("DestFormat", format), N("Duration", units), N("CreateTime", create_time), T("Status", status),
    N("FinishTime", finish_time), N("Minutes", minutes), IDENTITY, END,
};

static const struct task_field format_detail[] = {
    T("TaskId", task_id), T("SrcUrl", src_url), T("DestVideoName", dest_name), T("DestBucket", dest_bucket),
    T("DestVideoFormat", format), N("Duration", units), N("CreateTime", create_time), N("FinishTime", finish_time),
    T("Status", status), N("Minutes", minutes), IDENTITY, END,
};

static const struct task_field snap_list[] = {
    T("TaskId", task_id), T("SrcUrl", src_url), T("ImageName", dest_name), T("ImageFormat", format),
    T("SnapType", no_text), N("ImageCount", units), N("CreateTime", create_time), T("Status", status),
    N("FinishTime", finish_time), T("DestBucket", dest_bucket), IDENTITY, END,
};

static const struct task_field snap_detail[] = {
    T("TaskId", task_id), T("SrcUrl", src_url), T("DestBucket", dest_bucket), T("ImageName", dest_name),
    T("ImageFormat", format), T("ImageList", no_text), N("ImageCount", units), T("SnapType", no_text),
    N("CreateTime", create_time), N("FinishTime", finish_time), T("Status", status), IDENTITY, END,
};

const struct task_type task_type_codec = {USAGE_TRANSCODE, "transcoding", codec_list, codec_detail};
const struct task_type task_type_format = {USAGE_REMUX, "remuxing", format_list, format_detail};
const struct task_type task_type_snap = {USAGE_SNAPSHOT, "snapshot", snap_list, snap_detail};

/* JSON writes a byte as six characters at most, an answer has each text at most twice (the codec, the format), and the
 * rest is names and numbers. */
_Static_assert(TASK_FIELDS_MAX > 6 * (SOURCE_MAX + EVENT_ID_MAX + TASK_ID_MAX + SRC_URL_MAX + 4 * DEST_MAX +
                                      2 * CODEC_NAME_MAX) + 1024,
               "a task fits");

void task_append_members(struct buf *out, const struct task_field *fields, const struct usage *usage) {
  for (const struct task_field *field = fields; field->name != NULL; field++) {
    add_name(out, field->name);
    if (field->type == FIELD_TEXT) json_quote(out, field->text(usage));
    if (field->type == FIELD_NUMBER) buf_u64(out, field->number(usage));
    if (field->type == FIELD_OBJECT) field->object(usage, out);
  }
}

void task_append(struct buf *out, const struct task_field *fields, const struct usage *usage) {
  size_t start = out->len;
  buf_char(out, '{');
  task_append_members(out, fields, usage);
  buf_char(out, '}');
  CHECK(out->len - start <= TASK_FIELDS_MAX);
}
