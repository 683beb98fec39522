#include "sources/status.h"

#include <stddef.h>

#include "base/arena.h"
#include "meter/rfc3339.h"

#define DEPTH_MAX 8
#define ARENA_MAX ((size_t)STATUS_BODY_MAX * 64)

/* What is being read, and the first error. Readers do nothing after an error. */
struct reading {
  const struct json *top;
  struct err *err;
  int result;
};

/* NULL if the member is absent, null, or an error was found before. */
static const struct json *member(struct reading *reading, const char *name, enum json_type type, const char *is) {
  const struct json *found = reading->result == 0 ? json_member(reading->top, name) : NULL;
  if (found == NULL || found->type == JSON_NULL) return NULL;
  if (found->type == type) return found;
  reading->result = err_set(reading->err, ERR_RANGE, "%s must be %s", name, is);
  return NULL;
}

static void read_text(struct reading *reading, const char *name, char *out, size_t size) {
  const struct json *found = member(reading, name, JSON_STRING, "a text");
  if (found == NULL) return;
  if (!str_has_control(found->text) && str_copy(found->text, out, size)) return;
  reading->result =
      err_set(reading->err, ERR_RANGE, "%s has more than %zu bytes, or a control character", name, size - 1);
}

/* False if there is no such member. */
static bool read_number(struct reading *reading, const char *name, int64_t least, int64_t most, int64_t *out) {
  int64_t number = 0;
  const struct json *found = member(reading, name, JSON_NUMBER, "a number");
  if (found == NULL) return false;
  if (json_number_i64(found->text, &number) && number >= least && number <= most) {
    *out = number;
    return true;
  }
  reading->result = err_set(reading->err, ERR_RANGE, "%s must be an integer from %lld to %lld", name,
                            (long long)least, (long long)most);
  return false;
}

static void read_time(struct reading *reading, struct agent_status *status) {
  const struct json *found = member(reading, "time", JSON_STRING, "a text");
  if (found == NULL) return;
  struct err why = {0};
  status->has_time = rfc3339_parse(found->text, &status->time_ms, &why) == 0;
  if (!status->has_time) reading->result = err_set(reading->err, ERR_RANGE, "time: %s", why.text);
}

/* ---- the members ---- */

#define STATUS(field) offsetof(struct agent_status, field), sizeof(((struct agent_status *)0)->field)

/* How each member is read: the place of its value, and of a text its size. `time` and clock_offset_ms also say whether
 * they were given. */
static const struct place {
  size_t offset, size;
} places[] = {
#define MEMBER(name, field, ...) {STATUS(field)},
#include "sources/status.def"
};

const struct member status_members[] = {
#define MEMBER(name, field, is_required, type, least, most, example, english, chinese) \
  {#name, type, is_required, least, most, NULL, example, {english, chinese}},
#include "sources/status.def"
    {0},
};

static void read_members(struct reading *reading, struct agent_status *status) {
  for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
    const struct member *wanted = &status_members[i];
    char *to = (char *)status + places[i].offset;
    int64_t number;
    if (wanted->type == MEMBER_TIME) read_time(reading, status);
    else if (wanted->type == MEMBER_TEXT) read_text(reading, wanted->name, to, places[i].size);
    else if (read_number(reading, wanted->name, wanted->least, wanted->most, &number)) {
      memcpy(to, &number, sizeof number);
      status->has_offset |= places[i].offset == offsetof(struct agent_status, offset_ms);
    }
  }
}

int status_read(struct json_parser *parser, struct str body, struct agent_status *ret, struct err *err) {
  SCOPED(arena_free_ref) struct arena *arena = arena_new(ARENA_MAX);
  struct agent_status status = {.interval_ms = 0};
  struct reading reading = {.err = err};
  if (arena == NULL) return err_set(err, ERR_MEMORY, "no memory to read the report");
  int result = json_parse(parser, arena, body, DEPTH_MAX, &reading.top, err);
  if (result != 0 && arena_is_starved(arena)) return result;
  if (result == -ERR_LIMIT || result == -ERR_MEMORY)
    return err_set(err, ERR_PARSE, "the report is nested too deep, or has too many members");
  if (result != 0) return result;
  if (reading.top->type != JSON_OBJECT) return err_set(err, ERR_PARSE, "the report must be a JSON object");
  read_members(&reading, &status);
  if (reading.result == 0 && str_trim(str_of(status.agent)).len == 0)
    return err_set(err, ERR_RANGE, "agent is missing: it must be the agent's name");
  if (reading.result == 0) *ret = status;
  return reading.result;
}
