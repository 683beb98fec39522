#include "api/params.h"

#include <stdlib.h>

#define TYPE_SHOWN_MAX 64 /* bytes of a content type in a message */

/* ---- forms and queries: application/x-www-form-urlencoded ---- */

/* Decodes percent-encoding; '+' is a space. */
static int decode(struct str text, struct arena *arena, struct str *ret) {
  char *out = arena_alloc_raw(arena, text.len + 1);
  if (out == NULL) return -ERR_MEMORY;
  for (size_t i = 0; i < text.len; i++)
    out[i] = text.ptr[i] == '+' ? ' ' : text.ptr[i];
  *ret = str_make(out, bytes_percent_decode(str_make(out, text.len), out));
  return 0;
}

static bool is_clean(struct str text) {
  return str_is_utf8(text) && (text.len == 0 || memchr(text.ptr, '\0', text.len) == NULL);
}

static int too_many(size_t count_max, struct err *err) {
  return err_set(err, ERR_LIMIT, "more than %zu parameters", count_max);
}

static int add_pair(struct str pair, struct arena *arena, struct param *param, struct err *err) {
  struct str name = str_cut(&pair, '=');
  if (decode(name, arena, &param->name) != 0 || decode(pair, arena, &param->value) != 0) {
    return err_set(err, ERR_MEMORY, "the body needs too much memory: send a smaller one");
  }
  if (!is_clean(param->name) || !is_clean(param->value)) {
    return err_set(err, ERR_PARSE, "names and values must be UTF-8 without NUL");
  }
  return 0;
}

static int read_form(struct str text, size_t count_max, struct arena *arena, struct params *ret, struct err *err) {
  size_t pairs = 1;
  for (size_t i = 0; i < text.len; i++) pairs += text.ptr[i] == '&';
  if (pairs > count_max) return too_many(count_max, err);
  struct params params = {.items = arena_alloc(arena, pairs * sizeof *params.items)};
  if (params.items == NULL) return err_set(err, ERR_MEMORY, "the body needs too much memory: send a smaller one");
  while (text.len > 0) {
    struct str pair = str_cut(&text, '&');
    if (pair.len == 0) continue;
    int result = add_pair(pair, arena, &params.items[params.count++], err);
    if (result != 0) return result;
  }
  *ret = params;
  return 0;
}

/* ---- JSON ---- */

static int too_long(struct err *err) {
  return err_set(err, ERR_LIMIT, "a number is longer than %d characters when written out", CANON_NUMBER_MAX);
}

/* Walks the tree once: counts the nodes, and checks every name, text and number. */
static int check_nodes(const struct json *parent, size_t count_max, size_t *count, struct err *err) {
  for (const struct json *node = parent->child; node != NULL; node = node->next) {
    if (++*count > count_max) return too_many(count_max, err);
    if (!is_clean(node->name) || !is_clean(node->text)) {
      return err_set(err, ERR_PARSE, "names and values must be UTF-8 without NUL");
    }
    if (node->type == JSON_NUMBER && json_number_plain_len(node->text) > CANON_NUMBER_MAX) return too_long(err);
    int result = check_nodes(node, count_max, count, err);
    if (result != 0) return result;
  }
  return 0;
}

/* The value of a member as text: a number as its plain decimal; null, objects and arrays as the empty text. */
static int text_of(const struct json *node, struct arena *arena, struct str *ret, struct err *err) {
  *ret = STR("");
  if (node->type == JSON_STRING) *ret = node->text;
  if (node->type == JSON_TRUE) *ret = STR("true");
  if (node->type == JSON_FALSE) *ret = STR("false");
  if (node->type != JSON_NUMBER) return 0;
  SCOPED(buf_fini) struct buf plain = {0};
  if (json_number_plain(node->text, CANON_NUMBER_MAX, &plain) != 0) return too_long(err);
  *ret = arena_copy(arena, buf_view(&plain));
  return ret->ptr != NULL ? 0 : err_set(err, ERR_MEMORY, "the body needs too much memory: send a smaller one");
}

static int read_json(const struct params_source *source, struct json_parser *parser, struct arena *arena,
                     struct params *ret, struct err *err) {
  const struct json *top = NULL;
  int result = json_parse(parser, arena, source->body, PARAMS_DEPTH_MAX, &top, err);
  if (result != 0)
    return err_prefix(err, "the body must be one JSON object in UTF-8, nested at most %d levels deep",
                      PARAMS_DEPTH_MAX);
  if (top->type != JSON_OBJECT) return err_set(err, ERR_PARSE, "the body must be one JSON object");
  size_t count = 0, members = 0;
  result = check_nodes(top, source->count_max, &count, err);
  if (result != 0) return result;
  for (const struct json *node = top->child; node != NULL; node = node->next) members++;
  struct params params = {.items = arena_alloc(arena, (members + 1) * sizeof *params.items)};
  if (params.items == NULL) return err_set(err, ERR_MEMORY, "the body needs too much memory: send a smaller one");
  for (const struct json *node = top->child; node != NULL && result == 0; node = node->next) {
    struct param *param = &params.items[params.count++];
    param->name = node->name;
    param->node = node;
    result = text_of(node, arena, &param->value, err);
  }
  if (result == 0) *ret = params;
  return result;
}

/* ---- repeated names ---- */

static int by_name(const void *a, const void *b) {
  return str_compare_nocase(*(const struct str *)a, *(const struct str *)b);
}

static int check_distinct(struct str *names, size_t count, struct err *err) {
  qsort(names, count, sizeof *names, by_name);
  for (size_t i = 1; i < count; i++) {
    if (!str_equal_nocase(names[i - 1], names[i])) continue;
    int len = (int)(names[i].len < 64 ? names[i].len : 64);
    return err_set(err, ERR_EXISTS, "%.*s", len, names[i].ptr);
  }
  return 0;
}

static int check_object(const struct json *parent, struct arena *arena, struct err *err) {
  size_t count = 0;
  int result = 0;
  for (const struct json *node = parent->child; node != NULL; node = node->next) count++;
  if (parent->type == JSON_OBJECT && count > 1) {
    struct str *names = arena_alloc_raw(arena, count * sizeof *names);
    if (names == NULL) return err_set(err, ERR_MEMORY, "the body needs too much memory: send a smaller one");
    size_t i = 0;
    for (const struct json *node = parent->child; node != NULL; node = node->next) names[i++] = node->name;
    result = check_distinct(names, count, err);
  }
  for (const struct json *node = parent->child; node != NULL && result == 0; node = node->next) {
    result = check_object(node, arena, err);
  }
  return result;
}

static int check_repeated(const struct params *params, struct arena *arena, struct err *err) {
  struct str *names = arena_alloc_raw(arena, (params->count + 1) * sizeof *names);
  if (names == NULL) return err_set(err, ERR_MEMORY, "the body needs too much memory: send a smaller one");
  for (size_t i = 0; i < params->count; i++) names[i] = params->items[i].name;
  int result = check_distinct(names, params->count, err);
  for (size_t i = 0; i < params->count && result == 0; i++) {
    if (params->items[i].node != NULL) result = check_object(params->items[i].node, arena, err);
  }
  return result;
}

/* ---- the door ---- */

/* The media type before its parameters. */
static struct str media_type(struct str content_type) {
  return str_trim(str_cut(&content_type, ';'));
}

/* A body without a type is one, too. */
static bool is_form(const struct params_source *source) {
  struct str type = media_type(source->content_type);
  return type.len == 0 || str_equal_nocase(type, STR("application/x-www-form-urlencoded"));
}

static bool is_json(const struct params_source *source) {
  struct str type = media_type(source->content_type);
  if (str_equal_nocase(type, STR("application/json"))) return true;
  if (str_equal_nocase(type, STR("application/x-www-form-urlencoded"))) return false;
  struct str body = str_trim(source->body);
  return body.len > 0 && body.ptr[0] == '{';
}

/* Reads a body whose type is neither JSON nor form. Some clients send a form as text/plain, so it is tried as one. If
 * it names no Action, it was something else. */
static int read_unknown(const struct params_source *source, struct arena *arena, struct params *ret,
                        struct err *err) {
  struct str type = media_type(source->content_type), action;
  int result = read_form(source->body, source->count_max, arena, ret, err);
  if (result == -ERR_MEMORY) return result;
  if (result == 0 && params_get(ret, "Action", &action) != PARAMS_ABSENT) return 0;
  return err_set(err, ERR_PARSE,
                 "its type %.*s is not taken: send application/x-www-form-urlencoded or application/json",
                 (int)(type.len < TYPE_SHOWN_MAX ? type.len : TYPE_SHOWN_MAX), type.ptr);
}

int params_read(const struct params_source *source, struct json_parser *parser, struct arena *arena,
                struct params *ret, struct err *err) {
  struct params params = {0};
  int result;
  if (source->body.len == 0) result = read_form(source->query, source->count_max, arena, &params, err);
  else if (is_json(source)) result = read_json(source, parser, arena, &params, err);
  else if (is_form(source)) result = read_form(source->body, source->count_max, arena, &params, err);
  else result = read_unknown(source, arena, &params, err);
  if (result == 0) result = check_repeated(&params, arena, err);
  if (result == 0) *ret = params;
  return result;
}

enum params_found params_get(const struct params *params, const char *name, struct str *ret_text) {
  for (size_t i = 0; i < params->count; i++) {
    const struct param *param = &params->items[i];
    if (!str_equal_nocase(param->name, str_of(name))) continue;
    if (param->node != NULL && param->node->child != NULL) return PARAMS_NESTED;
    *ret_text = str_trim(param->value);
    return ret_text->len > 0 ? PARAMS_TEXT : PARAMS_ABSENT;
  }
  return PARAMS_ABSENT;
}

/* ---- the Action alone ---- */

static bool is_action(struct str *text) {
  *text = str_trim(*text);
  return text->len > 0 && is_clean(*text);
}

static bool find_action_in_form(struct str form, struct arena *arena, struct str *ret) {
  while (form.len > 0) {
    struct str pair = str_cut(&form, '&');
    struct str name = str_cut(&pair, '=');
    if (str_equal_nocase(name, STR("Action"))) return decode(pair, arena, ret) == 0 && is_action(ret);
  }
  return false;
}

static bool find_action_in_json(struct str body, struct json_parser *parser, struct arena *arena, struct str *ret) {
  const struct json *top;
  if (json_parse(parser, arena, body, PARAMS_DEPTH_MAX, &top, NULL) != 0 || top->type != JSON_OBJECT) return false;
  for (const struct json *node = top->child; node != NULL; node = node->next) {
    if (str_equal_nocase(node->name, STR("Action"))) return text_of(node, arena, ret, NULL) == 0 && is_action(ret);
  }
  return false;
}

bool params_find_action(const struct params_source *source, struct json_parser *parser, struct arena *arena,
                        struct str *ret) {
  struct str action;
  bool is_found = false;
  if (source->body.len > 0) {
    is_found = is_json(source) ? find_action_in_json(source->body, parser, arena, &action)
                               : find_action_in_form(source->body, arena, &action);
  }
  if (!is_found) is_found = find_action_in_form(source->query, arena, &action);
  if (is_found) *ret = action;
  return is_found;
}
