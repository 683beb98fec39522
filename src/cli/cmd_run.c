/* Runs a transcoder and meters its outputs. They are measured once, when it has ended. From then on the events are
 * fixed: every attempt to send them uses the same events, also one of another process later.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "agent/client.h"
#include "agent/intent.h"
#include "agent/outbox.h"
#include "agent/report.h"
#include "base/check.h"
#include "cli/child.h"
#include "cli/client_options.h"
#include "cli/command.h"
#include "cli/options.h"

struct run_options {
  struct client_settings settings;
  char **outputs;
};

struct run_times {
  struct timespec began, ended;
};

static struct file_before *look_before(char *const *paths) {
  size_t count = 0;
  while (paths[count] != NULL)
    count++;
  struct file_before *before = calloc(count + 1, sizeof *before);
  CHECK(before != NULL);
  for (size_t i = 0; i < count; i++)
    before[i] = file_before_look(paths[i]);
  return before;
}

/* Prints an event that can neither be stored nor spooled, so that it is not lost: a line of JSON for /v1/events. */
static void print_event(const struct report *report) {
  (void)printf("%.*s\n", (int)report->event.len, report->event.ptr);
  (void)fflush(stdout);
}

/* Prints the outcome if the event is stored or waits in the spool; else puts it into err. */
static int say_delivered(const struct outbox *outbox, const struct report *report, const char *path,
                         const struct delivered *delivered, struct err *err) {
  const char *outcome = report_outcome_name(delivered->outcome);
  SCOPED_MALLOC char *what = NULL;
  if (delivered->outcome == REPORT_CONFLICT || delivered->outcome == REPORT_REJECTED)
    return err_set(err, ERR_DENIED, "%s: %s: %s", path, outcome, delivered->reason);
  if (delivered->needs_help) return outbox_say_waiting(outbox, path, delivered, err);
  if (delivered->outcome != REPORT_SPOOLED) {
    if (options_quiet()) return 0;
    SCOPED_MALLOC char *shown = str_printable(str_of(path));
    (void)fprintf(stderr, "codecmeter run: %s: %s, %s\n", shown, report->summary, outcome);
    return 0;
  }
  CHECK(asprintf(&what, "%s: %s, %s", path, report->summary, outcome) >= 0);
  (void)outbox_say_waiting(outbox, what, delivered, err);
  (void)command_fail("run", err);
  return 0;
}

static int send_report(struct outbox *outbox, const struct report *report, const char *path, struct err *err) {
  struct delivered delivered;
  int result = outbox_send(outbox, report, &delivered, err);
  if (result != 0) (void)err_prefix(err, "%s", path);
  if (result == 0) result = say_delivered(outbox, report, path, &delivered, err);
  if (result != 0) print_event(report);
  return result;
}

static int meter_output(struct outbox *outbox, const struct run_options *options, const char *path,
                        const struct file_before *before, struct err *err) {
  SCOPED(reports_fini) struct reports reports = {0};
  const struct report_options as = {.project = options->settings.project};
  int result = file_before_check(before, path, err);
  if (result == 0) result = report_measure(path, &as, &reports, err);
  return result == 0 ? send_report(outbox, reports.items, path, err) : result;
}

static int meter_failure(struct outbox *outbox, const struct run_options *options, const char *path,
                         const struct run_times *times, struct err *err) {
  SCOPED(report_fini) struct report report = {0};
  const struct report_options as = {.project = options->settings.project};
  int result = report_failure(path, times->began, times->ended, &as, &report, err);
  return result == 0 ? send_report(outbox, &report, path, err) : result;
}

/* Meters every output, even after one failed. True when all were metered. */
static bool meter_all(struct outbox *outbox, const struct run_options *options, bool succeeded,
                      const struct file_before *before, const struct run_times *times) {
  bool all = true;
  for (size_t i = 0; options->outputs[i] != NULL; i++) {
    struct err err = {0};
    int result = succeeded ? meter_output(outbox, options, options->outputs[i], &before[i], &err)
                           : meter_failure(outbox, options, options->outputs[i], times, &err);
    if (result == 0) continue;
    (void)command_fail("run", &err);
    all = false;
  }
  return all;
}

/* Notes the run in the spool. Without a note the run is still metered, unless it is killed: so only warns. */
static struct intent *note_intent(const struct outbox *outbox, const struct run_options *options,
                                  const struct file_before *before, struct timespec began) {
  struct intent *intent = NULL;
  struct err err = {0};
  int result =
      intent_write(&outbox->spool, options->settings.project, began, options->outputs, before, &intent, &err);
  if (result != 0 && result != -ERR_NOT_FOUND) {
    (void)err_prefix(&err,
                     "outputs will not be metered if this run is killed, because it cannot be noted in the spool");
    (void)command_fail("run", &err);
  }
  return intent;
}

/* Called in the child. The command gets none of the secrets of this process. */
static void prepare_command(void *intent) {
  if (intent != NULL) intent_note_command(intent);
  (void)unsetenv("CODECMETER_TOKEN");
  (void)unsetenv("CODECMETER_PRIVATE_KEY");
}

static int check_settings(const struct run_options *options, struct err *err) {
  if (options->settings.token != NULL) return 0;
  return err_set(err, ERR_USAGE,
                 "no token is given, so the command was not run; give --env FILE, $CODECMETER_TOKEN or --token");
}

/* Runs the command and meters its outputs. Returns the exit status. */
static int run_command(struct outbox *outbox, const struct run_options *options, char *const *command) {
  outbox_before_run(outbox, "run", options->outputs);
  SCOPED_MALLOC struct file_before *before = look_before(options->outputs);
  struct run_times times;
  struct err err = {0};
  int status;
  bool was_started;
  (void)clock_gettime(CLOCK_REALTIME, &times.began);
  SCOPED(intent_remove_ref) struct intent *intent = note_intent(outbox, options, before, times.began);
  const struct child_hook hook = {.prepare = prepare_command, .arg = intent};
  int result = child_run(command, &hook, &status, &was_started, &err);
  if (result != 0) return command_fail("run", &err);
  if (!was_started) {
    (void)command_fail("run", &err); /* no transcode began, so none failed */
    return status;
  }
  (void)clock_gettime(CLOCK_REALTIME, &times.ended);
  if (intent != NULL) intent_note_status(intent, status, times.ended);
  bool metered = meter_all(outbox, options, status == 0, before, &times);
  return status == 0 && !metered ? EXIT_NOT_METERED : status;
}

static int run(struct run_options *options, int argc, char **argv, struct err *err) {
  char *last[] = {argv[argc - 1], NULL};
  options->settings.interrupted = child_interrupted;
  SCOPED(outbox_close) struct outbox outbox = {.client = NULL};
  int result = outbox_open(&options->settings, &outbox, err);
  if (result == 0) result = check_settings(options, err);
  if (result != 0) return command_fail("run", err);
  outbox.quiet = options_quiet();
  if (options->outputs == NULL) options->outputs = last;
  int status = run_command(&outbox, options, argv + 1);
  (void)outbox_catch_up(&outbox, "run");
  return status;
}

int cmd_run(int argc, char **argv) {
  struct run_options options = {0};
  const struct option_row rows[] = {
      CLIENT_OPTION_ROWS(options.settings),
      CLIENT_SPOOL_ROW(options.settings),
      {"output", 0, OPTION_LIST, &options.outputs, "FILE",
       "an output file of COMMAND; repeatable (default: its last argument)"},
      {0},
  };
  const struct option_exit exits[] = {
      {EXIT_NOT_METERED, "the transcoder succeeded, but an output could not be metered"},
      {126, "the transcoder could not be executed"},
      {127, "the transcoder was not found"},
      {EXIT_USAGE, "wrong usage; the transcoder was not run"},
      {EXIT_FAILED, "codecmeter failed; this, 0 and every other status can also be the transcoder's own"},
      {0},
  };
  const struct option_spec spec = {
      .usage = "-- COMMAND...",
      .summary =
          "Runs a transcoder, then measures its outputs and reports them. If the server cannot take an event now, "
          "the event waits in the spool; that is no failure. If an event can neither be stored nor spooled, the "
          "command prints it on standard output. If the transcoder fails, a failed task is reported, which counts "
          "nothing.",
      .quiet = "do not print the files that were recorded; the transcoder prints what it always does",
      .examples = "codecmeter run --env data/client.env -- ffmpeg -i in.mov -c:v libx264 out.mp4",
      .exits = exits,
      .rows = rows,
      .operands_end = true,
  };
  struct err err = {0};
  int result = options_parse(&spec, &argc, &argv, &err);
  if (result == 0 && argc < 2)
    result = err_set(&err, ERR_USAGE, "COMMAND is missing; give it like this: codecmeter run -- COMMAND...");
  if (result == 0) result = client_settings_fill(&options.settings, &err);
  return result == 0 ? run(&options, argc, argv, &err) : command_fail("run", &err);
}
