/* GET /v1/tasks/{project}/{source}/{id}: everything known of one task, and the rule behind each number.
 *
 * Each part of the answer has a rule's name and one sentence (query/explain.h), beside the values that it explains.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
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

/* null if the text is empty, which no text of a record is. */
static void put_text(struct json_write *json, const char *name, struct str text) {
  if (text.len > 0) json_write_str(json, name, text);
  else json_write_null(json, name);
}

static void put_number(struct json_write *json, const char *name, bool is_stated, uint64_t value) {
  if (is_stated) json_write_u64(json, name, value);
  else json_write_null(json, name);
}

static void put_time(struct json_write *json, const char *name, int64_t ms, const struct zone *zone) {
  char text[V1_LOCAL_SIZE];
  v1_time_text(ms, zone, text);
  json_write_text(json, name, text);
}

/* Ends the part that the rule explains. */
static void end_with_rule(struct json_write *json, const struct explain_rule *rule) {
  put_text(json, "rule", str_of(rule->name));
  put_text(json, "text", str_of(rule->text));
  json_write_end(json);
}

/* ---- the parts of the answer ---- */

static void put_count(struct json_write *json, const struct usage *usage, const struct explain_count *count) {
  bool has_images = usage->kind == USAGE_SNAPSHOT;
  json_write_object(json, "counts");
  json_write_bool(json, "counted", count->counts);
  put_number(json, "seconds", true, has_images ? 0 : count->sums.units);
  put_number(json, "minutes", true, count->sums.minutes);
  put_number(json, "images", true, has_images ? count->sums.units : 0);
  end_with_rule(json, &count->rule);
}

static void put_codec(struct json_write *json, const struct usage *usage) {
  struct explain_codec codec;
  explain_codec(usage, &codec);
  json_write_object(json, "codec");
  put_text(json, "name", codec.name);
  put_text(json, "reported", codec.reported);
  end_with_rule(json, &codec.rule);
}

static void put_tier(struct json_write *json, const struct usage *usage) {
  struct explain_tier tier;
  explain_tier(usage, &tier);
  json_write_object(json, "tier");
  put_text(json, "name", tier.has_tier ? str_of(tier_name(tier.tier)) : STR(""));
  put_number(json, "longer_side", tier.has_tier, tier.longer);
  put_number(json, "shorter_side", tier.has_tier, tier.shorter);
  put_number(json, "longer_side_max", tier.has_limits, tier.longer_max);
  put_number(json, "shorter_side_max", tier.has_limits, tier.shorter_max);
  end_with_rule(json, &tier.rule);
}

static void put_amount(struct json_write *json, const struct usage *usage) {
  struct explain_amount amount;
  explain_amount(usage, &amount);
  json_write_object(json, "amount");
  put_number(json, "duration_ms", amount.has_seconds, amount.duration_ms);
  put_number(json, "seconds", amount.has_seconds, amount.seconds);
  put_number(json, "minutes", amount.has_seconds, amount.minutes);
  put_number(json, "images", amount.has_images, amount.images);
  end_with_rule(json, &amount.rule);
}

static void put_finish(struct json_write *json, const struct usage *usage, const struct zone *zone) {
  struct explain_rule rule;
  explain_finish(usage, &rule);
  json_write_object(json, "finished");
  put_time(json, "time", usage->finished_ms, zone);
  end_with_rule(json, &rule);
}

static void put_day(struct json_write *json, const struct told *told, const struct usage *usage) {
  struct explain_day day;
  explain_day(usage->finished_ms, told->zone, told->by_project, &day);
  json_write_object(json, "day");
  put_text(json, "date", str_of(day.date));
  put_text(json, "zone", str_of(zone_name(told->zone)));
  put_time(json, "start", day.start * 1000, told->zone);
  put_time(json, "end", day.end * 1000, told->zone);
  end_with_rule(json, &day.rule);
}

/* The label of a token; empty if it has none, or is not there. */
static struct str label_of(const struct told *told, struct str token) {
  for (size_t i = 0; i < told->tokens_count; i++) {
    if (str_equal(str_of(told->tokens[i].id), token)) return str_of(told->tokens[i].label);
  }
  return STR("");
}

/* Where a record came from: members of an object that is open. */
static void put_origin(struct json_write *json, const struct told *told, const struct task_record *record) {
  struct str token = record->usage.token;
  put_time(json, "arrived", record->usage.arrived_ms, told->zone);
  put_time(json, "stored", record->stored_ms, told->zone);
  put_text(json, "token", token);
  put_text(json, "token_label", label_of(told, token));
  put_number(json, "position", true, record->position);
}

static void put_report(struct json_write *json, const struct told *told, const struct task_record *record) {
  struct explain_rule rule;
  explain_report(&record->usage, label_of(told, record->usage.token), told->zone, &rule);
  json_write_object(json, "reported");
  put_origin(json, told, record);
  end_with_rule(json, &rule);
}

static void put_void(struct json_write *json, const struct told *told) {
  const struct task_record *voiding = &told->story.voiding;
  struct explain_rule rule;
  if (!voiding->exists) {
    json_write_null(json, "voided");
    return;
  }
  explain_void(&voiding->usage, label_of(told, voiding->usage.token), told->zone, &rule);
  json_write_object(json, "voided");
  put_text(json, "source", voiding->usage.source);
  put_text(json, "id", voiding->usage.id);
  put_text(json, "reason", voiding->usage.reason);
  put_text(json, "actor", voiding->usage.actor);
  put_origin(json, told, voiding);
  end_with_rule(json, &rule);
}

static void put_missing(struct json_write *json, const struct usage *waiting) {
  SCOPED(buf_fini) struct buf names = {0};
  usage_field_names(usage_missing(waiting), waiting->kind, &names);
  struct str rest = buf_view(&names);
  json->out->failed |= names.failed;
  json_write_list(json, "missing");
  while (rest.len > 0)
    json_write_str(json, NULL, str_trim(str_cut(&rest, ',')));
  json_write_end(json);
}

static void put_waiting(struct json_write *json, const struct told *told) {
  const struct task_record *waiting = &told->story.waiting, *record = &told->story.record;
  struct explain_rule rule;
  if (!waiting->exists) {
    json_write_null(json, "unresolved");
    return;
  }
  explain_waiting(&waiting->usage, record->exists ? &record->usage : NULL, told->zone, &rule);
  json_write_object(json, "unresolved");
  json_write_bool(json, "resolved", record->exists);
  put_missing(json, &waiting->usage);
  put_text(json, "codec", waiting->usage.codec);
  put_number(json, "width", waiting->usage.width > 0, waiting->usage.width);
  put_number(json, "height", waiting->usage.height > 0, waiting->usage.height);
  put_number(json, "duration_ms", waiting->usage.has_amount, waiting->usage.amount);
  put_origin(json, told, waiting);
  end_with_rule(json, &rule);
}

/* A void's own record. */
static void put_target(struct json_write *json, const struct usage *usage) {
  if (usage->kind != USAGE_VOID) {
    json_write_null(json, "voids");
    return;
  }
  json_write_object(json, "voids");
  put_text(json, "source", usage->target_source);
  put_text(json, "id", usage->target_id);
  put_text(json, "reason", usage->reason);
  put_text(json, "actor", usage->actor);
  json_write_end(json);
}

static void put_measures(struct json_write *json, const struct usage *usage) {
  SCOPED(buf_fini) struct buf rate = {0};
  if (usage->frame_rate.denominator > 0) frame_rate_write(usage->frame_rate, &rate);
  json_write_object(json, "measures");
  put_number(json, "width", usage->width > 0, usage->width);
  put_number(json, "height", usage->height > 0, usage->height);
  put_text(json, "frame_rate", buf_view(&rate));
  json->out->failed |= rate.failed;
  put_text(json, "quality", usage->quality);
  put_text(json, "region", usage->region);
  put_number(json, "passes", usage->passes > 0, usage->passes);
  put_number(json, "input_duration_ms", usage->has_input_duration, usage->input_duration_ms);
  json_write_end(json);
}

/* What the report said beside its measures. A void says none of it. */
static void put_descriptions(struct json_write *json, const struct usage *usage, const struct zone *zone) {
  bool is_void = usage->kind == USAGE_VOID;
  json_write_next(json, "labels");
  labels_write_json(usage->labels, json->out);
  put_text(json, "src_url", is_void ? STR("") : usage->src_url);
  put_text(json, "dest_name", is_void ? STR("") : usage->dest_name);
  put_text(json, "dest_bucket", is_void ? STR("") : usage->dest_bucket);
  put_text(json, "format", usage->format);
  if (usage->has_created)
    put_time(json, "created", usage->created_ms, zone);
  else
    json_write_null(json, "created");
}

#define NOT_KEPT                                                                                                    \
  "of one source and id the first complete report is kept; later ones change nothing and are not kept: those that " \
  "agree are "                                                                                                      \
  "answered duplicate, those that contradict it conflict"

static void put_identity(struct json_write *json, const struct told *told, const struct usage *usage) {
  bool is_void = usage->kind == USAGE_VOID, has_kind = !is_void && usage->kind != USAGE_UNRESOLVED;
  struct str status = STR("void");
  if (!is_void) status = str_of(task_status_name(task_status_of(usage, told->story.voiding.exists)));
  put_text(json, "project", usage->project);
  put_text(json, "source", usage->source);
  put_text(json, "id", usage->id);
  put_text(json, "task_id", is_void || usage->task_id.len == 0 ? usage->id : usage->task_id);
  put_text(json, "kind", has_kind ? str_of(dim_kind_name(usage->kind)) : STR(""));
  put_text(json, "status", status);
}

static void put_task(struct json_write *json, const struct told *told) {
  bool is_complete = told->story.record.exists;
  const struct task_record *record = is_complete ? &told->story.record : &told->story.waiting;
  const struct usage *usage = &record->usage;
  struct explain_count count;
  explain_count(usage, told->story.voiding.exists, false, &count);
  put_identity(json, told, usage);
  put_count(json, usage, &count);
  put_codec(json, usage);
  put_tier(json, usage);
  put_amount(json, usage);
  put_finish(json, usage, told->zone);
  put_day(json, told, usage);
  put_report(json, told, record);
  put_void(json, told);
  put_waiting(json, told);
  put_target(json, usage);
  put_measures(json, usage);
  put_descriptions(json, usage, told->zone);
  json_write_null(json, "statement");
  put_text(json, "repeats", STR(NOT_KEPT));
}

static enum v1_next next(void *state, struct v1_rows *rows, struct err *err) {
  struct json_write *json = v1_rows_json(rows);
  (void)err;
  json_write_object(json, "task");
  put_task(json, state);
  json_write_end(json);
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
