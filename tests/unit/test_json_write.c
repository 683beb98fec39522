/* The JSON writer: commas and nesting, trees that were read, that it goes on after its buf was sent, and that a wrong
 * name ends the program. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/json_write.h"

static void name_in_list(struct json_write *json) {
  json_write_list(json, NULL);
  json_write_u64(json, "a", 1);
}

static void no_name_in_object(struct json_write *json) {
  json_write_object(json, NULL);
  json_write_u64(json, NULL, 1);
}

static void name_outside(struct json_write *json) { json_write_object(json, "a"); }

static void second_value(struct json_write *json) {
  json_write_null(json, NULL);
  json_write_null(json, NULL);
}

static void end_of_nothing(struct json_write *json) { json_write_end(json); }

static void member_in_list(struct json_write *json) {
  json_write_list(json, NULL);
  json_write_member(json, STR("a"), STR("b"));
}

static void reopened_list(struct json_write *json) {
  json_write_list(json, NULL);
  json_write_end(json);
  (void)json_write_reopen(json->out);
}

static void too_deep(struct json_write *json) {
  for (unsigned i = 0; i <= JSON_WRITE_DEPTH_MAX; i++)
    json_write_list(json, NULL);
}

static void test_misuse(void **state) {
  (void)state;
  void (*const misuses[])(struct json_write *) = {name_in_list,   no_name_in_object, name_outside, second_value,
                                                  end_of_nothing, member_in_list,    reopened_list, too_deep};
  for (size_t i = 0; i < sizeof misuses / sizeof misuses[0]; i++) {
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
      struct buf out = {0};
      struct json_write json = json_write_to(&out);
      (void)signal(SIGABRT, SIG_DFL);
      (void)close(STDERR_FILENO);
      misuses[i](&json);
      _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFSIGNALED(status)) fail_msg("misuse %zu did not end the program", i);
  }
}

static void check(struct buf *out, const char *expected) {
  buf_char(out, '\0');
  assert_string_equal(out->ptr, expected);
  buf_clear(out);
}

static void test_values(void **state) {
  (void)state;
  SCOPED(buf_fini) struct buf out = {0};
  struct json_write json = json_write_to(&out);
  json_write_object(&json, NULL);
  json_write_text(&json, "text", "a\"\n\xff");
  json_write_str(&json, "str", str_make("b\0c", 3));
  json_write_i64(&json, "least", INT64_MIN);
  json_write_u64(&json, "most", UINT64_MAX);
  json_write_bool(&json, "yes", true);
  json_write_bool(&json, "no", false);
  json_write_null(&json, "nothing");
  json_write_raw(&json, "raw", STR("[1,{}]"));
  json_write_member(&json, STR("a \"name\""), STR("x"));
  json_write_next(&json, "own");
  buf_text(&out, "1e3");
  json_write_end(&json);
  check(&out, "{\"text\":\"a\\\"\\n\xEF\xBF\xBD\",\"str\":\"b\\u0000c\",\"least\":-9223372036854775808,"
              "\"most\":18446744073709551615,\"yes\":true,\"no\":false,\"nothing\":null,\"raw\":[1,{}],"
              "\"a \\\"name\\\"\":\"x\",\"own\":1e3}");
}

static void test_nesting(void **state) {
  (void)state;
  SCOPED(buf_fini) struct buf out = {0};
  struct json_write json = json_write_to(&out);
  json_write_list(&json, NULL);
  json_write_object(&json, NULL);
  json_write_end(&json);
  json_write_list(&json, NULL);
  json_write_list(&json, NULL);
  json_write_end(&json);
  json_write_u64(&json, NULL, 1);
  json_write_object(&json, NULL);
  json_write_list(&json, "a");
  json_write_end(&json);
  json_write_object(&json, "b");
  json_write_null(&json, "c");
  json_write_end(&json);
  json_write_end(&json);
  json_write_end(&json);
  json_write_text(&json, NULL, "last");
  json_write_end(&json);
  check(&out, "[{},[[],1,{\"a\":[],\"b\":{\"c\":null}}],\"last\"]");
}

static void test_pieces(void **state) {
  (void)state;
  SCOPED(buf_fini) struct buf out = {0};
  struct json_write json = json_write_to(&out);
  json_write_object(&json, NULL);
  json_write_list(&json, "rows");
  check(&out, "{\"rows\":[");
  for (uint64_t i = 0; i < 3; i++) {
    json_write_u64(&json, NULL, i);
    check(&out, i == 0 ? "0" : i == 1 ? ",1" : ",2");
  }
  json_write_end(&json);
  json_write_bool(&json, "complete", true);
  json_write_end(&json);
  check(&out, "],\"complete\":true}");
}

static void test_depth(void **state) {
  (void)state;
  SCOPED(buf_fini) struct buf out = {0};
  struct json_write json = json_write_to(&out);
  for (unsigned i = 0; i < JSON_WRITE_DEPTH_MAX; i++)
    json_write_object(&json, i == 0 ? NULL : "o");
  for (unsigned i = 0; i < JSON_WRITE_DEPTH_MAX; i++)
    json_write_end(&json);
  assert_true(out.len == JSON_WRITE_DEPTH_MAX * 2 + (JSON_WRITE_DEPTH_MAX - 1) * strlen("\"o\":"));
}

static void test_tree(void **state) {
  (void)state;
  static const char text[] = " { \"a\\u0022\" : [ 1.50e2 , true , false , null , [ ] , { } ] , \"b\" : \"\\n\" } ";
  char padded[sizeof text + JSON_PADDING] = {0};
  memcpy(padded, text, sizeof text);
  struct arena *arena = arena_new(1 << 16);
  struct json_parser *parser = json_parser_new();
  const struct json *tree;
  SCOPED(buf_fini) struct buf out = {0};
  struct json_write json = json_write_to(&out);
  assert_true(arena != NULL && parser != NULL);
  assert_int_equal(json_parse(parser, arena, str_make(padded, sizeof text - 1), 4, &tree, NULL), 0);
  json_write_object(&json, NULL);
  json_write_tree(&json, "t", tree);
  json_write_tree(&json, "u", tree->child->child);
  json_write_end(&json);
  check(&out, "{\"t\":{\"a\\\"\":[1.50e2,true,false,null,[],{}],\"b\":\"\\n\"},\"u\":1.50e2}");
  json_parser_free(parser);
  arena_free(arena);
}

static void test_reopen(void **state) {
  (void)state;
  SCOPED(buf_fini) struct buf out = {0};
  buf_text(&out, "[{}");
  struct json_write json = json_write_reopen(&out);
  json_write_list(&json, "a");
  json_write_end(&json);
  json_write_end(&json);
  json = json_write_reopen(&out);
  json_write_null(&json, "b");
  json_write_end(&json);
  check(&out, "[{\"a\":[],\"b\":null}");
  out.failed = true;
  json = json_write_reopen(&out);
  json_write_null(&json, "c");
  json_write_end(&json);
  assert_true(out.failed);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_misuse), cmocka_unit_test(test_values), cmocka_unit_test(test_nesting),
      cmocka_unit_test(test_pieces), cmocka_unit_test(test_depth),  cmocka_unit_test(test_tree),
      cmocka_unit_test(test_reopen),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
