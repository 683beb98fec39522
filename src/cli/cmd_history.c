/* What became of a task: as it was reported, and what voided it. Reads the data directory, beside a server or
 * without. */
#include <stdio.h>

#include "cli/command.h"
#include "cli/datadir.h"
#include "cli/options.h"
#include "cli/usage_text.h"
#include "ledger/history.h"

struct history_options {
  char *data, *project, *source, *id, *task_id;
  bool json;
};

/* Texts of reports must not drive a terminal: they hold no control characters, and are printed as they are. */
static void put_labelled(struct buf *out, const char *label, struct str value) {
  if (value.len == 0) return;
  buf_printf(out, "  %-9s ", label);
  buf_str(out, value);
  buf_char(out, '\n');
}

static void put_moment(struct buf *out, const char *label, int64_t ms) {
  buf_printf(out, "  %-9s ", label);
  usage_text_time(ms, out);
  buf_char(out, '\n');
}

static void put_who(struct buf *out, const struct usage *voiding) {
  put_labelled(out, "by", voiding->actor);
  put_labelled(out, "token", voiding->token);
  put_labelled(out, "because", voiding->reason);
}

/* When it came is known; the time that a void states is only what its sender says. */
static void put_void(struct buf *out, const struct usage *voiding) {
  put_moment(out, "VOIDED", voiding->arrived_ms);
  put_who(out, voiding);
  put_labelled(out, "void", voiding->source);
  put_labelled(out, "", voiding->id);
}

static void put_item(struct buf *out, const struct history_item *item) {
  const struct usage *usage = item->usage;
  usage_text_line(usage, out);
  buf_char(out, '\n');
  put_labelled(out, "source", usage->source);
  put_labelled(out, "id", usage->id);
  if (usage->kind == USAGE_VOID) {
    put_labelled(out, "voids", usage->target_source);
    put_labelled(out, "", usage->target_id);
    put_who(out, usage);
    if (usage->finish_stated) put_moment(out, "states", usage->finished_ms);
  } else {
    put_labelled(out, "task", usage->task_id);
    put_moment(out, "finished", usage->finished_ms);
  }
  put_moment(out, "reported", usage->arrived_ms);
  if (item->voiding != NULL) put_void(out, item->voiding);
}

static void put_item_json(struct buf *out, const struct history_item *item) {
  usage_text_json(item->usage, out);
  buf_printf(out, ",\"position\":%llu", (unsigned long long)item->position);
  usage_text_voided(item->voiding, out);
  buf_char(out, '}');
}

struct printing {
  bool json;
  unsigned count;
};

static int print_item(void *arg, const struct history_item *item, struct err *err) {
  struct printing *printing = arg;
  SCOPED(buf_fini) struct buf out = {0};
  const char *separator = printing->json ? ",\n" : "\n";
  buf_text(&out, printing->count++ > 0 ? separator : printing->json ? "[" : "");
  if (printing->json)
    put_item_json(&out, item);
  else
    put_item(&out, item);
  return usage_text_print(&out, err);
}

static int check(const struct history_options *options, struct err *err) {
  if (options->project == NULL) return err_set(err, ERR_USAGE, "which project? give --project");
  bool by_identity = options->source != NULL && options->id != NULL, by_task = options->task_id != NULL;
  bool is_one = by_task ? options->source == NULL && options->id == NULL : by_identity;
  return is_one ? 0 : err_set(err, ERR_USAGE, "which record? give --source and --id, or --task-id");
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
  result = history_find(&ledger, &query, print_item, &printing, err);
  if (options->json && printing.count > 0) (void)printf("]\n");
  return result;
}

int cmd_history(int argc, char **argv) {
  struct history_options options = {0};
  const struct option_row rows[] = {
      {"data", 0, OPTION_TEXT, &options.data, "DIR", "data directory ($CODECMETER_DATA, else ./data)"},
      {"project", 0, OPTION_TEXT, &options.project, "ID", "the project"},
      {"source", 0, OPTION_TEXT, &options.source, "SOURCE", "who reported it, and"},
      {"id", 0, OPTION_TEXT, &options.id, "ID", "under which id"},
      {"task-id", 0, OPTION_TEXT, &options.task_id, "ID", "instead: every record of a task id"},
      {"json", 0, OPTION_FLAG, &options.json, NULL, "print JSON"},
      {0},
  };
  const struct option_spec spec = {
      .summary =
          "Shows a record as it was reported, whether it still counts, and who voided it, when and why. Changes "
          "nothing; the server may run.",
      .description =
          "Examples:\n  codecmeter history --project org-demo --source farm-7 --id job-4711/720p\n"
          "  codecmeter history --project org-demo --task-id job-4711 --json",
      .rows = rows,
  };
  struct err err = {0};
  int result = options_parse(&spec, &argc, &argv, &err);
  if (result == 0) result = options_no_operands(argc, argv, &err);
  if (result == 0) result = history(&options, &err);
  return result == 0 ? EXIT_OK : command_fail("history", &err);
}
