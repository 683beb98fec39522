/* Who reports, and who has fallen silent, as the server knows it. The server judges; this file prints. */
#include <stdio.h>

#include "cli/admin_command.h"
#include "cli/command.h"
#include "cli/table.h"
#include "meter/rfc3339.h"
#include "sources/judge.h"

struct sources_options {
  char *data, *project, *forget;
  bool problems, json;
};

static const struct table_column agent_columns[] = {
    {.title = "PROJECT"},
    {.title = "AGENT"},
    {.title = "COMMAND"},
    {.title = "VERSION"},
    {.title = "FIRST SEEN"},
    {.title = "LAST SEEN"},
    {.title = "SPOOLED", .is_number = true},
    {.title = "REJECTED", .is_number = true},
    {.title = "CLOCK", .is_number = true},
    {.title = "PROBLEM"},
    {0},
};

static const struct table_column source_columns[] = {
    {.title = "PROJECT"},
    {.title = "SOURCE"},
    {.title = "FIRST SEEN"},
    {.title = "LAST SEEN"},
    {.title = "TODAY", .is_number = true},
    {.title = "MEDIAN", .is_number = true},
    {.title = "UNRESOLVED", .is_number = true},
    {.title = "REJECTED", .is_number = true},
    {.title = "PROBLEM"},
    {0},
};

struct listing {
  const struct sources_options *options;
  struct table *agents, *sources;
  size_t agents_count, sources_count, troubled;
  int64_t now_ms; /* the server's */
};

/* ---- cells ---- */

static int64_t time_member(const struct json *item, const char *name) {
  int64_t ms = 0;
  (void)!rfc3339_parse(json_member_text(item, name), &ms, NULL);
  return ms;
}

static int64_t number_member(const struct json *item, const char *name) {
  const struct json *member = json_member(item, name);
  int64_t number = 0;
  if (member != NULL && member->type == JSON_NUMBER) (void)!json_number_i64(member->text, &number);
  return number;
}

static void put_text(struct table *table, const struct json *item, const char *name) {
  table_cell(table, json_member_text(item, name));
}

static void put_name(struct table *table, const struct json *item, const char *name, const char *if_empty) {
  struct str text = json_member_text(item, name);
  table_cell(table, text.len > 0 ? text : str_of(if_empty));
}

/* The date in UTC, like the days that are compared. */
static void put_date(struct table *table, const struct json *item, const char *name) {
  struct str text = json_member_text(item, name);
  table_cell(table, str_make(text.ptr, text.len < 10 ? text.len : 10));
}

/* Empty if there is no such time. */
static void put_ago(const struct listing *listing, struct table *table, const struct json *item, const char *name) {
  SCOPED(buf_fini) struct buf text = {0};
  int64_t ago_ms = listing->now_ms - time_member(item, name);
  judge_tell_duration(ago_ms > 0 ? ago_ms : 0, &text);
  buf_text(&text, " ago");
  table_cell(table, buf_view(&text));
}

static void put_number(struct table *table, const struct json *item, const char *name) {
  const struct json *member = json_member(item, name);
  table_cell(table, member != NULL ? member->text : STR(""));
}

static void put_offset(struct table *table, const struct json *item) {
  SCOPED(buf_fini) struct buf text = {0};
  int64_t tenths = number_member(item, "clock_offset_ms") / 100;
  buf_printf(&text, tenths != 0 ? "%+.1f s" : "%.1f s", (double)tenths / 10);
  table_cell(table, buf_view(&text));
}

/* ---- rows ---- */

static void put_agent(struct listing *listing, const struct json *item) {
  struct table *table = listing->agents;
  listing->agents_count++;
  put_name(table, item, "project", "(any)");
  put_text(table, item, "agent");
  put_text(table, item, "command");
  put_text(table, item, "version");
  put_date(table, item, "first_seen");
  put_ago(listing, table, item, "last_seen");
  put_number(table, item, "spooled");
  put_number(table, item, "rejected");
  put_offset(table, item);
  put_text(table, item, "text");
}

static struct str project_of(const struct json *item) { return json_member_text(item, "project"); }

static void put_source(struct listing *listing, const struct json *item) {
  struct table *table = listing->sources;
  listing->sources_count++;
  put_name(table, item, "project", "(any)");
  put_name(table, item, "source", project_of(item).len > 0 ? "(not read)" : "(others)");
  put_date(table, item, "first_seen");
  put_ago(listing, table, item, "last_seen");
  put_number(table, item, "today");
  put_number(table, item, "median");
  put_number(table, item, "unresolved");
  put_number(table, item, "rejected");
  put_text(table, item, "text");
}

/* The first item. What it says is told in any case, because the table lacks something then. */
static void take_state(struct listing *listing, const struct json *item) {
  listing->now_ms = time_member(item, "now");
  int64_t counted = number_member(item, "counted"), end = number_member(item, "end");
  struct str failure = json_member_text(item, "failure");
  if (failure.len > 0) {
    (void)fprintf(stderr, "codecmeter sources: the sources are not complete, because the log cannot be read: %.*s\n",
                  STR_ARG(failure));
  } else if (counted < end) {
    (void)fprintf(stderr, "codecmeter sources: the sources are not complete: %.1f%% of the log is counted so far\n",
                  100.0 * (double)counted / (double)end);
  }
  const struct json *rough = json_member(item, "unresolved_is_rough");
  if (rough != NULL && rough->type == JSON_TRUE)
    (void)fprintf(stderr, "codecmeter sources: so many outputs wait that UNRESOLVED may include some that are resolved\n");
}

static void take_item(void *arg, const struct json *item) {
  struct listing *listing = arg;
  struct str kind = json_member_text(item, "kind");
  const struct json *problems = json_member(item, "problems");
  bool has_failed = json_member_text(item, "failure").len > 0; /* then nothing is known of the sources any more */
  listing->troubled += has_failed || (problems != NULL && problems->child != NULL);
  if (listing->options->json) return;
  if (str_equal(kind, STR("state"))) take_state(listing, item);
  if (str_equal(kind, STR("agent"))) put_agent(listing, item);
  if (str_equal(kind, STR("source"))) put_source(listing, item);
}

/* ---- the command ---- */

static void print_tables(struct listing *listing) {
  if (listing->agents_count > 0) table_print(listing->agents);
  if (listing->agents_count > 0 && listing->sources_count > 0) (void)putchar('\n');
  if (listing->sources_count > 0) table_print(listing->sources);
  if (listing->agents_count + listing->sources_count > 0 || options_quiet() || listing->options->json) return;
  (void)fprintf(stderr, "%s\n",
                listing->options->problems ? "nothing is wrong with any agent or source"
                                           : "no agent has reported its status yet, and no source any output");
}

/* JSON has all members. */
static const struct admin_column json_columns[] = {{0}};

static int list(const struct sources_options *options, bool *ret_troubled, struct err *err) {
  size_t width = table_terminal_width();
  SCOPED(buf_fini) struct buf text = {0};
  SCOPED(table_free_ref) struct table *agents = table_new(agent_columns, 0, width, stdout);
  SCOPED(table_free_ref) struct table *sources = table_new(source_columns, 0, width, stdout);
  struct listing listing = {.options = options, .agents = agents, .sources = sources};
  const struct admin_print print = {.needs_server = true,
                                    .columns = options->json ? json_columns : NULL,
                                    .json = true,
                                    .is_list = true,
                                    .look = take_item,
                                    .arg = &listing};
  struct json_write request = admin_begin(&text, "sources", "list");
  admin_text(&request, "project", options->project);
  admin_flag(&request, "problems", options->problems);
  int result = admin_command(options->data, &request, &print, err);
  if (result != 0) return result;
  print_tables(&listing);
  *ret_troubled = listing.troubled > 0;
  return 0;
}

static int forget(const struct sources_options *options, struct err *err) {
  SCOPED(buf_fini) struct buf text = {0};
  const struct admin_print print = {.needs_server = true};
  struct json_write request = admin_begin(&text, "sources", "forget");
  admin_text(&request, "project", options->project);
  admin_text(&request, "agent", options->forget);
  return admin_command(options->data, &request, &print, err);
}

int cmd_sources(int argc, char **argv) {
  struct sources_options options = {0};
  const struct option_row rows[] = {
      {"data", 0, OPTION_TEXT, &options.data, "DIR", "data directory ($CODECMETER_DATA, else ./data)"},
      {"project", 0, OPTION_TEXT, &options.project, "PROJECT", "the same as the argument PROJECT"},
      {"problems", 0, OPTION_FLAG, &options.problems, NULL,
       "only what has a problem; then exit with 1 if there is any"},
      {"forget", 0, OPTION_TEXT, &options.forget, "AGENT",
       "forget an agent that was taken out of service, so that it is no longer missed; print nothing"},
      {"json", 0, OPTION_FLAG, &options.json, NULL, "print JSON: docs/agents.md lists the members"},
      {0},
  };
  const struct option_exit exits[] = {
      {EXIT_OK, "done; with --problems: there are none"},
      {EXIT_FAILED, "failed, or no server runs; with --problems also: there are problems"},
      {EXIT_USAGE, "wrong usage"},
      {0},
  };
  const struct option_spec spec = {
      .operands = "[project]",
      .summary =
          "Shows the agents that report their status to the running server, and the sources that its log names: when "
          "each was first "
          "and last seen, what waits, and what was rejected. TODAY is the number of outputs since 00:00 UTC, MEDIAN "
          "that of "
          "a full day of the last four weeks.\n"
          "A problem is: an agent that misses three reports; a source with less than a tenth of its usual outputs; a "
          "spool whose "
          "oldest event has waited for ten minutes, or that takes no events; a clock that is off by 30 seconds; "
          "rejected events in a spool.",
      .quiet = "print only the tables",
      .examples =
          "codecmeter sources --data /var/lib/codecmeter\n"
          "codecmeter sources --problems --quiet || echo 'look at the meter'\n"
          "codecmeter sources --forget node-7",
      .exits = exits,
      .rows = rows,
  };
  struct err err = {0};
  bool troubled = false;
  int result = options_parse(&spec, &argc, &argv, &err);
  if (result == 0) result = options_no_operands(argc, argv, &err);
  if (result == 0) result = options.forget != NULL ? forget(&options, &err) : list(&options, &troubled, &err);
  if (result != 0) return command_fail("sources", &err);
  return options.problems && troubled ? EXIT_FAILED : EXIT_OK;
}
