#include "base/json_write.h"

#include "base/check.h"
#include "base/json.h"

static_assert(JSON_WRITE_DEPTH_MAX <= 32, "objects has a bit for each depth");

struct json_write json_write_to(struct buf *out) { return (struct json_write){.out = out}; }

static bool is_in_object(const struct json_write *json) {
  return json->depth > 0 && (json->objects >> (json->depth - 1) & 1) != 0;
}

/* Writes the comma, the name and the value in one append: JSON consists of little else. */
static void put(struct json_write *json, const char *name, struct str value) {
  CHECK((name != NULL) == is_in_object(json));
  CHECK(json->depth > 0 || !json->needs_comma); /* a text has one value */
  size_t comma_len = json->needs_comma ? 1 : 0, name_len = name != NULL ? strlen(name) : 0;
  size_t len = comma_len + (name != NULL ? name_len + 3 : 0) + value.len;
  json->needs_comma = true;
  char *at = len > 0 ? buf_extend(json->out, len) : NULL;
  if (at == NULL) return;
  if (comma_len > 0) *at++ = ',';
  if (name != NULL) {
    *at++ = '"';
    memcpy(at, name, name_len);
    at += name_len;
    *at++ = '"';
    *at++ = ':';
  }
  if (value.len > 0) memcpy(at, value.ptr, value.len);
}

void json_write_next(struct json_write *json, const char *name) { put(json, name, STR("")); }

static void open_next(struct json_write *json, const char *name, bool is_object) {
  CHECK(json->depth < JSON_WRITE_DEPTH_MAX);
  put(json, name, is_object ? STR("{") : STR("["));
  uint32_t bit = UINT32_C(1) << json->depth++;
  json->objects = is_object ? json->objects | bit : json->objects & ~bit;
  json->needs_comma = false;
}

void json_write_object(struct json_write *json, const char *name) { open_next(json, name, true); }
void json_write_list(struct json_write *json, const char *name) { open_next(json, name, false); }

void json_write_end(struct json_write *json) {
  CHECK(json->depth > 0);
  buf_char(json->out, is_in_object(json) ? '}' : ']');
  json->depth--;
  json->needs_comma = true;
}

void json_write_str(struct json_write *json, const char *name, struct str text) {
  json_write_next(json, name);
  json_quote(json->out, text);
}

void json_write_text(struct json_write *json, const char *name, const char *text) {
  json_write_str(json, name, str_of(text));
}

static void put_number(struct json_write *json, const char *name, bool is_negative, uint64_t size) {
  char text[1 + BYTES_DIGITS_MAX] = "-";
  size_t start = is_negative ? 0 : 1;
  size_t end = 1 + bytes_digits(size, text + 1);
  put(json, name, str_make(text + start, end - start));
}

void json_write_i64(struct json_write *json, const char *name, int64_t value) {
  put_number(json, name, value < 0, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void json_write_u64(struct json_write *json, const char *name, uint64_t value) {
  put_number(json, name, false, value);
}

void json_write_bool(struct json_write *json, const char *name, bool value) {
  json_write_raw(json, name, value ? STR("true") : STR("false"));
}

void json_write_null(struct json_write *json, const char *name) { json_write_raw(json, name, STR("null")); }

void json_write_raw(struct json_write *json, const char *name, struct str value) {
  put(json, name, value);
}

void json_write_member(struct json_write *json, struct str name, struct str text) {
  CHECK(is_in_object(json));
  if (json->needs_comma) buf_char(json->out, ',');
  json->needs_comma = true;
  json_quote(json->out, name);
  buf_char(json->out, ':');
  json_quote(json->out, text);
}

static void append_tree(struct buf *out, const struct json *tree) {
  switch (tree->type) {
    case JSON_NULL:
      buf_text(out, "null");
      break;
    case JSON_TRUE:
      buf_text(out, "true");
      break;
    case JSON_FALSE:
      buf_text(out, "false");
      break;
    case JSON_NUMBER:
      buf_str(out, tree->text);
      break;
    case JSON_STRING:
      json_quote(out, tree->text);
      break;
    case JSON_ARRAY:
    case JSON_OBJECT:
      buf_char(out, tree->type == JSON_ARRAY ? '[' : '{');
      for (const struct json *child = tree->child; child != NULL; child = child->next) {
        if (child != tree->child) buf_char(out, ',');
        if (tree->type == JSON_OBJECT) {
          json_quote(out, child->name);
          buf_char(out, ':');
        }
        append_tree(out, child);
      }
      buf_char(out, tree->type == JSON_ARRAY ? ']' : '}');
      break;
  }
}

void json_write_tree(struct json_write *json, const char *name, const struct json *tree) {
  json_write_next(json, name);
  append_tree(json->out, tree);
}

struct json_write json_write_reopen(struct buf *out) {
  struct json_write json = {.out = out, .objects = 1, .depth = 1, .needs_comma = true};
  if (out->failed) return json;
  CHECK(out->len >= 2 && out->ptr[out->len - 1] == '}');
  out->len--;
  json.needs_comma = out->ptr[out->len - 1] != '{';
  return json;
}
