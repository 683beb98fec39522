/* Options of the commands that speak to a server: its address, and the credentials. */
#ifndef CODECMETER_CLI_CLIENT_OPTIONS_H
#define CODECMETER_CLI_CLIENT_OPTIONS_H

#include "agent/client.h"
#include "base/err.h"
#include "cli/options.h"

/* clang-format off */
/* Rows for a command's options. */
#define CLIENT_OPTION_ROWS(settings)                                                                              \
  {"url", 0, OPTION_TEXT, &(settings).url, "URL",                                                                 \
   "the server's URL ($CODECMETER_URL, else http://127.0.0.1:8080)"},                                             \
  {"token", 0, OPTION_TEXT, &(settings).token, "TOKEN",                                                           \
   "the token that reports usage; every user of this machine can see it with `ps`, so prefer $CODECMETER_TOKEN "  \
   "or --env"},                                                                                                   \
  {"public-key", 0, OPTION_TEXT, &(settings).public_key, "KEY",                                                   \
   "the public key that signs API calls ($CODECMETER_PUBLIC_KEY)"},                                               \
  {"private-key", 0, OPTION_TEXT, &(settings).private_key, "KEY",                                                 \
   "the private key of this pair; every user of this machine can see it with `ps`, so prefer $CODECMETER_PRIVATE_KEY or "      \
   "--env"},                                                                                                      \
  {"project", 0, OPTION_TEXT, &(settings).project, "ID",                                                          \
   "the project of the usage ($CODECMETER_PROJECT)"},                                                                          \
  {"ca-file", 0, OPTION_TEXT, &(settings).ca_file, "FILE",                                                        \
   "the certificate (PEM) that signed the server's certificate, if the system does not trust it "                 \
   "($CODECMETER_CA_FILE)"},                                                                                      \
  {"env", 0, OPTION_TEXT, &(settings).env_file, "FILE",                                                           \
   "read CODECMETER_* settings from a file; then those in the environment are not used, except $CODECMETER_SPOOL and "     \
   "$CODECMETER_AGENT"}

/* Rows for a command that reads /v1. */
#define CLIENT_READ_ROWS(settings)                                                                                \
  {"url", 0, OPTION_TEXT, &(settings).url, "URL",                                                                 \
   "the server's URL ($CODECMETER_URL, else http://127.0.0.1:8080)"},                                             \
  {"token", 0, OPTION_TEXT, &(settings).read_token, "TOKEN",                                                      \
   "a token of scope read; every user of this machine can see it with `ps`, so prefer $CODECMETER_READ_TOKEN or " \
   "--env"},                                                                                                      \
  {"ca-file", 0, OPTION_TEXT, &(settings).ca_file, "FILE",                                                        \
   "the certificate (PEM) that signed the server's certificate, if the system does not trust it "                 \
   "($CODECMETER_CA_FILE)"},                                                                                      \
  {"env", 0, OPTION_TEXT, &(settings).env_file, "FILE",                                                           \
   "read CODECMETER_* settings from a file; then those in the environment are not used"}

/* A further row for commands that spool events while the server cannot take them. */
#define CLIENT_SPOOL_ROW(settings)                                                                                \
  {"spool", 0, OPTION_TEXT, &(settings).spool, "DIR",                                                             \
   "directory of events that the server has not taken yet "                                                       \
   "($CODECMETER_SPOOL, else ~/.local/state/codecmeter/spool)"}
/* A further row for commands that report the status of this machine's agent. */
#define CLIENT_AGENT_ROW(settings)                                                                                \
  {"agent", 0, OPTION_TEXT, &(settings).agent, "NAME",                                                            \
   "this machine's name in `codecmeter sources` ($CODECMETER_AGENT, else the host's name)"}
/* clang-format on */

/* Fills in settings that the command line did not give, then the default URL. With an --env file, they come from the
 * file: a setting that it does not have, or has as an empty text, is not taken from the environment, except the spool
 * and the agent's name.
 * Unless --quiet was given, a line on standard error names the variables that are not used for this reason. Without
 * such a file, the settings come from the environment. -ERR_USAGE if the file cannot be read, or has a line that is
 * not NAME=value. */
MUST_USE int client_settings_fill(struct client_settings *settings, struct err *err);

#endif
