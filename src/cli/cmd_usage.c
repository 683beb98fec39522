/* /v1/usage as a table, or as rows for other programs. */
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/stop.h"
#include "cli/command.h"
#include "cli/read_options.h"
#include "cli/reader.h"
#include "cli/row_output.h"
#include "cli/table.h"
#include "cli/usage_table.h"

#define PATH "/v1/usage"
#define SHEET "usage"

struct usage_options {
  struct read_options read;
  char **groups;
  char *step, *compare;
  bool zeros;
};

/* ---- the question ---- */

static int make_query(const struct usage_options *options, struct client *client, struct buf *path, struct err *err) {
  SCOPED(buf_fini) struct buf groups = {0};
  buf_text(path, PATH);
  for (size_t i = 0; options->groups != NULL && options->groups[i] != NULL; i++) {
    if (i > 0) buf_char(&groups, ',');
    buf_text(&groups, options->groups[i]);
  }
  if (groups.len > 0) client_add_param(client, path, STR("group"), buf_view(&groups));
  if (options->step != NULL) client_add_param(client, path, STR("step"), str_of(options->step));
  if (options->compare != NULL) client_add_param(client, path, STR("compare"), str_of(options->compare));
  if (options->zeros) client_add_param(client, path, STR("zeros"), STR("1"));
  int result = read_options_add(&options->read, client, path, err);
  buf_char(path, '\0');
  if (path->failed) return err_set(err, ERR_USAGE, "the options are too long");
  return result;
}

/* ---- the table ---- */

/* Splits "project,codec" at its commas, in place: the request was made before. */
static int split_groups(char **words, struct usage_table_options *ret, struct err *err) {
  for (size_t i = 0; words != NULL && words[i] != NULL; i++) {
    char *rest = words[i];
    for (char *group; (group = strsep(&rest, ",")) != NULL;) {
      if (ret->groups_count == USAGE_TABLE_GROUPS_MAX)
        return err_set(err, ERR_USAGE, "--group: a table has at most %u groups; use --output FILE.csv for more",
                       USAGE_TABLE_GROUPS_MAX);
      ret->groups[ret->groups_count++] = group;
    }
  }
  return 0;
}

static int take_row(void *arg, const struct json *object, struct str line, struct err *err) {
  (void)line;
  return usage_table_row(arg, object, err);
}

static int print_table(struct client *client, const char *query, const struct usage_options *options,
                       struct err *err) {
  struct usage_table_options shape = {.step = options->step, .compares = options->compare != NULL};
  struct reader_end end;
  int result = split_groups(options->groups, &shape, err);
  if (result != 0) return result;
  SCOPED(usage_table_free_ref) struct usage_table *table = usage_table_new(&shape);
  const struct reader_visitor visitor = {.row = take_row, .arg = table};
  result = reader_rows(client, query, &visitor, &end, err);
  if (result != 0) return result;
  usage_table_print(table, table_terminal_width(), stdout);
  if (!options_quiet() && end.position[0] != '\0')
    (void)printf("Minutes are those of each task, rounded up. As of position %s.\n", end.position);
  return 0;
}

static int run(struct usage_options *options, struct err *err) {
  SCOPED(client_close_ref) struct client *client = NULL;
  SCOPED(buf_fini) struct buf query = {0};
  enum output_kind kind;
  int result = read_options_kind(&options->read, &kind, err);
  if (result == 0) result = read_options_open(&options->read, &client, err);
  if (result == 0) result = make_query(options, client, &query, err);
  if (result != 0) return result;
  if (kind == OUTPUT_TABLE) return print_table(client, query.ptr, options, err);
  return row_output_write_all(client, query.ptr, kind, options->read.output, SHEET, err);
}

int cmd_usage(int argc, char **argv) {
  struct usage_options options = {0};
  const struct option_row rows[] = {
      READ_TIME_ROWS(options.read),
      {"group", 0, OPTION_LIST, &options.groups, "NAMES",
       "a row for each value of project, codec, tier, resolution, frame_rate, source, kind or label.NAME, with "
       "commas "
       "between them; the table has a subtotal for each value of the first"},
      {"step", 0, OPTION_TEXT, &options.step, "STEP",
       "a row for each 15m, 1h, 1d, 1w or 1mo (default: total, one row for the whole time)"},
      {"compare", 0, OPTION_TEXT, &options.compare, "previous", "also show the figures of the period before"},
      {"zeros", 0, OPTION_FLAG, &options.zeros, NULL, "also show what has no usage"},
      READ_FILTER_ROWS(options.read),
      READ_OUTPUT_ROWS(options.read),
      CLIENT_READ_ROWS(options.read.settings),
      {0},
  };
  const struct option_spec spec = {
      .summary =
          "Shows how many seconds, minutes and tasks were transcoded, by project, codec, tier and more: of any month "
          "or "
          "time. It asks the server under /v1, with a token of scope read. Without --month, --from and --to it shows "
          "the current month. It knows no prices.",
      .quiet = "print the table without the line below it",
      .examples =
          "codecmeter usage --month 2026-10 --group project\n"
          "codecmeter usage --month 2026-10 --group project,codec,tier --output october.xlsx\n"
          "codecmeter usage --from 2026-10-01 --to 2026-10-08 --project org-acme --step 1d --group tier",
      .rows = rows,
  };
  struct err err = {0};
  int result = options_parse(&spec, &argc, &argv, &err);
  if (result == 0) result = options_no_operands(argc, argv, &err);
  if (result == 0) result = run(&options, &err);
  return result == 0 ? EXIT_OK : command_fail("usage", &err);
}
