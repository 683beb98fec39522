/* The door of endpoints that take bearer tokens: an endpoint says what it does, and the door looks whether the token
 * allows that. */
#ifndef CODECMETER_HTTP_BEARER_H
#define CODECMETER_HTTP_BEARER_H

#include "base/clock.h"
#include "http/request.h"
#include "ledger/ledger.h"
#include "sources/token_uses.h"

/* What the request does. */
enum bearer_need {
  BEARER_REPORT, /* reports usage, or how an agent is: scope write or void */
  BEARER_READ,   /* reads usage: scope read, and no other */
};

/* All pointers are borrowed. One for all endpoints; any thread may use it. */
struct bearer_door {
  const struct ledger *ledger;
  struct token_uses *uses; /* NULL: uses are not noted */
  const struct clock *clock;
};

/* Finds the token of a secret, and notes its id in request->who for the access log, also of a token that is refused.
 * True: *ret is a copy of the token, and this use is noted. The caller compares ret->project ("": every project) with
 * what is asked.
 * False: the reply is filled. 401 if the request has no secret (it is empty), or if its token is unknown, revoked or
 * expired; 403 if its scope does not allow `need`. The text says which of these holds and how to get a token that
 * works. It names a token by its public id only. Takes a short lock; never waits for a disk. */
MUST_USE bool bearer_check(const struct bearer_door *door, enum bearer_need need, struct str secret,
                           struct http_request *request, struct http_reply *reply, struct token *ret);

/* The same with the secret from the header Authorization. */
MUST_USE bool bearer_check_header(const struct bearer_door *door, enum bearer_need need, struct http_request *request,
                                  struct http_reply *reply, struct token *ret);

/* True while a token that bearer_check returned is neither revoked nor expired. A stream asks before each piece, and
 * ends when this is false. Notes no use. */
MUST_USE bool bearer_holds(const struct bearer_door *door, const struct token *token);

/* The zone of the projects that this token's events create; NULL if they create none. former: the zone for a token
 * that names none, because an earlier version made it. */
const char *bearer_projects_zone(const struct token *token, const char *former);

#endif
