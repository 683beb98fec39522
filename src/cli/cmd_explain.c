/* /v1/tasks/PROJECT/SOURCE/ID for people: each number of one task, and the sentence that says where it comes from.
 *
 * The sentences are the server's. A part that this version does not know is not shown; --json shows all.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/stop.h"
#include "cli/client_options.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/reader.h"
#include "cli/table.h"

#define PATH "/v1/tasks"
#define ARENA_MAX ((size_t)64 << 20)

struct explain_options {
  struct client_settings settings;
  char *project, *source, *id, *zone, *as_of;
  bool json;
};

static void make_query(const struct explain_options *options, struct client *client, struct buf *path) {
  buf_text(path, PATH);
  client_add_segment(client, path, str_of(options->project));
  client_add_segment(client, path, str_of(options->source));
  client_add_segment(client, path, str_of(options->id));
  if (options->zone != NULL) client_add_param(client, path, STR("zone"), str_of(options->zone));
  if (options->as_of != NULL) client_add_param(client, path, STR("as_of"), str_of(options->as_of));
  buf_char(path, '\0');
}

/* ---- lines ---- */

static void put_line(struct table *table, const char *name, struct str value, struct str text) {
  table_cell(table, str_of(name));
  table_cell(table, value);
  table_cell(table, text);
}

/* A part of the answer: {"name":…,"rule":…,"text":…}. value: the member that is shown beside the sentence, or NULL.
 */
static void put_part(struct table *table, const struct json *task, const char *title, const char *name,
                     const char *value) {
  const struct json *part = json_member(task, name);
  if (part == NULL || part->type != JSON_OBJECT) return;
  const struct json *shown = value != NULL ? json_member(part, value) : NULL;
  bool has_value = shown != NULL && (shown->type == JSON_STRING || shown->type == JSON_NUMBER);
  put_line(table, title, has_value ? shown->text : STR(""), json_member_text(part, "text"));
}

static void put_counts(struct table *table, const struct json *task) {
  const struct json *counts = json_member(task, "counts");
  const struct json *counted = counts != NULL ? json_member(counts, "counted") : NULL;
  if (counted == NULL) return;
  put_line(table, "Counts", counted->type == JSON_TRUE ? STR("yes") : STR("no"), json_member_text(counts, "text"));
}

/* Why and by whom something was voided. object: NULL, null or an object. */
static void put_reason(struct table *table, const struct json *object) {
  static const struct { const char *name, *title; } texts[] = {{"reason", "Reason"}, {"actor", "Voided by"}};
  if (object == NULL || object->type != JSON_OBJECT) return;
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    struct str text = json_member_text(object, texts[i].name);
    if (text.len > 0) put_line(table, texts[i].title, text, STR(""));
  }
}

/* What an unresolved output lacks. */
static void put_missing(struct table *table, const struct json *unresolved) {
  bool is_object = unresolved != NULL && unresolved->type == JSON_OBJECT;
  const struct json *missing = is_object ? json_member(unresolved, "missing") : NULL;
  for (const struct json *name = missing != NULL ? missing->child : NULL; name != NULL; name = name->next)
    put_line(table, name == missing->child ? "Missing" : "", name->text, STR(""));
}

/* Members that are stated, one line each: "Frame rate  29.97". */
static void put_members(struct table *table, const struct json *object) {
  for (const struct json *member = object != NULL ? object->child : NULL; member != NULL; member = member->next) {
    SCOPED(buf_fini) struct buf title = {0};
    if (member->type != JSON_STRING && member->type != JSON_NUMBER) continue;
    for (size_t i = 0; i < member->name.len; i++)
      buf_char(&title, member->name.ptr[i] == '_' ? ' ' : member->name.ptr[i]);
    buf_char(&title, '\0');
    CHECK(!title.failed);
    title.ptr[0] = (char)toupper((unsigned char)title.ptr[0]);
    put_line(table, title.ptr, member->text, STR(""));
  }
}

static void put_labels(struct table *table, const struct json *task) {
  const struct json *labels = json_member(task, "labels");
  for (const struct json *label = labels != NULL ? labels->child : NULL; label != NULL; label = label->next) {
    SCOPED(buf_fini) struct buf text = {0};
    buf_str(&text, label->name);
    buf_char(&text, '=');
    buf_str(&text, label->text);
    put_line(table, label == labels->child ? "Labels" : "", buf_view(&text), STR(""));
  }
}

static void put_texts(struct table *table, const struct json *task) {
  static const struct {
    const char *name, *title;
  } texts[] = {{"src_url", "Source URL"}, {"dest_bucket", "Bucket"}, {"dest_name", "Output name"},
               {"format", "Format"},      {"created", "Created"},    {"statement", "Statement"}};
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    struct str text = json_member_text(task, texts[i].name);
    if (text.len > 0) put_line(table, texts[i].title, text, STR(""));
  }
}

static void print_task(const struct json *task) {
  static const struct table_column columns[] = {{.title = ""}, {.title = ""}, {.title = ""}, {0}};
  SCOPED(table_free_ref) struct table *table = table_new(columns, 0, table_terminal_width(), stdout);
  put_line(table, "Project", json_member_text(task, "project"), STR(""));
  put_line(table, "Source", json_member_text(task, "source"), STR(""));
  put_line(table, "Id", json_member_text(task, "id"), STR(""));
  if (!str_equal(json_member_text(task, "task_id"), json_member_text(task, "id")))
    put_line(table, "Task id", json_member_text(task, "task_id"), STR(""));
  struct str kind = json_member_text(task, "kind");
  put_line(table, "Kind", kind.len > 0 ? kind : STR("-"), STR(""));
  put_line(table, "Status", json_member_text(task, "status"), STR(""));
  put_counts(table, task);
  put_part(table, task, "Codec", "codec", "name");
  put_part(table, task, "Tier", "tier", "name");
  put_part(table, task, "Amount", "amount", "seconds");
  put_part(table, task, "Finished", "finished", "time");
  put_part(table, task, "Day", "day", "date");
  put_part(table, task, "Reported", "reported", "arrived");
  put_part(table, task, "Unresolved", "unresolved", "arrived");
  put_missing(table, json_member(task, "unresolved"));
  put_part(table, task, "Voided", "voided", "arrived");
  put_reason(table, json_member(task, "voided"));
  put_part(table, task, "Voids", "voids", "id");
  put_reason(table, json_member(task, "voids"));
  put_members(table, json_member(task, "measures"));
  put_labels(table, task);
  put_texts(table, task);
  table_print(table);
}

static int run(struct explain_options *options, struct err *err) {
  SCOPED(client_close_ref) struct client *client = NULL;
  SCOPED(arena_free_ref) struct arena *arena = arena_new(ARENA_MAX);
  SCOPED(buf_fini) struct buf query = {0}, text = {0};
  const struct json *top;
  stop_begin();
  options->settings.interrupted = stop_is_wanted;
  int result = client_settings_fill(&options->settings, err);
  if (result == 0) result = client_open(&options->settings, &client, err);
  if (result != 0) return result;
  make_query(options, client, &query);
  if (query.failed || arena == NULL) return err_set(err, ERR_MEMORY, "no memory to ask");
  result = reader_object(client, query.ptr, arena, &text, &top, err);
  const struct json *task = result == 0 ? json_member(top, "task") : NULL;
  if (result == 0 && (task == NULL || task->type != JSON_OBJECT))
    return err_set(err, ERR_REMOTE, "%s: the answer has no task", client_url(client));
  if (result != 0) return result;
  if (!options->json) {
    print_task(task);
    return 0;
  }
  (void)fwrite(text.ptr, 1, text.len, stdout);
  if (text.ptr[text.len - 1] != '\n') (void)putchar('\n');
  return 0;
}

int cmd_explain(int argc, char **argv) {
  struct explain_options options = {0};
  const struct option_row rows[] = {
      {"project", 0, OPTION_TEXT, &options.project, "PROJECT", "the same as the argument PROJECT"},
      {"source", 0, OPTION_TEXT, &options.source, "SOURCE", "the same as the argument SOURCE"},
      {"id", 0, OPTION_TEXT, &options.id, "ID", "the same as the argument ID"},
      {"zone", 0, OPTION_TEXT, &options.zone, "ZONE", "the time zone of days and dates (default: the project's own)"},
      {"as-of", 0, OPTION_TEXT, &options.as_of, "POSITION|TIME",
       "answer as of then, whatever arrived later: a position that an earlier answer had, or an RFC 3339 time"},
      {"json", 0, OPTION_FLAG, &options.json, NULL, "print the answer of the server unchanged"},
      CLIENT_READ_ROWS(options.settings),
      {0},
  };
  const struct option_spec spec = {
      .operands = "project source id",
      .summary =
          "Shows everything known of one task: what was reported, when, with which token; which rule gave its codec, "
          "tier, seconds, minutes and day; and what voided it. It asks the server under /v1, with a token of scope "
          "read.",
      .examples = "codecmeter explain org-acme farm-7 job-4711/720p",
      .rows = rows,
  };
  struct err err = {0};
  int result = options_parse(&spec, &argc, &argv, &err);
  if (result == 0) result = options_no_operands(argc, argv, &err);
  if (result == 0) result = run(&options, &err);
  return result == 0 ? EXIT_OK : command_fail("explain", &err);
}
