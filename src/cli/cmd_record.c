/* Lists are recorded first, because they name their parts, also if they are refused. Else a segment that is named
 * beside its list, as in `record out0.ts out.m3u8`, would count a second time. A segment that is named without its
 * list is refused for the same reason (agent/near_lists.h), unless --id says that it is an output of its own.
 */
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/client.h"
#include "agent/near_lists.h"
#include "agent/outbox.h"
#include "agent/parts.h"
#include "agent/report.h"
#include "base/check.h"
#include "cli/client_options.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/output_options.h"

struct recording {
  struct report_options as;
  struct outbox *outbox; /* NULL: explains and stores nothing */
  struct parts *parts;
  struct near_lists *near;
};

/* An output that is not finished would count a second time when it is. */
static void fail(struct err *err) {
  if (err->code == ERR_BUSY)
    (void)err_set(err, ERR_BUSY, "%s, so it is not finished; record it when that has ended", err->text);
  (void)command_fail("record", err);
}

/* ---- one output ---- */

static int say_delivered(const struct outbox *outbox, const struct report *report, const struct delivered *delivered,
                         struct err *err) {
  if (delivered->outcome == REPORT_CONFLICT || delivered->outcome == REPORT_REJECTED)
    return err_set(err, ERR_DENIED, "%s: %s: %s", report->name, report_outcome_name(delivered->outcome),
                   delivered->reason);
  SCOPED_MALLOC char *line = report_line(report, delivered->outcome);
  if (!options_quiet()) (void)printf("%s\n", line);
  if (delivered->outcome != REPORT_SPOOLED) return 0;
  int result = outbox_say_waiting(outbox, report->name, delivered, err);
  if (delivered->needs_help) return result;
  (void)command_fail("record", err);
  return 0;
}

static int send_report(struct outbox *outbox, const struct report *report, struct err *err) {
  struct delivered delivered = {.outcome = REPORT_DUPLICATE};
  int result = report->is_repeat ? 0 : outbox_send(outbox, report, &delivered, err);
  return result == 0 ? say_delivered(outbox, report, &delivered, err) : err_prefix(err, "%s", report->name);
}

/* Prints a text of several lines, each behind two blanks. */
static void print_indented(const char *text) {
  struct str rest = str_of(text);
  while (rest.len > 0) {
    SCOPED_MALLOC char *line = str_printable(str_cut(&rest, '\n'));
    (void)printf("  %s\n", line);
  }
}

static void explain(const char *name, const struct report *report, const struct media_output *output) {
  SCOPED_MALLOC char *shown = str_printable(str_of(name));
  if (report != NULL && report->is_measured) {
    SCOPED_MALLOC char *source = str_printable(str_of(report->source)), *id = str_printable(str_of(report->id));
    (void)printf("%s: %s, source %s, id %s\n", shown, report->summary, source, id);
  } else if (output->explanation != NULL) {
    (void)printf("%s: not measured\n", shown);
  }
  if (output->explanation != NULL) print_indented(output->explanation);
}

/* ---- one path ---- */

/* True if every output was recorded. Prints a message for each other one. */
static bool take_reports(const struct recording *recording, const struct reports *reports) {
  bool all = true;
  for (size_t i = 0; i < reports->count; i++) {
    const struct report *report = &reports->items[i];
    struct err err = report->why;
    int result = -(int)err.code;
    if (recording->outbox == NULL)
      explain(report->name, report, &reports->media.items[i]);
    else if (report->is_measured)
      result = send_report(recording->outbox, report, &err);
    if (report->is_measured && result == 0) continue;
    fail(&err);
    all = false;
  }
  return all;
}

static void claim_parts(const struct recording *recording, const char *path, const struct media *media, bool counts) {
  SCOPED_MALLOC char *real = realpath(path, NULL);
  if (real != NULL) parts_claim(recording->parts, real, path, media, counts);
}

/* True if the path is a part of a list of this command. Prints so; it is no failure. */
static bool is_part(const struct recording *recording, const char *path) {
  const char *list = parts_find(recording->parts, path);
  if (list == NULL) return false;
  SCOPED_MALLOC char *shown = str_printable(str_of(path)), *shown_list = str_printable(str_of(list));
  if (!options_quiet())
    (void)fprintf(stderr, "codecmeter record: %s: a part of %s, so it is not recorded by itself\n", shown,
                  shown_list);
  return true;
}

/* A part of a list that this command does not record. */
static bool refuse_part(const struct recording *recording, const struct reports *reports, const struct err *err) {
  if (recording->outbox == NULL) explain(reports->items[0].name, &reports->items[0], &reports->media.items[0]);
  (void)command_fail("record", err);
  return false;
}

/* True if every output of the path was recorded. */
static bool record_path(const struct recording *recording, const char *path) {
  SCOPED(reports_fini) struct reports reports = {0};
  struct err err;
  int result = report_measure(path, &recording->as, &reports, &err);
  claim_parts(recording, path, &reports.media, result == 0);
  if (result == 0 && recording->as.id == NULL && near_lists_check(recording->near, &reports.media, path, &err) != 0)
    return refuse_part(recording, &reports, &err);
  if (reports.count > 0) return take_reports(recording, &reports);
  for (size_t i = 0; i < reports.media.count && recording->outbox == NULL; i++)
    explain(reports.media.items[i].name, NULL, &reports.media.items[i]);
  fail(&err);
  return false;
}

static bool record_paths(const struct recording *recording, char *const *paths, size_t count) {
  bool all = true;
  SCOPED_MALLOC enum part_rank *ranks = calloc(count + 1, sizeof *ranks);
  CHECK(ranks != NULL);
  for (size_t i = 0; i < count; i++)
    ranks[i] = part_rank_of(paths[i]);
  for (int rank = 0; rank < PART_RANKS; rank++) {
    for (size_t i = 0; i < count; i++) {
      if (ranks[i] == (enum part_rank)rank && !is_part(recording, paths[i])) all &= record_path(recording, paths[i]);
    }
  }
  return all;
}

/* ---- the command ---- */

/* The directory that holds all the paths. NULL if no path leads anywhere: then nothing can be measured. */
static char *common_directory(char *const *paths) {
  GPtrArray *absolute = g_ptr_array_new_with_free_func(free);
  for (size_t i = 0; paths[i] != NULL; i++) {
    char *path = report_absolute_path(paths[i]);
    if (path != NULL) g_ptr_array_add(absolute, path);
  }
  bool is_empty = absolute->len == 0;
  g_ptr_array_add(absolute, NULL);
  char *directory = is_empty ? NULL : report_common_directory((char *const *)absolute->pdata);
  g_ptr_array_unref(absolute);
  return directory;
}

static int record(struct client_settings *settings, struct recording *recording, char *const *paths, size_t count,
                  struct err *err) {
  SCOPED_MALLOC char *base = common_directory(paths);
  SCOPED(report_ids_free_ref) struct report_ids *ids = NULL;
  SCOPED(outbox_close) struct outbox outbox = {.client = NULL};
  if (recording->as.id_prefix != NULL) ids = report_ids_new(); /* else the server knows what is the same */
  recording->as.id_base = base;
  recording->as.ids = ids;
  if (!recording->as.media.explain) {
    int result = client_settings_fill(settings, err);
    if (result == 0) result = outbox_open(settings, &outbox, err);
    if (result != 0) return command_fail("record", err);
    outbox.quiet = options_quiet();
    outbox.keeps_projectless = true;
    pulse_init(&outbox.pulse, settings, STR("record"), 0);
    recording->as.project = settings->project;
    recording->outbox = &outbox;
  }
  SCOPED(near_lists_free_ref) struct near_lists *near = near_lists_new();
  recording->near = near;
  SCOPED(parts_free_ref) struct parts *parts = parts_new();
  recording->parts = parts;
  bool all = record_paths(recording, paths, count);
  if (recording->outbox != NULL) {
    (void)outbox_catch_up(&outbox, "record");
    outbox_beat(&outbox, "record");
  }
  return all ? EXIT_OK : EXIT_FAILED;
}

static int read_options(const struct output_options *words, bool explain, size_t path_count,
                        struct report_options *ret, struct err *err) {
  if (words->id != NULL && path_count > 1)
    return err_set(err, ERR_USAGE, "--id names one output; give one FILE with it, or --id-prefix");
  if (explain && options_quiet())
    return err_set(err, ERR_USAGE, "--explain and --quiet exclude each other; give one of them");
  ret->media.explain = explain;
  return output_options_read(words, ret, err);
}

int cmd_record(int argc, char **argv) {
  struct client_settings settings = {0};
  struct output_options words = {.id = NULL};
  bool explain = false;
  const struct option_row rows[] = {
      CLIENT_OPTION_ROWS(settings),
      CLIENT_SPOOL_ROW(settings),
      CLIENT_AGENT_ROW(settings),
      OUTPUT_ID_ROWS(words),
      OUTPUT_MEDIA_ROWS(words, "transcode"),
      {"explain", 0, OPTION_FLAG, &explain, NULL,
       "print how each FILE is measured, and its identity; store nothing, and need no server"},
      {0},
  };
  const struct option_exit exits[] = {
      {EXIT_OK, "every output is stored, or waits in the spool"},
      {EXIT_FAILED, "an output could not be measured or reported"},
      {EXIT_USAGE, "wrong usage"},
      {0},
  };
  const struct option_spec spec = {
      .usage = "FILE...",
      .summary =
          "Measures media files (codec, picture size, duration of the video) and reports each as a finished "
          "transcode. An HLS playlist or a DASH manifest is one output for each video rendition. If the server "
          "cannot "
          "take an event now, the event waits in the spool.\n"
          "An output counts once, also if it was moved, or if `run` or `watch` reports it too. Its identity is made "
          "from "
          "its content, size and time of writing, unless you give one. Each line names the id.",
      .quiet = "do not print the outputs that were recorded",
      .examples =
          "codecmeter record --env data/client.env out/*.mp4\n"
          "codecmeter record --id-prefix job-7 out/360p.mp4 out/720p.mp4\n"
          "codecmeter record --explain out.ts",
      .exits = exits,
      .rows = rows,
  };
  struct err err = {0};
  struct recording recording = {.outbox = NULL};
  int result = options_parse(&spec, &argc, &argv, &err);
  if (result == 0 && argc < 2)
    result = err_set(&err, ERR_USAGE, "FILE is missing; give it like this: codecmeter record FILE...");
  if (result == 0) result = read_options(&words, explain, (size_t)argc - 1, &recording.as, &err);
  if (result != 0) return command_fail("record", &err);
  return record(&settings, &recording, argv + 1, (size_t)argc - 1, &err);
}
