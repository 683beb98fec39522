/* What `project`, `key` and `token` share: sending a request to whoever has the ledger, and printing what comes back. */
#ifndef CODECMETER_CLI_ADMIN_COMMAND_H
#define CODECMETER_CLI_ADMIN_COMMAND_H

#include "base/bytes.h"
#include "base/err.h"
#include "base/json.h"
#include "cli/options.h"

/* A column of the table that a list or a change prints. */
struct admin_column {
  const char *field; /* of the items */
  const char *title;
};

struct admin_print {
  bool json;                          /* items as they are: a list as an array, one made or changed as an object */
  bool is_list;
  const struct admin_column *columns; /* ends with field NULL */
  void (*look)(void *arg, const struct json *item); /* told of each item; may be NULL */
  void *arg;
};

/* Appends ,"name":"value" to a request when value is given; one that is not UTF-8 makes admin_command refuse the request. A request begins with admin_begin, ends with admin_end. */
void admin_begin(struct buf *request, const char *group, const char *verb);
void admin_text(struct buf *request, const char *name, const char *value);
void admin_flag(struct buf *request, const char *name, bool value);
void admin_list(struct buf *request, const char *name, char *const *values);

/* Parses "VERB [OPTION…]" or "[OPTION…] VERB" by the spec and gives the verb, one of those named (blank-separated). */
MUST_USE int admin_verb(const struct option_spec *spec, const char *verbs, int argc, char **argv,
                        const char **ret_verb, struct err *err);

/* Sends the request for a data directory, running server or not, and prints the answer. */
MUST_USE int admin_command(const char *data, struct buf *request, const struct admin_print *print, struct err *err);

#endif
