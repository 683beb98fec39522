/* One lua_pcall surrounds everything that a run does, from its libraries to its results. What Lua allocates is
 * counted, and lua_close frees it, so an error at any place leaks nothing.
 *
 * Three bounds hold together. Work counts instructions, allocated bytes, and what the functions of the sandbox touch.
 * Memory bounds what one instruction can touch. Processor time ends what costs more than the count says, such as
 * comparing long texts again and again: it is read often when much memory is held, seldom otherwise.
 */
#include "adapt/script.h"

#include <stdio.h>
#include <stdlib.h>

#include "adapt/state.h"
#include "base/check.h"
#include "base/clock.h"

#define HOOK_STEP 100u             /* instructions between two looks at the bounds */
#define LONG_STEP (10 * HOOK_STEP) /* between two looks at the clock, while the state is small */
#define SMALL_STATE ((size_t)1 << 20)
#define BYTES_PER_WORK 64u /* allocated or copied bytes that count as one instruction */
#define SHORTAGES_MAX 3    /* each costs Lua a full collection */
#define GC_PAUSE 150 /* collects when memory is 150 % of what was left before, so that garbage causes no shortage */
#define MESSAGE_MAX 600 /* bytes of a script's own message */
#define STACK_VALUE 16u /* bytes of a value of Lua's stack */

/* ---- bounds ---- */

static bool is_exhausted(const struct run *run) {
  return run->work > SCRIPT_WORK_MAX || run->shortages > SHORTAGES_MAX;
}

/* The line that runs now. It is called while Lua allocates, and neither allocates nor raises an error. */
static int line_now(lua_State *lua) {
  lua_Debug at;
  for (int level = 0; lua != NULL && lua_getstack(lua, level, &at) == 1; level++) {
    if (lua_getinfo(lua, "l", &at) != 0 && at.currentline > 0) return at.currentline;
  }
  return 0;
}

/* While Lua 5.4.5 and later move the stack, its calls must not be looked at: their places are offsets. The stack is a
 * block of whole values that grows, as tables' arrays are. */
static bool may_be_stack(size_t held) { return held > 0 && held % STACK_VALUE == 0; }

static bool may_grow(struct run *run, size_t held, size_t more) {
  if (more <= SCRIPT_MEMORY_MAX - run->memory && !is_exhausted(run)) return true;
  int line = may_be_stack(held) ? 0 : line_now(run->lua);
  if (line > 0) run->line = line; /* Lua also wants memory after the last function, to make its stack smaller */
  run->shortages++;
  return false;
}

/* Lua's allocator. Lua relies on that shrinking succeeds. */
static void *allocate(void *arg, void *ptr, size_t old_size, size_t size) {
  struct run *run = arg;
  size_t held = ptr != NULL ? old_size : 0; /* otherwise Lua passes the kind of the object */
  if (size == 0) {
    free(ptr);
    run->memory -= held;
    return NULL;
  }
  run->work += size / BYTES_PER_WORK;
  if (size > held && !may_grow(run, held, size - held)) return NULL;
  void *moved = realloc(ptr, size);
  if (moved == NULL && size > held) run->is_starved = true;
  if (moved == NULL) return size > held ? NULL : ptr;
  run->memory = run->memory - held + size;
  return moved;
}

void run_charge(lua_State *lua, uint64_t work) {
  struct run *run = run_of(lua);
  uint64_t before = run->work;
  run->work += work;
  if (run->work > SCRIPT_WORK_MAX)
    luaL_error(lua, "the script does more than %d steps of work on one notice", (int)SCRIPT_WORK_MAX);
  uint64_t step = run->memory > SMALL_STATE ? HOOK_STEP : LONG_STEP;
  if (before / step != run->work / step && clock_thread_cpu_ns() > run->cpu_end_ns)
    luaL_error(lua, "the script takes more than %d ms of processor time on one notice", SCRIPT_CPU_MAX_MS);
}

/* Notes the line when a bound is near, for a shortage that cannot look for it. */
static void on_step(lua_State *lua, lua_Debug *at) {
  struct run *run = run_of(lua);
  bool is_near = run->memory > SMALL_STATE || run->work > SCRIPT_WORK_MAX / 2;
  if (is_near && lua_getinfo(lua, "l", at) != 0 && at->currentline > 0) run->line = at->currentline;
  run_charge(lua, HOOK_STEP);
}

/* ---- the protected part ---- */

static void load(lua_State *lua, const struct script *script) {
  int status = luaL_loadbufferx(lua, script->code.ptr, script->code.len, script->name, "b");
  if (status != LUA_OK) lua_error(lua);
  lua_call(lua, 0, 0);
  if (lua_getglobal(lua, "adapt") != LUA_TFUNCTION)
    luaL_error(lua, "%s: the script defines no function adapt(notice, asked)", script->name);
}

static void set_member(lua_State *lua, const char *name, struct str value) {
  if (value.len == 0) return;
  lua_pushlstring(lua, value.ptr, value.len);
  lua_setfield(lua, -2, name);
}

static void push_asked(lua_State *lua, const struct script_input *input) {
  lua_createtable(lua, 0, 4);
  set_member(lua, "source", input->source);
  set_member(lua, "id", input->id);
  set_member(lua, "time", input->time);
  set_member(lua, "project", input->project);
}

static int protected(lua_State *lua) {
  struct run *run = run_of(lua);
  sandbox_open(lua);
  load(lua, run->script);
  if (run->input == NULL) return 0;
  run->reads_notice = true;
  bridge_push(lua, run->input->notice);
  push_asked(lua, run->input);
  run->reads_notice = false;
  lua_call(lua, 2, 2);
  run->outputs = bridge_take(lua, -2, "outputs");
  run->remarks = bridge_take(lua, -1, "remarks");
  return 0;
}

/* Puts the place of an error before its text, unless it is there. An error may be any value. */
static int explain(lua_State *lua) {
  lua_Debug at = {.currentline = -1};
  if (run_of(lua)->has_refused) return 1;
  bool is_text = lua_type(lua, 1) == LUA_TSTRING;
  const char *text = is_text ? lua_tostring(lua, 1)
                             : lua_pushfstring(lua, "error() got a %s instead of a text", luaL_typename(lua, 1));
  for (int level = 1; at.currentline <= 0 && lua_getstack(lua, level, &at) == 1; level++)
    (void)lua_getinfo(lua, "Sl", &at);
  if (at.currentline <= 0 || str_starts(str_of(text), str_of(at.short_src)))
    lua_pushstring(lua, text);
  else
    lua_pushfstring(lua, "%s:%d: %s", at.short_src, at.currentline, text);
  return 1;
}

/* ---- results ---- */

/* The message on the stack, short and printable; the caller frees it. */
static char *message_of(lua_State *lua) {
  size_t len = 0;
  const char *text = lua_type(lua, -1) == LUA_TSTRING ? lua_tolstring(lua, -1, &len) : "unknown error";
  if (len == 0) len = strlen(text);
  size_t shown = len < MESSAGE_MAX ? len : MESSAGE_MAX;
  while (shown < len && shown > 0 && ((unsigned char)text[shown] & 0xC0) == 0x80)
    shown--;
  return str_printable(str_make(text, shown));
}

static int fail_of_memory(const struct run *run, struct err *err) {
  if (run->is_starved) return err_set(err, ERR_MEMORY, "no memory to run %s", run->script->name);
  if (run->reads_notice) return err_set(err, ERR_LIMIT, "the notice is too large");
  if (run->shortages == 0) return err_set(err, ERR_SCRIPT, "%s: an error in an error", run->script->name);
  char line[16] = "";
  if (run->line > 0) (void)snprintf(line, sizeof line, "%d:", run->line);
  if (run->work > SCRIPT_WORK_MAX) {
    return err_set(err, ERR_SCRIPT, "%s:%s the script does more than %u steps of work on one notice",
                   run->script->name, line, SCRIPT_WORK_MAX);
  }
  return err_set(err, ERR_SCRIPT, "%s:%s the script needs more than %zu MiB of memory", run->script->name, line,
                 SCRIPT_MEMORY_MAX >> 20);
}

static int fail(const struct run *run, int status, struct err *err) {
  if (status == LUA_ERRMEM || status == LUA_ERRERR) return fail_of_memory(run, err);
  SCOPED_MALLOC char *text = message_of(run->lua);
  return err_set(err, run->has_refused ? ERR_USAGE : ERR_SCRIPT, "%s", text);
}

/* Opens a state; its stack holds the function `explain`. */
static int open_state(struct run *run, struct err *err) {
  lua_State *lua = lua_newstate(allocate, run);
  if (lua == NULL) return err_set(err, ERR_MEMORY, "no memory to run %s", run->script->name);
  *(struct run **)lua_getextraspace(lua) = run;
  run->lua = lua;
  run->cpu_end_ns = clock_thread_cpu_ns() + (int64_t)SCRIPT_CPU_MAX_MS * 1000000;
  lua_pushcfunction(lua, explain);
  (void)lua_gc(lua, LUA_GCINC, GC_PAUSE, 0, 0);
  lua_sethook(lua, on_step, LUA_MASKCOUNT, HOOK_STEP);
  return 0;
}

/* Runs a function with at most one argument, a light userdata, and closes the state. */
static int run_protected(struct run *run, lua_CFunction function, void *arg, struct err *err) {
  int result = open_state(run, err);
  if (result != 0) return result;
  lua_pushcfunction(run->lua, function);
  lua_pushlightuserdata(run->lua, arg);
  int status = lua_pcall(run->lua, 1, 0, 1);
  if (status != LUA_OK) result = fail(run, status, err);
  lua_close(run->lua);
  return result;
}

int script_run(const struct script *script, const struct script_input *input, struct arena *arena,
               const struct json **ret_outputs, const struct json **ret_remarks, struct err *err) {
  SCOPED(arena_free_ref) struct arena *aside = arena_new(SCRIPT_MEMORY_MAX);
  if (aside == NULL) return err_set(err, ERR_MEMORY, "no memory to run %s", script->name);
  struct run run = {.script = script, .input = input, .arena = arena, .aside = aside};
  int result = run_protected(&run, protected, NULL, err);
  if (result != 0 && (arena_is_starved(arena) || arena_is_starved(aside)))
    return err_set(err, ERR_MEMORY, "no memory to run %s", script->name);
  if (result != 0) return result;
  *ret_outputs = run.outputs;
  *ret_remarks = run.remarks;
  return 0;
}

/* ---- compiling ---- */

static int write_code(lua_State *lua, const void *bytes, size_t len, void *arg) {
  (void)lua;
  struct buf *code = arg;
  buf_append(code, bytes, len);
  return code->failed ? 1 : 0;
}

static int compile(lua_State *lua) {
  struct run *run = run_of(lua);
  const struct str *text = lua_touserdata(lua, 1);
  struct script *script = (struct script *)(uintptr_t)run->script;
  char name[LUA_IDSIZE * 4];
  (void)snprintf(name, sizeof name, "@%s", script->name);
  if (luaL_loadbufferx(lua, text->ptr, text->len, name, "t") != LUA_OK) lua_error(lua);
  if (lua_dump(lua, write_code, &script->code, 0) != 0) run->is_starved = true;
  return 0;
}

int script_compile(struct script *script, struct str text, struct err *err) {
  struct run compiling = {.script = script}, checking = {.script = script};
  if (str_starts(text, STR("\xEF\xBB\xBF"))) text = str_make(text.ptr + 3, text.len - 3);
  if (text.len > SCRIPT_SIZE_MAX)
    return err_set(err, ERR_USAGE, "%s: a script has at most %zu bytes", script->name, SCRIPT_SIZE_MAX);
  if (text.len > 0 && text.ptr[0] == LUA_SIGNATURE[0])
    return err_set(err, ERR_USAGE, "%s: the script is compiled; give its text", script->name);
  if (!str_is_utf8(text)) return err_set(err, ERR_USAGE, "%s: the script is not UTF-8", script->name);
  int result = run_protected(&compiling, compile, &text, err);
  if (result == 0 && compiling.is_starved) result = err_set(err, ERR_MEMORY, "no memory to compile %s", script->name);
  if (result == 0) result = run_protected(&checking, protected, NULL, err);
  if (result != -ERR_SCRIPT && result != -ERR_USAGE) return result;
  err->code = ERR_USAGE;
  return strstr(err->text, script->name) != NULL ? -ERR_USAGE
                                                 : err_prefix(err, "%s", script->name); /* Lua shortens it */
}

void script_fini(struct script *script) { buf_fini(&script->code); }
