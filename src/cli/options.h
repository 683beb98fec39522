/* Command-line options, by GLib's parser: --name VALUE, --name=VALUE. Each command has one table that describes its
 * whole command line; help, man pages and completion are made from it (cli/help.h, cli/man.h, cli/cmd_completion.c).
 *
 * Every command also takes --quiet, --help and --version.
 */
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

/* What follows the command's name: "create" of `project create`. */
struct option_verb {
  const char *name;
  const char *operands; /* as in option_spec; NULL for none */
  const char *options;  /* names of further options that it takes, separated by blanks; NULL for none */
  const char *help;
};

struct option_exit {
  int status;
  const char *when;
};

struct option_spec {
  const char *usage; /* operands that the command reads itself, as the usage line shows them: "FILE..."; or NULL */
  /* Names of options of type OPTION_TEXT, separated by blanks, whose values may also be given as operands, in this
   * order; those in [brackets] are optional: "project [source id]". The last may be of type OPTION_LIST: it takes all
   * operands that are left. NULL for none. */
  const char *operands;
  const struct option_verb *verbs; /* end with name NULL; NULL for none, else usage and operands are NULL */
  const char *summary;             /* what the command does; newlines separate paragraphs */
  const char *quiet;               /* what --quiet does; NULL: "print nothing but errors" */
  const char *examples;            /* command lines, separated by newlines; may be NULL */
  const struct option_exit *exits; /* if 0, 1 and 2 do not say enough; end with when NULL; may be NULL */
  const struct option_row *rows;   /* end with name NULL */
  bool operands_end;               /* options end at the first operand, which is a command with options of its own */
};

/* Parses the options, and the operands that the spec names, and removes them from argv. The command's name, argv[0],
 * and the other operands remain. Options and operands may be mixed, up to "--". -ERR_USAGE; or OPTIONS_ANSWERED, with
 * err->code ERR_NONE, which command_fail() turns into EXIT_OK: --help or --version was printed and no work remains.
 */
#define OPTIONS_ANSWERED 1
MUST_USE int options_parse(const struct option_spec *spec, int *argc, char ***argv, struct err *err);

/* The same for a command with verbs: also sets the verb, and refuses the options that it does not take. No operands
 * remain. */
MUST_USE int options_parse_verb(const struct option_spec *spec, int argc, char **argv, const char **ret_verb,
                                struct err *err);

/* --quiet was given: progress, summaries and notes are not printed, and the log has warnings and errors only. */
bool options_quiet(void);

/* Takes a malloc'd value and keeps it for the life of the process, like those of options. Returns it. */
void *options_keep(void *memory);

/* -ERR_USAGE when operands are left; when more than one is left. */
MUST_USE int options_no_operands(int argc, char **argv, struct err *err);
MUST_USE int options_one_operand(int argc, char **argv, struct err *err);

/* ---- for files that describe command lines ---- */

/* The row at an index of the spec's rows, then --quiet, --help and --version. Behind the last one, name is NULL. */
struct option_row options_row(const struct option_spec *spec, size_t index);

/* True if the verb takes the option: as an operand, by name, or because every command does. */
bool options_verb_takes(const struct option_verb *verb, const char *name);

/* The row's help, behind the verbs that take the option if some of the spec's do not: "create, set: the name". The
 * caller frees it. */
MUST_USE char *options_help(const struct option_spec *spec, const struct option_row *row);

/* From now on options_parse() only calls `visit` with its spec and returns OPTIONS_ANSWERED. NULL ends this. */
void options_visit(void (*visit)(void *arg, const struct option_spec *spec), void *arg);

/* Appends the operands to `out` as the usage line shows them: "PROJECT [SOURCE ID]". */
struct buf;
void options_show_operands(const struct option_spec *spec, const char *operands, struct buf *out);

#endif
