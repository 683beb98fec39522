/* Any bytes as the body of POST /v1/events. The first byte picks the framing (s, b, j, n, and h for headers, lines
 * "name:value" up to an empty one; upper case: the token is bound to a project), the rest is the body. Whatever they
 * are: a record that was accepted keeps every bound of meter/usage.h, and the answer is JSON. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "ingest/commit/answer.h"
#include "ingest/read/event.h"
#include "meter/amount.h"
#include "meter/codec.h"

#define NOW_MS INT64_C(1769860800000)
#define ARENA_MAX ((size_t)16 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum event_framing framing_of(char letter) {
  switch (letter | 0x20) {
    case 's':
      return EVENT_FRAMING_STRUCTURED;
    case 'b':
      return EVENT_FRAMING_BATCHED;
    case 'n':
      return EVENT_FRAMING_NDJSON;
    case 'h':
      return EVENT_FRAMING_BINARY;
    default:
      return EVENT_FRAMING_JSON;
  }
}

static void check_text(struct str text, size_t least, size_t most) {
  CHECK(text.len >= least && text.len <= most);
  CHECK(str_is_utf8(text) && !str_has_control(text));
}

static void check_measures(const struct usage *usage) {
  bool is_finished = usage->outcome == USAGE_FINISHED, is_transcode = usage->kind == USAGE_TRANSCODE;
  char codec[CODEC_NAME_MAX + 1];
  CHECK(!is_finished || usage->has_amount);
  CHECK(usage->amount <= (usage->kind == USAGE_SNAPSHOT ? (uint64_t)EVENT_IMAGES_MAX : DURATION_MS_MAX));
  CHECK(is_transcode || (usage->codec.len == 0 && usage->width == 0 && usage->height == 0));
  if (is_transcode && is_finished) CHECK(usage->codec.len > 0 && usage->width > 0 && usage->height > 0);
  if (usage->codec.len == 0) return;
  CHECK(codec_canonical(usage->codec, codec, NULL) == 0 && str_equal(str_of(codec), usage->codec));
}

static void check_usage(const struct usage *usage, const struct event_rules *rules) {
  check_text(usage->project, 1, PROJECT_ID_MAX);
  check_text(usage->source, 1, SOURCE_MAX);
  check_text(usage->id, 1, EVENT_ID_MAX);
  check_text(usage->task_id, 0, TASK_ID_MAX);
  check_text(usage->src_url, 0, SRC_URL_MAX);
  check_text(usage->dest_name, 0, DEST_MAX);
  check_text(usage->dest_bucket, 0, DEST_MAX);
  check_text(usage->format, 0, DEST_MAX);
  CHECK(rules->project == NULL || str_equal(usage->project, str_of(rules->project)));
  CHECK(usage->arrived_ms == NOW_MS && usage->finished_ms <= NOW_MS + EVENT_AHEAD_MAX_MS);
  CHECK(usage->finished_ms >= EVENT_TIME_MIN_MS && (usage->finish_stated || usage->finished_ms == NOW_MS));
  check_measures(usage);
}

static void check_answer(const struct events *events, struct json_parser *parser, struct arena *arena) {
  SCOPED(buf_fini) struct buf out = {0};
  struct verdict *verdicts = arena_alloc(arena, events->usages_count * sizeof *verdicts);
  if (verdicts == NULL) return;
  unsigned status;
  ingest_answer(events, verdicts, &out, &status);
  struct str text = buf_view(&out);
  char *padding = buf_extend(&out, JSON_PADDING);
  CHECK(padding != NULL && (status == 200 || events->single));
  memset(padding, 0, JSON_PADDING);
  const struct json *json;
  int result = json_parse(parser, arena, str_make(out.ptr, text.len), 3, &json, NULL);
  CHECK(result == 0 || result == -ERR_MEMORY);
}

static void check_events(const struct events *events, const struct event_rules *rules) {
  size_t accepted = 0;
  CHECK(events->count <= rules->events_max && (!events->single || events->count == 1));
  for (size_t i = 0; i < events->count; i++) {
    const struct event *event = &events->items[i];
    CHECK(event->id.len <= EVENT_ID_MAX && str_is_utf8(event->id));
    if (event->reason != NULL) {
      CHECK(event->reason[0] != '\0' && strlen(event->reason) < 300);
      continue;
    }
    CHECK(str_equal(event->id, events->usages[accepted].id));
    check_usage(&events->usages[accepted++], rules);
  }
  CHECK(accepted == events->usages_count);
}

/* Cuts the headers off the front of a text. */
static size_t take_headers(struct str *text, struct event_header headers[EVENT_HEADERS_MAX]) {
  size_t count = 0;
  while (text->len > 0) {
    struct str line = str_cut(text, '\n');
    if (line.len == 0) break;
    struct str name = str_cut(&line, ':');
    if (count == EVENT_HEADERS_MAX || !event_header_is_attribute(name)) continue;
    headers[count++] = (struct event_header){.name = name, .value = line};
  }
  return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  char letter = (char)data[0];
  const struct event_rules rules = {
      .project = letter >= 'A' && letter <= 'Z' ? "org-demo" : NULL, .now_ms = NOW_MS, .events_max = 1000};
  char *body = malloc(size - 1 + JSON_PADDING);
  SCOPED(arena_free_ref) struct arena *arena = arena_new(ARENA_MAX);
  SCOPED(json_parser_free_ref) struct json_parser *parser = json_parser_new();
  CHECK(body != NULL && arena != NULL && parser != NULL);
  memcpy(body, data + 1, size - 1);
  memset(body + size - 1, ']', JSON_PADDING);

  struct events events;
  struct err err = {0};
  struct event_header headers[EVENT_HEADERS_MAX];
  struct event_source source = {.framing = framing_of(letter), .body = str_make(body, size - 1), .headers = headers};
  if (source.framing == EVENT_FRAMING_BINARY) source.headers_count = take_headers(&source.body, headers);
  int result = event_read(parser, arena, &source, &rules, &events, &err);
  free(body);
  CHECK(result == 0 || result == -ERR_PARSE || result == -ERR_LIMIT || result == -ERR_MEMORY);
  CHECK(result == 0 || err.text[0] != '\0');
  if (result != 0) return 0;
  check_events(&events, &rules);
  check_answer(&events, parser, arena);
  return 0;
}
