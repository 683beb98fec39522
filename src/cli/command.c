#include "cli/command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/descriptors.h"

static const struct {
  const char *name;
  int (*run)(int argc, char **argv);
  const char *summary;
} commands[] = {
    {"serve", cmd_serve, "run the meter on a data directory"},
    {"project", cmd_project, "create, list or change projects"},
    {"key", cmd_key, "create, list or disable key pairs of the signed API"},
    {"token", cmd_token, "create, list or revoke tokens that report usage"},
    {"record", cmd_record, "measure media files and report them"},
    {"run", cmd_run, "run a transcoder, then record its outputs"},
    {"watch", cmd_watch, "record what appears in directories, as it is finished"},
    {"import", cmd_import, "report the events of a file: ndjson or CSV"},
    {"flush", cmd_flush, "send what record, run and watch could not"},
    {"stat", cmd_stat, "show seconds per day, codec and definition tier"},
    {"history", cmd_history, "show a record, and what voided it"},
    {"late", cmd_late, "list usage that came long after it had finished"},
    {"unresolved", cmd_unresolved, "list, resolve or dismiss outputs of which not enough is known"},
    {"verify", cmd_verify, "prove that totals and identities are those of the log"},
    {"backup", cmd_backup, "copy the ledger of a running server"},
    {"restore", cmd_restore, "bring a backup back"},
    {"rebuild", cmd_rebuild, "make all derived files anew from the log"},
    {"version", cmd_version, "show version, commit and formats"},
};
#define COMMANDS (sizeof commands / sizeof commands[0])

/* What any command needs: a ledger's files, most of them. No more, since `run` hands its limits to the program that
 * it starts, which may use select(). `serve` takes what its connections need on top. */
#define COMMAND_DESCRIPTORS 1024u

static void print_help(FILE *out) {
  (void)fprintf(out,
                "codecmeter: a meter of video transcoding\n\nUsage: codecmeter COMMAND [OPTION…]\n\nCommands:\n");
  for (size_t i = 0; i < COMMANDS; i++)
    (void)fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].summary);
  (void)fprintf(out, "\n`codecmeter COMMAND --help` says more of each.\n");
}

int command_fail(const char *command, const struct err *err) {
  SCOPED_MALLOC char *text = str_printable(str_of(err->text));
  (void)fprintf(stderr, "codecmeter %s: %s\n", command, text);
  return err->code == ERR_USAGE ? EXIT_USAGE : EXIT_FAILED;
}

/* What a command printed may be all there is of a secret, or a bill. */
static int check_printed(const char *name, int status) {
  if (fflush(stdout) == 0 && !ferror(stdout)) return status;
  struct err err = {0};
  (void)err_set_errno(&err, ERR_IO, errno, "standard output could not be written");
  int failed = command_fail(name, &err);
  return status != EXIT_OK ? status : failed;
}

/* Closed, they would be the next files that are opened, and written to as if they were terminals. */
static void open_standard_files(void) {
  int fd;
  do
    fd = open("/dev/null", O_RDWR);
  while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd >= 0) (void)close(fd);
}

int command_main(int argc, char **argv) {
  open_standard_files();
  (void)descriptors_raise(COMMAND_DESCRIPTORS);
  const char *name = argc > 1 ? argv[1] : NULL;
  if (name == NULL) {
    print_help(stderr);
    return EXIT_USAGE;
  }
  if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
    print_help(stdout);
    return EXIT_OK;
  }
  if (strcmp(name, "--version") == 0) name = "version";
  for (size_t i = 0; i < COMMANDS; i++) {
    if (strcmp(name, commands[i].name) == 0) return check_printed(name, commands[i].run(argc - 1, argv + 1));
  }
  (void)fprintf(stderr, "codecmeter: no command '%s'; `codecmeter --help` lists them\n", name);
  return EXIT_USAGE;
}
