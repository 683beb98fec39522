#include "ingest/read/binary.h"

static const struct str prefix = STR("ce-");

bool event_header_is_attribute(struct str name) {
  return name.len > prefix.len && str_equal_nocase(str_make(name.ptr, prefix.len), prefix);
}

/* Removes quotes, then decodes percent-encoding once. A percent sign that two hex digits do not follow is kept,
 * because some senders encode nothing. */
static struct str decode(struct arena *arena, struct str value) {
  char *text = arena_alloc_raw(arena, value.len + 1);
  if (text == NULL) return str_make(NULL, 0);
  size_t len = 0;
  bool is_quoted = value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"';
  size_t at = is_quoted ? 1 : 0, end = is_quoted ? value.len - 1 : value.len;
  for (; at < end; at++) {
    if (is_quoted && value.ptr[at] == '\\' && at + 1 < end) at++;
    text[len++] = value.ptr[at];
  }
  return str_make(text, bytes_percent_decode(str_make(text, len), text));
}

/* Header names match in any case; names of attributes are in lower case. */
static struct str lower(struct arena *arena, struct str name) {
  struct str kept = arena_copy(arena, name);
  char *text = (char *)(uintptr_t)kept.ptr;
  for (size_t i = 0; i < kept.len; i++) {
    if (text[i] >= 'A' && text[i] <= 'Z') text[i] = (char)(text[i] | 0x20);
  }
  return kept;
}

static int shown(struct str name) { return name.len < 64 ? (int)name.len : 64; }

static int read_attribute(struct arena *arena, const struct event_header *header, struct json *ret, struct err *err) {
  struct str name = lower(arena, str_make(header->name.ptr + prefix.len, header->name.len - prefix.len));
  struct str value = decode(arena, header->value);
  if (name.ptr == NULL || value.ptr == NULL) return err_set(err, ERR_MEMORY, "the event's headers are too large");
  if (!str_is_utf8(value)) return err_set(err, ERR_PARSE, "ce-%.*s: must be UTF-8", shown(name), name.ptr);
  bool is_for_bodies =
      str_equal(name, STR("datacontenttype")) || str_equal(name, STR("data")) || str_equal(name, STR("data_base64"));
  if (is_for_bodies) {
    return err_set(err, ERR_PARSE, "ce-%.*s: not allowed: the body is the data, and Content-Type its type",
                   shown(name), name.ptr);
  }
  *ret = (struct json){.type = JSON_STRING, .name = name, .text = value};
  return 0;
}

static int read_data(struct json_parser *parser, struct arena *arena, struct str body, struct json *ret,
                     struct err *err) {
  const struct json *data;
  int result = json_parse(parser, arena, body, EVENT_DEPTH_MAX, &data, err);
  if (result == -ERR_LIMIT) return err_set(err, ERR_PARSE, "its JSON is nested deeper than %d", EVENT_DEPTH_MAX);
  if (result != 0) return result;
  *ret = *data;
  ret->name = STR("data");
  return 0;
}

int binary_assemble(struct json_parser *parser, struct arena *arena, const struct event_source *source,
                    const struct json **ret, struct err *err) {
  struct json *event = arena_alloc(arena, sizeof *event);
  struct json *members = arena_alloc(arena, (source->headers_count + 1) * sizeof *members);
  if (event == NULL || members == NULL) return err_set(err, ERR_MEMORY, "the event's headers are too large");
  size_t count = 0;
  int result = 0;
  for (size_t i = 0; i < source->headers_count && result == 0; i++) {
    result = read_attribute(arena, &source->headers[i], &members[count++], err);
  }
  if (result == 0 && source->body.len > 0) result = read_data(parser, arena, source->body, &members[count++], err);
  if (result != 0) return result;
  for (size_t i = 0; i + 1 < count; i++)
    members[i].next = &members[i + 1];
  event->type = JSON_OBJECT;
  event->child = count > 0 ? members : NULL;
  *ret = event;
  return 0;
}
