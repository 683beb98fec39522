#include "settings/config.h"

#include <glib.h>

#include "base/check.h"
#include "base/file.h"

struct setting {
  const char *section, *key;
  enum config_type type;
  const char *preset, *least, *most, *meaning;
  size_t offset;
};

static const struct setting settings[] = {
#define CONFIG_ROW(section, key, type, preset, least, most, meaning) \
  {#section, #key, CONFIG_##type, preset, least, most, meaning, offsetof(struct config, section##_##key)},
    CONFIG_TABLE(CONFIG_ROW)
#undef CONFIG_ROW
};
#define SETTINGS (sizeof settings / sizeof settings[0])

struct unit {
  const char *name;
  uint64_t factor;
};
static const struct unit size_units[] = {{"", 1}, {"KiB", 1ull << 10}, {"MiB", 1ull << 20}, {"GiB", 1ull << 30},
                                         {"TiB", 1ull << 40}, {NULL, 0}};
static const struct unit duration_units[] = {{"", 1000},    {"ms", 1},          {"s", 1000},   {"m", 60000},
                                             {"h", 3600000}, {"d", 86400000}, {NULL, 0}};
static const struct unit count_units[] = {{"", 1}, {NULL, 0}};

static const struct unit *units_of(enum config_type type) {
  return type == CONFIG_SIZE ? size_units : type == CONFIG_DURATION ? duration_units : count_units;
}

static bool parse_bool(struct str text, uint64_t *ret) {
  bool yes = str_equal(text, STR("true")), no = str_equal(text, STR("false"));
  *ret = yes;
  return yes || no;
}

static bool parse_value(enum config_type type, struct str text, uint64_t *ret) {
  text = str_trim(text);
  if (type == CONFIG_BOOL) return parse_bool(text, ret);
  size_t digits = 0;
  while (digits < text.len && text.ptr[digits] >= '0' && text.ptr[digits] <= '9') digits++;
  uint64_t number;
  if (!str_to_u64(str_make(text.ptr, digits), &number)) return false;
  struct str suffix = str_make(text.ptr + digits, text.len - digits);
  for (const struct unit *unit = units_of(type); unit->name != NULL; unit++) {
    if (str_equal(suffix, str_of(unit->name))) return !__builtin_mul_overflow(number, unit->factor, ret);
  }
  return false;
}

bool config_duration(struct str text, uint64_t *ret_ms) { return parse_value(CONFIG_DURATION, text, ret_ms); }

static void store(struct config *config, const struct setting *setting, uint64_t value) {
  memcpy((char *)config + setting->offset, &value, sizeof value);
}

static const char *form_of(enum config_type type) {
  switch (type) {
    case CONFIG_SIZE: return "a size like 16MiB";
    case CONFIG_COUNT: return "a number";
    case CONFIG_DURATION: return "a duration like 30s or 7d";
    case CONFIG_BOOL: return "true or false";
    case CONFIG_TEXT: return "a text";
  }
  return "";
}

static int assign_text(struct config *config, const struct setting *setting, struct str text, struct err *err) {
  char *field = (char *)config + setting->offset;
  text = str_trim(text);
  if (str_is_utf8(text) && !str_has_control(text) && str_copy(text, field, CONFIG_TEXT_MAX + 1)) return 0;
  return err_set(err, ERR_USAGE, "%s.%s: expected UTF-8 text of at most %d bytes without control characters",
                 setting->section, setting->key, CONFIG_TEXT_MAX);
}

static int assign(struct config *config, const struct setting *setting, struct str text, struct err *err) {
  uint64_t value, least = 0, most = 1;
  if (setting->type == CONFIG_TEXT) return assign_text(config, setting, text, err);
  if (!parse_value(setting->type, text, &value)) {
    return err_set(err, ERR_USAGE, "%s.%s: expected %s, got '%.*s'", setting->section, setting->key,
                   form_of(setting->type), (int)(text.len < 40 ? text.len : 40), text.ptr);
  }
  if (setting->type != CONFIG_BOOL) {
    bool good = parse_value(setting->type, str_of(setting->least), &least) &&
                parse_value(setting->type, str_of(setting->most), &most);
    CHECK(good);
  }
  if (value < least || value > most) {
    return err_set(err, ERR_USAGE, "%s.%s: must be from %s to %s, got '%.*s'", setting->section, setting->key,
                   setting->least, setting->most, (int)(text.len < 40 ? text.len : 40), text.ptr);
  }
  store(config, setting, value);
  return 0;
}

static const struct setting *find(struct str section, struct str key) {
  for (size_t i = 0; i < SETTINGS; i++) {
    if (str_equal(section, str_of(settings[i].section)) && str_equal(key, str_of(settings[i].key))) return &settings[i];
  }
  return NULL;
}

static int unknown(struct str section, struct str key, struct err *err) {
  return err_set(err, ERR_USAGE, "unknown setting %.*s.%.*s; `codecmeter serve --list-settings` lists all settings",
                 (int)(section.len < 40 ? section.len : 40), section.ptr, (int)(key.len < 40 ? key.len : 40), key.ptr);
}

/* The codec of that adapter and preset, or room for it; the last setting wins. */
static struct config_adapter_codec *codec_place(struct config *config, const struct config_adapter_codec *wanted) {
  size_t i = 0;
  for (; i < config->adapter_codecs_count; i++) {
    const struct config_adapter_codec *set = &config->adapter_codecs[i];
    if (strcmp(set->adapter, wanted->adapter) == 0 && strcmp(set->preset, wanted->preset) == 0) break;
  }
  return i < CONFIG_ADAPTER_CODECS_MAX ? &config->adapter_codecs[i] : NULL;
}

static int set_adapter_codec(struct config *config, struct str adapter, struct str preset, struct str value,
                             struct err *err) {
  struct config_adapter_codec made = {0};
  bool good = str_copy(adapter, made.adapter, sizeof made.adapter) &&
              str_copy(preset, made.preset, sizeof made.preset) && str_copy(value, made.codec, sizeof made.codec) &&
              value.len > 0;
  struct config_adapter_codec *place = codec_place(config, &made);
  if (!good) {
    return err_set(err, ERR_USAGE, "adapter.%.*s.codec: expected the name of a codec; a preset has at most %zu bytes",
                   STR_ARG(adapter), sizeof made.preset - 1);
  }
  if (place == NULL) {
    return err_set(err, ERR_USAGE, "more than %d settings of the form adapter.NAME.codec; remove some",
                   CONFIG_ADAPTER_CODECS_MAX);
  }
  if (place == &config->adapter_codecs[config->adapter_codecs_count]) config->adapter_codecs_count++;
  *place = made;
  return 0;
}

static int set_adapter_script(struct config *config, struct str adapter, struct str word, struct str value,
                              struct err *err) {
  struct config_adapter_script made = {.is_map = str_equal(word, STR("map"))};
  size_t i = 0;
  bool good = str_copy(adapter, made.adapter, sizeof made.adapter) &&
              str_copy(value, made.value, sizeof made.value) && value.len > 0 && str_is_utf8(value) &&
              !str_has_control(value);
  if (!good) {
    return err_set(err, ERR_USAGE, "adapter.%.*s.%.*s: expected %s of at most %d bytes", STR_ARG(adapter),
                   STR_ARG(word), made.is_map ? "a map" : "the path of a script", CONFIG_TEXT_MAX);
  }
  while (i < config->adapter_scripts_count && strcmp(config->adapter_scripts[i].adapter, made.adapter) != 0)
    i++;
  if (i == CONFIG_ADAPTER_SCRIPTS_MAX) {
    return err_set(err, ERR_USAGE,
                   "more than %d settings of the form adapter.NAME.script or adapter.NAME.map; remove some",
                   CONFIG_ADAPTER_SCRIPTS_MAX);
  }
  if (i == config->adapter_scripts_count) config->adapter_scripts_count++;
  config->adapter_scripts[i] = made;
  return 0;
}

static int set_adapter(struct config *config, struct str key, struct str value, struct err *err) {
  struct str rest = key, adapter = str_cut(&rest, '.'), word = str_cut(&rest, '.');
  bool is_script = str_equal(word, STR("script")) || str_equal(word, STR("map"));
  bool fits = adapter.len > 0 && adapter.len < sizeof config->adapter_codecs[0].adapter;
  value = str_trim(value);
  if (fits && str_equal(word, STR("codec"))) return set_adapter_codec(config, adapter, rest, value, err);
  if (fits && is_script && rest.len == 0) return set_adapter_script(config, adapter, word, value, err);
  return err_set(err, ERR_USAGE,
                 "adapter.%.*s: expected adapter.NAME.codec or adapter.NAME.codec.PRESET with the name of a codec, "
                 "adapter.NAME.script with a file, or adapter.NAME.map",
                 (int)(key.len < 40 ? key.len : 40), key.ptr);
}

void config_init(struct config *config) {
  config->adapter_codecs_count = config->adapter_scripts_count = 0;
  for (size_t i = 0; i < SETTINGS; i++) {
    struct err err;
    int result = assign(config, &settings[i], str_of(settings[i].preset), &err);
    CHECK(result == 0);
  }
}

int config_set(struct config *config, const char *assignment, struct err *err) {
  const char *dot = strchr(assignment, '.'), *equals = strchr(assignment, '=');
  if (dot == NULL || equals == NULL || dot > equals) {
    return err_set(err, ERR_USAGE, "expected section.key=value, got '%.60s'", assignment);
  }
  struct str section = str_make(assignment, (size_t)(dot - assignment));
  struct str key = str_make(dot + 1, (size_t)(equals - dot - 1));
  if (str_equal(section, STR("adapter"))) return set_adapter(config, key, str_of(equals + 1), err);
  const struct setting *setting = find(section, key);
  return setting == NULL ? unknown(section, key, err) : assign(config, setting, str_of(equals + 1), err);
}

/* ---- the file ---- */

/* A script's path in the file at `path` begins at the directory of that file. */
static int load_adapter(struct config *config, const char *path, const char *key, const char *value,
                        struct err *err) {
  const char *word = strchr(key, '.');
  bool is_relative = word != NULL && strcmp(word, ".script") == 0 && value[0] != '/' && value[0] != '\0';
  SCOPED_MALLOC char *dir = is_relative ? file_directory(path) : NULL;
  SCOPED_MALLOC char *full = is_relative ? file_path(dir, value) : NULL;
  return set_adapter(config, str_of(key), str_of(is_relative ? full : value), err);
}

static int load_key(struct config *config, GKeyFile *file, const char *path, const char *section, const char *key,
                    struct err *err) {
  const struct setting *setting = find(str_of(section), str_of(key));
  bool is_adapters = str_equal(str_of(section), STR("adapter"));
  if (setting == NULL && !is_adapters) return unknown(str_of(section), str_of(key), err);
  char *value = g_key_file_get_value(file, section, key, NULL);
  int result =
      is_adapters ? load_adapter(config, path, key, value, err) : assign(config, setting, str_of(value), err);
  g_free(value);
  return result;
}

static int load_section(struct config *config, GKeyFile *file, const char *path, const char *section,
                        struct err *err) {
  char **keys = g_key_file_get_keys(file, section, NULL, NULL);
  int result = 0;
  for (size_t i = 0; keys != NULL && keys[i] != NULL && result == 0; i++) {
    result = load_key(config, file, path, section, keys[i], err);
  }
  g_strfreev(keys);
  return result;
}

int config_load(struct config *config, const char *path, struct err *err) {
  GKeyFile *file = g_key_file_new();
  GError *error = NULL;
  int result = 0;
  if (!g_key_file_load_from_file(file, path, G_KEY_FILE_NONE, &error)) {
    result = err_set(err, ERR_USAGE, "cannot read the configuration file %s: %s", path, error->message);
    g_error_free(error);
  }
  char **sections = result == 0 ? g_key_file_get_groups(file, NULL) : NULL;
  for (size_t i = 0; sections != NULL && sections[i] != NULL && result == 0; i++) {
    result = load_section(config, file, path, sections[i], err);
    if (result != 0) (void)err_prefix(err, "%s", path);
  }
  g_strfreev(sections);
  g_key_file_free(file);
  return result;
}

int config_read(struct config *config, const char *path, char *const *assignments, struct err *err) {
  config_init(config);
  int result = path != NULL ? config_load(config, path, err) : 0;
  for (size_t i = 0; result == 0 && assignments != NULL && assignments[i] != NULL; i++) {
    result = config_set(config, assignments[i], err);
    if (result != 0) (void)err_prefix(err, "--set %.80s", assignments[i]);
  }
  return result;
}

/* ---- the documentation ---- */

void config_describe(struct buf *out) {
  static const char *const types[] = {[CONFIG_SIZE] = "size",
                                      [CONFIG_COUNT] = "count",
                                      [CONFIG_DURATION] = "duration",
                                      [CONFIG_BOOL] = "true or false",
                                      [CONFIG_TEXT] = "text"};
  buf_text(out, "| setting | type | default | from | to | meaning |\n| --- | --- | --- | --- | --- | --- |\n");
  for (size_t i = 0; i < SETTINGS; i++) {
    const struct setting *s = &settings[i];
    buf_printf(out, "| `%s.%s` | %s | %s | %s | %s | %s |\n", s->section, s->key, types[s->type], s->preset, s->least,
               s->most, s->meaning);
  }
}
