#include <stdio.h>
#include <string.h>

#include "cli/admin_command.h"
#include "cli/command.h"
#include "cli/options.h"

static const struct admin_column columns[] = {
    {"id", "ID"}, {"name", "NAME"}, {"time_zone", "TIME ZONE"}, {"default", "DEFAULT"}, {"labels", "LABELS"}, {"created", "CREATED"}, {0},
};

struct project_options {
  char *data, *id, *name, *time_zone, *labels;
  bool is_default, force, json;
};

/* The text of a member, or of its number. */
static struct str text_of(const struct json *object, const char *name) {
  const struct json *member = json_member(object, name);
  return member != NULL ? member->text : STR("");
}

/* Days that a change of the zone has moved are no part of the table. */
static void tell_move(void *arg, const struct json *item) {
  const struct json *moved = json_member(item, "moved");
  (void)arg;
  if (moved == NULL) return;
  struct str id = text_of(item, "id"), zone = text_of(item, "time_zone"), days = text_of(moved, "days");
  struct str first = text_of(moved, "first_day"), last = text_of(moved, "last_day");
  struct str tasks = text_of(moved, "tasks"), seconds = text_of(moved, "seconds");
  (void)fprintf(
      stderr,
      "codecmeter project: %.*s counts in %.*s now: the totals of %.*s days changed (%.*s to %.*s); %.*s tasks, "
      "%.*s seconds, moved to another day\n",
      STR_ARG(id), STR_ARG(zone), STR_ARG(days), STR_ARG(first), STR_ARG(last), STR_ARG(tasks), STR_ARG(seconds));
}

static int run(const char *verb, const struct project_options *options, struct err *err) {
  SCOPED(buf_fini) struct buf text = {0};
  bool is_list = strcmp(verb, "list") == 0;
  struct admin_print print = {
      .json = options->json, .is_list = is_list, .is_asked_for = is_list, .columns = columns, .look = tell_move};
  if (strcmp(verb, "create") == 0) print.quiet_fields[0] = "id";
  struct json_write request = admin_begin(&text, "project", verb);
  admin_text(&request, "id", options->id);
  admin_text(&request, "name", options->name);
  admin_text(&request, "time_zone", options->time_zone);
  admin_text(&request, "labels", options->labels);
  admin_flag(&request, "default", options->is_default);
  admin_flag(&request, "force", options->force);
  return admin_command(options->data, &request, &print, err);
}

int cmd_project(int argc, char **argv) {
  struct project_options options = {0};
  const struct option_row rows[] = {
      {"data", 0, OPTION_TEXT, &options.data, "DIR", "data directory ($CODECMETER_DATA, else ./data)"},
      {"id", 0, OPTION_TEXT, &options.id, "ID", "the same as the argument ID"},
      {"name", 0, OPTION_TEXT, &options.name, "NAME", "the name that people see (create: by default the id)"},
      {"time-zone", 0, OPTION_TEXT, &options.time_zone, "ZONE",
       "IANA time zone of the project's days, such as Europe/Berlin; create needs it unless the running server has "
       "the setting project.time_zone"},
      {"labels", 0, OPTION_TEXT, &options.labels, "NAMES",
       "up to 4 labels of usage that totals can be grouped by, such as team,show; '-' removes them"},
      {"default", 0, OPTION_FLAG, &options.is_default, NULL, "make this the account's default project"},
      {"force", 0, OPTION_FLAG, &options.force, NULL, "change the time zone even if usage moves to other days"},
      {"json", 0, OPTION_FLAG, &options.json, NULL, "print JSON"},
      {0},
  };
  const struct option_verb verbs[] = {
      {"create", "[id]", "data name time-zone labels default json", "create a project; without ID, a random id is chosen"},
      {"list", NULL, "data json", "list all projects"},
      {"set", "id", "data name time-zone labels default force json", "change name, time zone, labels or default of a project"},
      {0},
  };
  const struct option_spec spec = {
      .verbs = verbs,
      .summary =
          "Creates, lists or changes projects. A project is the unit of metering, usually one customer. An id is 1 "
          "to 64 bytes long. The command works whether or not the server runs. Another time zone moves the usage of "
          "a project to other days: `set` then says how much moves, and changes nothing without --force.",
      .quiet = "create: print only the id; set: print nothing",
      .examples =
          "codecmeter project create org-acme --name 'Acme' --time-zone Europe/Berlin\n"
          "codecmeter project set org-acme --default\ncodecmeter project list",
      .rows = rows,
  };
  const char *verb;
  struct err err = {0};
  int result = options_parse_verb(&spec, argc, argv, &verb, &err);
  if (result == 0) result = run(verb, &options, &err);
  return result == 0 ? EXIT_OK : command_fail("project", &err);
}
