#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/command.h"
#include "cli/datadir.h"
#include "cli/options.h"
#include "ledger/ledger.h"

#define PROGRESS_MS 200

struct progress {
  bool terminal;
  int64_t begun_ms, shown_ms;
  uint64_t done;
};

static void step(void *arg, uint64_t done, uint64_t total) {
  struct progress *progress = arg;
  int64_t now_ms = clock_monotonic_ms(clock_system());
  progress->done = done;
  if (!progress->terminal || (now_ms - progress->shown_ms < PROGRESS_MS && done < total)) return;
  progress->shown_ms = now_ms;
  double seconds = (double)(now_ms - progress->begun_ms) / 1000, mebibytes = (double)done / (1 << 20);
  (void)fprintf(stderr, "\r%5.1f %% of %.1f MiB, %.1f MiB/s ", total > 0 ? 100.0 * (double)done / (double)total : 100.0,
                (double)total / (1 << 20), seconds > 0 ? mebibytes / seconds : 0.0);
  if (done >= total) (void)fputc('\n', stderr);
}

static int rebuild(const char *data, struct err *err) {
  SCOPED(datadir_close) struct datadir dir = DATADIR_NONE;
  int64_t now_ms = clock_monotonic_ms(clock_system());
  struct progress progress = {.terminal = isatty(STDERR_FILENO), .begun_ms = now_ms, .shown_ms = now_ms - PROGRESS_MS};
  struct ledger_progress steps = {.step = step, .arg = &progress};
  int result = datadir_open(datadir_choose(data), false, &dir, err);
  if (result == 0) result = datadir_lock(&dir, 0, err);
  struct ledger_options options = {.dir = dir.path};
  if (result == 0) result = ledger_rebuild(&options, &steps, err);
  if (result != 0) return result;
  double seconds = (double)(clock_monotonic_ms(clock_system()) - progress.begun_ms) / 1000;
  (void)printf("rebuilt from %.1f MiB of log in %.2f s\n", (double)progress.done / (1 << 20), seconds);
  return 0;
}

int cmd_rebuild(int argc, char **argv) {
  char *data = NULL;
  const struct option_row rows[] = {
      {"data", 0, OPTION_TEXT, &data, "DIR", "data directory ($CODECMETER_DATA, else ./data)"},
      {0},
  };
  const struct option_spec spec = {
      .summary = "Makes totals, catalogue and runs anew from the log. The server must be stopped. The old ones are replaced "
                 "only when the new ones are complete; interrupted, nothing has changed.",
      .rows = rows,
  };
  struct err err = {0};
  int result = options_parse(&spec, &argc, &argv, &err);
  if (result == 0) result = options_no_operands(argc, argv, &err);
  if (result == 0) result = rebuild(data, &err);
  return result == 0 ? EXIT_OK : command_fail("rebuild", &err);
}
