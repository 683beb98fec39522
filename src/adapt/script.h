/* Scripts of adapters: Lua 5.4 in a sandbox. For the files of this room.
 *
 * A run has a state of its own, which nothing outlives. A script has no files, no clock, no network and no other
 * script. Its work and its memory have bounds, so no notice and no script holds a thread for long.
 */
#ifndef CODECMETER_ADAPT_SCRIPT_H
#define CODECMETER_ADAPT_SCRIPT_H

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"

#define SCRIPT_WORK_MAX 10000000u            /* instructions, and other work that takes as long */
#define SCRIPT_CPU_MAX_MS 1000               /* processor time, for what that count does not see */
#define SCRIPT_MEMORY_MAX ((size_t)64 << 20) /* bytes that a state may hold at one time */
#define SCRIPT_SIZE_MAX ((size_t)1 << 20)    /* bytes of a script's text */
#define SCRIPT_DEPTH_MAX 32                  /* nesting of a notice, of JSON in its texts, and of results */
#define SCRIPT_RESULTS_MAX 1000              /* maximum of outputs, and of remarks */

/* A compiled script. */
struct script {
  const char *name; /* in messages: a file's path or name. Borrowed */
  const char *map;  /* the script's global `map`; NULL: none. Borrowed */
  struct buf code;
};

/* Compiles a text and runs it once without a notice, so that a fault is found at the start. script->name and map are
 * set before. -ERR_USAGE: the text names the script, the line and the fault. -ERR_MEMORY. The caller frees with
 * script_fini. */
MUST_USE int script_compile(struct script *script, struct str text, struct err *err);
void script_fini(struct script *script);

struct script_input {
  const struct json *notice;
  struct str source, id, time, project; /* members of `asked`; empty: absent */
  struct json_parser *parser;           /* for the function `json` */
  /* For the function `rule`: the codec that settings name for the preset (may be empty), or NULL. */
  const char *(*codec_of)(const void *arg, struct str preset);
  const void *codec_of_arg;
};

/* Calls adapt(notice, asked). The results are arrays in the arena; `null`, false and functions are never in them.
 * -ERR_USAGE: the script called refuse(), with that text. -ERR_SCRIPT: it failed, or its results are not two arrays
 * of at most SCRIPT_RESULTS_MAX; the text names the script, and the line where it is known. -ERR_LIMIT: the notice
 * takes more memory than a script may use. -ERR_MEMORY: the system has none. */
MUST_USE int script_run(const struct script *script, const struct script_input *input, struct arena *arena,
                        const struct json **ret_outputs, const struct json **ret_remarks, struct err *err);

#endif
