/* Options of the commands that speak to a server: whom to, and as whom. */
#ifndef CODECMETER_CLI_CLIENT_OPTIONS_H
#define CODECMETER_CLI_CLIENT_OPTIONS_H

#include "agent/client.h"
#include "base/err.h"
#include "cli/options.h"

/* Rows for a command's options. */
#define CLIENT_OPTION_ROWS(settings)                                                                                   \
  {"url", 0, OPTION_TEXT, &(settings).url, "URL", "the server ($CODECMETER_URL; http://127.0.0.1:8080)"},              \
  {"token", 0, OPTION_TEXT, &(settings).token, "TOKEN", "bearer token that reports usage; every user of this "         \
   "machine can read it in `ps`: use $CODECMETER_TOKEN or --env FILE instead"},                                        \
  {"public-key", 0, OPTION_TEXT, &(settings).public_key, "KEY", "key that asks ($CODECMETER_PUBLIC_KEY)"},             \
  {"private-key", 0, OPTION_TEXT, &(settings).private_key, "KEY", "its secret; every user of this machine "            \
   "can read it in `ps`: use $CODECMETER_PRIVATE_KEY or --env FILE instead"},                                          \
  {"project", 0, OPTION_TEXT, &(settings).project, "ID", "the project ($CODECMETER_PROJECT)"},                         \
  {"ca-file", 0, OPTION_TEXT, &(settings).ca_file, "FILE", "trust a server whose certificate this one signs "          \
   "($CODECMETER_CA_FILE)"},                                                                                           \
  {"env", 0, OPTION_TEXT, &(settings).env_file, "FILE", "take CODECMETER_* lines from a file"}

/* And for a command that may have to keep an event. */
#define CLIENT_SPOOL_ROW(settings)                                                                                     \
  {"spool", 0, OPTION_TEXT, &(settings).spool, "DIR", "where events wait for the server ($CODECMETER_SPOOL; "          \
   "~/.local/state/codecmeter/spool)"}

/* Fills what the command line left out: from the --env file, then from the environment, then the default URL. */
MUST_USE int client_settings_fill(struct client_settings *settings, struct err *err);

#endif
