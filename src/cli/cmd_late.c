/* Usage that came long after it had finished: it counts on its own day, so days that were billed have changed. */
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/config.h"
#include "cli/command.h"
#include "cli/datadir.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/usage_text.h"
#include "ledger/history.h"
#include "meter/rfc3339.h"
#include "meter/zone.h"

#define DELAY_DEFAULT "1d"
#define SINCE_DEFAULT "7d"

struct late_options {
  char *data, *project, *since, *delay;
  bool json;
};

struct printing {
  bool json;
  uint64_t count;
  struct progress progress;
};

static void put_item(const struct history_item *item, struct buf *out) {
  const struct usage *usage = item->usage;
  usage_text_time(usage->finished_ms, out);
  buf_text(out, "  ");
  usage_text_time(usage->arrived_ms, out);
  buf_printf(out, "  %5" PRId64 " h  ", (usage->arrived_ms - usage->finished_ms) / 3600000);
  usage_text_identity(usage, out);
  buf_text(out, "  ");
  usage_text_line(usage, out);
  buf_text(out, item->voiding != NULL ? "  VOIDED\n" : "\n");
}

static void put_item_json(const struct history_item *item, struct buf *out) {
  usage_text_json(item->usage, out);
  usage_text_voided(item->voiding, out);
  buf_text(out, "}\n");
}

static int print_item(void *arg, const struct history_item *item, struct err *err) {
  struct printing *printing = arg;
  SCOPED(buf_fini) struct buf out = {0};
  printing->count++;
  if (printing->json)
    put_item_json(item, &out);
  else
    put_item(item, &out);
  progress_end(&printing->progress);
  return usage_text_print(&out, err);
}

/* "7d": so long ago; an RFC 3339 time; or a date: from its first instant in UTC, for projects have zones of their
 * own. */
static int read_since(const char *text, int64_t now_ms, int64_t *ret, struct err *err) {
  uint64_t ago;
  int32_t day;
  if (rfc3339_parse(str_of(text), ret, NULL) == 0) return 0;
  if (zone_day_parse(str_of(text), &day, NULL) == 0) {
    *ret = (int64_t)day * 86400000;
    return 0;
  }
  if (!config_duration(str_of(text), &ago) || ago > (uint64_t)now_ms) {
    return err_set(err, ERR_USAGE,
                   "--since: a time like 2026-01-31T00:00:00Z, a date like 2026-01-31, or how long ago, like 7d");
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
    return err_set(err, ERR_USAGE, "--delay: a duration like 30m, 6h or 2d");
  }
  query.delay_ms = (int64_t)delay;
  int result = read_since(options->since != NULL ? options->since : SINCE_DEFAULT, now_ms, &query.since_ms, err);
  if (result == 0) result = datadir_open(datadir_choose(options->data), false, &dir, err);
  if (result != 0) return result;
  const struct ledger_options ledger = {.dir = dir.path};
  struct printing printing = {.json = options->json};
  progress_begin(&printing.progress);
  const struct ledger_progress steps = {.step = progress_step, .arg = &printing.progress};
  result = history_late(&ledger, &query, print_item, &printing, &steps, err);
  progress_end(&printing.progress);
  if (result == 0 && !options->json && printing.count == 0) (void)fprintf(stderr, "nothing came late\n");
  return result;
}

int cmd_late(int argc, char **argv) {
  struct late_options options = {0};
  const struct option_row rows[] = {
      {"data", 0, OPTION_TEXT, &options.data, "DIR", "data directory ($CODECMETER_DATA, else ./data)"},
      {"since", 0, OPTION_TEXT, &options.since, "WHEN",
       "stored from then on: a time, a date (in UTC), or how long ago (" SINCE_DEFAULT ")"},
      {"delay", 0, OPTION_TEXT, &options.delay, "DURATION",
       "and more than this after it had finished (" DELAY_DEFAULT ")"},
      {"project", 0, OPTION_TEXT, &options.project, "ID", "of one project"},
      {"json", 0, OPTION_FLAG, &options.json, NULL, "print JSON, an object a line"},
      {0},
  };
  const struct option_spec spec = {
      .summary =
          "Lists usage that was stored long after it had finished: finish time, arrival, delay in hours, project, "
          "source, id, what it was. It counts on the day on which it finished, so totals of that day have grown; "
          "unless "
          "it is VOIDED: then it counts no more.",
      .description =
          "Examples:\n  codecmeter late --since 2026-01-01 --delay 2d\n  codecmeter late --since 1d --json",
      .rows = rows,
  };
  struct err err = {0};
  int result = options_parse(&spec, &argc, &argv, &err);
  if (result == 0) result = options_no_operands(argc, argv, &err);
  if (result == 0) result = late(&options, &err);
  return result == 0 ? EXIT_OK : command_fail("late", &err);
}
