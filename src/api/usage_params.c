#include "api/usage_params.h"

#include <stdlib.h>

#define EVENTS_ALLOWED "1 to 100 events, Event.0 to Event.99999"
#define NUMBER_MAX 99999

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

struct gathering {
  struct arena *arena;
  struct usage_params *events;
};

static int by_number(const void *a, const void *b) {
  const struct usage_params_event *const *x = a, *const *y = b;
  return ((*x)->number > (*y)->number) - ((*x)->number < (*y)->number);
}

static int no_memory(struct refusal *refusal) { return refuse_param(refusal, "Event", USAGE_PARAMS_TOO_LARGE); }

static struct usage_params_event *find_event(const struct gathering *gathering, uint32_t number) {
  for (size_t i = gathering->events->count; i > 0; i--) { /* the newest is the likeliest */
    if (gathering->events->items[i - 1]->number == number) return gathering->events->items[i - 1];
  }
  return NULL;
}

/* The event of that number, made if it is the first time that it is named. */
static int take_event(struct gathering *gathering, uint32_t number, struct usage_params_event **ret, struct refusal *refusal) {
  *ret = find_event(gathering, number);
  if (*ret != NULL) return 0;
  if (gathering->events->count == USAGE_PARAMS_EVENTS_MAX) return refuse_param(refusal, "Event", EVENTS_ALLOWED);
  struct usage_params_event *made = arena_alloc(gathering->arena, sizeof *made);
  if (made == NULL) return no_memory(refusal);
  *made = (struct usage_params_event){.number = number, .tree = event_tree_new(gathering->arena)};
  if (made->tree == NULL) return no_memory(refusal);
  gathering->events->items[gathering->events->count++] = *ret = made;
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
static int add_field(struct gathering *gathering, struct usage_params_event *event, struct str name, struct str value) {
  const struct field *field = find_field(name);
  if (field == NULL || value.len == 0) return 0;
  return event_tree_add(event->tree, gathering->arena, field->is_data, field->member, field->form, value);
}

/* ---- flattened ---- */

static bool is_flattened(struct str name, struct str *ret_rest) {
  const struct str start = STR("Event.");
  if (name.len <= start.len || !str_equal_nocase(str_make(name.ptr, start.len), start)) return false;
  *ret_rest = str_make(name.ptr + start.len, name.len - start.len);
  return true;
}

static int take_flattened(struct gathering *gathering, const struct param *param, struct str rest,
                          struct refusal *refusal) {
  struct str digits = str_cut(&rest, '.');
  uint64_t number;
  if (digits.len > 5 || !str_to_u64(digits, &number)) return refuse_param(refusal, "Event", EVENTS_ALLOWED);
  struct usage_params_event *event;
  int code = take_event(gathering, (uint32_t)number, &event, refusal);
  if (code != 0) return code;
  if (add_field(gathering, event, rest, param->value) != 0) return no_memory(refusal);
  return 0;
}

/* ---- nested ---- */

/* A text or a number is what it would be flattened: a number's plain decimal, as it was signed. What no field can be
 * stays what it is, and is refused by the field's name. */
static int add_nested(struct gathering *gathering, struct usage_params_event *event, const struct json *node) {
  const struct field *field = find_field(node->name);
  if (field == NULL || node->type == JSON_NULL) return 0;
  if (node->type == JSON_STRING) return add_field(gathering, event, node->name, node->text);
  if (node->type != JSON_NUMBER) {
    return event_tree_add_value(event->tree, gathering->arena, field->is_data, field->member, node);
  }
  SCOPED(buf_fini) struct buf plain = {0};
  if (json_number_plain(node->text, CANON_NUMBER_MAX, &plain) != 0) return -ERR_LIMIT;
  struct str text = arena_copy(gathering->arena, buf_view(&plain));
  return text.ptr != NULL ? add_field(gathering, event, node->name, text) : -ERR_MEMORY;
}

static int take_nested(struct gathering *gathering, const struct json *array, struct refusal *refusal) {
  if (array->type != JSON_ARRAY) return refuse_param(refusal, "Event", "an array of objects");
  uint32_t number = 0;
  for (const struct json *element = array->child; element != NULL; element = element->next, number++) {
    struct usage_params_event *event;
    int code = take_event(gathering, number, &event, refusal);
    if (code != 0) return code;
    event->tree->event.type = element->type; /* what is no object is rejected for that */
    for (const struct json *node = element->child; node != NULL; node = node->next) {
      if (add_nested(gathering, event, node) != 0) return no_memory(refusal);
    }
  }
  return 0;
}

int usage_params_read(const struct params *params, struct arena *arena, struct usage_params *ret,
                      struct refusal *refusal) {
  struct gathering gathering = {.arena = arena, .events = ret};
  const struct json *nested = NULL;
  struct str rest;
  int code = 0;
  ret->count = 0;
  for (size_t i = 0; i < params->count && code == 0; i++) {
    const struct param *param = &params->items[i];
    if (is_flattened(param->name, &rest)) code = take_flattened(&gathering, param, rest, refusal);
    if (param->node != NULL && str_equal_nocase(param->name, STR("Event"))) nested = param->node;
  }
  if (code == 0 && nested != NULL && ret->count > 0) {
    return refuse_param(refusal, "Event", "flattened events or an array of them, not both");
  }
  if (code == 0 && nested != NULL) code = take_nested(&gathering, nested, refusal);
  if (code != 0) return code;
  qsort(ret->items, ret->count, sizeof ret->items[0], by_number);
  return ret->count > 0 ? 0 : refuse(refusal, RETCODE_MISSING_PARAM, "Missing params [Event.0.Id]");
}
