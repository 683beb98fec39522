#include "cli/usage_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "meter/labels.h"
#include "meter/rfc3339.h"

static void put_name(struct buf *out, struct str name) {
  if (out->ptr[out->len - 1] != '{') buf_char(out, ',');
  json_quote(out, name);
  buf_char(out, ':');
}

static void put_text(struct buf *out, const char *name, struct str value) {
  if (value.len == 0) return;
  put_name(out, str_of(name));
  json_quote(out, value);
}

static void put_number(struct buf *out, const char *name, uint64_t value) {
  put_name(out, str_of(name));
  buf_printf(out, "%" PRIu64, value);
}

static void put_time(struct buf *out, const char *name, int64_t ms) {
  char text[RFC3339_SIZE];
  rfc3339_format(ms, text);
  put_text(out, name, str_of(text));
}

/* A decimal is a number, a fraction a text, as in an event. */
static void put_frame_rate(struct buf *out, struct frame_rate rate) {
  if (rate.denominator == 0) return;
  SCOPED(buf_fini) struct buf text = {0};
  frame_rate_write(rate, &text);
  bool is_fraction = memchr(text.ptr, '/', text.len) != NULL;
  put_name(out, STR("frame_rate"));
  if (is_fraction)
    json_quote(out, buf_view(&text));
  else
    buf_str(out, buf_view(&text));
}

static void put_labels(struct buf *out, struct str labels) {
  if (labels.len == 0) return;
  put_name(out, STR("labels"));
  labels_write_json(labels, out);
}

static void put_data(struct buf *out, const struct usage *usage) {
  buf_text(out, ",\"data\":{");
  if (usage->kind == USAGE_VOID) {
    put_text(out, "source", usage->target_source);
    put_text(out, "id", usage->target_id);
    put_text(out, "reason", usage->reason);
    put_text(out, "actor", usage->actor);
  } else {
    put_text(out, "codec", usage->codec);
    if (usage->width > 0) put_number(out, "width", usage->width);
    if (usage->height > 0) put_number(out, "height", usage->height);
    put_text(out, "codec_reported", usage->codec_reported);
    if (usage->has_amount)
      put_number(out, usage->kind == USAGE_SNAPSHOT ? "image_count" : "duration_ms", usage->amount);
    put_frame_rate(out, usage->frame_rate);
    put_text(out, "quality", usage->quality);
    put_text(out, "region", usage->region);
    if (usage->passes > 0) put_number(out, "passes", usage->passes);
    if (usage->has_input_duration) put_number(out, "input_duration_ms", usage->input_duration_ms);
    put_labels(out, usage->labels);
    put_text(out, "task_id", usage->task_id);
    if (usage->has_created) put_time(out, "created", usage->created_ms);
    put_text(out, "src_url", usage->src_url);
    put_text(out, "dest_name", usage->dest_name);
    put_text(out, "dest_bucket", usage->dest_bucket);
    put_text(out, "format", usage->format);
  }
  buf_char(out, '}');
}

static bool has_tier(const struct usage *usage) {
  return usage->kind == USAGE_TRANSCODE && usage->outcome == USAGE_FINISHED;
}

void usage_text_json(const struct usage *usage, struct buf *out) {
  buf_char(out, '{');
  put_text(out, "source", usage->source);
  put_text(out, "id", usage->id);
  put_text(out, "type", str_of(usage_type_name(usage->kind, usage->outcome)));
  put_text(out, "subject", usage->project);
  if (usage->finish_stated || usage->finished_ms != usage->arrived_ms) put_time(out, "time", usage->finished_ms);
  put_time(out, "arrived", usage->arrived_ms);
  if (has_tier(usage)) put_text(out, "tier", str_of(tier_name(usage->tier)));
  put_text(out, "token", usage->token);
  put_data(out, usage);
}

void usage_text_voided(const struct usage *voiding, struct buf *out) {
  buf_text(out, ",\"voided\":");
  if (voiding == NULL) {
    buf_text(out, "null");
    return;
  }
  usage_text_json(voiding, out);
  buf_char(out, '}');
}

void usage_text_line(const struct usage *usage, struct buf *out) {
  buf_text(out, usage_type_name(usage->kind, usage->outcome));
  usage_measures(usage, out);
  if (has_tier(usage)) buf_printf(out, " %s", tier_name(usage->tier));
}

void usage_text_time(int64_t ms, struct buf *out) {
  char text[RFC3339_SIZE];
  rfc3339_format(ms, text);
  buf_text(out, text);
}

int usage_text_print(const struct buf *out, struct err *err) {
  if (out->failed) return err_set(err, ERR_MEMORY, "no memory to print");
  (void)fwrite(out->ptr, 1, out->len, stdout);
  return 0;
}
