/* Outputs of which a notice did not say enough: listed, and resolved by whoever knows. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/check.h"
#include "cli/admin_command.h"
#include "cli/command.h"
#include "cli/datadir.h"
#include "cli/usage_text.h"
#include "ledger/history.h"
#include "meter/rfc3339.h"

#define PIECE 500 /* records a request */

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

static void put_missing(const struct usage *usage, struct buf *out) {
  const struct {
    bool is_missing;
    const char *name;
  } measures[] = {{usage->codec.len == 0, "codec"},
                  {usage->width == 0, "width"},
                  {usage->height == 0, "height"},
                  {!usage->has_amount, "duration_ms"}};
  const char *separator = "";
  for (size_t i = 0; i < sizeof measures / sizeof measures[0]; i++) {
    if (!measures[i].is_missing) continue;
    buf_printf(out, "%s%s", separator, measures[i].name);
    separator = ",";
  }
}

struct listing {
  bool json;
  uint64_t count;
};

static int print_waiting(void *arg, const struct usage *usage, struct err *err) {
  struct listing *listing = arg;
  SCOPED(buf_fini) struct buf out = {0};
  listing->count++;
  if (listing->json) {
    usage_text_json(usage, &out);
    buf_text(&out, ",\"missing\":\"");
    put_missing(usage, &out);
    buf_text(&out, "\"}\n");
  } else {
    char arrived[RFC3339_SIZE];
    rfc3339_format(usage->arrived_ms, arrived);
    buf_printf(&out, "%s  %.*s  %.*s  %.*s  lacks ", arrived, STR_ARG(usage->project), STR_ARG(usage->source),
               STR_ARG(usage->id));
    put_missing(usage, &out);
    buf_text(&out, ": ");
    usage_text_line(usage, &out);
    buf_char(&out, '\n');
  }
  if (out.failed) return err_set(err, ERR_MEMORY, "no memory to print");
  (void)fwrite(out.ptr, 1, out.len, stdout);
  return 0;
}

static int list(const struct unresolved_options *options, const struct ledger_options *ledger, struct err *err) {
  struct listing listing = {.json = options->json};
  const struct unresolved_query query = asked_for(options);
  int result = history_unresolved(ledger, &query, print_waiting, &listing, err);
  if (result == 0 && listing.count == 0 && !options->json) (void)fprintf(stderr, "nothing waits to be resolved\n");
  return result;
}

/* ---- resolve ---- */

struct resolving {
  const struct unresolved_options *options;
  uint16_t width, height; /* 0: not given */
  int64_t duration_ms;    /* -1: not given */
  struct buf request;
  unsigned in_request;
  uint64_t count;
};

static int send(struct resolving *resolving, struct err *err) {
  if (resolving->in_request == 0) return 0;
  const struct admin_print print = {.json = resolving->options->json, .is_list = true, .columns = columns};
  buf_char(&resolving->request, ']');
  int result = admin_command(resolving->options->data, &resolving->request, &print, err);
  buf_clear(&resolving->request);
  resolving->in_request = 0;
  return result;
}

/* The event that it would have been, had the notice said all; on the day on which it finished, or came. */
static int resolve_one(void *arg, const struct usage *waiting, struct err *err) {
  struct resolving *resolving = arg;
  const struct unresolved_options *options = resolving->options;
  struct usage usage = *waiting;
  usage.kind = USAGE_TRANSCODE;
  usage.finish_stated = true;
  if (options->codec != NULL) usage.codec = str_of(options->codec);
  if (resolving->width > 0) usage.width = resolving->width;
  if (resolving->height > 0) usage.height = resolving->height;
  if (resolving->duration_ms >= 0) {
    usage.amount = (uint64_t)resolving->duration_ms;
    usage.has_amount = true;
  }
  if (resolving->in_request == 0) {
    admin_begin(&resolving->request, "usage", "report");
    buf_text(&resolving->request, ",\"events\":[");
  } else {
    buf_char(&resolving->request, ',');
  }
  usage_text_json(&usage, &resolving->request);
  buf_char(&resolving->request, '}');
  resolving->count++;
  return ++resolving->in_request < PIECE ? 0 : send(resolving, err);
}

static int read_pixels(const char *text, const char *name, uint16_t *ret, struct err *err) {
  uint64_t number = 0;
  if (text == NULL) return 0;
  if (!str_to_u64(str_of(text), &number) || number < 1 || number > PIXELS_MAX) {
    return err_set(err, ERR_USAGE, "--%s: pixels, 1 to %d", name, PIXELS_MAX);
  }
  *ret = (uint16_t)number;
  return 0;
}

static int check(const struct unresolved_options *options, struct resolving *resolving, struct err *err) {
  if (options->project == NULL) return err_set(err, ERR_USAGE, "which project? give --project");
  if (!options->all && (options->source == NULL || options->id == NULL)) {
    return err_set(err, ERR_USAGE, "which output? give --source and --id, or --all (with a --source: all of it)");
  }
  if (options->codec == NULL && options->width == NULL && options->height == NULL && options->duration_ms == NULL) {
    return err_set(err, ERR_USAGE, "what is it? give --codec, --width and --height, or --duration-ms");
  }
  resolving->duration_ms = -1;
  int result = read_pixels(options->width, "width", &resolving->width, err);
  if (result == 0) result = read_pixels(options->height, "height", &resolving->height, err);
  if (result != 0 || options->duration_ms == NULL) return result;
  bool good = str_to_i64(str_of(options->duration_ms), &resolving->duration_ms) && resolving->duration_ms >= 0;
  return good ? 0 : err_set(err, ERR_USAGE, "--duration-ms: an integer, 0 or more");
}

static int resolve(const struct unresolved_options *options, const struct ledger_options *ledger, struct err *err) {
  SCOPED(buf_fini) struct buf request = {0};
  struct resolving resolving = {.options = options, .request = request};
  const struct unresolved_query query = asked_for(options);
  int result = check(options, &resolving, err);
  if (result == 0) result = history_unresolved(ledger, &query, resolve_one, &resolving, err);
  if (result == 0) result = send(&resolving, err);
  buf_fini(&resolving.request);
  if (result == 0 && resolving.count == 0) {
    return err_set(err, ERR_NOT_FOUND, "nothing of that name waits; `unresolved list` shows what does");
  }
  return result;
}

/* ---- the door ---- */

static int run(const char *verb, const struct unresolved_options *options, struct err *err) {
  SCOPED(datadir_close) struct datadir dir = DATADIR_NONE;
  int result = datadir_open(datadir_choose(options->data), false, &dir, err);
  const struct ledger_options ledger = {.dir = dir.path};
  if (result != 0) return result;
  return strcmp(verb, "list") == 0 ? list(options, &ledger, err) : resolve(options, &ledger, err);
}

int cmd_unresolved(int argc, char **argv) {
  struct unresolved_options options = {0};
  const struct option_row rows[] = {
      {"data", 0, OPTION_TEXT, &options.data, "DIR", "data directory ($CODECMETER_DATA, else ./data)"},
      {"project", 0, OPTION_TEXT, &options.project, "ID", "of one project"},
      {"source", 0, OPTION_TEXT, &options.source, "SOURCE", "of one source"},
      {"id", 0, OPTION_TEXT, &options.id, "ID", "of one id"},
      {"all", 0, OPTION_FLAG, &options.all, NULL, "resolve: all of them"},
      {"codec", 0, OPTION_TEXT, &options.codec, "NAME", "what it is: its codec"},
      {"width", 0, OPTION_TEXT, &options.width, "PIXELS", "its width"},
      {"height", 0, OPTION_TEXT, &options.height, "PIXELS", "its height"},
      {"duration-ms", 0, OPTION_TEXT, &options.duration_ms, "MS", "how long it is"},
      {"json", 0, OPTION_FLAG, &options.json, NULL, "print JSON: the list an object a line"},
      {0},
  };
  const struct option_spec spec = {
      .usage = "list|resolve",
      .summary =
          "Lists outputs that an adapter was told of, but not enough to count them; or says what they are, from "
          "when on they count, on the day on which they finished. Works whether or not the server runs.",
      .description =
          "Examples:\n  codecmeter unresolved list\n"
          "  codecmeter unresolved resolve --project org-demo --source mediaconvert --id 1671-abc/0/0 --codec h265\n"
          "  codecmeter unresolved resolve --project org-demo --source umedia --all --codec h264",
      .rows = rows,
  };
  const char *verb;
  struct err err = {0};
  int result = admin_verb(&spec, "list resolve", argc, argv, &verb, &err);
  if (result == 0) result = run(verb, &options, &err);
  return result == 0 ? EXIT_OK : command_fail("unresolved", &err);
}
