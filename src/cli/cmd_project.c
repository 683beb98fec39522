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
  struct admin_print print = {.json = options->json, .is_list = strcmp(verb, "list") == 0, .columns = columns};
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
      {"id", 0, OPTION_TEXT, &options.id, "ID", "1 to 64 bytes; made up if absent"},
      {"name", 0, OPTION_TEXT, &options.name, "NAME", "what people call it; the id if absent"},
      {"time-zone", 0, OPTION_TEXT, &options.time_zone, "ZONE", "whose days it counts in; Asia/Shanghai if absent"},
      {"default", 0, OPTION_FLAG, &options.is_default, NULL, "make it the account's default project"},
      {"json", 0, OPTION_FLAG, &options.json, NULL, "print JSON"},
      {0},
  };
  const struct option_spec spec = {
      .usage = "create|list|set",
      .summary = "Creates, lists or changes projects, the units of metering. Works whether or not the server runs.",
      .description = "Examples:\n  codecmeter project create --id org-acme --name 'Acme' --time-zone Europe/Berlin\n"
                     "  codecmeter project set --id org-acme --default\n  codecmeter project list",
      .rows = rows,
  };
  const char *verb;
  struct err err = {0};
  int result = admin_verb(&spec, "create list set", argc, argv, &verb, &err);
  if (result == 0) result = run(verb, &options, &err);
  return result == 0 ? EXIT_OK : command_fail("project", &err);
}
