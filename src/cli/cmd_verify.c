#include <stdio.h>

#include "cli/command.h"
#include "cli/datadir.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "ledger/ledger.h"

static void print_difference(void *arg, const char *line) {
  progress_end(arg);
  (void)fprintf(stderr, "codecmeter verify: %s\n", line);
}

static void print_report(const struct ledger_verify_report *report, double seconds) {
  (void)printf("log: %llu records of usage, %llu in all, in %llu blocks, up to position %llu\n",
               (unsigned long long)report->usages, (unsigned long long)report->records,
               (unsigned long long)report->blocks, (unsigned long long)report->end);
  if (report->unsettled > 0) {
    (void)printf("behind it: %llu bytes that are being written, or a torn tail that the next start cuts\n",
                 (unsigned long long)report->unsettled);
  }
  (void)printf("derived: held against the log up to position %llu, %llu cells\n", (unsigned long long)report->covered,
               (unsigned long long)report->cells);
  if (report->differences == 0) (void)printf("no differences, in %.2f s\n", seconds);
}

static int verify(const char *data, struct err *err) {
  SCOPED(datadir_close) struct datadir dir = DATADIR_NONE;
  struct progress progress;
  struct ledger_verify_report report;
  progress_begin(&progress);
  int result = datadir_open(datadir_choose(data), false, &dir, err);
  if (result != 0) return result;
  struct ledger_options options = {.dir = dir.path};
  struct ledger_verify_options how = {
      .differs = print_difference, .arg = &progress, .progress = {.step = progress_step, .arg = &progress}};
  result = ledger_verify(&options, &how, &report, err);
  progress_end(&progress);
  if (result != 0) return result;
  if (!options_quiet()) print_report(&report, progress_seconds(&progress));
  if (report.differences == 0) return 0;
  return err_set(err, ERR_CORRUPT, "%llu differences: stop the server and run `codecmeter rebuild --data %s`",
                 (unsigned long long)report.differences, dir.path);
}

int cmd_verify(int argc, char **argv) {
  char *data = NULL;
  const struct option_row rows[] = {
      {"data", 0, OPTION_TEXT, &data, "DIR", "data directory ($CODECMETER_DATA, else ./data)"},
      {0},
  };
  const struct option_exit exits[] = {
      {EXIT_OK, "everything that was compared agrees with the log"},
      {EXIT_FAILED, "something differs, or the ledger could not be read"},
      {EXIT_USAGE, "wrong usage"},
      {0},
  };
  const struct option_spec spec = {
      .summary =
          "Proves the ledger: reads the whole log, counts it again, and compares totals, identities, times and the "
          "catalogue with the result. It changes nothing, and the server may run.",
      .quiet = "print nothing but differences and errors",
      .exits = exits,
      .rows = rows,
  };
  struct err err = {0};
  int result = options_parse(&spec, &argc, &argv, &err);
  if (result == 0) result = options_no_operands(argc, argv, &err);
  if (result == 0) result = verify(data, &err);
  return result == 0 ? EXIT_OK : command_fail("verify", &err);
}
