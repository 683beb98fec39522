/* Any bytes as a notice. The first byte picks the adapter. Whatever they are: no more outputs than may be, each of
 * them a record or a reason, and every reason for what was ignored is a text. */
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

static const struct adapter *pick(uint8_t byte) {
  size_t count = 0;
  while (adapters_at(set(), count) != NULL)
    count++;
  return adapters_at(set(), byte % count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  const struct adapter_query query = {.project = STR("p"), .source = STR("s"), .id = STR("i"), .time = STR("")};
  const struct event_rules event_rules = {.may_wait = true, .now_ms = NOW_MS, .events_max = ADAPTER_OUTPUTS_MAX};
  SCOPED(arena_free_ref) struct arena *scratch = arena_new((size_t)16 << 20);
  SCOPED(arena_free_ref) struct arena *arena = arena_new((size_t)16 << 20);
  SCOPED(json_parser_free_ref) struct json_parser *parser = json_parser_new();
  char *body = malloc(size - 1 + JSON_PADDING);
  CHECK(scratch != NULL && arena != NULL && parser != NULL && body != NULL);
  memcpy(body, data + 1, size - 1);
  memset(body + size - 1, '}', JSON_PADDING);
  const struct adapter_notice notice = {.adapter = pick(data[0]),
                                        .body = str_make(body, size - 1),
                                        .query = &query,
                                        .event_rules = &event_rules};
  struct events events = {0};
  const char *const *ignored = NULL;
  size_t ignored_count = 0;
  struct err err = {0};
  int result = adapter_read(&notice, parser, scratch, arena, &events, &ignored, &ignored_count, &err);
  free(body);
  /* A built-in script fails on no notice, unless it has too many outputs. */
  bool is_much = result == -ERR_SCRIPT && strstr(err.text, "more than") != NULL;
  if (result == -ERR_SCRIPT && !is_much) fprintf(stderr, "%s\n", err.text);
  CHECK(result == 0 || result == -ERR_PARSE || result == -ERR_LIMIT || is_much);
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
