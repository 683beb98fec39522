#include "base/json_write.h"

#include "base/check.h"
#include "base/json.h"

static_assert(JSON_WRITE_DEPTH_MAX <= 32, "objects has a bit for each depth");

struct json_write json_write_to(struct buf *out) { return (struct json_write){.out = out}; }

static bool is_in_object(const struct json_write *json) {
  return json->depth > 0 && (json->objects >> (json->depth - 1) & 1) != 0;
}

static void separate(struct json_write *json) {
  CHECK(json->depth > 0 || !json->needs_comma); /* a text has one value */
  if (json->needs_comma) buf_char(json->out, ',');
  json->needs_comma = true;
}

void json_write_next(struct json_write *json, const char *name) {
  CHECK((name != NULL) == is_in_object(json));
  separate(json);
  if (name == NULL) return;
  buf_char(json->out, '"');
  buf_text(json->out, name);
  buf_text(json->out, "\":");
}

static void open_next(struct json_write *json, const char *name, bool is_object) {
  CHECK(json->depth < JSON_WRITE_DEPTH_MAX);
  json_write_next(json, name);
  buf_char(json->out, is_object ? '{' : '[');
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

void json_write_i64(struct json_write *json, const char *name, int64_t value) {
  json_write_next(json, name);
  buf_i64(json->out, value);
}

void json_write_u64(struct json_write *json, const char *name, uint64_t value) {
  json_write_next(json, name);
  buf_u64(json->out, value);
}

void json_write_bool(struct json_write *json, const char *name, bool value) {
  json_write_raw(json, name, value ? STR("true") : STR("false"));
}

void json_write_null(struct json_write *json, const char *name) { json_write_raw(json, name, STR("null")); }

void json_write_raw(struct json_write *json, const char *name, struct str value) {
  json_write_next(json, name);
  buf_str(json->out, value);
}

void json_write_member(struct json_write *json, struct str name, struct str text) {
  CHECK(is_in_object(json));
  separate(json);
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
