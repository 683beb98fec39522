#include "cli/usage_text.h"

#include <stdio.h>
#include <string.h>

#include "meter/labels.h"
#include "meter/rfc3339.h"

static void put_text(struct json_write *json, const char *name, struct str value) {
  if (value.len > 0) json_write_str(json, name, value);
}

static void put_time(struct json_write *json, const char *name, int64_t ms) {
  char text[RFC3339_SIZE];
  rfc3339_format(ms, text);
  json_write_text(json, name, text);
}

/* A decimal is a number, a fraction a text, as in an event. */
static void put_frame_rate(struct json_write *json, struct frame_rate rate) {
  if (rate.denominator == 0) return;
  SCOPED(buf_fini) struct buf text = {0};
  frame_rate_write(rate, &text);
  bool is_fraction = memchr(text.ptr, '/', text.len) != NULL;
  if (is_fraction)
    json_write_str(json, "frame_rate", buf_view(&text));
  else
    json_write_raw(json, "frame_rate", buf_view(&text));
}

static void put_labels(struct json_write *json, struct str labels) {
  if (labels.len == 0) return;
  json_write_next(json, "labels");
  labels_write_json(labels, json->out);
}

static void put_data(struct json_write *json, const struct usage *usage) {
  json_write_object(json, "data");
  if (usage->kind == USAGE_VOID) {
    put_text(json, "source", usage->target_source);
    put_text(json, "id", usage->target_id);
    put_text(json, "reason", usage->reason);
    put_text(json, "actor", usage->actor);
  } else {
    put_text(json, "codec", usage->codec);
    if (usage->width > 0) json_write_u64(json, "width", usage->width);
    if (usage->height > 0) json_write_u64(json, "height", usage->height);
    put_text(json, "codec_reported", usage->codec_reported);
    if (usage->has_amount)
      json_write_u64(json, usage->kind == USAGE_SNAPSHOT ? "image_count" : "duration_ms", usage->amount);
    put_frame_rate(json, usage->frame_rate);
    put_text(json, "quality", usage->quality);
    put_text(json, "region", usage->region);
    if (usage->passes > 0) json_write_u64(json, "passes", usage->passes);
    if (usage->has_input_duration) json_write_u64(json, "input_duration_ms", usage->input_duration_ms);
    put_labels(json, usage->labels);
    put_text(json, "task_id", usage->task_id);
    if (usage->has_created) put_time(json, "created", usage->created_ms);
    put_text(json, "src_url", usage->src_url);
    put_text(json, "dest_name", usage->dest_name);
    put_text(json, "dest_bucket", usage->dest_bucket);
    put_text(json, "format", usage->format);
  }
  json_write_end(json);
}

static bool has_tier(const struct usage *usage) {
  return usage->kind == USAGE_TRANSCODE && usage->outcome == USAGE_FINISHED;
}

void usage_text_json(const struct usage *usage, const char *name, struct json_write *json) {
  json_write_object(json, name);
  put_text(json, "source", usage->source);
  put_text(json, "id", usage->id);
  json_write_text(json, "type", usage_type_name(usage->kind, usage->outcome));
  put_text(json, "subject", usage->project);
  if (usage->finish_stated || usage->finished_ms != usage->arrived_ms) put_time(json, "time", usage->finished_ms);
  put_time(json, "arrived", usage->arrived_ms);
  if (has_tier(usage)) json_write_text(json, "tier", tier_name(usage->tier));
  put_text(json, "token", usage->token);
  put_data(json, usage);
}

void usage_text_voided(const struct usage *voiding, struct json_write *json) {
  if (voiding == NULL) {
    json_write_null(json, "voided");
    return;
  }
  usage_text_json(voiding, "voided", json);
  json_write_end(json);
}

void usage_text_missing(const struct usage *usage, struct json_write *json) {
  SCOPED(buf_fini) struct buf names = {0};
  if (usage->kind == USAGE_UNRESOLVED) usage_field_names(usage_missing(usage), usage->kind, &names);
  json_write_str(json, "missing", buf_view(&names));
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
