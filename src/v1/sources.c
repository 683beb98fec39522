/* GET /v1/sources: who reports, and who has fallen silent. Figures change while an answer is sent, so what the token
 * may see is copied first, in one look. The rosters bound a copy (about 13 MB for 20 000 agents and sources), and
 * v1_hold bounds what all such answers hold together. */
#include "sources/sources.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/vector.h"
#include "meter/rfc3339.h"
#include "v1/examples.h"
#include "v1/param_common.h"
#include "v1/resource.h"

struct source_copy {
  char project[PROJECT_ID_MAX + 1], source[SOURCE_MAX + 1];
  struct tally_source figures; /* its texts are not used */
  struct rejection rejection;
};

struct line {
  bool is_agent;
  unsigned troubles;
  union {
    struct agent agent;
    struct source_copy source;
  };
};

struct listing {
  const struct v1_request *request;
  struct v1_answer *answer; /* while it is opened */
  struct sources_state state;
  bool only_problems, is_starved, is_held_up; /* is_held_up: the budget has no room */
  VECTOR(struct line) lines;
  size_t next;
};

static const struct v1_param params[] = {
    V1_PARAM_PROJECT,
    {.name = "problems",
     .type = V1_FLAG,
     .preset = "0",
     .example = "1",
     .help = {"1: only agents and sources that have a problem; 0: all", "1：只列出有问题的代理和来源；0：全部"}},
    {0},
};

static const struct v1_column columns[] = {
    {"kind", "text", {"'agent' or 'source'", "agent（代理）或 source（来源）"}},
    {"project", "text", {"the project that it reports for; empty: several. Only a token for all projects sees such a row", "它上报的项目；空：多个项目，只有可读所有项目的令牌才能看到这样的行"}},
    {"source", "text?", {"of a source: its name in events; empty: its events could not be read far enough to know it", "来源：事件里的 source；空：事件无法解析，不知道来源"}},
    {"agent", "text?", {"of an agent: its name", "代理：名称"}},
    {"command", "text?", {"of an agent: what it runs", "代理：它运行的命令"}},
    {"version", "text?", {"of an agent: its version", "代理：版本"}},
    {"token", "text?", {"of an agent: the public id of its token, as in 'codecmeter token list'", "代理：其令牌的公开 ID，与 codecmeter token list 中相同"}},
    {"first_seen",
     "time?",
     {"when its first report arrived, in UTC; null if the server took none of them yet",
      "首次上报到达的时间（UTC）；服务器还没有收下任何一条时为 null"}},
    {"last_seen", "time", {"when its last report arrived, in UTC", "最近一次上报到达的时间（UTC）"}},
    {"outputs", "integer?", {"of a source: outputs in all", "来源：输出总数"}},
    {"today", "integer?", {"of a source: outputs since 00:00 UTC", "来源：UTC 0 点以来的输出数"}},
    {"median",
     "integer?",
     {"of a source: the median of outputs a day, of the last 28 days", "来源：最近 28 天每天输出数的中位数"}},
    {"unresolved", "integer?", {"of a source: outputs that wait to be completed", "来源：待补全的输出数"}},
    {"rejected",
     "integer",
     {"of a source: events that were rejected since the server started; of an agent: events in its spool's 'rejected/'",
      "来源：服务器启动以来被拒绝的事件数；代理：其 spool 的 rejected/ 里的事件数"}},
    {"interval_ms",
     "integer?",
     {"of an agent: it promises a report this often; null: it reports only with events",
      "代理：承诺的上报间隔（毫秒）；null：仅随事件上报"}},
    {"spooled", "integer?", {"of an agent: events in its spool", "代理：spool 中的事件数"}},
    {"oldest_ms",
     "integer?",
     {"of an agent: how long the oldest of them has waited", "代理：其中最旧的一条已等待的毫秒数"}},
    {"spool_error",
     "text?",
     {"of an agent: why its spool takes no events; null: it does", "代理：spool 不收事件的原因；null：正常"}},
    {"clock_offset_ms",
     "integer?",
     {"of an agent: how far its clock is ahead of the server's", "代理：其时钟比服务器快多少毫秒"}},
    {"problems",
     "list",
     {"what is wrong: 'silent', 'spool', 'clock', 'rejected'; empty: nothing",
      "问题：silent（停止上报）、spool、clock（时钟）、rejected（被拒绝）；空：没有"}},
    {"text", "text", {"the same problems as sentences, in English; empty if it has no problem", "问题的英文说明；空：没有"}},
    {0},
};

static const struct v1_column members[] = {
    {"now", "time", {"when the list was made, in UTC", "列表生成的时间（UTC）"}},
    {"since", "time", {"when this server started, in UTC", "服务器启动的时间（UTC）"}},
    {"end",
     "integer",
     {"the end of the log. If position is less, the rest is not counted yet", "日志的末尾。position 更小时，其余部分尚未计入"}},
    {0},
};

/* ---- the copy ---- */

static bool is_wanted(const struct listing *listing, const char *project, unsigned troubles) {
  const struct v1_values *values = &listing->request->values;
  const struct v1_value *value = v1_value(values, "project");
  if (listing->only_problems && troubles == 0) return false;
  if (value == NULL) return v1_may_read(listing->request, str_of(project));
  for (; value != NULL; value = v1_value_next(values, value)) {
    if (str_equal(value->text, str_of(project))) return true;
  }
  return false;
}

static struct line *add_line(struct listing *listing) {
  if (listing->lines.count == listing->lines.cap) {
    size_t more = listing->lines.cap + 64;
    listing->is_held_up = !v1_hold(listing->answer, vector_cap(&listing->lines, more) * sizeof(struct line));
    if (listing->is_held_up || !vector_reserve(&listing->lines, more)) return NULL;
  }
  return vector_add(&listing->lines);
}

static void copy_source(const struct sources_item *item, struct source_copy *to) {
  bool fits = str_copy(str_of(item->source->project), to->project, sizeof to->project) &&
              str_copy(str_of(item->source->source), to->source, sizeof to->source);
  CHECK(fits);
  to->figures = *item->source;
  to->rejection = *item->rejection;
}

static void take_item(void *arg, const struct sources_item *item) {
  struct listing *listing = arg;
  const char *project = item->agent != NULL ? item->agent->status.project : item->source->project;
  if (listing->is_starved || !is_wanted(listing, project, item->troubles)) return;
  struct line *line = add_line(listing);
  listing->is_starved = line == NULL;
  if (line == NULL) return;
  *line = (struct line){.is_agent = item->agent != NULL, .troubles = item->troubles};
  if (line->is_agent) line->agent = *item->agent;
  else copy_source(item, &line->source);
}

static void put_state(struct v1_rows *rows, const struct sources_state *state) {
  char text[RFC3339_SIZE];
  rfc3339_format(state->now_ms, text);
  v1_rows_member_text(rows, "now", str_of(text));
  rfc3339_format(state->since_ms, text);
  v1_rows_member_text(rows, "since", str_of(text));
  v1_rows_member_i64(rows, "end", (int64_t)state->end);
}

static int open_list(const struct v1_request *request, struct v1_answer *answer, struct v1_problem *problem) {
  struct err err = {0};
  struct listing *listing = calloc(1, sizeof *listing);
  answer->state = listing;
  if (listing == NULL) return v1_refuse(problem, 503, "the server has no memory now: ask again later");
  listing->request = request;
  listing->answer = answer;
  listing->only_problems = v1_number(&request->values, "problems", 0) == 1;
  int result = sources_visit(request->sources, take_item, listing, &listing->state, &err);
  if (result == 0 && listing->is_held_up) return v1_refuse_held(problem);
  if (result == 0 && listing->is_starved) result = err_set(&err, ERR_MEMORY, "no memory for the list");
  if (result != 0) return v1_refuse_err(problem, result, "listing the sources", &err);
  if (listing->state.has_failed)
    return v1_refuse(problem, 500,
                     "the server does not count the outputs of sources any more, until its next start; its log says "
                     "why. `codecmeter sources` shows what was counted before");
  answer->position = listing->state.counted;
  put_state(&answer->rows, &listing->state);
  for (const struct v1_column *column = columns; column->name != NULL; column++)
    v1_rows_column(&answer->rows, column->name);
  return 0;
}

/* ---- rows ---- */

static void put_time(struct v1_rows *rows, int64_t ms) {
  char text[RFC3339_SIZE];
  if (ms == 0) {
    v1_cell_null(rows);
    return;
  }
  rfc3339_format(ms, text);
  v1_cell_text(rows, str_of(text));
}

static void put_nulls(struct v1_rows *rows, size_t count) {
  for (size_t i = 0; i < count; i++) v1_cell_null(rows);
}

static void put_agent(struct v1_rows *rows, const struct agent *agent) {
  const struct agent_status *status = &agent->status;
  v1_cell_text(rows, STR("agent"));
  v1_cell_text(rows, str_of(status->project));
  v1_cell_null(rows); /* source */
  v1_cell_text(rows, str_of(status->agent));
  v1_cell_text(rows, str_of(status->command));
  v1_cell_text(rows, str_of(status->version));
  v1_cell_text(rows, str_of(agent->token));
  put_time(rows, agent->first_ms);
  put_time(rows, agent->last_ms);
  put_nulls(rows, 4); /* outputs, today, median, unresolved */
  v1_cell_u64(rows, status->rejected);
  if (status->interval_ms > 0) v1_cell_i64(rows, status->interval_ms);
  else v1_cell_null(rows);
  v1_cell_u64(rows, status->spooled);
  if (status->spooled > 0) v1_cell_i64(rows, status->oldest_ms);
  else v1_cell_null(rows);
  if (status->spool_error[0] != '\0') v1_cell_text(rows, str_of(status->spool_error));
  else v1_cell_null(rows);
  v1_cell_i64(rows, agent->offset_ms);
}

static void put_source(struct v1_rows *rows, const struct source_copy *source) {
  v1_cell_text(rows, STR("source"));
  v1_cell_text(rows, str_of(source->project));
  v1_cell_text(rows, str_of(source->source));
  put_nulls(rows, 4); /* agent, command, version, token */
  put_time(rows, source->figures.first_ms);
  put_time(rows, source->figures.last_ms);
  v1_cell_u64(rows, source->figures.outputs);
  v1_cell_u64(rows, source->figures.today);
  v1_cell_u64(rows, source->figures.median);
  v1_cell_u64(rows, source->figures.unresolved);
  v1_cell_u64(rows, source->rejection.count);
  put_nulls(rows, 5); /* interval_ms, spooled, oldest_ms, spool_error, clock_offset_ms */
}

static void put_troubles(struct v1_rows *rows, const struct listing *listing, const struct line *line) {
  SCOPED(buf_fini) struct buf text = {0};
  struct str names[TROUBLES];
  size_t count = 0;
  const struct sources_item item = {
      .agent = line->is_agent ? &line->agent : NULL,
      .source = line->is_agent ? NULL : &line->source.figures,
      .rejection = line->is_agent ? NULL : &line->source.rejection,
      .troubles = line->troubles,
      .now_ms = listing->state.now_ms,
  };
  for (unsigned i = 0; i < TROUBLES; i++) {
    if ((line->troubles & 1u << i) != 0) names[count++] = str_of(judge_name(i));
  }
  v1_cell_list(rows, names, count);
  sources_tell(&item, &text);
  v1_cell_written(rows, &text);
}

static enum v1_next next_lines(void *state, struct v1_rows *rows, struct err *err) {
  struct listing *listing = state;
  (void)err;
  for (; listing->next < listing->lines.count; listing->next++) {
    const struct line *line = &listing->lines.items[listing->next];
    if (v1_rows_is_full(rows)) return V1_MORE;
    v1_row_begin(rows);
    if (line->is_agent) put_agent(rows, &line->agent);
    else put_source(rows, &line->source);
    put_troubles(rows, listing, line);
    v1_row_end(rows);
  }
  return V1_DONE;
}

static void free_list(void *state) {
  struct listing *listing = state;
  if (listing == NULL) return;
  vector_fini(&listing->lines);
  free(listing);
}

const struct v1_resource v1_resource_sources = {
    .name = "sources",
    .path = "/v1/sources",
    .shape = V1_LIST,
    .formats = V1_FORMATS,
    .params = params,
    .columns = columns,
    .members = members,
    .answer_example = v1_example_sources,
    .help = {"who reports: each agent and each source, and what is wrong with it",
             "谁在上报：每个代理和每个来源，以及它们的问题"},
    .open = open_list,
    .next = next_lines,
    .free = free_list,
};
