#include "meter/usage.h"

#include "meter/amount.h"

struct usage_count usage_count(const struct usage *usage) {
  if (usage->outcome != USAGE_FINISHED || usage->kind > USAGE_SNAPSHOT) return (struct usage_count){0};
  if (usage->kind == USAGE_SNAPSHOT) return (struct usage_count){.units = usage->amount, .tasks = 1};
  uint64_t seconds = amount_seconds(usage->amount);
  return (struct usage_count){.units = seconds, .minutes = amount_minutes(seconds), .tasks = 1};
}

unsigned usage_differences(const struct usage *first, const struct usage *later) {
  unsigned fields = 0;
  if (first->kind == USAGE_VOID && later->kind == USAGE_VOID) {
    bool same =
        str_equal(first->target_source, later->target_source) && str_equal(first->target_id, later->target_id);
    return same ? 0 : USAGE_FIELD_TARGET;
  }
  if (first->kind != later->kind) fields |= USAGE_FIELD_KIND;
  if (first->outcome != later->outcome) fields |= USAGE_FIELD_OUTCOME;
  bool codecs = first->codec.len > 0 && later->codec.len > 0;
  if (codecs && !str_equal(first->codec, later->codec)) fields |= USAGE_FIELD_CODEC;
  if (first->width > 0 && later->width > 0 && first->width != later->width) fields |= USAGE_FIELD_WIDTH;
  if (first->height > 0 && later->height > 0 && first->height != later->height) fields |= USAGE_FIELD_HEIGHT;
  if (first->has_amount && later->has_amount && first->amount != later->amount) fields |= USAGE_FIELD_AMOUNT;
  bool times = first->finish_stated && later->finish_stated;
  if (times && first->finished_ms != later->finished_ms) fields |= USAGE_FIELD_TIME;
  return fields;
}

unsigned usage_missing(const struct usage *usage) {
  unsigned fields = 0;
  if (usage->codec.len == 0) fields |= USAGE_FIELD_CODEC;
  if (usage->width == 0) fields |= USAGE_FIELD_WIDTH;
  if (usage->height == 0) fields |= USAGE_FIELD_HEIGHT;
  if (!usage->has_amount) fields |= USAGE_FIELD_AMOUNT;
  return fields;
}

void usage_field_names(unsigned fields, enum usage_kind kind, struct buf *out) {
  const struct {
    unsigned field;
    const char *name;
  } names[] = {
      {USAGE_FIELD_KIND | USAGE_FIELD_OUTCOME, "type"},
      {USAGE_FIELD_CODEC, "codec"},
      {USAGE_FIELD_WIDTH, "width"},
      {USAGE_FIELD_HEIGHT, "height"},
      {USAGE_FIELD_AMOUNT, kind == USAGE_SNAPSHOT ? "image_count" : "duration_ms"},
      {USAGE_FIELD_TIME, "time"},
      {USAGE_FIELD_TARGET, "data"},
  };
  const char *separator = "";
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if ((fields & names[i].field) == 0) continue;
    buf_text(out, separator);
    buf_text(out, names[i].name);
    separator = ", ";
  }
}

static const struct {
  const char *name;
  enum usage_kind kind;
  enum usage_outcome outcome;
} types[] = {
    {"transcode.finished", USAGE_TRANSCODE, USAGE_FINISHED},
    {"transcode.failed", USAGE_TRANSCODE, USAGE_FAILED},
    {"remux.finished", USAGE_REMUX, USAGE_FINISHED},
    {"remux.failed", USAGE_REMUX, USAGE_FAILED},
    {"snapshot.finished", USAGE_SNAPSHOT, USAGE_FINISHED},
    {"snapshot.failed", USAGE_SNAPSHOT, USAGE_FAILED},
    {"usage.voided", USAGE_VOID, USAGE_FINISHED},
};

const char *usage_type_name(enum usage_kind kind, enum usage_outcome outcome) {
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
    if (types[i].kind == kind && types[i].outcome == outcome) return types[i].name;
  }
  return kind == USAGE_UNRESOLVED ? "transcode.unresolved" : "";
}

bool usage_type_parse(struct str type, enum usage_kind *ret_kind, enum usage_outcome *ret_outcome) {
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
    if (!str_equal(type, str_of(types[i].name))) continue;
    *ret_kind = types[i].kind;
    *ret_outcome = types[i].outcome;
    return true;
  }
  return false;
}
