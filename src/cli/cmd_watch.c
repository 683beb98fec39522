/* Options of `watch`; agent/watch.h does its work. */
#include <stdio.h>

#include "agent/report.h"
#include "agent/watch.h"
#include "base/check.h"
#include "base/stop.h"
#include "cli/client_options.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/output_options.h"
#include "media/media.h"
#include "meter/labels.h"
#include "server/service_notify.h"
#include "settings/config.h"

#define SETTLE_DEFAULT_MS 2000
#define SETTLE_MAX_MS (UINT64_C(24) * 3600 * 1000)

/* Reports progress too: the senders call it between two steps, and sending a long spool takes many. */
static bool is_interrupted(void) {
  service_notify_progress();
  return stop_is_wanted();
}

static void complain(const struct err *err) { (void)command_fail("watch", err); }

static int watch_directories(const struct watch_options *options, char *const *names, bool *ret_has_lost,
                             struct err *err) {
  SCOPED(watch_close_ref) struct watch *watch = NULL;
  int result = watch_open(options, names, &watch, err);
  if (result != 0) return result;
  stop_begin();
  result = watch_look_round(watch, err);
  if (result != 0) return result;
  service_notify_ready();
  result = watch_go_on(watch, err);
  service_notify_stopping();
  struct err unsaved;
  int saved = watch_end(watch, &unsaved);
  if (result == 0 && saved != 0) *err = unsaved;
  *ret_has_lost = watch_has_lost(watch);
  return result != 0 ? result : saved;
}

/* The values of options that are not taken as they are. */
struct given {
  char *settle, *path;
  struct output_options words;
  bool has_project; /* --project was on the command line */
};

/* No label is given twice, by --label and by the pattern, and there are not too many. */
static int check_labels(const struct path_pattern *pattern, struct str set, struct err *err) {
  struct label label;
  size_t count = path_pattern_label_count(pattern);
  for (; labels_next(&set, &label); count++) {
    if (path_pattern_gives_label(pattern, label.name))
      return err_set(err, ERR_USAGE, "--label %.*s=… and {label.%.*s} in --path: give only one of them",
                     STR_ARG(label.name), STR_ARG(label.name));
  }
  if (count <= LABELS_MAX) return 0;
  return err_set(err, ERR_USAGE, "--label and --path give %zu labels; an output has at most %d", count, LABELS_MAX);
}

/* A setting of the environment gives way to the pattern; an option does not, because the two contradict each other.
 */
static int check_pattern(const struct given *given, struct watch_options *options, struct path_pattern **ret,
                         struct err *err) {
  if (given->path == NULL) return 0;
  int result = path_pattern_parse(given->path, ret, err);
  if (result != 0) return result;
  options->pattern = *ret;
  bool gives_project = path_pattern_gives_project(*ret);
  if (gives_project && given->has_project)
    return err_set(err, ERR_USAGE, "--project and {project} in --path: give only one of them");
  if (path_pattern_gives_source(*ret) && options->as.source != NULL)
    return err_set(err, ERR_USAGE, "--source and {source} in --path: give only one of them");
  if (gives_project) options->settings.project = NULL;
  return check_labels(*ret, options->as.labels, err);
}

static int check_options(const struct given *given, struct watch_options *options, struct err *err) {
  const char *settle = given->settle;
  int result = output_options_read(&given->words, &options->as, err);
  if (result != 0) return result;
  bool good =
      settle == NULL || (config_duration(str_of(settle), &options->settle_ms) && options->settle_ms <= SETTLE_MAX_MS);
  if (!good) return err_set(err, ERR_USAGE, "--settle '%s' is not a duration like 2s or 500ms, at most 24h", settle);
  if (options->dry) options->once = true;
  if (options->settings.token != NULL || options->dry) return 0;
  return err_set(
      err, ERR_USAGE,
      "no token is given; give --env FILE, $CODECMETER_TOKEN or --token (`codecmeter token create` makes one)");
}

int cmd_watch(int argc, char **argv) {
  struct watch_options options = {.settle_ms = SETTLE_DEFAULT_MS, .complain = complain};
  SCOPED(path_pattern_free_ref) struct path_pattern *pattern = NULL;
  struct given given = {.settle = NULL};
  char **include = NULL, **exclude = NULL;
  const struct option_row rows[] = {
      CLIENT_OPTION_ROWS(options.settings),
      CLIENT_SPOOL_ROW(options.settings),
      CLIENT_AGENT_ROW(options.settings),
      {"include", 0, OPTION_LIST, &include, "GLOB",
       "record files whose names match; repeatable (default: *.mp4 *.m4v *.mov *.mkv *.webm *.avi *.flv *.mxf *.m3u8 "
       "*.mpd)"},
      {"exclude", 0, OPTION_LIST, &exclude, "GLOB",
       "ignore files whose names match; repeatable (always ignored: .* *.part *.partial *.tmp)"},
      {"settle", 0, OPTION_TEXT, &given.settle, "DURATION",
       "a file is finished when it has not changed for this time (default: 2s)"},
      {"path", 0, OPTION_TEXT, &given.path, "PATTERN",
       "take fields from the path below DIR, for example '{project}/{task_id}/{name}'; the fields are {project}, "
       "{task_id}, {source}, {label.NAME}, {name} (the file's) and {*} (no meaning); ** is any number of "
       "directories; a file that does not match is reported, and not recorded"},
      OUTPUT_SOURCE_ROW(given.words),
      OUTPUT_MEDIA_ROWS(given.words, "transcode"),
      {"existing", 0, OPTION_FLAG, &options.existing, NULL, "also record files that existed before the first start"},
      {"once", 0, OPTION_FLAG, &options.once, NULL, "record the new files, then exit"},
      {"dry-run", 0, OPTION_FLAG, &options.dry, NULL,
       "look once, print what would be recorded, and exit; sends nothing, remembers nothing, and needs no token"},
      {"state", 0, OPTION_TEXT, &options.state, "DIR",
       "directory for the list of recorded files (default: the spool)"},
      {0},
  };
  const struct option_spec spec = {
      .usage = "DIR...",
      .summary =
          "Watches directories and all directories below them, and records each file that is finished there: closed "
          "after writing, or moved in. It remembers which files it recorded: after a restart it records those that "
          "came in between. A file counts once, also if `run` or `record` reports it too. HLS and DASH outputs are "
          "recorded by their playlist or manifest, not by segment.",
      .quiet = "do not print the files that are recorded",
      .examples =
          "codecmeter watch --env /etc/codecmeter/client.env /srv/outputs\n"
          "codecmeter watch --once --include '*.mp4' /srv/outputs\n"
          "codecmeter watch --dry-run --existing --path '{project}/{task_id}/**/{name}' /srv/outputs",
      .rows = rows,
  };
  struct err err = {0};
  bool has_lost = false;
  int result = options_parse(&spec, &argc, &argv, &err);
  if (result == 0 && argc < 2)
    result = err_set(&err, ERR_USAGE, "DIR is missing; give it like this: codecmeter watch DIR...");
  given.has_project = options.settings.project != NULL;
  if (result == 0) result = client_settings_fill(&options.settings, &err);
  if (result == 0) result = check_options(&given, &options, &err);
  if (result == 0) result = check_pattern(&given, &options, &pattern, &err);
  options.settings.interrupted = is_interrupted;
  options.on_progress = service_notify_progress;
  media_on_progress = service_notify_progress;
  options.quiet = options_quiet();
  options.wanted = (struct wanted){.include = (const char *const *)include, .exclude = (const char *const *)exclude};
  service_notify_begin();
  if (service_notify_rhythm_ms() > 0) options.wait_max_ms = service_notify_rhythm_ms();
  if (result == 0) result = watch_directories(&options, argv + 1, &has_lost, &err);
  if (result != 0) return command_fail("watch", &err);
  return has_lost ? EXIT_FAILED : EXIT_OK;
}
