/* Our API for reading, /v1: the door of the room. One file for each resource; resource.h says how to write one.
 *
 *   request ──> door (token of scope read) ──> parameters (param.h) ──> resource: open ──> next … ──> rows (rows.h)
 *                  401, 403                       400, 404, 406           404, 503
 *
 * The first piece of an answer is made before the status is sent, so an error that is found in it has a status of its
 * own. An answer that fits into one piece is sent whole, with its length and an ETag. A longer one is streamed;
 * between two pieces only the resource's state is held. A stream ends, without its last chunk, when its token is
 * revoked or expires. */
#ifndef CODECMETER_V1_V1_H
#define CODECMETER_V1_V1_H

#include "base/clock.h"
#include "http/bearer.h"
#include "http/request.h"
#include "ledger/ledger.h"
#include "sources/sources.h"

struct cursor_key;
struct v1;

struct v1_options {
  const struct bearer_door *door; /* all pointers are borrowed until v1_free */
  struct ledger *ledger;
  struct sources *sources;
  const struct clock *clock;
  const struct cursor_key *cursor_key; /* v1/cursor.h */
  uint64_t memory_max; /* bytes that answers keep between two turns, all together */
};
/* Never returns NULL: without memory it ends the program. */
MUST_USE struct v1 *v1_new(const struct v1_options *options);
void v1_free(struct v1 *v1); /* every request has ended */

/* Bytes that answers keep between two turns now. Any thread. */
uint64_t v1_held(const struct v1 *v1);

/* Fills rows of the route table: one for each resource, and last one for "/v1/", which answers 404 and lists the
 * resources. They come behind the routes of /v1 that take reports. Returns how many. */
#define V1_ROUTES_MAX 8
size_t v1_routes(struct v1 *v1, struct http_route routes[V1_ROUTES_MAX]);

#endif
