/* Packages install what this prints. */
#include <stdio.h>

#include "cli/command.h"
#include "cli/man.h"
#include "cli/options.h"

static int print_page(const char *name, struct err *err) {
  const struct command *command = name != NULL ? command_named(name) : NULL;
  if (name != NULL && command == NULL) {
    return err_set(err, ERR_USAGE, "unknown command '%s'; see codecmeter --help", name);
  }
  if (command != NULL)
    man_print(command, stdout);
  else
    man_print_overview(stdout);
  return 0;
}

int cmd_man(int argc, char **argv) {
  const struct option_row rows[] = {{0}};
  const struct option_spec spec = {
      .usage = "[COMMAND]",
      .summary = "Prints the manual page of a command, or of the whole program, in roff for man(1).",
      .quiet = "print the page alone, as always",
      .examples = "codecmeter man record | man -l -",
      .rows = rows,
  };
  struct err err = {0};
  int result = options_parse(&spec, &argc, &argv, &err);
  const char *name = result == 0 && argc > 1 ? argv[1] : NULL;
  if (result == 0) result = options_one_operand(argc, argv, &err);
  if (result == 0) result = print_page(name, &err);
  return result == 0 ? EXIT_OK : command_fail("man", &err);
}
