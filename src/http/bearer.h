/* Bearer tokens: they say who reports usage. */
#ifndef CODECMETER_HTTP_BEARER_H
#define CODECMETER_HTTP_BEARER_H

#include "http/request.h"
#include "ledger/ledger.h"

/* Finds the token of a secret, and notes its id in request->who for the access log, also of a token that is refused.
 * False: the reply is filled, with 401 if the request has no secret (it is empty), or if its token is unknown, revoked
 * or, at now_ms (Unix ms), expired, and with 403 if the token may not report. A 401 says which of these holds, and
 * names a token by its public id only. */
MUST_USE bool bearer_check(const struct ledger *ledger, struct str secret, int64_t now_ms,
                           struct http_request *request, struct http_reply *reply, struct token *ret);

/* The zone of the projects that this token's events create; NULL if they create none. former: the zone for a token
 * that names none, because an earlier version made it. */
const char *bearer_projects_zone(const struct token *token, const char *former);

#endif
