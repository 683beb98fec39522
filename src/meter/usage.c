#include "meter/usage.h"

#include <inttypes.h>

#include "base/check.h"
#include "meter/amount.h"
#include "meter/codec.h"
#include "meter/rfc3339.h"

struct usage_count usage_count(const struct usage *usage) {
  if (usage->outcome != USAGE_FINISHED || !usage_is_task(usage->kind)) return (struct usage_count){0};
  if (usage->kind == USAGE_SNAPSHOT) return (struct usage_count){.units = usage->amount, .tasks = 1};
  uint64_t seconds = amount_seconds(usage->amount);
  return (struct usage_count){.units = seconds, .minutes = amount_minutes(seconds), .tasks = 1};
}

const enum usage_kind usage_task_kinds[USAGE_TASK_KINDS] = {USAGE_TRANSCODE, USAGE_REMUX, USAGE_SNAPSHOT, USAGE_AUDIO};

bool usage_is_task(enum usage_kind kind) { return kind != USAGE_VOID && kind != USAGE_UNRESOLVED; }

static bool texts_differ(struct str a, struct str b) { return a.len > 0 && b.len > 0 && !str_equal(a, b); }

/* Among the measures that only prices depend on. */
static unsigned price_differences(const struct usage *first, const struct usage *later) {
  unsigned fields = 0;
  bool rates = first->frame_rate.denominator > 0 && later->frame_rate.denominator > 0;
  bool inputs = first->has_input_duration && later->has_input_duration;
  if (rates && !frame_rates_agree(first->frame_rate, later->frame_rate)) fields |= USAGE_FIELD_FRAME_RATE;
  if (texts_differ(first->quality, later->quality)) fields |= USAGE_FIELD_QUALITY;
  if (texts_differ(first->region, later->region)) fields |= USAGE_FIELD_REGION;
  if (first->passes > 0 && later->passes > 0 && first->passes != later->passes) fields |= USAGE_FIELD_PASSES;
  if (inputs && first->input_duration_ms != later->input_duration_ms) fields |= USAGE_FIELD_INPUT_DURATION;
  return fields;
}

static bool times_differ(const struct usage *first, const struct usage *later) {
  int64_t apart_ms = first->finished_ms - later->finished_ms, slack_ms = later->is_relayed ? USAGE_RELAY_SLACK_MS : 0;
  return first->finish_stated && later->finish_stated && (apart_ms > slack_ms || apart_ms < -slack_ms);
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
  if (codecs && !codecs_are_same(first->codec, later->codec)) fields |= USAGE_FIELD_CODEC;
  if (first->width > 0 && later->width > 0 && first->width != later->width) fields |= USAGE_FIELD_WIDTH;
  if (first->height > 0 && later->height > 0 && first->height != later->height) fields |= USAGE_FIELD_HEIGHT;
  if (first->has_amount && later->has_amount && first->amount != later->amount) fields |= USAGE_FIELD_AMOUNT;
  if (times_differ(first, later)) fields |= USAGE_FIELD_TIME;
  return fields | price_differences(first, later);
}

unsigned usage_resolution_differences(const struct usage *waiting, const struct usage *later) {
  unsigned aside = USAGE_FIELD_KIND | USAGE_FIELD_OUTCOME | USAGE_FIELD_TIME;
  if (later->kind == USAGE_SNAPSHOT) aside |= USAGE_FIELD_AMOUNT; /* images, not milliseconds */
  if (later->kind == USAGE_AUDIO) aside |= USAGE_FIELD_CODEC;     /* of sound; a rule named one of pictures */
  return usage_differences(waiting, later) & ~aside;
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
      {USAGE_FIELD_FRAME_RATE, "frame_rate"},
      {USAGE_FIELD_QUALITY, "quality"},
      {USAGE_FIELD_REGION, "region"},
      {USAGE_FIELD_PASSES, "passes"},
      {USAGE_FIELD_INPUT_DURATION, "input_duration_ms"},
  };
  const char *separator = "";
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if ((fields & names[i].field) == 0) continue;
    buf_text(out, separator);
    buf_text(out, names[i].name);
    separator = ", ";
  }
}

void usage_measures(const struct usage *usage, struct buf *out) {
  if (usage->codec.len > 0) {
    buf_char(out, ' ');
    buf_str(out, usage->codec);
  }
  if (usage->width > 0 && usage->height > 0) buf_printf(out, " %ux%u", usage->width, usage->height);
  if (usage->has_amount && usage->kind == USAGE_SNAPSHOT)
    buf_printf(out, " %" PRIu64 " image%s", usage->amount, usage->amount == 1 ? "" : "s");
  else if (usage->has_amount)
    buf_printf(out, " %" PRIu64 ".%03u s", usage->amount / 1000, (unsigned)(usage->amount % 1000));
}

/* ---- what two reports of one identity say ---- */

/* Appends "a failed transcode (h264 1280x720)". */
static void describe(const struct usage *usage, struct buf *out) {
  static const char *const names[] = {
      [USAGE_TRANSCODE] = "transcode", [USAGE_REMUX] = "remux",          [USAGE_SNAPSHOT] = "snapshot task",
      [USAGE_VOID] = "void",           [USAGE_UNRESOLVED] = "transcode", [USAGE_AUDIO] = "sound output",
  };
  SCOPED(buf_fini) struct buf measures = {0};
  CHECK(usage->kind >= USAGE_TRANSCODE && usage->kind <= USAGE_AUDIO);
  const char *state = usage->kind == USAGE_UNRESOLVED  ? "an unresolved "
                      : usage->outcome == USAGE_FAILED ? "a failed "
                                                       : "a ";
  buf_text(out, state);
  buf_text(out, names[usage->kind]);
  usage_measures(usage, &measures);
  if (measures.len == 0) return;
  buf_text(out, " (");
  buf_append(out, measures.ptr + 1, measures.len - 1);
  buf_char(out, ')');
}

static void contrast_numbers(const char *name, uint64_t first, uint64_t later, struct buf *out) {
  buf_printf(out, "%s: stored %" PRIu64 ", reported %" PRIu64, name, first, later);
}

static void contrast_times(int64_t first_ms, int64_t later_ms, struct buf *out) {
  char first[RFC3339_SIZE], later[RFC3339_SIZE];
  rfc3339_format(first_ms, first);
  rfc3339_format(later_ms, later);
  buf_printf(out, "time: stored %s, reported %s", first, later);
}

static void contrast_texts(const char *name, struct str first, struct str later, struct buf *out) {
  buf_printf(out, "%s: stored %.*s, reported %.*s", name, STR_ARG(first), STR_ARG(later));
}

static void contrast_rates(struct frame_rate first, struct frame_rate later, struct buf *out) {
  buf_text(out, "frame_rate: stored ");
  frame_rate_write(first, out);
  buf_text(out, ", reported ");
  frame_rate_write(later, out);
}

static void contrast_types(const struct usage *first, const struct usage *later, struct buf *out) {
  buf_text(out, "stored as ");
  describe(first, out);
  buf_text(out, ", reported as ");
  describe(later, out);
}

static void contrast_field(const struct usage *first, const struct usage *later, enum usage_field field,
                           struct buf *out) {
  switch (field) {
    case USAGE_FIELD_KIND:
    case USAGE_FIELD_OUTCOME:
      contrast_types(first, later, out);
      return;
    case USAGE_FIELD_CODEC:
      contrast_texts("codec", first->codec, later->codec, out);
      return;
    case USAGE_FIELD_WIDTH:
      contrast_numbers("width", first->width, later->width, out);
      return;
    case USAGE_FIELD_HEIGHT:
      contrast_numbers("height", first->height, later->height, out);
      return;
    case USAGE_FIELD_AMOUNT:
      contrast_numbers(later->kind == USAGE_SNAPSHOT ? "image_count" : "duration_ms", first->amount, later->amount,
                       out);
      return;
    case USAGE_FIELD_TIME:
      contrast_times(first->finished_ms, later->finished_ms, out);
      return;
    case USAGE_FIELD_TARGET:
      buf_text(out, "data: stored as a void of another record");
      return;
    case USAGE_FIELD_FRAME_RATE:
      contrast_rates(first->frame_rate, later->frame_rate, out);
      return;
    case USAGE_FIELD_QUALITY:
      contrast_texts("quality", first->quality, later->quality, out);
      return;
    case USAGE_FIELD_REGION:
      contrast_texts("region", first->region, later->region, out);
      return;
    case USAGE_FIELD_PASSES:
      contrast_numbers("passes", first->passes, later->passes, out);
      return;
    case USAGE_FIELD_INPUT_DURATION:
      contrast_numbers("input_duration_ms", first->input_duration_ms, later->input_duration_ms, out);
      return;
  }
}

void usage_contrast(const struct usage *first, const struct usage *later, unsigned fields, struct buf *out) {
  const unsigned types = USAGE_FIELD_KIND | USAGE_FIELD_OUTCOME;
  const unsigned measures = USAGE_FIELD_CODEC | USAGE_FIELD_WIDTH | USAGE_FIELD_HEIGHT | USAGE_FIELD_AMOUNT;
  const char *separator = "";
  if ((fields & types) != 0) fields = (fields & ~(types | measures)) | USAGE_FIELD_KIND;
  for (unsigned field = USAGE_FIELD_KIND; field <= USAGE_FIELD_INPUT_DURATION; field <<= 1) {
    if ((fields & field) == 0) continue;
    buf_text(out, separator);
    contrast_field(first, later, (enum usage_field)field, out);
    separator = "; ";
  }
}

static const struct {
  struct str name;
  enum usage_kind kind;
  enum usage_outcome outcome;
} types[] = {
    {STR("transcode.finished"), USAGE_TRANSCODE, USAGE_FINISHED},
    {STR("transcode.failed"), USAGE_TRANSCODE, USAGE_FAILED},
    {STR("remux.finished"), USAGE_REMUX, USAGE_FINISHED},
    {STR("remux.failed"), USAGE_REMUX, USAGE_FAILED},
    {STR("snapshot.finished"), USAGE_SNAPSHOT, USAGE_FINISHED},
    {STR("snapshot.failed"), USAGE_SNAPSHOT, USAGE_FAILED},
    {STR("audio.finished"), USAGE_AUDIO, USAGE_FINISHED},
    {STR("audio.failed"), USAGE_AUDIO, USAGE_FAILED},
    {STR("usage.voided"), USAGE_VOID, USAGE_FINISHED},
};

const char *usage_type_name(enum usage_kind kind, enum usage_outcome outcome) {
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
    if (types[i].kind == kind && types[i].outcome == outcome) return types[i].name.ptr;
  }
  return kind == USAGE_UNRESOLVED ? "transcode.unresolved" : "";
}

bool usage_type_parse(struct str type, enum usage_kind *ret_kind, enum usage_outcome *ret_outcome) {
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
    if (!str_equal(type, types[i].name)) continue;
    *ret_kind = types[i].kind;
    *ret_outcome = types[i].outcome;
    return true;
  }
  return false;
}
