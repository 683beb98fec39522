/* cli/client_options: which of option, file and environment gives a setting. Each row writes the settings as one text:
 * url, token, public key, private key, project, CA file, spool, with "-" for none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/client_options.h"

#define SERVER_A                                                                                                       \
  "CODECMETER_URL=http://a CODECMETER_TOKEN=ta CODECMETER_PUBLIC_KEY=pa CODECMETER_PRIVATE_KEY=sa "                    \
  "CODECMETER_PROJECT=ja CODECMETER_CA_FILE=ca CODECMETER_SPOOL=la CODECMETER_AGENT=na"
#define NOT_USED "replaces the environment, so these are not used: "

static char env_path[] = "/tmp/test_client_options.XXXXXX";

static void set_environment(const char *text) {
  static const char *const names[] = {"URL", "TOKEN", "READ_TOKEN", "PUBLIC_KEY", "PRIVATE_KEY", "PROJECT", "CA_FILE", "SPOOL", "AGENT"};
  char variable[64], copy[512];
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    (void)snprintf(variable, sizeof variable, "CODECMETER_%s", names[i]);
    assert_int_equal(unsetenv(variable), 0);
  }
  (void)snprintf(copy, sizeof copy, "%s", text);
  for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " ")) {
    char *equals = strchr(word, '=');
    *equals = '\0';
    assert_int_equal(setenv(word, equals + 1, 1), 0);
  }
}

static void write_file(const char *text) {
  FILE *file = fopen(env_path, "w");
  assert_non_null(file);
  assert_true(fputs(text, file) >= 0 && fclose(file) == 0);
}

/* Calls client_settings_fill, and reads what it prints on standard error. */
static int fill(struct client_settings *settings, char *printed, size_t size, struct err *err) {
  FILE *caught = tmpfile();
  int before = dup(STDERR_FILENO);
  assert_true(caught != NULL && before >= 0 && dup2(fileno(caught), STDERR_FILENO) >= 0);
  int result = client_settings_fill(settings, err);
  (void)fflush(stderr);
  assert_true(dup2(before, STDERR_FILENO) >= 0 && close(before) == 0);
  rewind(caught);
  printed[fread(printed, 1, size - 1, caught)] = '\0';
  (void)fclose(caught);
  return result;
}

static const char *text(const char *value) { return value != NULL ? value : "-"; }

static void test_order(void **state) {
  (void)state;
  static char o[] = "o", to[] = "to", lo[] = "lo", no[] = "no";
  static const struct {
    const char *environment, *file; /* file NULL: no --env */
    struct client_settings options;
    const char *expected;
    const char *unused; /* NULL: nothing is printed */
  } rows[] = {
      {"", NULL, {0}, "http://127.0.0.1:8080 - - - - - - -", NULL},
      {"", "", {0}, "http://127.0.0.1:8080 - - - - - - -", NULL},
      {SERVER_A, NULL, {0}, "http://a ta pa sa ja ca la na", NULL},
      {SERVER_A, NULL, {.project = o, .token = to}, "http://a to pa sa o ca la na", NULL},
      {"CODECMETER_PROJECT= CODECMETER_URL=", NULL, {0}, "http://127.0.0.1:8080 - - - - - - -", NULL},
      /* a file of another server: nothing of the first one is left, but the spool */
      {SERVER_A, "CODECMETER_URL=http://b\nCODECMETER_TOKEN=tb\n", {0}, "http://b tb - - - - la na",
       "CODECMETER_PUBLIC_KEY, CODECMETER_PRIVATE_KEY, CODECMETER_PROJECT, CODECMETER_CA_FILE"},
      {SERVER_A, "CODECMETER_TOKEN=tb\nCODECMETER_SPOOL=lb\n", {0}, "http://127.0.0.1:8080 tb - - - - lb na",
       "CODECMETER_URL, CODECMETER_PUBLIC_KEY, CODECMETER_PRIVATE_KEY, CODECMETER_PROJECT, CODECMETER_CA_FILE"},
      {SERVER_A, "", {0}, "http://127.0.0.1:8080 - - - - - la na",
       "CODECMETER_URL, CODECMETER_TOKEN, CODECMETER_PUBLIC_KEY, CODECMETER_PRIVATE_KEY, CODECMETER_PROJECT, "
       "CODECMETER_CA_FILE"},
      {"CODECMETER_PROJECT=ja", "CODECMETER_PROJECT=\n", {0}, "http://127.0.0.1:8080 - - - - - - -",
       "CODECMETER_PROJECT"},
      /* an option gives what the file does not have, so no line is printed */
      {"CODECMETER_PROJECT=ja", "CODECMETER_URL=http://b\n", {.project = o}, "http://b - - - o - - -", NULL},
      {SERVER_A, "CODECMETER_URL=http://b\nCODECMETER_TOKEN=tb\nCODECMETER_PUBLIC_KEY=pb\nCODECMETER_PRIVATE_KEY=sb\n"
                 "CODECMETER_PROJECT=jb\nCODECMETER_CA_FILE=cb\n",
       {.project = o, .spool = lo, .agent = no}, "http://b tb pb sb o cb lo no", NULL},
      /* a line means what it means for a shell: the later one holds, quotes and `export` are not part of the value */
      {"", "CODECMETER_PROJECT=one\nCODECMETER_PROJECT=two\n", {0}, "http://127.0.0.1:8080 - - - two - - -", NULL},
      {"", "CODECMETER_PROJECT=one\nCODECMETER_PROJECT=\n", {0}, "http://127.0.0.1:8080 - - - - - - -", NULL},
      {"", "# x\n\n export CODECMETER_URL='http://b'\nCODECMETER_TOKEN=\"tb\"\nexport CODECMETER_URL OTHER\nOTHER=1\n",
       {0}, "http://b tb - - - - - -", NULL},
      {"", "CODECMETER_PRIVATE_KEY=a=b\n", {0}, "http://127.0.0.1:8080 - - a=b - - - -", NULL},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct client_settings settings = rows[i].options;
    struct err err = {0};
    char got[256], printed[512];
    set_environment(rows[i].environment);
    if (rows[i].file != NULL) write_file(rows[i].file);
    settings.env_file = rows[i].file != NULL ? env_path : NULL;
    if (fill(&settings, printed, sizeof printed, &err) != 0) fail_msg("row %zu: %s", i, err.text);
    (void)snprintf(got, sizeof got, "%s %s %s %s %s %s %s %s", text(settings.url), text(settings.token),
                   text(settings.public_key), text(settings.private_key), text(settings.project),
                   text(settings.ca_file), text(settings.spool), text(settings.agent));
    if (strcmp(got, rows[i].expected) != 0) fail_msg("row %zu: %s", i, got);
    char end[256] = "";
    if (rows[i].unused != NULL) (void)snprintf(end, sizeof end, NOT_USED "%s\n", rows[i].unused);
    size_t begin = strlen(printed) > strlen(end) ? strlen(printed) - strlen(end) : 0;
    bool is_told = rows[i].unused != NULL && strcmp(printed + begin, end) == 0 && strstr(printed, env_path) != NULL;
    if (rows[i].unused != NULL ? !is_told : printed[0] != '\0') fail_msg("row %zu: %s", i, printed);
  }
}

static void test_bad_files(void **state) {
  (void)state;
  static const char *const files[] = {"nonsense\n", "=x\n", "CODECMETER_TOKEN = x\n", "export CODECMETER_TOKEN = x\n",
                                      "1A=x\n", "CODECMETER-TOKEN=x\n"};
  set_environment(SERVER_A);
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
    struct client_settings settings = {.env_file = env_path};
    struct err err = {0};
    write_file(files[i]);
    if (client_settings_fill(&settings, &err) != -ERR_USAGE || strstr(err.text, "NAME=value") == NULL)
      fail_msg("'%s': %s", files[i], err.text);
    if (settings.token != NULL || settings.url != NULL) fail_msg("'%s': settings were given", files[i]);
  }
  static char names[][70] = {" ", "a\nb", "\xff", "0123456789012345678901234567890123456789012345678901234567890123x"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    struct client_settings settings = {.agent = names[i]};
    struct err err = {0};
    if (client_settings_fill(&settings, &err) != -ERR_USAGE || strstr(err.text, "--agent") == NULL)
      fail_msg("'%s': %s", names[i], err.text);
  }
  static char nowhere[] = "/nonexistent/client.env";
  struct client_settings settings = {.env_file = nowhere};
  struct err err = {0};
  assert_int_equal(client_settings_fill(&settings, &err), -ERR_USAGE);
  assert_non_null(strstr(err.text, "cannot read /nonexistent/client.env"));
}

/* The token that reads is another setting than the one that reports, by the same order. */
static void test_read_token(void **state) {
  (void)state;
  static const struct {
    const char *environment, *file; /* file NULL: no --env */
    const char *token, *read_token;
  } rows[] = {
      {"", NULL, "-", "-"},
      {"CODECMETER_TOKEN=w", NULL, "w", "-"},
      {"CODECMETER_READ_TOKEN=r", NULL, "-", "r"},
      {"CODECMETER_TOKEN=w CODECMETER_READ_TOKEN=r", "CODECMETER_TOKEN=x\n", "x", "-"},
      {"CODECMETER_TOKEN=w", "CODECMETER_READ_TOKEN=q\n", "-", "q"},
  };
  char printed[512];
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct client_settings settings = {.env_file = rows[i].file != NULL ? env_path : NULL};
    struct err err = {0};
    set_environment(rows[i].environment);
    write_file(rows[i].file != NULL ? rows[i].file : "");
    assert_int_equal(fill(&settings, printed, sizeof printed, &err), 0);
    assert_string_equal(text(settings.token), rows[i].token);
    assert_string_equal(text(settings.read_token), rows[i].read_token);
  }
  set_environment("");
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_order), cmocka_unit_test(test_bad_files),
                                     cmocka_unit_test(test_read_token)};
  int fd = mkstemp(env_path);
  if (fd < 0 || close(fd) != 0) return 1;
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  (void)unlink(env_path);
  return failed;
}
