/* Shows a record as it was reported, and the event that voided it. Reads the data directory; a server may run. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/options.h"
#include "cli/table.h"
#include "cli/usage_text.h"
#include "ledger/care/history.h"
#include "meter/frame_rate.h"
#include "meter/labels.h"
#include "server/datadir.h"

struct history_options {
  char *data, *project, *source, *id, *task_id;
  bool json;
};

/* A label and its value. */
static const struct table_column columns[] = {{.title = "", .least = 9}, {.title = ""}, {0}};

static void put_labelled(struct table *table, const char *label, struct str value) {
  if (value.len == 0) return;
  table_cell(table, str_of(label));
  table_cell(table, value);
}

static void put_moment(struct table *table, const char *label, int64_t ms) {
  SCOPED(buf_fini) struct buf text = {0};
  usage_text_time(ms, &text);
  put_labelled(table, label, buf_view(&text));
}

static void put_who(struct table *table, const struct usage *voiding) {
  put_labelled(table, "by", voiding->actor);
  put_labelled(table, "token", voiding->token);
  put_labelled(table, "because", voiding->reason);
}

/* Shows the arrival as the time of the void, because the time that a void states is only its sender's word. */
static void put_void(struct table *table, const struct usage *voiding) {
  put_moment(table, "VOIDED", voiding->arrived_ms);
  put_who(table, voiding);
  put_labelled(table, "void", voiding->source);
  put_labelled(table, "", voiding->id);
}

static void put_number(struct table *table, const char *label, uint64_t number) {
  SCOPED(buf_fini) struct buf text = {0};
  buf_printf(&text, "%" PRIu64, number);
  put_labelled(table, label, buf_view(&text));
}

/* "25", or "29.970 (30000/1001)" of a rate that no decimal is. */
static void put_frame_rate(struct table *table, struct frame_rate rate) {
  SCOPED(buf_fini) struct buf exact = {0};
  SCOPED(buf_fini) struct buf text = {0};
  frame_rate_write(rate, &exact);
  bool is_fraction = memchr(exact.ptr, '/', exact.len) != NULL;
  uint64_t thousandths = ((uint64_t)rate.numerator * 1000 + rate.denominator / 2) / rate.denominator;
  if (is_fraction) buf_printf(&text, "%" PRIu64 ".%03u (", thousandths / 1000, (unsigned)(thousandths % 1000));
  buf_str(&text, buf_view(&exact));
  if (is_fraction) buf_char(&text, ')');
  put_labelled(table, "frame rate", buf_view(&text));
}

static void put_input(struct table *table, uint64_t ms) {
  SCOPED(buf_fini) struct buf text = {0};
  buf_printf(&text, "%" PRIu64 ".%03u s", ms / 1000, (unsigned)(ms % 1000));
  put_labelled(table, "input", buf_view(&text));
}

static void put_labels(struct table *table, struct str set) {
  struct label label;
  const char *title = "labels";
  for (; labels_next(&set, &label); title = "") {
    SCOPED(buf_fini) struct buf text = {0};
    buf_printf(&text, "%.*s=%.*s", STR_ARG(label.name), STR_ARG(label.value));
    put_labelled(table, title, buf_view(&text));
  }
}

/* What the title does not say. */
static void put_measures(struct table *table, const struct usage *usage) {
  SCOPED(buf_fini) struct buf codec = {0};
  buf_printf(&codec, "reported as %.*s", STR_ARG(usage->codec_reported));
  if (usage->codec_reported.len > 0) put_labelled(table, "codec", buf_view(&codec));
  if (usage->frame_rate.denominator > 0) put_frame_rate(table, usage->frame_rate);
  put_labelled(table, "quality", usage->quality);
  put_labelled(table, "region", usage->region);
  if (usage->passes > 0) put_number(table, "passes", usage->passes);
  if (usage->has_input_duration) put_input(table, usage->input_duration_ms);
  put_labels(table, usage->labels);
}

static void print_details(const struct history_item *item) {
  const struct usage *usage = item->usage;
  SCOPED(table_free_ref) struct table *table = table_new(columns, 2, table_terminal_width(), stdout);
  put_labelled(table, "source", usage->source);
  put_labelled(table, "id", usage->id);
  if (usage->kind == USAGE_VOID) {
    put_labelled(table, "voids", usage->target_source);
    put_labelled(table, "", usage->target_id);
    put_who(table, usage);
    if (usage->finish_stated) put_moment(table, "states", usage->finished_ms);
  } else {
    put_labelled(table, "task", usage->task_id);
    put_measures(table, usage);
    put_moment(table, "finished", usage->finished_ms);
  }
  put_moment(table, "reported", usage->arrived_ms);
  if (usage->kind != USAGE_VOID) put_labelled(table, "token", usage->token);
  if (item->voiding != NULL) put_void(table, item->voiding);
  table_print(table);
}

static void put_title(struct buf *out, const struct history_item *item) {
  usage_text_line(item->usage, out);
  buf_char(out, '\n');
}

struct printing {
  bool json;
  unsigned count;
  struct buf text;        /* of one item */
  struct json_write list; /* into text */
};

/* Each item has a line of its own. */
static void put_item_json(struct printing *printing, const struct history_item *item) {
  struct json_write json = json_write_to(&printing->text);
  if (printing->count == 0) json_write_list(&printing->list, NULL);
  json_write_next(&printing->list, NULL);
  if (printing->count > 0) buf_char(&printing->text, '\n');
  usage_text_json(item->usage, NULL, &json);
  json_write_u64(&json, "position", item->position);
  usage_text_voided(item->voiding, &json);
  json_write_end(&json);
}

static int print_item(void *arg, const struct history_item *item, struct err *err) {
  struct printing *printing = arg;
  buf_clear(&printing->text);
  if (printing->json) {
    put_item_json(printing, item);
  } else {
    if (printing->count > 0) buf_char(&printing->text, '\n');
    put_title(&printing->text, item);
  }
  printing->count++;
  int result = usage_text_print(&printing->text, err);
  if (result == 0 && !printing->json) print_details(item);
  return result;
}

static void end_list(struct printing *printing) {
  buf_clear(&printing->text);
  json_write_end(&printing->list);
  buf_char(&printing->text, '\n');
  (void)fwrite(printing->text.ptr, 1, printing->text.len, stdout);
}

static int check(const struct history_options *options, struct err *err) {
  bool by_identity = options->source != NULL && options->id != NULL, by_task = options->task_id != NULL;
  bool is_one = by_task ? options->source == NULL && options->id == NULL : by_identity;
  return is_one ? 0 : err_set(err, ERR_USAGE, "name one record: give SOURCE and ID, or --task-id");
}

static int history(const struct history_options *options, struct err *err) {
  SCOPED(datadir_close) struct datadir dir = DATADIR_NONE;
  int result = check(options, err);
  if (result == 0) result = datadir_open(datadir_choose(options->data), false, &dir, err);
  if (result != 0) return result;
  const struct ledger_options ledger = {.dir = dir.path};
  const struct history_query query = {
      .project = str_of(options->project),
      .source = str_of(options->source),
      .id = str_of(options->id),
      .task_id = str_of(options->task_id),
  };
  struct printing printing = {.json = options->json};
  printing.list = json_write_to(&printing.text);
  result = history_find(&ledger, &query, print_item, &printing, err);
  if (options->json && printing.count > 0) end_list(&printing);
  buf_fini(&printing.text);
  return result;
}

int cmd_history(int argc, char **argv) {
  struct history_options options = {0};
  const struct option_row rows[] = {
      {"data", 0, OPTION_TEXT, &options.data, "DIR", "data directory ($CODECMETER_DATA, else ./data)"},
      {"project", 0, OPTION_TEXT, &options.project, "PROJECT", "the same as the argument PROJECT"},
      {"source", 0, OPTION_TEXT, &options.source, "SOURCE", "the same as the argument SOURCE"},
      {"id", 0, OPTION_TEXT, &options.id, "ID", "the same as the argument ID"},
      {"task-id", 0, OPTION_TEXT, &options.task_id, "ID",
       "show every record of this task id, instead of SOURCE and ID"},
      {"json", 0, OPTION_FLAG, &options.json, NULL, "print JSON"},
      {0},
  };
  const struct option_spec spec = {
      .operands = "project [source id]",
      .summary =
          "Shows a record as it was reported. A voided record no longer counts; of it, the command also shows who "
          "voided it, when and why. It changes nothing, and the server may run.",
      .quiet = "print the record alone, as always",
      .examples =
          "codecmeter history org-demo farm-7 job-4711/720p\n"
          "codecmeter history org-demo --task-id job-4711 --json",
      .rows = rows,
  };
  struct err err = {0};
  int result = options_parse(&spec, &argc, &argv, &err);
  if (result == 0) result = options_no_operands(argc, argv, &err);
  if (result == 0) result = history(&options, &err);
  return result == 0 ? EXIT_OK : command_fail("history", &err);
}
