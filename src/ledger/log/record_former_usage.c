/* Usage in format 1 of the log: only read, never written. */
#include "ledger/log/record_fields.h"

enum {
  AT_KIND = 9,
  AT_OUTCOME = 10,
  AT_TIER = 11,
  AT_FLAGS = 12,
  AT_PROJECT = 14,
  AT_SOURCE = 16,
  AT_CODEC = 18,
  AT_WIDTH = 20,
  AT_HEIGHT = 22,
  AT_FINISHED = 24,
  AT_ARRIVED = 32,
  AT_AMOUNT = 40,
  AT_LENGTHS = 48,
  AT_TEXTS = 64,
};

enum { FLAG_AMOUNT = 1, FLAG_FINISH_STATED = 2, FLAG_CREATED = 4, FLAGS_KNOWN = 7 };

enum record_type record_former_type_of(enum usage_kind kind) {
  return kind == USAGE_VOID         ? RECORD_FORMER_VOID
         : kind == USAGE_UNRESOLVED ? RECORD_FORMER_UNRESOLVED
                                    : RECORD_FORMER_USAGE;
}

static struct str name_at(struct record_names names, uint16_t index, bool *bad) {
  if (index < names.count) return names.items[index];
  *bad = true;
  return STR("");
}

static bool read_texts(struct str bytes, struct usage *usage) {
  struct cursor cursor = {.rest = str_make(bytes.ptr + AT_TEXTS, bytes.len - AT_TEXTS)};
  if (usage->has_created) usage->created_ms = (int64_t)take_u64(&cursor);
  struct str last;
  struct str *const texts[] = {&usage->id, &usage->task_id, &usage->src_url, &usage->dest_name, &usage->dest_bucket, &last};
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
    *texts[i] = take(&cursor, le16_load(bytes.ptr + AT_LENGTHS + 2 * i));
  if (usage->kind == USAGE_VOID)
    usage->token = last;
  else
    usage->format = last;
  return !cursor.bad;
}

int record_read_former_usage(struct str bytes, struct record_names names, struct usage *ret, struct err *err) {
  const char *p = bytes.ptr;
  enum record_type type = (unsigned char)p[AT_TYPE];
  if (bytes.len < AT_TEXTS) return record_bad_values(type, err);
  unsigned flags = le16_load(p + AT_FLAGS);
  if ((flags & ~(unsigned)FLAGS_KNOWN) != 0) return record_unknown_flags(type, flags & ~(unsigned)FLAGS_KNOWN, err);
  uint16_t codec = le16_load(p + AT_CODEC);
  bool bad = false;
  *ret = (struct usage){
      .project = name_at(names, le16_load(p + AT_PROJECT), &bad),
      .source = name_at(names, le16_load(p + AT_SOURCE), &bad),
      .codec = codec == RECORD_NAME_NONE ? STR("") : name_at(names, codec, &bad),
      .kind = (unsigned char)p[AT_KIND],
      .outcome = (unsigned char)p[AT_OUTCOME],
      .tier = (unsigned char)p[AT_TIER],
      .width = le16_load(p + AT_WIDTH),
      .height = le16_load(p + AT_HEIGHT),
      .has_amount = (flags & FLAG_AMOUNT) != 0,
      .amount = le64_load(p + AT_AMOUNT),
      .finished_ms = (int64_t)le64_load(p + AT_FINISHED),
      .finish_stated = (flags & FLAG_FINISH_STATED) != 0,
      .arrived_ms = (int64_t)le64_load(p + AT_ARRIVED),
      .has_created = (flags & FLAG_CREATED) != 0,
  };
  bool good = !bad && read_texts(bytes, ret) && record_usage_is_sane(ret) && ret->kind <= USAGE_UNRESOLVED &&
              record_former_type_of(ret->kind) == type;
  return good ? 0 : record_bad_values(type, err);
}
