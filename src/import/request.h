/* One request of an import: sent until the server answers. */
#ifndef CODECMETER_IMPORT_REQUEST_H
#define CODECMETER_IMPORT_REQUEST_H

#include <stdint.h>

#include "agent/client.h"
#include "base/err.h"
#include "base/json.h"

struct import_patience {
  uint64_t give_up_ms;                             /* give up after this time without an answer */
  void (*waits)(void *arg, const struct err *why); /* called once per request that must be sent again */
  void *arg;
};

/* Calls attempt, which sends the request into `reply` and reads the answer, until it gives neither -ERR_NETWORK nor
 * -ERR_BUSY, or until it is time to give up; the result is that of the last call. It waits as long as the answer's
 * Retry-After asks; if that goes beyond the time to give up, it gives up at once. -ERR_STOPPING: a stop was requested
 * while there was no answer. */
MUST_USE int import_request_try(const struct import_patience *patience, struct client_reply *reply,
                          int (*attempt)(void *arg, struct err *err), void *arg, struct err *err);

/* The memory that the tree of an answer may take, and how deep it may be nested. */
#define IMPORT_REPLY_TREE(len) ((len)*24 + 65536)
#define IMPORT_REPLY_DEPTH 8

/* The error of an answer that is not 200. top: its JSON object, or NULL. -ERR_LIMIT: the body is too large (413).
 * -ERR_BUSY: the same request may succeed later. -ERR_DENIED: it would not. */
MUST_USE int import_request_refusal(const struct client_reply *reply, const struct json *top, struct err *err);

#endif
