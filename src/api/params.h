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

/* Where the parameters stand. */
struct params_source {
  struct str content_type;
  struct str body;  /* JSON_PADDING bytes readable behind it; empty: there was none */
  struct str query; /* without '?' */
  size_t count_max; /* parameters, members of nested objects and elements of arrays counted too */
};

/* Reads them: from the body if there is one, else from the query. A body is JSON if its type says so, or if its type
 * says neither JSON nor form and it begins with '{'; else a form. -ERR_PARSE, -ERR_LIMIT, -ERR_MEMORY: it cannot be
 * read, err says why. -ERR_EXISTS: a name stands twice, in any case, at any level; err holds the name, cut. */
MUST_USE int params_read(const struct params_source *source, struct json_parser *parser, struct arena *arena,
                         struct params *ret, struct err *err);

/* How a parameter was given. */
enum params_found { PARAMS_ABSENT, PARAMS_TEXT, PARAMS_NESTED };

/* Finds a parameter without regard to case; its value without surrounding blanks. Empty is absent. */
enum params_found params_get(const struct params *params, const char *name, struct str *ret_text);

/* The Action of a request whose parameters could not be read, for its answer: the body's, or if none can be made out
 * there the query's, without surrounding blanks. Of several the first. False when there is none. */
MUST_USE bool params_find_action(const struct params_source *source, struct json_parser *parser, struct arena *arena,
                                 struct str *ret);

#endif
