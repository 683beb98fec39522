/* /v1/tasks as a table of the newest tasks, or all of them as rows for other programs.
 *
 * A table has pages, each of at most as many rows as the server gives. A file has none: without a limit the server
 * streams all tasks in ndjson.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/stop.h"
#include "cli/command.h"
#include "cli/read_options.h"
#include "cli/reader.h"
#include "cli/row_output.h"
#include "cli/table.h"

#define PATH "/v1/tasks"
#define SHEET "tasks"
#define LIMIT_USUAL 100
#define LIMIT_MAX 100000u
#define PAGE_MAX 1000u
#define SECOND_LEN 19 /* "2026-10-01T12:00:00" */

struct tasks_options {
  struct read_options read;
  char **task_ids;
  char *status, *limit;
};

/* ---- the question ---- */

static void make_query(const struct tasks_options *options, struct client *client, struct buf *path) {
  buf_text(path, PATH);
  for (size_t i = 0; options->task_ids != NULL && options->task_ids[i] != NULL; i++)
    client_add_param(client, path, STR("task_id"), str_of(options->task_ids[i]));
  if (options->status != NULL) client_add_param(client, path, STR("status"), str_of(options->status));
}

static int read_limit(const struct tasks_options *options, enum output_kind kind, uint64_t *ret, struct err *err) {
  *ret = LIMIT_USUAL;
  if (options->limit == NULL) return 0;
  if (kind != OUTPUT_TABLE)
    return err_set(err, ERR_USAGE,
                   "--limit is for the table; --output, --json and --csv give all tasks: ask for a shorter "
                   "time instead");
  if (str_to_u64(str_of(options->limit), ret) && *ret >= 1 && *ret <= LIMIT_MAX) return 0;
  return err_set(err, ERR_USAGE, "--limit '%s' is not a number from 1 to %u", options->limit, LIMIT_MAX);
}

/* ---- the table ---- */

static const struct table_column columns[] = {
    {.title = "FINISHED"},
    {.title = "PROJECT"},
    {.title = "SOURCE"},
    {.title = "ID"},
    {.title = "KIND"},
    {.title = "CODEC"},
    {.title = "TIER"},
    {.title = "RESOLUTION"},
    {.title = "SECONDS", .is_number = true},
    {.title = "MINUTES", .is_number = true},
    {.title = "STATUS"},
    {0},
};
static const char *const fields[] = {"finished", "project",    "source",  "id",      "kind",  "codec",
                                     "tier",     "resolution", "seconds", "minutes", "status"};

struct listing {
  struct table *table;
  uint64_t left;
};

/* "2026-10-01T12:00:00.123+08:00" as "2026-10-01 12:00:00+08:00". */
static void put_time(struct table *table, struct str time) {
  SCOPED(buf_fini) struct buf text = {0};
  struct str offset = STR("");
  for (size_t i = SECOND_LEN; i < time.len && offset.len == 0; i++) {
    if (time.ptr[i] == '+' || time.ptr[i] == '-' || time.ptr[i] == 'Z') offset = str_make(time.ptr + i, time.len - i);
  }
  if (time.len < SECOND_LEN) {
    table_cell(table, time);
    return;
  }
  buf_str(&text, str_make(time.ptr, SECOND_LEN));
  text.ptr[10] = ' ';
  buf_str(&text, offset);
  table_cell(table, buf_view(&text));
}

static int take_row(void *arg, const struct json *object, struct str line, struct err *err) {
  struct listing *listing = arg;
  (void)line;
  if (listing->left == 0) return err_set(err, ERR_REMOTE, "the answer has more rows than were asked for");
  listing->left--;
  for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
    const struct json *value = json_member(object, fields[i]);
    bool wants_number = columns[i].is_number;
    bool is_good = value != NULL && (value->type == (wants_number ? JSON_NUMBER : JSON_STRING) ||
                                     (!wants_number && value->type == JSON_NULL));
    if (!is_good) return err_set(err, ERR_REMOTE, "a row of the answer has no %s", fields[i]);
    if (i == 0)
      put_time(listing->table, value->text);
    else
      table_cell(listing->table, value->type == JSON_NULL ? STR("-") : value->text);
  }
  return 0;
}

static int read_pages(struct client *client, struct str query, struct listing *listing, struct reader_end *end,
                      struct err *err) {
  const struct reader_visitor visitor = {.row = take_row, .arg = listing};
  *end = (struct reader_end){0};
  do {
    SCOPED(buf_fini) struct buf path = {0};
    char limit[BYTES_DIGITS_MAX + 1];
    limit[bytes_digits(listing->left < PAGE_MAX ? listing->left : PAGE_MAX, limit)] = '\0';
    buf_str(&path, query);
    client_add_param(client, &path, STR("limit"), str_of(limit));
    if (end->cursor[0] != '\0') client_add_param(client, &path, STR("cursor"), str_of(end->cursor));
    buf_char(&path, '\0');
    if (path.failed) return err_set(err, ERR_USAGE, "the options are too long");
    int result = reader_rows(client, path.ptr, &visitor, end, err);
    if (result != 0) return result;
  } while (end->cursor[0] != '\0' && listing->left > 0);
  return 0;
}

static int print_table(struct client *client, struct str query, uint64_t limit, struct err *err) {
  SCOPED(table_free_ref) struct table *table = table_new(columns, 0, table_terminal_width(), stdout);
  struct listing listing = {.table = table, .left = limit};
  struct reader_end end;
  int result = read_pages(client, query, &listing, &end, err);
  if (result != 0) return result;
  table_print(table);
  if (options_quiet()) return 0;
  if (end.cursor[0] != '\0')
    (void)printf("There may be more tasks: --limit N shows more, --output FILE.csv writes all.\n");
  if (end.position[0] != '\0') (void)printf("As of position %s.\n", end.position);
  return 0;
}

static int run(struct tasks_options *options, struct err *err) {
  SCOPED(client_close_ref) struct client *client = NULL;
  SCOPED(buf_fini) struct buf query = {0};
  enum output_kind kind;
  uint64_t limit;
  int result = read_options_kind(&options->read, &kind, err);
  if (result == 0) result = read_limit(options, kind, &limit, err);
  if (result == 0) result = read_options_open(&options->read, &client, err);
  if (result != 0) return result;
  make_query(options, client, &query);
  result = read_options_add(&options->read, client, &query, err);
  if (result != 0) return result;
  if (kind == OUTPUT_TABLE) return print_table(client, buf_view(&query), limit, err);
  buf_char(&query, '\0');
  if (query.failed) return err_set(err, ERR_USAGE, "the options are too long");
  return row_output_write_all(client, query.ptr, kind, options->read.output, SHEET, err);
}

int cmd_tasks(int argc, char **argv) {
  struct tasks_options options = {0};
  const struct option_row rows[] = {
      READ_TIME_ROWS(options.read),
      {"task-id", 0, OPTION_LIST, &options.task_ids, "ID", "only tasks of this task id; repeatable"},
      {"status", 0, OPTION_TEXT, &options.status, "STATUS",
       "finished (default), failed, voided, unresolved or all; only finished tasks count"},
      READ_FILTER_ROWS(options.read),
      {"limit", 0, OPTION_TEXT, &options.limit, "N", "the most rows of the table (default: 100)"},
      READ_OUTPUT_ROWS(options.read),
      CLIENT_READ_ROWS(options.read.settings),
      {0},
  };
  const struct option_spec spec = {
      .summary =
          "Lists tasks, newest first: those that a figure of `codecmeter usage` is made of, with the same options. "
          "It "
          "asks the server under /v1, with a token of scope read.",
      .quiet = "print the table without the lines below it",
      .examples =
          "codecmeter tasks --project org-acme --month 2026-10 --tier high\n"
          "codecmeter tasks --month 2026-10 --status all --output october-tasks.xlsx\n"
          "codecmeter tasks --task-id job-4711",
      .rows = rows,
  };
  struct err err = {0};
  int result = options_parse(&spec, &argc, &argv, &err);
  if (result == 0) result = options_no_operands(argc, argv, &err);
  if (result == 0) result = run(&options, &err);
  return result == 0 ? EXIT_OK : command_fail("tasks", &err);
}
