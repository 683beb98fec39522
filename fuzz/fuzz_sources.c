/* Any bytes as what the room of agents and sources reads. The first byte says what they are: s, the status of an
 * agent; a, lines of the file of agents; t, the file of the tally, its checksum made good. Whatever they are: texts
 * are within their bounds, and what was read is written again the same. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/crc32c.h"
#include "sources/judge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_status(struct str text) {
  SCOPED(json_parser_free_ref) struct json_parser *parser = json_parser_new();
  struct agent_status status;
  struct err err = {0};
  CHECK(parser != NULL);
  int result = status_read(parser, text, &status, &err);
  CHECK(result == 0 || ((result == -ERR_PARSE || result == -ERR_RANGE) && err.text[0] != '\0'));
  if (result != 0) return;
  CHECK(status.agent[0] != '\0' && str_is_utf8(str_of(status.agent)) && !str_has_control(str_of(status.command)));
  CHECK(status.oldest_ms >= 0 && status.interval_ms >= 0 && status.interval_ms <= STATUS_INTERVAL_MAX_MS);
}

static void judge(void *arg, const struct agent *agent) {
  unsigned troubles = judge_agent(agent, 0, 0);
  judge_tell_agent(agent, troubles, 0, arg);
}

static void check_agents(struct str lines) {
  SCOPED(agents_free_ref) struct agents *agents = agents_new();
  SCOPED(buf_fini) struct buf first = {0};
  SCOPED(buf_fini) struct buf text = {0};
  (void)agents_decode(agents, lines);
  CHECK(agents_visit(agents, judge, &text) == 0);
  agents_encode(agents, 0, &first);
  CHECK(!first.failed && str_is_utf8(buf_view(&first)));
}

static void look(void *arg, const struct tally_source *source) {
  judge_tell_source(source, judge_source(source), arg);
}

static void check_tally(char *bytes, size_t len) {
  SCOPED(tally_free_ref) struct tally *tally = NULL;
  SCOPED(buf_fini) struct buf again = {0};
  SCOPED(buf_fini) struct buf text = {0};
  struct err err = {0};
  if (len >= 4) le32_store(bytes + len - 4, crc32c(bytes, len - 4));
  if (tally_decode(str_make(bytes, len), &tally, &err) != 0) return;
  const struct usage usage = {
      .project = STR("p"), .source = STR("s"), .id = STR("1"), .kind = USAGE_TRANSCODE, .arrived_ms = 1};
  CHECK(tally_visit(tally, 1, look, &text) == 0);
  tally_encode(tally, &again);
  CHECK(again.len <= len);
  tally_count(tally, &usage);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  SCOPED_MALLOC char *text = malloc(size - 1 + JSON_PADDING);
  CHECK(text != NULL);
  memcpy(text, data + 1, size - 1);
  memset(text + size - 1, '}', JSON_PADDING);
  struct str given = str_make(text, size - 1);
  if (data[0] == 's') check_status(given);
  if (data[0] == 'a') check_agents(given);
  if (data[0] == 't') check_tally(text, size - 1);
  return 0;
}
