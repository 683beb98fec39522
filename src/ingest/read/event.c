/* An array is scanned as a whole if possible, because one scan of a thousand events is cheaper than a thousand scans.
 * A tree takes twenty times the size of its text. So only one event's tree exists at a time, and only the parts that
 * a record needs are kept.
 *
 * When an array does not parse, the cause is usually in one of its events: a file name in another encoding, a NaN,
 * half a surrogate pair. Then the array is cut at the commas between its elements, which needs only brackets and
 * quotes, and each element is parsed alone. The bad ones are rejected, and their neighbours are counted. If the array
 * cannot be cut with certainty (an element without brackets or with unpaired ones, or text behind the array), the
 * frame is wrong, and the error is that of the first attempt.
 */
#include "ingest/read/event.h"

#include "base/check.h"
#include "ingest/read/binary.h"
#include "ingest/read/fields.h"

/* ---- gathering events ---- */

struct gathering {
  struct json_parser *parser;
  struct arena *arena;      /* for what is kept */
  struct arena *scratch;    /* for the tree of one event */
  struct event_rules rules; /* their texts live in the arena */
  bool needs_specversion;
  bool has_failed; /* for another reason than wrong JSON */
  size_t expected; /* events that there is room for */
  struct events events;
};

/* What an event needs in the arena beside the bytes of its texts: its entries, the ends and alignment of its texts,
 * and a reason. */
#define EVENT_KEPT_MAX (sizeof(struct event) + sizeof(struct usage) + 17 * 17 + REASON_MAX)
#define REASON_MAX 300
#define TOO_LARGE "the event is too large: its JSON takes more than 4 MiB of memory"
_Static_assert(EVENT_TREE_MAX == (size_t)4 << 20, "TOO_LARGE spells it out");

/* An event takes at least two bytes of the source, and its separator one. */
size_t event_memory_max(size_t source_len, uint32_t events_max) {
  size_t events = source_len / 2 + 1 < events_max ? source_len / 2 + 1 : events_max;
  return source_len + events * EVENT_KEPT_MAX + PROJECT_ID_MAX + USAGE_TOKEN_MAX + 96;
}

static int out_of_memory(struct err *err) {
  return err_set(err, ERR_MEMORY, "the body needs more memory than a request may use");
}

static int refuse_body(const struct err *why, struct err *err) {
  return err_set(err, why->code, "the body cannot be read: %s", why->text);
}

/* Makes room for exactly `count` events. */
static int expect_events(struct gathering *gathering, size_t count, struct err *err) {
  if (count > gathering->rules.events_max) {
    return err_set(err, ERR_LIMIT, "more than %u events in one body (ingest.events_max)",
                   gathering->rules.events_max);
  }
  struct events *events = &gathering->events;
  gathering->expected = count;
  events->items = arena_alloc_raw(gathering->arena, count * sizeof *events->items);
  events->usages = arena_alloc_raw(gathering->arena, count * sizeof *events->usages);
  return events->items != NULL && events->usages != NULL ? 0 : out_of_memory(err);
}

static int add_event(struct gathering *gathering, const struct json *json, struct err *err) {
  struct events *events = &gathering->events;
  CHECK(events->count < gathering->expected);
  struct event *event = &events->items[events->count];
  struct usage *usage = &events->usages[events->usages_count];
  int result = fields_read(json, &gathering->rules, gathering->needs_specversion, gathering->scratch,
                           gathering->arena, event, usage);
  if (result == -ERR_MEMORY || arena_is_starved(gathering->scratch)) return out_of_memory(err);
  if (result == -ERR_LIMIT) event->reason = TOO_LARGE;
  events->count++;
  if (result == 0) events->usages_count++;
  return 0;
}

/* Its sender will not send it again. So one for which there is only no memory now is not called too large. */
static int add_too_large(struct gathering *gathering, struct err *err) {
  struct events *events = &gathering->events;
  if (arena_is_starved(gathering->scratch)) return out_of_memory(err);
  CHECK(events->count < gathering->expected);
  events->items[events->count++] = (struct event){.id = STR(""), .reason = TOO_LARGE};
  return 0;
}

static int add_unreadable(struct gathering *gathering, const struct err *why, struct err *err) {
  SCOPED(buf_fini) struct buf text = {0};
  buf_printf(&text, "the event cannot be read: %.200s", why->text);
  struct str reason = arena_copy(gathering->arena, buf_view(&text));
  if (text.failed) arena_starve(gathering->arena);
  if (text.failed || reason.ptr == NULL) return out_of_memory(err);
  struct events *events = &gathering->events;
  CHECK(events->count < gathering->expected);
  events->items[events->count++] = (struct event){.id = STR(""), .reason = reason.ptr};
  return 0;
}

static int too_deep(struct err *err) {
  return err_set(err, ERR_PARSE, "its JSON is nested deeper than %d", EVENT_DEPTH_MAX);
}

static int parse(struct gathering *gathering, struct str text, const struct json **ret, struct err *err) {
  arena_reset(gathering->scratch);
  int result = json_parse(gathering->parser, gathering->scratch, text, EVENT_DEPTH_MAX, ret, err);
  return result == -ERR_LIMIT ? too_deep(err) : result;
}

/* Adds an event that is parsed alone. If it is not JSON, or too large, it is rejected and the others are not
 * affected. */
static int add_text(struct gathering *gathering, struct str text, struct err *err) {
  const struct json *json;
  struct err why = {0};
  int result = parse(gathering, text, &json, &why);
  if (result == 0) return add_event(gathering, json, err);
  if (result == -ERR_PARSE) return add_unreadable(gathering, &why, err);
  return add_too_large(gathering, err);
}

/* ---- an array that does not parse as a whole ---- */

/* The index of the closing quote of the string that begins at `at`, or the text's end. */
static size_t end_of_string(struct str text, size_t at) {
  for (at++; at < text.len && text.ptr[at] != '"'; at++) {
    if (text.ptr[at] == '\\') at++;
  }
  return at;
}

/* Takes an element, and the comma or bracket behind it, from the front of an array's inside. False if the element
 * does not end, or if there is something between it and the comma. */
static bool take_element(struct str *rest, struct str *ret_element, bool *ret_is_last) {
  size_t depth = 0;
  bool is_closed = false;
  for (size_t i = 0; i < rest->len; i++) {
    char c = rest->ptr[i];
    if (depth == 0 && (c == ',' || c == ']')) {
      *ret_element = json_trim(str_make(rest->ptr, i));
      *ret_is_last = c == ']';
      *rest = str_make(rest->ptr + i + 1, rest->len - i - 1);
      return true;
    }
    if (is_closed && !json_is_blank(c)) return false;
    if (c == '"') {
      i = end_of_string(*rest, i);
    } else if (c == '{' || c == '[') {
      depth++;
    } else if (c == '}' || c == ']') {
      if (depth == 0) return false;
      is_closed = --depth == 0;
    }
  }
  return false;
}

static bool is_enclosed(struct str element) {
  if (element.len < 2) return false;
  char first = element.ptr[0], last = element.ptr[element.len - 1];
  return (first == '{' && last == '}') || (first == '[' && last == ']');
}

/* Counts the elements. False if the array cannot be cut, or if something follows it. */
static bool count_elements(struct str inside, size_t *ret) {
  struct str element;
  size_t count = 0;
  for (bool is_last = false; !is_last; count++) {
    if (!take_element(&inside, &element, &is_last) || !is_enclosed(element)) return false;
  }
  *ret = count;
  return json_trim(inside).len == 0;
}

static int read_array_in_pieces(struct gathering *gathering, struct str body, const struct err *complaint,
                                struct err *err) {
  struct str inside = str_make(body.ptr + 1, body.len - 1), element;
  size_t count;
  if (!count_elements(inside, &count)) return refuse_body(complaint, err);
  int result = expect_events(gathering, count, err);
  for (bool is_last = false; !is_last && result == 0;) {
    bool is_there = take_element(&inside, &element, &is_last);
    CHECK(is_there); /* count_elements has found it */
    result = add_text(gathering, element, err);
  }
  return result;
}

/* ---- bodies ---- */

/* The caller's rules may be gone when the usages are read. */
static bool keep_rule(struct arena *arena, const char **text) {
  if (*text == NULL) return true;
  *text = arena_copy(arena, str_of(*text)).ptr;
  return *text != NULL;
}

/* Begins to gather, with nothing. */
static int start(struct gathering *gathering, const struct event_rules *rules, struct err *err) {
  arena_reset(gathering->arena);
  gathering->events = (struct events){0};
  gathering->rules = *rules;
  bool fits = keep_rule(gathering->arena, &gathering->rules.project) && keep_rule(gathering->arena, &gathering->rules.token);
  return fits ? 0 : out_of_memory(err);
}

static int take_count(void *arg, size_t count, struct err *err) {
  struct gathering *gathering = arg;
  int result = expect_events(gathering, count, err);
  gathering->has_failed = result != 0;
  return result;
}

static int take_event(void *arg, const struct json *json, struct err *err) {
  struct gathering *gathering = arg;
  int result = json != NULL ? add_event(gathering, json, err) : add_too_large(gathering, err);
  gathering->has_failed = result != 0;
  return result;
}

static int read_array(struct gathering *gathering, struct str body, const struct event_rules *rules,
                      struct err *err) {
  const struct json_taker taker = {.count = take_count, .element = take_event, .arg = gathering};
  struct err why = {0};
  int result = json_parse_array(gathering->parser, gathering->scratch, body, EVENT_DEPTH_MAX, &taker, &why);
  if (result == 0) return 0;
  if (gathering->has_failed || result == -ERR_MEMORY) {
    *err = why;
    return result;
  }
  if (result == -ERR_LIMIT) (void)too_deep(&why);
  result = start(gathering, rules, err);
  return result == 0 ? read_array_in_pieces(gathering, body, &why, err) : result;
}

/* Adds the only event of a body. json is NULL if its tree did not fit. */
static int add_single(struct gathering *gathering, const struct json *json, struct err *err) {
  gathering->events.single = true;
  int result = expect_events(gathering, 1, err);
  if (result != 0) return result;
  return json != NULL ? add_event(gathering, json, err) : add_too_large(gathering, err);
}

/* Takes the next line that is not blank from the front. False if there is none. */
static bool take_line(struct str *rest, struct str *ret) {
  while (rest->len > 0) {
    const char *end = memchr(rest->ptr, '\n', rest->len);
    size_t len = end != NULL ? (size_t)(end - rest->ptr) : rest->len;
    size_t used = end != NULL ? len + 1 : len;
    *ret = json_trim(str_make(rest->ptr, len));
    *rest = str_make(rest->ptr + used, rest->len - used);
    if (ret->len > 0) return true;
  }
  return false;
}

static bool is_object_text(struct str text) {
  return text.len >= 2 && text.ptr[0] == '{' && text.ptr[text.len - 1] == '}';
}

static bool looks_like_lines(struct str body) {
  struct str first, second;
  return take_line(&body, &first) && take_line(&body, &second) && is_object_text(first) && is_object_text(second);
}

static int refuse_object(struct str body, const struct err *why, struct err *err) {
  if (!looks_like_lines(body)) return refuse_body(why, err);
  return err_set(err, ERR_PARSE,
                 "the body has an event on each line: send it with the content type application/x-ndjson");
}

static int read_object(struct gathering *gathering, struct str body, bool may_be_array, struct err *err) {
  const struct json *json;
  struct err why = {0};
  int result = parse(gathering, body, &json, &why);
  if (result == -ERR_PARSE) return refuse_object(body, &why, err);
  if (result == 0 && json->type != JSON_OBJECT) {
    return err_set(err, ERR_PARSE,
                   may_be_array ? "the body must be a JSON object or an array of them"
                                : "the body must be one JSON object, an event");
  }
  return add_single(gathering, result == 0 ? json : NULL, err);
}

/* Binary mode: reads the event from the tree that it would have in structured mode. */
static int read_binary(struct gathering *gathering, const struct event_source *source, struct err *err) {
  const struct json *json;
  struct err why = {0};
  arena_reset(gathering->scratch);
  int result = binary_assemble(gathering->parser, gathering->scratch, source, &json, &why);
  if (result == -ERR_PARSE) return refuse_body(&why, err);
  return add_single(gathering, result == 0 ? json : NULL, err);
}

static int read_document(struct gathering *gathering, enum event_framing framing, struct str body,
                         const struct event_rules *rules, struct err *err) {
  bool may_be_array = framing != EVENT_FRAMING_STRUCTURED, may_be_object = framing != EVENT_FRAMING_BATCHED;
  body = json_trim(body);
  bool is_array = body.len > 0 && body.ptr[0] == '[';
  if (is_array && may_be_array) return read_array(gathering, body, rules, err);
  if (may_be_object) return read_object(gathering, body, may_be_array, err);
  return err_set(err, ERR_PARSE, "the body must be a JSON array of events");
}

static int read_lines(struct gathering *gathering, struct str body, struct err *err) {
  struct str rest = body, line;
  size_t count = 0;
  while (take_line(&rest, &line))
    count++;
  int result = expect_events(gathering, count, err);
  rest = body;
  while (result == 0 && take_line(&rest, &line))
    result = add_text(gathering, line, err);
  return result;
}

static int read_source(struct gathering *gathering, const struct event_source *source,
                       const struct event_rules *rules, struct err *err) {
  const struct str byte_order_mark = STR("\xEF\xBB\xBF");
  struct str body = source->body;
  if (source->framing == EVENT_FRAMING_BINARY) return read_binary(gathering, source, err);
  if (str_starts(body, byte_order_mark)) {
    body = str_make(body.ptr + byte_order_mark.len, body.len - byte_order_mark.len);
  }
  if (source->framing == EVENT_FRAMING_NDJSON) return read_lines(gathering, body, err);
  return read_document(gathering, source->framing, body, rules, err);
}

int event_read(struct json_parser *parser, struct arena *arena, const struct event_source *source,
               const struct event_rules *rules, struct events *ret, struct err *err) {
  SCOPED(arena_free_ref) struct arena *scratch = arena_new(EVENT_TREE_MAX);
  struct gathering gathering = {.parser = parser, .arena = arena, .scratch = scratch};
  gathering.needs_specversion = source->framing != EVENT_FRAMING_JSON && source->framing != EVENT_FRAMING_NDJSON;
  if (scratch == NULL) return err_set(err, ERR_MEMORY, "no memory to read the body");
  int result = start(&gathering, rules, err);
  if (result == 0) result = read_source(&gathering, source, rules, err);
  if (result == 0) *ret = gathering.events;
  bool is_too_large = result == -ERR_MEMORY && !arena_is_starved(arena) && !arena_is_starved(scratch);
  if (is_too_large) err->code = ERR_LIMIT; /* it would not fit another time, either */
  return is_too_large ? -ERR_LIMIT : result;
}
