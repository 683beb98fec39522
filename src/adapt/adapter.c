#include "adapt/adapter.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "adapt/outputs.h"
#include "adapt/script.h"
#include "base/check.h"
#include "base/file.h"
#include "ingest/read/fields.h"
#include "meter/codec.h"

#include "adapt/builtin.inc"
#define BUILTINS (sizeof builtins / sizeof builtins[0])

#define MAP_SCRIPT "generic"  /* the built-in script that reads adapter.NAME.map */
#define OUTPUT_BYTES_MAX 5120 /* texts of one output, and a remark */

static_assert(SCRIPT_RESULTS_MAX == ADAPTER_OUTPUTS_MAX, "results become outputs and remarks");
static_assert(BUILTINS <= ADAPTERS_MAX, "built-in adapters need room");

struct adapter {
  const struct config *config;
  const char *origin; /* borrowed */
  char name[ADAPTER_NAME_MAX + 1];
  char script_name[ADAPTER_NAME_MAX + sizeof ".lua"]; /* of a built-in script */
  struct script script;
};

struct adapters {
  struct adapter items[ADAPTERS_MAX];
  size_t count;
};

const struct adapter *adapters_at(const struct adapters *adapters, size_t index) {
  return index < adapters->count ? &adapters->items[index] : NULL;
}

const struct adapter *adapters_find(const struct adapters *adapters, struct str name) {
  for (size_t i = 0; i < adapters->count; i++) {
    if (str_equal(name, str_of(adapters->items[i].name))) return &adapters->items[i];
  }
  return NULL;
}

const char *adapter_name(const struct adapter *adapter) { return adapter->name; }
const char *adapter_origin(const struct adapter *adapter) { return adapter->origin; }

/* ---- making the set ---- */

static bool is_name(struct str name) {
  bool good = name.len > 0 && name.len <= ADAPTER_NAME_MAX && name.ptr[0] >= 'a' && name.ptr[0] <= 'z';
  for (size_t i = 0; i < name.len; i++) {
    char c = name.ptr[i];
    good = good && ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-');
  }
  return good;
}

/* The adapter of that name, without a script; it replaces the one that is there. NULL: there is no room. */
static struct adapter *place_of(struct adapters *adapters, const struct config *config, const char *name) {
  struct adapter *place = (struct adapter *)(uintptr_t)adapters_find(adapters, str_of(name));
  if (place == NULL && adapters->count == ADAPTERS_MAX) return NULL;
  if (place == NULL) place = &adapters->items[adapters->count++];
  script_fini(&place->script);
  *place = (struct adapter){.config = config};
  bool fits = str_copy(str_of(name), place->name, sizeof place->name);
  CHECK(fits);
  return place;
}

static const struct builtin *find_builtin(const char *name) {
  size_t i = 0;
  while (i < BUILTINS && strcmp(name, builtins[i].name) != 0)
    i++;
  return i < BUILTINS ? &builtins[i] : NULL;
}

const char *adapters_built_in(size_t index) { return index < BUILTINS ? builtins[index].name : NULL; }

static int compile_builtin(struct adapter *adapter, const struct builtin *builtin, const char *map, struct err *err) {
  adapter->origin = map != NULL ? map : "built-in";
  (void)snprintf(adapter->script_name, sizeof adapter->script_name, "%s.lua", builtin->name);
  adapter->script = (struct script){.name = adapter->script_name, .map = map};
  return script_compile(&adapter->script, str_make((const char *)builtin->text, builtin->size), err);
}

static int read_script(const char *path, struct buf *text, struct err *err) {
  SCOPED_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return err_set_errno(err, ERR_USAGE, errno, "cannot open the script %s", path);
  char *room = buf_extend(text, SCRIPT_SIZE_MAX + 1);
  if (room == NULL) return err_set(err, ERR_MEMORY, "no memory for the script %s", path);
  return file_read(fd, path, 0, room, SCRIPT_SIZE_MAX + 1, &text->len, err);
}

static int compile_file(struct adapter *adapter, const char *path, struct err *err) {
  SCOPED(buf_fini) struct buf text = {0};
  adapter->origin = path;
  adapter->script = (struct script){.name = path};
  int result = read_script(path, &text, err);
  return result == 0 ? script_compile(&adapter->script, buf_view(&text), err) : result;
}

static int add_set(struct adapters *adapters, const struct config *config, const struct config_adapter_script *set,
                   struct err *err) {
  const char *key = set->is_map ? "map" : "script";
  if (!is_name(str_of(set->adapter))) {
    return err_set(
        err, ERR_USAGE,
        "adapter.%s.%s: the name of an adapter has 1 to %d characters of a-z, 0-9 and '-', and begins with a "
        "letter",
        set->adapter, key, ADAPTER_NAME_MAX);
  }
  const struct builtin *generic = find_builtin(MAP_SCRIPT);
  struct adapter *adapter = place_of(adapters, config, set->adapter);
  if (adapter == NULL)
    return err_set(err, ERR_USAGE, "adapter.%s.%s: more than %d adapters", set->adapter, key, ADAPTERS_MAX);
  if (set->is_map && generic == NULL)
    return err_set(err, ERR_USAGE, "adapter.%s.map: not in this version", set->adapter);
  int result =
      set->is_map ? compile_builtin(adapter, generic, set->value, err) : compile_file(adapter, set->value, err);
  if (result == 0) return 0;
  if (err->code != ERR_MEMORY) err->code = ERR_USAGE;
  return err_prefix(err, "adapter.%s.%s", set->adapter, key);
}

/* Checks codecs by the rules of events, so that a wrong setting is an error at the start. */
static int check_codecs(const struct adapters *adapters, const struct config *config, struct err *err) {
  for (size_t i = 0; i < config->adapter_codecs_count; i++) {
    const struct config_adapter_codec *set = &config->adapter_codecs[i];
    char canonical[CODEC_NAME_MAX + 1];
    if (adapters_find(adapters, str_of(set->adapter)) == NULL)
      return err_set(err, ERR_USAGE, "setting adapter.%s: there is no adapter of this name", set->adapter);
    if (codec_canonical(str_of(set->codec), canonical, NULL) != 0) {
      return err_set(err, ERR_USAGE, "setting adapter.%s.codec: '%s' is not the name of a codec", set->adapter,
                     set->codec);
    }
  }
  return 0;
}

static int fill(struct adapters *adapters, const struct config *config, struct err *err) {
  int result = 0;
  for (size_t i = 0; i < BUILTINS && result == 0; i++)
    result = compile_builtin(place_of(adapters, config, builtins[i].name), &builtins[i], NULL, err);
  for (size_t i = 0; i < config->adapter_scripts_count && result == 0; i++)
    result = add_set(adapters, config, &config->adapter_scripts[i], err);
  return result == 0 ? check_codecs(adapters, config, err) : result;
}

static int by_name(const void *a, const void *b) {
  return strcmp(((const struct adapter *)a)->name, ((const struct adapter *)b)->name);
}

int adapters_new(const struct config *config, struct adapters **ret, struct err *err) {
  SCOPED(adapters_free_ref) struct adapters *adapters = calloc(1, sizeof *adapters);
  if (adapters == NULL) return err_set(err, ERR_MEMORY, "no memory for the adapters");
  int result = fill(adapters, config, err);
  if (result != 0) return result;
  qsort(adapters->items, adapters->count, sizeof adapters->items[0], by_name);
  for (size_t i = 0; i < adapters->count; i++) {
    struct adapter *adapter = &adapters->items[i]; /* its script names its own text, which has moved */
    if (adapter->script_name[0] != '\0') adapter->script.name = adapter->script_name;
  }
  *ret = MOVE(adapters);
  return 0;
}

void adapters_free(struct adapters *adapters) {
  if (adapters == NULL) return;
  for (size_t i = 0; i < adapters->count; i++)
    script_fini(&adapters->items[i].script);
  free(adapters);
}

/* ---- reading a notice ---- */

/* The codec that settings name for the preset, else for all presets. */
static const char *codec_of(const void *arg, struct str preset) {
  const struct adapter *adapter = arg;
  const struct config *config = adapter->config;
  const char *codec = NULL;
  for (size_t i = 0; i < config->adapter_codecs_count; i++) {
    const struct config_adapter_codec *set = &config->adapter_codecs[i];
    if (strcmp(set->adapter, adapter->name) != 0) continue;
    if (preset.len > 0 && str_equal(preset, str_of(set->preset))) return set->codec;
    if (set->preset[0] == '\0') codec = set->codec;
  }
  return codec;
}

static int read_outputs(const struct outputs *outputs, const struct event_rules *rules, struct arena *scratch,
                        struct arena *arena, struct events *ret) {
  struct events events = {
      .items = arena_alloc(arena, outputs->count * sizeof *events.items),
      .usages = arena_alloc(arena, outputs->count * sizeof *events.usages),
  };
  if (events.items == NULL || events.usages == NULL) return -ERR_LIMIT;
  for (size_t i = 0; i < outputs->count; i++) {
    int result = fields_read(&outputs->items[i]->event, rules, false, scratch, arena, &events.items[i],
                             &events.usages[events.usages_count]);
    if (result == -ERR_MEMORY || result == -ERR_LIMIT) return -ERR_LIMIT;
    events.count++;
    if (result == 0) events.usages_count++;
  }
  *ret = events;
  return 0;
}

static int keep_remarks(const struct outputs *outputs, struct arena *arena, const char *const **ret) {
  const char **kept = arena_alloc(arena, (outputs->remarks_count + 1) * sizeof *kept);
  if (kept == NULL) return -ERR_LIMIT;
  for (size_t i = 0; i < outputs->remarks_count; i++) {
    kept[i] = arena_copy(arena, str_of(outputs->remarks[i])).ptr;
    if (kept[i] == NULL) return -ERR_LIMIT;
  }
  *ret = kept;
  return 0;
}

static int parse(const struct adapter_notice *notice, struct json_parser *parser, struct arena *scratch,
                 const struct json **ret, struct err *err) {
  int result = json_parse(parser, scratch, notice->body, SCRIPT_DEPTH_MAX, ret, err);
  if (result == -ERR_PARSE) return err_prefix(err, "cannot read the notice");
  if (result != 0) return err_set(err, ERR_LIMIT, "the notice is too large, or nested too deep");
  if ((*ret)->type != JSON_OBJECT) return err_set(err, ERR_PARSE, "the notice must be a JSON object");
  return 0;
}

static int run(const struct adapter_notice *notice, const struct json *tree, struct json_parser *parser,
               struct arena *scratch, struct outputs *outputs, struct err *err) {
  const struct adapter_query *query = notice->query;
  const struct json *made, *remarks;
  const struct script_input input = {
      .notice = tree,
      .source = query->source,
      .id = query->id,
      .time = query->time,
      .project = query->project,
      .parser = parser,
      .codec_of = codec_of,
      .codec_of_arg = notice->adapter,
  };
  int result = script_run(&notice->adapter->script, &input, scratch, &made, &remarks, err);
  if (result == -ERR_MEMORY) arena_starve(scratch);
  if (result == -ERR_SCRIPT) return err_prefix(err, "adapter %s", notice->adapter->name);
  if (result != 0) return result;
  result = outputs_take(outputs, made, remarks, err);
  if (result == -ERR_MEMORY) return err_set(err, ERR_LIMIT, "the notice is too large");
  return result == 0 ? 0 : err_prefix(err, "adapter %s: %s", notice->adapter->name, notice->adapter->script.name);
}

size_t adapter_memory_max(size_t body_len) {
  return event_memory_max(body_len + (size_t)ADAPTER_OUTPUTS_MAX * OUTPUT_BYTES_MAX, ADAPTER_OUTPUTS_MAX);
}

int adapter_read(const struct adapter_notice *notice, struct json_parser *parser, struct arena *scratch,
                 struct arena *arena, struct events *ret, const char *const **ret_ignored, size_t *ret_ignored_count,
                 struct err *err) {
  const struct json *tree;
  struct outputs *outputs = arena_alloc(scratch, sizeof *outputs);
  if (outputs == NULL) return err_set(err, ERR_MEMORY, "no memory to read the notice");
  *outputs = (struct outputs){.arena = scratch,
                              .adapter = notice->adapter->name,
                              .query = notice->query,
                              .now_ms = notice->event_rules->now_ms};
  int result = parse(notice, parser, scratch, &tree, err);
  if (result == 0) result = run(notice, tree, parser, scratch, outputs, err);
  if (result != 0) return result;
  result = read_outputs(outputs, notice->event_rules, scratch, arena, ret);
  if (result == 0) result = keep_remarks(outputs, arena, ret_ignored);
  if (result != 0) return err_set(err, ERR_LIMIT, "the notice is too large");
  *ret_ignored_count = outputs->remarks_count;
  return 0;
}
