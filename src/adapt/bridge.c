/* JSON to Lua and back. An integer that int64 holds is an integer of Lua; any other number is the text that the
 * notice has for it, so an id of 19 or 20 digits stays exact. */
#include <math.h>
#include <stdio.h>

#include "adapt/state.h"
#include "base/check.h"

/* ---- to Lua ---- */

static void push_number(lua_State *lua, struct str token) {
  int64_t integer;
  bool is_exact = str_to_i64(token, &integer) && !str_equal(token, STR("-0"));
  if (is_exact)
    lua_pushinteger(lua, integer);
  else
    lua_pushlstring(lua, token.ptr, token.len);
}

static int count_of(const struct json *parent) {
  int count = 0;
  for (const struct json *child = parent->child; child != NULL; child = child->next)
    count++;
  return count;
}

static void push_array(lua_State *lua, const struct json *array) {
  lua_Integer index = 1;
  lua_createtable(lua, count_of(array), 0);
  for (const struct json *child = array->child; child != NULL; child = child->next) {
    bridge_push(lua, child);
    lua_rawseti(lua, -2, index++);
  }
}

/* A name that is given twice says two things, and a choice would be a guess. */
static void fail_twice(lua_State *lua, struct str name) {
  char shown[64];
  size_t len = name.len < sizeof shown ? name.len : sizeof shown - 1;
  while (len > 0 && len < name.len && ((unsigned char)name.ptr[len] & 0xC0) == 0x80)
    len--;
  (void)snprintf(shown, sizeof shown, "%.*s", (int)len, name.ptr);
  luaL_error(lua, "%s: the notice has '%s' twice in one object", run_of(lua)->script->name, shown);
}

static void push_object(lua_State *lua, const struct json *object) {
  lua_createtable(lua, 0, count_of(object));
  for (const struct json *child = object->child; child != NULL; child = child->next) {
    if (child->type == JSON_NULL) continue;
    lua_pushlstring(lua, child->name.ptr, child->name.len);
    lua_pushvalue(lua, -1);
    if (lua_rawget(lua, -3) != LUA_TNIL) fail_twice(lua, child->name);
    lua_pop(lua, 1);
    bridge_push(lua, child);
    lua_rawset(lua, -3);
  }
}

void bridge_push(lua_State *lua, const struct json *value) {
  luaL_checkstack(lua, 8, NULL);
  switch (value->type) {
    case JSON_NULL:
      lua_pushlightuserdata(lua, NULL);
      break;
    case JSON_FALSE:
    case JSON_TRUE:
      lua_pushboolean(lua, value->type == JSON_TRUE);
      break;
    case JSON_NUMBER:
      push_number(lua, value->text);
      break;
    case JSON_STRING:
      lua_pushlstring(lua, value->text.ptr, value->text.len);
      break;
    case JSON_ARRAY:
      push_array(lua, value);
      break;
    case JSON_OBJECT:
      push_object(lua, value);
      break;
  }
}

/* ---- from Lua ---- */

/* A value on its way: where it is in the results, for messages. */
struct place {
  const struct place *parent;
  const char *name; /* NULL: an element */
  lua_Integer index;
  unsigned depth;
};

static int fail_at(lua_State *lua, const struct place *place, const char *fault) {
  const struct place *path[SCRIPT_DEPTH_MAX + 1];
  int depth = 0;
  for (; place != NULL; place = place->parent)
    path[depth++] = place;
  lua_pushstring(lua, path[depth - 1]->name);
  for (int i = depth - 2; i >= 0; i--) {
    const char *so_far = lua_tostring(lua, -1);
    if (path[i]->name != NULL)
      lua_pushfstring(lua, "%s.%s", so_far, path[i]->name);
    else
      lua_pushfstring(lua, "%s[%I]", so_far, (LUAI_UACINT)path[i]->index);
    lua_remove(lua, -2);
  }
  return luaL_error(lua, "%s: the script returned %s: %s", run_of(lua)->script->name, lua_tostring(lua, -1), fault);
}

static void *allocate(lua_State *lua, size_t size) {
  run_charge(lua, 1 + size / 64);
  void *memory = arena_alloc(run_of(lua)->arena, size);
  if (memory == NULL) luaL_error(lua, "%s: the script returned more than memory may hold", run_of(lua)->script->name);
  return memory;
}

static struct str copy(lua_State *lua, struct str text) {
  char *memory = allocate(lua, text.len + 1);
  memcpy(memory, text.ptr, text.len);
  return str_make(memory, text.len);
}

/* The shortest decimal that reads back as the same number. */
static struct str decimal_of(lua_State *lua, double number) {
  char text[32];
  int digits = 15;
  do
    (void)snprintf(text, sizeof text, "%.*g", digits, number);
  while (strtod(text, NULL) != number && ++digits <= 17);
  return copy(lua, str_of(text));
}

static const struct json *take(lua_State *lua, const struct place *place, struct str name);

static struct json *new_value(lua_State *lua, enum json_type type, struct str name) {
  struct json *value = allocate(lua, sizeof *value);
  *value = (struct json){.type = type, .name = name};
  return value;
}

/* Takes the elements 1 to n of the table on top. */
static void take_elements(lua_State *lua, const struct place *place, const struct json **end) {
  lua_Integer count = (lua_Integer)lua_rawlen(lua, -1);
  for (lua_Integer i = 1; i <= count; i++) {
    const struct place inner = {place, NULL, i, place->depth + 1};
    if (lua_rawgeti(lua, -1, i) == LUA_TNIL) (void)fail_at(lua, place, "an array with a gap");
    struct json *element = (struct json *)(uintptr_t)take(lua, &inner, STR(""));
    lua_pop(lua, 1);
    *end = element;
    end = &element->next;
  }
}

/* Takes the members of the table on top, and returns how many keys it has. */
static lua_Integer take_members(lua_State *lua, const struct place *place, const struct json **end, bool is_array) {
  lua_Integer count = 0;
  lua_pushnil(lua);
  for (; lua_next(lua, -2) != 0; count++) {
    run_charge(lua, 1);
    bool is_name = lua_type(lua, -2) == LUA_TSTRING;
    if (is_name == is_array) (void)fail_at(lua, place, "a table that is neither an array nor an object");
    if (is_name) {
      size_t len;
      const char *key = lua_tolstring(lua, -2, &len);
      const struct place inner = {place, key, 0, place->depth + 1};
      struct str name = copy(lua, str_make(key, len));
      if (!str_is_utf8(name)) (void)fail_at(lua, place, "a name that is not UTF-8");
      struct json *member = (struct json *)(uintptr_t)take(lua, &inner, name);
      *end = member;
      end = &member->next;
    }
    lua_pop(lua, 1);
  }
  return count;
}

static const struct json *take_table(lua_State *lua, const struct place *place, struct str name) {
  lua_Integer elements = (lua_Integer)lua_rawlen(lua, -1);
  bool is_array = elements > 0;
  if (place->depth >= SCRIPT_DEPTH_MAX)
    (void)fail_at(lua, place, "a table that is nested too deep, or contains itself");
  struct json *value = new_value(lua, is_array ? JSON_ARRAY : JSON_OBJECT, name);
  if (is_array) take_elements(lua, place, &value->child);
  lua_Integer keys = take_members(lua, place, &value->child, is_array);
  if (is_array && keys != elements) (void)fail_at(lua, place, "an array with a gap");
  return value;
}

static const struct json *take_text(lua_State *lua, const struct place *place, struct str name) {
  size_t len;
  const char *ptr = lua_tolstring(lua, -1, &len);
  struct json *value = new_value(lua, JSON_STRING, name);
  if (!str_is_utf8(str_make(ptr, len))) (void)fail_at(lua, place, "a text that is not UTF-8");
  value->text = copy(lua, str_make(ptr, len));
  return value;
}

static const struct json *take_number(lua_State *lua, const struct place *place, struct str name) {
  char digits[24];
  struct json *value = new_value(lua, JSON_NUMBER, name);
  if (lua_isinteger(lua, -1)) {
    int len = snprintf(digits, sizeof digits, "%lld", (long long)lua_tointeger(lua, -1));
    value->text = copy(lua, str_make(digits, (size_t)len));
    return value;
  }
  double number = lua_tonumber(lua, -1);
  if (!isfinite(number)) (void)fail_at(lua, place, "a number that is infinite or none");
  value->text = decimal_of(lua, number);
  return value;
}

static const struct json *take(lua_State *lua, const struct place *place, struct str name) {
  luaL_checkstack(lua, 8, NULL);
  switch (lua_type(lua, -1)) {
    case LUA_TBOOLEAN:
      return new_value(lua, lua_toboolean(lua, -1) ? JSON_TRUE : JSON_FALSE, name);
    case LUA_TNUMBER:
      return take_number(lua, place, name);
    case LUA_TSTRING:
      return take_text(lua, place, name);
    case LUA_TTABLE:
      return take_table(lua, place, name);
    case LUA_TLIGHTUSERDATA:
      return new_value(lua, JSON_NULL, name);
    default:
      (void)fail_at(lua, place, lua_pushfstring(lua, "a %s", luaL_typename(lua, -1)));
  }
  return NULL;
}

const struct json *bridge_take(lua_State *lua, int index, const char *name) {
  const struct place place = {.name = name};
  if (lua_isnil(lua, index)) return new_value(lua, JSON_ARRAY, STR(""));
  lua_pushvalue(lua, index);
  if (lua_type(lua, -1) != LUA_TTABLE) (void)fail_at(lua, &place, "not an array");
  if (lua_rawlen(lua, -1) > SCRIPT_RESULTS_MAX)
    (void)fail_at(lua, &place, lua_pushfstring(lua, "more than %d", SCRIPT_RESULTS_MAX));
  const struct json *value = take(lua, &place, STR(""));
  if (value->type != JSON_ARRAY && value->child != NULL) (void)fail_at(lua, &place, "not an array");
  lua_pop(lua, 1);
  return value;
}
