#include <stdio.h>

#include "base/file.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "ledger/ledger.h"
#include "server/datadir.h"

static int backup(const char *data, const char *to, struct err *err) {
  SCOPED(datadir_close) struct datadir dir = DATADIR_NONE;
  struct progress progress;
  struct ledger_backup_report report;
  progress_begin(&progress);
  struct ledger_progress steps = {.step = progress_step, .arg = &progress};
  data = datadir_choose(data);
  if (file_is_inside(to, data)) {
    return err_set(err, ERR_EXISTS, "%s is inside the data directory %s: name a directory outside it", to, data);
  }
  int result = datadir_make_like(to, data, err);
  if (result == 0) result = datadir_open(data, false, &dir, err);
  if (result == 0) result = datadir_check_access(to, true, err);
  struct ledger_options options = {.dir = dir.path};
  if (result == 0) result = ledger_backup(&options, to, &steps, &report, err);
  progress_end(&progress);
  if (result != 0 || options_quiet()) return result;
  (void)printf("backed up %.1f MiB, up to position %llu, to %s in %.2f s; `codecmeter restore` brings it back\n",
               (double)report.bytes / (1 << 20), (unsigned long long)report.position, to,
               progress_seconds(&progress));
  return 0;
}

int cmd_backup(int argc, char **argv) {
  char *data = NULL;
  const struct option_row rows[] = {
      {"data", 0, OPTION_TEXT, &data, "DIR", "data directory ($CODECMETER_DATA, else ./data)"},
      {0},
  };
  const struct option_spec spec = {
      .usage = "DIRECTORY",
      .summary =
          "Copies the ledger and the quarantine of notices into DIRECTORY, and checks the copy of the ledger by reading "
          "all of it. The server may run. If "
          "DIRECTORY holds an earlier backup of the same ledger, the command brings it up to date.",
      .examples = "codecmeter backup --data /var/lib/codecmeter /mnt/backup/codecmeter",
      .rows = rows,
  };
  struct err err = {0};
  int result = options_parse(&spec, &argc, &argv, &err);
  if (result == 0 && argc < 2)
    result = err_set(&err, ERR_USAGE, "DIRECTORY is missing; give it like this: codecmeter backup DIRECTORY");
  if (result == 0) result = options_one_operand(argc, argv, &err);
  if (result == 0) result = backup(data, argv[1], &err);
  return result == 0 ? EXIT_OK : command_fail("backup", &err);
}
