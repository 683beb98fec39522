#include "cli/command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/descriptors.h"
#include "cli/help.h"
#include "cli/options.h"
#include "cli/suggest.h"

static const struct command commands[] = {
    {"serve", cmd_serve, "run the meter on a data directory", false},
    {"project", cmd_project, "create, list or change projects", false},
    {"key", cmd_key, "create, list, disable or enable key pairs of the signed API", false},
    {"token", cmd_token, "create, list or revoke tokens of programs that report usage", false},
    {"record", cmd_record, "measure media files and report them", false},
    {"run", cmd_run, "run a transcoder, then record its outputs", false},
    {"watch", cmd_watch, "record files that are finished in directories", false},
    {"import", cmd_import, "report a file: ndjson, CSV, TSV, or a job list", false},
    {"void", cmd_void, "take back stored usage, with a reason", false},
    {"flush", cmd_flush, "send the events that wait in the spool", false},
    {"spool", cmd_spool, "show what waits in the spool and what was rejected", false},
    {"sources", cmd_sources, "show which agents and sources report, and which are silent", false},
    {"usage", cmd_usage, "show usage of a month or any time, by project, codec and more", false},
    {"tasks", cmd_tasks, "list the tasks that usage is made of", false},
    {"explain", cmd_explain, "show one task, and the rule behind each of its numbers", false},
    {"console", cmd_console, "print a link that opens the console and signs in", false},
    {"stat", cmd_stat, "show seconds per day, codec and definition tier", false},
    {"history", cmd_history, "show a record and the event that voided it", false},
    {"late", cmd_late, "list usage that arrived long after it finished", false},
    {"unresolved", cmd_unresolved, "list, resolve or dismiss outputs that cannot be counted yet", false},
    {"adapter", cmd_adapter, "list, test or retry the adapters of transcoding services", false},
    {"verify", cmd_verify, "prove that totals and identities match the log", false},
    {"backup", cmd_backup, "copy the ledger, also of a running server", false},
    {"restore", cmd_restore, "make a data directory from a backup", false},
    {"rebuild", cmd_rebuild, "build all derived files again from the log", false},
    {"openapi", cmd_openapi, "print the description of the API in OpenAPI 3.1", false},
    {"completion", cmd_completion, "print a completion script for a shell", false},
    {"version", cmd_version, "show version, commit and formats", false},
    {"man", cmd_man, "print a manual page", true},
};
#define COMMANDS (sizeof commands / sizeof commands[0])

/* Descriptors for any command: mostly for a ledger's files. Not more, because `run` passes its limits on to the
 * program that it starts, which may use select(). `serve` takes more for its connections. */
#define COMMAND_DESCRIPTORS 1024u

const struct command *command_at(size_t index) { return index < COMMANDS ? &commands[index] : NULL; }

const struct command *command_named(const char *name) {
  for (size_t i = 0; i < COMMANDS; i++) {
    if (strcmp(name, commands[i].name) == 0) return &commands[i];
  }
  return NULL;
}

/* Runs the command, because its option table is a local variable beside the variables that it fills. */
void command_describe(const struct command *command, void (*visit)(void *arg, const struct option_spec *spec),
                      void *arg) {
  char name[SUGGEST_WORD_MAX];
  char *argv[] = {name, NULL};
  (void)snprintf(name, sizeof name, "%s", command->name);
  options_visit(visit, arg);
  int status = command->run(1, argv);
  CHECK(status == EXIT_OK);
  options_visit(NULL, NULL);
}

int command_fail(const char *command, const struct err *err) {
  if (err->code == ERR_NONE) return EXIT_OK;
  SCOPED_MALLOC char *text = str_printable(str_of(err->text));
  (void)fprintf(stderr, "codecmeter %s: %s\n", command, text);
  return err->code == ERR_USAGE ? EXIT_USAGE : EXIT_FAILED;
}

/* Fails if standard output is lost: a secret that a command printed exists nowhere else. */
static int check_printed(const char *name, int status) {
  if (fflush(stdout) == 0 && !ferror(stdout)) return status;
  struct err err = {0};
  (void)err_set_errno(&err, ERR_IO, errno, "cannot write to standard output");
  int failed = command_fail(name, &err);
  return status != EXIT_OK ? status : failed;
}

/* Opens standard files that are closed. Else the next files opened would take their places, and messages would go
 * into those files. */
static void open_standard_files(void) {
  int fd;
  do
    fd = open("/dev/null", O_RDWR);
  while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd >= 0) (void)close(fd);
}

static int refuse(const char *name) {
  struct suggestion near = {.word = name};
  for (size_t i = 0; i < COMMANDS; i++) {
    if (!commands[i].is_hidden) suggest_offer(&near, commands[i].name);
  }
  SCOPED_MALLOC char *shown = str_printable(str_of(name));
  if (near.best != NULL)
    (void)fprintf(stderr, "codecmeter: unknown command '%s'; did you mean '%s'? See codecmeter --help\n", shown,
                  near.best);
  else
    (void)fprintf(stderr, "codecmeter: unknown command '%s'; see codecmeter --help\n", shown);
  return EXIT_USAGE;
}

static int run_command(int argc, char **argv) {
  const struct command *command = command_named(argv[0]);
  return command != NULL ? check_printed(command->name, command->run(argc, argv)) : refuse(argv[0]);
}

static bool is_among(const char *word, const char *a, const char *b) {
  return strcmp(word, a) == 0 || strcmp(word, b) == 0;
}

/* `help COMMAND` is `COMMAND --help`. */
static int help(int argc, char **argv) {
  static char option[] = "--help";
  if (argc < 2) {
    help_print_commands(stdout);
    return check_printed("help", EXIT_OK);
  }
  char *asked[] = {argv[1], option, NULL};
  return run_command(2, asked);
}

int command_main(int argc, char **argv) {
  open_standard_files();
  (void)descriptors_raise(COMMAND_DESCRIPTORS);
  if (argc < 2) {
    help_print_commands(stderr);
    return EXIT_USAGE;
  }
  if (strcmp(argv[1], "help") == 0) return help(argc - 1, argv + 1);
  if (is_among(argv[1], "--help", "-h")) return help(1, argv + 1);
  if (strcmp(argv[1], "--version") == 0) {
    command_print_version(stdout);
    return check_printed("version", EXIT_OK);
  }
  return run_command(argc - 1, argv + 1);
}
