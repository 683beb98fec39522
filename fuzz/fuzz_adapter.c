/* Any bytes as a notice. The first line, else the first byte, picks the adapter. Whatever they are: no more outputs
 * than may be, each of them a record or a reason, and every reason for what was ignored is a text. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapt/adapter.h"
#include "base/check.h"

#define NOW_MS INT64_C(1769860800000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct adapters *set(void) {
  static struct config config;
  static struct adapters *adapters;
  struct err err;
  if (adapters != NULL) return adapters;
  config_init(&config);
  CHECK(config_set(&config, "adapter.umedia.codec=h264", &err) == 0);
  CHECK(adapters_new(&config, &adapters, &err) == 0);
  return adapters;
}

/* The adapter that the first line names, which is then taken off; else one that the first byte picks. */
static const struct adapter *pick(struct str *notice) {
  struct str rest = *notice;
  const struct adapter *named = adapters_find(set(), str_cut(&rest, '\n'));
  size_t count = 0;
  if (named == NULL) {
    while (adapters_at(set(), count) != NULL)
      count++;
    rest = str_make(notice->ptr + 1, notice->len - 1);
    named = adapters_at(set(), (uint8_t)notice->ptr[0] % count);
  }
  *notice = rest;
  return named;
}

/* A built-in script may call error() for a notice that it does not know, and a notice may have too many outputs. It
 * never fails otherwise. What is behind the first quote may come from the notice, and so may say anything. */
static bool is_scripts_fault(const char *err_text) {
  char text[ERR_TEXT_MAX];
  (void)snprintf(text, sizeof text, "%.*s", (int)strcspn(err_text, "'"), err_text);
  bool is_much = strstr(text, "more than") != NULL;
  bool is_result = strstr(text, "the script returned") != NULL || strstr(text, "the script does") != NULL;
  return strstr(text, "attempt to") != NULL || strstr(text, "bad argument") != NULL || (is_result && !is_much);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  const struct adapter_query query = {.project = STR("p"), .source = STR("s"), .id = STR("i"), .time = STR("")};
  const struct event_rules event_rules = {.may_wait = true, .now_ms = NOW_MS, .events_max = ADAPTER_OUTPUTS_MAX};
  SCOPED(arena_free_ref) struct arena *scratch = arena_new((size_t)16 << 20);
  SCOPED(arena_free_ref) struct arena *arena = arena_new((size_t)16 << 20);
  SCOPED(json_parser_free_ref) struct json_parser *parser = json_parser_new();
  struct str text = str_make((const char *)data, size);
  const struct adapter *adapter = pick(&text);
  char *body = malloc(text.len + JSON_PADDING);
  CHECK(scratch != NULL && arena != NULL && parser != NULL && body != NULL);
  memcpy(body, text.ptr, text.len);
  memset(body + text.len, '}', JSON_PADDING);
  const struct adapter_notice notice = {
      .adapter = adapter, .body = str_make(body, text.len), .query = &query, .event_rules = &event_rules};
  struct events events = {0};
  const char *const *ignored = NULL;
  size_t ignored_count = 0;
  struct err err = {0};
  int result = adapter_read(&notice, parser, scratch, arena, &events, &ignored, &ignored_count, &err);
  free(body);
  bool is_fault = result == -ERR_SCRIPT && is_scripts_fault(err.text);
  if (is_fault) fprintf(stderr, "%s\n", err.text);
  CHECK(!is_fault && (result == 0 || err_kind(result) == ERR_KIND_CLIENT));
  CHECK(result == 0 || err.text[0] != '\0');
  if (result != 0) return 0;
  CHECK(events.count <= ADAPTER_OUTPUTS_MAX && events.usages_count <= events.count);
  for (size_t i = 0, accepted = 0; i < events.count; i++) {
    if (events.items[i].reason == NULL) CHECK(events.usages[accepted++].id.len > 0);
  }
  for (size_t i = 0; i < ignored_count; i++)
    CHECK(ignored[i][0] != '\0' && str_is_utf8(str_of(ignored[i])));
  return 0;
}
