/* Command-line options, by GLib's parser: --name VALUE, --name=VALUE, --help. */
#ifndef CODECMETER_CLI_OPTIONS_H
#define CODECMETER_CLI_OPTIONS_H

#include <stdbool.h>

#include "base/err.h"

enum option_type {
  OPTION_FLAG, /* bool * */
  OPTION_TEXT, /* char **; malloc'd, for the life of the process */
  OPTION_LIST, /* char ***; repeatable, NULL-terminated, likewise */
};

struct option_row {
  const char *name;
  char letter; /* or '\0' */
  enum option_type type;
  void *target;
  const char *argument; /* "DIR"; NULL for flags */
  const char *help;
};

struct option_spec {
  const char *usage;       /* behind "codecmeter COMMAND [OPTION…]": "-- COMMAND…" */
  const char *summary;     /* what it does */
  const char *description; /* examples; may be NULL */
  const struct option_row *rows; /* ends with name NULL */
  bool operands_end;       /* options end at the first operand, which is a command with options of its own */
};

/* Parses and takes the options out of argv; what is left are argv[0] and the operands. Options may stand among
 * operands, up to "--". On --help prints it and ends the process with 0. -ERR_USAGE. */
MUST_USE int options_parse(const struct option_spec *spec, int *argc, char ***argv, struct err *err);

/* Takes a value that is to live as long as the process, as those of options do; gives it back. */
void *options_keep(void *memory);

/* -ERR_USAGE when operands are left. */
MUST_USE int options_no_operands(int argc, char **argv, struct err *err);

#endif
