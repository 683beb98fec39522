/* Outputs whose notices did not say enough to count them. A person who knows more resolves or dismisses them. */
#include <inttypes.h>
#include <stdio.h>

#include "cli/admin_command.h"
#include "cli/command.h"
#include "cli/table.h"
#include "cli/usage_text.h"
#include "ledger/care/history.h"
#include "meter/codec.h"
#include "server/datadir.h"

#define PIECE 500 /* events in a request */

static const struct admin_column columns[] = {{"id", "ID"}, {"outcome", "OUTCOME"}, {"reason", "REASON"}, {0}};

struct unresolved_options {
  char *data, *project, *source, *id, *codec, *width, *height, *duration_ms;
  bool all, json;
};

static struct unresolved_query asked_for(const struct unresolved_options *options) {
  return (struct unresolved_query){
      .project = str_of(options->project), .source = str_of(options->source), .id = str_of(options->id)};
}

/* ---- list ---- */

static const struct table_column list_columns[] = {
    {.title = "TIME"},
    {.title = "PROJECT"},
    {.title = "SOURCE"},
    {.title = "ID"},
    {.title = "LACKS"},
    {.title = "KNOWN"},
    {0},
};

struct listing {
  bool json;
  uint64_t count;
  struct table *table;
};

static void put_waiting(const struct usage *usage, struct table *table) {
  SCOPED(buf_fini) struct buf time = {0};
  SCOPED(buf_fini) struct buf missing = {0};
  SCOPED(buf_fini) struct buf known = {0};
  buf_text(&time, usage->finish_stated ? "finished " : "arrived  ");
  usage_text_time(usage->finished_ms, &time);
  usage_field_names(usage_missing(usage), usage->kind, &missing);
  buf_text(&known, "transcode");
  usage_measures(usage, &known);
  table_cell(table, buf_view(&time));
  table_cell(table, usage->project);
  table_cell(table, usage->source);
  table_cell(table, usage->id);
  table_cell(table, buf_view(&missing));
  table_cell(table, buf_view(&known));
}

static void put_waiting_json(const struct usage *usage, struct buf *out) {
  struct json_write json = json_write_to(out);
  usage_text_json(usage, NULL, &json);
  usage_text_missing(usage, &json);
  json_write_end(&json);
  buf_char(out, '\n');
}

static int print_waiting(void *arg, const struct usage *usage, struct err *err) {
  struct listing *listing = arg;
  SCOPED(buf_fini) struct buf out = {0};
  listing->count++;
  if (!listing->json) {
    put_waiting(usage, listing->table);
    return 0;
  }
  put_waiting_json(usage, &out);
  return usage_text_print(&out, err);
}

static int list(const struct unresolved_options *options, const struct ledger_options *ledger, struct err *err) {
  SCOPED(table_free_ref) struct table *table = table_new(list_columns, 0, table_terminal_width(), stdout);
  struct listing listing = {.json = options->json, .table = table};
  const struct unresolved_query query = asked_for(options);
  int result = history_unresolved(ledger, &query, print_waiting, &listing, err);
  if (!options->json && listing.count > 0) table_print(table);
  if (result == 0 && listing.count == 0 && !options->json && !options_quiet())
    (void)fprintf(stderr, "no output is unresolved\n");
  return result;
}

/* ---- resolve and dismiss ---- */

struct report {
  const struct unresolved_options *options;
  bool dismisses;
  struct usage said; /* the measures given by the options */
  char codec[CODEC_NAME_MAX + 1];
  struct buf text;
  struct json_write request; /* into text */
  unsigned in_request;
  uint64_t count, refused;
};

/* Counts the outputs that are not stored, neither now nor before. */
static void look_at_outcome(void *arg, const struct json *item) {
  struct report *report = arg;
  struct str outcome = json_member_text(item, "outcome");
  report->refused += !str_equal(outcome, STR("stored")) && !str_equal(outcome, STR("duplicate"));
}

static int send(struct report *report, struct err *err) {
  if (report->in_request == 0) return 0;
  const struct admin_print print = {
      .json = report->options->json, .is_list = true, .columns = columns, .look = look_at_outcome, .arg = report};
  json_write_end(&report->request);
  int result = admin_command(report->options->data, &report->request, &print, err);
  buf_clear(&report->text);
  report->in_request = 0;
  return result;
}

static void put_said(const struct usage *usage, unsigned fields, struct buf *out) {
  if ((fields & USAGE_FIELD_CODEC) != 0) buf_printf(out, ", codec %.*s", STR_ARG(usage->codec));
  if ((fields & USAGE_FIELD_WIDTH) != 0) buf_printf(out, ", width %u", usage->width);
  if ((fields & USAGE_FIELD_HEIGHT) != 0) buf_printf(out, ", height %u", usage->height);
  if ((fields & USAGE_FIELD_AMOUNT) != 0) buf_printf(out, ", duration_ms %" PRIu64, usage->amount);
}

/* Fills in the measures that the notice lacks. With --all, the options fill in what each output lacks; for one
 * output, an option that contradicts the notice is an error. */
static int fill(const struct report *report, struct usage *usage, struct err *err) {
  const struct usage *said = &report->said;
  unsigned missing = usage_missing(usage), contradicted = usage_differences(usage, said);
  if (contradicted != 0 && !report->options->all) {
    SCOPED(buf_fini) struct buf known = {0};
    put_said(usage, contradicted, &known);
    return err_set(err, ERR_RANGE, "the notice already says%.*s, which cannot be changed; give only what is missing",
                   (int)known.len - 1, known.ptr + 1);
  }
  if ((missing & USAGE_FIELD_CODEC) != 0) {
    usage->codec = said->codec;
    usage->codec_reported = said->codec_reported;
  }
  if ((missing & USAGE_FIELD_WIDTH) != 0) usage->width = said->width;
  if ((missing & USAGE_FIELD_HEIGHT) != 0) usage->height = said->height;
  if ((missing & USAGE_FIELD_AMOUNT) != 0) {
    usage->has_amount = said->has_amount;
    usage->amount = said->amount;
  }
  return 0;
}

/* Appends the event to the request. A resolved output is the event that a complete notice would have made; a
 * dismissed one is a failed transcode, which counts nothing. Its day is that of its finish, or of its arrival if none
 * is known. */
static int report_one(void *arg, const struct usage *waiting, struct err *err) {
  struct report *report = arg;
  struct usage usage = *waiting;
  int result = report->dismisses ? 0 : fill(report, &usage, err);
  if (result != 0) return result;
  usage.kind = USAGE_TRANSCODE;
  usage.outcome = report->dismisses ? USAGE_FAILED : USAGE_FINISHED;
  usage.finish_stated = true;
  /* The reader of the event makes the canonical name again, and keeps this one. */
  if (usage.codec_reported.len > 0) usage.codec = usage.codec_reported;
  usage.codec_reported = STR("");
  if (report->in_request == 0) {
    report->request = admin_begin(&report->text, "usage", "report");
    json_write_list(&report->request, "events");
  }
  usage_text_json(&usage, NULL, &report->request);
  json_write_end(&report->request);
  report->count++;
  return ++report->in_request < PIECE ? 0 : send(report, err);
}

static int read_pixels(const char *text, const char *name, uint16_t *ret, struct err *err) {
  uint64_t number = 0;
  if (text == NULL) return 0;
  if (!str_to_u64(str_of(text), &number) || number < 1 || number > PIXELS_MAX) {
    return err_set(err, ERR_USAGE, "--%s '%s' is not a number of pixels from 1 to %d", name, text, PIXELS_MAX);
  }
  *ret = (uint16_t)number;
  return 0;
}

/* Reads the measures given by the options. The process that has the ledger open refuses a bad name of a codec. */
static int read_said(const struct unresolved_options *options, struct report *report, struct err *err) {
  struct usage *said = &report->said;
  int64_t duration_ms = 0;
  *said = (struct usage){.kind = USAGE_UNRESOLVED, .outcome = USAGE_FINISHED, .codec = str_of(options->codec)};
  if (said->codec.len > 0 && codec_canonical(said->codec, report->codec, NULL) == 0)
    said->codec = str_of(report->codec);
  said->codec_reported = str_of(options->codec);
  int result = read_pixels(options->width, "width", &said->width, err);
  if (result == 0) result = read_pixels(options->height, "height", &said->height, err);
  if (result != 0 || options->duration_ms == NULL) return result;
  if (!str_to_i64(str_of(options->duration_ms), &duration_ms) || duration_ms < 0) {
    return err_set(err, ERR_USAGE, "--duration-ms '%s' is not an integer of 0 or more", options->duration_ms);
  }
  said->has_amount = true;
  said->amount = (uint64_t)duration_ms;
  return 0;
}

static bool says_measures(const struct unresolved_options *options) {
  return options->codec != NULL || options->width != NULL || options->height != NULL || options->duration_ms != NULL;
}

static int check(const struct unresolved_options *options, struct report *report, struct err *err) {
  if (!options->all && (options->source == NULL || options->id == NULL)) {
    return err_set(err, ERR_USAGE,
                   "name one output: give SOURCE and ID; or give --all, for all of the project or the source");
  }
  if (!report->dismisses && !says_measures(options)) {
    return err_set(err, ERR_USAGE, "no measure is given: give --codec, --width and --height, or --duration-ms");
  }
  return read_said(options, report, err);
}

static int report_all(struct report *report, const struct ledger_options *ledger, struct err *err) {
  const struct unresolved_query query = asked_for(report->options);
  int result = check(report->options, report, err);
  if (result == 0) result = history_unresolved(ledger, &query, report_one, report, err);
  if (result == 0) result = send(report, err);
  if (result != 0) return result;
  if (report->count == 0) {
    return err_set(err, ERR_NOT_FOUND,
                   "no such output is unresolved; `codecmeter unresolved list` lists those that are");
  }
  if (report->refused == 0) return 0;
  return err_set(err, ERR_RANGE, "%" PRIu64 " of %" PRIu64 " outputs were not stored", report->refused,
                 report->count);
}

/* ---- the door ---- */

static int run(const char *verb, const struct unresolved_options *options, struct err *err) {
  SCOPED(datadir_close) struct datadir dir = DATADIR_NONE;
  int result = datadir_open(datadir_choose(options->data), false, &dir, err);
  const struct ledger_options ledger = {.dir = dir.path};
  if (result != 0) return result;
  if (strcmp(verb, "list") == 0) return list(options, &ledger, err);
  struct report report = {.options = options, .dismisses = strcmp(verb, "dismiss") == 0};
  result = report_all(&report, &ledger, err);
  buf_fini(&report.text);
  return result;
}

int cmd_unresolved(int argc, char **argv) {
  struct unresolved_options options = {0};
  const struct option_row rows[] = {
      {"data", 0, OPTION_TEXT, &options.data, "DIR", "data directory ($CODECMETER_DATA, else ./data)"},
      {"project", 0, OPTION_TEXT, &options.project, "PROJECT", "the same as the argument PROJECT"},
      {"source", 0, OPTION_TEXT, &options.source, "SOURCE", "the same as the argument SOURCE"},
      {"id", 0, OPTION_TEXT, &options.id, "ID", "the same as the argument ID"},
      {"all", 0, OPTION_FLAG, &options.all, NULL, "all unresolved outputs of the project, or of SOURCE"},
      {"codec", 0, OPTION_TEXT, &options.codec, "NAME", "the codec, if the notice names none"},
      {"width", 0, OPTION_TEXT, &options.width, "PIXELS", "the width, if the notice names none"},
      {"height", 0, OPTION_TEXT, &options.height, "PIXELS", "the height, if the notice names none"},
      {"duration-ms", 0, OPTION_TEXT, &options.duration_ms, "MS",
       "the duration in milliseconds, if the notice names none"},
      {"json", 0, OPTION_FLAG, &options.json, NULL, "print JSON (list: one object a line)"},
      {0},
  };
  const struct option_verb verbs[] = {
      {"list", "[project [source [id]]]", "data json", "list unresolved outputs, with what they lack"},
      {"resolve", "project [source [id]]", "data all codec width height duration-ms json",
       "add what outputs lack; from then on they count, on the day on which they finished"},
      {"dismiss", "project [source [id]]", "data all json", "mark outputs as failed transcodes, which never count"},
      {0},
  };
  const struct option_spec spec = {
      .verbs = verbs,
      .summary =
          "Lists, resolves or dismisses unresolved outputs: an adapter received a notice of them that does not say "
          "enough to count them. The command works whether or not the server runs.",
      .quiet = "list: print only the list; resolve, dismiss: print nothing but errors",
      .examples =
          "codecmeter unresolved list\n"
          "codecmeter unresolved resolve org-demo mediaconvert 1671-abc/0/0 --codec h265\n"
          "codecmeter unresolved resolve org-demo umedia --all --codec h264\n"
          "codecmeter unresolved dismiss org-demo umedia 17/test.mp4",
      .rows = rows,
  };
  const char *verb;
  struct err err = {0};
  int result = options_parse_verb(&spec, argc, argv, &verb, &err);
  if (result == 0) result = run(verb, &options, &err);
  return result == 0 ? EXIT_OK : command_fail("unresolved", &err);
}
