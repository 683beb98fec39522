#include <stdio.h>

#include "cli/command.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "ledger/ledger.h"
#include "server/datadir.h"
#include "settings/config.h"

static int rebuild(const char *data, const struct config *config, struct err *err) {
  SCOPED(datadir_close) struct datadir dir = DATADIR_NONE;
  struct progress progress;
  progress_begin(&progress);
  struct ledger_progress steps = {.step = progress_step, .arg = &progress};
  int result = datadir_open(datadir_choose(data), false, &dir, err);
  if (result == 0) result = datadir_lock(&dir, 0, NULL, err);
  struct ledger_options options = {
      .dir = dir.path,
      .delta_max = config->ingest_delta_max,
      .map_size = config->ledger_map_size,
      .segment_size = config->ledger_segment_size,
  };
  if (result == 0) result = ledger_rebuild(&options, &steps, err);
  progress_end(&progress);
  if (result != 0 || options_quiet()) return result;
  (void)printf("rebuilt totals, catalogue and indexes from %.1f MiB of log in %.2f s\n",
               (double)progress.done / (1 << 20), progress_seconds(&progress));
  return 0;
}

int cmd_rebuild(int argc, char **argv) {
  char *data = NULL, *file = NULL, **set = NULL;
  struct config config;
  const struct option_row rows[] = {
      {"data", 0, OPTION_TEXT, &data, "DIR", "data directory ($CODECMETER_DATA, else ./data)"},
      {"config", 0, OPTION_TEXT, &file, "FILE", "read settings from an INI file, as `serve` does"},
      {"set", 0, OPTION_LIST, &set, "SECTION.KEY=VALUE", "change one setting; repeatable, wins over --config"},
      {0},
  };
  const struct option_spec spec = {
      .summary =
          "Builds totals, catalogue and indexes again from the log. Stop the server first. The new files replace the "
          "old ones only when they are complete, so an interrupted command changes nothing.",
      .rows = rows,
  };
  struct err err = {0};
  int result = options_parse(&spec, &argc, &argv, &err);
  if (result == 0) result = options_no_operands(argc, argv, &err);
  if (result == 0) result = config_read(&config, file, set, &err);
  if (result == 0) result = rebuild(data, &config, &err);
  return result == 0 ? EXIT_OK : command_fail("rebuild", &err);
}
