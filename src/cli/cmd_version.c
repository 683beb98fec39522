#include <stdio.h>

#include "cli/command.h"
#include "cli/options.h"
#include "ledger/ledger.h"
#include "version.h"

int cmd_version(int argc, char **argv) {
  const struct option_row rows[] = {{0}};
  const struct option_spec spec = {.summary = "Shows version, commit, and the formats it reads and writes.", .rows = rows};
  struct err err = {0};
  int result = options_parse(&spec, &argc, &argv, &err);
  if (result == 0) result = options_no_operands(argc, argv, &err);
  if (result != 0) return command_fail("version", &err);
  SCOPED(buf_fini) struct buf formats = {0};
  ledger_formats(&formats);
  (void)printf("codecmeter %s (%s)\n%.*s", VERSION, COMMIT, (int)formats.len, formats.ptr);
  return EXIT_OK;
}
