/* The settings of a server belong together: a token, a key pair and a project mean something only for the server that
 * made them. A shell often still has those of another server, so a file that is named replaces all of them. The spool
 * is different. It is a place on this machine, and each event in it names its server. A service or a container names
 * it for every command that it runs.
 */
#include "cli/client_options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/pulse.h"
#include "base/check.h"
#include "base/version.h"

#define URL_DEFAULT "http://127.0.0.1:8080"

struct setting {
  const char *variable;
  char **value;       /* points to NULL unless an option gave the setting */
  bool is_of_machine; /* not of the server */
  char *in_file;      /* malloc'd; NULL: the file does not have it, or has it as an empty text */
};

static bool is_variable(struct str name) {
  for (size_t i = 0; i < name.len; i++) {
    char c = name.ptr[i];
    bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    if (!is_letter && (i == 0 || c < '0' || c > '9')) return false;
  }
  return name.len > 0;
}

/* Of two lines for one variable, the later one holds, as for a shell. */
static void keep(struct str name, struct str value, struct setting *settings, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (!str_equal(name, str_of(settings[i].variable))) continue;
    free(settings[i].in_file);
    settings[i].in_file = value.len > 0 ? strndup(value.ptr, value.len) : NULL;
    CHECK(value.len == 0 || settings[i].in_file != NULL);
  }
}

/* Reads a line of an environment file: NAME=value, with or without "export" before it. Skips blank lines, comments
 * (#) and a line `export NAME…`, which is there for shells. Removes quotes around a value. */
static int read_line(char *line, struct setting *settings, size_t count, const char *path, struct err *err) {
  struct str text = str_trim(str_of(line));
  if (text.len == 0 || text.ptr[0] == '#') return 0;
  bool exports = str_starts(text, STR("export "));
  if (exports) text = str_trim(str_make(text.ptr + 7, text.len - 7));
  const char *equals = memchr(text.ptr, '=', text.len);
  if (equals == NULL && exports) return 0;
  struct str name = str_make(text.ptr, equals != NULL ? (size_t)(equals - text.ptr) : 0);
  if (!is_variable(name))
    return err_set(err, ERR_USAGE, "%s: a line is not of the form NAME=value, nor a comment that begins with #",
                   path);
  struct str value = str_make(equals + 1, text.len - name.len - 1);
  bool quoted =
      value.len >= 2 && (value.ptr[0] == '"' || value.ptr[0] == '\'') && value.ptr[value.len - 1] == value.ptr[0];
  if (quoted) value = str_make(value.ptr + 1, value.len - 2);
  keep(name, value, settings, count);
  return 0;
}

static int read_env_file(const char *path, struct setting *settings, size_t count, struct err *err) {
  FILE *file = fopen(path, "re");
  if (file == NULL) return err_set_errno(err, ERR_USAGE, errno, "cannot read %s", path);
  char *line = NULL;
  size_t cap = 0;
  int result = 0;
  while (result == 0 && getline(&line, &cap, file) > 0)
    result = read_line(line, settings, count, path, err);
  if (result == 0 && ferror(file)) result = err_set_errno(err, ERR_USAGE, errno, "cannot read %s", path);
  free(line);
  (void)fclose(file);
  return result;
}

/* Gives the settings that no option gave, and collects the names of the variables that the file replaces by nothing. */
static void fill(struct setting *settings, size_t count, bool has_file, struct buf *unused) {
  for (size_t i = 0; i < count; i++) {
    char *in_environment = getenv(settings[i].variable);
    bool is_set = in_environment != NULL && in_environment[0] != '\0';
    if (*settings[i].value != NULL) continue;
    if (settings[i].in_file != NULL) {
      *settings[i].value = options_keep(settings[i].in_file);
      settings[i].in_file = NULL;
    } else if (is_set && (!has_file || settings[i].is_of_machine)) {
      *settings[i].value = in_environment;
    } else if (is_set) {
      if (unused->len > 0) buf_text(unused, ", ");
      buf_text(unused, settings[i].variable);
    }
  }
}

static void tell_unused(const char *path, struct str unused) {
  SCOPED_MALLOC char *shown = str_printable(str_of(path));
  if (unused.len > 0 && !options_quiet())
    (void)fprintf(stderr, "codecmeter: --env %s replaces the environment, so these are not used: %.*s\n", shown,
                  STR_ARG(unused));
}

int client_settings_fill(struct client_settings *settings, struct err *err) {
  struct setting all[] = {
      {.variable = "CODECMETER_URL", .value = &settings->url},
      {.variable = "CODECMETER_TOKEN", .value = &settings->token},
      {.variable = "CODECMETER_READ_TOKEN", .value = &settings->read_token},
      {.variable = "CODECMETER_PUBLIC_KEY", .value = &settings->public_key},
      {.variable = "CODECMETER_PRIVATE_KEY", .value = &settings->private_key},
      {.variable = "CODECMETER_PROJECT", .value = &settings->project},
      {.variable = "CODECMETER_CA_FILE", .value = &settings->ca_file},
      {.variable = "CODECMETER_SPOOL", .value = &settings->spool, .is_of_machine = true},
      {.variable = "CODECMETER_AGENT", .value = &settings->agent, .is_of_machine = true},
  };
  size_t count = sizeof all / sizeof all[0];
  SCOPED(buf_fini) struct buf unused = {0};
  int result = settings->env_file != NULL ? read_env_file(settings->env_file, all, count, err) : 0;
  if (result == 0) fill(all, count, settings->env_file != NULL, &unused);
  for (size_t i = 0; i < count; i++)
    free(all[i].in_file);
  if (result != 0) return result;
  tell_unused(settings->env_file, buf_view(&unused));
  if (settings->agent != NULL && !pulse_is_name(str_of(settings->agent)))
    return err_set(err, ERR_USAGE, "--agent (or $CODECMETER_AGENT) must be a text of 1 to %d bytes without control characters",
                   PULSE_NAME_MAX);
  settings->version = VERSION;
  if (settings->url == NULL) settings->url = options_keep(strdup(URL_DEFAULT));
  return 0;
}
