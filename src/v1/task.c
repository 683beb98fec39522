/* GET /v1/tasks/{project}/{source}/{id}: everything known of one task, and the rule behind each number.
 *
 * Each part of the answer has a rule's name and one sentence (query/explain.h), beside the values that it explains.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "query/dims.h"
#include "query/explain.h"
#include "query/task.h"
#include "query/tasks.h"
#include "v1/examples.h"
#include "v1/param_common.h"
#include "v1/resource.h"
#include "v1/task_columns.h"
#include "v1/times.h"

struct told {
  struct task_story story;
  const struct zone *zone;
  bool by_project;      /* the zone is the project's */
  struct token *tokens; /* malloc'd: for their labels */
  size_t tokens_count;
};

static const struct v1_param segments[] = {
    {.name = "project",
     .type = V1_TEXT,
     .least = 1,
     .most = PROJECT_ID_MAX,
     .example = "org-acme",
     .help = {"the project's id", "项目 ID"}},
    {.name = "source",
     .type = V1_TEXT,
     .least = 1,
     .most = SOURCE_MAX,
     .example = "farm-7",
     .help = {"who reported the task", "由谁上报"}},
    {.name = "id",
     .type = V1_TEXT,
     .least = 1,
     .most = EVENT_ID_MAX,
     .example = "job-4711/720p",
     .help = {"the task, unique to the source; in a path, a / is written %2F", "任务的 id，在来源内唯一；路径里的 / 写作 %2F"}},
    {0},
};
static const struct v1_param params[] = {V1_PARAM_ZONE, V1_PARAM_AS_OF, {0}};

/* ---- opening ---- */

/* The same for every task that the token may not read: v1_find_project refuses its project. */
static int refuse_unknown(const struct v1_request *request, struct v1_problem *problem) {
  return v1_refuse(problem, 404, "the project %.*s has no task of this source and id%s",
                   STR_ARG(request->segments[0]), request->has_as_of ? " at that position" : "");
}

static int find_zone(struct told *told, const struct v1_request *request, const struct project *project,
                     uint64_t as_of, struct v1_problem *problem) {
  const struct v1_value *value = v1_value(&request->values, "zone");
  struct project then = *project;
  struct err err = {0};
  told->by_project = value == NULL;
  if (value != NULL) {
    told->zone = value->zone;
    return 0;
  }
  int result = 0;
  if (request->has_as_of) result = ledger_project_as_of(request->ledger, str_of(project->id), as_of, &then, &err);
  if (result == -ERR_NOT_FOUND) return refuse_unknown(request, problem);
  if (result == 0) result = zone_find(str_of(then.zone), &told->zone, &err);
  return result == 0 ? 0 : v1_refuse_err(problem, result, "reading a project's zone", &err);
}

static int open_task(const struct v1_request *request, struct v1_answer *answer, struct v1_problem *problem) {
  struct told *told = calloc(1, sizeof *told);
  struct project project;
  struct err err = {0};
  if (told == NULL) return v1_refuse_err(problem, -ERR_MEMORY, "reading a task", NULL);
  answer->state = told;
  int status = v1_find_project(request, request->segments[0], &project, problem);
  if (status == 0) status = find_zone(told, request, &project, answer->position, problem);
  if (status != 0) return status;
  int result = catalogue_tokens(ledger_catalogue(request->ledger), &told->tokens, &told->tokens_count);
  if (result == 0) {
    result = task_find(request->ledger, request->segments[0], request->segments[1], request->segments[2],
                       answer->position, request->arena, &told->story, &err);
  }
  if (result == -ERR_NOT_FOUND) return refuse_unknown(request, problem);
  return result == 0 ? 0 : v1_refuse_err(problem, result, "reading a task", &err);
}

static void free_task(void *state) {
  struct told *told = state;
  if (told != NULL) free(told->tokens);
  free(told);
}

/* ---- members ---- */

static void put_name(struct buf *out, const char *name) {
  if (out->ptr[out->len - 1] != '{') buf_char(out, ',');
  buf_printf(out, "\"%s\":", name);
}

/* Begins a member that is an object. */
static void open_member(struct buf *out, const char *name) {
  put_name(out, name);
  buf_char(out, '{');
}

static void put_null(struct buf *out, const char *name) {
  put_name(out, name);
  buf_text(out, "null");
}

static void put_bool(struct buf *out, const char *name, bool value) {
  put_name(out, name);
  buf_text(out, value ? "true" : "false");
}

/* null if the text is empty, which no text of a record is. */
static void put_text(struct buf *out, const char *name, struct str text) {
  put_name(out, name);
  if (text.len > 0)
    json_quote(out, text);
  else
    buf_text(out, "null");
}

static void put_number(struct buf *out, const char *name, bool is_stated, uint64_t value) {
  put_name(out, name);
  if (is_stated)
    buf_u64(out, value);
  else
    buf_text(out, "null");
}

static void put_time(struct buf *out, const char *name, int64_t ms, const struct zone *zone) {
  char text[V1_LOCAL_SIZE];
  v1_time_text(ms, zone, text);
  put_text(out, name, str_of(text));
}

static void put_rule(struct buf *out, const struct explain_rule *rule) {
  put_text(out, "rule", str_of(rule->name));
  put_text(out, "text", str_of(rule->text));
  buf_char(out, '}');
}

/* ---- the parts of the answer ---- */

static void put_count(struct buf *out, const struct usage *usage, const struct explain_count *count) {
  bool has_images = usage->kind == USAGE_SNAPSHOT;
  open_member(out, "counts");
  put_bool(out, "counted", count->counts);
  put_number(out, "seconds", true, has_images ? 0 : count->sums.units);
  put_number(out, "minutes", true, count->sums.minutes);
  put_number(out, "images", true, has_images ? count->sums.units : 0);
  put_rule(out, &count->rule);
}

static void put_codec(struct buf *out, const struct usage *usage) {
  struct explain_codec codec;
  explain_codec(usage, &codec);
  open_member(out, "codec");
  put_text(out, "name", codec.name);
  put_text(out, "reported", codec.reported);
  put_rule(out, &codec.rule);
}

static void put_tier(struct buf *out, const struct usage *usage) {
  struct explain_tier tier;
  explain_tier(usage, &tier);
  open_member(out, "tier");
  put_text(out, "name", tier.has_tier ? str_of(tier_name(tier.tier)) : STR(""));
  put_number(out, "longer_side", tier.has_tier, tier.longer);
  put_number(out, "shorter_side", tier.has_tier, tier.shorter);
  put_number(out, "longer_side_max", tier.has_limits, tier.longer_max);
  put_number(out, "shorter_side_max", tier.has_limits, tier.shorter_max);
  put_rule(out, &tier.rule);
}

static void put_amount(struct buf *out, const struct usage *usage) {
  struct explain_amount amount;
  explain_amount(usage, &amount);
  open_member(out, "amount");
  put_number(out, "duration_ms", amount.has_seconds, amount.duration_ms);
  put_number(out, "seconds", amount.has_seconds, amount.seconds);
  put_number(out, "minutes", amount.has_seconds, amount.minutes);
  put_number(out, "images", amount.has_images, amount.images);
  put_rule(out, &amount.rule);
}

static void put_finish(struct buf *out, const struct usage *usage, const struct zone *zone) {
  struct explain_rule rule;
  explain_finish(usage, &rule);
  open_member(out, "finished");
  put_time(out, "time", usage->finished_ms, zone);
  put_rule(out, &rule);
}

static void put_day(struct buf *out, const struct told *told, const struct usage *usage) {
  struct explain_day day;
  explain_day(usage->finished_ms, told->zone, told->by_project, &day);
  open_member(out, "day");
  put_text(out, "date", str_of(day.date));
  put_text(out, "zone", str_of(zone_name(told->zone)));
  put_time(out, "start", day.start * 1000, told->zone);
  put_time(out, "end", day.end * 1000, told->zone);
  put_rule(out, &day.rule);
}

/* The label of a token; empty if it has none, or is not there. */
static struct str label_of(const struct told *told, struct str token) {
  for (size_t i = 0; i < told->tokens_count; i++) {
    if (str_equal(str_of(told->tokens[i].id), token)) return str_of(told->tokens[i].label);
  }
  return STR("");
}

/* Where a record came from: members of an object that is open. */
static void put_origin(struct buf *out, const struct told *told, const struct task_record *record) {
  struct str token = record->usage.token;
  put_time(out, "arrived", record->usage.arrived_ms, told->zone);
  put_time(out, "stored", record->stored_ms, told->zone);
  put_text(out, "token", token);
  put_text(out, "token_label", label_of(told, token));
  put_number(out, "position", true, record->position);
}

static void put_report(struct buf *out, const struct told *told, const struct task_record *record) {
  struct explain_rule rule;
  explain_report(&record->usage, label_of(told, record->usage.token), &rule);
  open_member(out, "reported");
  put_origin(out, told, record);
  put_rule(out, &rule);
}

static void put_void(struct buf *out, const struct told *told) {
  const struct task_record *voiding = &told->story.voiding;
  struct explain_rule rule;
  if (!voiding->exists) {
    put_null(out, "voided");
    return;
  }
  explain_void(&voiding->usage, label_of(told, voiding->usage.token), &rule);
  open_member(out, "voided");
  put_text(out, "source", voiding->usage.source);
  put_text(out, "id", voiding->usage.id);
  put_text(out, "reason", voiding->usage.reason);
  put_text(out, "actor", voiding->usage.actor);
  put_origin(out, told, voiding);
  put_rule(out, &rule);
}

static void put_missing(struct buf *out, const struct usage *waiting) {
  SCOPED(buf_fini) struct buf names = {0};
  usage_field_names(usage_missing(waiting), waiting->kind, &names);
  struct str rest = buf_view(&names);
  put_name(out, "missing");
  buf_char(out, '[');
  for (const char *separator = ""; rest.len > 0; separator = ",") {
    buf_text(out, separator);
    json_quote(out, str_trim(str_cut(&rest, ',')));
  }
  buf_char(out, ']');
}

static void put_waiting(struct buf *out, const struct told *told) {
  const struct task_record *waiting = &told->story.waiting, *record = &told->story.record;
  struct explain_rule rule;
  if (!waiting->exists) {
    put_null(out, "unresolved");
    return;
  }
  explain_waiting(&waiting->usage, record->exists ? &record->usage : NULL, &rule);
  open_member(out, "unresolved");
  put_bool(out, "resolved", record->exists);
  put_missing(out, &waiting->usage);
  put_text(out, "codec", waiting->usage.codec);
  put_number(out, "width", waiting->usage.width > 0, waiting->usage.width);
  put_number(out, "height", waiting->usage.height > 0, waiting->usage.height);
  put_number(out, "duration_ms", waiting->usage.has_amount, waiting->usage.amount);
  put_origin(out, told, waiting);
  put_rule(out, &rule);
}

/* A void's own record. */
static void put_target(struct buf *out, const struct usage *usage) {
  if (usage->kind != USAGE_VOID) {
    put_null(out, "voids");
    return;
  }
  open_member(out, "voids");
  put_text(out, "source", usage->target_source);
  put_text(out, "id", usage->target_id);
  put_text(out, "reason", usage->reason);
  put_text(out, "actor", usage->actor);
  buf_char(out, '}');
}

static void put_measures(struct buf *out, const struct usage *usage) {
  SCOPED(buf_fini) struct buf rate = {0};
  if (usage->frame_rate.denominator > 0) frame_rate_write(usage->frame_rate, &rate);
  open_member(out, "measures");
  put_number(out, "width", usage->width > 0, usage->width);
  put_number(out, "height", usage->height > 0, usage->height);
  put_text(out, "frame_rate", buf_view(&rate));
  put_text(out, "quality", usage->quality);
  put_text(out, "region", usage->region);
  put_number(out, "passes", usage->passes > 0, usage->passes);
  put_number(out, "input_duration_ms", usage->has_input_duration, usage->input_duration_ms);
  buf_char(out, '}');
}

/* What the report said beside its measures. A void says none of it. */
static void put_descriptions(struct buf *out, const struct usage *usage, const struct zone *zone) {
  bool is_void = usage->kind == USAGE_VOID;
  put_name(out, "labels");
  labels_write_json(usage->labels, out);
  put_text(out, "src_url", is_void ? STR("") : usage->src_url);
  put_text(out, "dest_name", is_void ? STR("") : usage->dest_name);
  put_text(out, "dest_bucket", is_void ? STR("") : usage->dest_bucket);
  put_text(out, "format", usage->format);
  if (usage->has_created)
    put_time(out, "created", usage->created_ms, zone);
  else
    put_null(out, "created");
}

#define NOT_KEPT                                                                                                    \
  "of one source and id the first complete report is kept; later ones change nothing and are not kept: those that " \
  "agree are "                                                                                                      \
  "answered duplicate, those that contradict it conflict"

static void put_identity(struct buf *out, const struct told *told, const struct usage *usage) {
  bool is_void = usage->kind == USAGE_VOID, has_kind = !is_void && usage->kind != USAGE_UNRESOLVED;
  struct str status = STR("void");
  if (!is_void) status = str_of(task_status_name(task_status_of(usage, told->story.voiding.exists)));
  put_text(out, "project", usage->project);
  put_text(out, "source", usage->source);
  put_text(out, "id", usage->id);
  put_text(out, "task_id", is_void || usage->task_id.len == 0 ? usage->id : usage->task_id);
  put_text(out, "kind", has_kind ? str_of(dim_kind_name(usage->kind)) : STR(""));
  put_text(out, "status", status);
}

static void put_task(struct buf *out, const struct told *told) {
  bool is_complete = told->story.record.exists;
  const struct task_record *record = is_complete ? &told->story.record : &told->story.waiting;
  const struct usage *usage = &record->usage;
  struct explain_count count;
  explain_count(usage, told->story.voiding.exists, false, &count);
  put_identity(out, told, usage);
  put_count(out, usage, &count);
  put_codec(out, usage);
  put_tier(out, usage);
  put_amount(out, usage);
  put_finish(out, usage, told->zone);
  put_day(out, told, usage);
  put_report(out, told, record);
  put_void(out, told);
  put_waiting(out, told);
  put_target(out, usage);
  put_measures(out, usage);
  put_descriptions(out, usage, told->zone);
  put_null(out, "statement");
  put_text(out, "repeats", STR(NOT_KEPT));
}

static enum v1_next next(void *state, struct v1_rows *rows, struct err *err) {
  const struct told *told = state;
  struct buf *out = v1_rows_text(rows);
  buf_text(out, ",\"task\":{");
  if (out->failed) {
    (void)err_set(err, ERR_MEMORY, "no memory for an answer");
    return V1_FAILED;
  }
  put_task(out, told);
  buf_char(out, '}');
  return V1_DONE;
}

const struct v1_resource v1_resource_task = {
    .name = "task",
    .path = "/v1/tasks/{project}/{source}/{id}",
    .shape = V1_OBJECT,
    .formats = V1_FORMAT(V1_JSON),
    .segments = segments,
    .params = params,
    .columns = v1_task_columns,
    .answer_example = v1_example_task,
    .help = {"Everything known of one task, and the rule behind each number.",
             "一个任务的全部信息，以及每个数字背后的规则。"},
    .open = open_task,
    .next = next,
    .free = free_task,
};
