/* Settings: what is refused and how that is said, what is taken, from where. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "settings/config.h"

static void test_bad(void **state) {
  (void)state;
  static const char *const rows[][2] = {
      {"", "section.key=value"},          {"x", "section.key=value"},         {"query.max_age", "section.key=value"},
      {"=1", "section.key=value"},        {"query=1", "section.key=value"},   {"query.none=1", "--list-settings"},
      {"none.max_age=1", "--list-settings"}, {".=", "--list-settings"},       {"query.max_age=", "query.max_age"},
      {"query.max_age=soon", "30s"},      {"query.max_age=-1", "30s"},        {"query.max_age=1 d", "30s"},
      {"query.max_age=1w", "30s"},        {"query.max_age=1.5d", "30s"},      {"query.max_age=36501d", "36500d"},
      {"query.max_age=99999999999999999999d", "30s"}, {"query.max_age=18446744073709551615d", "30s"},
      {"ingest.delta_max=0", "from 1"},   {"ingest.delta_max=1k", "a number"}, {"ingest.body_max=63KiB", "from 64KiB"},
      {"ingest.body_max=1kb", "16MiB"},   {"ingest.body_max=2GiB", "1GiB"},   {"http.access_log=yes", "true or false"},
      {"http.access_log=", "true or false"}, {"http.header_max=29KiB", "28KiB"},
      {"project.time_zone=a\tb", "control"}, {"project.time_zone=\xff", "UTF-8"},
      {"http.proxies=a\x01", "control"}, {"http.proxies=\xFF", "UTF-8"},
      {"adapter.umedia=h264", "adapter.NAME.codec"},    {"adapter.umedia.size=1", "adapter.NAME.codec"},
      {"adapter..codec=h264", "adapter.NAME.codec"},    {"adapter.umedia.codec=", "name of a codec"},
      {"adapter.umedia.codec=abcdefghijklmnopqrstuvwxyz0123456", "name of a codec"},
      {"adapter.abcdefghijklmnopqrstuvwxyz0123456.codec=h264", "adapter.NAME.codec"},
      {"adapter.x.script=", "path of a script"},        {"adapter.x.script= ", "path of a script"},
      {"adapter.x.script.y=a.lua", "adapter.NAME.codec"}, {"adapter.x.script=a\xff", "path of a script"},
      {"adapter.x.map=", "a map"},                      {"adapter.x.map=a\x01", "a map"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct config config, before;
    config_init(&config);
    before = config;
    struct err err = {0};
    if (config_set(&config, rows[i][0], &err) != -ERR_USAGE) fail_msg("'%s' is taken", rows[i][0]);
    if (strstr(err.text, rows[i][1]) == NULL) fail_msg("'%s': %s", rows[i][0], err.text);
    assert_memory_equal(&config, &before, sizeof config);
  }
}

static void test_good(void **state) {
  (void)state;
  struct config config;
  config_init(&config);
  assert_int_equal(config.query_max_age, UINT64_C(31) * 86400 * 1000);
  assert_int_equal(config.ingest_body_max, 16 << 20);
  assert_int_equal(config.http_access_log, 1);
  static const struct {
    const char *text;
    uint64_t value;
  } ages[] = {{"query.max_age=0", 0},     {"query.max_age=5", 5000},         {"query.max_age=5s", 5000},
              {"query.max_age=5ms", 5},   {"query.max_age=2m", 120000},      {"query.max_age=3h", 10800000},
              {"query.max_age=1d", 86400000}, {"query.max_age=36500d", UINT64_C(36500) * 86400000}};
  for (size_t i = 0; i < sizeof ages / sizeof ages[0]; i++) {
    assert_int_equal(config_set(&config, ages[i].text, NULL), 0);
    if (config.query_max_age != ages[i].value) fail_msg("'%s'", ages[i].text);
  }
  assert_int_equal(config_set(&config, "ingest.body_max=65536", NULL), 0);
  assert_int_equal(config.ingest_body_max, 65536);
  assert_string_equal(config.project_time_zone, "");
  assert_int_equal(config_set(&config, "project.time_zone= Europe/Berlin ", NULL), 0);
  assert_string_equal(config.project_time_zone, "Europe/Berlin");
  assert_int_equal(config_set(&config, "project.time_zone=", NULL), 0);
  assert_string_equal(config.project_time_zone, "");
  assert_int_equal(config_set(&config, "http.access_log=false", NULL), 0);
  assert_int_equal(config.http_access_log, 0);
  assert_string_equal(config.http_proxies, "127.0.0.1,::1");
  assert_int_equal(config_set(&config, "http.proxies= 10.0.0.0/8, ::1 ", NULL), 0);
  assert_string_equal(config.http_proxies, "10.0.0.0/8, ::1");
  assert_int_equal(config_set(&config, "http.proxies=", NULL), 0);
  assert_string_equal(config.http_proxies, "");
  char text[sizeof "http.proxies=" + CONFIG_TEXT_MAX + 1] = "http.proxies=";
  memset(text + strlen(text), 'x', CONFIG_TEXT_MAX + 1);
  assert_int_equal(config_set(&config, text, NULL), -ERR_USAGE);
  text[sizeof text - 2] = '\0';
  assert_int_equal(config_set(&config, text, NULL), 0);
  assert_int_equal(strlen(config.http_proxies), CONFIG_TEXT_MAX);
}

static int load(const char *text, struct config *config, struct err *err) {
  char path[] = "/tmp/codecmeter-config-XXXXXX";
  int fd = mkstemp(path);
  assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
  (void)close(fd);
  config_init(config);
  int result = config_load(config, path, err);
  (void)unlink(path);
  return result;
}

static void test_files(void **state) {
  (void)state;
  struct config config;
  struct err err = {0};
  assert_int_equal(load("# a comment\n[query]\nmax_age = 5d\n\n[ingest]\ndelta_max=7\n", &config, &err), 0);
  assert_true(config.query_max_age == UINT64_C(5) * 86400000 && config.ingest_delta_max == 7);
  assert_int_equal(load("", &config, &err), 0);
  static const char *const bad[] = {"max_age=1\n", "[query]\nmax_age\n", "[query\nmax_age=1\n", "[query]\nmaxage=1\n",
                                    "[query]\nmax_age=soon\n", "[nothing]\nx=1\n"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    if (load(bad[i], &config, &err) != -ERR_USAGE) fail_msg("'%s' is taken", bad[i]);
    assert_non_null(strstr(err.text, "codecmeter-config-"));
  }
  assert_int_equal(config_load(&config, "/nonexistent/codecmeter.ini", &err), -ERR_USAGE);
}

static void test_adapters(void **state) {
  (void)state;
  static struct config config;
  struct err err = {0};
  assert_int_equal(load("[adapter]\numedia.codec = h264\numedia.codec.a.b = vp9\nx.script = a/b.lua\ny.script=/a.lua\n"
                        "z.map = id=job, width=w\n", &config, &err), 0);
  assert_int_equal(config.adapter_codecs_count, 2);
  assert_string_equal(config.adapter_codecs[1].preset, "a.b");
  assert_int_equal(config.adapter_scripts_count, 3);
  assert_string_equal(config.adapter_scripts[0].value, "/tmp/a/b.lua"); /* where the file is */
  assert_string_equal(config.adapter_scripts[1].value, "/a.lua");
  assert_string_equal(config.adapter_scripts[2].value, "id=job, width=w");
  assert_true(!config.adapter_scripts[0].is_map && config.adapter_scripts[2].is_map);
  /* the last setting wins, of a script and a map too */
  assert_int_equal(config_set(&config, "adapter.umedia.codec=av1", &err), 0);
  assert_int_equal(config_set(&config, "adapter.z.script=rel.lua", &err), 0);
  assert_true(config.adapter_codecs_count == 2 && config.adapter_scripts_count == 3);
  assert_string_equal(config.adapter_codecs[0].codec, "av1");
  assert_string_equal(config.adapter_scripts[2].value, "rel.lua");
  assert_false(config.adapter_scripts[2].is_map);
  char setting[64];
  for (int i = 0; i < CONFIG_ADAPTER_SCRIPTS_MAX - 3; i++) {
    (void)snprintf(setting, sizeof setting, "adapter.a%d.script=a.lua", i);
    assert_int_equal(config_set(&config, setting, &err), 0);
  }
  assert_int_equal(config_set(&config, "adapter.more.script=a.lua", &err), -ERR_USAGE);
  assert_int_equal(config_set(&config, "adapter.x.script=a.lua", &err), 0);
}

static void test_table(void **state) {
  (void)state;
  struct buf table = {0};
  config_describe(&table);
  buf_char(&table, '\0');
  assert_non_null(strstr(table.ptr, "| `query.max_age` | duration | 31d | 0 | 36500d |"));
  buf_fini(&table);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_bad), cmocka_unit_test(test_good), cmocka_unit_test(test_files),
                                     cmocka_unit_test(test_adapters), cmocka_unit_test(test_table)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
