/* Two passes. The first pass goes over an object's members and puts each into the slot of its name. The second pass
 * checks the fields in a fixed order. So the type of an event decides which of its data is read, and the reason for a
 * rejection does not depend on the order of the members.
 *
 * Data that an event's type does not have (the width of a snapshot) is not read, like any unknown member.
 *
 * Texts are borrowed from the tree until the event is known to be good; then they are copied, and the tree may be
 * freed.
 */
#include "ingest/read/fields.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/base64.h"
#include "base/check.h"
#include "ingest/read/content_type.h"
#include "ingest/read/event_members.h"
#include "meter/amount.h"
#include "meter/codec.h"
#include "meter/labels.h"
#include "meter/rfc3339.h"

#define TEXT_OF(number) TEXT_OF_(number)
#define TEXT_OF_(number) #number

#define ALLOWED_TEXT(name, max) name ": must be a text of 1 to " TEXT_OF(max) " bytes without control characters"
#define ALLOWED_OPTION(name, max) name ": must be a text of at most " TEXT_OF(max) " bytes without control characters"
#define ALLOWED_PIXELS(name) name ": must be an integer from 1 to " TEXT_OF(PIXELS_MAX)
#define ALLOWED_TIME(name) name ": must be an RFC 3339 time with its zone, like 2026-01-31T12:00:00Z"
#define ALLOWED_TYPE                                                                                      \
  "type: must be transcode.finished, transcode.failed, remux.finished, remux.failed, snapshot.finished, " \
  "snapshot.failed, audio.finished, audio.failed or usage.voided"

/* The reasons below contain these limits as text. */
_Static_assert(DURATION_MS_MAX == INT64_C(31622400000), "duration");
_Static_assert(EVENT_IMAGES_MAX == 2147483647, "image_count");
_Static_assert(EVENT_AHEAD_MAX_MS == 5 * 60 * 1000, "time");
_Static_assert(CODEC_NAME_MAX == 32, "codec");
_Static_assert(PASSES_MAX == 65535 && FRAME_RATE_MAX == 1000, "passes, frame_rate");
_Static_assert(LABELS_MAX == 8 && LABEL_NAME_MAX == 32 && LABEL_VALUE_MAX == 64, "labels");

#define RATE_PLAIN_MAX 400 /* bytes of a frame rate without its exponent */

struct reading {
  const struct event_rules *rules;
  struct arena *scratch, *arena;
  struct event *event;
  struct usage *usage;
};

static int reject(struct reading *reading, const char *reason) {
  reading->event->reason = reason;
  return -ERR_RANGE;
}

#define NAME_SHOWN_MAX 64

static int reject_twice(struct reading *reading, struct str name) {
  char text[NAME_SHOWN_MAX + 32];
  int shown = name.len < NAME_SHOWN_MAX ? (int)name.len : NAME_SHOWN_MAX;
  (void)snprintf(text, sizeof text, "%.*s: given more than once", shown, name.ptr);
  struct str kept = arena_copy(reading->arena, str_of(text));
  return kept.ptr != NULL ? reject(reading, kept.ptr) : -ERR_MEMORY;
}

/* ---- the first pass: members into slots ---- */

/* The names that an object's members may have: the first of them, and how far each is from the one before. */
struct names {
  const struct str *first;
  size_t stride, count;
};

static struct str name_at(const struct names *names, size_t slot) {
  return *(const struct str *)(const void *)((const char *)names->first + slot * names->stride);
}

/* Searches from `from` on, then from the start: members usually come in the order of the table. */
static size_t slot_of(struct str name, const struct names *names, size_t from) {
  for (size_t i = from; i < names->count; i++) {
    if (str_equal(name_at(names, i), name)) return i;
  }
  for (size_t i = 0; i < from; i++) {
    if (str_equal(name_at(names, i), name)) return i;
  }
  return names->count;
}

static int by_bytes(const void *a, const void *b) {
  return str_compare(*(const struct str *)a, *(const struct str *)b);
}

/* Unknown members may not repeat either. There may be many, so they are sorted and only neighbours are compared. */
static int check_unknown(struct reading *reading, const struct json *object, const struct names *names,
                         size_t unknown_count) {
  struct str *unknown = arena_alloc_raw(reading->scratch, unknown_count * sizeof *unknown);
  if (unknown == NULL) return -ERR_LIMIT;
  size_t n = 0;
  for (const struct json *member = object->child; member != NULL; member = member->next) {
    if (slot_of(member->name, names, 0) == names->count) unknown[n++] = member->name;
  }
  CHECK(n == unknown_count);
  qsort(unknown, n, sizeof *unknown, by_bytes);
  for (size_t i = 1; i < n; i++) {
    if (str_equal(unknown[i - 1], unknown[i])) return reject_twice(reading, unknown[i]);
  }
  return 0;
}

/* Fills the slots even if a name is given twice, which rejects the event: the answer needs the event's id.
 * *ret_filled has a bit for each slot that is filled; leaves the others as they are. */
static int fill_slots(struct reading *reading, const struct json *object, const struct names *names,
                      const struct json **slots, uint32_t *ret_filled) {
  size_t count = names->count, unknown_count = 0, twice = count, next = 0;
  uint32_t filled = 0;
  for (const struct json *member = object->child; member != NULL; member = member->next) {
    size_t slot = slot_of(member->name, names, next);
    if (slot < count) next = slot + 1;
    if (slot == count) {
      unknown_count++;
    } else if ((filled & 1u << slot) == 0) {
      slots[slot] = member;
      filled |= 1u << slot;
    } else if (twice == count) {
      twice = slot;
    }
  }
  *ret_filled = filled;
  if (twice < count) return reject_twice(reading, name_at(names, twice));
  return unknown_count < 2 ? 0 : check_unknown(reading, object, names, unknown_count);
}

/* A null counts as absent. */
static const struct json *given(const struct json *member) {
  return member != NULL && member->type != JSON_NULL ? member : NULL;
}

/* ---- values ---- */

static bool is_text(const struct json *value, size_t max) {
  return value->type == JSON_STRING && value->text.len <= max && !str_has_control(value->text);
}

/* Accepts a whole number in any spelling of JSON (1280, 1280.0, 1.28e3), but not in a text. */
static bool is_whole(const struct json *value, int64_t least, int64_t most, int64_t *ret) {
  int64_t number;
  if (value->type != JSON_NUMBER) return false;
  if (!str_to_i64(value->text, &number) && !json_number_i64(value->text, &number)) return false;
  if (number < least || number > most) return false;
  *ret = number;
  return true;
}

static bool is_time(const struct json *value, int64_t *ret_ms) {
  return value->type == JSON_STRING && rfc3339_parse(value->text, ret_ms, NULL) == 0;
}

/* ---- the second pass: attributes of the event ---- */

enum attribute {
#define ATTRIBUTE(CONSTANT, ...) ATTRIBUTE_##CONSTANT,
#include "ingest/read/members.def"
  ATTRIBUTES
};

static const struct str attribute_names[ATTRIBUTES] = {
#define ATTRIBUTE(CONSTANT, name, ...) STR(#name),
#include "ingest/read/members.def"
};

/* The id for the answer, cut to EVENT_ID_MAX at the end of a character. */
static struct str shown_id(const struct json *id) {
  if (id == NULL || id->type != JSON_STRING) return STR("");
  size_t len = id->text.len;
  if (len > EVENT_ID_MAX) {
    len = EVENT_ID_MAX;
    while (len > 0 && ((unsigned char)id->text.ptr[len] & 0xC0) == 0x80)
      len--;
  }
  return str_make(id->text.ptr, len);
}

static int read_specversion(struct reading *reading, const struct json *value, bool is_needed) {
  if (value == NULL) return is_needed ? reject(reading, "specversion is missing") : 0;
  bool good = value->type == JSON_STRING && str_equal(value->text, STR("1.0"));
  return good ? 0 : reject(reading, "specversion: must be \"1.0\"");
}

static int read_identity(struct reading *reading, const struct json *source, const struct json *id) {
  if (id == NULL) return reject(reading, "id is missing");
  if (!is_text(id, EVENT_ID_MAX) || id->text.len == 0) return reject(reading, ALLOWED_TEXT("id", EVENT_ID_MAX));
  if (source == NULL) return reject(reading, "source is missing");
  if (!is_text(source, SOURCE_MAX) || source->text.len == 0) {
    return reject(reading, ALLOWED_TEXT("source", SOURCE_MAX));
  }
  reading->usage->id = id->text;
  reading->usage->source = source->text;
  return 0;
}

static int read_type(struct reading *reading, const struct json *value) {
  if (value == NULL) return reject(reading, "type is missing");
  if (value->type != JSON_STRING) return reject(reading, ALLOWED_TYPE);
  if (!usage_type_parse(value->text, &reading->usage->kind, &reading->usage->outcome)) {
    return reject(reading, ALLOWED_TYPE);
  }
  bool is_refused = reading->usage->kind == USAGE_VOID && !reading->rules->may_void;
  return is_refused ? reject(reading, "type: usage.voided needs a token of scope void") : 0;
}

static int read_subject(struct reading *reading, const struct json *value) {
  struct str bound = str_of(reading->rules->project);
  if (value == NULL) {
    reading->usage->project = bound;
    return bound.len > 0
               ? 0
               : reject(reading,
                        "subject is missing: it must name the project, because the token is for every project");
  }
  if (!is_text(value, PROJECT_ID_MAX) || value->text.len == 0) {
    return reject(reading, ALLOWED_TEXT("subject", PROJECT_ID_MAX));
  }
  if (bound.len > 0 && !str_equal(value->text, bound)) {
    return reject(reading, "subject: the token is for another project");
  }
  reading->usage->project = value->text;
  return 0;
}

static int read_time(struct reading *reading, const struct json *value) {
  struct usage *usage = reading->usage;
  int64_t now_ms = reading->rules->now_ms;
  usage->arrived_ms = usage->finished_ms = now_ms;
  usage->finish_stated = value != NULL;
  if (value == NULL) return 0;
  if (!is_time(value, &usage->finished_ms)) return reject(reading, ALLOWED_TIME("time"));
  if (usage->finished_ms < EVENT_TIME_MIN_MS) return reject(reading, "time: must not be before 1980-01-01T00:00:00Z");
  if (usage->finished_ms > now_ms + EVENT_AHEAD_MAX_MS) {
    return reject(reading, "time: must be at most 5 minutes ahead of the server's clock");
  }
  return 0;
}

/* The data is JSON inside the event, so its type can only be JSON. Parameters do not matter. */
static int read_datacontenttype(struct reading *reading, const struct json *value) {
  if (value == NULL || (value->type == JSON_STRING && content_type_is_json(value->text))) return 0;
  return reject(reading, "datacontenttype: must be application/json, or a type that ends in +json");
}

/* ---- the second pass: data ---- */

struct field {
  struct str name;
  unsigned kinds; /* bits of the kinds that have this field */
  int (*read)(struct reading *reading, const struct field *field, const struct json *value);
  const char *allowed;
  size_t offset; /* in struct usage; for the reads that use it */
  size_t max;
};

static int read_codec(struct reading *reading, const struct field *field, const struct json *value) {
  char name[CODEC_NAME_MAX + 1];
  if (value->type != JSON_STRING || codec_canonical(value->text, name, NULL) != 0) {
    return reject(reading, field->allowed);
  }
  struct str canonical = str_of(name);
  struct str given_name = str_trim(value->text);
  bool is_as_given = str_equal(canonical, given_name);
  reading->usage->codec = is_as_given ? given_name : arena_copy(reading->scratch, canonical);
  reading->usage->codec_reported = is_as_given ? STR("") : given_name;
  return reading->usage->codec.ptr != NULL ? 0 : -ERR_LIMIT;
}

/* A decimal may be a number, in any spelling of JSON (25, 25.0, 2.5e1), or a text; a fraction is a text. */
static bool is_rate(const struct json *value, struct frame_rate *ret) {
  if (value->type != JSON_NUMBER) return value->type == JSON_STRING && frame_rate_parse(value->text, ret);
  if (frame_rate_parse(value->text, ret)) return true;
  SCOPED(buf_fini) struct buf plain = {0};
  return json_number_plain(value->text, RATE_PLAIN_MAX, &plain) == 0 && frame_rate_parse(buf_view(&plain), ret);
}

static int read_frame_rate(struct reading *reading, const struct field *field, const struct json *value) {
  return is_rate(value, &reading->usage->frame_rate) ? 0 : reject(reading, field->allowed);
}

static int read_passes(struct reading *reading, const struct field *field, const struct json *value) {
  int64_t passes;
  if (!is_whole(value, 1, PASSES_MAX, &passes)) return reject(reading, field->allowed);
  reading->usage->passes = (uint16_t)passes;
  return 0;
}

static int read_input_duration(struct reading *reading, const struct field *field, const struct json *value) {
  int64_t ms;
  if (!is_whole(value, 0, DURATION_MS_MAX, &ms)) return reject(reading, field->allowed);
  reading->usage->input_duration_ms = (uint64_t)ms;
  reading->usage->has_input_duration = true;
  return 0;
}

static size_t without_empty(struct label *labels, size_t count) {
  size_t kept = 0;
  for (size_t i = 0; i < count; i++) {
    if (labels[i].value.len > 0) labels[kept++] = labels[i];
  }
  return kept;
}

/* A label whose value is null or empty counts as absent, as a field does. */
static int read_labels(struct reading *reading, const struct field *field, const struct json *value) {
  struct label labels[LABELS_MAX];
  size_t count = 0, len;
  if (value->type != JSON_OBJECT) return reject(reading, field->allowed);
  for (const struct json *member = value->child; member != NULL; member = member->next) {
    if (!label_name_is_valid(member->name)) {
      return reject(reading, "labels: a name must be 1 to 32 of a-z, 0-9 and '_', and begin with a letter");
    }
    bool is_absent = member->type == JSON_NULL || (member->type == JSON_STRING && member->text.len == 0);
    if (!is_absent && (member->type != JSON_STRING || !label_value_is_valid(member->text))) {
      return reject(reading, "labels: a value must be a text of 1 to 64 bytes without control characters");
    }
    for (size_t i = 0; i < count; i++) {
      if (str_equal(labels[i].name, member->name)) return reject(reading, "labels: a name is given more than once");
    }
    if (count == LABELS_MAX) return reject(reading, "labels: at most 8 labels");
    labels[count++] = (struct label){member->name, is_absent ? STR("") : member->text};
  }
  count = without_empty(labels, count);
  char *set = arena_alloc_raw(reading->scratch, LABELS_SIZE_MAX);
  if (set == NULL) return -ERR_LIMIT;
  bool is_set = labels_encode(labels, count, set, &len);
  CHECK(is_set);
  reading->usage->labels = str_make(set, len);
  return 0;
}

static int read_pixels(struct reading *reading, const struct field *field, const struct json *value) {
  int64_t pixels;
  if (!is_whole(value, 1, PIXELS_MAX, &pixels)) return reject(reading, field->allowed);
  uint16_t kept = (uint16_t)pixels;
  memcpy((char *)reading->usage + field->offset, &kept, sizeof kept);
  return 0;
}

static int read_amount(struct reading *reading, const struct field *field, const struct json *value) {
  int64_t most = reading->usage->kind == USAGE_SNAPSHOT ? EVENT_IMAGES_MAX : DURATION_MS_MAX, amount;
  if (!is_whole(value, 0, most, &amount)) return reject(reading, field->allowed);
  reading->usage->amount = (uint64_t)amount;
  reading->usage->has_amount = true;
  return 0;
}

static int read_seconds(struct reading *reading, const struct field *field, const struct json *value) {
  struct usage *usage = reading->usage;
  uint64_t ms;
  if (value->type != JSON_NUMBER || amount_ms_of_seconds(value->text, &ms, NULL) != 0) {
    return reject(reading, field->allowed);
  }
  if (usage->has_amount && usage->amount != ms) {
    return reject(reading, "duration: differs from duration_ms; give only one of them");
  }
  usage->amount = ms;
  usage->has_amount = true;
  return 0;
}

static int read_created(struct reading *reading, const struct field *field, const struct json *value) {
  if (!is_time(value, &reading->usage->created_ms)) return reject(reading, field->allowed);
  reading->usage->has_created = true;
  return 0;
}

/* An empty text counts as absent. */
static int read_text(struct reading *reading, const struct field *field, const struct json *value) {
  if (!is_text(value, field->max)) return reject(reading, field->allowed);
  memcpy((char *)reading->usage + field->offset, &value->text, sizeof value->text);
  return 0;
}

/* A void names the source and id of a record, with the rules of these attributes: an empty text is refused. */
static int read_target(struct reading *reading, const struct field *field, const struct json *value) {
  return value->type == JSON_STRING && value->text.len == 0 ? reject(reading, field->allowed)
                                                            : read_text(reading, field, value);
}

/* How each member of members.def is read: the other columns of its row. */
#define PIXELS(member) read_pixels, ALLOWED_PIXELS(#member), offsetof(struct usage, member), 0
#define TEXT(member, max) read_text, ALLOWED_OPTION(#member, max), offsetof(struct usage, member), max
#define READ_codec read_codec, "codec: must be a name of 1 to 32 characters of a-z, 0-9, '.', '_', '-'", 0, 0
#define READ_width PIXELS(width)
#define READ_height PIXELS(height)
#define READ_duration_ms read_amount, "duration_ms: must be an integer from 0 to 31622400000 (366 days)", 0, 0
#define READ_duration read_seconds, "duration: must be a number of seconds from 0 to 31622400 (366 days)", 0, 0
#define READ_image_count read_amount, "image_count: must be an integer from 0 to 2147483647", 0, 0
#define READ_frame_rate \
  read_frame_rate, "frame_rate: must be above 0 and at most 1000 pictures a second, like 25, 29.97 or \"30000/1001\"", 0, 0
#define READ_quality TEXT(quality, QUALITY_MAX)
#define READ_region TEXT(region, REGION_MAX)
#define READ_passes read_passes, "passes: must be an integer from 1 to 65535", 0, 0
#define READ_input_duration_ms \
  read_input_duration, "input_duration_ms: must be an integer from 0 to 31622400000 (366 days)", 0, 0
#define READ_labels read_labels, "labels: must be a JSON object of texts", 0, 0
#define READ_task_id TEXT(task_id, TASK_ID_MAX)
#define READ_created read_created, ALLOWED_TIME("created"), 0, 0
#define READ_src_url TEXT(src_url, SRC_URL_MAX)
#define READ_dest_name TEXT(dest_name, DEST_MAX)
#define READ_dest_bucket TEXT(dest_bucket, DEST_MAX)
#define READ_format TEXT(format, DEST_MAX)
#define TARGET(member, name, max) \
  read_target, ALLOWED_TEXT(name " of data", max), offsetof(struct usage, member), max
#define READ_source TARGET(target_source, "source", SOURCE_MAX)
#define READ_id TARGET(target_id, "id", EVENT_ID_MAX)
#define READ_reason TEXT(reason, VOID_REASON_MAX)
#define READ_actor TEXT(actor, VOID_ACTOR_MAX)

static const struct field fields[] = {
#define MEMBER(name, kinds, ...) {STR(#name), kinds, READ_##name},
#include "ingest/read/members.def"
};
#define FIELDS (sizeof fields / sizeof fields[0])
_Static_assert(FIELDS <= 32 && ATTRIBUTES <= 32, "a bit for each slot");

static int read_fields(struct reading *reading, const struct json *data) {
  static const struct names names = {&fields[0].name, sizeof fields[0], FIELDS};
  const struct json *slots[FIELDS];
  uint32_t filled;
  int result = fill_slots(reading, data, &names, slots, &filled);
  for (; filled != 0 && result == 0; filled &= filled - 1) {
    size_t i = (size_t)__builtin_ctz(filled);
    bool is_read = given(slots[i]) != NULL && (fields[i].kinds & 1u << reading->usage->kind) != 0;
    if (is_read) result = fields[i].read(reading, &fields[i], slots[i]);
  }
  return result;
}

/* Says which required measure a finished task lacks; NULL if it has all. */
static const char *missing_measure(const struct usage *usage) {
  if (usage->kind == USAGE_VOID) {
    if (usage->target_source.len == 0) return "source of data is missing";
    return usage->target_id.len > 0 ? NULL : "id of data is missing";
  }
  bool has_codec = usage->kind == USAGE_TRANSCODE || usage->kind == USAGE_AUDIO;
  if (has_codec && usage->codec.len == 0) return "codec is missing";
  if (usage->kind == USAGE_TRANSCODE) {
    if (usage->width == 0) return "width is missing";
    if (usage->height == 0) return "height is missing";
  }
  if (usage->has_amount) return NULL;
  return usage->kind == USAGE_SNAPSHOT ? "image_count is missing" : "duration_ms is missing";
}

static int check_measures(struct reading *reading) {
  const char *missing = missing_measure(reading->usage);
  if (missing == NULL) return 0;
  if (!reading->rules->may_wait || reading->usage->kind != USAGE_TRANSCODE) return reject(reading, missing);
  reading->usage->kind = USAGE_UNRESOLVED;
  return 0;
}

/* JSON in base64. Uses its own parser, because the event's parser may be in the middle of an array. */
static int read_base64(struct reading *reading, const struct json *value, const struct json **ret) {
  static const char allowed[] = "data_base64: must be a JSON object in base64";
  if (value->type != JSON_STRING) return reject(reading, allowed);
  char *text = arena_alloc(reading->scratch, BASE64_DECODED_MAX(value->text.len) + JSON_PADDING);
  if (text == NULL) return -ERR_LIMIT;
  size_t len;
  if (!base64_decode(value->text, text, &len)) return reject(reading, allowed);
  SCOPED(json_parser_free_ref) struct json_parser *parser = json_parser_new();
  if (parser == NULL) return -ERR_MEMORY;
  int result = json_parse(parser, reading->scratch, str_make(text, len), EVENT_DEPTH_MAX, ret, NULL);
  if (result == -ERR_MEMORY) return -ERR_LIMIT;
  return result == 0 && (*ret)->type == JSON_OBJECT ? 0 : reject(reading, allowed);
}

static int read_data(struct reading *reading, const struct json *data, const struct json *base64) {
  struct usage *usage = reading->usage;
  bool is_finished = usage->outcome == USAGE_FINISHED;
  if (base64 != NULL && data != NULL)
    return reject(reading, "data_base64: give either data_base64 or data, not both");
  int read = base64 != NULL ? read_base64(reading, base64, &data) : 0;
  if (read != 0) return read;
  if (data == NULL) return is_finished ? reject(reading, "data is missing") : 0;
  if (data->type != JSON_OBJECT) return reject(reading, "data: must be a JSON object");
  int result = read_fields(reading, data);
  if (result == 0 && is_finished) result = check_measures(reading);
  if (result != 0) return result;
  if (usage->kind != USAGE_VOID && str_equal(usage->task_id, usage->id)) usage->task_id = STR("");
  if (is_finished && usage->kind == USAGE_TRANSCODE) usage->tier = tier_of(usage->width, usage->height);
  return 0;
}

/* ---- copying the texts ---- */

/* struct usage has a union: these offsets are also those of a void's texts. */
static const size_t kept_texts[] = {
    offsetof(struct usage, project),     offsetof(struct usage, source),    offsetof(struct usage, id),
    offsetof(struct usage, codec),       offsetof(struct usage, codec_reported), offsetof(struct usage, quality),
    offsetof(struct usage, region),      offsetof(struct usage, labels),    offsetof(struct usage, token),
    offsetof(struct usage, task_id),     offsetof(struct usage, src_url),
    offsetof(struct usage, dest_name),   offsetof(struct usage, dest_bucket), offsetof(struct usage, format),
};

static int keep(struct reading *reading, struct str *text) {
  const struct event_rules *rules = reading->rules;
  if (text->len == 0 || text->ptr == rules->project || text->ptr == rules->token) return 0;
  *text = arena_copy(reading->arena, *text);
  return text->ptr != NULL ? 0 : -ERR_MEMORY;
}

static int keep_texts(struct reading *reading) {
  int result = 0;
  for (size_t i = 0; i < sizeof kept_texts / sizeof kept_texts[0] && result == 0; i++) {
    result = keep(reading, (struct str *)(void *)((char *)reading->usage + kept_texts[i]));
  }
  return result;
}

/* ---- the contract ---- */

static int read_event(struct reading *reading, const struct json *event, bool needs_specversion) {
  if (event->type != JSON_OBJECT) return reject(reading, "an event must be a JSON object");
  static const struct names names = {attribute_names, sizeof attribute_names[0], ATTRIBUTES};
  const struct json *slots[ATTRIBUTES] = {NULL};
  uint32_t filled;
  int result = fill_slots(reading, event, &names, slots, &filled);
  reading->event->id = shown_id(slots[ATTRIBUTE_ID]);
  for (size_t i = 0; i < ATTRIBUTES; i++)
    slots[i] = given(slots[i]);

  if (result == 0) result = read_specversion(reading, slots[ATTRIBUTE_SPECVERSION], needs_specversion);
  if (result == 0) result = read_identity(reading, slots[ATTRIBUTE_SOURCE], slots[ATTRIBUTE_ID]);
  if (result == 0) result = read_type(reading, slots[ATTRIBUTE_TYPE]);
  if (result == 0) result = read_subject(reading, slots[ATTRIBUTE_SUBJECT]);
  if (result == 0) result = read_time(reading, slots[ATTRIBUTE_TIME]);
  if (result == 0) result = read_datacontenttype(reading, slots[ATTRIBUTE_DATACONTENTTYPE]);
  if (result == 0) result = read_data(reading, slots[ATTRIBUTE_DATA], slots[ATTRIBUTE_DATA_BASE64]);
  return result;
}

int fields_read(const struct json *event, const struct event_rules *rules, bool needs_specversion,
                struct arena *scratch, struct arena *arena, struct event *ret_event, struct usage *ret_usage) {
  *ret_event = (struct event){.id = STR("")};
  *ret_usage = (struct usage){.token = str_of(rules->token), .is_relayed = rules->may_wait};
  struct reading reading = {
      .rules = rules, .scratch = scratch, .arena = arena, .event = ret_event, .usage = ret_usage};
  int result = read_event(&reading, event, needs_specversion);
  if (result == 0) result = keep_texts(&reading);
  if (result == 0) ret_event->id = ret_usage->id;
  else if (keep(&reading, &ret_event->id) != 0) result = -ERR_MEMORY;
  return result;
}
