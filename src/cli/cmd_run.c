/* Runs a transcoder and meters its outputs. They are measured once, when it has ended. From then on the events are
 * fixed: every attempt to send them uses the same events, also one of another process later.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/client.h"
#include "agent/findings.h"
#include "agent/intent.h"
#include "agent/outbox.h"
#include "agent/outputs.h"
#include "agent/report.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/stop.h"
#include "cli/child.h"
#include "cli/client_options.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/output_options.h"
#include "cli/run_summary.h"

#define WRITER_WAIT_MS 30000     /* for a process that outlived the command and still writes to an output */
#define WRITER_POLL_FIRST_MS 200 /* doubled each time, up to the next line: each look measures again */
#define WRITER_POLL_MAX_MS 3000

struct run_options {
  struct client_settings settings;
  struct output_options words;
  char **outputs;
  struct outputs_report report;
};

/* One run of a command. */
struct run {
  struct outbox outbox;
  const struct run_options *options;
  struct outputs outputs;
  struct intent *intent; /* NULL: the run could not be noted */
  struct timespec began, ended;
  struct run_summary summary;
  bool all_metered;
};

/* Prints an event that can neither be stored nor spooled, so that it is not lost: a line of JSON for /v1/events. */
static void print_event(const struct report *report) {
  (void)printf("%.*s\n", (int)report->event.len, report->event.ptr);
  (void)fflush(stdout);
}

static void fail(struct run *run, const struct err *err) {
  (void)command_fail("run", err);
  run->all_metered = false;
}

/* Prints the outcome if the event is stored or waits in the spool; else puts it into err. */
static int say_delivered(const struct outbox *outbox, const struct report *report, const struct delivered *delivered,
                         struct err *err) {
  if (delivered->outcome == REPORT_CONFLICT || delivered->outcome == REPORT_REJECTED)
    return err_set(err, ERR_DENIED, "%s: %s: %s", report->name, report_outcome_name(delivered->outcome),
                   delivered->reason);
  if (delivered->needs_help) return outbox_say_waiting(outbox, report->name, delivered, err);
  SCOPED_MALLOC char *line = report_line(report, delivered->outcome);
  if (delivered->outcome != REPORT_SPOOLED) {
    SCOPED_MALLOC char *shown = str_printable(str_of(line));
    if (!options_quiet()) (void)fprintf(stderr, "codecmeter run: %s\n", shown);
    return 0;
  }
  (void)outbox_say_waiting(outbox, line, delivered, err);
  (void)command_fail("run", err);
  return 0;
}

static void send_report(struct run *run, const struct report *report) {
  struct delivered delivered;
  struct err err = {0};
  int result = outbox_send(&run->outbox, report, &delivered, &err);
  if (result != 0) (void)err_prefix(&err, "%s", report->name);
  bool is_spooled = result == 0 && delivered.outcome == REPORT_SPOOLED;
  if (is_spooled) run_summary_spooled(&run->summary, report->name);
  if (result == 0) result = say_delivered(&run->outbox, report, &delivered, &err);
  if (result == 0 && !is_spooled) run_summary_recorded(&run->summary, report->name);
  if (result == 0) return;
  print_event(report);
  fail(run, &err);
}

/* Sends the events of one finding, or says why it has none. */
static void deliver(struct run *run, const struct finding *finding) {
  if (finding->verdict == FINDING_LEFT_OUT) {
    run_summary_left_out(&run->summary, finding->path, finding->why.text);
    return;
  }
  if (finding->verdict == FINDING_UNMETERED) fail(run, &finding->why);
  for (size_t i = 0; i < finding->reports.count; i++) {
    const struct report *report = &finding->reports.items[i];
    if (finding->verdict == FINDING_UNMETERED) {
      if (report->is_measured && !report->is_repeat) print_event(report);
    } else if (!report->is_measured) {
      fail(run, &report->why);
    } else if (!report->is_repeat) {
      send_report(run, report);
    }
  }
}

/* Says of outputs whose kind the line of ffmpeg leaves open as what they are recorded. */
static void say_mixed(const struct run *run) {
  for (size_t i = 0; i < run->outputs.count && !run->options->report.has_kind; i++) {
    const struct candidate *candidate = &run->outputs.items[i];
    SCOPED_MALLOC char *shown = str_printable(str_of(candidate->path));
    if (!candidate->is_mixed || options_quiet()) continue;
    (void)fprintf(
        stderr,
        "codecmeter run: %s: ffmpeg may copy some of its video and encode some: it is recorded as a transcode; "
        "--kind remux or --kind transcode decides\n",
        shown);
  }
}

static int64_t now_ms(void) { return clock_monotonic_ms(clock_system()); }

static void begin_to_wait(const struct run *run, const struct err *busy) {
  SCOPED_MALLOC char *shown = str_printable(str_of(busy->text));
  if (run->intent != NULL) intent_note_unfinished(run->intent);
  if (!options_quiet())
    (void)fprintf(stderr, "codecmeter run: %s; waiting up to %d s for it\n", shown, WRITER_WAIT_MS / 1000);
}

/* Measures what is there now. Another run that begins meanwhile may have made some of it. */
static void measure(struct run *run, struct findings *ret) {
  findings_measure(&run->outputs, &run->options->report, ret);
  while (run->intent != NULL && intent_learn_rivals(run->intent, &run->outputs)) {
    findings_fini(ret);
    findings_measure(&run->outputs, &run->options->report, ret);
  }
}

/* Measures the outputs. Waits for a time while somebody still writes to one: a script may end before what it started in
 * the background. */
static void measure_finished(struct run *run, struct findings *ret) {
  const struct err *busy;
  int64_t until_ms = now_ms() + WRITER_WAIT_MS;
  measure(run, ret);
  for (int64_t wait_ms = 0; (busy = findings_busy(ret)) != NULL && now_ms() < until_ms && !stop_is_wanted();) {
    if (wait_ms == 0) begin_to_wait(run, busy);
    wait_ms = wait_ms == 0 ? WRITER_POLL_FIRST_MS : wait_ms * 2;
    if (wait_ms > WRITER_POLL_MAX_MS) wait_ms = WRITER_POLL_MAX_MS;
    (void)stop_wait(wait_ms);
    findings_fini(ret);
    measure(run, ret);
  }
}

/* Leaves a run whose outputs are not finished to the next agent. */
static void leave(struct run *run, const struct err *busy) {
  struct err err;
  const char *how =
      run->intent != NULL
          ? "nothing of this run is recorded yet: when that has ended, `codecmeter flush` records it, or "
            "the next command that stores an event"
          : "nothing of this run is recorded: when that has ended, record its outputs with `codecmeter "
            "record`";
  (void)err_set(&err, ERR_BUSY, "%s; %s", busy->text, how);
  fail(run, &err);
  intent_leave(MOVE(run->intent));
}

static void meter_success(struct run *run) {
  SCOPED(findings_fini) struct findings findings = {.items = NULL};
  measure_finished(run, &findings);
  const struct err *busy = findings_busy(&findings);
  if (busy != NULL) {
    leave(run, busy);
    return;
  }
  say_mixed(run);
  for (size_t i = 0; i < findings.count; i++)
    deliver(run, &findings.items[i]);
  for (size_t i = 0; i < run->outputs.elsewhere.count; i++)
    run_summary_elsewhere(&run->summary, run->outputs.elsewhere.items[i]);
  if (findings_counted(&findings) == 0 && run->all_metered) {
    struct err err;
    (void)findings_say_nothing(&run->outputs, &findings, &err);
    fail(run, &err);
  } else {
    run_summary_print(&run->summary);
  }
}

static void meter_failure(struct run *run) {
  SCOPED(findings_fini) struct findings findings = {.items = NULL};
  findings_fail(&run->outputs, &run->options->report, run->began, run->ended, &findings);
  for (size_t i = 0; i < findings.count; i++)
    deliver(run, &findings.items[i]);
}

/* Notes the run in the spool. Without a note the run is still metered, unless it is killed: so only warns. */
static struct intent *note_intent(const struct run *run) {
  struct intent *intent = NULL;
  struct err err = {0};
  int result = intent_write(&run->outbox.spool, &run->outputs, &run->options->report, run->began, &intent, &err);
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
  (void)unsetenv("CODECMETER_READ_TOKEN");
  (void)unsetenv("CODECMETER_PRIVATE_KEY");
}

/* An hour of transcoding is not begun if its usage could not be measured and reported. */
static int check_settings(struct run_options *options, struct err *err) {
  if (options->settings.token == NULL)
    return err_set(err, ERR_USAGE,
                   "no token is given, so the command was not run; give --env FILE, $CODECMETER_TOKEN or --token");
  if (options->words.id != NULL && options->outputs != NULL && options->outputs[0] != NULL &&
      options->outputs[1] != NULL)
    return err_set(err, ERR_USAGE, "--id names one output; give one --output with it, or give --id-prefix");
  int result = output_options_read(&options->words, &options->report.as, err);
  if (result != 0) return result;
  result = report_check_module(err);
  return result == 0 ? 0 : err_set(err, (enum err_code) - result, "the command was not run: %s", err->text);
}

/* Runs the command and meters its outputs. Returns the exit status. */
static int run_command(struct run *run, char *const *command) {
  struct err err = {0};
  int status;
  bool was_started;
  if (outputs_find(command, run->options->outputs, &run->outputs, &err) != 0) return command_fail("run", &err);
  outbox_before_run(&run->outbox, "run", &run->outputs);
  outputs_look(&run->outputs);
  run->began = clock_file_time();
  run->intent = note_intent(run);
  if (run->intent != NULL) intent_meet(run->intent, &run->outbox.spool, &run->outputs, run->began);
  const struct child_hook hook = {.prepare = prepare_command, .arg = run->intent};
  int result = child_run(command, &hook, &status, &was_started, &err);
  if (result != 0) return command_fail("run", &err);
  if (!was_started) {
    (void)command_fail("run", &err); /* no transcode began, so none failed */
    return status;
  }
  run->ended = clock_file_time();
  if (run->intent != NULL) intent_note_end(run->intent, &run->outputs, status, run->ended);
  run->all_metered = true;
  if (status == 0)
    meter_success(run);
  else
    meter_failure(run);
  return status == 0 && !run->all_metered ? EXIT_NOT_METERED : status;
}

static int run(struct run_options *options, char **argv, struct err *err) {
  struct run run = {.options = options};
  options->settings.interrupted = stop_is_wanted;
  options->report.has_kind = options->words.kind != NULL;
  options->report.as.project = options->settings.project;
  int result = outbox_open(&options->settings, &run.outbox, err);
  if (result != 0) return command_fail("run", err);
  result = check_settings(options, err);
  int status = result == 0 ? EXIT_OK : command_fail("run", err);
  if (result == 0) {
    run.outbox.quiet = options_quiet();
    run.outbox.keeps_projectless = true;
    pulse_init(&run.outbox.pulse, &options->settings, STR("run"), 0);
    status = run_command(&run, argv + 1);
    intent_remove(MOVE(run.intent));
    (void)outbox_catch_up(&run.outbox, "run");
    outbox_beat(&run.outbox, "run");
  }
  run_summary_fini(&run.summary);
  outputs_fini(&run.outputs);
  outbox_close(&run.outbox);
  return status;
}

int cmd_run(int argc, char **argv) {
  struct run_options options = {0};
  const struct option_row rows[] = {
      CLIENT_OPTION_ROWS(options.settings),
      CLIENT_SPOOL_ROW(options.settings),
      CLIENT_AGENT_ROW(options.settings),
      {"output", 0, OPTION_LIST, &options.outputs, "FILE",
       "an output file of COMMAND; repeatable (default: each of its arguments that names a file which it made)"},
      OUTPUT_ID_ROWS(options.words),
      OUTPUT_MEDIA_ROWS(options.words, "remux for outputs whose video ffmpeg's arguments copy, else transcode"),
      {0},
  };
  const struct option_exit exits[] = {
      {EXIT_NOT_METERED,
       "the transcoder succeeded, but an output could not be metered, is still written, or none was found"},
      {126, "the transcoder could not be executed"},
      {127, "the transcoder was not found"},
      {EXIT_USAGE, "wrong usage; the transcoder was not run"},
      {EXIT_FAILED, "codecmeter failed; this, 0 and every other status can also be the transcoder's own"},
      {0},
  };
  const struct option_spec spec = {
      .usage = "-- COMMAND...",
      .summary =
          "Runs a transcoder, then measures its outputs and reports them. Outputs are the files that its arguments "
          "name, "
          "that it made or changed, and that hold video. A playlist or a manifest counts for the segments that it "
          "plays. If the server cannot take an event now, "
          "the event waits in the spool; that is no failure. If an event can neither be stored nor spooled, the "
          "command prints it on standard output. If the transcoder fails, a failed task is reported, which counts "
          "nothing.",
      .quiet = "do not print the files that were recorded; the transcoder prints what it always does",
      .examples =
          "codecmeter run --env data/client.env -- ffmpeg -i in.mov -c:v libx264 out.mp4\n"
          "codecmeter run --env data/client.env --id-prefix job-7 -- ffmpeg -i in.mov -s hd720 720.mp4 -s nhd "
          "360.mp4",
      .exits = exits,
      .rows = rows,
      .operands_end = true,
  };
  struct err err = {0};
  int result = options_parse(&spec, &argc, &argv, &err);
  if (result == 0 && argc < 2)
    result = err_set(&err, ERR_USAGE, "COMMAND is missing; give it like this: codecmeter run -- COMMAND...");
  if (result == 0) result = client_settings_fill(&options.settings, &err);
  return result == 0 ? run(&options, argv, &err) : command_fail("run", &err);
}
