#include <inttypes.h>
#include <stdio.h>

#include "adapt/quarantine.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/server_checkpoint.h"
#include "ledger/ledger.h"
#include "server/datadir.h"
#include "settings/config.h"

static void print_difference(void *arg, const char *line) {
  progress_end(arg);
  (void)fprintf(stderr, "codecmeter verify: %s\n", line);
}

/* True if the log has records and none was compared, which proves nothing. */
static bool compared_nothing(const struct ledger_verify_report *report) {
  return !report->is_backup && report->records > 0 && report->compared == 0;
}

static void print_log(const struct ledger_verify_report *report) {
  (void)printf("log: %" PRIu64 " records of usage, %" PRIu64 " in all, in %" PRIu64 " blocks, from position %" PRIu64
               " to %" PRIu64 "\n",
               report->usages, report->records, report->blocks, report->from, report->end);
  if (report->records == 0) (void)printf("the log is empty\n");
  if (report->unsettled > 0) {
    (void)printf("behind its end: %" PRIu64
                 " bytes that are being written now, or a torn tail that the next start cuts off\n",
                 report->unsettled);
  }
}

static void print_compared(const struct ledger_verify_report *report) {
  if (report->compared > 0) {
    (void)printf("compared: totals, catalogue, identities, task ids and times with %" PRIu64
                 " records from position %" PRIu64 " to %" PRIu64 ", %" PRIu64 " cells\n",
                 report->compared, report->from, report->covered, report->cells);
  }
  if (report->uncounted > 0) {
    (void)printf("not counted: %" PRIu64
                 " of these records, because of earlier ones, such as a record of the same identity: "
                 "an earlier version or another program wrote them\n",
                 report->uncounted);
  }
  if (report->records > report->compared) {
    (void)printf("not compared: %" PRIu64 " records from position %" PRIu64 " to %" PRIu64
                 ", beyond the last checkpoint: only their blocks were checked\n",
                 report->records - report->compared, report->covered, report->end);
  }
}

static void print_report(const struct ledger_verify_report *report, double seconds) {
  print_log(report);
  if (report->is_backup)
    (void)printf("this is a backup: its log is whole; `codecmeter restore` builds totals and identities from it\n");
  else
    print_compared(report);
  if (report->differences == 0 && !compared_nothing(report)) (void)printf("no differences, in %.2f s\n", seconds);
}

/* Reads the notices that wait beside the log. None of them is in the log, so there is nothing to compare. */
static int verify_quarantine(const struct datadir *dir, struct progress *progress, struct err *err) {
  SCOPED(quarantine_list_fini) struct quarantine_list list = {0};
  int result = quarantine_list(dir->path, print_difference, progress, &list, err);
  if (result != 0) return result;
  if (list.count > 0 && !options_quiet())
    (void)printf("quarantine: %zu notices wait; `codecmeter adapter list` shows them\n", list.count);
  if (list.damaged == 0) return 0;
  return err_set(err, ERR_CORRUPT,
                 "%zu files of the quarantine cannot be read: move them away, and have their senders send these notices "
                 "again",
                 list.damaged);
}

/* Records that are in the server's memory only cannot be compared: a checkpoint writes them first. Without a new one,
 * the last checkpoint is compared, and the report says how far it reaches. */
static void ask_for_checkpoint(const struct datadir *dir, struct progress *progress) {
  struct err err = {0};
  if (server_checkpoint_wait(dir, progress, &err) == 0) return;
  progress_end(progress);
  (void)fprintf(stderr, "codecmeter verify: there is no new checkpoint, so the last one is compared: %s\n", err.text);
}

static int verify(const char *data, const struct config *config, struct err *err) {
  SCOPED(datadir_close) struct datadir dir = DATADIR_NONE;
  struct progress progress;
  struct ledger_verify_report report;
  progress_begin(&progress);
  int result = datadir_open(datadir_choose(data), false, &dir, err);
  if (result != 0) return result;
  ask_for_checkpoint(&dir, &progress);
  struct ledger_options options = {.dir = dir.path, .map_size = config->ledger_map_size};
  struct ledger_verify_options how = {
      .differs = print_difference, .arg = &progress, .progress = {.step = progress_step, .arg = &progress}};
  result = ledger_verify(&options, &how, &report, err);
  progress_end(&progress);
  if (result != 0) return result;
  if (!options_quiet()) print_report(&report, progress_seconds(&progress));
  if (compared_nothing(&report)) {
    return err_set(
        err, ERR_BUSY,
        "nothing was compared: no checkpoint holds any of the %" PRIu64
        " records yet; start the server if it does not run (`codecmeter serve --data %s`), then verify again",
        report.records, dir.path);
  }
  if (report.differences == 0) return verify_quarantine(&dir, &progress, err);
  return err_set(err, ERR_CORRUPT, "%" PRIu64 " differences: stop the server and run `codecmeter rebuild --data %s`",
                 report.differences, dir.path);
}

int cmd_verify(int argc, char **argv) {
  char *data = NULL, *file = NULL, **set = NULL;
  struct config config;
  const struct option_row rows[] = {
      {"data", 0, OPTION_TEXT, &data, "DIR", "data directory ($CODECMETER_DATA, else ./data)"},
      {"config", 0, OPTION_TEXT, &file, "FILE", "read settings from an INI file, as `serve` does"},
      {"set", 0, OPTION_LIST, &set, "SECTION.KEY=VALUE", "change one setting; repeatable, wins over --config"},
      {0},
  };
  const struct option_exit exits[] = {
      {EXIT_OK, "everything that was compared agrees with the log, or the log is empty"},
      {EXIT_FAILED,
       "something differs, there are records and none could be compared, or the ledger could not be read"},
      {EXIT_USAGE, "wrong usage"},
      {0},
  };
  const struct option_spec spec = {
      .summary =
          "Proves the ledger: reads the whole log, counts it again, and compares totals, identities, times and the "
          "catalogue with the result. Asks a running server for a checkpoint first, and changes nothing else. Says "
          "which positions it compared. For a backup, it only reads the log. Also reads the notices in the quarantine.",
      .quiet = "print nothing but differences and errors",
      .exits = exits,
      .rows = rows,
  };
  struct err err = {0};
  int result = options_parse(&spec, &argc, &argv, &err);
  if (result == 0) result = options_no_operands(argc, argv, &err);
  if (result == 0) result = config_read(&config, file, set, &err);
  if (result == 0) result = verify(data, &config, &err);
  return result == 0 ? EXIT_OK : command_fail("verify", &err);
}
