/* Dimensions: by what usage can be divided and filtered, and how their values are written. Source: design §7.
 *
 *   project codec tier resolution frame_rate source kind label.NAME
 *
 * A task may lack a value: only finished transcodes have a tier, and a report may leave out size, codec, frame rate
 * and labels. Such a value is null in answers, and the empty text in filters. A source, a project and a kind always
 * have a value. Texts are borrowed.
 */
#ifndef CODECMETER_QUERY_DIMS_H
#define CODECMETER_QUERY_DIMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "meter/codec.h"
#include "meter/labels.h"
#include "meter/usage.h"

enum dim {
  DIM_PROJECT,
  DIM_CODEC,
  DIM_TIER,
  DIM_RESOLUTION,
  DIM_FRAME_RATE,
  DIM_SOURCE,
  DIM_KIND,
  DIM_LABEL,
};

/* One dimension; `label` is the NAME of a DIM_LABEL, else empty. */
struct dim_ref {
  enum dim dim;
  struct str label;
};

/* Reads a dimension's name, such as "tier" or "label.team". -ERR_NOT_FOUND if it is none; the text lists them all. */
MUST_USE int dim_parse(struct str name, struct dim_ref *ret, struct err *err);
bool dim_equal(const struct dim_ref *a, const struct dim_ref *b);
/* True if day and quarter hour totals know this dimension: project, codec, tier, kind. */
bool dim_is_in_totals(enum dim dim);
/* Appends the name, as dim_parse reads it. */
void dim_write_name(const struct dim_ref *ref, struct buf *out);

/* A value of one dimension. Which members count depends on the dimension. */
struct dim_value {
  bool is_null;           /* the task has no such value; the others are then 0 */
  struct str text;        /* project, codec, source, label */
  uint32_t number;        /* tier, kind: their enums. resolution: width << 16 | height */
  struct frame_rate rate; /* frame_rate */
};

/* The value of a task in a dimension. `usage` is the record of a task. */
void dim_of_usage(const struct dim_ref *ref, const struct usage *usage, struct dim_value *ret);
/* The same of a cell of totals, for a dimension that totals know but DIM_PROJECT. */
void dim_of_cell(enum dim dim, enum usage_kind kind, struct str codec, enum tier tier, struct dim_value *ret);
/* Order of two values of the same dimension: kinds and tiers as in their enums, sizes and rates by number, texts by
 * bytes, null last. */
int dim_compare(enum dim dim, const struct dim_value *a, const struct dim_value *b);

/* Reads a value as a filter gives it: "h264" (any spelling that the table of codecs folds), "high", "1280x720",
 * "29.97" or "30000/1001", "snapshot"; empty: null. A codec's name is written to codec_room, and *ret borrows it;
 * other texts are borrowed from `text`. -ERR_RANGE: the text says what the value must be ("must be …"). */
MUST_USE int dim_parse_value(const struct dim_ref *ref, struct str text, char codec_room[CODEC_NAME_MAX + 1],
                             struct dim_value *ret, struct err *err);
/* Appends a value that is not null, as dim_parse_value reads it: "1280x720", "29.97". */
void dim_write_value(enum dim dim, const struct dim_value *value, struct buf *out);

/* "transcode", "remux", "snapshot", "audio"; the reverse, false for any other text. Kinds of tasks only. */
const char *dim_kind_name(enum usage_kind kind);
MUST_USE bool dim_kind_parse(struct str name, enum usage_kind *ret);
/* True if a task has a tier: it is a finished transcode. */
bool dim_has_tier(const struct usage *usage);
/* Appends a frame rate as people write it: "25", "29.97", "23.976"; as a fraction if no such decimal means it
 * exactly. */
void dim_write_frame_rate(struct frame_rate rate, struct buf *out);

#endif
