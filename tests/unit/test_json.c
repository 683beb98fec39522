/* The JSON reader and writers: what must be refused first, then what is read and how numbers and strings are written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/json.h"

static int parse(struct json_parser *parser, struct arena *arena, struct str text, const struct json **ret,
                 struct err *err) {
  char *padded = calloc(1, text.len + JSON_PADDING);
  memcpy(padded, text.ptr, text.len);
  arena_reset(arena);
  int result = json_parse(parser, arena, str_make(padded, text.len), 32, ret, err);
  free(padded); /* the tree must not borrow from the text */
  return result;
}

static void test_bad(void **state) {
  (void)state;
  static const char *const bad[] = {
      "", " ", "x", "1", "\"a\"", "null", "true", "[", "]", "{", "}", "{]", "[}", "[1", "[1,", "[1,]", "[,1]", "[1 2]",
      "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{\"a\" 1}", "{a:1}", "{'a':1}", "{\"a\":1 \"b\":2}", "{1:2}", "[01]", "[+1]",
      "[-]", "[1.]", "[.5]", "[1e]", "[1e+]", "[0x10]", "[NaN]", "[Infinity]", "[nul]", "[nulll]", "[True]", "[truefalse]",
      "[1]x", "[1] x", "[1][2]", "{}{}", "[1],", "[\"a]", "[\"a\\\"]", "[\"\\x\"]", "[\"\\u12\"]", "[\"\\u12g4\"]",
      "[\"\\ud83d\"]", "[\"\\ude00\"]", "[\"\\ud83dx\"]", "[\"\\ud83d\\u0041\"]", "[\"\\ude00\\ud83d\"]", "[\"a\nb\"]",
      "[\"a\tb\"]", "[\"\x01\"]", "[\"\x80\"]", "[\"\xc0\xaf\"]", "[\"\xed\xa0\x80\"]", "[\"\xf5\x80\x80\x80\"]", "/**/[]",
      "[]//", "\xEF\xBB\xBF[]", "{\"\\ud800\":1}", "[1\x00]", "[\"a\"\"b\"]", "[--1]", "[1-]", "[1e5e5]", "[\x0b]", "[1,,2]",
      /* A string before a colon is no value, however many brackets follow. */
      "[\"\":3]", "[\"\":3]]", "[[],\"\":3]", "[[],\"\":3]]", "[[\"a\":[1],\"b\"]]", "[\"a\" :{},1]", "{\"a\":\"b\":1}",
      "{\"a\":\"b\":1}}", "{\"a\":[\"b\":1]}", "[\"\\n\":3]]", "[{\"a\":\"b\":[2,3]},4]", "[[[],\"\":x],\"\":3]],\"\":x]]",
  };
  struct json_parser *parser = json_parser_new();
  struct arena *arena = arena_new(1 << 20);
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    const struct json *top = NULL;
    struct err err = {0};
    int result = parse(parser, arena, str_of(bad[i]), &top, &err);
    if (result != -ERR_PARSE) fail_msg("'%s' gave %d", bad[i], result);
    assert_null(top);
    assert_true(err.text[0] != '\0');
  }
  arena_free(arena);
  json_parser_free(parser);
}

static void test_nul_and_depth(void **state) {
  (void)state;
  struct json_parser *parser = json_parser_new();
  struct arena *arena = arena_new(1 << 20);
  const struct json *top;
  struct err err;
  assert_int_equal(parse(parser, arena, str_make("[1]\0", 4), &top, &err), -ERR_PARSE);
  assert_int_equal(parse(parser, arena, str_make("[\0]", 3), &top, &err), -ERR_PARSE);
  /* a NUL that is escaped is a character like any other */
  assert_int_equal(parse(parser, arena, STR("[\"a\\u0000b\"]"), &top, &err), 0);
  assert_int_equal(top->child->text.len, 3);
  for (int depth = 30; depth < 36; depth++) {
    char text[100] = {0};
    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    assert_int_equal(parse(parser, arena, str_of(text), &top, &err), depth <= 32 ? 0 : -ERR_LIMIT);
  }
  /* as deep as a body may be: bounded work, no recursion beyond the bound */
  size_t huge = 1 << 20;
  char *brackets = malloc(huge);
  memset(brackets, '[', huge);
  assert_int_not_equal(parse(parser, arena, str_make(brackets, huge), &top, &err), 0);
  free(brackets);
  arena_free(arena);
  json_parser_free(parser);
}

static void test_tree(void **state) {
  (void)state;
  struct json_parser *parser = json_parser_new();
  struct arena *arena = arena_new(1 << 20);
  const struct json *top;
  struct err err;
  struct str text = STR(" { \"a\" : [ 1.50 , -0e5,true , false,null,{} ] ,\"a\":\"\\u4e2d\\ud83d\\ude00\\/\" } \n");
  assert_int_equal(parse(parser, arena, text, &top, &err), 0);
  const struct json *first = top->child;
  assert_true(str_equal(first->name, STR("a")));
  assert_int_equal(first->type, JSON_ARRAY);
  const struct json *element = first->child;
  assert_true(element->type == JSON_NUMBER && str_equal(element->text, STR("1.50")));
  element = element->next;
  assert_true(element->type == JSON_NUMBER && str_equal(element->text, STR("-0e5")));
  element = element->next;
  assert_int_equal(element->type, JSON_TRUE);
  element = element->next;
  assert_int_equal(element->type, JSON_FALSE);
  element = element->next;
  assert_int_equal(element->type, JSON_NULL);
  element = element->next;
  assert_true(element->type == JSON_OBJECT && element->child == NULL && element->next == NULL);
  const struct json *second = first->next; /* repeated, and kept */
  assert_true(str_equal(second->name, STR("a")) && str_equal(second->text, STR("中😀/")));
  assert_null(second->next);
  assert_ptr_equal(json_member(top, "a"), first);
  assert_null(json_member(top, "b"));
  struct arena *small = arena_new(200);
  assert_int_equal(parse(parser, small, text, &top, &err), -ERR_MEMORY);
  arena_free(small);
  arena_free(arena);
  json_parser_free(parser);
}

static void test_number_plain(void **state) {
  (void)state;
  static const struct {
    const char *token, *plain; /* NULL: too long for 400 */
  } rows[] = {
      {"0", "0"}, {"-0", "0"}, {"-0.0", "0"}, {"0e5", "0"}, {"0.000e-9", "0"}, {"42", "42"}, {"42.0", "42"}, {"1.50", "1.5"},
      {"-1.50", "-1.5"}, {"1e3", "1000"}, {"1E+3", "1000"}, {"12.5e1", "125"}, {"12.5e0", "12.5"}, {"1e-7", "0.0000001"},
      {"100e-2", "1"}, {"1200", "1200"}, {"0.05e1", "0.5"}, {"0.05e2", "5"}, {"0.05e3", "50"}, {"1.5e+21", "1500000000000000000000"},
      {"18446744073709551616", "18446744073709551616"}, {"9007199254740993", "9007199254740993"}, {"10.10", "10.1"},
      {"1e1000000", NULL}, {"1e-1000000", NULL}, {"1e99999999999999999999", NULL}, {"-1e-99999999999999999999", NULL}, {"1e400", NULL},
      {"0e99999999999999999999", "0"}, {"-12e-1", "-1.2"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct buf out = {0};
    int result = json_number_plain(str_of(rows[i].token), 400, &out);
    uint64_t len = json_number_plain_len(str_of(rows[i].token));
    if (rows[i].plain == NULL) {
      assert_true(len > 400);
      assert_int_equal(result, -ERR_LIMIT);
    } else {
      assert_int_equal(result, 0);
      assert_int_equal(len, out.len);
      buf_char(&out, '\0');
      assert_string_equal(out.ptr, rows[i].plain);
    }
    buf_fini(&out);
  }
  struct buf out = {0};
  assert_int_equal(json_number_plain(STR("1e399"), 400, &out), 0);
  assert_int_equal(out.len, 400);
  assert_int_equal(json_number_plain(STR("-1e399"), 400, &out), -ERR_LIMIT);
  assert_int_equal(json_number_plain(STR("1e-398"), 400, &out), 0);
  assert_int_equal(json_number_plain(STR("1e-399"), 400, &out), -ERR_LIMIT);
  buf_fini(&out);
}

static void test_number_i64(void **state) {
  (void)state;
  static const struct {
    const char *token;
    bool whole;
    int64_t value;
  } rows[] = {
      {"0", true, 0}, {"-0", true, 0}, {"42.0", true, 42}, {"4.2e1", true, 42}, {"4.2", false, 0}, {"1e18", true, 1000000000000000000},
      {"9223372036854775807", true, INT64_MAX}, {"9223372036854775808", false, 0}, {"-9223372036854775808", true, INT64_MIN},
      {"-9223372036854775809", false, 0}, {"1e19", false, 0}, {"1e99999999999", false, 0}, {"1e-1", false, 0}, {"10e-1", true, 1},
      {"0.5", false, 0}, {"0e99999999999", true, 0},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    int64_t value = 0;
    if (json_number_i64(str_of(rows[i].token), &value) != rows[i].whole) fail_msg("%s", rows[i].token);
    if (rows[i].whole && value != rows[i].value) fail_msg("%s gave %lld", rows[i].token, (long long)value);
  }
}

static void test_quote(void **state) {
  (void)state;
  static const struct {
    struct str text;
    const char *quoted;
  } rows[] = {
      {{"", 0}, "\"\""},
      {{"a\"b\\c", 5}, "\"a\\\"b\\\\c\""},
      {{"\n\r\t\0\x1f\x7f", 6}, "\"\\n\\r\\t\\u0000\\u001f\\u007f\""},
      {{"中😀", 7}, "\"中😀\""},
      {{"a\xff" "b", 3}, "\"a\xEF\xBF\xBD" "b\""},
      {{"\xe4\xb8", 2}, "\"\xEF\xBF\xBD\xEF\xBF\xBD\""},
      {{"中\xff中", 7}, "\"中\xEF\xBF\xBD中\""},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct buf out = {0};
    json_quote(&out, rows[i].text);
    buf_char(&out, '\0');
    assert_string_equal(out.ptr, rows[i].quoted);
    buf_fini(&out);
  }
}

/* ---- element by element ---- */

struct taking {
  size_t count, elements, numbers, passed_over;
  size_t fails_at; /* 0: never; 1: at the count */
};

static int take_count(void *arg, size_t count, struct err *err) {
  struct taking *taking = arg;
  taking->count = count;
  return taking->fails_at == 1 ? err_set(err, ERR_DENIED, "too many") : 0;
}

static int take_element(void *arg, const struct json *element, struct err *err) {
  struct taking *taking = arg;
  taking->elements++;
  if (element == NULL) taking->passed_over++;
  else if (element->type == JSON_NUMBER && str_equal(element->text, STR("7"))) taking->numbers++;
  return taking->fails_at == 1 + taking->elements ? err_set(err, ERR_DENIED, "enough") : 0;
}

static int parse_array(struct str text, size_t arena_limit, struct taking *taking, struct err *err) {
  const struct json_taker taker = {.count = take_count, .element = take_element, .arg = taking};
  struct json_parser *parser = json_parser_new();
  struct arena *arena = arena_new(arena_limit);
  char *padded = calloc(1, text.len + JSON_PADDING);
  memcpy(padded, text.ptr, text.len);
  memset(padded + text.len, ']', JSON_PADDING);
  int result = json_parse_array(parser, arena, str_make(padded, text.len), 4, &taker, err);
  free(padded);
  json_parser_free(parser);
  arena_free(arena);
  return result;
}

/* The elements of a text that is no JSON: no more than were counted, since the taker made room for so many. */
static void test_array_that_is_no_json(void **state) {
  (void)state;
  static const char *const texts[] = {
      "[\"\":3]", "[\"\":3]]", "[[],\"\":3]]", "[[],[[],\"\":x],\"\":3]],\"\":x],\"\":3,\"\":\"\":3],\"\":\n:]]",
      "[[],[[],\"\":[],3],\"\":3]],7,7,7]", "[{\"a\":\"b\":[2]},{},{}]}", "[[7}},7,7,7]", "[{\"a\":[7}},7,7]",
  };
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    struct taking taking = {0};
    struct err err = {0};
    int result = parse_array(str_of(texts[i]), 4096, &taking, &err);
    if (result != -ERR_PARSE || taking.elements > taking.count) {
      fail_msg("%s: %d, %zu elements of %zu", texts[i], result, taking.elements, taking.count);
    }
  }
}

static void test_array(void **state) {
  (void)state;
  static const struct {
    const char *text;
    int result;
    size_t count, elements;
  } rows[] = {
      {"", -ERR_PARSE, 0, 0},
      {"{}", -ERR_PARSE, 0, 0},
      {"7", -ERR_PARSE, 0, 0},
      {"[", -ERR_PARSE, 0, 0},
      {"[7", -ERR_PARSE, 0, 0},
      {"[7,", -ERR_PARSE, 0, 0},
      {"[7,7", -ERR_PARSE, 0, 0},
      {"[7,[7]", -ERR_PARSE, 0, 0},
      {"[7 7]", -ERR_PARSE, 0, 0},
      {"[7][7]", -ERR_PARSE, 1, 1},
      {"[7]x", -ERR_PARSE, 0, 0},
      {"[7,x]", -ERR_PARSE, 2, 1},
      {"[7,{]", -ERR_PARSE, 0, 0},
      {"[7,[7}]", -ERR_PARSE, 2, 1},
      {"[7,\"\\ud800\"]", -ERR_PARSE, 2, 1},
      {"[7,\"\xff\"]", -ERR_PARSE, 0, 0},
      {"[7,[[[[7]]]]]", -ERR_LIMIT, 2, 1},
      {"[]", 0, 0, 0},
      {" [ ] ", 0, 0, 0},
      {"[7]", 0, 1, 1},
      {"[7,[],{},\"a\",null,[[[7]]],7]", 0, 7, 7},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct taking taking = {0};
    struct err err = {0};
    int result = parse_array(str_of(rows[i].text), 4096, &taking, &err);
    bool same_count = result == -ERR_PARSE || taking.count == rows[i].count;
    bool good = result == rows[i].result && same_count && taking.passed_over == 0;
    if (!good) fail_msg("'%s' gave %d", rows[i].text, result);
    if (result == 0) assert_int_equal(taking.elements, rows[i].elements);
    assert_true(result == 0 || err.text[0] != '\0');
  }
}

/* Wherever in it the memory ends: what is too large is passed over, and its neighbours are read. */
static void test_array_with_a_large_element(void **state) {
  (void)state;
  static const char *const larges[] = {
      "[7,7,7,7,7,7,7,7]",
      "[[],[],[],[],[[]]]",
      "{\"a\":7,\"b\":[7,{\"c\":7}],\"d\":{}}",
      "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"",
      "{\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\":\"bbbbbbbbbbbbbbbbb\",\"c\":[{}]}",
      "[[[7]]]",
  };
  size_t passed_over = 0;
  for (size_t i = 0; i < sizeof larges / sizeof larges[0]; i++) {
    for (size_t limit = 80; limit < 2000; limit += 16) {
      struct buf text = {0};
      struct taking taking = {0};
      struct err err = {0};
      buf_printf(&text, "[7,%s,7 , %s\n,7]", larges[i], larges[i]);
      assert_int_equal(parse_array(buf_view(&text), limit, &taking, &err), 0);
      assert_true(taking.count == 5 && taking.elements == 5 && taking.numbers == 3);
      assert_true(taking.passed_over == 0 || taking.passed_over == 2);
      if (limit + 16 >= 2000) assert_int_equal(taking.passed_over, 0);
      passed_over += taking.passed_over;
      buf_fini(&text);
    }
  }
  assert_true(passed_over > 100);
}

static void test_array_taker_fails(void **state) {
  (void)state;
  for (size_t fails_at = 1; fails_at <= 4; fails_at++) {
    struct taking taking = {.fails_at = fails_at};
    struct err err = {0};
    assert_int_equal(parse_array(STR("[7,7,7]"), 4096, &taking, &err), -ERR_DENIED);
    assert_int_equal(taking.elements, fails_at - 1);
    assert_string_equal(err.text, fails_at == 1 ? "too many" : "enough");
  }
}

/* What was given back is grown again. */
static void test_trim(void **state) {
  (void)state;
  struct json_parser *parser = json_parser_new();
  struct arena *arena = arena_new(1 << 20);
  const struct json *top;
  struct err err;
  for (int i = 0; i < 4; i++) {
    assert_int_equal(parse(parser, arena, STR("[\"abcdefghijklmnopqrstuvwxyz\",7]"), &top, &err), 0);
    assert_true(str_equal(top->child->next->text, STR("7")));
    json_parser_trim(parser, i < 2 ? 4 : 4096);
  }
  arena_free(arena);
  json_parser_free(parser);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_bad),          cmocka_unit_test(test_nul_and_depth), cmocka_unit_test(test_tree),
      cmocka_unit_test(test_number_plain), cmocka_unit_test(test_number_i64),    cmocka_unit_test(test_quote),
      cmocka_unit_test(test_array),        cmocka_unit_test(test_array_with_a_large_element),
      cmocka_unit_test(test_array_taker_fails), cmocka_unit_test(test_array_that_is_no_json), cmocka_unit_test(test_trim),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
