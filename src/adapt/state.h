/* A run of a script: its Lua state and its bounds. Only script.c, sandbox.c and bridge.c include this header, and it
 * alone includes Lua's.
 *
 * Lua reports an error by longjmp to the one lua_pcall in script.c. So a function that Lua calls, or that calls Lua,
 * owns nothing that must be freed: its memory is Lua's, or an arena's.
 */
#ifndef CODECMETER_ADAPT_STATE_H
#define CODECMETER_ADAPT_STATE_H

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "adapt/script.h"

struct run {
  const struct script *script;
  const struct script_input *input; /* NULL: the script is only checked */
  struct arena *arena;              /* for the results */
  struct arena *aside;              /* for the function `json`, which empties it */
  const struct json *outputs, *remarks;

  lua_State *lua;
  uint64_t work;      /* see SCRIPT_WORK_MAX */
  int64_t cpu_end_ns; /* of the thread */
  size_t memory;      /* bytes that the state holds */
  unsigned shortages; /* how often it wanted more than it may have */
  int line;           /* where it last wanted more; 0: unknown */
  bool is_starved;    /* the system had no memory */
  bool reads_notice;  /* the driver makes tables of the notice: what fails is not the script's fault */
  bool has_refused;   /* refuse() was called */
};

static inline struct run *run_of(lua_State *lua) { return *(struct run **)lua_getextraspace(lua); }

/* Counts work; raises an error if it is too much. */
void run_charge(lua_State *lua, uint64_t work);

/* Fills the globals. */
void sandbox_open(lua_State *lua);

/* Pushes a value of JSON: see docs/adapters.md. */
void bridge_push(lua_State *lua, const struct json *value);
/* Makes JSON of the value at that index; name is what messages call it. The value is in the arena of the run. Raises
 * an error if JSON has no such value. */
const struct json *bridge_take(lua_State *lua, int index, const char *name);

#endif
