#include "cli/client_options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"

#define URL_DEFAULT "http://127.0.0.1:8080"

struct setting {
  const char *variable;
  char **value;
};

/* Reads a line of an environment file: NAME=value, with or without "export" before it. Skips blank lines, comments
 * (#) and a line `export NAME…`, which is there for shells. Removes quotes around a value. */
static int read_line(char *line, const struct setting *settings, size_t count, const char *path, struct err *err) {
  struct str text = str_trim(str_of(line));
  if (text.len == 0 || text.ptr[0] == '#') return 0;
  bool exports = str_starts(text, STR("export "));
  if (exports) text = str_trim(str_make(text.ptr + 7, text.len - 7));
  const char *equals = memchr(text.ptr, '=', text.len);
  if (equals == NULL && exports) return 0;
  if (equals == NULL)
    return err_set(err, ERR_USAGE, "%s: a line is not of the form NAME=value, nor a comment that begins with #",
                   path);
  struct str name = str_make(text.ptr, (size_t)(equals - text.ptr));
  struct str value = str_make(equals + 1, text.len - name.len - 1);
  bool quoted =
      value.len >= 2 && (value.ptr[0] == '"' || value.ptr[0] == '\'') && value.ptr[value.len - 1] == value.ptr[0];
  if (quoted) value = str_make(value.ptr + 1, value.len - 2);
  for (size_t i = 0; i < count; i++) {
    if (*settings[i].value != NULL || !str_equal(name, str_of(settings[i].variable))) continue;
    *settings[i].value = options_keep(strndup(value.ptr, value.len));
    CHECK(*settings[i].value != NULL);
  }
  return 0;
}

static int read_env_file(const char *path, const struct setting *settings, size_t count, struct err *err) {
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

int client_settings_fill(struct client_settings *settings, struct err *err) {
  const struct setting all[] = {
      {"CODECMETER_URL", &settings->url},
      {"CODECMETER_TOKEN", &settings->token},
      {"CODECMETER_PUBLIC_KEY", &settings->public_key},
      {"CODECMETER_PRIVATE_KEY", &settings->private_key},
      {"CODECMETER_PROJECT", &settings->project},
      {"CODECMETER_CA_FILE", &settings->ca_file},
      {"CODECMETER_SPOOL", &settings->spool},
  };
  size_t count = sizeof all / sizeof all[0];
  int result = settings->env_file != NULL ? read_env_file(settings->env_file, all, count, err) : 0;
  for (size_t i = 0; i < count; i++) {
    char *value = getenv(all[i].variable);
    if (*all[i].value == NULL && value != NULL && value[0] != '\0') *all[i].value = value;
  }
  if (settings->url == NULL) settings->url = options_keep(strdup(URL_DEFAULT));
  return result;
}
