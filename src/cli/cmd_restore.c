#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "ledger/ledger.h"
#include "server/datadir.h"
#include "settings/config.h"

static int restore(const char *data, const char *from, const struct config *config, struct err *err) {
  SCOPED(datadir_close) struct datadir dir = DATADIR_NONE;
  struct progress progress;
  struct ledger_backup_report report;
  progress_begin(&progress);
  struct ledger_progress steps = {.step = progress_step, .arg = &progress};
  data = datadir_choose(data);
  if (file_is_inside(data, from)) {
    return err_set(err, ERR_EXISTS, "%s is inside the backup %s: name a directory outside it", data, from);
  }
  int result = datadir_make_like(data, from, err);
  if (result == 0) result = datadir_open(data, true, &dir, err);
  if (result == 0) result = datadir_check_access(data, true, err);
  if (result == 0) result = datadir_check_access(from, false, err);
  if (result == 0) result = datadir_lock(&dir, 0, NULL, err);
  struct ledger_options options = {
      .dir = dir.path,
      .delta_max = config->ingest_delta_max,
      .map_size = config->ledger_map_size,
      .segment_size = config->ledger_segment_size,
  };
  if (result == 0) result = ledger_restore(&options, from, &steps, &report, err);
  progress_end(&progress);
  if (result != 0 || options_quiet()) return result;
  (void)printf("restored %.1f MiB, up to position %llu, into %s in %.2f s; `codecmeter serve --data %s` serves it\n",
               (double)report.bytes / (1 << 20), (unsigned long long)report.position, dir.path,
               progress_seconds(&progress), dir.path);
  if (geteuid() == 0) {
    (void)printf("%s belongs to root: before another user serves it, run `chown -R USER: %s`\n", dir.path, dir.path);
  }
  return 0;
}

int cmd_restore(int argc, char **argv) {
  char *data = NULL, *file = NULL, **set = NULL;
  struct config config;
  const struct option_row rows[] = {
      {"data", 0, OPTION_TEXT, &data, "DIR",
       "data directory to create; it may exist if it is empty ($CODECMETER_DATA, else ./data)"},
      {"config", 0, OPTION_TEXT, &file, "FILE", "read settings from an INI file, as `serve` does"},
      {"set", 0, OPTION_LIST, &set, "SECTION.KEY=VALUE", "change one setting; repeatable, wins over --config"},
      {0},
  };
  const struct option_spec spec = {
      .usage = "BACKUP",
      .summary =
          "Creates a data directory from a backup: copies the log of the backup and builds totals and indexes "
          "from it. If the command is interrupted, run it again.",
      .examples = "codecmeter restore --data /var/lib/codecmeter /mnt/backup/codecmeter",
      .rows = rows,
  };
  struct err err = {0};
  int result = options_parse(&spec, &argc, &argv, &err);
  if (result == 0 && argc < 2)
    result = err_set(&err, ERR_USAGE, "BACKUP is missing; give it like this: codecmeter restore BACKUP");
  if (result == 0) result = options_one_operand(argc, argv, &err);
  if (result == 0) result = config_read(&config, file, set, &err);
  if (result == 0) result = restore(data, argv[1], &config, &err);
  return result == 0 ? EXIT_OK : command_fail("restore", &err);
}
