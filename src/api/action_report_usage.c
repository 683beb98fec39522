/* ReportUsage: usage by the signed way, for callers that have a UCloud SDK and no more. Source: design §4; for users,
 * docs/api.md.
 *
 * Events come flattened (Event.0.Codec=h264) or nested (a JSON body's "Event" is an array of objects), not both. Either
 * becomes the tree that the event would have as JSON on /v1/events, and is read as that.
 */
#include <stdlib.h>

#include "api/call.h"
#include "base/check.h"
#include "ingest/answer.h"
#include "ingest/event_tree.h"
#include "ingest/fields.h"

#define EVENTS_MAX 100
#define EVENTS_ALLOWED "1 to 100 events, Event.0 to Event.99999"
#define NUMBER_MAX 99999
#define KEPT_MAX ((size_t)8 << 20) /* what a request may leave of its events */

/* Names as the signed API writes them, and the event's own. */
static const struct field {
  const char *name;
  struct str member;
  bool is_data;
  enum event_tree_form form;
} fields[] = {
    {"Source", STR("source"), false, EVENT_TREE_TEXT},
    {"Id", STR("id"), false, EVENT_TREE_TEXT},
    {"Type", STR("type"), false, EVENT_TREE_TEXT},
    {"Time", STR("time"), false, EVENT_TREE_SECONDS},
    {"Codec", STR("codec"), true, EVENT_TREE_TEXT},
    {"Width", STR("width"), true, EVENT_TREE_NUMBER},
    {"Height", STR("height"), true, EVENT_TREE_NUMBER},
    {"Duration", STR("duration"), true, EVENT_TREE_NUMBER},
    {"DurationMs", STR("duration_ms"), true, EVENT_TREE_NUMBER},
    {"ImageCount", STR("image_count"), true, EVENT_TREE_NUMBER},
    {"TaskId", STR("task_id"), true, EVENT_TREE_TEXT},
    {"Created", STR("created"), true, EVENT_TREE_SECONDS},
    {"SrcUrl", STR("src_url"), true, EVENT_TREE_TEXT},
    {"DestName", STR("dest_name"), true, EVENT_TREE_TEXT},
    {"DestBucket", STR("dest_bucket"), true, EVENT_TREE_TEXT},
    {"Format", STR("format"), true, EVENT_TREE_TEXT},
};
#define FIELDS (sizeof fields / sizeof fields[0])

/* The events of a call. */
struct gathered_event {
  uint32_t number;
  struct event_tree *tree;
};

struct gathered {
  struct arena *arena;
  struct gathered_event *items[EVENTS_MAX];
  size_t count;
};

static int by_number(const void *a, const void *b) {
  const struct gathered_event *const *x = a, *const *y = b;
  return ((*x)->number > (*y)->number) - ((*x)->number < (*y)->number);
}

static int no_memory(struct refusal *refusal) { return refuse_param(refusal, "Event", "fewer or smaller events"); }

static struct gathered_event *find_event(const struct gathered *gathered, uint32_t number) {
  for (size_t i = gathered->count; i > 0; i--) { /* the newest is the likeliest */
    if (gathered->items[i - 1]->number == number) return gathered->items[i - 1];
  }
  return NULL;
}

/* The event of that number, made if it is the first time that it is named. */
static int take_event(struct gathered *gathered, uint32_t number, struct gathered_event **ret, struct refusal *refusal) {
  *ret = find_event(gathered, number);
  if (*ret != NULL) return 0;
  if (gathered->count == EVENTS_MAX) return refuse_param(refusal, "Event", EVENTS_ALLOWED);
  struct gathered_event *made = arena_alloc(gathered->arena, sizeof *made);
  if (made == NULL) return no_memory(refusal);
  *made = (struct gathered_event){.number = number, .tree = event_tree_new(gathered->arena)};
  if (made->tree == NULL) return no_memory(refusal);
  gathered->items[gathered->count++] = *ret = made;
  return 0;
}

/* ---- values ---- */

static const struct field *find_field(struct str name) {
  for (size_t i = 0; i < FIELDS; i++) {
    if (str_equal_nocase(name, str_of(fields[i].name))) return &fields[i];
  }
  return NULL;
}

/* Adds a field by its name, with the plain text of its value; what is unknown or empty is passed over. */
static int add_field(struct gathered *gathered, struct gathered_event *event, struct str name, struct str value) {
  const struct field *field = find_field(name);
  if (field == NULL || value.len == 0) return 0;
  return event_tree_add(event->tree, gathered->arena, field->is_data, field->member, field->form, value);
}

/* ---- flattened ---- */

static bool is_flattened(struct str name, struct str *ret_rest) {
  const struct str start = STR("Event.");
  if (name.len <= start.len || !str_equal_nocase(str_make(name.ptr, start.len), start)) return false;
  *ret_rest = str_make(name.ptr + start.len, name.len - start.len);
  return true;
}

static int take_flattened(struct gathered *gathered, const struct param *param, struct str rest,
                          struct refusal *refusal) {
  struct str digits = str_cut(&rest, '.');
  uint64_t number;
  if (digits.len > 5 || !str_to_u64(digits, &number)) return refuse_param(refusal, "Event", EVENTS_ALLOWED);
  struct gathered_event *event;
  int code = take_event(gathered, (uint32_t)number, &event, refusal);
  if (code != 0) return code;
  if (add_field(gathered, event, rest, param->value) != 0) return no_memory(refusal);
  return 0;
}

/* ---- nested ---- */

/* A text or a number is what it would be flattened: a number's plain decimal, as it was signed. What no field can be
 * stays what it is, and is refused by the field's name. */
static int add_nested(struct gathered *gathered, struct gathered_event *event, const struct json *node) {
  const struct field *field = find_field(node->name);
  if (field == NULL || node->type == JSON_NULL) return 0;
  if (node->type == JSON_STRING) return add_field(gathered, event, node->name, node->text);
  if (node->type != JSON_NUMBER) {
    return event_tree_add_value(event->tree, gathered->arena, field->is_data, field->member, node);
  }
  SCOPED(buf_fini) struct buf plain = {0};
  if (json_number_plain(node->text, CANON_NUMBER_MAX, &plain) != 0) return -ERR_LIMIT;
  struct str text = arena_copy(gathered->arena, buf_view(&plain));
  return text.ptr != NULL ? add_field(gathered, event, node->name, text) : -ERR_MEMORY;
}

static int take_nested(struct gathered *gathered, const struct json *array, struct refusal *refusal) {
  if (array->type != JSON_ARRAY) return refuse_param(refusal, "Event", "an array of objects");
  uint32_t number = 0;
  for (const struct json *element = array->child; element != NULL; element = element->next, number++) {
    struct gathered_event *event;
    int code = take_event(gathered, number, &event, refusal);
    if (code != 0) return code;
    event->tree->event.type = element->type; /* what is no object is rejected for that */
    for (const struct json *node = element->child; node != NULL; node = node->next) {
      if (add_nested(gathered, event, node) != 0) return no_memory(refusal);
    }
  }
  return 0;
}

static int gather(const struct call *call, struct gathered *gathered, struct refusal *refusal) {
  const struct json *nested = NULL;
  struct str rest;
  int code = 0;
  for (size_t i = 0; i < call->params->count && code == 0; i++) {
    const struct param *param = &call->params->items[i];
    if (is_flattened(param->name, &rest)) code = take_flattened(gathered, param, rest, refusal);
    if (param->node != NULL && str_equal_nocase(param->name, STR("Event"))) nested = param->node;
  }
  if (code == 0 && nested != NULL && gathered->count > 0) {
    return refuse_param(refusal, "Event", "flattened events or an array of them, not both");
  }
  if (code == 0 && nested != NULL) code = take_nested(gathered, nested, refusal);
  if (code != 0) return code;
  qsort(gathered->items, gathered->count, sizeof *gathered->items, by_number);
  return gathered->count > 0 ? 0 : refuse(refusal, RETCODE_MISSING_PARAM, "Missing params [Event.0.Id]");
}

/* ---- from trees to records ---- */

static int read_events(const struct call *call, struct gathered *gathered, struct api_report *waiting,
                       struct refusal *refusal) {
  struct delivery *delivery = waiting->delivery;
  struct events *events = &delivery->events;
  const struct event_rules rules = {
      .project = arena_copy(delivery->arena, str_of(call->project.id)).ptr,
      .now_ms = clock_real_ms(call->options->clock),
      .events_max = EVENTS_MAX,
  };
  events->items = arena_alloc(delivery->arena, gathered->count * sizeof *events->items);
  events->usages = arena_alloc(delivery->arena, gathered->count * sizeof *events->usages);
  waiting->numbers = arena_alloc(delivery->arena, gathered->count * sizeof *waiting->numbers);
  if (rules.project == NULL || events->items == NULL || events->usages == NULL || waiting->numbers == NULL) {
    return no_memory(refusal);
  }
  for (size_t i = 0; i < gathered->count; i++) {
    int result = fields_read(&gathered->items[i]->tree->event, &rules, false, gathered->arena, delivery->arena,
                             &events->items[i], &events->usages[events->usages_count]);
    if (result == -ERR_MEMORY || result == -ERR_LIMIT) return no_memory(refusal);
    waiting->numbers[i] = gathered->items[i]->number;
    events->count++;
    if (result == 0) events->usages_count++;
  }
  return 0;
}

/* ---- the report ---- */

/* On the committer's thread. */
static void done(struct delivery *delivery, int result) {
  const struct api_report *waiting = delivery->arg;
  SCOPED(buf_fini) struct buf answer = {0};
  struct api_result told;
  api_report_answer(waiting, result, &answer, &told);
  waiting->finish(waiting->arg, &answer, &told);
}

static struct api_report *api_report_new(const struct call *call) {
  struct api_report *waiting = calloc(1, sizeof *waiting);
  CHECK(waiting != NULL);
  struct str key = str_of(call->public_key);
  if (key.len >= sizeof waiting->public_key) key.len = sizeof waiting->public_key - 1;
  bool fits = str_copy(key, waiting->public_key, sizeof waiting->public_key);
  waiting->delivery = delivery_new(KEPT_MAX);
  CHECK(fits && waiting->delivery != NULL);
  waiting->delivery->done = done;
  waiting->delivery->arg = waiting;
  waiting->finish = call->request->finish;
  waiting->arg = call->request->arg;
  return waiting;
}

int action_report_usage(const struct call *call, struct buf *out, struct refusal *refusal) {
  struct gathered gathered = {.arena = call->arena};
  int code = gather(call, &gathered, refusal);
  if (code != 0) return code;
  SCOPED(api_report_free_ref) struct api_report *waiting = api_report_new(call);
  code = read_events(call, &gathered, waiting, refusal);
  if (code != 0) return code;
  const struct events *events = &waiting->delivery->events;
  if (events->usages_count == 0) {
    buf_char(out, ',');
    ingest_answer_members(events, waiting->numbers, NULL, out);
    return 0;
  }
  if (!call->request->hold(call->request->arg, delivery_size(waiting->delivery))) {
    return refuse(refusal, RETCODE_UNAVAILABLE, "Service unavailable: too many requests wait");
  }
  *call->ret_waiting = waiting;
  buf_clear(out); /* before it is the committer's to answer */
  int result = delivery_submit(waiting->delivery, call->options->committer, false);
  if (result == 0) {
    (void)MOVE(waiting); /* the caller's; and it may be answered already */
    return CALL_WAITS;
  }
  *call->ret_waiting = NULL;
  return refuse(refusal, RETCODE_UNAVAILABLE, "Service unavailable: %s", delivery_failure(result));
}
