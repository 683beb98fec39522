#include <stdio.h>

#include "base/version.h"
#include "cli/command.h"
#include "cli/options.h"
#include "ledger/ledger.h"

void command_print_version(FILE *out) { (void)fprintf(out, "codecmeter %s (%s)\n", VERSION, COMMIT); }

int cmd_version(int argc, char **argv) {
  const struct option_row rows[] = {{0}};
  const struct option_spec spec = {
      .summary = "Shows the version, the commit that it was built from, and the formats that it reads and writes.",
      .quiet = "print the version alone",
      .rows = rows,
  };
  struct err err = {0};
  int result = options_parse(&spec, &argc, &argv, &err);
  if (result == 0) result = options_no_operands(argc, argv, &err);
  if (result != 0) return command_fail("version", &err);
  command_print_version(stdout);
  if (options_quiet()) return EXIT_OK;
  SCOPED(buf_fini) struct buf formats = {0};
  ledger_formats(&formats);
  (void)fwrite(formats.ptr, 1, formats.len, stdout);
  return EXIT_OK;
}
