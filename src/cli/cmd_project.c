#include <string.h>

#include "cli/admin_command.h"
#include "cli/command.h"
#include "cli/options.h"

static const struct admin_column columns[] = {
    {"id", "ID"}, {"name", "NAME"}, {"time_zone", "TIME ZONE"}, {"default", "DEFAULT"}, {"created", "CREATED"}, {0},
};

struct project_options {
  char *data, *id, *name, *time_zone;
  bool is_default, json;
};

static int run(const char *verb, const struct project_options *options, struct err *err) {
  SCOPED(buf_fini) struct buf request = {0};
  bool is_list = strcmp(verb, "list") == 0;
  struct admin_print print = {.json = options->json, .is_list = is_list, .is_asked_for = is_list, .columns = columns};
  if (strcmp(verb, "create") == 0) print.quiet_fields[0] = "id";
  admin_begin(&request, "project", verb);
  admin_text(&request, "id", options->id);
  admin_text(&request, "name", options->name);
  admin_text(&request, "time_zone", options->time_zone);
  admin_flag(&request, "default", options->is_default);
  return admin_command(options->data, &request, &print, err);
}

int cmd_project(int argc, char **argv) {
  struct project_options options = {0};
  const struct option_row rows[] = {
      {"data", 0, OPTION_TEXT, &options.data, "DIR", "data directory ($CODECMETER_DATA, else ./data)"},
      {"id", 0, OPTION_TEXT, &options.id, "ID", "the same as the argument ID"},
      {"name", 0, OPTION_TEXT, &options.name, "NAME", "the name that people see (default: the id)"},
      {"time-zone", 0, OPTION_TEXT, &options.time_zone, "ZONE",
       "IANA time zone whose days the project is metered by (default: Asia/Shanghai)"},
      {"default", 0, OPTION_FLAG, &options.is_default, NULL, "make this the account's default project"},
      {"json", 0, OPTION_FLAG, &options.json, NULL, "print JSON"},
      {0},
  };
  const struct option_verb verbs[] = {
      {"create", "[id]", "create a project; without ID, a random id is chosen"},
      {"list", NULL, "list all projects"},
      {"set", "id", "change name, time zone or default of a project"},
      {0},
  };
  const struct option_spec spec = {
      .verbs = verbs,
      .summary =
          "Creates, lists or changes projects. A project is the unit of metering, usually one customer. An id is 1 "
          "to 64 bytes long. The command works whether or not the server runs.",
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
