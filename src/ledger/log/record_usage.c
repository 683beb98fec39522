/* Usage in format 2 of the log: fixed fields, then only what the usage has. What many records share is a name of the
 * block. Ids that are UUIDs or hashes take 16 bytes; reading writes them out again, into the record itself.
 */
#include "base/check.h"
#include "ledger/log/record_fields.h"
#include "meter/codec.h"
#include "meter/labels.h"

enum {
  AT_KIND = 9,
  AT_OUTCOME = 10,
  AT_TIER = 11,
  AT_FLAGS = 12,
  AT_FINISHED = 16,
  AT_ARRIVED = 24,
  AT_NAMES = 32, /* of NAMES_ALWAYS */
  AT_REST = 40,
};

enum {
  FLAG_FINISH_STATED = 1 << 0,
  FLAG_AMOUNT = 1 << 1,
  FLAG_SIZE = 1 << 2,
  FLAG_CREATED = 1 << 3,
  FLAG_FRAME_RATE = 1 << 4,
  FLAG_INPUT_DURATION = 1 << 5,
  FLAG_PASSES = 1 << 6,
  FLAG_NAMES = 1 << 7, /* and the four bits above it: the names behind NAMES_ALWAYS */
  FLAG_TEXTS = 1 << 12, /* and the three bits above it: the texts behind the id */
  FLAGS_KNOWN = (1 << 16) - 1,
};

#define NAMES_ALWAYS 4 /* project, source, codec, token */
#define TEXTS RECORD_SHAPES
_Static_assert(FLAG_NAMES << (RECORD_NAMES - NAMES_ALWAYS) == FLAG_TEXTS, "a flag for each name");
_Static_assert(FLAG_TEXTS << (TEXTS - 1) == FLAGS_KNOWN + 1, "a flag for each text but the id");

enum record_type record_type_of(enum usage_kind kind) {
  return kind == USAGE_VOID ? RECORD_VOID : kind == USAGE_UNRESOLVED ? RECORD_UNRESOLVED : RECORD_USAGE;
}

void record_usage_names(const struct usage *usage, struct str ret[RECORD_NAMES]) {
  ret[0] = usage->project;
  ret[1] = usage->source;
  ret[2] = usage->codec;
  ret[3] = usage->token;
  ret[4] = usage->codec_reported;
  ret[5] = usage->quality;
  ret[6] = usage->region;
  ret[7] = usage->labels;
  ret[8] = usage->kind == USAGE_VOID ? STR("") : usage->format;
}

/* For a void, these are its id and its own texts, by the union in struct usage. */
static void texts_of(const struct usage *usage, struct str ret[TEXTS]) {
  ret[0] = usage->id;
  ret[1] = usage->task_id;
  ret[2] = usage->src_url;
  ret[3] = usage->dest_name;
  ret[4] = usage->dest_bucket;
}

/* ---- writing ---- */

static unsigned flags_of_numbers(const struct usage *usage) {
  return (usage->finish_stated ? FLAG_FINISH_STATED : 0u) | (usage->has_amount ? FLAG_AMOUNT : 0u) |
         (usage->width != 0 || usage->height != 0 ? FLAG_SIZE : 0u) | (usage->has_created ? FLAG_CREATED : 0u) |
         (usage->frame_rate.denominator != 0 ? FLAG_FRAME_RATE : 0u) |
         (usage->has_input_duration ? FLAG_INPUT_DURATION : 0u) | (usage->passes != 0 ? FLAG_PASSES : 0u);
}

/* Bytes of the fields of a flag that are no names and no texts. */
static size_t numbers_size(unsigned flags) {
  return ((flags & FLAG_AMOUNT) != 0 ? 8u : 0u) + ((flags & FLAG_SIZE) != 0 ? 4u : 0u) +
         ((flags & FLAG_CREATED) != 0 ? 8u : 0u) + ((flags & FLAG_FRAME_RATE) != 0 ? 8u : 0u) +
         ((flags & FLAG_INPUT_DURATION) != 0 ? 8u : 0u) + ((flags & FLAG_PASSES) != 0 ? 2u : 0u);
}

static void draft_names(struct record_draft *draft) {
  record_usage_names(draft->usage, draft->names);
  for (size_t i = NAMES_ALWAYS; i < RECORD_NAMES; i++) {
    if (draft->names[i].len == 0) continue;
    draft->flags |= (unsigned)FLAG_NAMES << (i - NAMES_ALWAYS);
    draft->size += 2;
  }
}

static void draft_texts(struct record_draft *draft) {
  texts_of(draft->usage, draft->texts);
  for (size_t i = 0; i < TEXTS; i++) {
    struct str *text = &draft->texts[i];
    if (i > 0 && text->len == 0) continue;
    enum record_shape shape = shape_pack(*text, draft->packed[i]);
    draft->lengths[i] = (uint16_t)(shape != SHAPE_NONE ? shape : text->len);
    if (shape != SHAPE_NONE) *text = str_make(draft->packed[i], SHAPE_BYTES);
    if (i > 0) draft->flags |= (unsigned)FLAG_TEXTS << (i - 1);
    draft->size += 2 + text->len;
  }
}

void record_usage_draft(const struct usage *usage, struct record_draft *ret) {
  ret->usage = usage;
  ret->flags = flags_of_numbers(usage);
  ret->size = AT_REST + numbers_size(ret->flags);
  draft_names(ret);
  draft_texts(ret);
  ret->size = record_padded(ret->size);
  CHECK(ret->size <= RECORD_SIZE_MAX);
}

static char *put_u16(char *at, uint16_t value) {
  le16_store(at, value);
  return at + 2;
}
static char *put_u32(char *at, uint32_t value) {
  le32_store(at, value);
  return at + 4;
}
static char *put_u64(char *at, uint64_t value) {
  le64_store(at, value);
  return at + 8;
}

static char *put_numbers(char *at, const struct usage *usage, unsigned flags) {
  if ((flags & FLAG_AMOUNT) != 0) at = put_u64(at, usage->amount);
  if ((flags & FLAG_SIZE) != 0) at = put_u16(put_u16(at, usage->width), usage->height);
  if ((flags & FLAG_CREATED) != 0) at = put_u64(at, (uint64_t)usage->created_ms);
  if ((flags & FLAG_FRAME_RATE) != 0) {
    at = put_u32(put_u32(at, usage->frame_rate.numerator), usage->frame_rate.denominator);
  }
  if ((flags & FLAG_INPUT_DURATION) != 0) at = put_u64(at, usage->input_duration_ms);
  return (flags & FLAG_PASSES) != 0 ? put_u16(at, usage->passes) : at;
}

void record_usage_encode(const struct record_draft *draft, const uint16_t ids[RECORD_NAMES], uint32_t back,
                         char *out) {
  const struct usage *usage = draft->usage;
  le32_store(out + AT_SIZE, (uint32_t)draft->size);
  le32_store(out + AT_BACK, back);
  out[AT_TYPE] = (char)record_type_of(usage->kind);
  out[AT_KIND] = (char)usage->kind;
  out[AT_OUTCOME] = (char)usage->outcome;
  out[AT_TIER] = (char)usage->tier;
  le32_store(out + AT_FLAGS, draft->flags);
  le64_store(out + AT_FINISHED, (uint64_t)usage->finished_ms);
  le64_store(out + AT_ARRIVED, (uint64_t)usage->arrived_ms);
  for (size_t i = 0; i < NAMES_ALWAYS; i++)
    le16_store(out + AT_NAMES + 2 * i, ids[i]);
  char *at = put_numbers(out + AT_REST, usage, draft->flags);
  for (size_t i = NAMES_ALWAYS; i < RECORD_NAMES; i++) {
    if (ids[i] != RECORD_NAME_NONE) at = put_u16(at, ids[i]);
  }
  for (size_t i = 0; i < TEXTS; i++) {
    if (i > 0 && draft->texts[i].len == 0) continue;
    at = put_u16(at, draft->lengths[i]);
    memcpy(at, draft->texts[i].ptr, draft->texts[i].len);
    at += draft->texts[i].len;
  }
  memset(at, 0, (size_t)(out + draft->size - at));
}

/* ---- reading ---- */

static struct str name_at(struct record_names names, uint16_t index, struct cursor *cursor) {
  if (index < names.count) return names.items[index];
  cursor->bad = true;
  return STR("");
}

static struct str name_or_none(struct record_names names, uint16_t index, struct cursor *cursor) {
  return index == RECORD_NAME_NONE ? STR("") : name_at(names, index, cursor);
}

static struct str take_name(struct record_names names, unsigned is_there, struct cursor *cursor) {
  return is_there != 0 ? name_at(names, take_u16(cursor), cursor) : STR("");
}

static struct str take_shaped(struct cursor *cursor, size_t number, struct record *record) {
  unsigned len = take_u16(cursor);
  if (len != SHAPE_UUID && len != SHAPE_HASH) return take(cursor, len);
  struct str packed = take(cursor, SHAPE_BYTES);
  return cursor->bad ? STR("") : shape_unpack(len, packed.ptr, record->shapes[number]);
}

static struct frame_rate take_frame_rate(struct cursor *cursor) {
  struct frame_rate rate = {.numerator = take_u32(cursor)};
  rate.denominator = take_u32(cursor);
  if (rate.denominator == 0) cursor->bad = true;
  return rate;
}

static void read_numbers(struct cursor *cursor, const char *p, unsigned flags, struct usage *usage) {
  usage->kind = (unsigned char)p[AT_KIND];
  usage->outcome = (unsigned char)p[AT_OUTCOME];
  usage->tier = (unsigned char)p[AT_TIER];
  usage->finished_ms = (int64_t)le64_load(p + AT_FINISHED);
  usage->arrived_ms = (int64_t)le64_load(p + AT_ARRIVED);
  usage->finish_stated = (flags & FLAG_FINISH_STATED) != 0;
  usage->is_relayed = false; /* the log does not say */
  usage->has_amount = (flags & FLAG_AMOUNT) != 0;
  usage->has_created = (flags & FLAG_CREATED) != 0;
  usage->has_input_duration = (flags & FLAG_INPUT_DURATION) != 0;
  usage->amount = usage->has_amount ? take_u64(cursor) : 0;
  usage->width = (flags & FLAG_SIZE) != 0 ? take_u16(cursor) : 0;
  usage->height = (flags & FLAG_SIZE) != 0 ? take_u16(cursor) : 0;
  usage->created_ms = usage->has_created ? (int64_t)take_u64(cursor) : 0;
  usage->frame_rate = (flags & FLAG_FRAME_RATE) != 0 ? take_frame_rate(cursor) : (struct frame_rate){0};
  usage->input_duration_ms = usage->has_input_duration ? take_u64(cursor) : 0;
  usage->passes = (flags & FLAG_PASSES) != 0 ? take_u16(cursor) : 0;
}

static void read_names(struct cursor *cursor, const char *p, struct record_names names, unsigned flags,
                       struct usage *usage) {
  p += AT_NAMES;
  usage->project = name_at(names, le16_load(p), cursor);
  usage->source = name_at(names, le16_load(p + 2), cursor);
  usage->codec = name_or_none(names, le16_load(p + 4), cursor);
  usage->token = name_or_none(names, le16_load(p + 6), cursor);
  usage->codec_reported = take_name(names, flags & FLAG_NAMES, cursor);
  usage->quality = take_name(names, flags & FLAG_NAMES << 1, cursor);
  usage->region = take_name(names, flags & FLAG_NAMES << 2, cursor);
  usage->labels = take_name(names, flags & FLAG_NAMES << 3, cursor);
  usage->format = take_name(names, flags & FLAG_NAMES << 4, cursor);
}

static void read_texts(struct cursor *cursor, unsigned flags, struct record *record) {
  struct usage *usage = &record->usage;
  usage->id = take_shaped(cursor, 0, record);
  usage->task_id = (flags & FLAG_TEXTS) != 0 ? take_shaped(cursor, 1, record) : STR("");
  usage->src_url = (flags & FLAG_TEXTS << 1) != 0 ? take_shaped(cursor, 2, record) : STR("");
  usage->dest_name = (flags & FLAG_TEXTS << 2) != 0 ? take_shaped(cursor, 3, record) : STR("");
  usage->dest_bucket = (flags & FLAG_TEXTS << 3) != 0 ? take_shaped(cursor, 4, record) : STR("");
}

/* Fills every member of the usage. */
int record_read_usage(struct str bytes, struct record_names names, struct record *ret, struct err *err) {
  const char *p = bytes.ptr;
  enum record_type type = ret->type;
  if (bytes.len < AT_REST) return record_bad_values(type, err);
  unsigned flags = le32_load(p + AT_FLAGS);
  if ((flags & ~(unsigned)FLAGS_KNOWN) != 0) return record_unknown_flags(type, flags & ~(unsigned)FLAGS_KNOWN, err);
  struct cursor cursor = {.rest = str_make(p + AT_REST, bytes.len - AT_REST)};
  read_numbers(&cursor, p, flags, &ret->usage);
  read_names(&cursor, p, names, flags, &ret->usage);
  read_texts(&cursor, flags, ret);
  bool is_void = ret->usage.kind == USAGE_VOID;
  bool good = !cursor.bad && !(is_void && ret->usage.format.len > 0) && record_usage_is_sane(&ret->usage) &&
              record_type_of(ret->usage.kind) == type;
  return good ? 0 : record_bad_values(type, err);
}
