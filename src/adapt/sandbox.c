/* The functions that scripts have: a part of Lua's own, and ours. Lua's patterns are not among them, because a
 * pattern can take exponential time within one instruction. Nor are metatables, pcall, and whatever loads or opens
 * something.
 *
 * A function of Lua that touches all of a text or a table counts that as work: see `tolled`.
 */
#include <string.h>

#include "adapt/state.h"
#include "meter/codec.h"

#define BYTES_PER_WORK 64u
#define COPIES_PER_WORK 16u
#define SORT_FACTOR 24u /* comparisons for each element of a large table */

/* ---- Lua's functions ---- */

static uint64_t work_of(lua_State *lua, int index, unsigned factor) {
  if (lua_type(lua, index) == LUA_TSTRING) return lua_rawlen(lua, index) / BYTES_PER_WORK * factor;
  return lua_type(lua, index) == LUA_TTABLE ? lua_rawlen(lua, index) * factor : 0;
}

/* Upvalues of a wrapper: Lua's function, the least count of arguments that is tolled, the factor. */
static int tolled(lua_State *lua) {
  int args = lua_gettop(lua);
  unsigned factor = (unsigned)lua_tointeger(lua, lua_upvalueindex(3));
  for (int i = 1; args >= lua_tointeger(lua, lua_upvalueindex(2)) && i <= args; i++)
    run_charge(lua, work_of(lua, i, factor));
  return lua_tocfunction(lua, lua_upvalueindex(1))(lua);
}

static bool is_plain(int type) {
  return type == LUA_TSTRING || type == LUA_TNUMBER || type == LUA_TBOOLEAN || type == LUA_TNIL;
}

/* Each copy is work, also of an empty text: only the bytes of the result are bounded by memory. */
static int repeat(lua_State *lua) {
  lua_Integer count = lua_tointeger(lua, 2); /* 0: it is no integer */
  if (count > 0) run_charge(lua, (uint64_t)count / COPIES_PER_WORK);
  return tolled(lua);
}

/* Lua compares the elements without any step that is counted. So long texts cost their bytes, too. */
static int sort(lua_State *lua) {
  lua_Integer count = lua_type(lua, 1) == LUA_TTABLE ? (lua_Integer)lua_rawlen(lua, 1) : 0;
  for (lua_Integer i = 1; i <= count; i++) {
    (void)lua_rawgeti(lua, 1, i);
    run_charge(lua, 1 + work_of(lua, -1, SORT_FACTOR));
    lua_pop(lua, 1);
  }
  return tolled(lua);
}

/* Lua's own would show addresses of tables and functions, which differ from run to run. */
static int format(lua_State *lua) {
  for (int i = 1; i <= lua_gettop(lua); i++)
    luaL_argcheck(lua, is_plain(lua_type(lua, i)), i, "format takes texts and numbers");
  return tolled(lua);
}

/* Likewise. */
static int show(lua_State *lua) {
  int type = lua_type(lua, 1);
  if (is_plain(type)) return lua_tocfunction(lua, lua_upvalueindex(1))(lua);
  luaL_checkany(lua, 1);
  lua_pushstring(lua, type == LUA_TLIGHTUSERDATA ? "null" : lua_typename(lua, type));
  return 1;
}

struct given {
  const char *name;
  lua_CFunction wrapper; /* NULL: the value is given as it is */
  int least_args;        /* with fewer arguments the function touches little */
  unsigned factor;
};

static const struct given base_values[] = {
    {"assert", NULL, 0, 0}, {"error", NULL, 0, 0},  {"ipairs", NULL, 0, 0},     {"next", NULL, 0, 0},
    {"pairs", NULL, 0, 0},  {"select", NULL, 0, 0}, {"tonumber", tolled, 1, 1}, {"tostring", show, 0, 0},
    {"type", NULL, 0, 0},   {NULL, NULL, 0, 0}};
static const struct given string_values[] = {{"byte", tolled, 1, BYTES_PER_WORK},
                                             {"char", NULL, 0, 0},
                                             {"format", format, 1, 1},
                                             {"len", NULL, 0, 0},
                                             {"lower", tolled, 1, 4},
                                             {"rep", repeat, 1, 1},
                                             {"reverse", tolled, 1, 4},
                                             {"sub", tolled, 1, 1},
                                             {"upper", tolled, 1, 4},
                                             {NULL, NULL, 0, 0}};
static const struct given table_values[] = {{"concat", tolled, 1, 1}, {"insert", tolled, 3, 1},
                                            {"remove", tolled, 2, 1}, {"sort", sort, 1, SORT_FACTOR},
                                            {"unpack", tolled, 1, 1}, {NULL, NULL, 0, 0}};
static const struct given math_values[] = {
    {"abs", NULL, 0, 0},        {"ceil", NULL, 0, 0}, {"floor", NULL, 0, 0},      {"max", NULL, 0, 0},
    {"maxinteger", NULL, 0, 0}, {"min", NULL, 0, 0},  {"mininteger", NULL, 0, 0}, {"tointeger", NULL, 0, 0},
    {"type", NULL, 0, 0},       {"ult", NULL, 0, 0},  {NULL, NULL, 0, 0}};

/* Sets a field of the table on top to a value of the table below it. */
static void give(lua_State *lua, const struct given *given) {
  lua_getfield(lua, -2, given->name);
  if (given->wrapper != NULL) {
    lua_pushinteger(lua, given->least_args);
    lua_pushinteger(lua, given->factor);
    lua_pushcclosure(lua, given->wrapper, 3);
  }
  lua_setfield(lua, -2, given->name);
}

/* Pushes a new table with a part of a library of Lua. */
static void give_library(lua_State *lua, lua_CFunction open, const struct given *given) {
  lua_pushcfunction(lua, open);
  lua_call(lua, 0, 1);
  lua_newtable(lua);
  for (; given->name != NULL; given++)
    give(lua, given);
  lua_remove(lua, -2);
}

/* ---- ours ---- */

static int nothing(lua_State *lua) {
  lua_pushnil(lua);
  return 1;
}

static struct str text_arg(lua_State *lua, int index) {
  size_t len;
  const char *text = luaL_checklstring(lua, index, &len);
  run_charge(lua, len / BYTES_PER_WORK);
  return str_make(text, len);
}

/* Replaces the table on top by its member of that name, or by the element of that index, which counts from 0. */
static void step_down(lua_State *lua, struct str name) {
  uint64_t index;
  if (lua_type(lua, -1) != LUA_TTABLE) {
    lua_pushnil(lua);
  } else {
    lua_pushlstring(lua, name.ptr, name.len);
    (void)lua_rawget(lua, -2);
    if (lua_isnil(lua, -1) && str_to_u64(name, &index) && index < INT32_MAX) {
      lua_pop(lua, 1);
      (void)lua_rawgeti(lua, -1, (lua_Integer)index + 1);
    }
  }
  lua_remove(lua, -2);
}

/* Pushes what is at a path below the first argument; nil if nothing is. */
static void push_at(lua_State *lua) {
  struct str rest = lua_isnoneornil(lua, 2) ? STR("") : text_arg(lua, 2);
  lua_pushvalue(lua, 1);
  while (rest.len > 0 && !lua_isnil(lua, -1)) {
    run_charge(lua, 1);
    step_down(lua, str_cut(&rest, '.'));
  }
  if (lua_type(lua, -1) != LUA_TLIGHTUSERDATA) return;
  lua_pop(lua, 1);
  lua_pushnil(lua);
}

static int at(lua_State *lua) {
  luaL_checkany(lua, 1);
  push_at(lua);
  return 1;
}

static int text(lua_State *lua) {
  luaL_checkany(lua, 1);
  push_at(lua);
  bool is_text = lua_type(lua, -1) == LUA_TSTRING && lua_rawlen(lua, -1) > 0;
  if (is_text || lua_isinteger(lua, -1))
    (void)lua_tostring(lua, -1);
  else
    lua_pushnil(lua);
  return 1;
}

static int json(lua_State *lua) {
  struct run *run = run_of(lua);
  if (lua_type(lua, 1) != LUA_TSTRING || run->input == NULL) return nothing(lua);
  struct str text = text_arg(lua, 1);
  arena_reset(run->aside);
  char *copy = arena_alloc(run->aside, text.len + JSON_PADDING);
  if (copy == NULL) return luaL_error(lua, "json: the text is too large");
  memcpy(copy, text.ptr, text.len);
  const struct json *value;
  run_charge(lua, text.len); /* its tables cost more than its bytes */
  int result = json_parse(run->input->parser, run->aside, str_make(copy, text.len), SCRIPT_DEPTH_MAX, &value, NULL);
  if (result == -ERR_MEMORY) return luaL_error(lua, "json: the text is too large");
  if (result != 0) return nothing(lua);
  bridge_push(lua, value);
  return 1;
}

static int rule(lua_State *lua) {
  const struct script_input *input = run_of(lua)->input;
  struct str preset = lua_isnoneornil(lua, 1) ? STR("") : text_arg(lua, 1);
  const char *codec = input != NULL ? input->codec_of(input->codec_of_arg, preset) : NULL;
  if (codec == NULL) return nothing(lua);
  lua_pushstring(lua, codec);
  return 1;
}

/* The codec's name as it is given, or nil if no report can have it. */
static int codec(lua_State *lua) {
  char name[CODEC_NAME_MAX + 1];
  bool is_codec = lua_type(lua, 1) == LUA_TSTRING && codec_canonical(text_arg(lua, 1), name, NULL) == 0;
  if (!is_codec) return nothing(lua);
  lua_settop(lua, 1);
  return 1;
}

static int refuse(lua_State *lua) {
  (void)text_arg(lua, 1);
  run_of(lua)->has_refused = true;
  lua_settop(lua, 1);
  return lua_error(lua);
}

/* In a text that is absent, nothing is found. */
static struct str text_or_empty(lua_State *lua, int index) {
  return lua_isnil(lua, index) ? STR("") : text_arg(lua, index);
}

static int starts(lua_State *lua) {
  lua_pushboolean(lua, str_starts(text_or_empty(lua, 1), text_arg(lua, 2)));
  return 1;
}

static int ends(lua_State *lua) {
  struct str whole = text_or_empty(lua, 1), end = text_arg(lua, 2);
  bool fits = end.len <= whole.len;
  lua_pushboolean(lua, fits && str_equal(str_make(whole.ptr + whole.len - end.len, end.len), end));
  return 1;
}

static int find(lua_State *lua) {
  struct str whole = text_or_empty(lua, 1), wanted = text_arg(lua, 2);
  run_charge(lua, whole.len / 8); /* at worst, memmem looks at each byte alone */
  const char *place = memmem(whole.ptr, whole.len, wanted.ptr, wanted.len);
  if (place == NULL) return nothing(lua);
  lua_pushinteger(lua, place - whole.ptr + 1);
  return 1;
}

static int split(lua_State *lua) {
  struct str rest = text_arg(lua, 1), separator = text_arg(lua, 2);
  luaL_argcheck(lua, separator.len > 0, 2, "the separator is empty");
  lua_newtable(lua);
  for (lua_Integer count = 1;; count++) {
    const char *place = memmem(rest.ptr, rest.len, separator.ptr, separator.len);
    size_t len = place != NULL ? (size_t)(place - rest.ptr) : rest.len;
    run_charge(lua, 4);
    lua_pushlstring(lua, rest.ptr, len);
    lua_rawseti(lua, -2, count);
    if (place == NULL) return 1;
    rest = str_make(place + separator.len, rest.len - len - separator.len);
  }
}

static const luaL_Reg ours[] = {{"at", at},       {"text", text},     {"json", json},     {"rule", rule},
                                {"codec", codec}, {"refuse", refuse}, {"starts", starts}, {"ends", ends},
                                {"find", find},   {"split", split},   {NULL, NULL}};

/* ---- the door ---- */

/* Sets the methods of texts, as in ("x"):rep(3), to the table on top. */
static void set_text_methods(lua_State *lua) {
  lua_pushliteral(lua, "");
  lua_createtable(lua, 0, 1);
  lua_pushvalue(lua, -3);
  lua_setfield(lua, -2, "__index");
  (void)lua_setmetatable(lua, -2);
  lua_pop(lua, 1);
}

/* luaopen_base fills the table of globals. A new table takes its place. */
static void open_base(lua_State *lua) {
  give_library(lua, luaopen_base, base_values);
  luaL_setfuncs(lua, ours, 0);
  lua_pushvalue(lua, -1);
  lua_rawseti(lua, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
}

void sandbox_open(lua_State *lua) {
  const char *map = run_of(lua)->script->map;
  open_base(lua);
  give_library(lua, luaopen_string, string_values);
  set_text_methods(lua);
  lua_setfield(lua, -2, "string");
  give_library(lua, luaopen_table, table_values);
  lua_setfield(lua, -2, "table");
  give_library(lua, luaopen_math, math_values);
  lua_setfield(lua, -2, "math");
  lua_pushlightuserdata(lua, NULL);
  lua_setfield(lua, -2, "null");
  if (map != NULL) lua_pushstring(lua, map);
  if (map != NULL) lua_setfield(lua, -2, "map");
  lua_pop(lua, 1);
}
