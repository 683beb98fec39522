#include <stdio.h>
#include <stdlib.h>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/report.h"

/* Measures and reports one file; says how it went in a line. */
static int record_file(struct client *client, const char *path, const char *project, struct err *err) {
  SCOPED(report_fini) struct report report = {0};
  enum report_outcome outcome = REPORT_STORED;
  char reason[256];
  int result = report_file(path, project, &report, err);
  if (result != 0) return result;
  result = report_send(client, &report, &outcome, reason, err);
  if (result != 0) return err_prefix(err, "%s", path);
  if (outcome == REPORT_STORED || outcome == REPORT_DUPLICATE) {
    (void)printf("%s: %s, %s\n", path, report.summary, report_outcome_name(outcome));
    return 0;
  }
  return err_set(err, ERR_DENIED, "%s: %s: %s", path, report_outcome_name(outcome), reason);
}

int cmd_record(int argc, char **argv) {
  struct client_settings settings = {0};
  const struct option_row rows[] = {CLIENT_OPTION_ROWS(settings), {0}};
  const struct option_spec spec = {
      .usage = "FILE…",
      .summary = "Measures media files and reports each as a finished transcode: codec, picture size, duration of the video. "
                 "A file that was reported before, by this or by `run`, counts once. An HLS playlist is one file.",
      .description = "Example:\n  codecmeter record --env data/client.env out/*.mp4",
      .rows = rows,
  };
  struct err err = {0};
  SCOPED(client_close_ref) struct client *client = NULL;
  int result = options_parse(&spec, &argc, &argv, &err);
  if (result == 0 && argc < 2) result = err_set(&err, ERR_USAGE, "which files? --help shows an example");
  if (result == 0) result = client_settings_fill(&settings, &err);
  if (result == 0) result = client_open(&settings, &client, &err);
  if (result != 0) return command_fail("record", &err);
  int status = EXIT_OK;
  for (int i = 1; i < argc; i++) {
    if (record_file(client, argv[i], settings.project, &err) == 0) continue;
    (void)command_fail("record", &err);
    status = EXIT_FAILED;
  }
  return status;
}
