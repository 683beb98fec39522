/* A tier in a cell of totals, or in a record, is TIER_LOW where there is none. So whether a task has a tier is asked
 * of its kind, never of the number. */
#include "query/dims.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/check.h"
#include "meter/tier.h"

/* ---- names ---- */

static const char *const names[] = {
    [DIM_PROJECT] = "project",       [DIM_CODEC] = "codec",   [DIM_TIER] = "tier", [DIM_RESOLUTION] = "resolution",
    [DIM_FRAME_RATE] = "frame_rate", [DIM_SOURCE] = "source", [DIM_KIND] = "kind",
};
#define LABEL_PREFIX STR("label.")

int dim_parse(struct str name, struct dim_ref *ret, struct err *err) {
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (!str_equal(name, str_of(names[i]))) continue;
    *ret = (struct dim_ref){.dim = (enum dim)i};
    return 0;
  }
  if (str_starts(name, LABEL_PREFIX)) {
    struct str label = str_make(name.ptr + LABEL_PREFIX.len, name.len - LABEL_PREFIX.len);
    if (label_name_is_valid(label)) {
      *ret = (struct dim_ref){.dim = DIM_LABEL, .label = label};
      return 0;
    }
  }
  return err_set(
      err, ERR_NOT_FOUND,
      "must be project, codec, tier, resolution, frame_rate, source, kind, or label.NAME with the name of a "
      "label");
}

bool dim_equal(const struct dim_ref *a, const struct dim_ref *b) {
  return a->dim == b->dim && str_equal(a->label, b->label);
}

bool dim_is_in_totals(enum dim dim) {
  return dim == DIM_PROJECT || dim == DIM_CODEC || dim == DIM_TIER || dim == DIM_KIND;
}

void dim_write_name(const struct dim_ref *ref, struct buf *out) {
  if (ref->dim == DIM_LABEL) {
    buf_str(out, LABEL_PREFIX);
    buf_str(out, ref->label);
    return;
  }
  CHECK(ref->dim < sizeof names / sizeof names[0]);
  buf_text(out, names[ref->dim]);
}

/* ---- kinds ---- */

const char *dim_kind_name(enum usage_kind kind) {
  switch (kind) {
    case USAGE_TRANSCODE:
      return "transcode";
    case USAGE_REMUX:
      return "remux";
    case USAGE_SNAPSHOT:
      return "snapshot";
    case USAGE_AUDIO:
      return "audio";
    case USAGE_VOID:
    case USAGE_UNRESOLVED:
      break;
  }
  CHECK(!"a kind of tasks");
  return "";
}

bool dim_kind_parse(struct str name, enum usage_kind *ret) {
  for (size_t i = 0; i < USAGE_TASK_KINDS; i++) {
    if (!str_equal(name, str_of(dim_kind_name(usage_task_kinds[i])))) continue;
    *ret = usage_task_kinds[i];
    return true;
  }
  return false;
}

/* ---- values ---- */

static struct dim_value null_value(void) { return (struct dim_value){.is_null = true}; }

static struct dim_value of_text(struct str text) {
  return text.len > 0 ? (struct dim_value){.text = text} : null_value();
}

static struct dim_value of_label(struct str name, struct str set) {
  struct label label;
  while (labels_next(&set, &label)) {
    if (str_equal(label.name, name)) return of_text(label.value);
  }
  return null_value();
}

static struct dim_value of_size(uint16_t width, uint16_t height) {
  if (width == 0 || height == 0) return null_value();
  return (struct dim_value){.number = (uint32_t)width << 16 | height};
}

bool dim_has_tier(const struct usage *usage) {
  return usage->kind == USAGE_TRANSCODE && usage->outcome == USAGE_FINISHED;
}

void dim_of_usage(const struct dim_ref *ref, const struct usage *usage, struct dim_value *ret) {
  switch (ref->dim) {
    case DIM_PROJECT:
      *ret = of_text(usage->project);
      return;
    case DIM_CODEC:
      *ret = of_text(usage->codec);
      return;
    case DIM_TIER:
      *ret = dim_has_tier(usage) ? (struct dim_value){.number = usage->tier} : null_value();
      return;
    case DIM_RESOLUTION:
      *ret = of_size(usage->width, usage->height);
      return;
    case DIM_FRAME_RATE:
      *ret = usage->frame_rate.denominator > 0 ? (struct dim_value){.rate = usage->frame_rate} : null_value();
      return;
    case DIM_SOURCE:
      *ret = of_text(usage->source);
      return;
    case DIM_KIND:
      *ret = (struct dim_value){.number = usage->kind};
      return;
    case DIM_LABEL:
      *ret = of_label(ref->label, usage->labels);
      return;
  }
  CHECK(!"a dimension");
}

void dim_of_cell(enum dim dim, enum usage_kind kind, struct str codec, enum tier tier, struct dim_value *ret) {
  CHECK(dim == DIM_CODEC || dim == DIM_TIER || dim == DIM_KIND);
  if (dim == DIM_CODEC) *ret = of_text(codec);
  if (dim == DIM_KIND) *ret = (struct dim_value){.number = kind};
  if (dim == DIM_TIER) *ret = kind == USAGE_TRANSCODE ? (struct dim_value){.number = tier} : null_value();
}

static int compare_rates(struct frame_rate a, struct frame_rate b) {
  uint64_t left = (uint64_t)a.numerator * b.denominator, right = (uint64_t)b.numerator * a.denominator;
  return (left > right) - (left < right);
}

int dim_compare(enum dim dim, const struct dim_value *a, const struct dim_value *b) {
  if (a->is_null || b->is_null) return (int)a->is_null - (int)b->is_null;
  if (dim == DIM_FRAME_RATE) return compare_rates(a->rate, b->rate);
  if (dim == DIM_TIER || dim == DIM_KIND || dim == DIM_RESOLUTION) {
    return (a->number > b->number) - (a->number < b->number);
  }
  return str_compare(a->text, b->text);
}

/* ---- values as text ---- */

static int parse_size(struct str text, struct dim_value *ret, struct err *err) {
  struct str height_text = text, width_text = str_cut(&height_text, 'x');
  uint64_t width, height;
  bool is_read = width_text.len > 0 && width_text.len < 6 && height_text.len < 6 && str_to_u64(width_text, &width) &&
                 str_to_u64(height_text, &height);
  if (!is_read || width < 1 || height < 1 || width > PIXELS_MAX || height > PIXELS_MAX)
    return err_set(err, ERR_RANGE, "must be a width and a height in pixels, like 1280x720, or empty");
  *ret = of_size((uint16_t)width, (uint16_t)height);
  return 0;
}

static int parse_tier(struct str text, struct dim_value *ret, struct err *err) {
  for (uint32_t tier = 0; tier < TIERS; tier++) {
    if (!str_equal(text, str_of(tier_name((enum tier)tier)))) continue;
    *ret = (struct dim_value){.number = tier};
    return 0;
  }
  return err_set(err, ERR_RANGE, "must be low, medium, high, super, or empty");
}

static int parse_kind(struct str text, struct dim_value *ret, struct err *err) {
  enum usage_kind kind;
  if (!dim_kind_parse(text, &kind)) return err_set(err, ERR_RANGE, "must be transcode, remux, snapshot or audio");
  *ret = (struct dim_value){.number = kind};
  return 0;
}

static int parse_rate(struct str text, struct dim_value *ret, struct err *err) {
  struct frame_rate rate;
  if (!frame_rate_parse(text, &rate))
    return err_set(err, ERR_RANGE, "must be a frame rate like 25, 29.97 or 30000/1001, at most 1000, or empty");
  *ret = (struct dim_value){.rate = rate};
  return 0;
}

static int parse_text(enum dim dim, struct str text, struct dim_value *ret, struct err *err) {
  if (dim == DIM_SOURCE && (text.len > SOURCE_MAX || !str_is_utf8(text)))
    return err_set(err, ERR_RANGE, "must be a source: UTF-8, at most %d bytes", SOURCE_MAX);
  const char *fault = dim == DIM_LABEL ? label_value_fault(text) : NULL;
  if (fault != NULL) return err_set(err, ERR_RANGE, "must be a value of a label: 1 to 64 bytes; it %s", fault);
  *ret = of_text(text);
  return 0;
}

static int parse_codec(struct str text, char room[CODEC_NAME_MAX + 1], struct dim_value *ret, struct err *err) {
  int result = codec_canonical(text, room, err);
  if (result == 0) *ret = of_text(str_of(room));
  return result;
}

int dim_parse_value(const struct dim_ref *ref, struct str text, char codec_room[CODEC_NAME_MAX + 1],
                    struct dim_value *ret, struct err *err) {
  bool can_lack = ref->dim != DIM_KIND && ref->dim != DIM_SOURCE && ref->dim != DIM_PROJECT;
  if (text.len == 0 && can_lack) {
    *ret = null_value();
    return 0;
  }
  switch (ref->dim) {
    case DIM_CODEC:
      return parse_codec(text, codec_room, ret, err);
    case DIM_TIER:
      return parse_tier(text, ret, err);
    case DIM_RESOLUTION:
      return parse_size(text, ret, err);
    case DIM_FRAME_RATE:
      return parse_rate(text, ret, err);
    case DIM_KIND:
      return parse_kind(text, ret, err);
    case DIM_PROJECT:
    case DIM_SOURCE:
    case DIM_LABEL:
      break;
  }
  if (text.len == 0) return err_set(err, ERR_RANGE, "must not be empty");
  return parse_text(ref->dim, text, ret, err);
}

/* Rates of NTSC are fractions that people write with two or three decimals. */
void dim_write_frame_rate(struct frame_rate rate, struct buf *out) {
  CHECK(rate.denominator > 0);
  uint64_t thousandths = ((uint64_t)rate.numerator * 1000 + rate.denominator / 2) / rate.denominator;
  char text[32];
  int len = snprintf(text, sizeof text, "%" PRIu64 ".%03" PRIu64, thousandths / 1000, thousandths % 1000);
  CHECK(len > 0 && (size_t)len < sizeof text);
  while (text[len - 1] == '0')
    len--;
  if (text[len - 1] == '.') len--;
  struct frame_rate back;
  bool same = frame_rate_parse(str_make(text, (size_t)len), &back) && back.numerator == rate.numerator &&
              back.denominator == rate.denominator;
  if (same)
    buf_append(out, text, (size_t)len);
  else
    frame_rate_write(rate, out);
}

void dim_write_value(enum dim dim, const struct dim_value *value, struct buf *out) {
  CHECK(!value->is_null);
  switch (dim) {
    case DIM_TIER:
      buf_text(out, tier_name((enum tier)value->number));
      return;
    case DIM_KIND:
      buf_text(out, dim_kind_name((enum usage_kind)value->number));
      return;
    case DIM_RESOLUTION:
      buf_printf(out, "%" PRIu32 "x%" PRIu32, value->number >> 16, value->number & 0xFFFF);
      return;
    case DIM_FRAME_RATE:
      dim_write_frame_rate(value->rate, out);
      return;
    case DIM_PROJECT:
    case DIM_CODEC:
    case DIM_SOURCE:
    case DIM_LABEL:
      buf_str(out, value->text);
      return;
  }
}
