/* What the tables of /v1 say, as JSON Schema. */
#include "openapi/schema.h"

#include <string.h>

#include "base/check.h"
#include "meter/labels.h"

void schema_text(struct doc *doc, int64_t least, int64_t most) {
  doc_text(doc, "type", "string");
  if (least > 0) doc_integer(doc, "minLength", 1);
  if (most > 0) doc_integer(doc, "maxLength", most);
}

void schema_plain_integer(struct doc *doc) {
  doc_text(doc, "type", "integer");
  doc_text(doc, "format", "int64");
}

void schema_integer(struct doc *doc, int64_t least, int64_t most) {
  schema_plain_integer(doc);
  doc_integer(doc, "minimum", least);
  doc_integer(doc, "maximum", most);
}

static void write_family(struct str family, struct buf *out) {
  CHECK(family.len > 0 && family.ptr[family.len - 1] == '.');
  buf_printf(out, "^%.*s\\.[a-z][a-z0-9_]{0,%d}$", (int)family.len - 1, family.ptr, LABEL_NAME_MAX - 1);
}

void schema_family(struct doc *doc, const char *name, struct str family) {
  SCOPED(buf_fini) struct buf pattern = {0};
  write_family(family, &pattern);
  doc_str(doc, name, buf_view(&pattern));
}

static bool is_family(struct str word) { return word.len > 0 && word.ptr[word.len - 1] == '.'; }

/* ---- parameters of /v1 ---- */

#define DATE "[0-9]{4}-[0-9]{2}-[0-9]{2}"

/* A list of words, without a family. */
static void put_enum(struct doc *doc, const char *choices, bool may_be_empty) {
  struct str rest = str_of(choices);
  doc_open_list(doc, "enum");
  if (may_be_empty) doc_text(doc, NULL, "");
  for (struct str word = doc_next_word(&rest); word.len > 0; word = doc_next_word(&rest)) {
    if (!is_family(word)) doc_str(doc, NULL, word);
  }
  doc_close_list(doc);
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
  doc_text(doc, "type", "string");
  if (family.len == 0) {
    put_enum(doc, param->choices, param->may_be_empty);
    return;
  }
  doc_open_list(doc, "anyOf");
  doc_open(doc, NULL);
  put_enum(doc, param->choices, false);
  doc_close(doc);
  doc_open(doc, NULL);
  schema_family(doc, "pattern", family);
  doc_close(doc);
  doc_close_list(doc);
}

static void put_number_default(struct doc *doc, const struct v1_param *param) {
  if (param->preset != NULL) doc_json(doc, "default", param->preset);
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
      if (param->pattern != NULL) doc_text(doc, "pattern", param->pattern);
      break;
    case V1_INT:
      schema_integer(doc, param->least, param->most);
      break;
    case V1_FLAG:
      schema_plain_integer(doc);
      doc_json(doc, "enum", "[0,1]");
      break;
    case V1_CHOICE:
    case V1_CHOICES:
      put_choices(doc, param);
      break;
    case V1_TIME:
      doc_text(doc, "type", "string");
      doc_text(doc, "pattern", "^([0-9]+|" DATE ".*)$");
      break;
    case V1_MONTH:
      doc_text(doc, "type", "string");
      doc_text(doc, "pattern", "^[0-9]{4}-(0[1-9]|1[0-2])$");
      break;
    case V1_ZONE:
      schema_text(doc, 1, 0);
      break;
    case V1_PROJECT:
      schema_text(doc, param->least, param->most);
      break;
    case V1_AS_OF:
      doc_text(doc, "type", "string");
      doc_text(doc, "pattern", "^([0-9]+|" DATE ".+)$");
      break;
  }
  if (is_number)
    put_number_default(doc, param);
  else if (param->preset != NULL)
    doc_text(doc, "default", param->preset);
}

static bool is_list(const struct v1_param *param) { return param->repeats || param->type == V1_CHOICES; }

static void put_schema(struct doc *doc, const struct v1_param *param) {
  doc_open(doc, "schema");
  if (is_family(str_of(param->name))) {
    doc_text(doc, "type", "object");
    doc_open(doc, "propertyNames");
    schema_family(doc, "pattern", str_of(param->name));
    doc_close(doc);
    doc_open(doc, "additionalProperties");
    put_value(doc, param);
    doc_close(doc);
  } else if (is_list(param)) {
    doc_text(doc, "type", "array");
    doc_bool(doc, "uniqueItems", true);
    doc_open(doc, "items");
    put_value(doc, param);
    doc_close(doc);
  } else {
    put_value(doc, param);
  }
  doc_close(doc);
}

static void put_example(struct doc *doc, const struct v1_param *param) {
  struct str rest = str_of(param->example);
  if (is_family(str_of(param->name))) {
    SCOPED_MALLOC char *name = strndup(rest.ptr, strcspn(rest.ptr, "="));
    CHECK(name != NULL);
    (void)str_cut(&rest, '=');
    doc_open(doc, "example");
    doc_str(doc, name, rest);
    doc_close(doc);
  } else if (is_list(param)) {
    doc_open_list(doc, "example");
    while (rest.len > 0)
      doc_str(doc, NULL, str_cut(&rest, ','));
    doc_close_list(doc);
  } else if (param->type == V1_INT || param->type == V1_FLAG) {
    doc_json(doc, "example", param->example);
  } else {
    doc_str(doc, "example", rest);
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
  doc_str(doc, "description", buf_view(&text));
}

void schema_param(struct doc *doc, const struct v1_param *param, const char *where) {
  struct str name = str_of(param->name);
  bool is_path = strcmp(where, "path") == 0;
  doc_open(doc, NULL);
  doc_str(doc, "name", is_family(name) ? str_make(name.ptr, name.len - 1) : name);
  doc_text(doc, "in", where);
  if (is_path) doc_bool(doc, "required", true);
  put_help(doc, param);
  if (param->may_be_empty && !is_family(name)) doc_bool(doc, "allowEmptyValue", true);
  if (is_family(name) || is_list(param)) {
    doc_text(doc, "style", "form");
    doc_bool(doc, "explode", param->type != V1_CHOICES);
  }
  put_schema(doc, param);
  put_example(doc, param);
  if (is_family(name)) doc_str(doc, "x-codecmeter-family", name);
  if (param->excludes != NULL) doc_words(doc, "x-codecmeter-excludes", param->excludes);
  doc_close(doc);
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
    doc_open_list(doc, "type");
    doc_text(doc, NULL, is);
    doc_text(doc, NULL, "null");
    doc_close_list(doc);
  } else {
    doc_text(doc, "type", is);
  }
  if (str_starts(type, STR("integer"))) doc_text(doc, "format", "int64");
  if (str_starts(type, STR("time"))) doc_text(doc, "format", "date-time");
  if (str_starts(type, STR("list"))) doc_json(doc, "items", "{\"type\":\"string\"}");
  if (!str_starts(type, STR("object"))) return;
  buf_printf(&inner, "%s.", column->name);
  if (has_members(columns, buf_view(&inner)))
    schema_columns(doc, columns, buf_view(&inner));
  else
    doc_json(doc, "additionalProperties", "{\"type\":\"string\"}");
}

void schema_column(struct doc *doc, const struct v1_column *columns, const struct v1_column *column,
                   struct str prefix) {
  SCOPED_MALLOC char *name = strndup(behind(column, prefix).ptr, behind(column, prefix).len);
  CHECK(name != NULL);
  doc_open(doc, name);
  put_column_schema(doc, columns, column);
  doc_say(doc, "description", column->help);
  doc_close(doc);
}

/* Families, and their places among the properties. */
static void put_families(struct doc *doc, const struct v1_column *columns, struct str prefix) {
  bool is_open = false;
  for (const struct v1_column *column = columns; column->name != NULL; column++) {
    if (!is_in(column, prefix) || !is_family(behind(column, prefix))) continue;
    SCOPED(buf_fini) struct buf pattern = {0};
    if (!is_open) doc_open(doc, "patternProperties");
    is_open = true;
    write_family(behind(column, prefix), &pattern);
    buf_char(&pattern, '\0');
    doc_open(doc, pattern.ptr);
    put_column_schema(doc, columns, column);
    doc_say(doc, "description", column->help);
    doc_close(doc);
  }
  if (!is_open) return;
  doc_close(doc);
  doc_open_list(doc, "x-codecmeter-order");
  for (const struct v1_column *column = columns; column->name != NULL; column++) {
    if (is_in(column, prefix)) doc_str(doc, NULL, behind(column, prefix));
  }
  doc_close_list(doc);
}

void schema_columns(struct doc *doc, const struct v1_column *columns, struct str prefix) {
  doc_open(doc, "properties");
  for (const struct v1_column *column = columns; column->name != NULL; column++) {
    if (is_in(column, prefix) && !is_family(behind(column, prefix))) schema_column(doc, columns, column, prefix);
  }
  doc_close(doc);
  put_families(doc, columns, prefix);
  doc_open_list(doc, "required");
  for (const struct v1_column *column = columns; column->name != NULL; column++) {
    bool is_always = is_in(column, prefix) && !is_family(behind(column, prefix)) && strchr(column->type, '+') == NULL;
    if (is_always) doc_str(doc, NULL, behind(column, prefix));
  }
  doc_close_list(doc);
  doc_bool(doc, "additionalProperties", false);
}
