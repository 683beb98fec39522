/* CloudEvents' binary mode: builds, from headers and body, the tree that the event would have in structured mode.
 * Source: CloudEvents' HTTP binding 1.0, section 3.1.
 */
#ifndef CODECMETER_INGEST_READ_BINARY_H
#define CODECMETER_INGEST_READ_BINARY_H

#include "base/arena.h"
#include "base/json.h"
#include "ingest/read/event.h"

/* The tree lives in the arena, and borrows from the source's headers. -ERR_PARSE: a header cannot be read, or the
 * body is not JSON. -ERR_LIMIT, -ERR_MEMORY: the tree does not fit into the arena, or the system has no memory. */
MUST_USE int binary_assemble(struct json_parser *parser, struct arena *arena, const struct event_source *source,
                             const struct json **ret, struct err *err);

#endif
