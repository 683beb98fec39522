/* GetCodecTotalStat as a table. Dates are days in the project's zone, so the command asks for the zone first. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/client.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/json.h"
#include "cli/client_options.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/table.h"
#include "meter/codec.h"
#include "meter/tier.h"
#include "meter/usage.h"
#include "meter/zone.h"

#define REPLY_DEPTH 8
#define DAYS_DEFAULT 7

struct stat_options {
  struct client_settings settings;
  char *from, *to;
  bool json, csv, seconds, all;
  char shown_project[PROJECT_ID_MAX + 1]; /* the project that was asked for, or the default one */
};

/* ---- answers ---- */

struct answer {
  struct client_reply reply;
  struct arena *arena;
  struct json_parser *parser;
  const struct json *top;
};

static void answer_fini(struct answer *answer) {
  client_reply_fini(&answer->reply);
  arena_free(answer->arena);
  json_parser_free(answer->parser);
}

static int ask(struct client *client, const struct client_param *params, size_t count, struct answer *ret,
               struct err *err) {
  int result = client_call(client, params, count, &ret->reply, err);
  if (result != 0) return result;
  ret->parser = json_parser_new();
  ret->arena = arena_new(ret->reply.body.len * 24 + 65536);
  CHECK(ret->parser != NULL && ret->arena != NULL);
  return json_parse(ret->parser, ret->arena, buf_view(&ret->reply.body), REPLY_DEPTH, &ret->top, err);
}

static int64_t number_of(const struct json *object, const char *name) {
  int64_t value;
  const struct json *member = json_member(object, name);
  bool good = member != NULL && member->type == JSON_NUMBER && json_number_i64(member->text, &value);
  return good ? value : 0;
}

/* ---- the project ---- */

static bool is_wanted(const struct json *project, const char *id) {
  const struct json *is_default = json_member(project, "IsDefault");
  if (id != NULL) return str_equal(json_member_text(project, "ProjectId"), str_of(id));
  return is_default != NULL && is_default->type == JSON_TRUE;
}

/* Finds the project's zone. Without a project_id takes the account's default project; ret_id then names it. */
static int find_project(struct client *client, const char *project_id, char ret_id[PROJECT_ID_MAX + 1],
                        const struct zone **ret, struct err *err) {
  SCOPED(answer_fini) struct answer answer = {0};
  const struct client_param params[] = {{"Action", "GetProjectList"}};
  int result = ask(client, params, 1, &answer, err);
  if (result != 0) return result;
  const struct json *set = json_member(answer.top, "ProjectSet");
  for (const struct json *project = set != NULL ? set->child : NULL; project != NULL; project = project->next) {
    if (!is_wanted(project, project_id)) continue;
    if (!str_copy(json_member_text(project, "ProjectId"), ret_id, PROJECT_ID_MAX + 1)) ret_id[0] = '\0';
    return zone_find(json_member_text(project, "TimeZone"), ret, err);
  }
  return err_set(err, ERR_NOT_FOUND, "%s%s%s",
                 project_id != NULL ? "this key cannot read a project " : "the account has no default project",
                 project_id != NULL ? project_id : "", project_id != NULL ? "" : "; give --project");
}

/* ---- the table ---- */

struct table_row {
  int32_t day;
  struct str codec;
  int64_t tiers[TIERS], total;
};

static const char *const tier_fields[TIERS] = {
    [TIER_LOW] = "LowDefinitionTime",
    [TIER_MEDIUM] = "MidiumDefinitionTime",
    [TIER_HIGH] = "HighDefinitionTime",
    [TIER_SUPER] = "SuperDefinitionTime",
};

/* Numbers of another server must not overflow the sums, and its texts must not control the terminal. */
#define NUMBER_MAX (INT64_MAX / 1000000)

static int64_t bounded(int64_t value) { return value < 0 ? 0 : value > NUMBER_MAX ? NUMBER_MAX : value; }

static struct str printable(struct str text) {
  return text.len <= CODEC_NAME_MAX && !str_has_control(text) ? text : STR("?");
}

static struct table_row row_of(const struct json *item, const struct zone *zone) {
  struct table_row row = {.day = zone_day_of(zone, number_of(item, "Time")),
                          .codec = printable(json_member_text(item, "VideoCodec"))};
  for (int tier = 0; tier < TIERS; tier++)
    row.tiers[tier] = bounded(number_of(item, tier_fields[tier]));
  row.total = bounded(number_of(item, "TotalTime"));
  return row;
}

/* 5025 as 1:23:45. */
static void put_time(int64_t seconds, bool plain, char out[32]) {
  if (plain)
    (void)snprintf(out, 32, "%" PRId64, seconds);
  else
    (void)snprintf(out, 32, "%" PRId64 ":%02d:%02d", seconds / 3600, (int)(seconds / 60 % 60), (int)(seconds % 60));
}

static const struct table_column table_columns[] = {
    {.title = "Day", .least = 10},
    {.title = "Codec", .least = 8},
    {.title = "Low", .is_number = true, .least = 10},
    {.title = "Medium", .is_number = true, .least = 10},
    {.title = "High", .is_number = true, .least = 10},
    {.title = "Super", .is_number = true, .least = 10},
    {.title = "Total", .is_number = true, .least = 10},
    {0},
};

static void put_row(struct table *table, const char *day, struct str codec, const int64_t tiers[TIERS], int64_t total,
                    bool plain) {
  char text[32];
  table_cell(table, str_of(day));
  table_cell(table, codec);
  for (int tier = 0; tier < TIERS; tier++) {
    put_time(tiers[tier], plain, text);
    table_cell(table, str_of(text));
  }
  put_time(total, plain, text);
  table_cell(table, str_of(text));
}

static void day_text(int32_t day, char out[16]) {
  int year, month, date;
  zone_date_from_day(day, &year, &month, &date);
  (void)snprintf(out, 16, "%04d-%02d-%02d", year, month, date);
}

static void print_notes(const struct zone *zone, const struct stat_options *options) {
  SCOPED_MALLOC char *project = str_printable(str_of(options->shown_project));
  (void)printf("Project %s. ", project);
  if (!options->seconds) (void)printf("Times are h:mm:ss. ");
  (void)printf("Days are those of %s.\n", zone_name(zone));
}

static void print_table(const struct json *set, const struct zone *zone, const struct stat_options *options) {
  int64_t sums[TIERS] = {0}, total = 0;
  char day[16];
  SCOPED(table_free_ref) struct table *table = table_new(table_columns, 0, table_terminal_width(), stdout);
  for (const struct json *item = set->child; item != NULL; item = item->next) {
    struct table_row row = row_of(item, zone);
    if (row.total == 0 && !options->all) continue;
    day_text(row.day, day);
    put_row(table, day, row.codec, row.tiers, row.total, options->seconds);
    for (int tier = 0; tier < TIERS; tier++)
      sums[tier] += row.tiers[tier];
    total += row.total;
  }
  put_row(table, "Total", STR(""), sums, total, options->seconds);
  table_print(table);
  if (!options_quiet()) print_notes(zone, options);
}

static void print_csv(const struct json *set, const struct zone *zone) {
  char day[16];
  (void)printf("day,time,codec,low_seconds,medium_seconds,high_seconds,super_seconds,total_seconds\n");
  for (const struct json *item = set->child; item != NULL; item = item->next) {
    struct table_row row = row_of(item, zone);
    day_text(row.day, day);
    (void)printf("%s,%" PRId64 ",%.*s", day, number_of(item, "Time"), STR_ARG(row.codec));
    for (int tier = 0; tier < TIERS; tier++)
      (void)printf(",%" PRId64, row.tiers[tier]);
    (void)printf(",%" PRId64 "\n", row.total);
  }
}

/* ---- the command ---- */

/* Finds wrong dates before the server is asked. */
static int check_dates(const struct stat_options *options, struct err *err) {
  int32_t day;
  bool good = (options->from == NULL || zone_day_parse(str_of(options->from), &day, err) == 0) &&
              (options->to == NULL || zone_day_parse(str_of(options->to), &day, err) == 0);
  return good ? 0 : err_set(err, ERR_USAGE, "--from and --to need a date like 2026-01-31");
}

static int read_days(const struct stat_options *options, const struct zone *zone, int32_t *ret_from, int32_t *ret_to,
                     struct err *err) {
  int32_t today = zone_day_of(zone, clock_real_ms(clock_system()) / 1000);
  int result = 0;
  *ret_to = today;
  if (options->to != NULL) result = zone_day_parse(str_of(options->to), ret_to, err);
  *ret_from = *ret_to - (DAYS_DEFAULT - 1);
  if (result == 0 && options->from != NULL) result = zone_day_parse(str_of(options->from), ret_from, err);
  if (result == 0 && options->from != NULL && options->to == NULL && *ret_from > *ret_to) *ret_to = *ret_from;
  return result == 0 && *ret_from > *ret_to ? err_set(err, ERR_USAGE, "--from is after --to") : result;
}

/* Names the settings that bound the days. Their defaults are the bounds of the hosted service. */
static int explain_bounds(struct err *err) {
  bool is_bound = strstr(err->text, "Params [EndTime] not available") != NULL ||
                  strstr(err->text, "Params [BeginTime] not available") != NULL;
  size_t len = strlen(err->text);
  if (is_bound) {
    (void)snprintf(err->text + len, sizeof err->text - len,
                   " (the server's settings query.max_age and query.max_span bound how old and how long the days may "
                   "be; "
                   "0 is no bound)");
  }
  return -(int)err->code;
}

static int stat_days(struct client *client, const struct stat_options *options, const struct zone *zone,
                     struct err *err) {
  SCOPED(answer_fini) struct answer answer = {0};
  int32_t from, to;
  int result = read_days(options, zone, &from, &to, err);
  if (result != 0) return result;
  char begin[24], end[24];
  int64_t start = zone_day_start(zone, from);
  (void)snprintf(begin, sizeof begin, "%" PRId64, start < 0 ? 0 : start);
  (void)snprintf(end, sizeof end, "%" PRId64, zone_day_start(zone, to + 1) - 1);
  const struct client_param params[] = {
      {"Action", "GetCodecTotalStat"},
      {"BeginTime", begin},
      {"EndTime", end},
      {"ProjectId", options->settings.project},
  };
  result = ask(client, params, options->settings.project != NULL ? 4 : 3, &answer, err);
  if (result != 0) return explain_bounds(err);
  const struct json *set = json_member(answer.top, "StatSet");
  if (set == NULL || set->type != JSON_ARRAY)
    return err_set(err, ERR_REMOTE, "malformed reply from the server: StatSet is missing");
  if (options->json)
    (void)printf("%.*s\n", (int)answer.reply.body.len, answer.reply.body.ptr);
  else if (options->csv)
    print_csv(set, zone);
  else
    print_table(set, zone, options);
  return 0;
}

static int run(struct stat_options *options, struct err *err) {
  SCOPED(client_close_ref) struct client *client = NULL;
  const struct zone *zone;
  int result = client_settings_fill(&options->settings, err);
  if (result == 0) result = client_open(&options->settings, &client, err);
  if (result == 0) result = find_project(client, options->settings.project, options->shown_project, &zone, err);
  return result == 0 ? stat_days(client, options, zone, err) : result;
}

int cmd_stat(int argc, char **argv) {
  struct stat_options options = {0};
  const struct option_row rows[] = {
      CLIENT_OPTION_ROWS(options.settings),
      {"from", 0, OPTION_TEXT, &options.from, "DATE",
       "first day, in the project's time zone (default: six days before --to)"},
      {"to", 0, OPTION_TEXT, &options.to, "DATE", "last day (default: today)"},
      {"all", 0, OPTION_FLAG, &options.all, NULL, "also show days without usage"},
      {"seconds", 0, OPTION_FLAG, &options.seconds, NULL, "print seconds instead of h:mm:ss"},
      {"json", 0, OPTION_FLAG, &options.json, NULL, "print the answer of the API unchanged"},
      {"csv", 0, OPTION_FLAG, &options.csv, NULL, "print CSV, in seconds, with days without usage"},
      {0},
  };
  const struct option_spec spec = {
      .operands = "[project]",
      .summary =
          "Shows the time that was transcoded per day, codec and definition tier. It asks the server over the signed "
          "API, as any client does.",
      .quiet = "print the table without the line below it",
      .examples =
          "codecmeter stat --env data/client.env\n"
          "codecmeter stat org-acme --from 2026-01-01 --to 2026-01-31 --csv",
      .rows = rows,
  };
  struct err err = {0};
  int result = options_parse(&spec, &argc, &argv, &err);
  if (result == 0) result = options_no_operands(argc, argv, &err);
  if (result == 0 && options.json && options.csv) result = err_set(&err, ERR_USAGE, "give --json or --csv, not both");
  if (result == 0) result = check_dates(&options, &err);
  if (result == 0) result = run(&options, &err);
  return result == 0 ? EXIT_OK : command_fail("stat", &err);
}
