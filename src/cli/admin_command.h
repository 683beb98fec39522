/* Shared by `project`, `key`, `token`, `unresolved` and `sources`: sends a request to the process that has the ledger open, and
 * prints its reply. */
#ifndef CODECMETER_CLI_ADMIN_COMMAND_H
#define CODECMETER_CLI_ADMIN_COMMAND_H

#include "base/bytes.h"
#include "base/err.h"
#include "base/json.h"
#include "base/json_write.h"
#include "cli/options.h"

/* A column of the table that a list or a change prints. */
struct admin_column {
  const char *field; /* of the items */
  const char *title;
};

struct admin_print {
  bool json; /* items as they are: a list as an array, one made or changed as an object */
  bool is_list;
  bool is_asked_for;                                /* the table is printed with --quiet, too */
  bool needs_server;                                /* -ERR_NOT_FOUND if no server runs */
  const char *quiet_fields[3];                      /* these are printed with --quiet, in one line; may be all NULL */
  const struct admin_column *columns; /* ends with field NULL; NULL: nothing is printed, `look` does it */
  void (*look)(void *arg, const struct json *item); /* called for each item; may be NULL */
  void *arg;
};

/* A request begins with admin_begin, which writes to out; admin_command ends it. The others write a member when a
 * value is given. admin_command refuses a request with a text that is not UTF-8. */
struct json_write admin_begin(struct buf *out, const char *group, const char *verb);
void admin_text(struct json_write *request, const char *name, const char *value);
void admin_flag(struct json_write *request, const char *name, bool value);
void admin_list(struct json_write *request, const char *name, char *const *values);

/* Sends the request for a data directory, running server or not, and prints the answer. */
MUST_USE int admin_command(const char *data, struct json_write *request, const struct admin_print *print,
                           struct err *err);

#endif
