/* Reads lists of /v1 for the commands: asks for ndjson, hands over row by row, and accepts only a complete answer. */
#ifndef CODECMETER_CLI_READER_H
#define CODECMETER_CLI_READER_H

#include "agent/client.h"
#include "base/json.h"

#define READER_CURSOR_MAX 511

/* Receives a row: its object, and the line that it was made of (without its end). Both are valid during the call.
 * Returns 0, or an error that ends the reading and is its result. */
struct reader_visitor {
  int (*row)(void *arg, const struct json *object, struct str line, struct err *err);
  void *arg;
};

struct reader_end {
  char position[CLIENT_POSITION_SIZE]; /* of the ledger, of which the answer tells; "" if the server says none */
  char cursor[READER_CURSOR_MAX + 1];  /* of the next page; "" if this was the last */
  uint64_t rows;
};

/* path: "/v1/usage?month=2026-10", without `format`. If the server is busy before it answers, asks again a few times.
 * Errors name the URL and say what to do:
 *   -ERR_USAGE      no token, or a parameter is refused; the text names the option
 *   -ERR_DENIED     the token is unknown, revoked, expired, or of another scope
 *   -ERR_NOT_FOUND  a project or a task; the text suggests a project with a similar id
 *   -ERR_NETWORK, -ERR_REMOTE  no answer, not a complete one, or none of a codecmeter server
 * After an error the visitor may have got a part of the rows. */
MUST_USE int reader_rows(struct client *client, const char *path, const struct reader_visitor *visitor,
                         struct reader_end *ret, struct err *err);

/* The names of the columns of such a list, "project,seconds": for a list without rows, which has no other place for
 * them. */
MUST_USE int reader_columns(struct client *client, const char *path, struct buf *ret_names, struct err *err);

/* Reads a resource that is one object. The tree is in the arena. Errors as above. */
MUST_USE int reader_object(struct client *client, const char *path, struct arena *arena, struct buf *ret_text,
                           const struct json **ret, struct err *err);

#endif
