#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/client.h"
#include "agent/outbox.h"
#include "agent/report.h"
#include "cli/client_options.h"
#include "cli/command.h"
#include "cli/options.h"

/* Measures and reports one file, and prints the outcome as one line. */
static int record_file(struct outbox *outbox, const char *path, const struct report_options *options,
                       struct err *err) {
  SCOPED(reports_fini) struct reports reports = {0};
  struct delivered delivered;
  int result = report_measure(path, options, &reports, err);
  if (result != 0) return result;
  const struct report *report = reports.items; /* one output a path */
  result = outbox_send(outbox, report, &delivered, err);
  if (result != 0) return err_prefix(err, "%s", path);
  const char *outcome = report_outcome_name(delivered.outcome);
  if (delivered.outcome == REPORT_CONFLICT || delivered.outcome == REPORT_REJECTED)
    return err_set(err, ERR_DENIED, "%s: %s: %s", path, outcome, delivered.reason);
  SCOPED_MALLOC char *shown = str_printable(str_of(path));
  if (!options_quiet()) (void)printf("%s: %s, %s\n", shown, report->summary, outcome);
  if (delivered.outcome != REPORT_SPOOLED) return 0;
  result = outbox_say_waiting(outbox, path, &delivered, err);
  if (delivered.needs_help) return result;
  (void)command_fail("record", err);
  return 0;
}

int cmd_record(int argc, char **argv) {
  struct client_settings settings = {0};
  struct report_options as = {0};
  char *id = NULL, *source = NULL, *task_id = NULL, *kind = NULL;
  const struct option_row rows[] = {
      CLIENT_OPTION_ROWS(settings),
      CLIENT_SPOOL_ROW(settings),
      {"id", 0, OPTION_TEXT, &id, "ID", "the output's id, instead of one from path, size and time; only with one FILE"},
      {"source", 0, OPTION_TEXT, &source, "SOURCE", "the source of the ids (default: file with --id, else host:NAME)"},
      {"task-id", 0, OPTION_TEXT, &task_id, "ID", "the task's id in lists (default: the output's id)"},
      {"kind", 0, OPTION_TEXT, &kind, "KIND",
       "transcode or remux; a remux copied the video stream (default: transcode)"},
      {0},
  };
  const struct option_exit exits[] = {
      {EXIT_OK, "every file is stored, or waits in the spool"},
      {EXIT_FAILED, "a file could not be measured or reported"},
      {EXIT_USAGE, "wrong usage"},
      {0},
  };
  const struct option_spec spec = {
      .usage = "FILE...",
      .summary =
          "Measures media files (codec, picture size, duration of the video) and reports each as a finished "
          "transcode. A file counts once, also if `run` or `watch` reports it too. An HLS playlist or a DASH "
          "manifest is one file. If the server cannot take an event now, the event waits in the spool.",
      .quiet = "do not print the files that were recorded",
      .examples = "codecmeter record --env data/client.env out/*.mp4",
      .exits = exits,
      .rows = rows,
  };
  struct err err = {0};
  SCOPED(outbox_close) struct outbox outbox = {.client = NULL};
  int result = options_parse(&spec, &argc, &argv, &err);
  if (result == 0 && argc < 2)
    result = err_set(&err, ERR_USAGE, "FILE is missing; give it like this: codecmeter record FILE...");
  if (result == 0 && id != NULL && argc > 2)
    result = err_set(&err, ERR_USAGE, "--id names one output; give one FILE with it");
  if (result == 0 && kind != NULL && strcmp(kind, "transcode") != 0 && strcmp(kind, "remux") != 0)
    result = err_set(&err, ERR_USAGE, "--kind '%s' is neither transcode nor remux", kind);
  as.id = id;
  as.source = source;
  as.task_id = task_id;
  as.kind = kind != NULL && strcmp(kind, "remux") == 0 ? REPORT_REMUX : REPORT_TRANSCODE;
  if (result == 0) result = client_settings_fill(&settings, &err);
  if (result == 0) result = outbox_open(&settings, &outbox, &err);
  if (result != 0) return command_fail("record", &err);
  outbox.quiet = options_quiet();
  as.project = settings.project;
  int status = EXIT_OK;
  for (int i = 1; i < argc; i++) {
    if (record_file(&outbox, argv[i], &as, &err) == 0) continue;
    (void)command_fail("record", &err);
    status = EXIT_FAILED;
  }
  (void)outbox_catch_up(&outbox, "record");
  return status;
}
