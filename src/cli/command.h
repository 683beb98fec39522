/* The commands: argv[1] -> function. Source: design §7. */
#ifndef CODECMETER_CLI_COMMAND_H
#define CODECMETER_CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/err.h"

/* Exit statuses. */
enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_NOT_METERED = 75 /* EX_TEMPFAIL of sysexits.h */ };

int command_main(int argc, char **argv);

/* Prints "codecmeter <command>: <text>" as one line on standard error and returns the exit status for it. Prints
 * nothing and returns EXIT_OK if the err's code is ERR_NONE (OPTIONS_ANSWERED of cli/options.h). */
int command_fail(const char *command, const struct err *err);

/* Prints "codecmeter VERSION (COMMIT)" as one line. */
void command_print_version(FILE *out);

struct command {
  const char *name;
  int (*run)(int argc, char **argv);
  const char *summary; /* one line in the list of commands, in man pages and in completions */
  bool is_hidden;      /* not in the list; packages use it */
};
/* NULL after the last. */
const struct command *command_at(size_t index);
/* NULL: no command has this name. */
const struct command *command_named(const char *name);

/* Calls `visit` with the command's option_spec, which is valid during the call only. */
struct option_spec;
void command_describe(const struct command *command, void (*visit)(void *arg, const struct option_spec *spec),
                      void *arg);

/* argv[0] is the command's name. Each returns an exit status. */
int cmd_adapter(int argc, char **argv);
int cmd_console(int argc, char **argv);
int cmd_completion(int argc, char **argv);
int cmd_flush(int argc, char **argv);
int cmd_history(int argc, char **argv);
int cmd_import(int argc, char **argv);
int cmd_key(int argc, char **argv);
int cmd_late(int argc, char **argv);
int cmd_man(int argc, char **argv);
int cmd_openapi(int argc, char **argv);
int cmd_project(int argc, char **argv);
int cmd_rebuild(int argc, char **argv);
int cmd_record(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_serve(int argc, char **argv);
int cmd_sources(int argc, char **argv);
int cmd_spool(int argc, char **argv);
int cmd_stat(int argc, char **argv);
int cmd_token(int argc, char **argv);
int cmd_unresolved(int argc, char **argv);
int cmd_tasks(int argc, char **argv);
int cmd_explain(int argc, char **argv);
int cmd_usage(int argc, char **argv);
int cmd_backup(int argc, char **argv);
int cmd_restore(int argc, char **argv);
int cmd_verify(int argc, char **argv);
int cmd_version(int argc, char **argv);
int cmd_void(int argc, char **argv);
int cmd_watch(int argc, char **argv);

#endif
