/* Usage that arrived long after it finished. It counts on the day on which it finished, so days that were billed have
 * changed. */
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/table.h"
#include "cli/usage_text.h"
#include "ledger/care/history.h"
#include "meter/rfc3339.h"
#include "meter/zone.h"
#include "server/datadir.h"
#include "settings/config.h"

#define DELAY_DEFAULT "1d"
#define SINCE_DEFAULT "7d"

struct late_options {
  char *data, *project, *since, *delay;
  bool json;
};

static const struct table_column columns[] = {
    {.title = "FINISHED"}, {.title = "ARRIVED"}, {.title = "DELAY", .is_number = true},
    {.title = "PROJECT"},  {.title = "SOURCE"},  {.title = "ID"},
    {.title = "USAGE"},    {.title = "VOIDED"},  {0},
};

struct printing {
  bool json;
  uint64_t count;
  struct table *table;
  struct progress progress;
};

static void put_cell(struct table *table, struct buf *text) {
  table_cell(table, buf_view(text));
  buf_clear(text);
}

static void put_item(const struct history_item *item, struct table *table) {
  const struct usage *usage = item->usage;
  SCOPED(buf_fini) struct buf text = {0};
  usage_text_time(usage->finished_ms, &text);
  put_cell(table, &text);
  usage_text_time(usage->arrived_ms, &text);
  put_cell(table, &text);
  buf_printf(&text, "%" PRId64 " h", (usage->arrived_ms - usage->finished_ms) / 3600000);
  put_cell(table, &text);
  table_cell(table, usage->project);
  table_cell(table, usage->source);
  table_cell(table, usage->id);
  usage_text_line(usage, &text);
  put_cell(table, &text);
  table_cell(table, item->voiding != NULL ? STR("VOIDED") : STR(""));
}

static void put_item_json(const struct history_item *item, struct buf *out) {
  struct json_write json = json_write_to(out);
  usage_text_json(item->usage, NULL, &json);
  usage_text_voided(item->voiding, &json);
  json_write_end(&json);
  buf_char(out, '\n');
}

static int print_item(void *arg, const struct history_item *item, struct err *err) {
  struct printing *printing = arg;
  SCOPED(buf_fini) struct buf out = {0};
  printing->count++;
  if (!printing->json) {
    put_item(item, printing->table);
    return 0;
  }
  put_item_json(item, &out);
  progress_end(&printing->progress);
  return usage_text_print(&out, err);
}

/* Reads "7d", that long ago; an RFC 3339 time; or a date, which begins at its first instant in UTC, because projects
 * have zones of their own. */
static int read_since(const char *text, int64_t now_ms, int64_t *ret, struct err *err) {
  uint64_t ago;
  int32_t day;
  if (rfc3339_parse(str_of(text), ret, NULL) == 0) return 0;
  if (zone_day_parse(str_of(text), &day, NULL) == 0) {
    *ret = (int64_t)day * 86400000;
    return 0;
  }
  if (!config_duration(str_of(text), &ago) || ago > (uint64_t)now_ms) {
    return err_set(
        err, ERR_USAGE,
        "--since '%s' is not a time like 2026-01-31T00:00:00Z, a date like 2026-01-31, or a duration like 7d", text);
  }
  *ret = now_ms - (int64_t)ago;
  return 0;
}

static int late(const struct late_options *options, struct err *err) {
  SCOPED(datadir_close) struct datadir dir = DATADIR_NONE;
  struct late_query query = {.project = str_of(options->project)};
  uint64_t delay;
  int64_t now_ms = clock_real_ms(clock_system());
  if (!config_duration(str_of(options->delay != NULL ? options->delay : DELAY_DEFAULT), &delay) ||
      delay > INT64_MAX) {
    return err_set(err, ERR_USAGE, "--delay '%s' is not a duration like 30m, 6h or 2d", options->delay);
  }
  query.delay_ms = (int64_t)delay;
  int result = read_since(options->since != NULL ? options->since : SINCE_DEFAULT, now_ms, &query.since_ms, err);
  if (result == 0) result = datadir_open(datadir_choose(options->data), false, &dir, err);
  if (result != 0) return result;
  const struct ledger_options ledger = {.dir = dir.path};
  SCOPED(table_free_ref) struct table *table = table_new(columns, 0, table_terminal_width(), stdout);
  struct printing printing = {.json = options->json, .table = table};
  progress_begin(&printing.progress);
  const struct ledger_progress steps = {.step = progress_step, .arg = &printing.progress};
  result = history_late(&ledger, &query, print_item, &printing, &steps, err);
  progress_end(&printing.progress);
  if (!options->json && printing.count > 0) table_print(table);
  if (result == 0 && !options->json && printing.count == 0 && !options_quiet())
    (void)fprintf(stderr, "no usage arrived late\n");
  return result;
}

int cmd_late(int argc, char **argv) {
  struct late_options options = {0};
  const struct option_row rows[] = {
      {"data", 0, OPTION_TEXT, &options.data, "DIR", "data directory ($CODECMETER_DATA, else ./data)"},
      {"since", 0, OPTION_TEXT, &options.since, "WHEN",
       "list usage that was stored since a time, a date (in UTC), or a duration ago (default: " SINCE_DEFAULT ")"},
      {"delay", 0, OPTION_TEXT, &options.delay, "DURATION",
       "list usage that was stored more than this after it finished (default: " DELAY_DEFAULT ")"},
      {"project", 0, OPTION_TEXT, &options.project, "PROJECT", "the same as the argument PROJECT"},
      {"json", 0, OPTION_FLAG, &options.json, NULL, "print JSON, one object a line"},
      {0},
  };
  const struct option_spec spec = {
      .operands = "[project]",
      .summary =
          "Lists usage that was stored long after it finished, of one project or of all. Such usage counts on the "
          "day on which it finished, so the totals of that day have grown since. Usage that is marked VOIDED no "
          "longer counts.",
      .quiet = "print only the list",
      .examples = "codecmeter late --since 2026-01-01 --delay 2d\ncodecmeter late org-demo --since 1d --json",
      .rows = rows,
  };
  struct err err = {0};
  int result = options_parse(&spec, &argc, &argv, &err);
  if (result == 0) result = options_no_operands(argc, argv, &err);
  if (result == 0) result = late(&options, &err);
  return result == 0 ? EXIT_OK : command_fail("late", &err);
}
