/* Shows what a spool holds. It only reads, and asks neither server nor token.
 *
 * A spool may hold a hundred thousand events, and their files come in no order. So the command reads one after the
 * other, and keeps only sums: for each server, token and project, and for each reason of a refusal. It keeps at most
 * GROUPS_MAX of each; what exceeds them is counted together.
 */
#include <glib.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/intent.h"
#include "agent/outputs.h"
#include "agent/plural.h"
#include "agent/recorder.h"
#include "agent/rivals.h"
#include "agent/spool.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/json_write.h"
#include "cli/client_options.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/table.h"
#include "meter/rfc3339.h"
#include "settings/config.h"

#define GROUPS_MAX 1000u
#define RUNS_SHOWN_MAX 100u
#define PARTS_MAX 3

/* ---- sums by texts ---- */

/* Things that have the same texts: url, token and project; or outcome and reason. */
struct group {
  char *parts[PARTS_MAX];
  uint64_t count;
  int64_t first_ms, last_ms; /* 0: unknown */
};

struct groups {
  GHashTable *table; /* its texts, joined -> struct group */
  struct group rest; /* of what is not in the table because that is full */
};

static void group_free(void *memory) {
  struct group *group = memory;
  for (size_t i = 0; i < PARTS_MAX; i++)
    free(group->parts[i]);
  free(group);
}

static void groups_init(struct groups *groups) {
  *groups = (struct groups){.table = g_hash_table_new_full(g_str_hash, g_str_equal, free, group_free)};
}

static void groups_fini(struct groups *groups) { g_hash_table_destroy(groups->table); }

static void group_count(struct group *group, int64_t ms) {
  group->count++;
  if (ms == 0) return;
  if (group->first_ms == 0 || ms < group->first_ms) group->first_ms = ms;
  if (ms > group->last_ms) group->last_ms = ms;
}

static char *join(const struct str parts[PARTS_MAX]) {
  struct buf key = {0};
  for (size_t i = 0; i < PARTS_MAX; i++)
    buf_printf(&key, "%zu:%.*s", parts[i].len, STR_ARG(parts[i]));
  buf_char(&key, '\0');
  CHECK(!key.failed);
  return key.ptr;
}

static struct group *make_group(struct groups *groups, char *key, const struct str parts[PARTS_MAX]) {
  struct group *group = calloc(1, sizeof *group);
  CHECK(group != NULL);
  for (size_t i = 0; i < PARTS_MAX; i++) {
    group->parts[i] = strndup(parts[i].ptr != NULL ? parts[i].ptr : "", parts[i].len);
    CHECK(group->parts[i] != NULL);
  }
  (void)g_hash_table_insert(groups->table, key, group);
  return group;
}

static void groups_count(struct groups *groups, const struct str parts[PARTS_MAX], int64_t ms) {
  char *key = join(parts);
  struct group *group = g_hash_table_lookup(groups->table, key);
  if (group == NULL && g_hash_table_size(groups->table) < GROUPS_MAX) {
    group_count(make_group(groups, key, parts), ms);
    return;
  }
  group_count(group != NULL ? group : &groups->rest, ms);
  free(key);
}

static int by_first(const void *a, const void *b) {
  const struct group *first = *(struct group *const *)a, *second = *(struct group *const *)b;
  if (first->first_ms != second->first_ms) return first->first_ms < second->first_ms ? -1 : 1;
  for (size_t i = 0; i < PARTS_MAX; i++) {
    int order = strcmp(first->parts[i], second->parts[i]);
    if (order != 0) return order;
  }
  return 0;
}

static int by_last(const void *a, const void *b) {
  const struct group *first = *(struct group *const *)a, *second = *(struct group *const *)b;
  if (first->last_ms != second->last_ms) return first->last_ms > second->last_ms ? -1 : 1;
  return by_first(a, b);
}

/* The groups in an order. The caller frees the array. */
static struct group **groups_sorted(const struct groups *groups, int (*order)(const void *a, const void *b),
                                    size_t *ret_count) {
  size_t count = g_hash_table_size(groups->table), i = 0;
  struct group **sorted = calloc(count + 1, sizeof *sorted);
  GHashTableIter iter;
  gpointer value;
  CHECK(sorted != NULL);
  g_hash_table_iter_init(&iter, groups->table);
  while (g_hash_table_iter_next(&iter, NULL, &value))
    sorted[i++] = value;
  qsort(sorted, count, sizeof *sorted, order);
  *ret_count = count;
  return sorted;
}

/* ---- looking ---- */

struct killed_run {
  char *name, *project, *why;
  int64_t began_ms;
  size_t outputs;
  bool is_unreadable;
};

struct status {
  const char *dir;
  bool exists;
  struct groups waiting, refused;
  struct group all_waiting, all_refused;
  uint64_t damaged, unreadable; /* events */
  char *why_unreadable;         /* of the first of these; or NULL */
  uint64_t running;             /* runs that live */
  uint64_t killed;              /* runs that were killed, or whose notes cannot be read */
  struct killed_run runs[RUNS_SHOWN_MAX];
  size_t runs_count;
};

static void status_init(struct status *status, const char *dir) {
  *status = (struct status){.dir = dir};
  groups_init(&status->waiting);
  groups_init(&status->refused);
}

static void status_fini(struct status *status) {
  for (size_t i = 0; i < status->runs_count; i++) {
    free(status->runs[i].name);
    free(status->runs[i].project);
    free(status->runs[i].why);
  }
  free(status->why_unreadable);
  groups_fini(&status->waiting);
  groups_fini(&status->refused);
}

static void take_item(void *arg, const struct spool_item *item) {
  struct status *status = arg;
  const struct str parts[PARTS_MAX] = {item->url, item->token, item->project};
  switch (item->state) {
    case SPOOL_WAITS:
      group_count(&status->all_waiting, item->put_ms);
      groups_count(&status->waiting, parts, item->put_ms);
      return;
    case SPOOL_DAMAGED:
      status->damaged++;
      return;
    case SPOOL_UNREADABLE:
      if (status->unreadable++ == 0) status->why_unreadable = strdup(item->why);
      return;
  }
}

static void take_refusal(void *arg, const struct spool_refusal *refusal) {
  struct status *status = arg;
  const struct str parts[PARTS_MAX] = {refusal->outcome, refusal->reason};
  group_count(&status->all_refused, refusal->refused_ms);
  groups_count(&status->refused, parts, refusal->refused_ms);
}

static void take_run(void *arg, const struct intent_view *view) {
  struct status *status = arg;
  if (view->state == INTENT_RUNS) {
    status->running++;
    return;
  }
  status->killed++;
  if (status->runs_count == RUNS_SHOWN_MAX) return;
  struct killed_run *run = &status->runs[status->runs_count++];
  *run = (struct killed_run){.name = strdup(view->name),
                             .project = strdup(view->project),
                             .why = strdup(view->why),
                             .began_ms = view->began_ms,
                             .outputs = view->outputs,
                             .is_unreadable = view->state == INTENT_UNREADABLE};
  CHECK(run->name != NULL && run->project != NULL && run->why != NULL);
}

static int by_began(const void *a, const void *b) {
  return strcmp(((const struct killed_run *)a)->name,
                ((const struct killed_run *)b)->name); /* begins with the time */
}

static int look(struct status *status, struct err *err) {
  int result = spool_look(status->dir, take_item, status, err);
  if (result != 0) return result;
  status->exists = true;
  intent_look(status->dir, take_run, status);
  qsort(status->runs, status->runs_count, sizeof status->runs[0], by_began);
  return spool_look_rejected(status->dir, take_refusal, status, err);
}

/* max_age_ms: so long an event may wait. */
static bool needs_attention(const struct status *status, int64_t max_age_ms) {
  int64_t oldest_ms = status->all_waiting.first_ms;
  bool waits_long = status->all_waiting.count > 0 && clock_real_ms(clock_system()) - oldest_ms >= max_age_ms;
  return waits_long || status->all_refused.count + status->damaged + status->unreadable + status->killed > 0;
}

/* ---- for programs ---- */

static void put_time(struct json_write *json, const char *name, int64_t ms) {
  char text[RFC3339_SIZE];
  rfc3339_format(ms, text);
  if (ms == 0)
    json_write_null(json, name);
  else
    json_write_text(json, name, text);
}

/* The members of a list of groups in JSON. */
struct group_members {
  const char *list, *parts[PARTS_MAX], *count, *time, *others; /* parts: NULL: the groups have no more */
  bool newest_first;
};

static void put_groups(struct json_write *json, const struct groups *groups, const struct group_members *members) {
  size_t count;
  SCOPED_MALLOC struct group **sorted = groups_sorted(groups, members->newest_first ? by_last : by_first, &count);
  json_write_list(json, members->list);
  for (size_t i = 0; i < count; i++) {
    json_write_object(json, NULL);
    for (size_t n = 0; n < PARTS_MAX && members->parts[n] != NULL; n++)
      json_write_text(json, members->parts[n], sorted[i]->parts[n]);
    json_write_u64(json, members->count, sorted[i]->count);
    put_time(json, members->time, members->newest_first ? sorted[i]->last_ms : sorted[i]->first_ms);
    json_write_end(json);
  }
  json_write_end(json);
  json_write_u64(json, members->others, groups->rest.count);
}

static void put_waiting(struct json_write *json, const struct status *status) {
  static const struct group_members members = {"for", {"url", "token", "project"}, "events", "since", "others",
                                               false};
  json_write_u64(json, "waiting", status->all_waiting.count);
  put_time(json, "since", status->all_waiting.first_ms);
  put_groups(json, &status->waiting, &members);
}

static void put_runs(struct json_write *json, const struct status *status) {
  json_write_u64(json, "running", status->running);
  json_write_u64(json, "killed", status->killed);
  json_write_list(json, "runs");
  for (size_t i = 0; i < status->runs_count; i++) {
    const struct killed_run *run = &status->runs[i];
    json_write_object(json, NULL);
    json_write_text(json, "note", run->name);
    json_write_text(json, "project", run->project);
    json_write_u64(json, "outputs", run->outputs);
    put_time(json, "began", run->began_ms);
    json_write_text(json, "why", run->why);
    json_write_end(json);
  }
  json_write_end(json);
}

static void put_refused(struct json_write *json, const struct status *status) {
  static const struct group_members members = {"reasons", {"outcome", "reason"}, "count",
                                               "newest",  "other_reasons",       true};
  json_write_u64(json, "rejected", status->all_refused.count);
  put_time(json, "newest", status->all_refused.last_ms);
  put_groups(json, &status->refused, &members);
}

static int print_json(const struct status *status, struct err *err) {
  SCOPED(buf_fini) struct buf out = {0};
  struct json_write json = json_write_to(&out);
  json_write_object(&json, NULL);
  json_write_text(&json, "spool", status->dir);
  json_write_bool(&json, "exists", status->exists);
  put_waiting(&json, status);
  json_write_u64(&json, "damaged", status->damaged);
  json_write_u64(&json, "unreadable", status->unreadable);
  put_runs(&json, status);
  put_refused(&json, status);
  json_write_end(&json);
  buf_char(&out, '\n');
  if (out.failed) return err_set(err, ERR_MEMORY, "no memory to print");
  (void)fwrite(out.ptr, 1, out.len, stdout);
  return 0;
}

/* ---- for people ---- */

static void cell_time(struct table *table, int64_t ms) {
  char text[RFC3339_SIZE];
  rfc3339_format(ms, text);
  table_cell(table, ms == 0 ? STR("unknown") : str_of(text));
}

static void cell_number(struct table *table, uint64_t number) {
  char digits[BYTES_DIGITS_MAX];
  table_cell(table, str_make(digits, bytes_digits(number, digits)));
}

static void cell_or(struct table *table, const char *text, const char *otherwise) {
  table_cell(table, str_of(text[0] != '\0' ? text : otherwise));
}

/* Prints a line, if notes are wanted: what to do. */
static void advise(const char *text) {
  if (!options_quiet()) (void)printf("%s\n", text);
}

static void print_waiting(const struct status *status) {
  static const struct table_column columns[] = {{.title = "WAITS FOR"}, {.title = "TOKEN"},
                                                {.title = "PROJECT"},   {.title = "EVENTS", .is_number = true},
                                                {.title = "SINCE"},     {0}};
  size_t count;
  if (status->all_waiting.count == 0) return;
  SCOPED_MALLOC struct group **groups = groups_sorted(&status->waiting, by_first, &count);
  SCOPED(table_free_ref) struct table *table = table_new(columns, 0, table_terminal_width(), stdout);
  for (size_t i = 0; i < count; i++) {
    cell_or(table, groups[i]->parts[0], "unknown");
    cell_or(table, groups[i]->parts[1], "none");
    cell_or(table, groups[i]->parts[2], "the token's");
    cell_number(table, groups[i]->count);
    cell_time(table, groups[i]->first_ms);
  }
  if (status->waiting.rest.count > 0) {
    for (int i = 0; i < PARTS_MAX; i++)
      table_cell(table, STR("others"));
    cell_number(table, status->waiting.rest.count);
    cell_time(table, status->waiting.rest.first_ms);
  }
  table_print(table);
  advise(
      "An event is sent after the next event of its server and token, or by `codecmeter flush` with their --env "
      "file.\n");
}

static void print_unusable(const struct status *status) {
  if (status->damaged > 0) {
    (void)printf("%" PRIu64 " damaged %s\n", status->damaged, plural(status->damaged, "event", "events"));
    advise("The next `codecmeter flush` moves such events into rejected/, with the reason.\n");
  }
  if (status->unreadable > 0) {
    SCOPED_MALLOC char *why = str_printable(str_of(status->why_unreadable));
    (void)printf("%" PRIu64 " unreadable %s: %s\n", status->unreadable, plural(status->unreadable, "event", "events"), why);
    advise("Give the command as the user who owns the files.\n");
  }
}

static void print_runs(const struct status *status) {
  static const struct table_column columns[] = {{.title = "KILLED RUN"},
                                                {.title = "PROJECT"},
                                                {.title = "OUTPUTS", .is_number = true},
                                                {.title = "BEGAN"},
                                                {.title = "NOT METERED YET BECAUSE"},
                                                {0}};
  if (status->killed == 0) return;
  SCOPED(table_free_ref) struct table *table = table_new(columns, 0, table_terminal_width(), stdout);
  for (size_t i = 0; i < status->runs_count; i++) {
    const struct killed_run *run = &status->runs[i];
    table_cell(table, str_of(run->name));
    cell_or(table, run->project, run->is_unreadable ? "unknown" : "the token's");
    if (run->is_unreadable)
      table_cell(table, STR("unknown"));
    else
      cell_number(table, run->outputs);
    cell_time(table, run->began_ms);
    table_cell(table, str_of(run->why));
  }
  table_print(table);
  if (status->killed > status->runs_count)
    (void)printf("and %" PRIu64 " more killed %s\n", status->killed - status->runs_count,
                 plural(status->killed - status->runs_count, "run", "runs"));
  advise("");
}

/* What the user can do about a refused event, by outcome; and by reason, where the reason changes it. */
static const struct refusal_advice {
  const char *outcome, *reason; /* reason: NULL: every other */
  const char *text;
} refusal_advice[] = {
    {"rejected", NULL, "rejected: correct what the reason names, record the file again, and remove the note."},
    {"conflict", NULL,
     "conflict: another output has this id. If both count, record this file with an --id of its own; then remove the note."},
    {"unreadable", NULL,
     "unreadable: the file was damaged. If its output still exists, record it again; then remove the file and its note."},
    {"unmetered", OUTPUTS_TAKEN,
     "unmetered, another run wrote to this path: do not record this path, because the file that is there belongs to the other "
     "run. The note names the path, the project, and when the run began; it does not hold the command, so look into the job's "
     "own log. If a copy of the lost output exists, give `codecmeter record --project PROJECT --id ID COPY`. Else report it by "
     "hand: a row for `codecmeter import`, with its codec, size and duration. Then remove the note."},
    {"unmetered", RECORDER_CONTINUED,
     "unmetered, continued: give the two commands that the reason names, the void first. If you have recorded a part of the "
     "output by hand since, void that instead. Then remove the note."},
    {"unmetered", RIVALS_SHARED,
     "unmetered, two runs in one place: find out by the jobs' logs which customer the file is for, give `codecmeter record "
     "--project PROJECT FILE`, and remove the notes of the file."},
    {"unmetered", NULL, "unmetered: correct the cause, record the output, and remove the note."},
};
#define ADVICES (sizeof refusal_advice / sizeof refusal_advice[0])

/* NULL: an outcome of a later version. */
static const struct refusal_advice *advice_for(const struct group *group) {
  for (size_t i = 0; i < ADVICES; i++) {
    const struct refusal_advice *advice = &refusal_advice[i];
    if (strcmp(group->parts[0], advice->outcome) != 0) continue;
    if (advice->reason == NULL || strstr(group->parts[1], advice->reason) != NULL) return advice;
  }
  return NULL;
}

/* Each advice once. */
static void advise_refused(const struct status *status) {
  bool is_wanted[ADVICES] = {false};
  size_t count;
  SCOPED_MALLOC char *dir = str_printable(str_of(status->dir));
  SCOPED_MALLOC struct group **groups = groups_sorted(&status->refused, by_last, &count);
  for (size_t i = 0; i < count; i++) {
    const struct refusal_advice *advice = advice_for(groups[i]);
    if (advice != NULL) is_wanted[advice - refusal_advice] = true;
  }
  (void)printf("%s/rejected holds a note for each of them. None is ever sent again.\n", dir);
  for (size_t i = 0; i < ADVICES; i++) {
    if (is_wanted[i]) (void)printf("%s\n", refusal_advice[i].text);
  }
  (void)printf("\n");
}

static void print_refused(const struct status *status) {
  static const struct table_column columns[] = {{.title = "NOT COUNTED"},
                                                {.title = "EVENTS", .is_number = true},
                                                {.title = "NEWEST"},
                                                {.title = "REASON"},
                                                {0}};
  size_t count;
  if (status->all_refused.count == 0) return;
  SCOPED_MALLOC struct group **groups = groups_sorted(&status->refused, by_last, &count);
  SCOPED(table_free_ref) struct table *table = table_new(columns, 0, table_terminal_width(), stdout);
  for (size_t i = 0; i < count; i++) {
    table_cell(table, str_of(groups[i]->parts[0]));
    cell_number(table, groups[i]->count);
    cell_time(table, groups[i]->last_ms);
    table_cell(table, str_of(groups[i]->parts[1]));
  }
  if (status->refused.rest.count > 0) {
    table_cell(table, STR("others"));
    cell_number(table, status->refused.rest.count);
    cell_time(table, status->refused.rest.last_ms);
    table_cell(table, STR("other reasons"));
  }
  table_print(table);
  if (!options_quiet()) advise_refused(status);
}

static void print_sums(const struct status *status) {
  SCOPED_MALLOC char *dir = str_printable(str_of(status->dir));
  if (!status->exists) {
    (void)printf("%s does not exist: nothing waits\n", dir);
    return;
  }
  (void)printf("%s: %" PRIu64 " waiting, %" PRIu64 " killed %s, %" PRIu64 " rejected", dir,
               status->all_waiting.count, status->killed, plural(status->killed, "run", "runs"),
               status->all_refused.count);
  if (status->running > 0)
    (void)printf(", %" PRIu64 " %s under way", status->running, plural(status->running, "run", "runs"));
  (void)printf("\n");
}

struct spool_options {
  struct client_settings settings;
  char *max_age;
  int64_t max_age_ms;
  bool json, check;
};

/* is_named: the command line named the directory, so it must exist. */
static int show(const char *dir, bool is_named, const struct spool_options *options, bool *ret_attention,
                struct err *err) {
  SCOPED(status_fini) struct status status;
  status_init(&status, dir);
  int result = look(&status, err);
  bool never_spooled = result == -ERR_NOT_FOUND && !is_named;
  if (result != 0 && !never_spooled) return result;
  *ret_attention = needs_attention(&status, options->max_age_ms);
  if (options->json) return print_json(&status, err);
  print_waiting(&status);
  print_unusable(&status);
  print_runs(&status);
  print_refused(&status);
  print_sums(&status);
  return 0;
}

static int check_options(struct spool_options *options, struct err *err) {
  uint64_t ms = 0;
  if (options->max_age != NULL && (!config_duration(str_of(options->max_age), &ms) || ms > INT64_MAX))
    return err_set(err, ERR_USAGE, "--max-age '%s' is not a duration like 10m or 1h", options->max_age);
  options->max_age_ms = (int64_t)ms;
  return 0;
}

int cmd_spool(int argc, char **argv) {
  struct spool_options options = {0};
  const struct option_row rows[] = {
      CLIENT_SPOOL_ROW(options.settings),
      {"env", 0, OPTION_TEXT, &options.settings.env_file, "FILE", "read $CODECMETER_SPOOL from a file"},
      {"check", 0, OPTION_FLAG, &options.check, NULL,
       "exit with 1 if anything waits or was rejected, for monitoring"},
      {"max-age", 0, OPTION_TEXT, &options.max_age, "DURATION",
       "with --check: so long an event may wait, as 10m or 1h (default: 0)"},
      {"json", 0, OPTION_FLAG, &options.json, NULL, "print JSON"},
      {0},
  };
  const struct option_verb verbs[] = {
      {"status", NULL, "spool env check max-age json",
       "show what waits, for whom and since when, killed runs, and what was rejected and why"},
      {0},
  };
  const struct option_exit exits[] = {
      {EXIT_OK, "the spool was shown; with --check: nothing waits and nothing was rejected"},
      {EXIT_FAILED, "the spool could not be read; with --check: something waits or was rejected"},
      {EXIT_USAGE, "wrong usage"},
      {0},
  };
  const struct option_spec spec = {
      .verbs = verbs,
      .summary =
          "Shows the spool: events that wait for a server, runs that were killed and are not metered yet, and what "
          "was "
          "rejected and does not count. It changes nothing, and needs neither server nor token. `codecmeter flush` "
          "sends "
          "what waits.",
      .quiet = "print the tables, without the notes between them",
      .examples =
          "codecmeter spool status\ncodecmeter spool status --env data/client.env --check --max-age 1h --quiet",
      .exits = exits,
      .rows = rows,
  };
  const char *verb;
  struct err err = {0};
  SCOPED(spool_fini) struct spool spool = {.dir = NULL};
  bool attention = false;
  int result = options_parse_verb(&spec, argc, argv, &verb, &err);
  bool is_named = options.settings.spool != NULL;
  if (result == 0) result = check_options(&options, &err);
  if (result == 0) result = client_settings_fill(&options.settings, &err);
  if (result != 0) return command_fail("spool", &err);
  spool_init(&spool, &options.settings);
  result = show(spool.dir, is_named, &options, &attention, &err);
  if (result != 0) return command_fail("spool", &err);
  return options.check && attention ? EXIT_FAILED : EXIT_OK;
}
