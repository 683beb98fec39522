#include "adapt/adapter.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/check.h"
#include "ingest/fields.h"
#include "meter/codec.h"

#define NOTICE_DEPTH_MAX 32
#define REASON_MAX 200

static const struct {
  const char *name;
  adapter_function *function;
  bool needs_identity;
} adapters[] = {
#define X(name, function, needs_identity) {name, function, needs_identity},
#include "adapt/adapters.def"
#undef X
};

#define ADAPTERS (sizeof adapters / sizeof adapters[0])

const char *adapter_name(size_t index) { return index < ADAPTERS ? adapters[index].name : NULL; }

static size_t find(const char *name) {
  size_t i = 0;
  while (i < ADAPTERS && strcmp(name, adapters[i].name) != 0)
    i++;
  CHECK(i < ADAPTERS);
  return i;
}

/* ---- looking into a notice ---- */

static const struct json *step_down(const struct json *node, struct str name) {
  uint64_t index;
  if (node->type == JSON_ARRAY) {
    if (!str_to_u64(name, &index)) return NULL;
    const struct json *element = node->child;
    for (; element != NULL && index > 0; index--)
      element = element->next;
    return element;
  }
  const struct json *member = node->type == JSON_OBJECT ? node->child : NULL;
  while (member != NULL && !str_equal(member->name, name))
    member = member->next;
  return member;
}

const struct json *adapter_at(const struct json *node, const char *path) {
  struct str rest = str_of(path);
  while (node != NULL && rest.len > 0)
    node = step_down(node, str_cut(&rest, '.'));
  return node != NULL && node->type != JSON_NULL ? node : NULL;
}

struct str adapter_text(const struct json *node, const char *path) {
  const struct json *at = adapter_at(node, path);
  bool has_text = at != NULL && (at->type == JSON_STRING || at->type == JSON_NUMBER);
  return has_text ? at->text : STR("");
}

bool adapter_is(const struct json *node, const char *path, const char *text) {
  return str_equal(adapter_text(node, path), str_of(text));
}

/* ---- making events ---- */

static void add(struct adapter_reading *reading, struct event_tree *output, bool is_data, const char *name,
                enum event_tree_form form, struct str value) {
  if (event_tree_add(output, reading->arena, is_data, str_of(name), form, value) != 0) reading->is_full = true;
}

struct event_tree *adapter_output(struct adapter_reading *reading, const char *type, struct str source,
                                  const char *id_format, ...) {
  char id[EVENT_ID_MAX + 64]; /* an id that is cut here is still too long, so the event is rejected */
  va_list args;
  va_start(args, id_format);
  (void)vsnprintf(id, sizeof id, id_format, args);
  va_end(args);
  if (reading->outputs_count == ADAPTER_OUTPUTS_MAX) reading->is_full = true;
  struct event_tree *output = reading->is_full ? NULL : event_tree_new(reading->arena);
  struct str kept = output != NULL ? arena_copy(reading->arena, str_of(id)) : str_make(NULL, 0);
  if (kept.ptr == NULL) {
    reading->is_full = true;
    return NULL;
  }
  const struct adapter_query *query = reading->query;
  add(reading, output, false, "type", EVENT_TREE_TEXT, str_of(type));
  add(reading, output, false, "source", EVENT_TREE_TEXT, query->source.len > 0 ? query->source : source);
  add(reading, output, false, "id", EVENT_TREE_TEXT, kept);
  if (query->project.len > 0) add(reading, output, false, "subject", EVENT_TREE_TEXT, query->project);
  if (query->time.len > 0) add(reading, output, false, "time", EVENT_TREE_SECONDS, query->time);
  reading->outputs[reading->outputs_count++] = output;
  return output;
}

static bool is_at_least(struct str value, int64_t least) {
  int64_t number;
  return json_number_i64(value, &number) && number >= least;
}

/* A value that no report can hold counts as absent: a measure is then waited for, a description is left out. */
static bool is_usable(const struct adapter_field *field, struct str value) {
  char codec[CODEC_NAME_MAX + 1];
  if (field->max > 0) return value.len <= field->max && !str_has_control(value);
  if (strcmp(field->member, "codec") == 0) return codec_canonical(value, codec, NULL) == 0;
  if (field->form != EVENT_TREE_NUMBER) return true;
  struct str number = str_trim(value);
  bool is_pixels = strcmp(field->member, "width") == 0 || strcmp(field->member, "height") == 0;
  return json_is_number(number) && number.ptr[0] != '-' && (!is_pixels || is_at_least(number, 1));
}

void adapter_fill(struct adapter_reading *reading, struct event_tree *output, const struct adapter_field *fields,
                  size_t count, const struct json *node) {
  for (size_t i = 0; i < count && output != NULL; i++) {
    struct str value = adapter_text(node, fields[i].path);
    if (value.len == 0 || !is_usable(&fields[i], value)) continue;
    if (event_tree_has(output, fields[i].is_data, fields[i].member)) continue;
    add(reading, output, fields[i].is_data, fields[i].member, fields[i].form, value);
  }
}

void adapter_fill_codec(struct adapter_reading *reading, struct event_tree *output, struct str preset) {
  const char *codec = NULL;
  if (output == NULL || event_tree_has(output, true, "codec")) return;
  for (size_t i = 0; i < reading->rules->count; i++) {
    const struct adapter_rule *rule = &reading->rules->items[i];
    if (strcmp(rule->adapter, reading->adapter) != 0) continue;
    bool is_preset = preset.len > 0 && str_equal(preset, str_of(rule->preset));
    if (is_preset || (rule->preset[0] == '\0' && codec == NULL)) codec = rule->codec;
    if (is_preset) break;
  }
  if (codec != NULL) add(reading, output, true, "codec", EVENT_TREE_TEXT, str_of(codec));
}

void adapter_ignore(struct adapter_reading *reading, const char *format, ...) {
  char text[REASON_MAX];
  va_list args;
  va_start(args, format);
  (void)vsnprintf(text, sizeof text, format, args);
  va_end(args);
  size_t len = strlen(text);
  while (len > 0 && !str_is_utf8(str_make(text, len)))
    len--; /* vsnprintf may have cut within a character */
  struct str kept = arena_copy(reading->arena, str_make(text, len));
  if (kept.ptr == NULL || reading->ignored_count == ADAPTER_OUTPUTS_MAX)
    reading->is_full = true;
  else
    reading->ignored[reading->ignored_count++] = kept.ptr;
}

/* ---- the door ---- */

static int read_outputs(struct adapter_reading *reading, const struct event_rules *rules, struct arena *scratch,
                        struct arena *arena, struct events *ret, struct err *err) {
  struct events events = {
      .items = arena_alloc(arena, reading->outputs_count * sizeof *events.items),
      .usages = arena_alloc(arena, reading->outputs_count * sizeof *events.usages),
  };
  if (events.items == NULL || events.usages == NULL) return err_set(err, ERR_LIMIT, "the notice is too large");
  for (size_t i = 0; i < reading->outputs_count; i++) {
    int result = fields_read(&reading->outputs[i]->event, rules, false, scratch, arena, &events.items[i],
                             &events.usages[events.usages_count]);
    if (result == -ERR_MEMORY || result == -ERR_LIMIT) return err_set(err, ERR_LIMIT, "the notice is too large");
    events.count++;
    if (result == 0) events.usages_count++;
  }
  *ret = events;
  return 0;
}

static int keep_reasons(const struct adapter_reading *reading, struct arena *arena, const char *const **ret) {
  const char **kept = arena_alloc(arena, (reading->ignored_count + 1) * sizeof *kept);
  if (kept == NULL) return -ERR_LIMIT;
  for (size_t i = 0; i < reading->ignored_count; i++) {
    kept[i] = arena_copy(arena, str_of(reading->ignored[i])).ptr;
    if (kept[i] == NULL) return -ERR_LIMIT;
  }
  *ret = kept;
  return 0;
}

int adapter_read(const struct adapter_notice *notice, struct json_parser *parser, struct arena *scratch,
                 struct arena *arena, struct events *ret, const char *const **ret_ignored, size_t *ret_ignored_count,
                 struct err *err) {
  struct adapter_reading *reading = arena_alloc(scratch, sizeof *reading);
  const struct adapter_query *query = notice->query;
  size_t adapter = find(notice->adapter);
  if (reading == NULL) return err_set(err, ERR_MEMORY, "no memory to read the notice");
  if (adapters[adapter].needs_identity && (query->source.len == 0 || query->id.len == 0)) {
    return err_set(err, ERR_USAGE, "the URL must name the output: add ?source=…&id=…");
  }
  *reading =
      (struct adapter_reading){.arena = scratch, .query = query, .adapter = notice->adapter, .rules = notice->rules};
  int result = json_parse(parser, scratch, notice->body, NOTICE_DEPTH_MAX, &reading->notice, err);
  if (result == -ERR_PARSE) return err_prefix(err, "cannot read the notice");
  if (result != 0) return err_set(err, ERR_LIMIT, "the notice is too large, or nested too deep");
  if (reading->notice->type != JSON_OBJECT) return err_set(err, ERR_PARSE, "the notice must be a JSON object");
  adapters[adapter].function(reading);
  if (reading->is_full)
    return err_set(err, ERR_LIMIT, "the notice has more than %d outputs or reasons, or is too large",
                   ADAPTER_OUTPUTS_MAX);
  result = read_outputs(reading, notice->event_rules, scratch, arena, ret, err);
  if (result != 0) return result;
  *ret_ignored_count = reading->ignored_count;
  result = keep_reasons(reading, arena, ret_ignored);
  return result == 0 ? 0 : err_set(err, ERR_LIMIT, "the notice is too large");
}
