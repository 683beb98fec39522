/* Adapters, and the notices on which their scripts failed.
 *
 * The quarantine is read from its directory, so `list` works while no server runs. Retries and removals go to the
 * server: it has the scripts, takes the outputs, and counts what is in the quarantine.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "adapt/adapter.h"
#include "adapt/quarantine.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/json_write.h"
#include "cli/admin_command.h"
#include "cli/command.h"
#include "cli/table.h"
#include "cli/usage_text.h"
#include "meter/rfc3339.h"
#include "server/datadir.h"
#include "settings/config.h"

#define PIECE 20 /* notices in a request: other commands wait meanwhile */
#define SCRATCH_MAX ((size_t)64 << 20)
#define ANY_PROJECT "any-project" /* of outputs that are tested without --project */

struct adapter_options {
  char *data, *config, *adapter, *project, *source, *id, *time;
  char **set, **files, **notices;
  bool all, json;
};

static void say_damaged(void *arg, const char *line) {
  (void)arg;
  (void)fprintf(stderr, "codecmeter adapter: %s; it is skipped\n", line);
}

/* ---- list ---- */

static const struct table_column adapter_columns[] = {
    {.title = "ADAPTER"},
    {.title = "NOTICES", .is_number = true},
    {.title = "OUTPUTS", .is_number = true},
    {.title = "UNRESOLVED", .is_number = true},
    {.title = "REJECTED", .is_number = true},
    {.title = "IGNORED", .is_number = true},
    {.title = "QUARANTINED", .is_number = true},
    {.title = "SCRIPT"},
    {0},
};
static const char *const count_names[] = {"notices", "outputs", "unresolved", "rejected", "ignored", "quarantined"};
#define COUNTS (sizeof count_names / sizeof count_names[0])

static const struct table_column notice_columns[] = {{.title = "ID"},      {.title = "AGE", .is_number = true},
                                                     {.title = "ADAPTER"}, {.title = "PROJECT"},
                                                     {.title = "REASON"},  {0}};

struct listing {
  struct table *table;
  struct buf text;
  struct json_write json; /* into text: a list */
};

static void list_adapter(void *arg, const struct json *item) {
  struct listing *listing = arg;
  table_cell(listing->table, json_member_text(item, "name"));
  json_write_object(&listing->json, NULL);
  json_write_str(&listing->json, "name", json_member_text(item, "name"));
  json_write_str(&listing->json, "script", json_member_text(item, "origin"));
  for (size_t i = 0; i < COUNTS; i++) {
    const struct json *count = json_member(item, count_names[i]);
    table_cell(listing->table, count != NULL ? count->text : STR(""));
    json_write_raw(&listing->json, count_names[i], count != NULL ? count->text : STR("0"));
  }
  table_cell(listing->table, json_member_text(item, "origin"));
  json_write_end(&listing->json);
}

static void put_age(int64_t age_ms, struct buf *out) {
  int64_t minutes = age_ms > 0 ? age_ms / 60000 : 0;
  if (minutes < 120)
    buf_printf(out, "%" PRId64 " min", minutes);
  else if (minutes < 48 * 60)
    buf_printf(out, "%" PRId64 " h", minutes / 60);
  else
    buf_printf(out, "%" PRId64 " d", minutes / (24 * 60));
}

static void print_notices(const struct quarantine_list *list) {
  SCOPED(table_free_ref) struct table *table = table_new(notice_columns, 0, table_terminal_width(), stdout);
  SCOPED(buf_fini) struct buf age = {0};
  int64_t now_ms = clock_real_ms(clock_system());
  for (size_t i = 0; i < list->count; i++) {
    const struct quarantine_entry *entry = &list->items[i];
    buf_clear(&age);
    put_age(now_ms - entry->arrived_ms, &age);
    table_cell(table, str_of(entry->id));
    table_cell(table, buf_view(&age));
    table_cell(table, str_of(entry->adapter));
    table_cell(table, str_of(entry->project));
    table_cell(table, str_of(entry->reason));
  }
  table_print(table);
}

static void put_notices_json(const struct quarantine_list *list, struct json_write *json) {
  json_write_list(json, "quarantine");
  for (size_t i = 0; i < list->count; i++) {
    const struct quarantine_entry *entry = &list->items[i];
    char arrived[RFC3339_SIZE];
    rfc3339_format(entry->arrived_ms, arrived);
    json_write_object(json, NULL);
    json_write_text(json, "id", entry->id);
    json_write_text(json, "arrived", arrived);
    json_write_text(json, "adapter", entry->adapter);
    json_write_text(json, "project", entry->project);
    json_write_u64(json, "bytes", entry->bytes);
    json_write_text(json, "reason", entry->reason);
    json_write_end(json);
  }
  json_write_end(json);
}

static int print_lists_json(const struct listing *adapters, bool runs, const struct quarantine_list *list,
                            struct err *err) {
  SCOPED(buf_fini) struct buf out = {.failed = adapters->text.failed};
  struct json_write json = json_write_to(&out);
  json_write_object(&json, NULL);
  if (runs)
    json_write_raw(&json, "adapters", buf_view(&adapters->text));
  else
    json_write_null(&json, "adapters");
  put_notices_json(list, &json);
  json_write_end(&json);
  buf_char(&out, '\n');
  return usage_text_print(&out, err);
}

/* ret_runs: false if no server runs; then nothing is known of its adapters. */
static int ask_for_adapters(const struct adapter_options *options, struct listing *listing, bool *ret_runs,
                            struct err *err) {
  SCOPED(buf_fini) struct buf text = {0};
  const struct admin_print print = {.is_list = true, .needs_server = true, .look = list_adapter, .arg = listing};
  struct json_write request = admin_begin(&text, "adapter", "list");
  int result = admin_command(options->data, &request, &print, err);
  *ret_runs = result == 0;
  return result == -ERR_NOT_FOUND ? 0 : result;
}

static void print_lists(const struct listing *adapters, bool runs, const struct quarantine_list *list) {
  if (runs)
    table_print(adapters->table);
  else if (!options_quiet())
    (void)fprintf(stderr, "no server runs, so nothing is known of its adapters\n");
  if (list->count > 0) (void)printf("%sin the quarantine:\n", runs ? "\n" : "");
  if (list->count > 0)
    print_notices(list);
  else if (!options_quiet())
    (void)fprintf(stderr, "the quarantine is empty\n");
}

static int list(const struct adapter_options *options, struct err *err) {
  SCOPED(datadir_close) struct datadir dir = DATADIR_NONE;
  SCOPED(table_free_ref) struct table *table = table_new(adapter_columns, 0, table_terminal_width(), stdout);
  SCOPED(quarantine_list_fini) struct quarantine_list notices = {0};
  struct listing listing = {.table = table};
  bool runs = false;
  listing.json = json_write_to(&listing.text);
  json_write_list(&listing.json, NULL);
  int result = datadir_open(datadir_choose(options->data), false, &dir, err);
  if (result == 0) result = ask_for_adapters(options, &listing, &runs, err);
  json_write_end(&listing.json);
  if (result == 0) result = quarantine_list(dir.path, say_damaged, NULL, &notices, err);
  if (result == 0 && !options->json) print_lists(&listing, runs, &notices);
  if (result == 0 && options->json) result = print_lists_json(&listing, runs, &notices, err);
  buf_fini(&listing.text);
  if (result != 0 || notices.damaged == 0) return result;
  return err_set(err, ERR_CORRUPT,
                 "%zu files in the quarantine cannot be read: move them away, or drop them by their ids",
                 notices.damaged);
}

/* ---- retry and drop ---- */

static const struct table_column retry_columns[] = {
    {.title = "ID"},
    {.title = "RESULT"},
    {.title = "STORED", .is_number = true},
    {.title = "UNRESOLVED", .is_number = true},
    {.title = "DUPLICATE", .is_number = true},
    {.title = "CONFLICT", .is_number = true},
    {.title = "REJECTED", .is_number = true},
    {.title = "IGNORED", .is_number = true},
    {.title = "REASON"},
    {0},
};
static const char *const retry_names[] = {"id",       "result",   "stored",  "unresolved", "duplicate",
                                          "conflict", "rejected", "ignored", "reason",     NULL};
static const struct table_column drop_columns[] = {{.title = "ID"}, {.title = "RESULT"}, {.title = "REASON"}, {0}};
static const char *const drop_names[] = {"id", "result", "reason", NULL};

/* What became of each notice; printed when all have an answer. */
struct outcome {
  const char *const *names; /* members of an item, in the order of the table */
  struct table *table;
  struct buf text;
  struct json_write json; /* into text: a list */
  size_t count, stayed;
};

static void put_member(const struct json *item, const char *name, struct outcome *outcome) {
  const struct json *member = json_member(item, name);
  struct str text = member != NULL ? member->text : STR("");
  table_cell(outcome->table, text);
  if (member != NULL && member->type == JSON_NUMBER)
    json_write_raw(&outcome->json, name, text);
  else
    json_write_str(&outcome->json, name, text);
}

static void take_result(void *arg, const struct json *item) {
  struct outcome *outcome = arg;
  struct str result = json_member_text(item, "result");
  json_write_object(&outcome->json, NULL);
  outcome->count++;
  for (size_t i = 0; outcome->names[i] != NULL; i++)
    put_member(item, outcome->names[i], outcome);
  json_write_end(&outcome->json);
  outcome->stayed += !str_equal(result, STR("left")) && !str_equal(result, STR("dropped"));
}

static int send(const struct adapter_options *options, const char *verb, char **ids, struct outcome *outcome,
                struct err *err) {
  SCOPED(buf_fini) struct buf text = {0};
  const struct admin_print print = {.is_list = true, .needs_server = true, .look = take_result, .arg = outcome};
  struct json_write request = admin_begin(&text, "adapter", verb);
  admin_list(&request, "ids", ids);
  return admin_command(options->data, &request, &print, err);
}

/* Sends the ids in pieces. */
static int send_all(const struct adapter_options *options, const char *verb, char **ids, struct outcome *outcome,
                    struct err *err) {
  int result = 0;
  while (result == 0 && ids[0] != NULL) {
    char *piece[PIECE + 1] = {NULL};
    for (size_t i = 0; i < PIECE && ids[0] != NULL; i++)
      piece[i] = *ids++;
    result = send(options, verb, piece, outcome, err);
  }
  return result;
}

/* All that are in the quarantine, the oldest first. */
static int send_every(const struct adapter_options *options, struct outcome *outcome, struct err *err) {
  SCOPED(datadir_close) struct datadir dir = DATADIR_NONE;
  SCOPED(quarantine_list_fini) struct quarantine_list list = {0};
  int result = datadir_open(datadir_choose(options->data), false, &dir, err);
  if (result == 0) result = quarantine_list(dir.path, say_damaged, NULL, &list, err);
  if (result != 0) return result;
  SCOPED_MALLOC char **ids = calloc(list.count + 1, sizeof *ids);
  CHECK(ids != NULL);
  for (size_t i = 0; i < list.count; i++)
    ids[i] = list.items[i].id;
  outcome->count += list.damaged;
  outcome->stayed += list.damaged;
  if (list.count == 0 && list.damaged == 0 && !options_quiet()) (void)fprintf(stderr, "the quarantine is empty\n");
  return send_all(options, "retry", ids, outcome, err);
}

static int print_outcome(const struct adapter_options *options, struct outcome *outcome, struct err *err) {
  if (options->json) {
    json_write_end(&outcome->json);
    buf_char(&outcome->text, '\n');
    return usage_text_print(&outcome->text, err);
  }
  if (outcome->count > 0 && !options_quiet()) table_print(outcome->table);
  return 0;
}

static int retry_or_drop(const char *verb, const struct adapter_options *options, struct err *err) {
  bool drops = strcmp(verb, "drop") == 0;
  SCOPED(table_free_ref)
  struct table *table = table_new(drops ? drop_columns : retry_columns, 0, table_terminal_width(), stdout);
  struct outcome outcome = {.names = drops ? drop_names : retry_names, .table = table};
  if (options->all == (options->notices != NULL))
    return err_set(err, ERR_USAGE,
                   "give the IDs of notices, or --all to retry all; `codecmeter adapter list` prints the IDs");
  outcome.json = json_write_to(&outcome.text);
  json_write_list(&outcome.json, NULL);
  int result =
      options->all ? send_every(options, &outcome, err) : send_all(options, verb, options->notices, &outcome, err);
  struct err why = {0};
  int printed = print_outcome(options, &outcome, result == 0 ? err : &why); /* also of those before an error */
  buf_fini(&outcome.text);
  if (result == 0) result = printed;
  if (result != 0 || outcome.stayed == 0) return result;
  return err_set(err, ERR_RANGE, "%s: %zu of %zu", drops ? "not dropped" : "not out of the quarantine",
                 outcome.stayed, outcome.count);
}

/* ---- test ---- */

static const struct table_column output_columns[] = {{.title = "SOURCE"}, {.title = "ID"},     {.title = "TIME"},
                                                     {.title = "EVENT"},  {.title = "RESULT"}, {0}};

struct testing {
  const struct adapter_options *options;
  const struct adapter *adapter;
  size_t body_max;
  size_t count, failed; /* notices */
  size_t rejected;      /* outputs */
};

/* What a script made of a notice. */
struct reading {
  struct arena *arena, *scratch;
  struct json_parser *parser;
  struct events events;
  const char *const *ignored;
  size_t ignored_count;
};

static void reading_fini(struct reading *reading) {
  arena_free(reading->arena);
  arena_free(reading->scratch);
  json_parser_free(reading->parser);
}

static int read_notice(const struct testing *testing, const struct quarantine_notice *given, struct reading *ret,
                       struct err *err) {
  const struct adapter_query query = {
      .project = given->project, .source = given->source, .id = given->id, .time = given->time};
  ret->arena = arena_new(adapter_memory_max(given->body.len));
  ret->scratch = arena_new(SCRATCH_MAX);
  ret->parser = json_parser_new();
  if (ret->arena == NULL || ret->scratch == NULL || ret->parser == NULL)
    return err_set(err, ERR_MEMORY, "no memory to read the notice");
  struct str project = arena_copy(ret->arena, given->token_project.len > 0 ? given->token_project : STR(ANY_PROJECT));
  if (project.ptr == NULL) return err_set(err, ERR_MEMORY, "no memory to read the notice");
  const struct event_rules rules = {.project = given->project.len > 0 ? NULL : project.ptr,
                                    .may_wait = true,
                                    .now_ms = given->arrived_ms,
                                    .events_max = ADAPTER_OUTPUTS_MAX};
  const struct adapter_notice notice = {
      .adapter = testing->adapter, .body = given->body, .query = &query, .event_rules = &rules};
  return adapter_read(&notice, ret->parser, ret->scratch, ret->arena, &ret->events, &ret->ignored,
                      &ret->ignored_count, err);
}

static const char *result_of(const struct usage *usage) {
  return usage->kind == USAGE_UNRESOLVED ? "unresolved" : "counts";
}

static void put_rejected(const struct event *event, struct table *table, struct buf *text) {
  buf_printf(text, "rejected: %s", event->reason);
  table_cell(table, STR(""));
  table_cell(table, event->id);
  table_cell(table, STR(""));
  table_cell(table, STR(""));
  table_cell(table, buf_view(text));
}

static void put_output(const struct usage *usage, struct table *table, struct buf *text) {
  table_cell(table, usage->source);
  table_cell(table, usage->id);
  if (usage->finish_stated) usage_text_time(usage->finished_ms, text);
  table_cell(table, buf_view(text));
  buf_clear(text);
  if (usage->kind == USAGE_UNRESOLVED) {
    buf_text(text, "transcode");
    usage_measures(usage, text);
  } else {
    usage_text_line(usage, text);
  }
  table_cell(table, buf_view(text));
  buf_clear(text);
  buf_text(text, result_of(usage));
  if (usage->kind == USAGE_UNRESOLVED) {
    buf_text(text, ": lacks ");
    usage_field_names(usage_missing(usage), usage->kind, text);
  }
  table_cell(table, buf_view(text));
}

static void print_outputs(const struct reading *reading) {
  SCOPED(table_free_ref) struct table *table = table_new(output_columns, 0, table_terminal_width(), stdout);
  SCOPED(buf_fini) struct buf text = {0};
  size_t next = 0;
  for (size_t i = 0; i < reading->events.count; i++) {
    const struct event *event = &reading->events.items[i];
    buf_clear(&text);
    if (event->reason != NULL)
      put_rejected(event, table, &text);
    else
      put_output(&reading->events.usages[next++], table, &text);
  }
  if (reading->events.count > 0) table_print(table);
  for (size_t i = 0; i < reading->ignored_count; i++) {
    SCOPED_MALLOC char *shown = str_printable(str_of(reading->ignored[i]));
    (void)printf("ignored: %s\n", shown);
  }
}

static void put_outputs_json(const struct events *events, struct json_write *json) {
  size_t next = 0;
  json_write_list(json, "outputs");
  for (size_t i = 0; i < events->count; i++) {
    const struct event *event = &events->items[i];
    const struct usage *usage = event->reason == NULL ? &events->usages[next++] : NULL;
    if (usage != NULL) {
      usage_text_json(usage, NULL, json);
      json_write_text(json, "result", result_of(usage));
      usage_text_missing(usage, json);
    } else {
      json_write_object(json, NULL);
      json_write_str(json, "id", event->id);
      json_write_text(json, "result", "rejected");
      json_write_text(json, "reason", event->reason);
    }
    json_write_end(json);
  }
  json_write_end(json);
}

/* error: NULL, or why the script gave nothing. */
static int print_json(const char *name, const struct reading *reading, const char *error, struct err *err) {
  SCOPED(buf_fini) struct buf out = {0};
  struct json_write json = json_write_to(&out);
  json_write_object(&json, NULL);
  json_write_text(&json, "notice", name);
  if (error != NULL) json_write_text(&json, "error", error);
  put_outputs_json(&reading->events, &json);
  json_write_list(&json, "ignored");
  for (size_t i = 0; i < reading->ignored_count; i++)
    json_write_text(&json, NULL, reading->ignored[i]);
  json_write_end(&json);
  json_write_end(&json);
  buf_char(&out, '\n');
  return usage_text_print(&out, err);
}

/* A notice on which the script fails does not end the test of the others. */
static int test_notice(struct testing *testing, const char *name, const struct quarantine_notice *given,
                       struct err *err) {
  SCOPED(reading_fini) struct reading reading = {0};
  struct err why = {0};
  int result = read_notice(testing, given, &reading, &why);
  testing->count++;
  testing->failed += result != 0;
  testing->rejected += reading.events.count - reading.events.usages_count;
  if (testing->options->json) return print_json(name, &reading, result != 0 ? why.text : NULL, err);
  (void)printf("%s%s:\n", testing->count > 1 ? "\n" : "", name);
  (void)fflush(stdout);
  if (result == 0)
    print_outputs(&reading);
  else
    (void)fprintf(stderr, "codecmeter adapter: %s: %s\n", name, why.text);
  return 0;
}

static int load(const char *path, size_t size_max, struct buf *content, struct err *err) {
  bool is_input = strcmp(path, "-") == 0;
  SCOPED_FD int own = is_input ? -1 : open(path, O_RDONLY | O_CLOEXEC);
  int fd = is_input ? STDIN_FILENO : own;
  if (fd < 0) return err_set_errno(err, ERR_IO, errno, "cannot open %s", path);
  for (ssize_t got = 1; got > 0;) {
    char piece[65536];
    got = read(fd, piece, sizeof piece);
    if (got < 0 && errno == EINTR)
      got = 1;
    else if (got < 0)
      return err_set_errno(err, ERR_IO, errno, "cannot read %s", path);
    else
      buf_append(content, piece, (size_t)got);
    if (content->len > size_max)
      return err_set(err, ERR_LIMIT, "%s has more than %zu bytes (ingest.body_max)", path, size_max);
  }
  char *padding = buf_extend(content, JSON_PADDING);
  if (padding == NULL) return err_set(err, ERR_MEMORY, "no memory to read %s", path);
  memset(padding, 0, JSON_PADDING);
  content->len -= JSON_PADDING;
  return 0;
}

static int test_file(struct testing *testing, const char *path, struct err *err) {
  const struct adapter_options *options = testing->options;
  SCOPED(buf_fini) struct buf content = {.limit = SIZE_MAX};
  int result = load(path, testing->body_max, &content, err);
  if (result != 0) return result;
  const struct quarantine_notice given = {.project = str_of(options->project),
                                          .source = str_of(options->source),
                                          .id = str_of(options->id),
                                          .time = str_of(options->time),
                                          .arrived_ms = clock_real_ms(clock_system()),
                                          .body = buf_view(&content)};
  return test_notice(testing, path, &given, err);
}

/* As the server reads it on a retry. */
static int test_kept(struct testing *testing, const char *data, const char *id, struct err *err) {
  SCOPED(quarantine_file_fini) struct quarantine_file file = {0};
  int result = quarantine_read(data, id, &file, err);
  return result == 0 ? test_notice(testing, id, &file.notice, err) : result;
}

static int test_all_kept(struct testing *testing, struct err *err) {
  SCOPED(datadir_close) struct datadir dir = DATADIR_NONE;
  char **ids = testing->options->notices;
  int result = ids != NULL ? datadir_open(datadir_choose(testing->options->data), false, &dir, err) : 0;
  for (size_t i = 0; result == 0 && ids != NULL && ids[i] != NULL; i++)
    result = test_kept(testing, dir.path, ids[i], err);
  return result;
}

static int find_adapter(const struct adapters *set, const char *name, const struct adapter **ret, struct err *err) {
  SCOPED(buf_fini) struct buf names = {0};
  *ret = adapters_find(set, str_of(name));
  if (*ret != NULL) return 0;
  for (size_t i = 0; adapters_at(set, i) != NULL; i++)
    buf_printf(&names, "%s%s", i > 0 ? ", " : "", adapter_name(adapters_at(set, i)));
  return err_set(err, ERR_USAGE,
                 "there is no adapter %.40s; the adapters are %.*s (--config adds those of its settings)", name,
                 STR_ARG(buf_view(&names)));
}

static int test_all(struct testing *testing, const struct config *config, struct err *err) {
  const struct adapter_options *options = testing->options;
  SCOPED(adapters_free_ref) struct adapters *set = NULL;
  int result = adapters_new(config, &set, err);
  if (result == 0) result = find_adapter(set, options->adapter, &testing->adapter, err);
  testing->body_max = config->ingest_body_max;
  for (size_t i = 0; result == 0 && options->files != NULL && options->files[i] != NULL; i++)
    result = test_file(testing, options->files[i], err);
  return result == 0 ? test_all_kept(testing, err) : result;
}

static int test(const struct adapter_options *options, struct err *err) {
  struct testing testing = {.options = options};
  if (options->files == NULL && options->notices == NULL)
    return err_set(err, ERR_USAGE, "no notice is given: give FILE, or --notice ID of one in the quarantine");
  SCOPED_MALLOC struct config *config = calloc(1, sizeof *config);
  CHECK(config != NULL);
  int result = config_read(config, options->config, options->set, err);
  if (result == 0) result = test_all(&testing, config, err);
  if (result != 0) return result;
  if (testing.failed > 0)
    return err_set(err, ERR_SCRIPT, "adapter %s cannot read %zu of %zu notices", options->adapter, testing.failed,
                   testing.count);
  if (testing.rejected > 0) return err_set(err, ERR_RANGE, "%zu outputs are rejected", testing.rejected);
  return 0;
}

/* ---- the door ---- */

int cmd_adapter(int argc, char **argv) {
  struct adapter_options options = {0};
  const struct option_row rows[] = {
      {"adapter", 0, OPTION_TEXT, &options.adapter, "NAME", "the same as the argument NAME"},
      {"file", 0, OPTION_LIST, &options.files, "FILE",
       "the same as the argument FILE: a notice; - is standard input"},
      {"notice", 0, OPTION_LIST, &options.notices, "ID",
       "a notice in the quarantine; for retry and drop the same as the argument ID"},
      {"data", 0, OPTION_TEXT, &options.data, "DIR", "data directory ($CODECMETER_DATA, else ./data)"},
      {"config", 0, OPTION_TEXT, &options.config, "FILE", "read settings from an INI file, as `serve` does"},
      {"set", 0, OPTION_LIST, &options.set, "SECTION.KEY=VALUE",
       "change one setting; repeatable, wins over --config"},
      {"project", 0, OPTION_TEXT, &options.project, "PROJECT", "what the sender's URL would say as ?project="},
      {"source", 0, OPTION_TEXT, &options.source, "SOURCE", "what the sender's URL would say as ?source="},
      {"id", 0, OPTION_TEXT, &options.id, "ID", "what the sender's URL would say as ?id="},
      {"time", 0, OPTION_TEXT, &options.time, "TIME", "what the sender's URL would say as ?time="},
      {"all", 0, OPTION_FLAG, &options.all, NULL, "all notices in the quarantine, the oldest first"},
      {"json", 0, OPTION_FLAG, &options.json, NULL, "print JSON (test: one object a line)"},
      {0},
  };
  const struct option_verb verbs[] = {
      {"list", NULL, "data json", "show the server's adapters with their counts, and the notices in the quarantine"},
      {"test", "adapter [file]", "notice data config set project source id time json",
       "show what an adapter makes of notices; needs no server and stores nothing"},
      {"retry", "[notice]", "data all json",
       "read notices of the quarantine by the server's scripts of now, and report their outputs"},
      {"drop", "notice", "data json", "remove notices from the quarantine for good: their outputs do not count"},
      {0},
  };
  const struct option_exit exits[] = {
      {EXIT_OK, "done; for retry: every notice has left the quarantine"},
      {EXIT_FAILED,
       "test: the script failed on a notice, or an output is rejected; retry, drop: a notice stays; list: a "
       "file of the quarantine is damaged"},
      {EXIT_USAGE, "wrong usage"},
      {0},
  };
  const struct option_spec spec = {
      .verbs = verbs,
      .summary =
          "Adapters read the notices of transcoding services. A notice on which an adapter's script fails waits in "
          "the "
          "quarantine until it is read again, or dropped.",
      .quiet = "list, test: print only the result; retry, drop: print nothing but errors",
      .examples =
          "codecmeter adapter list\n"
          "codecmeter adapter test mine notice.json --config codecmeter.ini\n"
          "codecmeter adapter test mine --notice 26004ea43979144754a1f39b169a843a --config codecmeter.ini\n"
          "codecmeter adapter retry --all",
      .exits = exits,
      .rows = rows,
  };
  const char *verb;
  struct err err = {0};
  int result = options_parse_verb(&spec, argc, argv, &verb, &err);
  if (result != 0) return command_fail("adapter", &err);
  if (strcmp(verb, "list") == 0)
    result = list(&options, &err);
  else if (strcmp(verb, "test") == 0)
    result = test(&options, &err);
  else
    result = retry_or_drop(verb, &options, &err);
  return result == 0 ? EXIT_OK : command_fail("adapter", &err);
}
