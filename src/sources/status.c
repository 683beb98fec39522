#include "sources/status.h"

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

static uint64_t read_count(struct reading *reading, const char *name) {
  int64_t count = 0;
  (void)read_number(reading, name, 0, INT64_MAX, &count);
  return (uint64_t)count;
}

static void read_time(struct reading *reading, struct agent_status *status) {
  const struct json *found = member(reading, "time", JSON_STRING, "a text");
  if (found == NULL) return;
  struct err why = {0};
  status->has_time = rfc3339_parse(found->text, &status->time_ms, &why) == 0;
  if (!status->has_time) reading->result = err_set(reading->err, ERR_RANGE, "time: %s", why.text);
}

static void read_members(struct reading *reading, struct agent_status *status) {
  read_text(reading, "agent", status->agent, sizeof status->agent);
  read_text(reading, "command", status->command, sizeof status->command);
  read_text(reading, "project", status->project, sizeof status->project);
  read_text(reading, "version", status->version, sizeof status->version);
  read_text(reading, "spool_error", status->spool_error, sizeof status->spool_error);
  (void)read_number(reading, "interval_ms", STATUS_INTERVAL_MIN_MS, STATUS_INTERVAL_MAX_MS, &status->interval_ms);
  (void)read_number(reading, "oldest_ms", 0, INT64_MAX, &status->oldest_ms);
  status->spooled = read_count(reading, "spooled");
  status->rejected = read_count(reading, "rejected");
  status->has_offset =
      read_number(reading, "clock_offset_ms", -STATUS_OFFSET_MAX_MS, STATUS_OFFSET_MAX_MS, &status->offset_ms);
  read_time(reading, status);
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
