/* Encoding is written by hand, offset by offset, in the order of docs/format.md, so that a reader can compare the
 * page with the code. Decoding trusts nothing: a record has passed its block's CRC, but no length is used unchecked.
 *
 * record_usage.c has usage in format 2, record_former_usage.c in format 1, and record_change.c the catalogue.
 */
#include "base/check.h"
#include "ledger/log/record_fields.h"
#include "meter/amount.h"
#include "meter/codec.h"
#include "meter/labels.h"

size_t record_padded(size_t size) { return (size + RECORD_ALIGN - 1) / RECORD_ALIGN * RECORD_ALIGN; }

/* ---- fields ---- */

struct str take(struct cursor *cursor, size_t len) {
  if (cursor->bad || len > cursor->rest.len) {
    cursor->bad = true;
    return STR("");
  }
  struct str taken = str_make(cursor->rest.ptr, len);
  cursor->rest = str_make(cursor->rest.ptr + len, cursor->rest.len - len);
  return taken;
}

uint16_t take_u16(struct cursor *cursor) {
  struct str bytes = take(cursor, 2);
  return bytes.len == 2 ? le16_load(bytes.ptr) : 0;
}

uint32_t take_u32(struct cursor *cursor) {
  struct str bytes = take(cursor, 4);
  return bytes.len == 4 ? le32_load(bytes.ptr) : 0;
}

uint64_t take_u64(struct cursor *cursor) {
  struct str bytes = take(cursor, 8);
  return bytes.len == 8 ? le64_load(bytes.ptr) : 0;
}

struct str take_text(struct cursor *cursor, size_t len_max) {
  size_t len = take_u16(cursor);
  if (len > len_max) cursor->bad = true;
  return take(cursor, len);
}

/* ---- what both formats of usage share ---- */

static bool texts_fit(const struct usage *usage) {
  return usage->id.len >= 1 && usage->id.len <= EVENT_ID_MAX && usage->task_id.len <= TASK_ID_MAX &&
         usage->src_url.len <= SRC_URL_MAX && usage->dest_name.len <= DEST_MAX && usage->dest_bucket.len <= DEST_MAX &&
         usage->format.len <= DEST_MAX && usage->project.len >= 1 && usage->project.len <= PROJECT_ID_MAX &&
         usage->source.len >= 1 && usage->source.len <= SOURCE_MAX && usage->codec.len <= CODEC_NAME_MAX &&
         usage->codec_reported.len <= CODEC_REPORTED_MAX && usage->quality.len <= QUALITY_MAX &&
         usage->region.len <= REGION_MAX && usage->token.len <= USAGE_TOKEN_MAX && labels_are_valid(usage->labels);
}

static bool frame_rate_fits(struct frame_rate rate) {
  if (rate.numerator == 0 && rate.denominator == 0) return true;
  return rate.numerator >= 1 && rate.numerator <= FRAME_RATE_TERM_MAX && rate.denominator >= 1 &&
         rate.denominator <= FRAME_RATE_TERM_MAX;
}

static bool values_fit(const struct usage *usage) {
  return usage->kind >= USAGE_TRANSCODE && usage->kind <= USAGE_AUDIO && usage->outcome >= USAGE_FINISHED &&
         usage->outcome <= USAGE_FAILED && usage->tier < TIERS && usage->finished_ms >= 0 &&
         frame_rate_fits(usage->frame_rate) && usage->input_duration_ms <= DURATION_MS_MAX;
}

bool record_usage_is_sane(const struct usage *usage) {
  if (!texts_fit(usage) || !values_fit(usage)) return false;
  if (usage->kind == USAGE_VOID) {
    return usage->outcome == USAGE_FINISHED && usage->target_source.len > 0 && usage->target_id.len > 0 &&
           usage->codec.len == 0;
  }
  bool is_finished = usage->outcome == USAGE_FINISHED;
  if (usage->kind == USAGE_UNRESOLVED) return is_finished && usage->amount <= DURATION_MS_MAX;
  bool needs_codec = is_finished && (usage->kind == USAGE_TRANSCODE || usage->kind == USAGE_AUDIO);
  bool amount_fits = usage->kind == USAGE_SNAPSHOT || usage->amount <= DURATION_MS_MAX;
  return (!is_finished || usage->has_amount) && (!needs_codec || usage->codec.len > 0) && amount_fits;
}

/* ---- decoding ---- */

int record_bad_values(enum record_type type, struct err *err) {
  return err_set(err, ERR_CORRUPT, "record of type %u: invalid field values", (unsigned)type);
}

int record_unknown_flags(enum record_type type, uint32_t flags, struct err *err) {
  return err_set(err, ERR_VERSION, "this version does not know flags 0x%x of records of type %u: use a later codecmeter",
                 flags, (unsigned)type);
}

static int read_body(struct str bytes, struct record_names names, struct record *ret, struct err *err) {
  switch (ret->type) {
    case RECORD_FORMER_USAGE:
    case RECORD_FORMER_VOID:
    case RECORD_FORMER_UNRESOLVED:
      return record_read_former_usage(bytes, names, &ret->usage, err);
    case RECORD_USAGE:
    case RECORD_VOID:
    case RECORD_UNRESOLVED:
      return record_read_usage(bytes, names, ret, err);
    case RECORD_PROJECT:
    case RECORD_PROJECT_LABELS:
    case RECORD_ACCOUNT:
    case RECORD_KEY:
    case RECORD_TOKEN:
    case RECORD_TOKEN_ZONE:
    case RECORD_TOKEN_MORE:
      return record_read_change(bytes, ret, err);
    case RECORD_SKIPPED:
      break;
  }
  if ((unsigned)ret->type >= RECORD_SKIPPABLE) return 0;
  return err_set(err, ERR_VERSION, "this version does not know records of type %u: use a later codecmeter",
                 (unsigned)ret->type);
}

/* The type in memory, of which there is one for each meaning. */
static enum record_type meaning_of(enum record_type type) {
  switch (type) {
    case RECORD_FORMER_USAGE:
    case RECORD_FORMER_VOID:
    case RECORD_FORMER_UNRESOLVED:
    case RECORD_USAGE:
    case RECORD_VOID:
    case RECORD_UNRESOLVED:
      return RECORD_USAGE;
    case RECORD_PROJECT:
    case RECORD_PROJECT_LABELS:
      return RECORD_PROJECT;
    case RECORD_TOKEN:
    case RECORD_TOKEN_ZONE:
    case RECORD_TOKEN_MORE:
      return RECORD_TOKEN;
    case RECORD_ACCOUNT:
    case RECORD_KEY:
      return type;
    case RECORD_SKIPPED:
      break;
  }
  return RECORD_SKIPPED;
}

int record_decode(struct str bytes, struct record_names names, struct record *ret, struct err *err) {
  if (bytes.len < RECORD_HEAD_SIZE) return err_set(err, ERR_CORRUPT, "the record is cut short");
  uint32_t size = le32_load(bytes.ptr + AT_SIZE);
  if (size < RECORD_HEAD_SIZE || size > bytes.len || size > RECORD_SIZE_MAX || size % RECORD_ALIGN != 0) {
    return err_set(err, ERR_CORRUPT, "the record claims an impossible size of %u bytes", size);
  }
  ret->size = size;
  ret->back = le32_load(bytes.ptr + AT_BACK);
  ret->type = (unsigned char)bytes.ptr[AT_TYPE];
  bytes.len = size;
  int result = read_body(bytes, names, ret, err);
  ret->type = meaning_of(ret->type);
  return result;
}
