/* Any text as an adapter's script, with a notice behind its first NUL byte. Whatever they are: the script is refused
 * with its name and a reason, or it ends within its bounds, and what it returns becomes outputs and remarks, or is
 * its fault. */
#include <stdlib.h>
#include <time.h>

#include "adapt/outputs.h"
#include "adapt/script.h"
#include "base/check.h"

#define NOW_MS INT64_C(1769860800000)
#define CPU_MAX_MS \
  (4 * SCRIPT_CPU_MAX_MS) /* a sanitizer slows down what a script does between two looks at the clock */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int64_t cpu_ms(void) {
  struct timespec now;
  CHECK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) == 0);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static const char *codec_of(const void *arg, struct str preset) {
  (void)arg;
  return preset.len > 0 ? "h264" : NULL;
}

/* The tree of a notice; an empty object if it is none. */
static const struct json *parse(struct json_parser *parser, struct arena *arena, struct str text) {
  static const struct json empty = {.type = JSON_OBJECT};
  const struct json *tree;
  char *body = arena_alloc(arena, text.len + JSON_PADDING);
  CHECK(body != NULL);
  memcpy(body, text.ptr, text.len);
  return json_parse(parser, arena, str_make(body, text.len), SCRIPT_DEPTH_MAX, &tree, NULL) == 0 ? tree : &empty;
}

static void take(struct arena *arena, const struct json *made, const struct json *remarks) {
  static const struct adapter_query query = {.project = STR("p"), .source = STR(""), .id = STR(""), .time = STR("")};
  struct outputs *outputs = arena_alloc(arena, sizeof *outputs);
  struct err err = {0};
  if (outputs == NULL) return;
  *outputs = (struct outputs){.arena = arena, .adapter = "fuzz", .query = &query, .now_ms = NOW_MS};
  int result = outputs_take(outputs, made, remarks, &err);
  CHECK(result == 0 || result == -ERR_MEMORY || (result == -ERR_SCRIPT && err.text[0] != '\0'));
  for (size_t i = 0; i < outputs->remarks_count && result == 0; i++)
    CHECK(outputs->remarks[i][0] != '\0' && str_is_utf8(str_of(outputs->remarks[i])));
}

static void run(const struct script *script, struct str notice) {
  SCOPED(arena_free_ref) struct arena *arena = arena_new((size_t)16 << 20);
  SCOPED(json_parser_free_ref) struct json_parser *parser = json_parser_new();
  CHECK(arena != NULL && parser != NULL);
  const struct script_input input = {.notice = parse(parser, arena, notice),
                                     .source = STR("s"),
                                     .id = STR("i"),
                                     .time = STR(""),
                                     .project = STR("p"),
                                     .parser = parser,
                                     .codec_of = codec_of};
  const struct json *made, *remarks;
  struct err err = {0};
  int result = script_run(script, &input, arena, &made, &remarks, &err);
  CHECK(result == 0 || result == -ERR_SCRIPT || result == -ERR_USAGE || result == -ERR_LIMIT);
  CHECK(result == 0 || str_is_utf8(str_of(err.text)));
  if (result == 0) take(arena, made, remarks);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct str rest = str_make((const char *)data, size), text = str_cut(&rest, '\0');
  struct script script = {.name = "fuzz.lua", .map = size % 2 == 1 ? "a=b" : NULL};
  struct err err = {0};
  int64_t begin = cpu_ms();
  if (size == 0) return 0;
  int result = script_compile(&script, text, &err);
  CHECK(result == 0 || (result == -ERR_USAGE && strstr(err.text, "fuzz.lua") != NULL));
  if (result == 0) run(&script, rest);
  script_fini(&script);
  CHECK(cpu_ms() - begin < CPU_MAX_MS);
  return 0;
}
