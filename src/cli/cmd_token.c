#include <string.h>

#include "cli/admin_command.h"
#include "cli/command.h"
#include "cli/options.h"

static const struct admin_column columns[] = {
    {"id", "ID"},
    {"scope", "SCOPE"},
    {"project", "PROJECT"},
    {"creates_projects", "CREATES PROJECTS"},
    {"time_zone", "IN TIME ZONE"},
    {"revoked", "REVOKED"},
    {"created", "CREATED"},
    {0},
};
/* Where it was just made the secret is shown, this once. */
static const struct admin_column made_columns[] = {
    {"id", "ID"},
    {"scope", "SCOPE"},
    {"project", "PROJECT"},
    {"creates_projects", "CREATES PROJECTS"},
    {"time_zone", "IN TIME ZONE"},
    {"token", "TOKEN (shown only now)"},
    {0},
};

struct token_options {
  char *data, *id, *project, *scope, *time_zone;
  bool json, create_projects;
};

static int run(const char *verb, const struct token_options *options, struct err *err) {
  SCOPED(buf_fini) struct buf request = {0};
  struct admin_print print = {
      .json = options->json,
      .is_list = strcmp(verb, "list") == 0,
      .columns = strcmp(verb, "create") == 0 ? made_columns : columns,
  };
  admin_begin(&request, "token", verb);
  admin_text(&request, "id", options->id);
  admin_text(&request, "project", options->project);
  admin_text(&request, "scope", options->scope);
  admin_text(&request, "time_zone", options->time_zone);
  admin_flag(&request, "create_projects", options->create_projects);
  return admin_command(options->data, &request, &print, err);
}

int cmd_token(int argc, char **argv) {
  struct token_options options = {0};
  const struct option_row rows[] = {
      {"data", 0, OPTION_TEXT, &options.data, "DIR", "data directory ($CODECMETER_DATA, else ./data)"},
      {"project", 0, OPTION_TEXT, &options.project, "ID", "bind it to one project; every project if absent"},
      {"scope", 0, OPTION_TEXT, &options.scope, "SCOPE",
       "write (default), read, or void (may take back what was reported)"},
      {"create-projects", 0, OPTION_FLAG, &options.create_projects, NULL,
       "create projects that its events name and that do not exist yet"},
      {"time-zone", 0, OPTION_TEXT, &options.time_zone, "ZONE",
       "the zone of the projects that --create-projects makes; needed with it, unless the running server has the "
       "setting project.time_zone"},
      {"id", 0, OPTION_TEXT, &options.id, "ID", "which token to revoke"},
      {"json", 0, OPTION_FLAG, &options.json, NULL, "print JSON"},
      {0},
  };
  const struct option_spec spec = {
      .usage = "create|list|revoke",
      .summary =
          "Creates, lists or revokes tokens, the bearer secrets of programs that report usage. Works whether or "
          "not the server runs. A secret is shown once; only its hash is kept. A revoked token stays revoked, "
          "because its secret may be known to others: create a new one instead.",
      .description =
          "Examples:\n  codecmeter token create --project org-acme\n"
          "  codecmeter token create --create-projects --time-zone Europe/Berlin\n"
          "  codecmeter token revoke --id 0123456789ab",
      .rows = rows,
  };
  const char *verb;
  struct err err = {0};
  int result = admin_verb(&spec, "create list revoke", argc, argv, &verb, &err);
  if (result == 0) result = run(verb, &options, &err);
  return result == 0 ? EXIT_OK : command_fail("token", &err);
}
