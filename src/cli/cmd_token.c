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
    {"label", "LABEL"},
    {"expires", "EXPIRES"},
    {"last_used", "LAST USE"},
    {"revoked", "REVOKED"},
    {"created", "CREATED"},
    {0},
};
/* The secret is shown once, when the token is created. */
static const struct admin_column made_columns[] = {
    {"id", "ID"},
    {"scope", "SCOPE"},
    {"project", "PROJECT"},
    {"creates_projects", "CREATES PROJECTS"},
    {"time_zone", "IN TIME ZONE"},
    {"label", "LABEL"},
    {"expires", "EXPIRES"},
    {"token", "TOKEN (shown only now)"},
    {0},
};

struct token_options {
  char *data, *id, *project, *scope, *time_zone, *label, *expires;
  bool json, create_projects;
};

static int run(const char *verb, const struct token_options *options, struct err *err) {
  SCOPED(buf_fini) struct buf text = {0};
  struct admin_print print = {
      .json = options->json,
      .is_list = strcmp(verb, "list") == 0,
      .is_asked_for = strcmp(verb, "list") == 0,
      .columns = strcmp(verb, "create") == 0 ? made_columns : columns,
  };
  if (strcmp(verb, "create") == 0) print.quiet_fields[0] = "token";
  struct json_write request = admin_begin(&text, "token", verb);
  admin_text(&request, "id", options->id);
  admin_text(&request, "project", options->project);
  admin_text(&request, "scope", options->scope);
  admin_text(&request, "time_zone", options->time_zone);
  admin_text(&request, "label", options->label);
  admin_text(&request, "expires", options->expires);
  admin_flag(&request, "create_projects", options->create_projects);
  return admin_command(options->data, &request, &print, err);
}

int cmd_token(int argc, char **argv) {
  struct token_options options = {0};
  const struct option_row rows[] = {
      {"data", 0, OPTION_TEXT, &options.data, "DIR", "data directory ($CODECMETER_DATA, else ./data)"},
      {"project", 0, OPTION_TEXT, &options.project, "ID",
       "make a token for this project only, or for all (default: all)"},
      {"scope", 0, OPTION_TEXT, &options.scope, "SCOPE",
       "write (default): reports usage; void: may also void it; read: only reads usage"},
      {"create-projects", 0, OPTION_FLAG, &options.create_projects, NULL,
       "the token's events create the projects that they name if they do not exist yet"},
      {"time-zone", 0, OPTION_TEXT, &options.time_zone, "ZONE",
       "time zone of the projects that the token's events create; --create-projects needs it unless the running "
       "server has the setting project.time_zone"},
      {"label", 0, OPTION_TEXT, &options.label, "TEXT", "what the token is for, at most 64 bytes; `list` shows it"},
      {"expires", 0, OPTION_TEXT, &options.expires, "WHEN",
       "the server refuses the token from then on: a duration from now such as 90d or 12h, a date such as 2027-01-31 "
       "(its beginning in UTC), or an RFC 3339 time (default: never)"},
      {"id", 0, OPTION_TEXT, &options.id, "ID", "the same as the argument ID"},
      {"json", 0, OPTION_FLAG, &options.json, NULL, "print JSON"},
      {0},
  };
  const struct option_verb verbs[] = {
      {"create", NULL, "data project scope create-projects time-zone label expires json",
       "create a token and show its secret, once"},
      {"list", NULL, "data json", "list all tokens and when each was last used, without their secrets"},
      {"revoke", "id", "data json", "revoke a token: the server refuses it from the next request on"},
      {0},
  };
  const struct option_spec spec = {
      .verbs = verbs,
      .summary =
          "Creates, lists or revokes tokens. A token is the bearer secret of a program that reports or reads usage. The "
          "secret is shown once; the ledger keeps only its hash. A revoked token stays revoked, because "
          "others may know its secret. The command works whether or not the server runs.",
      .quiet = "create: print only the secret; revoke: print nothing",
      .examples =
          "codecmeter token create --project org-acme\n"
          "codecmeter token create --scope read --project org-acme --expires 90d --label finance\n"
          "codecmeter token create --create-projects --time-zone Europe/Berlin\n"
          "codecmeter token revoke 0123456789ab",
      .rows = rows,
  };
  const char *verb;
  struct err err = {0};
  int result = options_parse_verb(&spec, argc, argv, &verb, &err);
  if (result == 0) result = run(verb, &options, &err);
  return result == 0 ? EXIT_OK : command_fail("token", &err);
}
