/* Scripts of adapters: what they cannot reach, what stops them, what they may return, and how numbers pass. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "adapt/adapter.h"
#include "base/file.h"

#define NOW_MS INT64_C(1769860800000) /* 2026-01-31T12:00:00Z */
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static char dir[] = "/tmp/codecmeter-adapter-XXXXXX";
static char path[sizeof dir + 32];

static int make_dir(void **state) {
  (void)state;
  if (mkdtemp(dir) == NULL) return -1;
  (void)snprintf(path, sizeof path, "%s/t.lua", dir);
  return 0;
}

static int remove_dir(void **state) {
  (void)state;
  return file_remove_tree(dir, NULL);
}

/* What one notice gave. */
struct told {
  struct arena *arena;
  struct events events;
  const char *const *ignored;
  size_t ignored_count;
  struct err err;
  int result;
};

static void forget(struct told *told) {
  if (told->arena != NULL) arena_free(told->arena);
}

static int make_set(struct str text, struct config *config, struct adapters **ret, struct err *err) {
  char setting[sizeof path + 32];
  (void)snprintf(setting, sizeof setting, "adapter.t.script=%s", path);
  assert_int_equal(file_replace(dir, "t.lua", text, err), 0);
  assert_int_equal(config_set(config, setting, err), 0);
  return adapters_new(config, ret, err);
}

static struct told tell(const struct adapters *set, const char *name, struct str notice,
                        const struct adapter_query *query) {
  static const struct adapter_query nothing = {.project = STR("org-a"), .source = STR(""), .id = STR(""), .time = STR("")};
  struct told told = {.arena = arena_new(adapter_memory_max(notice.len)), .result = 1};
  SCOPED(arena_free_ref) struct arena *scratch = arena_new((size_t)64 << 20);
  SCOPED(json_parser_free_ref) struct json_parser *parser = json_parser_new();
  SCOPED(buf_fini) struct buf body = {0};
  buf_str(&body, notice);
  assert_non_null(buf_extend(&body, JSON_PADDING));
  const struct event_rules rules = {.may_wait = true, .now_ms = NOW_MS, .events_max = ADAPTER_OUTPUTS_MAX};
  const struct adapter_notice given = {.adapter = adapters_find(set, str_of(name)),
                                       .body = str_make(body.ptr, notice.len),
                                       .query = query != NULL ? query : &nothing,
                                       .event_rules = &rules};
  assert_non_null(given.adapter);
  told.result = adapter_read(&given, parser, scratch, told.arena, &told.events, &told.ignored, &told.ignored_count,
                             &told.err);
  return told;
}

/* Runs the body of a function adapt(notice, asked). */
static struct told run(const char *body, const char *notice) {
  static struct config config;
  SCOPED(adapters_free_ref) struct adapters *set = NULL;
  SCOPED(buf_fini) struct buf text = {0};
  struct err err = {0};
  config_init(&config);
  buf_printf(&text, "function adapt(notice, asked)\n%s\nend\n", body);
  if (make_set(buf_view(&text), &config, &set, &err) != 0) fail_msg("%s: %s", body, err.text);
  return tell(set, "t", str_of(notice), NULL);
}

/* ---- scripts that are refused at the start ---- */

static void test_refused_at_the_start(void **state) {
  (void)state;
  static const struct {
    struct str text;
    const char *says;
  } rows[] = {
      {STR("function adapt("), "t.lua:1: "},
      {STR("\n\nx = = 1"), "t.lua:3: "},
      {STR(""), "defines no function adapt"},
      {STR("adapt = 7"), "defines no function adapt"},
      {STR("local function adapt() end"), "defines no function adapt"},
      {STR("function adapt() end -- \xff"), "not UTF-8"},
      {STR("\x1bLua"), "is compiled"},
      {STR("\x1bx"), "is compiled"},
      {STR("\nrefuse('x')"), "t.lua: x"},
      {STR("\nerror('a reason')\nfunction adapt() end"), "t.lua:2: a reason"},
      {STR("\nwhile true do end"), "t.lua:2: the script"},
      {STR("local t = {} while true do t[#t + 1] = {} end"), "t.lua:1: the script"},
      {STR("print('x')"), "'print'"},
      {STR("local f = io.open('/etc/passwd')"), "'io'"},
  };
  for (size_t i = 0; i < COUNT(rows); i++) {
    static struct config config;
    struct adapters *set = NULL;
    struct err err = {0};
    config_init(&config);
    if (make_set(rows[i].text, &config, &set, &err) != -ERR_USAGE) fail_msg("row %zu is taken", i);
    bool says = strstr(err.text, rows[i].says) != NULL && strstr(err.text, path) != NULL &&
                strncmp(err.text, "adapter.t.script: ", 18) == 0;
    if (!says) fail_msg("row %zu: %s", i, err.text);
  }
}

static void test_settings(void **state) {
  (void)state;
  assert_int_equal(file_replace(dir, "good.lua", STR("\xEF\xBB\xBF" "function adapt() end"), NULL), 0);
  SCOPED(buf_fini) struct buf text = {0};
  char *room = buf_extend(&text, ((size_t)1 << 20) + 1);
  memset(room, '\n', text.len);
  assert_int_equal(file_replace(dir, "big.lua", buf_view(&text), NULL), 0);
  char fifo[sizeof path];
  (void)snprintf(fifo, sizeof fifo, "%s/fifo", dir);
  assert_int_equal(mkfifo(fifo, 0600), 0);
  static const struct {
    const char *name, *file, *says;
  } rows[] = {
      {"x", "good.lua", NULL},
      {"a-1", "good.lua", NULL},
      {"umedia", "good.lua", NULL},
      {"abcdefghijklmnopqrstuvwxyz012345", "good.lua", NULL},
      {"1a", "good.lua", "the name of an adapter"},
      {"A", "good.lua", "the name of an adapter"},
      {"a_b", "good.lua", "the name of an adapter"},
      {"-", "good.lua", "the name of an adapter"},
      {"x", "none.lua", "No such file"},
      {"x", "", "directory"},
      {"x", "fifo", "fifo"},
      {"x", "big.lua", "at most 1048576 bytes"},
  };
  for (size_t i = 0; i < COUNT(rows); i++) {
    static struct config config;
    SCOPED(adapters_free_ref) struct adapters *set = NULL;
    char setting[200];
    struct err err = {0};
    config_init(&config);
    (void)snprintf(setting, sizeof setting, "adapter.%s.script=%s/%s", rows[i].name, dir, rows[i].file);
    assert_int_equal(config_set(&config, setting, &err), 0);
    int result = adapters_new(&config, &set, &err);
    if (rows[i].says == NULL) {
      if (result != 0) fail_msg("row %zu: %s", i, err.text);
      const struct adapter *adapter = adapters_find(set, str_of(rows[i].name));
      assert_non_null(adapter);
      assert_string_equal(adapter_name(adapter), rows[i].name);
      assert_true(strstr(adapter_origin(adapter), "good.lua") != NULL);
    } else if (result != -ERR_USAGE || strstr(err.text, rows[i].says) == NULL) {
      fail_msg("row %zu: %d %s", i, result, err.text);
    }
  }
}

static void test_the_set_is_sorted_and_bounded(void **state) {
  (void)state;
  static struct config config;
  struct adapters *set = NULL;
  struct err err = {0};
  config_init(&config);
  assert_int_equal(adapters_new(&config, &set, &err), 0);
  size_t builtin = 0;
  for (; adapters_at(set, builtin) != NULL; builtin++) {
    const char *name = adapter_name(adapters_at(set, builtin));
    assert_true(builtin == 0 || strcmp(adapter_name(adapters_at(set, builtin - 1)), name) < 0);
    assert_ptr_equal(adapters_find(set, str_of(name)), adapters_at(set, builtin));
    assert_string_equal(adapter_origin(adapters_at(set, builtin)), "built-in");
  }
  assert_null(adapters_find(set, STR("nobody")));
  adapters_free(MOVE(set));
  assert_int_equal(file_replace(dir, "good.lua", STR("function adapt() end"), NULL), 0);
  int result = 0;
  for (size_t i = 0; i < CONFIG_ADAPTER_SCRIPTS_MAX && result == 0; i++) {
    char setting[200];
    (void)snprintf(setting, sizeof setting, "adapter.x%zu.script=%s/good.lua", i, dir);
    assert_int_equal(config_set(&config, setting, &err), 0);
    result = adapters_new(&config, &set, &err);
    assert_true((result == 0) == (builtin + i + 1 <= ADAPTERS_MAX));
    if (result == 0) adapters_free(MOVE(set));
  }
  assert_non_null(strstr(err.text, "more than 64 adapters"));
}

/* ---- what a script cannot do, and what it may not return ---- */

static const struct {
  const char *body, *says;
} bad[] = {
    /* Loops, recursion, memory. Which bound is met first depends on the machine, where much is done. */
    {"while true do end", "t.lua:2: "},
    {"while true do local x = {} end", "t.lua:2: the script"},
    {"local function f() return f() end return f()", "t.lua:2: "},
    {"local function f() return 1 + f() end return f()", "t.lua:2: "},
    {"local function f(...) return f(1, ...) end return f()", "t.lua:2: "},
    {"local function f() table.sort({3, 2, 1}, function(a, b) f() return a < b end) end f()", "C stack overflow"},
    {"local t = {} while true do t[#t + 1] = {} end", "t.lua:2: the script"},
    {"return ('x'):rep(1 << 40)", "t.lua:2: "},
    {"return ('x'):rep(100000000)", "t.lua:2: the script needs more than 64 MiB"},
    {"json((' '):rep(11000000))", "t.lua:2: the script does more than 10000000 steps"},
    {"return ('x'):rep(1 << 20, ('y'):rep(1 << 20))", "t.lua:2: "},
    {"local s = 'x' while true do s = s .. s end", "t.lua:2: "},
    {"while true do local s = ('x'):rep(30000000) end", "t.lua:2: "},
    {"local t = {} for i = 1, 1000 do t[i] = ('x'):rep(1 << 16) end return table.concat(t)", "t.lua:2: "},
    {"local t = {} for i = 1, 200000 do t[i] = i end while true do table.insert(t, 1, 0) table.remove(t, 1) end", "t.lua:2: "},
    {"local t = {} for i = 1, 400000 do t[i] = -i end while true do table.sort(t) end", "t.lua:2: "},
    {"local a, b = ('x'):rep(20000000) .. 'a', ('x'):rep(20000000) .. 'b' local t = {} for i = 1, 4000 do"
     " t[i] = i % 3 == 0 and a or b end table.sort(t)", "t.lua:2: the script does more than"},
    {"return (''):rep(1 << 62)", "t.lua:2: the script does more than"},
    {"return string.rep('', '4611686018427387904', '')", "t.lua:2: the script does more than"},
    {"while true do local x = table.unpack({}, 1, 100000) end", "t.lua:2: "},
    {"return table.unpack({}, 1, 1 << 40)", "too many results"},
    {"local s = ('x'):rep(100000) while true do local x = s:byte(1, -1) end", "t.lua:2: "},
    {"local s = (','):rep(20000000) while true do split(s, ',') end", "t.lua:2: "},
    {"local a, b = ('x'):rep(20000000) .. 'a', ('x'):rep(20000000) .. 'b' while true do local c = a == b end", "t.lua:2: "},
    {"local s, p = ('a'):rep(20000000), ('a'):rep(1000000) .. 'b' while true do find(s, p) end", "t.lua:2: "},
    {"local t = {} for i = 1, 300000 do t['k' .. i] = 1 end for k in pairs(t) do t[k] = nil end while true do next(t) end",
     "t.lua:2: "},
    {"local s = '[' .. ('[],'):rep(100000) .. '[]]' while true do json(s) end", "t.lua:2: "},
    {"json('[' .. ('[],'):rep(3000000) .. '[]]')", "t.lua:2: json: the text is too large"},
    {"local t = {} t.a = t at(t, ('a.'):rep(20000000))", "t.lua:2: "},
    {"error(('x'):rep(30000000))", "t.lua:2: "},
    /* errors */
    {"error('a reason')", "t.lua:2: a reason"},
    {"error('a reason', 0)", "t.lua:2: a reason"},
    {"error(nil)", "t.lua:2: error() got a nil"},
    {"error({1})", "t.lua:2: error() got a table"},
    {"error(error)", "t.lua:2: error() got a function"},
    {"error('\\xff\\n')", "t.lua:2: \\xff\\x0a"},
    {"\n\nreturn notice.x.y", "t.lua:4: attempt to index a nil value (field 'x')"},
    {"return nothing()", "t.lua:2: attempt to call a nil value (global 'nothing')"},
    {"local t = {} for i = 1, 1000 do t[i] = i end table.sort(t, function() return true end)", "invalid order function"},
    {"refuse()", "t.lua:2: bad argument #1 to 'refuse'"},
    {"split('a', '')", "the separator is empty"},
    {"('%s'):format({})", "format takes texts and numbers"},
    {"return '10' + 1", "arithmetic on a string"},
    {"return ('x').y.z", "t.lua:2: "},
    /* results */
    {"return 7", "outputs: not an array"},
    {"return 'x'", "outputs: not an array"},
    {"return adapt", "outputs: not an array"},
    {"return {id = 'a'}", "outputs: not an array"},
    {"return {}, 'x'", "remarks: not an array"},
    {"return {}, {7}", "remarks[1]: it is not a text"},
    {"return {}, {''}", "remarks[1]: it is not a text"},
    {"return {}, {{}}", "remarks[1]: it is not a text"},
    {"return {}, {'\\xff'}", "remarks[1]: a text that is not UTF-8"},
    {"return {7}", "outputs[1]: it must be a table"},
    {"return {{}}", "outputs[1].id: it is missing"},
    {"return {{id = ''}}", "outputs[1].id: it is missing"},
    {"return {{id = null}}", "outputs[1].id: it is missing"},
    {"return {{id = 'a'}, {id = {}}}", "outputs[2].id: it must be a text"},
    {"return {{id = true}}", "outputs[1].id: it must be a text"},
    {"return {{id = '\\xff'}}", "outputs[1].id: a text that is not UTF-8"},
    {"return {{id = ('\xE2\x82\xAC'):sub(1, 2)}}", "outputs[1].id: a text that is not UTF-8"},
    {"return {{id = 'a', ['\\xff'] = 1}}", "a name that is not UTF-8"},
    {"return {{id = 'a', width = 1}}", "outputs[1].width: an output has only"},
    {"return {{id = 'a', data = 7}}", "outputs[1].data: it must be a table"},
    {"return {{id = 'a', data = {1}}}", "outputs[1].data: it must be a table"},
    {"return {{id = 'a', data = {widht = 1}}}", "outputs[1].data.widht: there is no such member"},
    {"return {{id = 'a', data = {reason = 'x'}}}", "outputs[1].data.reason: there is no such member"},
    {"return {{id = 'a', data = {width = {}}}}", "outputs[1].data.width: it must be a text or a number"},
    {"return {{id = 'a', data = {width = true}}}", "outputs[1].data.width: it must be a text or a number"},
    {"return {{id = 'a', data = {width = adapt}}}", "outputs[1].data.width: a function"},
    {"return {{id = 'a', data = {duration = 0 / 0}}}", "outputs[1].data.duration: a number that is infinite or none"},
    {"return {{id = 'a', data = {duration = 1 / 0}}}", "outputs[1].data.duration: a number that is infinite or none"},
    {"return {{id = 'a', data = {labels = 'x'}}}", "outputs[1].data.labels: it must be a table"},
    {"return {{id = 'a', data = {labels = {a = {}}}}}", "a label must be a text"},
    {"return {{id = 'a', data = {labels = {a='1',b='2',c='3',d='4',e='5',f='6',g='7',h='8',i='9'}}}}", "more than 8 labels"},
    {"return {{id = 'a'}, nil, {id = 'b'}}", "outputs: an array with a gap"},
    {"return {[1] = {id = 'a'}, [3] = {id = 'b'}}", "outputs: an array with a gap"},
    {"return {[2] = {id = 'a'}}", "outputs: a table that is neither"},
    {"return {{id = 'a'}, x = 1}", "outputs: a table that is neither"},
    {"return {{id = 'a'}, [true] = 1}", "outputs: an array with a gap"},
    {"local t = {} t[1] = t return t", "nested too deep, or contains itself"},
    {"local t = {id = 'a'} t.data = t return {t}", "nested too deep, or contains itself"},
    {"local t = {} local r = t for i = 1, 100 do t.a = {} t = t.a end return {{id = 'a', data = r}}", "nested too deep"},
    {"local t = {} for i = 1, 20000 do t[i] = {id = 'a' .. i} end return t", "outputs: more than 1000"},
    {"local t = {} for i = 1, 1001 do t[i] = {id = 'a' .. i} end return t", "outputs: more than 1000"},
    {"local t = {} for i = 1, 1001 do t[i] = 'x' end return nil, t", "remarks: more than 1000"},
    {"local s = ('x'):rep(20000000) local t = {} for i = 1, 900 do t[i] = {id = s} end return t", "returned more than"},
};

static double processor_seconds(void) {
  struct timespec now;
  assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now), 0);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* A run may take 1 s of processor time, and one long instruction more: that is much on a slow machine. */
static void test_bad_scripts(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT(bad); i++) {
    double before = processor_seconds();
    SCOPED(forget) struct told told = run(bad[i].body, "{}");
    if (told.result != -ERR_SCRIPT) fail_msg("%s: %d %s", bad[i].body, told.result, told.err.text);
    bool says = strstr(told.err.text, bad[i].says) != NULL && strstr(told.err.text, "t.lua") != NULL &&
                strncmp(told.err.text, "adapter t: ", 11) == 0 && str_is_utf8(str_of(told.err.text));
    if (!says) fail_msg("%s: %s", bad[i].body, told.err.text);
    assert_true(told.err.code == ERR_SCRIPT && told.events.count == 0 && told.ignored_count == 0);
    double took = processor_seconds() - before;
    if (took > 10) fail_msg("%s: %.1f s of processor time", bad[i].body, took);
  }
}

/* What is not there: each name must be nil, and each method too. */
static void test_nothing_else_is_reachable(void **state) {
  (void)state;
  static const char *const absent[] = {
      "io", "os", "package", "require", "load", "loadfile", "loadstring", "dofile", "debug", "coroutine", "pcall", "xpcall",
      "setmetatable", "getmetatable", "rawget", "rawset", "rawequal", "rawlen", "collectgarbage", "print", "warn", "_G",
      "utf8", "string.find", "string.match", "string.gmatch", "string.gsub", "string.dump", "string.pack",
      "string.unpack", "string.packsize", "table.move", "table.pack", "math.random", "math.randomseed", "math.sin",
      "('x').find", "('x').match", "('x').gmatch", "('x').gsub", "('x').dump", "('x').pack", "('x').unpack",
  };
  for (size_t i = 0; i < COUNT(absent); i++) {
    char body[200];
    (void)snprintf(body, sizeof body, "return {}, {tostring(%s)}", absent[i]);
    SCOPED(forget) struct told told = run(body, "{}");
    if (told.result != 0 || strcmp(told.ignored[0], "nil") != 0) fail_msg("%s: %s", absent[i], told.err.text);
  }
}

/* A run leaves nothing for the next one. */
static void test_each_notice_is_the_first(void **state) {
  (void)state;
  static struct config config;
  SCOPED(adapters_free_ref) struct adapters *set = NULL;
  config_init(&config);
  struct str text = STR("n = 0 function adapt() n = n + 1 string.rep = nil at = nil return {}, {tostring(n)} end");
  assert_int_equal(make_set(text, &config, &set, NULL), 0);
  for (int i = 0; i < 3; i++) {
    SCOPED(forget) struct told told = tell(set, "t", STR("{}"), NULL);
    assert_string_equal(told.ignored[0], "1");
  }
}

/* ---- what a script is given ---- */

/* body returns a text; it must be the expected one. */
static const struct {
  const char *notice, *body, *says;
} seen[] = {
    {"{\"a\":1234567890123456789}", "math.type(notice.a) .. notice.a", "integer1234567890123456789"},
    {"{\"a\":1234567890123456788}", "tostring(notice.a)", "1234567890123456788"},
    {"{\"a\":9223372036854775807}", "math.type(notice.a) .. notice.a", "integer9223372036854775807"},
    {"{\"a\":-9223372036854775808}", "math.type(notice.a) .. notice.a", "integer-9223372036854775808"},
    {"{\"a\":9223372036854775808}", "type(notice.a) .. notice.a", "string9223372036854775808"},
    {"{\"a\":12345678901234567890}", "text(notice, 'a')", "12345678901234567890"},
    {"{\"a\":60.04}", "type(notice.a) .. notice.a", "string60.04"},
    {"{\"a\":1e3}", "text(notice, 'a')", "1e3"},
    {"{\"a\":1.0}", "text(notice, 'a')", "1.0"},
    {"{\"a\":-0}", "text(notice, 'a')", "-0"},
    {"{\"a\":\"\\u0000x\"}", "tostring(#notice.a)", "2"},
    {"{\"a\":null}", "tostring(notice.a)", "nil"},
    {"{\"a\":null,\"a\":1}", "tostring(notice.a)", "1"},
    {"{\"a\":[1,null,3]}", "#notice.a .. tostring(notice.a[2] == null) .. tostring(at(notice, 'a.1'))", "3truenil"},
    {"{\"a\":[{\"b\":\"x\"},{\"b\":\"y\"}]}", "at(notice, 'a.1.b')", "y"},
    {"{\"a\":[{\"b\":\"x\"}]}", "tostring(at(notice, 'a.1.b')) .. tostring(at(notice, 'a.b')) .. tostring(at(nil, 'a'))",
     "nilnilnil"},
    {"{\"a\":{\"0\":\"zero\"}}", "at(notice, 'a.0')", "zero"},
    {"{\"a\":\"x\"}", "tostring(at(notice, 'a.0')) .. tostring(at(notice, 'a.len'))", "nilnil"},
    {"{\"a\":false,\"b\":true}", "tostring(at(notice, 'a')) .. tostring(text(notice, 'b'))", "falsenil"},
    {"{\"a\":\"\",\"b\":[],\"c\":7}", "tostring(text(notice, 'a')) .. tostring(text(notice, 'b')) .. text(notice, 'c')", "nilnil7"},
    {"{\"a\":\"{\\\"b\\\":[1,2.50]}\"}", "json(notice.a).b[1] .. json(notice.a).b[2]", "12.50"},
    {"{\"a\":\"{\"}", "tostring(json(notice.a)) .. tostring(json(nil)) .. tostring(json('7'))", "nilnilnil"},
    {"{}", "tostring(json(('['):rep(100) .. (']'):rep(100)))", "nil"},
    {"{}", "tostring(starts('abc', 'ab')) .. tostring(starts('abc', 'b')) .. tostring(ends('abc', 'bc')) .. "
           "tostring(ends('c', 'bc'))", "truefalsetruefalse"},
    {"{}", "find('a.b', '.') .. tostring(find('ab', '.')) .. find('x', '')", "2nil1"},
    {"{}", "tostring(starts(nil, 'a')) .. tostring(ends(nil, 'a')) .. tostring(find(nil, 'a'))", "falsefalsenil"},
    {"{}", "table.concat(split('a,,b', ','), '|') .. #split('', ',')", "a||b1"},
    {"{}", "tostring(codec('libx264')) .. tostring(codec('no codec')) .. tostring(codec()) .. tostring(codec(''))",
     "libx264nilnilnil"},
    {"{}", "tostring({}) .. tostring(adapt) .. tostring(null) .. tostring(1.5) .. tostring(nil)", "tablefunctionnull1.5nil"},
    {"{}", "('%d|%s|%5.2f'):format(7, 'x', 1.5)", "7|x| 1.50"},
    {"{}", "tostring(tonumber('60.04') * 1000 // 1)", "60040.0"},
    {"{}", "tostring(map) .. tostring(rule())", "nilnil"},
    {"{}", "tostring(asked.source) .. tostring(asked.id) .. tostring(asked.time) .. asked.project", "nilnilnilorg-a"},
};

static void test_what_a_script_sees(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT(seen); i++) {
    char body[400];
    (void)snprintf(body, sizeof body, "return {}, {%s}", seen[i].body);
    SCOPED(forget) struct told told = run(body, seen[i].notice);
    if (told.result != 0) fail_msg("%s: %s", seen[i].body, told.err.text);
    if (strcmp(told.ignored[0], seen[i].says) != 0) fail_msg("%s: %s", seen[i].body, told.ignored[0]);
  }
}

static void test_rules(void **state) {
  (void)state;
  static struct config config;
  SCOPED(adapters_free_ref) struct adapters *set = NULL;
  struct err err = {0};
  config_init(&config);
  assert_int_equal(config_set(&config, "adapter.t.codec.720p=h265", &err), 0);
  assert_int_equal(config_set(&config, "adapter.t.codec=av1", &err), 0);
  assert_int_equal(config_set(&config, "adapter.t.codec=vp9", &err), 0); /* the last one wins */
  assert_int_equal(config_set(&config, "adapter.umedia.codec=h264", &err), 0);
  struct str text = STR("function adapt() return {}, {rule() .. rule('720p') .. rule('x') .. rule(7)} end");
  assert_int_equal(make_set(text, &config, &set, &err), 0);
  SCOPED(forget) struct told told = tell(set, "t", STR("{}"), NULL);
  assert_string_equal(told.ignored[0], "vp9h265vp9vp9");
}

static void test_refuse(void **state) {
  (void)state;
  SCOPED(forget) struct told told = run("refuse('add ?id=\xE2\x80\xA6')", "{}");
  assert_int_equal(told.result, -ERR_USAGE);
  assert_string_equal(told.err.text, "add ?id=\xE2\x80\xA6");
}

/* ---- what becomes of outputs ---- */

#define WHOLE "codec = 'h264', width = 640, height = 360, duration = 7"

static void test_defaults(void **state) {
  (void)state;
  SCOPED(forget) struct told told = run("return {{id = 7, data = {" WHOLE "}}}", "{}");
  assert_int_equal(told.result, 0);
  assert_true(told.events.count == 1 && told.events.usages_count == 1 && told.ignored_count == 0);
  const struct usage *usage = &told.events.usages[0];
  assert_true(str_equal(usage->id, STR("7")) && str_equal(usage->source, STR("t")) && str_equal(usage->project, STR("org-a")));
  assert_true(usage->kind == USAGE_TRANSCODE && usage->outcome == USAGE_FINISHED && !usage->finish_stated);
  assert_true(usage->width == 640 && usage->height == 360 && usage->amount == 7000);
}

static void test_the_url_wins(void **state) {
  (void)state;
  static struct config config;
  SCOPED(adapters_free_ref) struct adapters *set = NULL;
  static const struct adapter_query query = {
      .project = STR("org-b"), .source = STR("farm"), .id = STR("x"), .time = STR("1600000000")};
  config_init(&config);
  struct str text = STR("function adapt(notice, asked) return {{id = asked.id, source = 's', project = 'p', time_ms = 1, "
                        "data = {" WHOLE "}}} end");
  assert_int_equal(make_set(text, &config, &set, NULL), 0);
  SCOPED(forget) struct told told = tell(set, "t", STR("{}"), &query);
  const struct usage *usage = &told.events.usages[0];
  assert_true(told.result == 0 && told.events.usages_count == 1);
  assert_true(str_equal(usage->project, STR("org-b")) && str_equal(usage->source, STR("farm")));
  assert_true(str_equal(usage->id, STR("x")) && usage->finished_ms == INT64_C(1600000000000));
}

/* Members of an output, the time in ms that it gets (0: none is stated), and how many remarks. */
static void test_times(void **state) {
  (void)state;
  static const struct {
    const char *members;
    int64_t ms;
    size_t remarks;
  } rows[] = {
      {"time = '2026-01-31T11:00:00Z'", NOW_MS - 3600000, 0},
      {"time = '2026-01-31T19:00:00+08:00'", NOW_MS - 3600000, 0},
      {"time = '2026-01-31T11:00:00'", 0, 1},
      {"time = '0000-00-00T00:00:00Z'", 0, 1},
      {"time = '0001-01-01T00:00:00Z'", 0, 1},
      {"time = '1979-12-31T23:59:59Z'", 0, 1},
      {"time = '2099-01-01T00:00:00Z'", 0, 1},
      {"time = '2026-01-31T12:05:00Z'", NOW_MS + 300000, 0},
      {"time = '2026-01-31T12:05:01Z'", 0, 1},
      {"time = ''", 0, 0},
      {"time = null", 0, 0},
      {"time = 1769857200", 0, 1},
      {"time_s = 1769857200", NOW_MS - 3600000, 0},
      {"time_s = '1769857200'", NOW_MS - 3600000, 0},
      {"time_s = 1769857200000", 0, 1},
      {"time_s = 0", 0, 1},
      {"time_s = -1", 0, 1},
      {"time_s = '1769857200.5'", 0, 1},
      {"time_s = math.maxinteger", 0, 1},
      {"time_ms = 1769857200000", NOW_MS - 3600000, 0},
      {"time_ms = '1769857200000'", NOW_MS - 3600000, 0},
      {"time_ms = math.maxinteger", 0, 1},
      {"time = '2026-01-31', time_s = 1769857200", NOW_MS - 3600000, 1},
      {"time = '2026-01-31T11:00:00Z', time_s = 'x'", NOW_MS - 3600000, 0},
  };
  for (size_t i = 0; i < COUNT(rows); i++) {
    char body[300];
    (void)snprintf(body, sizeof body, "return {{id = 'a', data = {" WHOLE "}, %s}}", rows[i].members);
    SCOPED(forget) struct told told = run(body, "{}");
    if (told.result != 0 || told.events.usages_count != 1) fail_msg("%s: %s", rows[i].members, told.err.text);
    const struct usage *usage = &told.events.usages[0];
    if (usage->finish_stated != (rows[i].ms != 0)) fail_msg("%s", rows[i].members);
    if (usage->finish_stated && usage->finished_ms != rows[i].ms) fail_msg("%s", rows[i].members);
    if (told.ignored_count != rows[i].remarks) fail_msg("%s: %zu remarks", rows[i].members, told.ignored_count);
  }
}

/* Each member with a value that no report can hold: it counts as absent, and a remark says so. */
static void test_values_of_no_use(void **state) {
  (void)state;
  static const char *const rows[] = {
      "codec = 'no codec'", "codec = ('x'):rep(33)", "width = 0", "width = -1", "width = 65536", "width = 1.5",
      "width = 'wide'", "width = '0x10'", "height = 1e300", "height = '1e'", "duration = -3", "duration = 'N/A'",
      "duration = 31622401", "duration = '1e400'", "duration_ms = 1.5", "duration_ms = 31622400001",
      "duration_ms = math.mininteger", "image_count = -1", "image_count = 2147483648", "frame_rate = 0",
      "frame_rate = '0/0'", "frame_rate = '30000/0'", "frame_rate = 1001", "passes = 0", "passes = 65536",
      "input_duration_ms = -1", "quality = ('x'):rep(33)", "region = 'a\\nb'", "task_id = ('x'):rep(257)",
      "created = 'yesterday'", "created = '0000-00-00T00:00:00Z'", "src_url = ('x'):rep(1025)", "src_url = '\\0'",
      "dest_name = '\\x7f'", "dest_bucket = ('x'):rep(257)", "format = 'a\\tb'", "labels = {['A b'] = 'x'}",
      "labels = {a = ('x'):rep(65)}", "labels = {a = 'x\\n'}",
  };
  for (size_t i = 0; i < COUNT(rows); i++) {
    char body[300];
    (void)snprintf(body, sizeof body, "return {{id = 'a', data = {%s}}}", rows[i]);
    SCOPED(forget) struct told told = run(body, "{}");
    if (told.result != 0 || told.ignored_count != 1) fail_msg("%s: %s", rows[i], told.err.text);
    if (strstr(told.ignored[0], "output a: ") == NULL) fail_msg("%s: %s", rows[i], told.ignored[0]);
    if (told.events.usages_count != 1) fail_msg("%s: %s", rows[i], told.events.items[0].reason);
    assert_int_equal(told.events.usages[0].kind, USAGE_UNRESOLVED);
  }
}

static void test_values_of_use(void **state) {
  (void)state;
  SCOPED(forget) struct told told = run(
      "return {{id = 'a', type = 'transcode.finished', data = {codec = 'libx265', width = ' 640', height = 360.0,"
      "duration_ms = '60040', duration = 60.04, frame_rate = ' 30000/1001 ', quality = 'hq', region = 'eu', passes = 2,"
      "input_duration_ms = 61000, task_id = 5, created = '2026-01-31T11:00:00Z', src_url = 'u', dest_name = 'n',"
      "dest_bucket = '', format = null, image_count = '', labels = {team = 'news', n = 5, e = '', z = null}}}}", "{}");
  if (told.result != 0) fail_msg("%s", told.err.text);
  if (told.events.usages_count != 1) fail_msg("%s", told.events.items[0].reason);
  const struct usage *usage = &told.events.usages[0];
  assert_true(told.ignored_count == 0 && usage->kind == USAGE_TRANSCODE && usage->amount == 60040 && usage->passes == 2);
  assert_true(usage->width == 640 && usage->height == 360 && usage->frame_rate.numerator == 30000);
  assert_true(str_equal(usage->codec, STR("h265")) && str_equal(usage->task_id, STR("5")) && usage->has_created);
  assert_true(str_equal(usage->labels, STR("\1n\1" "5" "\4team\4news")));
}

/* 1000 outputs of which every value is of no use: none is lost, and the last remark counts those without room. */
/* Remarks come in the order of docs/events.md, although a table of Lua has none. */
static void test_order_of_remarks(void **state) {
  (void)state;
  for (int i = 0; i < 20; i++) {
    SCOPED(forget) struct told told =
        run("return {{id = 'a', data = {passes = 0, height = 0, quality = '\\n', codec = '?', width = 0, format = '\\n'}}}", "{}");
    static const char *const names[] = {"codec", "width", "height", "quality", "passes", "format"};
    assert_int_equal(told.ignored_count, COUNT(names));
    for (size_t n = 0; n < COUNT(names); n++)
      assert_ptr_equal(strstr(told.ignored[n], names[n]), told.ignored[n] + strlen("output a: "));
  }
}

static void test_many_remarks(void **state) {
  (void)state;
  SCOPED(forget) struct told told = run(
      "local t = {} for i = 1, 1000 do t[i] = {id = i, data = {width = 0, height = 0, codec = 'h264'}} end return t, {'x'}", "{}");
  assert_true(told.result == 0 && told.events.count == 1000 && told.events.usages_count == 1000);
  assert_int_equal(told.ignored_count, ADAPTER_OUTPUTS_MAX + 1);
  assert_string_equal(told.ignored[0], "x");
  assert_string_equal(told.ignored[ADAPTER_OUTPUTS_MAX], "1001 more values are left out");
}

/* Each of 1000 outputs has texts as long as they may be, and so have as many remarks, however short the notice is. */
static void test_many_long_texts(void **state) {
  (void)state;
  SCOPED(forget) struct told told = run(
      "local t, r, u, n = {}, {}, ('x'):rep(1024), ('x'):rep(256) for i = 1, 1000 do t[i] = {id = n:sub(5) .. i + 999,"
      "source = n, data = {" WHOLE ", src_url = u, dest_name = n, dest_bucket = n, format = n, task_id = n,"
      "quality = n:sub(1, 32), region = n:sub(1, 32)}} r[i] = u end return t, r", "{}");
  if (told.result != 0) fail_msg("%s", told.err.text);
  assert_true(told.events.count == 1000 && told.events.usages_count == 1000 && told.ignored_count == 1000);
  assert_int_equal(strlen(told.ignored[999]), 999);
}

/* ---- names that are given twice ---- */

static void test_names_given_twice(void **state) {
  (void)state;
  static const struct {
    const char *notice;
    int result;
    const char *name; /* that is in the error */
  } rows[] = {
      {"{\"duration\":\"1.5\",\"duration\":\"99\"}", -ERR_SCRIPT, "'duration' twice"},
      {"{\"a\":1,\"a\":1}", -ERR_SCRIPT, "'a' twice"},
      {"{\"x\":[{\"\":0,\"y\":0,\"\":0}]}", -ERR_SCRIPT, "'' twice"},
      {"{\"text\":\"{\\\"b\\\":1,\\\"b\\\":2}\"}", -ERR_SCRIPT, "'b' twice"},
      {"{\"a\":1,\"x\":{\"a\":1},\"y\":[{\"a\":1},{\"a\":1}],\"A\":1}", 0, ""},
  };
  for (size_t i = 0; i < COUNT(rows); i++) {
    SCOPED(forget) struct told told = run("json(notice.text or '')", rows[i].notice);
    bool is_right = told.result == rows[i].result && (told.result == 0 || strstr(told.err.text, rows[i].name) != NULL);
    if (!is_right) fail_msg("%s: %d %s", rows[i].notice, told.result, told.err.text);
  }
}

/* ---- large notices ---- */

static void test_large_notices(void **state) {
  (void)state;
  static struct config config;
  SCOPED(adapters_free_ref) struct adapters *set = NULL;
  struct err err = {0};
  config_init(&config);
  struct str text = STR("function adapt(notice) return {}, {tostring(#notice.x)} end");
  assert_int_equal(make_set(text, &config, &set, &err), 0);
  static const struct {
    const char *element;
    size_t count;
    int result;
  } rows[] = {{"[]", 200000, 0},  {"{}", 200000, 0}, {"1", 600000, 0}, {"\"some text\"", 300000, 0}, {"[]", 950000, -ERR_LIMIT},
              {"[]", 3000000, -ERR_LIMIT}};
  for (size_t i = 0; i < COUNT(rows); i++) {
    SCOPED(buf_fini) struct buf body = {0};
    buf_text(&body, "{\"x\":[");
    for (size_t n = 0; n < rows[i].count; n++)
      buf_printf(&body, "%s%s", n > 0 ? "," : "", rows[i].element);
    buf_text(&body, "]}");
    SCOPED(forget) struct told told = tell(set, "t", buf_view(&body), NULL);
    if (told.result != rows[i].result) fail_msg("%s x %zu: %d %s", rows[i].element, rows[i].count, told.result, told.err.text);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_refused_at_the_start),
      cmocka_unit_test(test_settings),
      cmocka_unit_test(test_the_set_is_sorted_and_bounded),
      cmocka_unit_test(test_bad_scripts),
      cmocka_unit_test(test_nothing_else_is_reachable),
      cmocka_unit_test(test_each_notice_is_the_first),
      cmocka_unit_test(test_what_a_script_sees),
      cmocka_unit_test(test_rules),
      cmocka_unit_test(test_refuse),
      cmocka_unit_test(test_defaults),
      cmocka_unit_test(test_the_url_wins),
      cmocka_unit_test(test_times),
      cmocka_unit_test(test_values_of_no_use),
      cmocka_unit_test(test_values_of_use),
      cmocka_unit_test(test_order_of_remarks),
      cmocka_unit_test(test_many_remarks),
      cmocka_unit_test(test_many_long_texts),
      cmocka_unit_test(test_names_given_twice),
      cmocka_unit_test(test_large_notices),
  };
  return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
