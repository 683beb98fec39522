/* The parameters of a request: from a form, a query string or a JSON body. Source: design §3.1. */
#ifndef CODECMETER_API_PARAMS_H
#define CODECMETER_API_PARAMS_H

#include "auth/canon.h"
#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/json.h"

#define PARAMS_DEPTH_MAX 32

struct params {
  struct param *items; /* in the arena; texts too */
  size_t count;
};

/* The parts of a request that can hold parameters. */
struct params_source {
  struct str content_type;
  struct str body;  /* JSON_PADDING bytes behind it are readable; empty: there was none */
  struct str query; /* without the '?' */
  size_t count_max; /* most parameters; members of nested objects and elements of arrays count too */
};

/* Reads the parameters from the body if there is one, else from the query. A body is JSON if its type says so, or if
 * its type says neither JSON nor form and it begins with '{'. Any other body is a form; one of another type must name
 * an Action, else it is -ERR_PARSE. -ERR_PARSE, -ERR_LIMIT, -ERR_MEMORY: the parameters cannot be read, and err says
 * why. -ERR_EXISTS: a name appears twice, in any case, at
 * any level; err holds the name, cut. */
MUST_USE int params_read(const struct params_source *source, struct json_parser *parser, struct arena *arena,
                         struct params *ret, struct err *err);

/* How a parameter was given. */
enum params_found { PARAMS_ABSENT, PARAMS_TEXT, PARAMS_NESTED };

/* Finds a parameter by its name in any case. Removes blanks around the value; an empty value counts as absent. */
enum params_found params_get(const struct params *params, const char *name, struct str *ret_text);

/* Finds the Action of a request whose parameters could not be read, for its answer: in the body, or, if the body
 * shows none, in the query; the first one, without surrounding blanks. False if there is none. */
MUST_USE bool params_find_action(const struct params_source *source, struct json_parser *parser, struct arena *arena,
                                 struct str *ret);

#endif
