/* Bearer tokens: who reports. */
#ifndef CODECMETER_HTTP_BEARER_H
#define CODECMETER_HTTP_BEARER_H

#include "http/request.h"
#include "ledger/ledger.h"

/* Finds the token of a secret that may report usage, and names it for the access log; else fills the reply, 401 or
 * 403. secret: empty when there is none. */
MUST_USE bool bearer_check(const struct ledger *ledger, struct str secret, struct http_request *request,
                           struct http_reply *reply, struct token *ret);

/* The zone of the projects that this token's events make; NULL if they make none. former: of a token that names none,
 * because an earlier version made it. */
const char *bearer_projects_zone(const struct token *token, const char *former);

#endif
