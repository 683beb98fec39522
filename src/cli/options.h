/* Command-line options, by GLib's parser: --name VALUE, --name=VALUE. One table a command has all there is to say
 * about its command line; help, man pages and completion are made from it (cli/help.h, cli/man.h,
 * cli/cmd_completion.c).
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
  const char
      *operands; /* options of type OPTION_TEXT whose values may also be given as operands, in this order: their
                  * names, separated by blanks; [name] may be left out: "project [source id]". NULL for none */
  const struct option_verb *verbs; /* end with name NULL; NULL for none, else usage and operands are NULL */
  const char *summary;             /* what it does; paragraphs are separated by newlines */
  const char *quiet;               /* what --quiet does; NULL: "print nothing but errors" */
  const char *examples;            /* command lines, one a line; may be NULL */
  const struct option_exit
      *exits; /* where they say more than 0, 1 and 2 say everywhere; end with when NULL; may be NULL */
  const struct option_row *rows; /* end with name NULL */
  bool operands_end;             /* options end at the first operand, which is a command with options of its own */
};

/* Parses and takes the options out of argv, and the operands that the spec names. What is left are argv[0], the
 * command's name, and the other operands. Options and operands may be mixed, up to "--". -ERR_USAGE; or
 * OPTIONS_ANSWERED, with err->code ERR_NONE: --help or --version was printed and nothing is left to do, which
 * command_fail() turns into EXIT_OK. */
#define OPTIONS_ANSWERED 1
MUST_USE int options_parse(const struct option_spec *spec, int *argc, char ***argv, struct err *err);

/* The same for a command with verbs: gives the one that was named, too, and refuses the options that it does not
 * take. No operands are left. */
MUST_USE int options_parse_verb(const struct option_spec *spec, int argc, char **argv, const char **ret_verb,
                                struct err *err);

/* --quiet was given: progress, summaries and notes are not printed, and the log has warnings and errors only. */
bool options_quiet(void);

/* Takes a value that is to live as long as the process, as those of options do; gives it back. */
void *options_keep(void *memory);

/* -ERR_USAGE when operands are left; when more than one is left. */
MUST_USE int options_no_operands(int argc, char **argv, struct err *err);
MUST_USE int options_one_operand(int argc, char **argv, struct err *err);

/* ---- for those who describe command lines ---- */

/* The spec's rows, then --quiet, --help and --version; the one after the last has name NULL. */
struct option_row options_row(const struct option_spec *spec, size_t index);

/* True if the verb takes the option: as an operand, by name, or because every command does. */
bool options_verb_takes(const struct option_verb *verb, const char *name);

/* The row's help, behind the verbs that take the option if some of the spec's do not: "create, set: the name". The
 * caller frees it. */
MUST_USE char *options_help(const struct option_spec *spec, const struct option_row *row);

/* Until the next call, options_parse() only hands its spec to `visit` and answers OPTIONS_ANSWERED. NULL ends this.
 */
void options_visit(void (*visit)(void *arg, const struct option_spec *spec), void *arg);

/* The operands as the usage line shows them, in `out`: "PROJECT [SOURCE ID]". */
struct buf;
void options_show_operands(const struct option_spec *spec, const char *operands, struct buf *out);

#endif
