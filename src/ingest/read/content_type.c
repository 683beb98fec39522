#include "ingest/read/content_type.h"

static const struct {
  struct str type;
  enum event_framing framing;
} content_types[] = {
    {STR("application/json"), EVENT_FRAMING_JSON},
    {STR("application/cloudevents+json"), EVENT_FRAMING_STRUCTURED},
    {STR("application/cloudevents-batch+json"), EVENT_FRAMING_BATCHED},
    {STR("application/x-ndjson"), EVENT_FRAMING_NDJSON},
};

/* Takes the text up to the next semicolon from the front, and trims its blanks. Semicolons in quotes do not count. */
static struct str take_part(struct str *rest) {
  size_t len = 0;
  for (bool is_quoted = false; len < rest->len && (is_quoted || rest->ptr[len] != ';'); len++) {
    if (rest->ptr[len] == '"') is_quoted = !is_quoted;
    if (is_quoted && rest->ptr[len] == '\\' && len + 1 < rest->len) len++;
  }
  struct str part = str_trim(str_make(rest->ptr, len));
  size_t used = len < rest->len ? len + 1 : len;
  *rest = str_make(rest->ptr + used, rest->len - used);
  return part;
}

static bool is_other_charset(struct str parameter) {
  const struct str name = STR("charset=");
  if (parameter.len < name.len || !str_equal_nocase(str_make(parameter.ptr, name.len), name)) return false;
  struct str value = str_make(parameter.ptr + name.len, parameter.len - name.len);
  bool is_quoted = value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"';
  if (is_quoted) value = str_make(value.ptr + 1, value.len - 2);
  return !str_equal_nocase(value, STR("utf-8")) && !str_equal_nocase(value, STR("utf8"));
}

static bool starts_nocase(struct str s, struct str start) {
  return s.len >= start.len && str_equal_nocase(str_make(s.ptr, start.len), start);
}

static bool ends_nocase(struct str s, struct str end) {
  return s.len >= end.len && str_equal_nocase(str_make(s.ptr + s.len - end.len, end.len), end);
}

static bool is_json(struct str type) { return ends_nocase(type, STR("/json")) || ends_nocase(type, STR("+json")); }

bool content_type_is_json(struct str content_type) { return is_json(take_part(&content_type)); }

int content_type_framing(struct str content_type, bool has_attributes, enum event_framing *ret, struct err *err) {
  struct str rest = content_type;
  struct str type = take_part(&rest);
  while (rest.len > 0) {
    if (is_other_charset(take_part(&rest)))
      return err_set(err, ERR_NOT_FOUND, "the content type's charset must be utf-8");
  }
  if (has_attributes && !starts_nocase(type, STR("application/cloudevents"))) {
    *ret = EVENT_FRAMING_BINARY;
    if (type.len == 0 || is_json(type)) return 0;
    return err_set(err, ERR_NOT_FOUND,
                   "the data of an event whose attributes are in headers (ce-…) must be application/json");
  }
  for (size_t i = 0; i < sizeof content_types / sizeof content_types[0]; i++) {
    if (!str_equal_nocase(type, content_types[i].type)) continue;
    *ret = content_types[i].framing;
    return 0;
  }
  return err_set(err, ERR_NOT_FOUND,
                 "the content type must be application/cloudevents+json, application/cloudevents-batch+json, "
                 "application/json or application/x-ndjson");
}

int content_type_coding(struct str content_encoding, enum content_coding *ret, struct err *err) {
  bool is_gzip = str_equal_nocase(content_encoding, STR("gzip")) || str_equal_nocase(content_encoding, STR("x-gzip"));
  *ret = is_gzip ? CODING_GZIP : CODING_IDENTITY;
  if (is_gzip || content_encoding.len == 0 || str_equal_nocase(content_encoding, STR("identity"))) return 0;
  return err_set(err, ERR_NOT_FOUND, "the content encoding must be gzip or none");
}
