/* A table has a row for each member of an output and of its data. A value that no report can hold is left out with a
 * remark: it would reject the event, and the sender, which cannot correct it, would only repeat it. What a script may
 * never return (a member of another name, a table where a text belongs) is the script's fault, and the notice waits
 * until the script is mended.
 */
#include "adapt/outputs.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/check.h"
#include "meter/amount.h"
#include "meter/codec.h"
#include "meter/frame_rate.h"
#include "meter/labels.h"
#include "meter/rfc3339.h"
#include "meter/zone.h"

#define REMARK_MAX 1000 /* an address to visit, with its token, fits */
#define SHOWN_MAX 64 /* bytes of an id or a value in a remark */

/* ---- remarks ---- */

/* The longest part of a text that has at most max bytes and ends with a whole character. */
static struct str cut(struct str text, size_t max) {
  size_t len = text.len < max ? text.len : max;
  while (len > 0 && len < text.len && ((unsigned char)text.ptr[len] & 0xC0) == 0x80)
    len--;
  return str_make(text.ptr, len);
}

static int keep_remark(struct outputs *outputs, struct str text) {
  if (outputs->remarks_count == ADAPTER_OUTPUTS_MAX) {
    outputs->untold++;
    return 0;
  }
  struct str kept = arena_copy(outputs->arena, cut(text, REMARK_MAX - 1));
  if (kept.ptr == NULL) return -ERR_MEMORY;
  outputs->remarks[outputs->remarks_count++] = kept.ptr;
  return 0;
}

static int tell_untold(struct outputs *outputs) {
  char text[REMARK_MAX];
  if (outputs->untold == 0) return 0;
  (void)snprintf(text, sizeof text, "%zu more values are left out", outputs->untold);
  struct str kept = arena_copy(outputs->arena, str_of(text));
  if (kept.ptr == NULL) return -ERR_MEMORY;
  outputs->remarks[outputs->remarks_count++] = kept.ptr;
  return 0;
}

/* ---- one output ---- */

struct output {
  struct outputs *outputs;
  size_t number; /* from 1, as a script counts */
  struct event_tree *tree;
  struct str id;
  struct err *err;
};

static int fault(const struct output *output, const char *member, const char *what) {
  return err_set(output->err, ERR_SCRIPT, "the script returned outputs[%zu]%s%s: %s", output->number,
                 member[0] != '\0' ? "." : "", member, what);
}

static int leave_out(const struct output *output, const char *member, const char *why, struct str value) {
  char text[REMARK_MAX];
  struct str id = cut(output->id, SHOWN_MAX), shown = cut(value, SHOWN_MAX);
  int len = snprintf(text, sizeof text, "output %.*s: %s is left out, because it is not %s: %.*s", STR_ARG(id),
                     member, why, STR_ARG(shown));
  return keep_remark(output->outputs, str_make(text, strnlen(text, (size_t)len)));
}

static int add(const struct output *output, bool is_data, const char *name, enum event_tree_form form,
               struct str value) {
  return event_tree_add(output->tree, output->outputs->arena, is_data, str_of(name), form, value);
}

/* ---- members of data ---- */

struct member {
  const char *name;
  enum event_tree_form form;
  bool (*is_usable)(struct str value, const struct member *member);
  int64_t least, most;
  const char *wanted;
};

static bool is_whole(struct str value, const struct member *member) {
  int64_t number;
  bool is_integer = json_is_number(value) && json_number_i64(value, &number);
  return is_integer && number >= member->least && number <= member->most;
}

static bool is_seconds(struct str value, const struct member *member) {
  uint64_t ms;
  (void)member;
  return json_is_number(value) && amount_ms_of_seconds(value, &ms, NULL) == 0;
}

static bool is_codec(struct str value, const struct member *member) {
  char codec[CODEC_NAME_MAX + 1];
  (void)member;
  return codec_canonical(value, codec, NULL) == 0;
}

static bool is_frame_rate(struct str value, const struct member *member) {
  struct frame_rate rate;
  (void)member;
  return frame_rate_parse(value, &rate);
}

static bool is_time(struct str value, const struct member *member) {
  int64_t ms;
  (void)member;
  return rfc3339_parse(value, &ms, NULL) == 0;
}

static bool is_text(struct str value, const struct member *member) {
  return (int64_t)value.len <= member->most && !str_has_control(value);
}

#define PIXELS(name) \
  { name, EVENT_TREE_NUMBER, is_whole, 1, PIXELS_MAX, "an integer from 1 to 65535" }
#define MS(name) \
  { name, EVENT_TREE_NUMBER, is_whole, 0, DURATION_MS_MAX, "an integer of milliseconds up to 366 days" }
#define TEXT(name, max) \
  { name, EVENT_TREE_TEXT, is_text, 0, max, "a short text without control characters" }

static const struct member members[] = {
    {"codec", EVENT_TREE_TEXT, is_codec, 0, 0, "the name of a codec"},
    PIXELS("width"),
    PIXELS("height"),
    MS("duration_ms"),
    {"duration", EVENT_TREE_NUMBER, is_seconds, 0, 0, "a number of seconds up to 366 days"},
    {"image_count", EVENT_TREE_NUMBER, is_whole, 0, EVENT_IMAGES_MAX, "an integer from 0 to 2147483647"},
    {"frame_rate", EVENT_TREE_NUMBER, is_frame_rate, 0, 0, "a frame rate"},
    TEXT("quality", QUALITY_MAX),
    TEXT("region", REGION_MAX),
    {"passes", EVENT_TREE_NUMBER, is_whole, 1, PASSES_MAX, "an integer from 1 to 65535"},
    MS("input_duration_ms"),
    TEXT("task_id", TASK_ID_MAX),
    {"created", EVENT_TREE_TEXT, is_time, 0, 0, "a time with its zone"},
    TEXT("src_url", SRC_URL_MAX),
    TEXT("dest_name", DEST_MAX),
    TEXT("dest_bucket", DEST_MAX),
    TEXT("format", DEST_MAX),
};
#define MEMBERS (sizeof members / sizeof members[0])

static const struct member *find_member(struct str name) {
  for (size_t i = 0; i < MEMBERS; i++) {
    if (str_equal(name, str_of(members[i].name))) return &members[i];
  }
  return NULL;
}

static bool has_text(const struct json *value) { return value->type == JSON_STRING || value->type == JSON_NUMBER; }

/* A label that cannot be one is left out alone. */
static int take_labels(const struct output *output, const struct json *labels) {
  struct json *kept = arena_alloc(output->outputs->arena, sizeof *kept);
  if (kept == NULL) return -ERR_MEMORY;
  if (labels->type != JSON_OBJECT) return fault(output, "data.labels", "it must be a table of texts by name");
  *kept = (struct json){.type = JSON_OBJECT, .name = STR("labels")};
  const struct json **end = &kept->child;
  size_t count = 0;
  for (const struct json *label = labels->child; label != NULL; label = label->next) {
    if (label->type == JSON_NULL || (has_text(label) && label->text.len == 0)) continue;
    if (!has_text(label)) return fault(output, "data.labels", "a label must be a text");
    if (!label_name_is_valid(label->name) || !label_value_is_valid(label->text)) {
      int result = leave_out(output, "a label", "a valid name with a valid value", label->name);
      if (result != 0) return result;
      continue;
    }
    struct json *copy = arena_alloc(output->outputs->arena, sizeof *copy);
    if (copy == NULL) return -ERR_MEMORY;
    if (count++ == LABELS_MAX) return fault(output, "data.labels", "more than 8 labels");
    *copy = (struct json){.type = JSON_STRING, .name = label->name, .text = label->text};
    *end = copy;
    end = &copy->next;
  }
  *output->tree->data_end = kept;
  output->tree->data_end = &kept->next;
  return 0;
}

static int take_datum(const struct output *output, const struct member *member, const struct json *value) {
  char name[80];
  (void)snprintf(name, sizeof name, "data.%s", member->name);
  if (!has_text(value)) return fault(output, name, "it must be a text or a number");
  /* Events take no blanks around a frame rate that is a fraction. */
  struct str text = member->form == EVENT_TREE_NUMBER ? str_trim(value->text) : value->text;
  if (text.len == 0) return 0;
  if (!member->is_usable(text, member)) return leave_out(output, member->name, member->wanted, text);
  return add(output, true, member->name, member->form, text);
}

static int check_names(const struct output *output, const struct json *data) {
  char name[80];
  for (const struct json *value = data->child; value != NULL; value = value->next) {
    struct str shown = cut(value->name, SHOWN_MAX);
    (void)snprintf(name, sizeof name, "data.%.*s", STR_ARG(shown));
    if (find_member(value->name) == NULL && !str_equal(value->name, STR("labels")))
      return fault(output, name, "there is no such member of data (docs/events.md lists them)");
  }
  return 0;
}

/* In the order of the table, because Lua's own differs from run to run, and remarks would with it. */
static int take_data(const struct output *output, const struct json *data) {
  if (data == NULL) return 0;
  if (data->type != JSON_OBJECT) return fault(output, "data", "it must be a table of members");
  int result = check_names(output, data);
  for (size_t i = 0; i < MEMBERS && result == 0; i++) {
    const struct json *value = json_member(data, members[i].name);
    if (value != NULL && value->type != JSON_NULL) result = take_datum(output, &members[i], value);
  }
  const struct json *labels = json_member(data, "labels");
  bool has_labels = labels != NULL && labels->type != JSON_NULL;
  return result == 0 && has_labels ? take_labels(output, labels) : result;
}

/* ---- members of the event ---- */

enum attribute { ID, SOURCE, TYPE, PROJECT, TIME, TIME_S, TIME_MS, DATA, ATTRIBUTES };

static const char *const attribute_names[ATTRIBUTES] = {
    [ID] = "id",     [SOURCE] = "source", [TYPE] = "type",       [PROJECT] = "project",
    [TIME] = "time", [TIME_S] = "time_s", [TIME_MS] = "time_ms", [DATA] = "data",
};

static int sort_out(const struct output *output, const struct json *made, const struct json *slots[ATTRIBUTES]) {
  if (made->type != JSON_OBJECT) return fault(output, "", "it must be a table with the members of an event");
  for (const struct json *member = made->child; member != NULL; member = member->next) {
    char name[SHOWN_MAX + 1];
    struct str shown = cut(member->name, SHOWN_MAX);
    (void)snprintf(name, sizeof name, "%.*s", STR_ARG(shown));
    size_t slot = 0;
    while (slot < ATTRIBUTES && !str_equal(member->name, str_of(attribute_names[slot])))
      slot++;
    if (slot == ATTRIBUTES)
      return fault(output, name, "an output has only id, source, type, project, time, time_s, time_ms and data");
    if (member->type == JSON_NULL) continue;
    if (slot != DATA && !has_text(member)) return fault(output, name, "it must be a text or a number");
    slots[slot] = member;
  }
  if (slots[ID] == NULL || slots[ID]->text.len == 0)
    return fault(output, "id",
                 "it is missing: an output needs an identity that stays the same in each copy of the notice");
  return 0;
}

static struct str first_of(struct str first, const struct json *second, const char *last) {
  if (first.len > 0) return first;
  return second != NULL && second->text.len > 0 ? second->text : str_of(last);
}

/* The time of a slot as Unix milliseconds. False if a report cannot hold this time. */
static bool read_time(const struct outputs *outputs, enum attribute slot, struct str value, int64_t *ret_ms) {
  int64_t number, ms;
  if (slot == TIME) {
    if (rfc3339_parse(value, &ms, NULL) != 0) return false;
  } else {
    int64_t factor = slot == TIME_S ? 1000 : 1;
    if (!str_to_i64(str_trim(value), &number) || number < 0 || number > ZONE_TIME_MAX * 1000 / factor) return false;
    ms = number * factor;
  }
  if (ms < EVENT_TIME_MIN_MS || ms > outputs->now_ms + EVENT_AHEAD_MAX_MS) return false;
  *ret_ms = ms;
  return true;
}

/* The first of the three that is a time. The URL's time wins, and is checked as an event's. */
static int take_time(const struct output *output, const struct json *slots[ATTRIBUTES]) {
  struct outputs *outputs = output->outputs;
  if (outputs->query->time.len > 0) return add(output, false, "time", EVENT_TREE_SECONDS, outputs->query->time);
  for (enum attribute slot = TIME; slot <= TIME_MS; slot++) {
    int64_t ms;
    char text[RFC3339_SIZE];
    if (slots[slot] == NULL || slots[slot]->text.len == 0) continue;
    if (!read_time(outputs, slot, slots[slot]->text, &ms)) {
      int result =
          leave_out(output, attribute_names[slot], "a time with its zone, from 1980 until now", slots[slot]->text);
      if (result != 0) return result;
      continue;
    }
    rfc3339_format(ms, text);
    struct str kept = arena_copy(outputs->arena, str_of(text));
    return kept.ptr != NULL ? add(output, false, "time", EVENT_TREE_TEXT, kept) : -ERR_MEMORY;
  }
  return 0;
}

static bool is_taken(const struct outputs *outputs, const struct output_name *name) {
  for (size_t i = 0; i < outputs->count; i++) {
    const struct output_name *other = &outputs->names[i];
    if (str_equal(other->id, name->id) && str_equal(other->source, name->source)) return true;
  }
  return false;
}

/* Keeps the name for the outputs that follow. An envelope may hold a notice twice, so it is no fault of the script. */
static int name_output(struct outputs *outputs, struct output_name name) {
  char text[REMARK_MAX];
  bool is_again = is_taken(outputs, &name);
  outputs->names[outputs->count] = name;
  if (!is_again) return 0;
  struct str id = cut(name.id, SHOWN_MAX);
  (void)snprintf(text, sizeof text, "output %.*s: the notice has this id more than once, and it counts once",
                 STR_ARG(id));
  return keep_remark(outputs, str_of(text));
}

static int take_output(struct outputs *outputs, const struct json *made, struct err *err) {
  const struct json *slots[ATTRIBUTES] = {NULL};
  struct output output = {.outputs = outputs, .number = outputs->count + 1, .err = err};
  int result = sort_out(&output, made, slots);
  if (result != 0) return result;
  const struct adapter_query *query = outputs->query;
  struct str project = first_of(query->project, slots[PROJECT], "");
  output.tree = event_tree_new(outputs->arena);
  output.id = slots[ID]->text;
  struct str source = first_of(query->source, slots[SOURCE], outputs->adapter);
  if (output.tree == NULL) return -ERR_MEMORY;
  result = add(&output, false, "type", EVENT_TREE_TEXT, first_of(STR(""), slots[TYPE], "transcode.finished"));
  if (result == 0) result = add(&output, false, "source", EVENT_TREE_TEXT, source);
  if (result == 0) result = add(&output, false, "id", EVENT_TREE_TEXT, output.id);
  if (result == 0 && project.len > 0) result = add(&output, false, "subject", EVENT_TREE_TEXT, project);
  if (result == 0) result = take_time(&output, slots);
  if (result == 0) result = take_data(&output, slots[DATA]);
  if (result == 0) result = name_output(outputs, (struct output_name){source, output.id});
  if (result == 0) outputs->items[outputs->count++] = output.tree;
  return result;
}

int outputs_take(struct outputs *outputs, const struct json *made, const struct json *remarks, struct err *err) {
  int result = 0;
  size_t number = 1;
  for (const struct json *remark = remarks->child; remark != NULL && result == 0; remark = remark->next, number++) {
    if (remark->type != JSON_STRING || strnlen(remark->text.ptr, remark->text.len) == 0)
      return err_set(err, ERR_SCRIPT, "the script returned remarks[%zu]: it is not a text", number);
    result = keep_remark(outputs, str_of(remark->text.ptr));
  }
  for (const struct json *output = made->child; output != NULL && result == 0; output = output->next)
    result = take_output(outputs, output, err);
  return result == 0 ? tell_untold(outputs) : result;
}
