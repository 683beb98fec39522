/* A file of lines, because a damaged line must not take the others with it: a stopped agent reports no more. */
#include "sources/agents.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/diag.h"
#include "base/json_write.h"
#include "base/lock.h"
#include "base/memory.h"
#include "ledger/log/hash.h"
#include "meter/rfc3339.h"

#define SAY_AGAIN_MS 60000 /* between two lines of the log about agents that had no room */

struct agents {
  pthread_mutex_t lock;
  struct roster roster;
  bool are_new;
  int64_t said_ms;           /* when the log was last told of agents without room */
  uint64_t dropped, refused; /* since then */
};

struct agents *agents_new(void) {
  struct agents *agents = memory_wait(sizeof *agents);
  lock_init(&agents->lock);
  roster_init(&agents->roster);
  return agents;
}

void agents_free(struct agents *agents) {
  if (agents == NULL) return;
  lock_fini(&agents->lock);
  roster_fini(&agents->roster);
  free(agents);
}

/* ---- finding ---- */

static const struct agent *agent_of(const struct roster_item *item) { return (const struct agent *)item; }

static uint64_t hash_of(const struct agent_status *status) {
  return hash_identity(str_of(status->project), str_of(status->command), str_of(status->agent)).low;
}
_Static_assert(AGENT_COMMAND_MAX <= SOURCE_MAX && AGENT_NAME_MAX <= EVENT_ID_MAX,
               "the hash takes texts of these lengths");

static bool is_same(const struct roster_item *item, const void *key) {
  const struct agent_status *one = &agent_of(item)->status, *other = key;
  return strcmp(one->project, other->project) == 0 && strcmp(one->agent, other->agent) == 0 &&
         strcmp(one->command, other->command) == 0;
}

static bool is_item(const struct roster_item *item, const void *key) { return item == key; }

int64_t agent_due_ms(const struct agent *agent) {
  int64_t interval_ms = agent->status.interval_ms;
  return interval_ms > 0 ? agent->last_ms + AGENTS_MISSED * interval_ms : INT64_MAX;
}

/* ---- room ---- */

static bool may_go(const struct agent *agent, int64_t now_ms) {
  int64_t due_ms = agent_due_ms(agent);
  return due_ms != INT64_MAX ? now_ms > due_ms : now_ms > agent->last_ms + AGENTS_IDLE_MS;
}

/* The agent that has been silent for longest, of a project or (NULL) of all; NULL: all report. Also counts them. */
static struct roster_item *most_silent(const struct agents *agents, const char *project, int64_t now_ms,
                                       size_t *ret_count) {
  struct roster_item *found = NULL;
  *ret_count = 0;
  for (size_t i = 0; i < agents->roster.count; i++) {
    struct roster_item *item = agents->roster.items[i];
    const struct agent *agent = agent_of(item);
    if (project != NULL && strcmp(agent->status.project, project) != 0) continue;
    ++*ret_count;
    bool is_longer = found == NULL || agent->last_ms < agent_of(found)->last_ms;
    if (is_longer && may_go(agent, now_ms)) found = item;
  }
  return found;
}

/* One line a minute, however many agents come. */
static void say_no_room(struct agents *agents, int64_t now_ms) {
  if (now_ms - agents->said_ms < SAY_AGAIN_MS && now_ms >= agents->said_ms) return;
  diag_warning("there is no room for more agents (%u in a project, %u in all): forgot %" PRIu64
               " that had been silent for longest, refused the status of %" PRIu64,
               AGENTS_PROJECT_MAX, AGENTS_MAX, agents->dropped, agents->refused);
  agents->said_ms = now_ms;
  agents->dropped = agents->refused = 0;
}

static int make_room(struct agents *agents, const char *project, int64_t now_ms, struct err *err) {
  size_t count;
  struct roster_item *victim = most_silent(agents, project, now_ms, &count);
  if (count < AGENTS_PROJECT_MAX && agents->roster.count < AGENTS_MAX) return 0;
  if (count < AGENTS_PROJECT_MAX) victim = most_silent(agents, NULL, now_ms, &count);
  bool goes = victim != NULL;
  agents->dropped += goes;
  agents->refused += !goes;
  if (goes) (void)roster_remove(&agents->roster, is_item, victim);
  say_no_room(agents, now_ms);
  if (goes) return 0;
  return err_set(err, ERR_LIMIT, "the server keeps the status of at most %u agents of a project, and %u in all",
                 AGENTS_PROJECT_MAX, AGENTS_MAX);
}

/* ---- reports ---- */

static int find_or_add(struct agents *agents, const struct agent_status *status, int64_t now_ms, struct agent **ret,
                       struct err *err) {
  uint64_t hash = hash_of(status);
  struct roster_item *found = roster_find(&agents->roster, hash, is_same, status);
  if (found != NULL) {
    *ret = (struct agent *)found;
    return 0;
  }
  int result = make_room(agents, status->project, now_ms, err);
  if (result != 0) return result;
  struct agent *agent = calloc(1, sizeof *agent);
  if (agent == NULL) return err_set(err, ERR_MEMORY, "no memory for one more agent");
  agent->item.hash = hash;
  agent->status = *status;
  agent->first_ms = now_ms;
  roster_add(&agents->roster, &agent->item);
  *ret = agent;
  return 0;
}

/* A clock may be set to any year, and agents_decode takes what a report may state. */
static int64_t offset_of(const struct agent_status *status, int64_t now_ms) {
  int64_t offset_ms = status->has_offset ? status->offset_ms : status->has_time ? status->time_ms - now_ms : 0;
  if (offset_ms > STATUS_OFFSET_MAX_MS) return STATUS_OFFSET_MAX_MS;
  return offset_ms < -STATUS_OFFSET_MAX_MS ? -STATUS_OFFSET_MAX_MS : offset_ms;
}

static int take(struct agents *agents, const char *token, const struct agent_status *status, int64_t now_ms,
                struct err *err) {
  struct agent *agent;
  int result = find_or_add(agents, status, now_ms, &agent, err);
  if (result != 0) return result;
  agent->status = *status;
  agent->last_ms = now_ms;
  agent->offset_ms = offset_of(status, now_ms);
  bool fits = str_copy(str_of(token), agent->token, sizeof agent->token);
  CHECK(fits);
  agents->are_new = true;
  return 0;
}

int agents_report(struct agents *agents, const struct token *token, const struct agent_status *status, int64_t now_ms,
                  struct err *err) {
  struct agent_status said = *status;
  if (token->project[0] != '\0' && said.project[0] != '\0' && strcmp(said.project, token->project) != 0)
    return err_set(err, ERR_DENIED, "the token is for another project than the one that the report names");
  if (token->project[0] != '\0') memcpy(said.project, token->project, sizeof said.project);
  lock_take(&agents->lock);
  int result = take(agents, token->id, &said, now_ms, err);
  lock_give(&agents->lock);
  return result;
}

/* ---- lists ---- */

static int by_name(const void *a, const void *b) {
  const struct agent_status *x = &(*(struct agent *const *)a)->status, *y = &(*(struct agent *const *)b)->status;
  int order = strcmp(x->project, y->project);
  if (order == 0) order = strcmp(x->agent, y->agent);
  return order != 0 ? order : strcmp(x->command, y->command);
}

int agents_visit(struct agents *agents, void (*visit)(void *arg, const struct agent *agent), void *arg) {
  lock_take(&agents->lock);
  size_t count = agents->roster.count;
  SCOPED_MALLOC struct agent **sorted = malloc((count + 1) * sizeof *sorted);
  if (sorted != NULL && count > 0) {
    memcpy(sorted, agents->roster.items, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, by_name);
  }
  for (size_t i = 0; i < count && sorted != NULL; i++)
    visit(arg, sorted[i]);
  lock_give(&agents->lock);
  return sorted != NULL ? 0 : -ERR_MEMORY;
}

struct named {
  struct str project, name;
};

static bool has_name(const struct roster_item *item, const void *key) {
  const struct named *named = key;
  const struct agent_status *status = &agent_of(item)->status;
  return str_equal(str_of(status->agent), named->name) &&
         (named->project.len == 0 || str_equal(str_of(status->project), named->project));
}

size_t agents_forget(struct agents *agents, struct str project, struct str name) {
  const struct named named = {project, name};
  lock_take(&agents->lock);
  size_t count = roster_remove(&agents->roster, has_name, &named);
  agents->are_new = agents->are_new || count > 0;
  lock_give(&agents->lock);
  return count;
}

/* ---- on disk ---- */

static bool is_too_old(const struct roster_item *item, const void *key) {
  return agent_of(item)->last_ms < *(const int64_t *)key;
}

static void put_time(struct json_write *json, const char *name, int64_t ms) {
  char text[RFC3339_SIZE];
  rfc3339_format(ms, text);
  json_write_text(json, name, text);
}

/* The report as it would be sent, with the members that status_read does not know. */
static void put_line(const struct agent *agent, struct buf *out) {
  const struct agent_status *status = &agent->status;
  struct json_write json = json_write_to(out);
  json_write_object(&json, NULL);
  json_write_text(&json, "agent", status->agent);
  json_write_text(&json, "command", status->command);
  json_write_text(&json, "project", status->project);
  json_write_text(&json, "version", status->version);
  json_write_text(&json, "spool_error", status->spool_error);
  json_write_text(&json, "token", agent->token);
  put_time(&json, "first", agent->first_ms);
  put_time(&json, "last", agent->last_ms);
  if (status->interval_ms > 0) json_write_i64(&json, "interval_ms", status->interval_ms);
  json_write_u64(&json, "spooled", status->spooled);
  json_write_i64(&json, "oldest_ms", status->oldest_ms);
  json_write_u64(&json, "rejected", status->rejected);
  json_write_i64(&json, "clock_offset_ms", agent->offset_ms);
  json_write_end(&json);
  buf_char(out, '\n');
}

bool agents_are_new(struct agents *agents) {
  lock_take(&agents->lock);
  bool are_new = agents->are_new;
  lock_give(&agents->lock);
  return are_new;
}

void agents_encode(struct agents *agents, int64_t now_ms, struct buf *out) {
  int64_t least_ms = now_ms - AGENTS_KEPT_MS;
  lock_take(&agents->lock);
  size_t forgotten = roster_remove(&agents->roster, is_too_old, &least_ms);
  for (size_t i = 0; i < agents->roster.count; i++)
    put_line(agent_of(agents->roster.items[i]), out);
  agents->are_new = false;
  lock_give(&agents->lock);
  if (forgotten > 0) diag_info("forgot %zu agents that had been silent for four weeks", forgotten);
}

static bool read_time(const struct json *top, const char *name, int64_t *ret) {
  return rfc3339_parse(json_member_text(top, name), ret, NULL) == 0;
}

static bool take_line(struct agents *agents, struct json_parser *parser, struct str line) {
  SCOPED(arena_free_ref) struct arena *arena = arena_new(STATUS_BODY_MAX * 64);
  struct agent_status status;
  const struct json *top;
  struct err why;
  struct agent *agent;
  int64_t first_ms, last_ms;
  bool good = arena != NULL && status_read(parser, line, &status, &why) == 0 &&
              json_parse(parser, arena, line, 2, &top, &why) == 0 && read_time(top, "first", &first_ms) &&
              read_time(top, "last", &last_ms);
  if (!good || find_or_add(agents, &status, last_ms, &agent, &why) != 0) return false;
  agent->first_ms = first_ms;
  agent->last_ms = last_ms;
  agent->offset_ms = status.offset_ms;
  return str_copy(json_member_text(top, "token"), agent->token, sizeof agent->token);
}

size_t agents_decode(struct agents *agents, struct str lines) {
  SCOPED(json_parser_free_ref) struct json_parser *parser = json_parser_new();
  size_t bad = 0;
  lock_take(&agents->lock);
  while (lines.len > 0) {
    struct str line = str_cut(&lines, '\n');
    if (line.len > 0 && (parser == NULL || !take_line(agents, parser, line))) bad++;
  }
  lock_give(&agents->lock);
  return bad;
}
