/* The tables of the signed API: every action is there, and each example is an answer with exactly the fields of its
 * table, of their types, in their order. That real answers have them too is in tests/system/test_api_tables.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "api/describe.h"
#include "base/json.h"

static const char *const names[] = {
    "GetCodecTotalStat",      "GetFormatTotalStat", "GetSnapTotalStat",    "GetCodecTaskList",  "GetFormatTaskList",
    "GetSnapTaskList",        "GetCodecTaskDetail", "GetFormatTaskDetail", "GetSnapTaskDetail", "GetCodecPattenList",
    "GetWaterMarkPattenList", "GetProjectList",     "GetRegion",           "GetUserInfo",
};

static void test_actions(void **state) {
  (void)state;
  const struct api_action *const *actions;
  size_t count = api_actions(&actions);
  api_check_tables();
  assert_int_equal(count, sizeof names / sizeof names[0]);
  for (size_t i = 0; i < count; i++) {
    assert_string_equal(actions[i]->name, names[i]);
    assert_ptr_equal(api_find_action(str_of(names[i])), actions[i]);
  }
  assert_null(api_find_action(STR("")));
  assert_null(api_find_action(STR("getcodectotalstat")));
  assert_null(api_find_action(STR("GetCodecTotalSta")));
}

static bool has_type(const struct json *value, enum api_type type) {
  switch (type) {
    case API_TEXT:
      return value->type == JSON_STRING;
    case API_INT:
      return value->type == JSON_NUMBER;
    case API_BOOL:
      return value->type == JSON_TRUE || value->type == JSON_FALSE;
    case API_LIST:
      return value->type == JSON_ARRAY;
    case API_OBJECT:
      return value->type == JSON_OBJECT;
  }
  return false;
}

static void check_members(const char *where, const struct json *member, const struct api_field *fields);

static void check_value(const char *where, const struct json *value, const struct api_field *field) {
  if (!str_equal(value->name, str_of(field->name)) || !has_type(value, field->type))
    fail_msg("%s: %.*s stands where the table has %s", where, STR_ARG(value->name), field->name);
  if (field->type == API_OBJECT) check_members(field->name, value->child, field->members);
  if (field->type != API_LIST) return;
  if (field->members == NULL)
    assert_null(value->child);
  else
    assert_non_null(value->child); /* an example shows a row */
  for (const struct json *row = value->child; row != NULL; row = row->next) {
    assert_int_equal(row->type, JSON_OBJECT);
    check_members(field->name, row->child, field->members);
  }
}

static void check_members(const char *where, const struct json *member, const struct api_field *fields) {
  static const struct api_field none[] = {{0}};
  for (const struct api_field *field = fields != NULL ? fields : none; field->name != NULL; field++) {
    if (member == NULL) fail_msg("%s: the example lacks %s", where, field->name);
    check_value(where, member, field);
    member = member->next;
  }
  if (member != NULL) fail_msg("%s: the table lacks %.*s", where, STR_ARG(member->name));
}

static void check_example(const struct api_action *action, struct json_parser *parser, struct arena *arena) {
  char text[8192], response[80];
  const struct json *top = NULL;
  struct err err = {0};
  size_t len = strlen(action->answer_example);
  assert_true(len + JSON_PADDING <= sizeof text);
  memset(text, 0, sizeof text);
  memcpy(text, action->answer_example, len);
  if (json_parse(parser, arena, str_make(text, len), 8, &top, &err) != 0) fail_msg("%s: %s", action->name, err.text);
  (void)snprintf(response, sizeof response, "%sResponse", action->name);
  const struct json *code = top->child, *name = code->next;
  assert_true(str_equal(code->name, STR("RetCode")) && str_equal(code->text, STR("0")));
  assert_true(str_equal(name->name, STR("Action")) && str_equal(name->text, str_of(response)));
  check_members(action->name, name->next, action->fields);
}

static void test_examples(void **state) {
  (void)state;
  const struct api_action *const *actions;
  size_t count = api_actions(&actions);
  struct json_parser *parser = json_parser_new();
  struct arena *arena = arena_new(1 << 20);
  for (size_t i = 0; i < count; i++)
    check_example(actions[i], parser, arena);
  arena_free(arena);
  json_parser_free(parser);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_actions), cmocka_unit_test(test_examples)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
