/* Imports years of usage from files. Each batch is sent until the server answers, its rejects are kept, and then the
 * place moves on. So another run can go on from the place at any moment, if it first cuts the file of rejects back to
 * the length that the place names. Events that are sent twice count once.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/client.h"
#include "base/check.h"
#include "base/stop.h"
#include "cli/client_options.h"
#include "cli/command.h"
#include "cli/import_summary.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "import/documents.h"
#include "import/notices.h"
#include "import/rejects.h"
#include "import/resume.h"
#include "import/sender.h"
#include "import/source.h"
#include "settings/config.h"

#define PLACE_SUFFIX ".codecmeter-import"
#define REJECTS_SUFFIX ".rejected.ndjson"
#define REJECTS_OF_PIPE "import" REJECTS_SUFFIX
#define GIVE_UP_DEFAULT "10m"
#define BATCHES_PER_PLACE 8 /* a place costs a few syncs */
#define DOCUMENTS_PER_PLACE 64
#define REMARKS_MAX 5 /* that are printed */

struct import_options {
  struct client_settings settings;
  char *format, *source, *rejected, *give_up;
  char *adapter, *id, *time, *time_zone;
  char **map, **labels, **ignored;
  bool restart, json;
};

struct importing {
  const struct import_options *options;
  const char *name; /* of the input, for messages */
  int fd;
  uint64_t size;    /* 0: unknown */
  bool is_file;     /* it can be sought, and a place is kept */
  char *place_path; /* NULL: none is kept */
  char print[IMPORT_PRINT_SIZE];
  struct import_resume place; /* behind the last batch that was answered */
  uint64_t counts[IMPORT_COUNTS];
  uint64_t before;           /* rows or documents of earlier runs */
  uint64_t batches, remarks; /* of this run */
  struct progress progress;
  struct client *client;
  struct import_rejects *rejects;
  /* events of rows; NULL with --adapter */
  struct import_source *source;
  struct import_sender *sender;
  /* documents; NULL without --adapter */
  struct import_documents *documents;
  struct import_notices *notices;
};

static void importing_fini(struct importing *importing) {
  import_sender_free(importing->sender);
  import_notices_free(importing->notices);
  import_documents_close(importing->documents);
  import_rejects_close(importing->rejects);
  import_source_close(importing->source);
  client_close(importing->client);
  free(importing->place_path);
  if (importing->fd > STDERR_FILENO) (void)close(importing->fd);
}

static void say(struct importing *importing, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct importing *importing, const char *format, ...) {
  struct err what = {.code = ERR_INTERNAL};
  va_list args;
  va_start(args, format);
  (void)vsnprintf(what.text, sizeof what.text, format, args);
  va_end(args);
  progress_end(&importing->progress);
  (void)command_fail("import", &what);
}

static bool has_adapter(const struct importing *importing) { return importing->options->adapter != NULL; }

static struct import_summary summary_of(const struct importing *importing) {
  return (struct import_summary){.counts = importing->counts,
                                 .has_documents = has_adapter(importing),
                                 .has_zone = importing->options->time_zone != NULL,
                                 .rejected_path = import_rejects_path(importing->rejects)};
}

static uint64_t things_done(const struct importing *importing) {
  const struct import_summary summary = summary_of(importing);
  return import_summary_count(&summary);
}

/* ---- opening ---- */

static const struct {
  const char *name; /* of --format, and of a file's ending behind a dot; later ones: of an ending only */
  enum import_format format;
} formats[] = {
    {"ndjson", IMPORT_NDJSON}, {"csv", IMPORT_CSV}, {"tsv", IMPORT_TSV},
    {"jsonl", IMPORT_NDJSON},  {"tab", IMPORT_TSV},
};
#define FORMATS (sizeof formats / sizeof formats[0])
#define FORMATS_NAMED 3

static int choose_format(const char *name, const char *format, enum import_format *ret, struct err *err) {
  const char *dot = strrchr(name, '.');
  struct str wanted = str_of(format != NULL ? format : dot != NULL ? dot + 1 : "");
  size_t count = format != NULL ? FORMATS_NAMED : FORMATS, i = 0;
  while (i < count && !str_equal_nocase(wanted, str_of(formats[i].name)))
    i++;
  if (i == count && format != NULL) return err_set(err, ERR_USAGE, "--format '%s': give ndjson, csv or tsv", format);
  *ret = i < count ? formats[i].format : IMPORT_BY_HEADER;
  return 0;
}

static int find_zone(const struct import_options *options, const struct zone **ret, struct err *err) {
  *ret = NULL;
  if (options->time_zone == NULL) return 0;
  int result = zone_find(str_of(options->time_zone), ret, err);
  if (result != -ERR_RANGE) return result;
  const struct err why = *err;
  return err_set(err, ERR_USAGE, "--time-zone: %s", why.text);
}

static int open_input(struct importing *importing, const char *name, struct err *err) {
  struct stat st;
  bool is_standard = strcmp(name, "-") == 0;
  importing->name = is_standard ? "standard input" : name;
  importing->fd = is_standard ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC);
  if (importing->fd < 0 || fstat(importing->fd, &st) != 0) {
    return err_set_errno(err, ERR_NOT_FOUND, errno, "cannot read %s", name);
  }
  importing->is_file = !is_standard && S_ISREG(st.st_mode);
  importing->size = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
  return 0;
}

/* Refuses options of one way to import that are given for the other. */
static int check_options(const struct import_options *options, struct err *err) {
  const struct {
    const char *name;
    bool is_given, is_for_adapter;
  } rows[] = {
      {"id", options->id != NULL, true},           {"time", options->time != NULL, true},
      {"format", options->format != NULL, false},  {"time-zone", options->time_zone != NULL, false},
      {"map", options->map != NULL, false},        {"labels", options->labels != NULL, false},
      {"ignore", options->ignored != NULL, false},
  };
  bool has_adapter = options->adapter != NULL;
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    if (!rows[i].is_given || rows[i].is_for_adapter == has_adapter) continue;
    return err_set(err, ERR_USAGE,
                   has_adapter
                       ? "--%s is for events, and with --adapter FILE holds a service's documents: leave it out"
                       : "--%s is for the documents of an adapter: give --adapter NAME, or leave it out",
                   rows[i].name);
  }
  return 0;
}

static int open_source(struct importing *importing, enum import_format format, struct err *err) {
  const struct import_options *options = importing->options;
  if (has_adapter(importing)) {
    /* --id names one output: pieces of its document would be several notices of that output. */
    const struct import_documents_options how = {
        .fd = importing->fd, .name = importing->name, .piece_max = options->id != NULL ? SIZE_MAX : 0};
    importing->documents = import_documents_open(&how);
    return 0;
  }
  struct import_source_options how = {
      .fd = importing->fd,
      .name = importing->name,
      .format = format,
      .needs_format = importing->fd != STDIN_FILENO,
      .columns = {.source = options->source,
                  .project = options->settings.project,
                  .map = options->map,
                  .labels = options->labels,
                  .ignored = options->ignored},
  };
  int result = find_zone(options, &how.times.zone, err);
  return result == 0 ? import_source_open(&how, &importing->source, err) : result;
}

static int open_rejects(struct importing *importing, struct err *err) {
  SCOPED_MALLOC char *beside = NULL;
  CHECK(asprintf(&beside, "%s" REJECTS_SUFFIX, importing->name) >= 0);
  const char *path = importing->is_file ? beside : REJECTS_OF_PIPE;
  if (importing->options->rejected != NULL) path = importing->options->rejected;
  return import_rejects_open(path, importing->fd, &importing->rejects, err);
}

static void tell_wait(void *arg, const struct err *why) {
  struct importing *importing = arg;
  const char *give_up = importing->options->give_up != NULL ? importing->options->give_up : GIVE_UP_DEFAULT;
  say(importing, "%s; trying again for %s", why->text, give_up);
}

static void tell_ignored(void *arg, uint64_t line, struct str remark) {
  struct importing *importing = arg;
  if (options_quiet() || importing->remarks++ >= REMARKS_MAX) return;
  SCOPED_MALLOC char *text = str_printable(remark);
  say(importing, "line %" PRIu64 " of %s: ignored: %s%s", line, importing->name, text,
      importing->remarks == REMARKS_MAX ? "; more of what is ignored is only counted" : "");
}

static void open_notices(struct importing *importing, const struct import_patience *patience) {
  const struct import_options *options = importing->options;
  const struct import_notices_options how = {
      .client = importing->client,
      .documents = importing->documents,
      .rejects = importing->rejects,
      .adapter = options->adapter,
      .project = options->settings.project,
      .source = options->source,
      .id = options->id,
      .time = options->time,
      .patience = *patience,
      .counts = importing->counts,
      .ignored = tell_ignored,
      .arg = importing,
  };
  importing->notices = import_notices_new(&how);
}

static int open_sender(struct importing *importing, struct err *err) {
  struct import_patience patience = {.waits = tell_wait, .arg = importing};
  const char *give_up = importing->options->give_up != NULL ? importing->options->give_up : GIVE_UP_DEFAULT;
  if (!config_duration(str_of(give_up), &patience.give_up_ms) || patience.give_up_ms > INT64_MAX) {
    return err_set(err, ERR_USAGE, "--give-up '%s' is not a duration like 30s, 10m or 2h", give_up);
  }
  if (has_adapter(importing)) {
    open_notices(importing, &patience);
    return 0;
  }
  const struct import_sender_options options = {
      .client = importing->client, .rejects = importing->rejects, .patience = patience, .counts = importing->counts};
  importing->sender = import_sender_new(&options);
  return 0;
}

/* ---- the place ---- */

static void append_text(struct buf *out, const char *text) {
  if (text != NULL) buf_text(out, text);
  buf_char(out, '\0');
}

static void append_texts(struct buf *out, char *const *texts) {
  for (; texts != NULL && *texts != NULL; texts++)
    append_text(out, *texts);
  buf_char(out, '\0');
}

/* Fingerprints everything that decides which events are sent, and where. A place is valid only for the same print. */
static int take_print(struct importing *importing, struct err *err) {
  const struct import_options *options = importing->options;
  SCOPED(buf_fini) struct buf how = {0};
  append_text(&how, options->settings.url);
  append_text(&how, options->settings.token);
  append_text(&how, options->settings.project);
  append_text(&how, options->format);
  append_text(&how, options->source);
  append_text(&how, options->adapter);
  append_text(&how, options->id);
  append_text(&how, options->time);
  append_text(&how, options->time_zone);
  append_texts(&how, options->map);
  append_texts(&how, options->labels);
  append_texts(&how, options->ignored);
  append_text(&how, import_rejects_path(importing->rejects));
  CHECK(!how.failed);
  int result = import_resume_print(importing->fd, importing->name, buf_view(&how), importing->print, err);
  bytes_wipe(how.ptr, how.len);
  return result;
}

static void go_on_without_place(struct importing *importing, const struct err *why) {
  say(importing, "%s: the place in the file cannot be saved, so another run will start at the beginning", why->text);
  free(importing->place_path);
  importing->place_path = NULL;
}

static int save_place(struct importing *importing, struct err *err) {
  struct err why = {0};
  if (importing->place_path == NULL) return 0;
  int result =
      import_rejects_sync(importing->rejects, err); /* the place must never be ahead of the file of rejects */
  if (result != 0) return result;
  if (import_resume_save(importing->place_path, importing->print, &importing->place, &why) != 0)
    go_on_without_place(importing, &why);
  return 0;
}

/* Moves the place to the end of what was answered. */
static void move_place(struct importing *importing) {
  struct import_resume *place = &importing->place;
  bool reads_documents = has_adapter(importing);
  place->offset =
      reads_documents ? import_documents_offset(importing->documents) : import_source_offset(importing->source);
  place->line = reads_documents ? import_documents_line(importing->documents) : import_source_line(importing->source);
  place->rejected_bytes = import_rejects_bytes(importing->rejects);
  memcpy(place->counts, importing->counts, sizeof place->counts);
}

static int go_on(struct importing *importing, const struct import_resume *place, struct err *err) {
  int result = 0;
  if (has_adapter(importing))
    import_documents_seek(importing->documents, place->offset, place->line);
  else
    result = import_source_seek(importing->source, place->offset, place->line, err);
  if (result == 0) result = import_rejects_cut(importing->rejects, place->rejected_bytes, err);
  if (result != 0) return result;
  memcpy(importing->counts, place->counts, sizeof importing->counts);
  importing->before = things_done(importing);
  if (options_quiet()) return 0;
  say(importing,
      "going on from line %" PRIu64 " of %s, where the last run stopped; --restart starts at the beginning",
      place->line, importing->name);
  return 0;
}

/* Begins at the place of an earlier run, or at the beginning. A pipe cannot be read again, so earlier rejects of a
 * pipe stay in their file. */
static int begin(struct importing *importing, struct err *err) {
  struct import_resume place;
  struct err why = {0};
  if (!importing->is_file) return 0;
  CHECK(asprintf(&importing->place_path, "%s" PLACE_SUFFIX, importing->name) >= 0);
  int result = take_print(importing, err);
  if (result != 0) return result;
  int loaded = importing->options->restart ? -ERR_NOT_FOUND
                                           : import_resume_load(importing->place_path, importing->print, &place, &why);
  if (loaded == 0) return go_on(importing, &place, err);
  if (loaded != -ERR_NOT_FOUND) say(importing, "%s: starting at the beginning", why.text);
  import_rejects_begin(importing->rejects);
  return 0;
}

/* ---- the work ---- */

static int refuse(struct importing *importing, const struct import_event *event, struct err *err) {
  const struct import_reject reject = {
      .line = event->line,
      .id = STR(""),
      .outcome = REPORT_REJECTED,
      .reason = event->refusal,
      .event = event->text,
  };
  importing->counts[REPORT_REJECTED]++;
  return import_rejects_add(importing->rejects, &reject, err);
}

static int gather(struct importing *importing, bool *ret_is_end, struct err *err) {
  struct import_event event;
  bool is_end = false;
  while (!import_sender_is_full(importing->sender)) {
    int result = import_source_next(importing->source, &event, &is_end, err);
    if (result != 0) return result;
    if (is_end) break;
    importing->counts[IMPORT_AMBIGUOUS] += event.is_twice && event.refusal.len == 0;
    if (event.refusal.len == 0)
      import_sender_add(importing->sender, event.line, event.text);
    else
      result = refuse(importing, &event, err);
    if (result != 0) return result;
  }
  *ret_is_end = is_end;
  return 0;
}

/* Sends the next batch of rows, or the next document. */
static int step(struct importing *importing, bool *ret_is_end, struct err *err) {
  if (stop_is_wanted()) return err_set(err, ERR_STOPPING, "interrupted");
  if (has_adapter(importing)) return import_notices_next(importing->notices, ret_is_end, err);
  int result = gather(importing, ret_is_end, err);
  return result == 0 ? import_sender_send(importing->sender, err) : result;
}

static int work(struct importing *importing, struct err *err) {
  unsigned per_place = has_adapter(importing) ? DOCUMENTS_PER_PLACE : BATCHES_PER_PLACE;
  move_place(importing);
  for (bool is_end = false; !is_end;) {
    int result = step(importing, &is_end, err);
    if (result == 0) result = import_rejects_drop_old(importing->rejects, err);
    if (result != 0) return result;
    move_place(importing);
    if (++importing->batches % per_place == 0) result = save_place(importing, err);
    if (result != 0) return result;
    progress_rows(&importing->progress, importing->place.offset, importing->size,
                  things_done(importing) - importing->before);
  }
  return 0;
}

/* ---- the end ---- */

/* Puts the failure and the way to go on into err. */
static int tell_stop(const struct importing *importing, struct err *err) {
  const struct err why = *err;
  const char *how = importing->place_path != NULL ? "run the same command again to go on from there"
                                                  : "run it again; each identity counts once";
  return err_set(err, why.code == ERR_USAGE ? ERR_DENIED : why.code, "%s; stopped before line %" PRIu64 " of %s: %s",
                 why.text, importing->place.line, importing->name, how);
}

static int finish(struct importing *importing, int result, struct err *err) {
  struct err why = {0};
  const struct import_summary summary = summary_of(importing);
  bool json = importing->options->json;
  bool is_answered = importing->batches > 0; /* else the next run does everything again, and rejects again */
  int kept = result == 0 || is_answered ? import_rejects_sync(importing->rejects, &why) : 0;
  if (result != 0 && kept == 0 && is_answered) kept = save_place(importing, &why);
  if (result == 0 && kept == 0 && importing->place_path != NULL)
    kept = import_resume_remove(importing->place_path, &why);
  progress_end(&importing->progress);
  if (json || !options_quiet())
    import_summary_print(&summary, progress_seconds(&importing->progress), result == 0 && kept == 0, json);
  if (result == 0 && kept != 0) {
    *err = why;
    result = kept;
  }
  if (result == 0) return import_summary_check(&summary, err);
  if (is_answered && import_summary_check(&summary, &why) != 0) say(importing, "%s", why.text);
  return tell_stop(importing, err);
}

static int import(struct import_options *options, const char *name, struct err *err) {
  SCOPED(importing_fini) struct importing importing = {.options = options, .fd = -1};
  enum import_format format = IMPORT_NDJSON;
  progress_begin(&importing.progress);
  int result = options->adapter == NULL ? choose_format(name, options->format, &format, err) : 0;
  if (result == 0) result = check_options(options, err);
  if (result == 0) result = client_settings_fill(&options->settings, err);
  if (result == 0) result = client_open(&options->settings, &importing.client, err);
  if (result == 0) result = client_check_token(importing.client, err);
  if (result == 0) result = open_input(&importing, name, err);
  stop_begin(); /* not before: opening a pipe waits for its other end, and a signal must end that */
  if (result == 0) result = open_source(&importing, format, err);
  if (result == 0) result = open_rejects(&importing, err);
  if (result == 0) result = open_sender(&importing, err);
  if (result == 0) result = begin(&importing, err);
  return result == 0 ? finish(&importing, work(&importing, err), err) : result;
}

int cmd_import(int argc, char **argv) {
  struct import_options options = {.settings.interrupted = stop_is_insisted};
  const struct option_row rows[] = {
      CLIENT_OPTION_ROWS(options.settings),
      {"format", 0, OPTION_TEXT, &options.format, "FORMAT",
       "ndjson, csv or tsv (default: by the ending of FILE, else by its first line)"},
      {"source", 0, OPTION_TEXT, &options.source, "NAME",
       "source of rows that name none; with --adapter: of all outputs, instead of the adapter's own"},
      {"time-zone", 0, OPTION_TEXT, &options.time_zone, "NAME",
       "times that state no zone are local times of this one, such as Asia/Shanghai"},
      {"map", 0, OPTION_LIST, &options.map, "FIELD=COLUMN,...",
       "take fields of the events from columns that have other names; repeatable"},
      {"labels", 0, OPTION_LIST, &options.labels, "COLUMN,...",
       "keep columns as labels; NAME=COLUMN gives the label another name; repeatable"},
      {"ignore", 0, OPTION_LIST, &options.ignored, "COLUMN,...", "leave columns out; repeatable"},
      {"adapter", 0, OPTION_TEXT, &options.adapter, "NAME",
       "FILE holds a transcoding service's job list or notices, for the server's adapter of that name"},
      {"id", 0, OPTION_TEXT, &options.id, "ID", "with --adapter: the id of the output, for an adapter that needs it"},
      {"time", 0, OPTION_TEXT, &options.time, "TIME",
       "with --adapter: when the outputs were finished, if the documents do not say"},
      {"rejected", 0, OPTION_TEXT, &options.rejected, "FILE",
       "keep rows that were not stored in this file (default: FILE" REJECTS_SUFFIX "; " REJECTS_OF_PIPE " for -)"},
      {"give-up", 0, OPTION_TEXT, &options.give_up, "DURATION",
       "stop when the server has not answered for this time (default: " GIVE_UP_DEFAULT ")"},
      {"restart", 0, OPTION_FLAG, &options.restart, NULL, "start at the beginning, not where an earlier run stopped"},
      {"json", 0, OPTION_FLAG, &options.json, NULL, "print the summary as JSON, also with --quiet"},
      {0},
  };
  const struct option_exit exits[] = {
      {EXIT_OK, "every row or output is stored, now or before, or waits as unresolved"},
      {EXIT_FAILED, "something was not stored, or the import stopped early"},
      {EXIT_USAGE, "wrong usage"},
      {0},
  };
  const struct option_spec spec = {
      .usage = "FILE",
      .summary =
          "Reports the events of a file: ndjson with one event a line, or CSV or TSV whose first line names the "
          "columns. "
          "With --adapter, FILE holds documents of a transcoding service: a job list, or notices. - is standard "
          "input. "
          "Each identity counts once, so a file may be imported again. If the import is interrupted, the same "
          "command "
          "goes on where it stopped.",
      .quiet = "print no progress and no summary",
      .examples =
          "codecmeter import --env data/client.env 2024.csv --source old-farm\n"
          "codecmeter import --env data/client.env jobs.tsv --source db --time-zone Europe/Berlin --map "
          "id=job,width=w\n"
          "codecmeter import --env data/client.env jobs.json --adapter mediaconvert\n"
          "zcat 2023-*.ndjson.gz | codecmeter import --env data/client.env -",
      .exits = exits,
      .rows = rows,
  };
  struct err err = {0};
  int result = options_parse(&spec, &argc, &argv, &err);
  if (result == 0 && argc < 2)
    result = err_set(&err, ERR_USAGE, "FILE is missing; give it like this: codecmeter import FILE");
  if (result == 0 && argc > 2)
    result = err_set(&err, ERR_USAGE, "unexpected argument '%s': one file at a time", argv[2]);
  if (result != 0) return command_fail("import", &err);
  result = import(&options, argv[1], &err);
  return result == 0 ? EXIT_OK : command_fail("import", &err);
}
