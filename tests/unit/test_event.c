/* Bodies of POST /v1/events, good and bad. Most tests are tables of one member that is replaced in an event that is
 * good otherwise, read between two good neighbours that must come through. */
#include "ingest/read/event.h"
#include "meter/labels.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ingest/read/content_type.h"
#include "meter/rfc3339.h"

#define NOW_MS INT64_C(1769860800000) /* 2026-01-31T12:00:00Z */

/* ---- reading ---- */

struct read {
  struct arena *arena;
  struct events events;
  struct err err;
  int result;
};

static void read_fini(struct read *read) { arena_free(read->arena); }

/* The body stands in memory of its own size, and is gone when the events are looked at. */
static void read_limited(struct read *ret, enum event_framing framing, struct str body,
                         const struct event_rules *rules, size_t arena_limit) {
  *ret = (struct read){.arena = arena_new(arena_limit)};
  assert_non_null(ret->arena);
  SCOPED(json_parser_free_ref) struct json_parser *parser = json_parser_new();
  assert_non_null(parser);
  char *bytes = malloc(body.len + JSON_PADDING);
  assert_non_null(bytes);
  if (body.len > 0) memcpy(bytes, body.ptr, body.len);
  memset(bytes + body.len, '}', JSON_PADDING);
  const struct event_source source = {.framing = framing, .body = str_make(bytes, body.len)};
  ret->result = event_read(parser, ret->arena, &source, rules, &ret->events, &ret->err);
  memset(bytes, 'x', body.len);
  free(bytes);
}

static const struct event_rules any_project = {.project = NULL, .now_ms = NOW_MS, .events_max = 100};

static void read_body(struct read *ret, enum event_framing framing, struct str body) {
  read_limited(ret, framing, body, &any_project, 1 << 20);
}

/* ---- an event with one member replaced ---- */

enum level { TOP, DATA };

struct member {
  const char *name, *json;
};

static const struct member top_members[] = {
    {"specversion", "\"1.0\""},         {"id", "\"job-1\""},         {"source", "\"farm\""},
    {"type", "\"transcode.finished\""}, {"subject", "\"org-demo\""}, {"time", "\"2026-01-31T11:59:00Z\""},
    {"datacontenttype", NULL},          {"data_base64", NULL},
};
static const struct member data_members[] = {
    {"codec", "\"h264\""}, {"width", "1280"},     {"height", "720"}, {"duration_ms", "20000"},
    {"duration", NULL},    {"task_id", NULL},     {"created", NULL}, {"src_url", NULL},
    {"dest_name", NULL},   {"dest_bucket", NULL}, {"format", NULL},  {"image_count", NULL},
};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* "@257" stands for a text of 257 letters. */
static void write_value(struct buf *out, const char *json) {
  if (json[0] != '@') {
    buf_text(out, json);
    return;
  }
  buf_char(out, '"');
  for (int i = atoi(json + 1); i > 0; i--)
    buf_char(out, 'a');
  buf_char(out, '"');
}

static void write_member(struct buf *out, const char *name, const char *json) {
  if (json == NULL) return;
  if (out->ptr[out->len - 1] != '{') buf_char(out, ',');
  buf_printf(out, "\"%s\":", name);
  write_value(out, json);
}

/* name NULL replaces nothing; json NULL leaves the member out. */
static void write_members(struct buf *out, const struct member *members, size_t count, const char *name,
                          const char *json) {
  bool is_new = name != NULL;
  for (size_t i = 0; i < count; i++) {
    bool is_it = name != NULL && strcmp(name, members[i].name) == 0;
    if (is_it) is_new = false;
    write_member(out, members[i].name, is_it ? json : members[i].json);
  }
  if (is_new) write_member(out, name, json);
}

static void write_event(struct buf *out, enum level level, const char *name, const char *json) {
  bool is_data_whole = level == TOP && name != NULL && strcmp(name, "data") == 0;
  buf_char(out, '{');
  write_members(out, top_members, COUNT(top_members), level == TOP && !is_data_whole ? name : NULL, json);
  if (is_data_whole) {
    write_member(out, "data", json);
  } else {
    buf_text(out, ",\"data\":{");
    write_members(out, data_members, COUNT(data_members), level == DATA ? name : NULL, json);
    buf_char(out, '}');
  }
  buf_char(out, '}');
}

/* ---- fields that reject the event ---- */

#define TEXT_256(name) name ": must be a text of 1 to 256 bytes without control characters"
#define OPTION_256(name) name ": must be a text of at most 256 bytes without control characters"
#define SUBJECT "subject: must be a text of 1 to 64 bytes without control characters"
#define TYPE                                                                                             \
  "type: must be transcode.finished, transcode.failed, remux.finished, remux.failed, snapshot.finished, " \
  "snapshot.failed, audio.finished, audio.failed or usage.voided"
#define TIME "time: must be an RFC 3339 time with its zone, like 2026-01-31T12:00:00Z"
#define AHEAD "time: must be at most 5 minutes ahead of the server's clock"
#define EARLY "time: must not be before 1980-01-01T00:00:00Z"
#define CODEC "codec: must be a name of 1 to 32 characters of a-z, 0-9, '.', '_', '-'"
#define WIDTH "width: must be an integer from 1 to 65535"
#define HEIGHT "height: must be an integer from 1 to 65535"
#define MS "duration_ms: must be an integer from 0 to 31622400000 (366 days)"
#define SECONDS "duration: must be a number of seconds from 0 to 31622400 (366 days)"
#define UNREADABLE "the event cannot be read: " /* and what the parser says */

static const struct bad_field {
  enum level level;
  const char *name, *json, *reason;
} bad_fields[] = {
    {TOP, "specversion", NULL, "specversion is missing"},
    {TOP, "specversion", "null", "specversion is missing"},
    {TOP, "specversion", "1.0", "specversion: must be \"1.0\""},
    {TOP, "specversion", "\"\"", "specversion: must be \"1.0\""},
    {TOP, "specversion", "\"1\"", "specversion: must be \"1.0\""},
    {TOP, "specversion", "\"1.1\"", "specversion: must be \"1.0\""},
    {TOP, "specversion", "\"0.3\"", "specversion: must be \"1.0\""},

    {TOP, "id", NULL, "id is missing"},
    {TOP, "id", "null", "id is missing"},
    {TOP, "id", "1", TEXT_256("id")},
    {TOP, "id", "true", TEXT_256("id")},
    {TOP, "id", "[\"a\"]", TEXT_256("id")},
    {TOP, "id", "{}", TEXT_256("id")},
    {TOP, "id", "\"\"", TEXT_256("id")},
    {TOP, "id", "@257", TEXT_256("id")},
    {TOP, "id", "\"a\\u0000b\"", TEXT_256("id")},
    {TOP, "id", "\"a\\nb\"", TEXT_256("id")},
    {TOP, "id", "\"a\\u007f\"", TEXT_256("id")},
    {TOP, "id", "\"a\\u0085\"", TEXT_256("id")},
    {TOP, "id", "\"a\",\"id\":\"a\"", "id: given more than once"},
    {TOP, "id", "null,\"id\":\"a\"", "id: given more than once"},
    {TOP, "id", "\"a\",\"\\u0069d\":\"b\"", "id: given more than once"},
    {TOP, "id", "\"a\tb\"", UNREADABLE},
    {TOP, "id", "\"\\ud800\"", UNREADABLE},
    {TOP, "id", "\"\\udc00x\"", UNREADABLE},
    {TOP, "id", "\"\xff\"", UNREADABLE},
    {TOP, "id", "\"\xed\xa0\x80\"", UNREADABLE},
    {TOP, "id", "\"\\x\"", UNREADABLE},

    {TOP, "source", NULL, "source is missing"},
    {TOP, "source", "null", "source is missing"},
    {TOP, "source", "1", TEXT_256("source")},
    {TOP, "source", "\"\"", TEXT_256("source")},
    {TOP, "source", "@257", TEXT_256("source")},
    {TOP, "source", "\"a\\tb\"", TEXT_256("source")},
    {TOP, "source", "\"a\",\"source\":\"a\"", "source: given more than once"},

    {TOP, "type", NULL, "type is missing"},
    {TOP, "type", "null", "type is missing"},
    {TOP, "type", "1", TYPE},
    {TOP, "type", "\"\"", TYPE},
    {TOP, "type", "\"Transcode.Finished\"", TYPE},
    {TOP, "type", "\"transcode.finished \"", TYPE},
    {TOP, "type", "\"usage.voided\"", "type: usage.voided needs a token of scope void"},

    {TOP, "subject", NULL, "subject is missing: it must name the project, because the token is for every project"},
    {TOP, "subject", "null", "subject is missing: it must name the project, because the token is for every project"},
    {TOP, "subject", "7", SUBJECT},
    {TOP, "subject", "\"\"", SUBJECT},
    {TOP, "subject", "@65", SUBJECT},
    {TOP, "subject", "\"org\\u0001\"", SUBJECT},

    {TOP, "time", "1769860800", TIME},
    {TOP, "time", "\"\"", TIME},
    {TOP, "time", "\"now\"", TIME},
    {TOP, "time", "\"2026-01-31\"", TIME},
    {TOP, "time", "\"2026-01-31T11:59:00\"", TIME}, /* without zone */
    {TOP, "time", "\"2026-02-29T11:59:00Z\"", TIME},
    {TOP, "time", "\"2026-01-31T24:00:00Z\"", TIME},
    {TOP, "time", "\"2026-01-31T11:59:61Z\"", TIME},
    {TOP, "time", "\"0000-01-01T00:00:00Z\"", TIME},
    {TOP, "time", "\"0001-01-01T00:00:00Z\"", EARLY},
    {TOP, "time", "\"1979-12-31T23:59:59.999Z\"", EARLY},
    {TOP, "time", "\"9999-12-31T23:59:59Z\"", AHEAD},
    {TOP, "time", "\"10000-01-01T00:00:00Z\"", TIME},
    {TOP, "time", "\"2026-01-31T12:05:00.001Z\"", AHEAD},
    {TOP, "time", "\"2026-01-31T12:05:01Z\"", AHEAD},
    {TOP, "time", "\"2026-01-31T20:05:01+08:00\"", AHEAD},

    {TOP, "datacontenttype", "\"text/plain\"", "datacontenttype: must be application/json, or a type that ends in +json"},
    {TOP, "datacontenttype", "\"\"", "datacontenttype: must be application/json, or a type that ends in +json"},
    {TOP, "datacontenttype", "1", "datacontenttype: must be application/json, or a type that ends in +json"},
    {TOP, "data_base64", "\"e30=\"", "data_base64: give either data_base64 or data, not both"},

    {TOP, "data", NULL, "data is missing"},
    {TOP, "data", "null", "data is missing"},
    {TOP, "data", "[]", "data: must be a JSON object"},
    {TOP, "data", "\"{}\"", "data: must be a JSON object"},
    {TOP, "data", "{}", "codec is missing"},
    {TOP, "data", "{},\"data\":{}", "data: given more than once"},

    {TOP, "extra", "1,\"extra\":2", "extra: given more than once"},
    {DATA, "extra", "1,\"b\":2,\"extra\":null", "extra: given more than once"},

    {DATA, "codec", NULL, "codec is missing"},
    {DATA, "codec", "null", "codec is missing"},
    {DATA, "codec", "264", CODEC},
    {DATA, "codec", "\"\"", CODEC},
    {DATA, "codec", "\"  \"", CODEC},
    {DATA, "codec", "@33", CODEC},
    {DATA, "codec", "\"h 264\"", CODEC},
    {DATA, "codec", "\"h264\\u0000\"", CODEC},
    {DATA, "codec", "\"普清\"", CODEC},
    {DATA, "codec", "\"h264\",\"codec\":\"h264\"", "codec: given more than once"},

    {DATA, "width", NULL, "width is missing"},
    {DATA, "width", "null", "width is missing"},
    {DATA, "width", "\"1280\"", WIDTH},
    {DATA, "width", "true", WIDTH},
    {DATA, "width", "[1280]", WIDTH},
    {DATA, "width", "0", WIDTH},
    {DATA, "width", "-0", WIDTH},
    {DATA, "width", "-1", WIDTH},
    {DATA, "width", "65536", WIDTH},
    {DATA, "width", "1280.5", WIDTH},
    {DATA, "width", "1e400", WIDTH},
    {DATA, "width", "1e-400", WIDTH},
    {DATA, "width", "9223372036854775808", WIDTH},
    {DATA, "width", "18446744073709551617", WIDTH},
    {DATA, "width", "\"NaN\"", WIDTH},
    {DATA, "width", "NaN", UNREADABLE},
    {DATA, "width", "-Infinity", UNREADABLE},
    {DATA, "width", "0x500", UNREADABLE},
    {DATA, "width", "01280", UNREADABLE},
    {DATA, "width", "+1280", UNREADABLE},
    {DATA, "width", "1280,\"width\":1280", "width: given more than once"},
    {DATA, "height", NULL, "height is missing"},
    {DATA, "height", "0", HEIGHT},
    {DATA, "height", "65536", HEIGHT},
    {DATA, "height", "\"720\"", HEIGHT},

    {DATA, "duration_ms", NULL, "duration_ms is missing"},
    {DATA, "duration_ms", "null", "duration_ms is missing"},
    {DATA, "duration_ms", "\"20000\"", MS},
    {DATA, "duration_ms", "-1", MS},
    {DATA, "duration_ms", "0.5", MS},
    {DATA, "duration_ms", "31622400001", MS},
    {DATA, "duration_ms", "9223372036854775808", MS},
    {DATA, "duration_ms", "-9223372036854775809", MS},
    {DATA, "duration", "20.001", "duration: differs from duration_ms; give only one of them"},
    {DATA, "duration", "0", "duration: differs from duration_ms; give only one of them"},
    {DATA, "duration", "\"20\"", SECONDS},
    {DATA, "duration", "-0.001", SECONDS},
    {DATA, "duration", "31622400.001", SECONDS},
    {DATA, "duration", "1e400", SECONDS},

    {DATA, "task_id", "1", OPTION_256("task_id")},
    {DATA, "task_id", "@257", OPTION_256("task_id")},
    {DATA, "task_id", "\"a\\u0000\"", OPTION_256("task_id")},
    {DATA, "created", "1769860800", "created: must be an RFC 3339 time with its zone, like 2026-01-31T12:00:00Z"},
    {DATA, "created", "\"\"", "created: must be an RFC 3339 time with its zone, like 2026-01-31T12:00:00Z"},
    {DATA, "created", "\"2026-01-31T11:59:00\"",
     "created: must be an RFC 3339 time with its zone, like 2026-01-31T12:00:00Z"},
    {DATA, "src_url", "@1025", "src_url: must be a text of at most 1024 bytes without control characters"},
    {DATA, "src_url", "\"s3://b/\xe9.mov\"", UNREADABLE}, /* Latin-1 */
    {DATA, "dest_name", "@257", OPTION_256("dest_name")},
    {DATA, "dest_name", "{}", OPTION_256("dest_name")},
    {DATA, "dest_bucket", "@257", OPTION_256("dest_bucket")},
    {DATA, "dest_bucket", "\"a\\r\"", OPTION_256("dest_bucket")},
    {DATA, "format", "@257", OPTION_256("format")},
    {DATA, "format", "false", OPTION_256("format")},

    {DATA, "frame_rate", "0", "frame_rate: must be above 0 and at most 1000 pictures a second, like 25, 29.97 or \"30000/1001\""},
    {DATA, "frame_rate", "-25", "frame_rate: must be above 0 and at most 1000 pictures a second, like 25, 29.97 or \"30000/1001\""},
    {DATA, "frame_rate", "1000.1", "frame_rate: must be above 0 and at most 1000 pictures a second, like 25, 29.97 or \"30000/1001\""},
    {DATA, "frame_rate", "1e400", "frame_rate: must be above 0 and at most 1000 pictures a second, like 25, 29.97 or \"30000/1001\""},
    {DATA, "frame_rate", "9223372036854775808", "frame_rate: must be above 0 and at most 1000 pictures a second, like 25, 29.97 or \"30000/1001\""},
    {DATA, "frame_rate", "\"30000/0\"", "frame_rate: must be above 0 and at most 1000 pictures a second, like 25, 29.97 or \"30000/1001\""},
    {DATA, "frame_rate", "\"0/1001\"", "frame_rate: must be above 0 and at most 1000 pictures a second, like 25, 29.97 or \"30000/1001\""},
    {DATA, "frame_rate", "\"NaN\"", "frame_rate: must be above 0 and at most 1000 pictures a second, like 25, 29.97 or \"30000/1001\""},
    {DATA, "frame_rate", "\"\"", "frame_rate: must be above 0 and at most 1000 pictures a second, like 25, 29.97 or \"30000/1001\""},
    {DATA, "frame_rate", "\"25 fps\"", "frame_rate: must be above 0 and at most 1000 pictures a second, like 25, 29.97 or \"30000/1001\""},
    {DATA, "frame_rate", "true", "frame_rate: must be above 0 and at most 1000 pictures a second, like 25, 29.97 or \"30000/1001\""},
    {DATA, "frame_rate", "[25]", "frame_rate: must be above 0 and at most 1000 pictures a second, like 25, 29.97 or \"30000/1001\""},
    {DATA, "frame_rate", "{}", "frame_rate: must be above 0 and at most 1000 pictures a second, like 25, 29.97 or \"30000/1001\""},
    {DATA, "frame_rate", "\"9223372036854775808/1\"", "frame_rate: must be above 0 and at most 1000 pictures a second, like 25, 29.97 or \"30000/1001\""},
    {DATA, "frame_rate", "1.0001e3", "frame_rate: must be above 0 and at most 1000 pictures a second, like 25, 29.97 or \"30000/1001\""},
    {DATA, "frame_rate", "1e-400", "frame_rate: must be above 0 and at most 1000 pictures a second, like 25, 29.97 or \"30000/1001\""},
    {DATA, "frame_rate", "1e999999999999", "frame_rate: must be above 0 and at most 1000 pictures a second, like 25, 29.97 or \"30000/1001\""},
    {DATA, "frame_rate", "-2.5e1", "frame_rate: must be above 0 and at most 1000 pictures a second, like 25, 29.97 or \"30000/1001\""},
    {DATA, "frame_rate", "0e1", "frame_rate: must be above 0 and at most 1000 pictures a second, like 25, 29.97 or \"30000/1001\""},
    {DATA, "frame_rate", "\"1e3\"", "frame_rate: must be above 0 and at most 1000 pictures a second, like 25, 29.97 or \"30000/1001\""},
    {DATA, "frame_rate", "\"2.5e1\"", "frame_rate: must be above 0 and at most 1000 pictures a second, like 25, 29.97 or \"30000/1001\""},
    {DATA, "frame_rate", "18446744073709551616", "frame_rate: must be above 0 and at most 1000 pictures a second, like 25, 29.97 or \"30000/1001\""},
    {DATA, "frame_rate", "\"0x19\"", "frame_rate: must be above 0 and at most 1000 pictures a second, like 25, 29.97 or \"30000/1001\""},
    {DATA, "frame_rate", "\"25/\"", "frame_rate: must be above 0 and at most 1000 pictures a second, like 25, 29.97 or \"30000/1001\""},
    {DATA, "frame_rate", "\"30000/1001/1\"", "frame_rate: must be above 0 and at most 1000 pictures a second, like 25, 29.97 or \"30000/1001\""},
    {DATA, "frame_rate", "NaN", UNREADABLE},
    {DATA, "quality", "1", "quality: must be a text of at most 32 bytes without control characters"},
    {DATA, "quality", "@33", "quality: must be a text of at most 32 bytes without control characters"},
    {DATA, "quality", "\"a\\n\"", "quality: must be a text of at most 32 bytes without control characters"},
    {DATA, "quality", "{}", "quality: must be a text of at most 32 bytes without control characters"},
    {DATA, "region", "1", "region: must be a text of at most 32 bytes without control characters"},
    {DATA, "region", "@33", "region: must be a text of at most 32 bytes without control characters"},
    {DATA, "region", "\"\\u0000\"", "region: must be a text of at most 32 bytes without control characters"},
    {DATA, "region", "[]", "region: must be a text of at most 32 bytes without control characters"},
    {DATA, "passes", "0", "passes: must be an integer from 1 to 65535"},
    {DATA, "passes", "-1", "passes: must be an integer from 1 to 65535"},
    {DATA, "passes", "1.5", "passes: must be an integer from 1 to 65535"},
    {DATA, "passes", "65536", "passes: must be an integer from 1 to 65535"},
    {DATA, "passes", "\"2\"", "passes: must be an integer from 1 to 65535"},
    {DATA, "passes", "9223372036854775808", "passes: must be an integer from 1 to 65535"},
    {DATA, "passes", "true", "passes: must be an integer from 1 to 65535"},
    {DATA, "input_duration_ms", "-1", "input_duration_ms: must be an integer from 0 to 31622400000 (366 days)"},
    {DATA, "input_duration_ms", "0.5", "input_duration_ms: must be an integer from 0 to 31622400000 (366 days)"},
    {DATA, "input_duration_ms", "31622400001", "input_duration_ms: must be an integer from 0 to 31622400000 (366 days)"},
    {DATA, "input_duration_ms", "\"5\"", "input_duration_ms: must be an integer from 0 to 31622400000 (366 days)"},
    {DATA, "input_duration_ms", "9223372036854775808", "input_duration_ms: must be an integer from 0 to 31622400000 (366 days)"},
    {DATA, "labels", "1", "labels: must be a JSON object of texts"},
    {DATA, "labels", "\"team=a\"", "labels: must be a JSON object of texts"},
    {DATA, "labels", "[]", "labels: must be a JSON object of texts"},
    {DATA, "labels", "[{\"team\":\"a\"}]", "labels: must be a JSON object of texts"},
    {DATA, "labels", "{\"Team\":\"a\"}", "labels: a name must be 1 to 32 of a-z, 0-9 and '_', and begin with a letter"},
    {DATA, "labels", "{\"\":\"a\"}", "labels: a name must be 1 to 32 of a-z, 0-9 and '_', and begin with a letter"},
    {DATA, "labels", "{\"1\":\"a\"}", "labels: a name must be 1 to 32 of a-z, 0-9 and '_', and begin with a letter"},
    {DATA, "labels", "{\"a-b\":\"x\"}", "labels: a name must be 1 to 32 of a-z, 0-9 and '_', and begin with a letter"},
    {DATA, "labels", "{\"é\":\"x\"}", "labels: a name must be 1 to 32 of a-z, 0-9 and '_', and begin with a letter"},
    {DATA, "labels", "{\"a0123456789012345678901234567890123\":\"x\"}", "labels: a name must be 1 to 32 of a-z, 0-9 and '_', and begin with a letter"},
    {DATA, "labels", "{\"a\":1}", "labels: a value must be a text of 1 to 64 bytes without control characters"},
    {DATA, "labels", "{\"a\":true}", "labels: a value must be a text of 1 to 64 bytes without control characters"},
    {DATA, "labels", "{\"a\":[\"b\"]}", "labels: a value must be a text of 1 to 64 bytes without control characters"},
    {DATA, "labels", "{\"a\":\"b\\n\"}", "labels: a value must be a text of 1 to 64 bytes without control characters"},
    {DATA, "labels", "{\"a\":\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}", "labels: a value must be a text of 1 to 64 bytes without control characters"},
    {DATA, "labels", "{\"a\":\"x\",\"b\":\"x\",\"c\":\"x\",\"d\":\"x\",\"e\":\"x\",\"f\":\"x\",\"g\":\"x\",\"h\":\"x\",\"i\":\"x\"}", "labels: at most 8 labels"},
    {DATA, "labels", "{\"a\":\"x\",\"b\":\"y\",\"a\":\"x\"}", "labels: a name is given more than once"},
};

static void write_neighbours(struct buf *out, enum event_framing framing, const struct bad_field *field) {
  bool is_array = framing == EVENT_FRAMING_BATCHED;
  if (is_array) buf_char(out, '[');
  write_event(out, TOP, NULL, NULL);
  buf_text(out, is_array ? ",\n" : "\n");
  write_event(out, field->level, field->name, field->json);
  buf_text(out, is_array ? "," : "\n");
  write_event(out, TOP, NULL, NULL);
  if (is_array) buf_text(out, "]\n");
}

static bool is_unreadable(const char *reason) { return strncmp(reason, UNREADABLE, strlen(UNREADABLE)) == 0; }

static bool is_reason(const char *reason, const char *expected) {
  return is_unreadable(expected) ? is_unreadable(reason) : strcmp(reason, expected) == 0;
}

static void check_bad_field(const struct bad_field *field, enum event_framing framing) {
  SCOPED(buf_fini) struct buf body = {0};
  SCOPED(read_fini) struct read read;
  write_neighbours(&body, framing, field);
  read_body(&read, framing, buf_view(&body));
  bool is_optional = framing == EVENT_FRAMING_NDJSON && strcmp(field->reason, "specversion is missing") == 0;
  if (read.result != 0) fail_msg("%s: %s: the whole body: %s", field->name, field->json, read.err.text);
  assert_int_equal(read.events.count, 3);
  assert_false(read.events.single);
  const char *reason = read.events.items[1].reason;
  if (is_optional) {
    assert_null(reason);
    return;
  }
  if (reason == NULL) fail_msg("%s: %s: accepted", field->name, field->json);
  if (!is_reason(reason, field->reason)) fail_msg("%s: %s: %s", field->name, field->json, reason);
  assert_null(read.events.items[0].reason);
  assert_null(read.events.items[2].reason);
  assert_int_equal(read.events.usages_count, 2);
}

static void test_bad_fields(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT(bad_fields); i++) {
    check_bad_field(&bad_fields[i], EVENT_FRAMING_BATCHED);
    check_bad_field(&bad_fields[i], EVENT_FRAMING_NDJSON);
  }
}

/* Alone, what is no JSON is a wrong frame; everything else is one rejected event. */
static void test_bad_fields_alone(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT(bad_fields); i++) {
    const struct bad_field *field = &bad_fields[i];
    SCOPED(buf_fini) struct buf body = {0};
    SCOPED(read_fini) struct read read;
    write_event(&body, field->level, field->name, field->json);
    read_body(&read, EVENT_FRAMING_STRUCTURED, buf_view(&body));
    if (is_unreadable(field->reason)) {
      assert_int_equal(read.result, -ERR_PARSE);
      assert_ptr_equal(strstr(read.err.text, "the body cannot be read: "), read.err.text);
      continue;
    }
    assert_int_equal(read.result, 0);
    assert_true(read.events.single);
    assert_int_equal(read.events.count, 1);
    assert_int_equal(read.events.usages_count, 0);
    assert_string_equal(read.events.items[0].reason, field->reason);
  }
}

/* ---- fields that are taken ---- */

static void write_text(struct buf *out, const char *name, struct str text) {
  if (text.len > 0) buf_printf(out, " %s=%.*s", name, STR_ARG(text));
}

static void write_time(struct buf *out, const char *name, int64_t ms) {
  char text[RFC3339_SIZE];
  rfc3339_format(ms, text);
  buf_printf(out, " %s=%s", name, text);
}

/* A record on one line. */
static void write_usage(struct buf *out, const struct usage *usage) {
  buf_printf(out, "%.*s %.*s %.*s", STR_ARG(usage->project), STR_ARG(usage->source), STR_ARG(usage->id));
  buf_printf(out, " %s", usage_type_name(usage->kind, usage->outcome));
  write_text(out, "codec", usage->codec);
  if (usage->codec_reported.len > 0) buf_printf(out, " (%.*s)", STR_ARG(usage->codec_reported));
  if (usage->width != 0 || usage->height != 0) buf_printf(out, " %ux%u", usage->width, usage->height);
  if (usage->has_amount) buf_printf(out, " %llu", (unsigned long long)usage->amount);
  buf_printf(out, " %s", tier_name(usage->tier));
  if (usage->finish_stated) write_time(out, "time", usage->finished_ms);
  if (usage->has_created) write_time(out, "created", usage->created_ms);
  write_text(out, "task", usage->task_id);
  write_text(out, "src", usage->src_url);
  write_text(out, "name", usage->dest_name);
  write_text(out, "bucket", usage->dest_bucket);
  write_text(out, "format", usage->format);
  if (usage->frame_rate.denominator > 0) buf_text(out, " rate=");
  if (usage->frame_rate.denominator > 0) frame_rate_write(usage->frame_rate, out);
  write_text(out, "quality", usage->quality);
  write_text(out, "region", usage->region);
  if (usage->passes > 0) buf_printf(out, " passes=%u", usage->passes);
  if (usage->has_input_duration) buf_printf(out, " input=%llu", (unsigned long long)usage->input_duration_ms);
  struct label label;
  for (struct str set = usage->labels; labels_next(&set, &label);)
    buf_printf(out, " %.*s=%.*s", STR_ARG(label.name), STR_ARG(label.value));
  buf_char(out, '\0');
}

static void check_only_event(const struct read *read, const char *what, const char *expected) {
  SCOPED(buf_fini) struct buf line = {0};
  if (read->result != 0) fail_msg("%s: %s", what, read->err.text);
  assert_int_equal(read->events.count, 1);
  if (read->events.items[0].reason != NULL) fail_msg("%s: %s", what, read->events.items[0].reason);
  const struct usage *usage = &read->events.usages[0];
  write_usage(&line, usage);
  if (strcmp(line.ptr, expected) != 0) fail_msg("%s:\n  read     %s\n  expected %s", what, line.ptr, expected);
  assert_int_equal(usage->arrived_ms, NOW_MS);
  if (!usage->finish_stated) assert_int_equal(usage->finished_ms, NOW_MS);
  assert_true(str_equal(read->events.items[0].id, usage->id));
}

#define HEAD "org-demo farm job-1 transcode.finished codec=h264"
#define WHEN " time=2026-01-31T11:59:00.000Z"
#define WHOLE HEAD " 1280x720 20000 medium" WHEN

static const struct good_field {
  enum level level;
  const char *name, *json, *usage;
} good_fields[] = {
    {TOP, "unknown", "{\"a\":[1,{}]}", WHOLE},
    {TOP, "unknown", "{\"id\":1,\"id\":2}", WHOLE}, /* nobody reads what is inside */
    {TOP, "ID", "\"other\"", WHOLE},
    {TOP, "dataschema", "\"x\",\"b\":1,\"c\":2", WHOLE},
    {TOP, "id", "\"\\u00e9\\ud83d\\ude00 /\"",
     "org-demo farm é😀 / transcode.finished codec=h264 1280x720 20000 medium" WHEN},
    {TOP, "source", "\"//farm/a b\"",
     "org-demo //farm/a b job-1 transcode.finished codec=h264 1280x720 20000 medium" WHEN},
    {TOP, "datacontenttype", "\"application/json\"", WHOLE},
    {TOP, "datacontenttype", "\"Application/JSON; charset=utf-8\"", WHOLE},
    {TOP, "datacontenttype", "\"application/vnd.farm+json\"", WHOLE},
    {TOP, "datacontenttype", "null", WHOLE},
    {TOP, "data_base64", "null", WHOLE},
    {TOP, "time", NULL, HEAD " 1280x720 20000 medium"},
    {TOP, "time", "null", HEAD " 1280x720 20000 medium"},
    {TOP, "time", "\"1980-01-01T00:00:00Z\"", HEAD " 1280x720 20000 medium time=1980-01-01T00:00:00.000Z"},
    {TOP, "time", "\"2026-01-31T12:05:00Z\"", HEAD " 1280x720 20000 medium time=2026-01-31T12:05:00.000Z"},
    {TOP, "time", "\"2026-01-31t19:59:00.0009+08:00\"", WHOLE},
    {TOP, "time", "\"2016-12-31T23:59:60Z\"", HEAD " 1280x720 20000 medium time=2016-12-31T23:59:59.999Z"},
    {TOP, "type", "\"transcode.failed\"", "org-demo farm job-1 transcode.failed codec=h264 1280x720 20000 low" WHEN},
    {TOP, "type", "\"remux.finished\"", "org-demo farm job-1 remux.finished 20000 low" WHEN},
    {DATA, "codec", "\"libx265\"", "org-demo farm job-1 transcode.finished codec=h265 (libx265) 1280x720 20000 medium" WHEN},
    {DATA, "codec", "\" AV1 \"", "org-demo farm job-1 transcode.finished codec=av1 (AV1) 1280x720 20000 medium" WHEN},
    {DATA, "width", "1280.0", WHOLE},
    {DATA, "width", "1.28e3", WHOLE},
    {DATA, "width", "128000E-2", WHOLE},
    {DATA, "width", "1", HEAD " 1x720 20000 medium" WHEN},
    {DATA, "width", "65535", HEAD " 65535x720 20000 super" WHEN},
    {DATA, "duration_ms", "0", HEAD " 1280x720 0 medium" WHEN},
    {DATA, "duration_ms", "-0", HEAD " 1280x720 0 medium" WHEN},
    {DATA, "duration_ms", "31622400000", HEAD " 1280x720 31622400000 medium" WHEN},
    {DATA, "duration", "20", WHOLE},
    {DATA, "duration", "20.0004", WHOLE},
    {DATA, "duration", "2e1", WHOLE},
    {DATA, "duration", "null", WHOLE},
    {DATA, "image_count", "\"not read\"", WHOLE}, /* a transcode has none */
    {DATA, "unknown", "1,\"b\":2,\"c\":3", WHOLE},
    {DATA, "task_id", "\"\"", WHOLE},
    {DATA, "task_id", "\"job-1\"", WHOLE},
    {DATA, "task_id", "\"t\"", WHOLE " task=t"},
    {DATA, "created", "\"2026-01-31T11:00:00Z\"",
     HEAD " 1280x720 20000 medium" WHEN " created=2026-01-31T11:00:00.000Z"},
    {DATA, "created", "\"9999-12-31T23:59:59Z\"",
     HEAD " 1280x720 20000 medium" WHEN " created=9999-12-31T23:59:59.000Z"},
    {DATA, "src_url", "\"https://a/\\u4e2d\"", WHOLE " src=https://a/中"},
    {DATA, "src_url", "\"\"", WHOLE},
    {DATA, "dest_name", "\"a.mp4\"", WHOLE " name=a.mp4"},
    {DATA, "dest_bucket", "\"b\"", WHOLE " bucket=b"},
    {DATA, "format", "\"mp4\"", WHOLE " format=mp4"},
    {DATA, "frame_rate", "25", WHOLE " rate=25"},
    {DATA, "frame_rate", "25.0", WHOLE " rate=25"},
    {DATA, "frame_rate", "\"25\"", WHOLE " rate=25"},
    {DATA, "frame_rate", "29.97", WHOLE " rate=30000/1001"},
    {DATA, "frame_rate", "\"30000/1001\"", WHOLE " rate=30000/1001"},
    {DATA, "frame_rate", "0.1", WHOLE " rate=0.1"},
    {DATA, "frame_rate", "1000", WHOLE " rate=1000"},
    {DATA, "frame_rate", "24.0", WHOLE " rate=24"},
    {DATA, "frame_rate", "2.5e1", WHOLE " rate=25"},
    {DATA, "frame_rate", "1e3", WHOLE " rate=1000"},
    {DATA, "frame_rate", "1E-1", WHOLE " rate=0.1"},
    {DATA, "frame_rate", "23.976023976", WHOLE " rate=24000/1001"},
    {DATA, "frame_rate", "2.3976023976e1", WHOLE " rate=24000/1001"},
    {DATA, "frame_rate", "\"23.976023976\"", WHOLE " rate=24000/1001"},
    {DATA, "frame_rate", "\"0.5\"", WHOLE " rate=0.5"},
    {DATA, "frame_rate", "null", WHOLE},
    {DATA, "quality", "\"hq\"", WHOLE " quality=hq"},
    {DATA, "quality", "\"\"", WHOLE},
    {DATA, "quality", "null", WHOLE},
    {DATA, "region", "\"eu-west-1\"", WHOLE " region=eu-west-1"},
    {DATA, "passes", "2", WHOLE " passes=2"},
    {DATA, "passes", "2.0", WHOLE " passes=2"},
    {DATA, "passes", "null", WHOLE},
    {DATA, "input_duration_ms", "0", WHOLE " input=0"},
    {DATA, "input_duration_ms", "31622400000", WHOLE " input=31622400000"},
    {DATA, "labels", "{}", WHOLE},
    {DATA, "labels", "null", WHOLE},
    {DATA, "labels", "{\"a\":null,\"b\":\"\"}", WHOLE},
    {DATA, "labels", "{\"team\":\"news\",\"show\":\"a b=c\"}", WHOLE " show=a b=c team=news"},
};

static void test_good_fields(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT(good_fields); i++) {
    const struct good_field *field = &good_fields[i];
    SCOPED(buf_fini) struct buf body = {0};
    SCOPED(read_fini) struct read read;
    write_event(&body, field->level, field->name, field->json);
    read_body(&read, EVENT_FRAMING_STRUCTURED, buf_view(&body));
    check_only_event(&read, field->json != NULL ? field->json : field->name, field->usage);
  }
}

static void test_longest_texts(void **state) {
  (void)state;
  const struct good_field fields[] = {
      {TOP, "id", "@256", ""},         {TOP, "source", "@256", ""},       {TOP, "subject", "@64", ""},
      {DATA, "codec", "@32", ""},      {DATA, "task_id", "@256", ""},     {DATA, "src_url", "@1024", ""},
      {DATA, "dest_name", "@256", ""}, {DATA, "dest_bucket", "@256", ""}, {DATA, "format", "@256", ""}};
  for (size_t i = 0; i < COUNT(fields); i++) {
    SCOPED(buf_fini) struct buf body = {0};
    SCOPED(read_fini) struct read read;
    write_event(&body, fields[i].level, fields[i].name, fields[i].json);
    read_body(&read, EVENT_FRAMING_STRUCTURED, buf_view(&body));
    assert_int_equal(read.result, 0);
    if (read.events.items[0].reason != NULL) fail_msg("%s", read.events.items[0].reason);
  }
}

/* ---- whole events ---- */

#define EVENT(type, data) "{\"id\":\"a\",\"source\":\"s\",\"subject\":\"p\",\"type\":\"" type "\"" data "}"

static const struct {
  const char *body, *usage, *reason; /* one of the two */
} kinds[] = {
    {EVENT("transcode.failed", ""), "p s a transcode.failed low", NULL},
    {EVENT("transcode.failed", ",\"data\":null"), "p s a transcode.failed low", NULL},
    {EVENT("transcode.failed", ",\"data\":{\"width\":7}"), "p s a transcode.failed 7x0 low", NULL},
    {EVENT("transcode.failed", ",\"data\":{\"width\":0}"), NULL, WIDTH},
    {EVENT("transcode.failed", ",\"data\":{\"codec\":\"\"}"), NULL, CODEC},
    {EVENT("transcode.failed", ",\"data\":{\"duration\":-1}"), NULL, SECONDS},
    {EVENT("transcode.failed", ",\"data\":7"), NULL, "data: must be a JSON object"},
    {EVENT("transcode.finished", ",\"data\":{\"codec\":\"vp9\",\"width\":639,\"height\":480,\"duration\":0.0005}"),
     "p s a transcode.finished codec=vp9 639x480 1 low", NULL},
    {EVENT("transcode.finished", ",\"data\":{\"duration\":1.5,\"height\":1080,\"width\":1920,\"codec\":\"hevc\"}"),
     "p s a transcode.finished codec=h265 (hevc) 1920x1080 1500 high", NULL},
    {EVENT("remux.finished", ",\"data\":{\"duration_ms\":5}"), "p s a remux.finished 5 low", NULL},
    {EVENT("remux.finished", ",\"data\":{\"duration\":5,\"codec\":7}"), "p s a remux.finished 5000 low", NULL},
    {EVENT("remux.finished", ",\"data\":{}"), NULL, "duration_ms is missing"},
    {EVENT("remux.finished", ""), NULL, "data is missing"},
    {EVENT("remux.failed", ""), "p s a remux.failed low", NULL},
    {EVENT("snapshot.finished", ",\"data\":{\"image_count\":12}"), "p s a snapshot.finished 12 low", NULL},
    {EVENT("snapshot.finished", ",\"data\":{\"image_count\":0}"), "p s a snapshot.finished 0 low", NULL},
    {EVENT("snapshot.finished", ",\"data\":{\"image_count\":2147483647,\"duration_ms\":5}"),
     "p s a snapshot.finished 2147483647 low", NULL},
    {EVENT("snapshot.finished", ",\"data\":{\"duration_ms\":5}"), NULL, "image_count is missing"},
    {EVENT("snapshot.finished", ",\"data\":{\"image_count\":-1}"), NULL,
     "image_count: must be an integer from 0 to 2147483647"},
    {EVENT("snapshot.finished", ",\"data\":{\"image_count\":2147483648}"), NULL,
     "image_count: must be an integer from 0 to 2147483647"},
    {EVENT("snapshot.finished", ",\"data\":{\"image_count\":\"12\"}"), NULL,
     "image_count: must be an integer from 0 to 2147483647"},
    {EVENT("snapshot.failed", ",\"data\":{\"image_count\":3}"), "p s a snapshot.failed 3 low", NULL},
    {EVENT("audio.finished", ",\"data\":{\"codec\":\"libfdk_aac\",\"duration\":1.5,\"width\":7,\"passes\":2}"),
     "p s a audio.finished codec=aac (libfdk_aac) 1500 low passes=2", NULL},
    {EVENT("audio.finished", ",\"data\":{\"codec\":\"aac\"}"), NULL, "duration_ms is missing"},
    {EVENT("audio.finished", ",\"data\":{\"duration_ms\":5}"), NULL, "codec is missing"},
    {EVENT("audio.failed", ""), "p s a audio.failed low", NULL},
    {"{}", NULL, "id is missing"},
};

static void test_kinds(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT(kinds); i++) {
    SCOPED(read_fini) struct read read;
    read_body(&read, EVENT_FRAMING_JSON, str_of(kinds[i].body));
    if (kinds[i].usage != NULL) {
      check_only_event(&read, kinds[i].body, kinds[i].usage);
    } else {
      assert_int_equal(read.result, 0);
      if (read.events.items[0].reason == NULL) fail_msg("accepted: %s", kinds[i].body);
      assert_string_equal(read.events.items[0].reason, kinds[i].reason);
    }
  }
}

/* ---- frames ---- */

#define GOOD EVENT("remux.failed", "")
#define VERSIONED             \
  "{\"specversion\":\"1.0\"," \
  "\"id\":\"a\",\"source\":\"s\",\"subject\":\"p\",\"type\":\"remux.failed\"}"
#define DEEP_30 "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"
#define BOM "\xEF\xBB\xBF"

enum { STRUCTURED = 1, BATCHED = 2, PLAIN = 4, LINES = 8 };

/* events: one sign each, + taken, - rejected, ! in front when it is single; NULL: the frame is refused. */
static const struct {
  unsigned framings;
  const char *body, *events;
} frames[] = {
    {STRUCTURED | BATCHED | PLAIN, "", NULL},
    {STRUCTURED | BATCHED | PLAIN, " \n", NULL},
    {STRUCTURED | BATCHED | PLAIN, "x", NULL},
    {STRUCTURED | BATCHED | PLAIN, "null", NULL},
    {STRUCTURED | BATCHED | PLAIN, "5", NULL},
    {STRUCTURED | BATCHED | PLAIN, "\"text\"", NULL},
    {STRUCTURED | BATCHED | PLAIN, "{", NULL},
    {STRUCTURED | BATCHED | PLAIN, "[", NULL},
    {STRUCTURED | BATCHED | PLAIN, "]", NULL},
    {STRUCTURED | BATCHED | PLAIN, "[" VERSIONED, NULL},
    {STRUCTURED | BATCHED | PLAIN, "[" VERSIONED ",", NULL},
    {STRUCTURED | BATCHED | PLAIN, "[" VERSIONED ",]", NULL},
    {STRUCTURED | BATCHED | PLAIN, "[," VERSIONED "]", NULL},
    {STRUCTURED | BATCHED | PLAIN, "[" VERSIONED ",{\"id\":\"]", NULL},
    {STRUCTURED | BATCHED | PLAIN, "[" VERSIONED " " VERSIONED "]", NULL},
    {STRUCTURED | BATCHED | PLAIN, "[" VERSIONED "x]", NULL},
    {STRUCTURED | BATCHED | PLAIN, "[" VERSIONED ",{x}5]", NULL},
    {STRUCTURED | BATCHED | PLAIN, "[x" VERSIONED "]", NULL},
    {STRUCTURED | BATCHED | PLAIN, "[" VERSIONED "]]", NULL},
    {STRUCTURED | BATCHED | PLAIN, "[" VERSIONED "] x", NULL},
    {STRUCTURED | BATCHED | PLAIN, "[" VERSIONED ",x]", NULL},
    {STRUCTURED | BATCHED | PLAIN, "[" VERSIONED ",{\"a\":1]", NULL},
    {STRUCTURED | BATCHED | PLAIN, VERSIONED VERSIONED, NULL},
    {STRUCTURED | BATCHED | PLAIN, VERSIONED "\n" VERSIONED, NULL},
    {STRUCTURED | BATCHED | PLAIN, VERSIONED "\v", NULL},
    {STRUCTURED | BATCHED | PLAIN, BOM BOM VERSIONED, NULL},
    {STRUCTURED | BATCHED | PLAIN, "\xFF\xFE{\0}\0", NULL},
    {STRUCTURED | PLAIN, VERSIONED, "!+"},
    {STRUCTURED | PLAIN, "\r\n\t " VERSIONED "\r\n", "!+"},
    {STRUCTURED | PLAIN, BOM VERSIONED, "!+"},
    {STRUCTURED, GOOD, "!-"},
    {PLAIN, GOOD, "!+"},
    {PLAIN, "{\"specversion\":\"2.0\"}", "!-"},
    {STRUCTURED, "[" VERSIONED "]", NULL},
    {STRUCTURED, "[]", NULL},
    {BATCHED, VERSIONED, NULL},
    {BATCHED | PLAIN, "[]", ""},
    {BATCHED | PLAIN, BOM " [ ] ", ""},
    {BATCHED | PLAIN, "[" VERSIONED "]", "+"},
    {BATCHED, "[" GOOD "," VERSIONED "]", "-+"},
    {PLAIN, "[" GOOD "," VERSIONED "]", "++"},
    {BATCHED | PLAIN, "[5,null,\"x\",[]," VERSIONED "]", "----+"},
    {BATCHED | PLAIN, "[" VERSIONED ",{\"a\":}," VERSIONED "]", "+-+"},
    {BATCHED | PLAIN, "[{x}," VERSIONED ",{\"a\":[1,]} , " VERSIONED "]", "-+-+"},
    {BATCHED | PLAIN, "[{x}," VERSIONED ",{\"a\":[}]} , " VERSIONED "]", NULL},
    {BATCHED | PLAIN, "[{\"a\":\"\\ud800,]}\\\"\"}," VERSIONED "]", "-+"},
    {BATCHED | PLAIN, "[{\"a\":" DEEP_30 "}," VERSIONED "]", "-+"},
    {BATCHED | PLAIN, "[[" DEEP_30 "]," VERSIONED "]", "-+"},
    {BATCHED | PLAIN, "[[" DEEP_30 "1]," VERSIONED "]", "-+"},
    {BATCHED | PLAIN, "[{\"a\":1]," VERSIONED "]", NULL},
    {BATCHED | PLAIN, "[5," VERSIONED ",{x}]", NULL},
    {BATCHED | PLAIN, "[{\"a\":[" DEEP_30 "]}," VERSIONED "]", "-+"},
    {STRUCTURED | PLAIN, "{\"a\":" DEEP_30 "}", "!-"},
    {STRUCTURED | PLAIN, "{\"a\":[" DEEP_30 "]}", "!-"},
    {STRUCTURED | PLAIN, "{\"a\":[[" DEEP_30 "]]}", NULL},
    {LINES, "", ""},
    {LINES, "\n\r\n \t\n", ""},
    {LINES, GOOD, "+"},
    {LINES, GOOD "\n", "+"},
    {LINES, BOM GOOD "\n" GOOD, "++"},
    {LINES, GOOD "\n" BOM GOOD, "+-"},
    {LINES, GOOD "\r\n" GOOD "\r\n", "++"},
    {LINES, "\n" GOOD "\n\n\n" GOOD "\n\n", "++"},
    {LINES, GOOD "\nnonsense\n" GOOD "\n{", "+-+-"},
    {LINES, GOOD GOOD "\n" GOOD, "-+"},
    {LINES, "[" GOOD "]\n5\n" GOOD, "--+"},
    {LINES, "{\"a\":[[" DEEP_30 "]]}\n" GOOD, "-+"},
    {LINES, "{\n\"id\":\"a\"}", "--"},
};

static void check_frame(enum event_framing framing, const char *body, const char *expected) {
  SCOPED(read_fini) struct read read;
  char events[32] = "";
  read_body(&read, framing, str_of(body));
  if (expected == NULL) {
    if (read.result != -ERR_PARSE) fail_msg("framing %d: not refused: %s", framing, body);
    assert_true(strlen(read.err.text) > 0);
    return;
  }
  if (read.result != 0) fail_msg("framing %d: %s: %s", framing, read.err.text, body);
  if (read.events.single) strcat(events, "!");
  for (size_t i = 0; i < read.events.count; i++)
    strcat(events, read.events.items[i].reason == NULL ? "+" : "-");
  if (strcmp(events, expected) != 0) fail_msg("framing %d: %s: %s", framing, events, body);
}

static void test_frames(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT(frames); i++) {
    if (frames[i].framings & STRUCTURED) check_frame(EVENT_FRAMING_STRUCTURED, frames[i].body, frames[i].events);
    if (frames[i].framings & BATCHED) check_frame(EVENT_FRAMING_BATCHED, frames[i].body, frames[i].events);
    if (frames[i].framings & PLAIN) check_frame(EVENT_FRAMING_JSON, frames[i].body, frames[i].events);
    if (frames[i].framings & LINES) check_frame(EVENT_FRAMING_NDJSON, frames[i].body, frames[i].events);
  }
}

/* The same data, in base64. */
static const struct {
  const char *base64, *reason; /* NULL: it counts */
} base64s[] = {
    {"\"eyJjb2RlYyI6ImgyNjQiLCJ3aWR0aCI6MTI4MCwiaGVpZ2h0Ijo3MjAsImR1cmF0aW9uX21zIjoyMDAwMH0=\"", NULL},
    {"\"e30=\"", "codec is missing"},
    {"\"\"", "data_base64: must be a JSON object in base64"},
    {"\"e30\"", "data_base64: must be a JSON object in base64"},
    {"\"W10=\"", "data_base64: must be a JSON object in base64"},
    {"\"e3s=\"", "data_base64: must be a JSON object in base64"},
    {"\"{}\"", "data_base64: must be a JSON object in base64"},
    {"{}", "data_base64: must be a JSON object in base64"},
    {"7", "data_base64: must be a JSON object in base64"},
};

static void test_base64(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT(base64s); i++) {
    SCOPED(buf_fini) struct buf body = {0};
    SCOPED(read_fini) struct read read;
    buf_printf(&body,
               "[" GOOD
               ",{\"id\":\"a\",\"source\":\"s\",\"subject\":\"p\",\"type\":\"transcode.finished\","
               "\"data_base64\":%s}," GOOD "]",
               base64s[i].base64);
    read_body(&read, EVENT_FRAMING_JSON, buf_view(&body));
    assert_int_equal(read.result, 0);
    assert_int_equal(read.events.count, 3);
    const char *reason = read.events.items[1].reason;
    if ((reason == NULL) != (base64s[i].reason == NULL) ||
        (reason != NULL && strcmp(reason, base64s[i].reason) != 0)) {
      fail_msg("%s: %s", base64s[i].base64, reason != NULL ? reason : "it counts");
    }
    if (reason == NULL) assert_true(read.events.usages[1].width == 1280 && read.events.usages[1].amount == 20000);
  }
}

static const struct {
  const char *type;
  int framing; /* -1: refused */
} content_types[] = {
    {"", -1},
    {"text/plain", -1},
    {"application", -1},
    {"application/jsonp", -1},
    {"application/cloudevents", -1},
    {"application/cloudevents+avro", -1},
    {"application/json; charset=latin-1", -1},
    {"application/json; charset=", -1},
    {"application/json; charset=\"utf-16\"", -1},
    {"application/json; a=\"x;y\" ; CHARSET=gbk", -1},
    {"application/json", EVENT_FRAMING_JSON},
    {" Application/JSON ; Charset=\"UTF-8\"", EVENT_FRAMING_JSON},
    {"application/json;charset=utf8;", EVENT_FRAMING_JSON},
    {"application/json; a=\"; charset=gbk\"", EVENT_FRAMING_JSON},
    {"application/cloudevents+json", EVENT_FRAMING_STRUCTURED},
    {"application/cloudevents+json; charset=UTF-8", EVENT_FRAMING_STRUCTURED},
    {"application/cloudevents-batch+json", EVENT_FRAMING_BATCHED},
    {"application/x-ndjson", EVENT_FRAMING_NDJSON},
    {"application/X-NDJSON;x=\"", EVENT_FRAMING_NDJSON},
    {"application/x-ndjson;x=\"\\", EVENT_FRAMING_NDJSON},
};

static void test_content_types(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT(content_types); i++) {
    enum event_framing framing;
    struct err err;
    int result = content_type_framing(str_of(content_types[i].type), false, &framing, &err);
    int found = result == 0 ? (int)framing : -1;
    if (found != content_types[i].framing) fail_msg("%s: %d", content_types[i].type, found);
    if (result != 0) assert_int_equal(result, -ERR_NOT_FOUND);
  }
}

/* ---- rules and bounds ---- */

static void test_token_of_one_project(void **state) {
  (void)state;
  char project[] = "p", token[] = "0123abcd";
  const struct event_rules rules = {.project = project, .token = token, .now_ms = NOW_MS, .events_max = 100};
  const char *body =
      "[{\"id\":\"a\",\"source\":\"s\",\"type\":\"remux.failed\"},"
      "{\"id\":\"b\",\"source\":\"s\",\"subject\":null,\"type\":\"remux.failed\"},"
      "{\"id\":\"c\",\"source\":\"s\",\"subject\":\"p\",\"type\":\"remux.failed\"},"
      "{\"id\":\"d\",\"source\":\"s\",\"subject\":\"P\",\"type\":\"remux.failed\"},"
      "{\"id\":\"e\",\"source\":\"s\",\"subject\":\"\",\"type\":\"remux.failed\"}]";
  SCOPED(read_fini) struct read read;
  read_limited(&read, EVENT_FRAMING_JSON, str_of(body), &rules, 1 << 20);
  project[0] = token[0] = 'x'; /* the token may be gone when the batch is written */
  assert_int_equal(read.result, 0);
  assert_int_equal(read.events.usages_count, 3);
  for (size_t i = 0; i < 3; i++)
    assert_true(str_equal(read.events.usages[i].project, STR("p")) && str_equal(read.events.usages[i].token, STR("0123abcd")));
  assert_string_equal(read.events.items[3].reason, "subject: the token is for another project");
  assert_string_equal(read.events.items[4].reason, SUBJECT);
}

static void test_events_max(void **state) {
  (void)state;
  const struct event_rules rules = {.project = "p", .now_ms = NOW_MS, .events_max = 2};
  const struct {
    enum event_framing framing;
    const char *body;
    int result;
  } cases[] = {
      {EVENT_FRAMING_JSON, "[" GOOD "," GOOD "]", 0},
      {EVENT_FRAMING_JSON, "[" GOOD "," GOOD ",1]", -ERR_LIMIT},
      {EVENT_FRAMING_JSON, "[" GOOD "," GOOD ",{x}]", -ERR_LIMIT},
      {EVENT_FRAMING_NDJSON, GOOD "\n\n" GOOD "\n", 0},
      {EVENT_FRAMING_NDJSON, GOOD "\n" GOOD "\nx", -ERR_LIMIT},
  };
  for (size_t i = 0; i < COUNT(cases); i++) {
    SCOPED(read_fini) struct read read;
    read_limited(&read, cases[i].framing, str_of(cases[i].body), &rules, 1 << 20);
    assert_int_equal(read.result, cases[i].result);
    if (cases[i].result != 0) assert_string_equal(read.err.text, "more than 2 events in one body (ingest.events_max)");
  }
}

/* However little memory there is, it is refused or read whole. */
static void test_small_arenas(void **state) {
  (void)state;
  const struct event_rules rules = {.project = "project", .now_ms = NOW_MS, .events_max = 100};
  const char *bodies[] = {
      "[" GOOD "," EVENT("transcode.failed", ",\"data\":{\"codec\":\"avc1\"}") ",{x}]",
      "{\"a\":1,\"b\":2,\"a\":3}",
  };
  for (size_t k = 0; k < COUNT(bodies); k++) {
    for (unsigned framing = 0; framing < 4; framing++) {
      for (size_t limit = 0; limit < 12000; limit += 16) {
        SCOPED(read_fini) struct read read;
        read_limited(&read, (enum event_framing)framing, str_of(bodies[k]), &rules, limit);
        assert_true(read.result == 0 || read.result == -ERR_LIMIT || read.result == -ERR_PARSE);
      }
    }
  }
}

/* What a body is told to need is enough for it, however much of it are events, texts or faults. */
static void test_memory_max(void **state) {
  (void)state;
  static const struct {
    const char *first, *rest;
    enum event_framing framing;
  } cases[] = {
      {"[{}", ",{}", EVENT_FRAMING_JSON},
      {"{}", "\n{}", EVENT_FRAMING_NDJSON},
      {"x", "\nx", EVENT_FRAMING_NDJSON},
      {"[{x}", ",{x}", EVENT_FRAMING_JSON},
      {"[{\"a\":1,\"a\":2}", ",{\"a\":1,\"a\":2}", EVENT_FRAMING_JSON},
      {"[" GOOD, "," GOOD, EVENT_FRAMING_JSON},
      {"[{\"id\":\"a\",\"source\":\"s\",\"type\":\"transcode.finished\",\"data\":{\"codec\":\"avc\",\"width\":1,"
       "\"height\":1,\"duration\":1,\"task_id\":\"t\",\"src_url\":\"u\",\"dest_name\":\"n\",\"dest_bucket\":\"b\","
       "\"format\":\"f\"}}",
       ",{\"id\":\"\\u00e9\",\"source\":\"\\u00e9\",\"type\":\"remux.failed\"}", EVENT_FRAMING_JSON},
  };
  const struct event_rules rules = {.project = "p", .now_ms = NOW_MS, .events_max = 3000};
  for (size_t i = 0; i < COUNT(cases); i++) {
    for (size_t count = 1; count <= 3000; count = count * 3 + 1) {
      SCOPED(buf_fini) struct buf body = {0};
      SCOPED(read_fini) struct read read;
      buf_text(&body, cases[i].first);
      for (size_t k = 1; k < count; k++) buf_text(&body, cases[i].rest);
      if (cases[i].framing == EVENT_FRAMING_JSON) buf_char(&body, ']');
      read_limited(&read, cases[i].framing, buf_view(&body), &rules, event_memory_max(body.len, rules.events_max));
      if (read.result != 0) fail_msg("%zu: %zu: %s", i, count, read.err.text);
      assert_int_equal(read.events.count, count);
    }
  }
}

/* In every frame, and where the memory ends while names are compared: rejected alone. */
static void test_too_large_alone(void **state) {
  (void)state;
  static const char *const fillers[] = {"\"x\":[@[]]", "\"x\":[@1,2]"};
  for (size_t i = 0; i < COUNT(fillers); i++) {
    for (size_t times = 1000; times <= 100000; times *= 100) {
      SCOPED(buf_fini) struct buf huge = {0};
      const char *at = strchr(fillers[i], '@');
      buf_printf(&huge, "{\"id\":\"h\",\"source\":\"s\",\"subject\":\"p\",\"type\":\"remux.failed\",");
      buf_append(&huge, fillers[i], (size_t)(at - fillers[i]));
      for (size_t k = 0; k < times; k++) buf_text(&huge, "[],");
      buf_printf(&huge, "%s}", at + 1);
      bool is_taken = times == 1000;
      for (int frame = 0; frame < 4; frame++) {
        SCOPED(buf_fini) struct buf body = {0};
        SCOPED(read_fini) struct read read;
        if (frame != 3) buf_text(&body, frame < 2 ? "[" GOOD "," : GOOD "\n");
        buf_str(&body, buf_view(&huge));
        if (frame != 3) buf_text(&body, frame == 0 ? "," GOOD "]" : frame == 1 ? "," GOOD ",{x}]" : "\n" GOOD);
        read_limited(&read, frame == 2 ? EVENT_FRAMING_NDJSON : EVENT_FRAMING_JSON, buf_view(&body), &any_project,
                     event_memory_max(body.len, 100));
        if (read.result != 0) fail_msg("%d: %s", frame, read.err.text);
        size_t place = frame == 3 ? 0 : 1;
        assert_int_equal(read.events.count, frame == 3 ? 1 : frame == 1 ? 4 : 3);
        assert_int_equal(read.events.usages_count, (frame == 3 ? 0 : 2) + (is_taken ? 1 : 0));
        assert_true(read.events.single == (frame == 3));
        const char *reason = read.events.items[place].reason;
        if (is_taken) assert_null(reason);
        else assert_string_equal(reason, "the event is too large: its JSON takes more than 4 MiB of memory");
      }
    }
  }
}

static void test_many_unknown_members(void **state) {
  (void)state;
  SCOPED(buf_fini) struct buf body = {0};
  SCOPED(read_fini) struct read read;
  buf_text(&body, "{\"id\":\"a\",\"source\":\"s\",\"subject\":\"p\",\"type\":\"remux.failed\"");
  for (int i = 0; i < 20000; i++)
    buf_printf(&body, ",\"x%d\":0", i);
  size_t good_len = body.len;
  buf_char(&body, '}');
  read_limited(&read, EVENT_FRAMING_JSON, buf_view(&body), &any_project, 64 << 20);
  assert_int_equal(read.result, 0);
  assert_int_equal(read.events.usages_count, 1);
  body.len = good_len;
  buf_text(&body, ",\"x7\":0}");
  SCOPED(read_fini) struct read again;
  read_limited(&again, EVENT_FRAMING_JSON, buf_view(&body), &any_project, 64 << 20);
  assert_string_equal(again.events.items[0].reason, "x7: given more than once");
}

/* ---- what the answer is given ---- */

static void test_ids_of_rejected(void **state) {
  (void)state;
  SCOPED(buf_fini) struct buf body = {0};
  SCOPED(read_fini) struct read read;
  buf_text(&body, "[{\"id\":\"a\"},{\"id\":7},{},5,{\"id\":\"b\",\"id\":\"c\"},{\"id\":\"");
  for (int i = 0; i < 255; i++)
    buf_char(&body, 'a');
  buf_text(&body, "\u00e9\"}]");
  read_body(&read, EVENT_FRAMING_JSON, buf_view(&body));
  assert_int_equal(read.result, 0);
  const char *const ids[] = {"a", "", "", "", "b"};
  for (size_t i = 0; i < COUNT(ids); i++)
    assert_true(str_equal(read.events.items[i].id, str_of(ids[i])));
  assert_int_equal(read.events.items[5].id.len, 255); /* not half a character */
  assert_true(str_is_utf8(read.events.items[5].id));
}

/* Which reason is given does not depend on how the members are ordered. */
static void test_first_reason(void **state) {
  (void)state;
  SCOPED(read_fini) struct read one;
  SCOPED(read_fini) struct read other;
  read_body(&one, EVENT_FRAMING_JSON, STR("{\"type\":7,\"id\":7,\"source\":7}"));
  read_body(&other, EVENT_FRAMING_JSON, STR("{\"source\":7,\"id\":7,\"type\":7}"));
  assert_string_equal(one.events.items[0].reason, TEXT_256("id"));
  assert_string_equal(other.events.items[0].reason, TEXT_256("id"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_bad_fields),
      cmocka_unit_test(test_bad_fields_alone),
      cmocka_unit_test(test_good_fields),
      cmocka_unit_test(test_longest_texts),
      cmocka_unit_test(test_kinds),
      cmocka_unit_test(test_frames),
      cmocka_unit_test(test_base64),
      cmocka_unit_test(test_content_types),
      cmocka_unit_test(test_token_of_one_project),
      cmocka_unit_test(test_events_max),
      cmocka_unit_test(test_small_arenas),
      cmocka_unit_test(test_memory_max),
      cmocka_unit_test(test_too_large_alone),
      cmocka_unit_test(test_many_unknown_members),
      cmocka_unit_test(test_ids_of_rejected),
      cmocka_unit_test(test_first_reason),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
