/* Prints the description of the server's API that GET /openapi.json answers, without a server. */
#include <stdio.h>

#include "base/bytes.h"
#include "base/version.h"
#include "cli/command.h"
#include "cli/options.h"
#include "openapi/openapi.h"

static int find_language(const char *name, enum openapi_language *ret, struct err *err) {
  for (int language = 0; language < OPENAPI_LANGUAGES; language++) {
    if (name == NULL || str_equal(str_of(name), str_of(openapi_language_name(language)))) {
      *ret = language;
      return 0;
    }
  }
  return err_set(err, ERR_USAGE, "--lang is '%s'; it must be en or zh", name);
}

static int print(const char *name, struct err *err) {
  SCOPED(buf_fini) struct buf text = {0};
  enum openapi_language language = OPENAPI_ENGLISH;
  int result = find_language(name, &language, err);
  if (result != 0) return result;
  openapi_write(language, VERSION, &text);
  if (text.failed) return err_set(err, ERR_MEMORY, "no memory for the document");
  (void)fwrite(text.ptr, 1, text.len, stdout);
  return 0;
}

int cmd_openapi(int argc, char **argv) {
  char *language = NULL;
  const struct option_row rows[] = {
      {"lang", 0, OPTION_TEXT, &language, "LANG", "language of the descriptions: en or zh (default: en)"},
      {0},
  };
  const struct option_spec spec = {
      .summary =
          "Prints the description of the server's API in OpenAPI 3.1: the resources of /v1, the actions of the "
          "signed API, and the routes that take reports. A server of the same version answers GET /openapi.json with the "
          "same document. Generators make clients of it.",
      .quiet = "print the document, as without this option",
      .examples =
          "codecmeter openapi >openapi.json\n"
          "codecmeter openapi --lang zh >openapi.zh.json",
      .rows = rows,
  };
  struct err err = {0};
  int result = options_parse(&spec, &argc, &argv, &err);
  if (result == 0) result = options_no_operands(argc, argv, &err);
  if (result == 0) result = print(language, &err);
  return result == 0 ? EXIT_OK : command_fail("openapi", &err);
}
