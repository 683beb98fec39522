/* CloudEvents in binary mode: headers and a body to the same record as in structured mode. */
#include "ingest/read/event.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base64.h"
#include "ingest/read/content_type.h"

#define NOW_MS INT64_C(1769860800000) /* 2026-01-31T12:00:00Z */
#define DATA "{\"codec\":\"avc1\",\"width\":1280,\"height\":720,\"duration_ms\":20000}"
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define HEADERS 12

struct sent {
  const char *headers[HEADERS][2];
  const char *body;
};

struct read {
  struct arena *arena;
  struct events events;
  struct err err;
  int result;
};

static void read_fini(struct read *read) { arena_free(read->arena); }

static void read_sent(struct read *ret, const struct sent *sent) {
  const struct event_rules rules = {.now_ms = NOW_MS, .events_max = 1};
  *ret = (struct read){.arena = arena_new(1 << 20)};
  SCOPED(json_parser_free_ref) struct json_parser *parser = json_parser_new();
  assert_true(ret->arena != NULL && parser != NULL);
  SCOPED(buf_fini) struct buf body = {0};
  buf_text(&body, sent->body);
  char *padding = buf_extend(&body, JSON_PADDING);
  assert_non_null(padding);
  memset(padding, '}', JSON_PADDING);
  struct event_header headers[HEADERS];
  struct event_source source = {.framing = EVENT_FRAMING_BINARY, .headers = headers};
  source.body = str_make(body.ptr, strlen(sent->body));
  for (; source.headers_count < HEADERS && sent->headers[source.headers_count][0] != NULL; source.headers_count++) {
    const char *const *pair = sent->headers[source.headers_count];
    headers[source.headers_count] = (struct event_header){.name = str_of(pair[0]), .value = str_of(pair[1])};
  }
  ret->result = event_read(parser, ret->arena, &source, &rules, &ret->events, &ret->err);
}

#define USUAL \
  {"ce-specversion", "1.0"}, {"ce-type", "transcode.finished"}, { "ce-subject", "org-demo" }

static void test_an_event(void **state) {
  (void)state;
  const struct sent sent = {.headers = {USUAL,
                                        {"CE-ID", "job-1"},
                                        {"Ce-Source", "farm"},
                                        {"ce-time", "2026-01-31T11:59:00Z"},
                                        {"ce-mine", "x"}},
                            .body = DATA};
  SCOPED(read_fini) struct read read;
  read_sent(&read, &sent);
  assert_int_equal(read.result, 0);
  assert_true(read.events.single && read.events.count == 1 && read.events.usages_count == 1);
  const struct usage *usage = &read.events.usages[0];
  assert_true(str_equal(usage->id, STR("job-1")) && str_equal(usage->source, STR("farm")));
  assert_true(str_equal(usage->project, STR("org-demo")) && str_equal(usage->codec, STR("h264")));
  assert_true(usage->width == 1280 && usage->height == 720 && usage->amount == 20000);
  assert_true(usage->finish_stated && usage->finished_ms == NOW_MS - 60000);
}

/* What a source header holds, and the source that it is; NULL: the frame is refused. */
static const struct {
  const char *value, *source;
} values[] = {
    {"farm", "farm"},
    {"\"farm\"", "farm"},
    {"\"fa\\\"rm\\\\\"", "fa\"rm\\"},
    {"fa\"rm", "fa\"rm"},
    {"farm%207", "farm 7"},
    {"\"farm%207\"", "farm 7"},
    {"farm%2520", "farm%20"}, /* once */
    {"Euro%20%E2%82%AC%20%f0%9f%98%80", "Euro \xe2\x82\xac \xf0\x9f\x98\x80"},
    {"\xe2\x82\xac", "\xe2\x82\xac"},
    {"100%", "100%"},
    {"%4", "%4"},
    {"%zz%41", "%zzA"},
    {"%C3", NULL},
    {"%ED%A0%80", NULL}, /* half a surrogate pair */
    {"\xff", NULL},
};

static void test_header_values(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT(values); i++) {
    const struct sent sent = {.headers = {USUAL, {"ce-id", "a"}, {"ce-source", values[i].value}}, .body = DATA};
    SCOPED(read_fini) struct read read;
    read_sent(&read, &sent);
    if (values[i].source == NULL) {
      assert_int_equal(read.result, -ERR_PARSE);
      assert_string_equal(read.err.text, "the body cannot be read: ce-source: must be UTF-8");
      continue;
    }
    assert_int_equal(read.result, 0);
    if (read.events.usages_count != 1 || !str_equal(read.events.usages[0].source, str_of(values[i].source))) {
      fail_msg("%s", values[i].value);
    }
  }
}

/* What is refused as a whole (400), and what is rejected (422). */
static const struct {
  struct sent sent;
  const char *refused, *rejected;
} faults[] = {
    {{{USUAL, {"ce-id", "a"}, {"ce-source", "s"}, {"ce-datacontenttype", "application/json"}}, DATA},
     "ce-datacontenttype: not allowed: the body is the data, and Content-Type its type",
     NULL},
    {{{USUAL, {"ce-id", "a"}, {"ce-source", "s"}, {"ce-data", "x"}}, DATA},
     "ce-data: not allowed: the body is the data, and Content-Type its type",
     NULL},
    {{{USUAL, {"ce-id", "a"}, {"ce-source", "s"}}, "{\"codec\":"}, "invalid JSON", NULL},
    {{{USUAL, {"ce-id", "a"}, {"ce-source", "s"}}, "7"}, "expected an object or an array", NULL},
    {{{USUAL, {"ce-id", "a"}, {"ce-source", "s"}}, "[]"}, NULL, "data: must be a JSON object"},
    {{{USUAL, {"ce-id", "a"}, {"ce-source", "s"}}, ""}, NULL, "data is missing"},
    {{{USUAL, {"ce-id", "a"}, {"CE-Id", "b"}, {"ce-source", "s"}}, DATA}, NULL, "id: given more than once"},
    {{{USUAL, {"ce-source", "s"}}, DATA}, NULL, "id is missing"},
    {{{{"ce-id", "a"}, {"ce-source", "s"}, {"ce-type", "remux.failed"}}, ""}, NULL, "specversion is missing"},
    {{{{"ce-specversion", "0.3"}, {"ce-id", "a"}, {"ce-source", "s"}}, DATA}, NULL, "specversion: must be \"1.0\""},
    {{{USUAL, {"ce-id", ""}, {"ce-source", "s"}}, DATA},
     NULL,
     "id: must be a text of 1 to 256 bytes without control characters"},
    {{{USUAL, {"ce-id", "%00"}, {"ce-source", "s"}}, DATA},
     NULL,
     "id: must be a text of 1 to 256 bytes without control characters"},
};

static void test_faults(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT(faults); i++) {
    SCOPED(read_fini) struct read read;
    read_sent(&read, &faults[i].sent);
    if (faults[i].refused != NULL) {
      assert_int_equal(read.result, -ERR_PARSE);
      if (strstr(read.err.text, faults[i].refused) == NULL) fail_msg("%zu: %s", i, read.err.text);
    } else {
      assert_int_equal(read.result, 0);
      assert_int_equal(read.events.usages_count, 0);
      assert_string_equal(read.events.items[0].reason, faults[i].rejected);
    }
  }
}

static void test_which_headers(void **state) {
  (void)state;
  assert_true(event_header_is_attribute(STR("ce-id")) && event_header_is_attribute(STR("Ce-X")));
  assert_false(event_header_is_attribute(STR("ce-")) || event_header_is_attribute(STR("ce")));
  assert_false(event_header_is_attribute(STR("accept")));
}

static const struct {
  const char *type;
  int framing; /* -1: refused */
} types[] = {
    {"", EVENT_FRAMING_BINARY},
    {"application/json; charset=utf-8", EVENT_FRAMING_BINARY},
    {"text/json", EVENT_FRAMING_BINARY},
    {"application/vnd.farm+json", EVENT_FRAMING_BINARY},
    {"application/cloudevents+json", EVENT_FRAMING_STRUCTURED},
    {"application/cloudevents-batch+json", EVENT_FRAMING_BATCHED},
    {"application/x-ndjson", -1},
    {"text/plain", -1},
    {"application/cloudevents+avro", -1},
    {"application/json; charset=latin-1", -1},
};

static void test_content_types(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT(types); i++) {
    enum event_framing framing;
    struct err err;
    int result = content_type_framing(str_of(types[i].type), true, &framing, &err);
    int found = result == 0 ? (int)framing : -1;
    if (found != types[i].framing) fail_msg("%s: %d", types[i].type, found);
  }
}

static void test_codings(void **state) {
  (void)state;
  enum content_coding coding;
  struct err err;
  assert_true(content_type_coding(STR(""), &coding, &err) == 0 && coding == CODING_IDENTITY);
  assert_true(content_type_coding(STR("Identity"), &coding, &err) == 0 && coding == CODING_IDENTITY);
  assert_true(content_type_coding(STR("GZIP"), &coding, &err) == 0 && coding == CODING_GZIP);
  assert_true(content_type_coding(STR("x-gzip"), &coding, &err) == 0 && coding == CODING_GZIP);
  assert_true(content_type_coding(STR("br"), &coding, &err) == -ERR_NOT_FOUND);
  assert_true(content_type_coding(STR("gzip, gzip"), &coding, &err) == -ERR_NOT_FOUND);
}

static void test_base64(void **state) {
  (void)state;
  char out[16];
  size_t len;
  assert_true(base64_decode(STR("aGVsbG8="), out, &len) && len == 5 && memcmp(out, "hello", 5) == 0);
  assert_true(base64_decode(STR("aGVs\nbG8="), out, &len) && len == 5);
  assert_true(base64_decode(STR(""), out, &len) && len == 0);
  assert_false(base64_decode(STR("aGVsbG8"), out, &len));
  assert_false(base64_decode(STR("aGVsbG8=="), out, &len));
  assert_false(base64_decode(STR("aGVs!G8="), out, &len));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_an_event),      cmocka_unit_test(test_header_values), cmocka_unit_test(test_faults),
      cmocka_unit_test(test_which_headers), cmocka_unit_test(test_content_types), cmocka_unit_test(test_codings),
      cmocka_unit_test(test_base64),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
