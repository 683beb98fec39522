/* Parameters and what they sign to: all of tests/data/vectors, through the same functions that serve a request. The
 * directory is the first argument. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "api/params.h"
#include "auth/sign.h"

static const char *vectors;

static const struct json *load(const char *name, struct arena *arena) {
  char path[4096];
  (void)snprintf(path, sizeof path, "%s/%s", vectors, name);
  FILE *file = fopen(path, "rb");
  assert_non_null(file);
  struct buf text = {0};
  char piece[4096];
  for (size_t got; (got = fread(piece, 1, sizeof piece, file)) > 0;) buf_append(&text, piece, got);
  (void)fclose(file);
  size_t len = text.len;
  assert_non_null(buf_extend(&text, JSON_PADDING));
  memset(text.ptr + len, 0, JSON_PADDING);
  struct json_parser *parser = json_parser_new();
  const struct json *top = NULL;
  struct err err = {0};
  if (json_parse(parser, arena, str_make(text.ptr, len), 32, &top, &err) != 0) fail_msg("%s: %s", name, err.text);
  json_parser_free(parser);
  buf_fini(&text);
  return top;
}

static struct str member(const struct json *object, const char *name) {
  const struct json *found = json_member(object, name);
  return found != NULL ? found->text : STR("");
}

struct reading {
  struct arena *arena;
  struct json_parser *parser;
  struct params params;
  struct err err;
};

static int read_params(struct reading *reading, const char *type, struct str body, struct str query) {
  char *padded = calloc(1, body.len + JSON_PADDING);
  memcpy(padded, body.ptr, body.len);
  const struct params_source source = {
      .content_type = str_of(type), .body = str_make(padded, body.len), .query = query, .count_max = 1000};
  reading->arena = arena_new(8 << 20);
  reading->parser = json_parser_new();
  reading->err = (struct err){0};
  int result = params_read(&source, reading->parser, reading->arena, &reading->params, &reading->err);
  free(padded); /* nothing may borrow from it */
  return result;
}

static void done(struct reading *reading) {
  arena_free(reading->arena);
  json_parser_free(reading->parser);
}

static void check_signature(struct params *params, struct str private_key, struct str canonical, struct str signature,
                            struct str name) {
  struct buf out = {0};
  char hex[SIGN_HEX_SIZE];
  assert_int_equal(canon_append(params->items, params->count, &out), 0);
  sign_hex(buf_view(&out), private_key, hex);
  struct str text = buf_view(&out);
  bool same = text.len + private_key.len == canonical.len && memcmp(text.ptr, canonical.ptr, text.len) == 0;
  if (!same) fail_msg("%.*s: signs '%.*s'", STR_ARG(name), STR_ARG(text));
  if (!str_equal(str_of(hex), signature)) fail_msg("%.*s: %s", STR_ARG(name), hex);
  assert_true(sign_verify(text, private_key, signature));
  for (size_t i = 0; i < SIGN_HEX_SIZE - 1; i++) {
    if (hex[i] >= 'a') hex[i] = (char)(hex[i] - 'a' + 'A');
  }
  assert_true(sign_verify(text, private_key, str_of(hex)));
  hex[39] = hex[39] == '0' ? '1' : '0';
  assert_false(sign_verify(text, private_key, str_of(hex)));
  assert_false(sign_verify(text, private_key, str_make(hex, 39)));
  assert_false(sign_verify(text, private_key, STR("")));
  buf_fini(&out);
}

static void encode(struct buf *out, struct str text) {
  for (size_t i = 0; i < text.len; i++) buf_printf(out, "%%%02x", (unsigned char)text.ptr[i]);
}

/* Each case as a form and as a query, every byte percent-encoded. */
static void test_forms(void **state) {
  (void)state;
  struct arena *arena = arena_new(8 << 20);
  size_t cases = 0;
  for (const struct json *item = load("signature.json", arena)->child; item != NULL; item = item->next, cases++) {
    struct buf form = {0};
    for (const struct json *param = json_member(item, "params")->child; param != NULL; param = param->next) {
      encode(&form, param->name);
      buf_char(&form, '=');
      encode(&form, param->text);
      if (param->next != NULL) buf_char(&form, '&');
    }
    for (int as_query = 0; as_query < 2; as_query++) {
      struct reading reading;
      struct str text = buf_view(&form);
      assert_int_equal(read_params(&reading, "application/x-www-form-urlencoded", as_query ? STR("") : text,
                                   as_query ? text : STR("Action=Other")), 0);
      check_signature(&reading.params, member(item, "private_key"), member(item, "canonical"), member(item, "signature"),
                      member(item, "case"));
      done(&reading);
    }
    buf_fini(&form);
  }
  assert_true(cases >= 11);
  arena_free(arena);
}

static void test_json_bodies(void **state) {
  (void)state;
  struct arena *arena = arena_new(8 << 20);
  const struct json *top = load("signature-json.json", arena);
  size_t good = 0, bad = 0;
  for (const struct json *item = json_member(top, "good")->child; item != NULL; item = item->next, good++) {
    struct reading reading;
    struct str name = member(item, "case");
    if (read_params(&reading, "application/json; charset=utf-8", member(item, "body"), STR("")) != 0) {
      fail_msg("%.*s: %s", STR_ARG(name), reading.err.text);
    }
    check_signature(&reading.params, member(item, "private_key"), member(item, "canonical"), member(item, "signature"), name);
    done(&reading);
  }
  for (const struct json *item = json_member(top, "bad")->child; item != NULL; item = item->next, bad++) {
    struct reading reading;
    struct str name = member(item, "case");
    if (read_params(&reading, "application/json", member(item, "body"), STR("")) == 0) fail_msg("%.*s is taken", STR_ARG(name));
    assert_true(reading.err.text[0] != '\0');
    done(&reading);
  }
  assert_true(good >= 10 && bad >= 10);
  arena_free(arena);
}

static void test_bad_forms(void **state) {
  (void)state;
  static const struct {
    struct str form;
    int result;
  } rows[] = {
      {STR("a=1&a=2"), -ERR_EXISTS},       {STR("Action=1&aCTION=1"), -ERR_EXISTS}, {STR("a&a"), -ERR_EXISTS},
      {STR("=1&=2"), -ERR_EXISTS},         {STR("a=%FF"), -ERR_PARSE},              {STR("%C0%80=1"), -ERR_PARSE},
      {STR("a=%00"), -ERR_PARSE},          {STR("a%00=1"), -ERR_PARSE},             {STR("a=\xFF"), -ERR_PARSE},
      {STR("a=\0"), -ERR_PARSE},           {STR("a=%ED%A0%80"), -ERR_PARSE},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct reading reading;
    int result = read_params(&reading, "application/x-www-form-urlencoded", rows[i].form, STR(""));
    if (result != rows[i].result) fail_msg("row %zu: %d", i, result);
    done(&reading);
  }
  struct buf many = {0};
  for (int i = 0; i <= 1000; i++) buf_printf(&many, "p%d=&", i);
  struct reading reading;
  assert_int_equal(read_params(&reading, "", buf_view(&many), STR("")), -ERR_LIMIT);
  done(&reading);
  buf_fini(&many);
}

/* Which text is read, and what it means. */
static void test_reading(void **state) {
  (void)state;
  static const struct {
    const char *type, *body, *query, *a; /* a: the value of parameter a, NULL: absent */
  } rows[] = {
      {"", "", "a=1", "1"},
      {"application/x-www-form-urlencoded", "", "a=1", "1"},
      {"application/json", "", "a=1", "1"},
      {"application/x-www-form-urlencoded", "a=2", "a=1", "2"},
      {"application/x-www-form-urlencoded", "b=2", "a=1", NULL},
      {"Application/X-WWW-Form-Urlencoded ; charset=UTF-8", "a=2", "", "2"},
      {"APPLICATION/JSON;charset=utf-8", "{\"a\":2}", "", "2"},
      {"text/plain", "{\"a\":2}", "", "2"},
      {"text/plain", " {\"a\":2}", "", "2"},
      {"text/plain", "a=2&Action=x", "", "2"},
      {"application/x-www-form-urlencoded", "{\"a\":2}", "", NULL},
      {"", "", "A=1", "1"},
      {"", "", "a= 1 ", "1"},
      {"", "", "a=+1+", "1"},
      {"", "", "a=%201%20", "1"},
      {"", "", "a=%31", "1"},
      {"", "", "a=%3", "%3"},
      {"", "", "a=%", "%"},
      {"", "", "a=%zz%4", "%zz%4"},
      {"", "", "a=1=2", "1=2"},
      {"", "", "&&a=1&&", "1"},
      {"", "", "a=", NULL},
      {"", "", "a", NULL},
      {"", "", "a=++", NULL},
      {"", "", "b=1", NULL},
      {"", "", "", NULL},
      {"application/json", "{\"a\":null}", "", NULL},
      {"application/json", "{\"a\":[]}", "", NULL},
      {"application/json", "{\"a\":\"\"}", "", NULL},
      {"application/json", "{\"a\":true}", "", "true"},
      {"application/json", "{\"a\":42.0}", "", "42"},
      {"application/json", "{\"a\":1.5e3}", "", "1500"},
      {"application/json", "{\"a\":\" x \"}", "", "x"},
      {"application/json", "{\"a\":\"\\u003d\\/\\ud83d\\ude00\"}", "", "=/\xF0\x9F\x98\x80"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct reading reading;
    struct str value = STR("");
    int result = read_params(&reading, rows[i].type, str_of(rows[i].body), str_of(rows[i].query));
    if (result != 0) fail_msg("row %zu: %s", i, reading.err.text);
    enum params_found found = params_get(&reading.params, "a", &value);
    if (found != (rows[i].a != NULL ? PARAMS_TEXT : PARAMS_ABSENT)) fail_msg("row %zu", i);
    if (rows[i].a != NULL && !str_equal(value, str_of(rows[i].a))) fail_msg("row %zu: '%.*s'", i, STR_ARG(value));
    done(&reading);
  }
  struct reading reading;
  struct str value;
  assert_int_equal(read_params(&reading, "application/json", STR("{\"a\":[1]}"), STR("")), 0);
  assert_int_equal(params_get(&reading.params, "a", &value), PARAMS_NESTED);
  done(&reading);
}

static void test_action(void **state) {
  (void)state;
  static const struct {
    const char *type, *body, *query, *action;
  } rows[] = {
      {"", "", "", NULL},
      {"", "", "a=1", NULL},
      {"", "", "Action", NULL},
      {"", "", "Action=", NULL},
      {"", "", "Action=+%20", NULL},
      {"", "", "Action=%ff", NULL},
      {"", "", "Action=%00", NULL},
      {"", "", "action=Get", "Get"},
      {"", "", "x=1&Action=+A%20b%0a", "A b"},
      {"", "ACTION=Get&Action=Other&x=%ff", "Action=Hint", "Get"},
      {"", "x=1", "Action=Hint", "Hint"},
      {"application/json", "{\"x\":1,\"action\":\" Get \",\"Action\":2}", "Action=Hint", "Get"},
      {"application/json", "{\"Action\":42.0}", "", "42"},
      {"application/json", "{\"Action\":1e999}", "Action=Hint", "Hint"},
      {"application/json", "{\"Action\":[\"Get\"]}", "Action=Hint", "Hint"},
      {"application/json", "{\"Action\":\"\\u0000\"}", "Action=Hint", "Hint"},
      {"application/json", "[\"Action\"]", "Action=Hint", "Hint"},
      {"application/json", "{\"Action\":\"Get\"", "Action=Hint", "Hint"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct buf body = {0};
    buf_text(&body, rows[i].body);
    assert_non_null(buf_extend(&body, JSON_PADDING));
    const struct params_source source = {.content_type = str_of(rows[i].type),
                                         .body = str_make(body.ptr, body.len - JSON_PADDING),
                                         .query = str_of(rows[i].query),
                                         .count_max = 1};
    struct arena *arena = arena_new(65536);
    struct json_parser *parser = json_parser_new();
    struct str action = STR("untouched");
    bool found = params_find_action(&source, parser, arena, &action);
    if (found != (rows[i].action != NULL)) fail_msg("%zu: '%s' '%s'", i, rows[i].body, rows[i].query);
    const char *expected = found ? rows[i].action : "untouched";
    if (!str_equal(action, str_of(expected))) fail_msg("%zu: '%.*s'", i, STR_ARG(action));
    json_parser_free(parser);
    arena_free(arena);
    buf_fini(&body);
  }
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  vectors = argv[1];
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_forms),   cmocka_unit_test(test_json_bodies),
                                     cmocka_unit_test(test_bad_forms), cmocka_unit_test(test_reading),
                                     cmocka_unit_test(test_action)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
