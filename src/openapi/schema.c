/* What the tables of /v1 say, as JSON Schema. */
#include "openapi/schema.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "meter/labels.h"

void schema_text(struct doc *doc, int64_t least, int64_t most) {
  json_write_text(doc->json, "type", "string");
  if (least > 0) json_write_i64(doc->json, "minLength", 1);
  if (most > 0) json_write_i64(doc->json, "maxLength", most);
}

void schema_plain_integer(struct doc *doc) {
  json_write_text(doc->json, "type", "integer");
  json_write_text(doc->json, "format", "int64");
}

void schema_integer(struct doc *doc, int64_t least, int64_t most) {
  schema_plain_integer(doc);
  json_write_i64(doc->json, "minimum", least);
  json_write_i64(doc->json, "maximum", most);
}

#define PATTERN_SIZE 96

/* Backslash: as a text has it, or doubled for the name of a member, which the writer does not escape. */
static void write_family(struct str family, const char *backslash, char out[PATTERN_SIZE]) {
  CHECK(family.len > 0 && family.ptr[family.len - 1] == '.');
  int len = snprintf(out, PATTERN_SIZE, "^%.*s%s.[a-z][a-z0-9_]{0,%d}$", (int)family.len - 1, family.ptr, backslash,
                     LABEL_NAME_MAX - 1);
  CHECK(len > 0 && len < PATTERN_SIZE);
}

void schema_family(struct doc *doc, const char *name, struct str family) {
  char pattern[PATTERN_SIZE];
  write_family(family, "\\", pattern);
  json_write_text(doc->json, name, pattern);
}

static bool is_family(struct str word) { return word.len > 0 && word.ptr[word.len - 1] == '.'; }

/* ---- parameters of /v1 ---- */

#define DATE "[0-9]{4}-[0-9]{2}-[0-9]{2}"

/* A list of words, without a family. */
static void put_enum(struct doc *doc, const char *choices, bool may_be_empty) {
  struct str rest = str_of(choices);
  json_write_list(doc->json, "enum");
  if (may_be_empty) json_write_text(doc->json, NULL, "");
  for (struct str word = doc_next_word(&rest); word.len > 0; word = doc_next_word(&rest)) {
    if (!is_family(word)) json_write_str(doc->json, NULL, word);
  }
  json_write_end(doc->json);
}

static struct str family_among(const char *choices) {
  struct str rest = str_of(choices);
  for (struct str word = doc_next_word(&rest); word.len > 0; word = doc_next_word(&rest)) {
    if (is_family(word)) return word;
  }
  return STR("");
}

/* One of the choices, or a name of their family. */
static void put_choices(struct doc *doc, const struct v1_param *param) {
  struct str family = family_among(param->choices);
  json_write_text(doc->json, "type", "string");
  if (family.len == 0) {
    put_enum(doc, param->choices, param->may_be_empty);
    return;
  }
  json_write_list(doc->json, "anyOf");
  json_write_object(doc->json, NULL);
  put_enum(doc, param->choices, false);
  json_write_end(doc->json);
  json_write_object(doc->json, NULL);
  schema_family(doc, "pattern", family);
  json_write_end(doc->json);
  json_write_end(doc->json);
}

static void put_number_default(struct doc *doc, const struct v1_param *param) {
  if (param->preset != NULL) json_write_raw(doc->json, "default", str_of(param->preset));
}

/* The members of the schema of one value. */
static void put_value(struct doc *doc, const struct v1_param *param) {
  bool is_number = param->type == V1_INT || param->type == V1_FLAG;
  switch (param->type) {
    case V1_TEXT:
      if (param->choices != NULL)
        put_choices(doc, param);
      else
        schema_text(doc, param->may_be_empty ? 0 : param->least, param->most);
      if (param->pattern != NULL) json_write_text(doc->json, "pattern", param->pattern);
      break;
    case V1_INT:
      schema_integer(doc, param->least, param->most);
      break;
    case V1_FLAG:
      schema_plain_integer(doc);
      json_write_raw(doc->json, "enum", STR("[0,1]"));
      break;
    case V1_CHOICE:
    case V1_CHOICES:
      put_choices(doc, param);
      break;
    case V1_TIME:
      json_write_text(doc->json, "type", "string");
      json_write_text(doc->json, "pattern", "^([0-9]+|" DATE ".*)$");
      break;
    case V1_MONTH:
      json_write_text(doc->json, "type", "string");
      json_write_text(doc->json, "pattern", "^[0-9]{4}-(0[1-9]|1[0-2])$");
      break;
    case V1_ZONE:
      schema_text(doc, 1, 0);
      break;
    case V1_PROJECT:
      schema_text(doc, param->least, param->most);
      break;
    case V1_AS_OF:
      json_write_text(doc->json, "type", "string");
      json_write_text(doc->json, "pattern", "^([0-9]+|" DATE ".+)$");
      break;
  }
  if (is_number)
    put_number_default(doc, param);
  else if (param->preset != NULL)
    json_write_text(doc->json, "default", param->preset);
}

static bool is_list(const struct v1_param *param) { return param->repeats || param->type == V1_CHOICES; }

static void put_schema(struct doc *doc, const struct v1_param *param) {
  json_write_object(doc->json, "schema");
  if (is_family(str_of(param->name))) {
    json_write_text(doc->json, "type", "object");
    json_write_object(doc->json, "propertyNames");
    schema_family(doc, "pattern", str_of(param->name));
    json_write_end(doc->json);
    json_write_object(doc->json, "additionalProperties");
    put_value(doc, param);
    json_write_end(doc->json);
  } else if (is_list(param)) {
    json_write_text(doc->json, "type", "array");
    json_write_bool(doc->json, "uniqueItems", true);
    json_write_object(doc->json, "items");
    put_value(doc, param);
    json_write_end(doc->json);
  } else {
    put_value(doc, param);
  }
  json_write_end(doc->json);
}

static void put_example(struct doc *doc, const struct v1_param *param) {
  struct str rest = str_of(param->example);
  if (is_family(str_of(param->name))) {
    SCOPED_MALLOC char *name = strndup(rest.ptr, strcspn(rest.ptr, "="));
    CHECK(name != NULL);
    (void)str_cut(&rest, '=');
    json_write_object(doc->json, "example");
    json_write_str(doc->json, name, rest);
    json_write_end(doc->json);
  } else if (is_list(param)) {
    json_write_list(doc->json, "example");
    while (rest.len > 0)
      json_write_str(doc->json, NULL, str_cut(&rest, ','));
    json_write_end(doc->json);
  } else if (param->type == V1_INT || param->type == V1_FLAG) {
    json_write_raw(doc->json, "example", str_of(param->example));
  } else {
    json_write_str(doc->json, "example", rest);
  }
}

/* The help, and what the parameter excludes. */
static void put_help(struct doc *doc, const struct v1_param *param) {
  static const char *const begin[] = {". Not together with ", "。不能同时给出 "};
  SCOPED(buf_fini) struct buf text = {0};
  struct str rest = str_of(param->excludes);
  buf_text(&text, param->help[doc->language]);
  for (struct str word = doc_next_word(&rest); word.len > 0; word = doc_next_word(&rest)) {
    buf_text(&text, word.ptr == param->excludes ? begin[doc->language] : ", ");
    buf_str(&text, word);
  }
  json_write_str(doc->json, "description", buf_view(&text));
}

void schema_param(struct doc *doc, const struct v1_param *param, const char *where) {
  struct str name = str_of(param->name);
  bool is_path = strcmp(where, "path") == 0;
  json_write_object(doc->json, NULL);
  json_write_str(doc->json, "name", is_family(name) ? str_make(name.ptr, name.len - 1) : name);
  json_write_text(doc->json, "in", where);
  if (is_path) json_write_bool(doc->json, "required", true);
  put_help(doc, param);
  if (param->may_be_empty && !is_family(name)) json_write_bool(doc->json, "allowEmptyValue", true);
  if (is_family(name) || is_list(param)) {
    json_write_text(doc->json, "style", "form");
    json_write_bool(doc->json, "explode", param->type != V1_CHOICES);
  }
  put_schema(doc, param);
  put_example(doc, param);
  if (is_family(name)) json_write_str(doc->json, "x-codecmeter-family", name);
  if (param->excludes != NULL) doc_words(doc, "x-codecmeter-excludes", param->excludes);
  json_write_end(doc->json);
}

/* ---- columns of /v1 ---- */

static const char *json_type(struct str type) {
  if (str_starts(type, STR("integer"))) return "integer";
  if (str_starts(type, STR("boolean"))) return "boolean";
  if (str_starts(type, STR("list"))) return "array";
  if (str_starts(type, STR("object"))) return "object";
  CHECK(str_starts(type, STR("text")) || str_starts(type, STR("time")));
  return "string";
}

static struct str behind(const struct v1_column *column, struct str prefix) {
  struct str name = str_of(column->name);
  return str_make(name.ptr + prefix.len, name.len - prefix.len);
}

/* True if the column is a direct member of the object with this prefix. */
static bool is_in(const struct v1_column *column, struct str prefix) {
  if (!str_starts(str_of(column->name), prefix)) return false;
  struct str own = behind(column, prefix);
  const char *dot = memchr(own.ptr, '.', own.len);
  return own.len > 0 && (dot == NULL || dot == own.ptr + own.len - 1);
}

static bool has_members(const struct v1_column *columns, struct str prefix) {
  for (; columns->name != NULL; columns++) {
    if (str_starts(str_of(columns->name), prefix)) return true;
  }
  return false;
}

/* The schema of a column, without its help. */
static void put_column_schema(struct doc *doc, const struct v1_column *columns, const struct v1_column *column) {
  struct str type = str_of(column->type);
  const char *is = json_type(type);
  SCOPED(buf_fini) struct buf inner = {0};
  if (memchr(type.ptr, '?', type.len) != NULL) {
    json_write_list(doc->json, "type");
    json_write_text(doc->json, NULL, is);
    json_write_text(doc->json, NULL, "null");
    json_write_end(doc->json);
  } else {
    json_write_text(doc->json, "type", is);
  }
  if (str_starts(type, STR("integer"))) json_write_text(doc->json, "format", "int64");
  if (str_starts(type, STR("time"))) json_write_text(doc->json, "format", "date-time");
  if (str_starts(type, STR("list"))) json_write_raw(doc->json, "items", STR("{\"type\":\"string\"}"));
  if (!str_starts(type, STR("object"))) return;
  buf_printf(&inner, "%s.", column->name);
  if (has_members(columns, buf_view(&inner)))
    schema_columns(doc, columns, buf_view(&inner));
  else
    json_write_raw(doc->json, "additionalProperties", STR("{\"type\":\"string\"}"));
}

void schema_column(struct doc *doc, const struct v1_column *columns, const struct v1_column *column,
                   struct str prefix) {
  SCOPED_MALLOC char *name = strndup(behind(column, prefix).ptr, behind(column, prefix).len);
  CHECK(name != NULL);
  json_write_object(doc->json, name);
  put_column_schema(doc, columns, column);
  doc_say(doc, "description", column->help);
  json_write_end(doc->json);
}

/* Families, and their places among the properties. */
static void put_families(struct doc *doc, const struct v1_column *columns, struct str prefix) {
  bool is_open = false;
  for (const struct v1_column *column = columns; column->name != NULL; column++) {
    if (!is_in(column, prefix) || !is_family(behind(column, prefix))) continue;
    char pattern[PATTERN_SIZE];
    if (!is_open) json_write_object(doc->json, "patternProperties");
    is_open = true;
    write_family(behind(column, prefix), "\\\\", pattern);
    json_write_object(doc->json, pattern);
    put_column_schema(doc, columns, column);
    doc_say(doc, "description", column->help);
    json_write_end(doc->json);
  }
  if (!is_open) return;
  json_write_end(doc->json);
  json_write_list(doc->json, "x-codecmeter-order");
  for (const struct v1_column *column = columns; column->name != NULL; column++) {
    if (is_in(column, prefix)) json_write_str(doc->json, NULL, behind(column, prefix));
  }
  json_write_end(doc->json);
}

void schema_columns(struct doc *doc, const struct v1_column *columns, struct str prefix) {
  json_write_object(doc->json, "properties");
  for (const struct v1_column *column = columns; column->name != NULL; column++) {
    if (is_in(column, prefix) && !is_family(behind(column, prefix))) schema_column(doc, columns, column, prefix);
  }
  json_write_end(doc->json);
  put_families(doc, columns, prefix);
  json_write_list(doc->json, "required");
  for (const struct v1_column *column = columns; column->name != NULL; column++) {
    bool is_always = is_in(column, prefix) && !is_family(behind(column, prefix)) && strchr(column->type, '+') == NULL;
    if (is_always) json_write_str(doc->json, NULL, behind(column, prefix));
  }
  json_write_end(doc->json);
  json_write_bool(doc->json, "additionalProperties", false);
}
