/* The events of a ReportUsage: flattened (Event.0.Codec=h264) or nested (a JSON body's "Event" is an array of objects).
 * Either becomes the tree that the event would have as JSON on /v1/events, and is read as that. For users: docs/api.md.
 */
#ifndef CODECMETER_API_USAGE_PARAMS_H
#define CODECMETER_API_USAGE_PARAMS_H

#include "api/call.h"
#include "api/params.h"
#include "ingest/event_tree.h"

#define USAGE_PARAMS_EVENTS_MAX 100
#define USAGE_PARAMS_TOO_LARGE "fewer or smaller events"

struct usage_params_event {
  uint32_t number; /* Event.N's N, or its place in the array */
  struct event_tree *tree;
};
struct usage_params {
  struct usage_params_event *items[USAGE_PARAMS_EVENTS_MAX]; /* by number */
  size_t count;
};

/* In the arena; borrows from the parameters. 0, or the code of the refusal. */
MUST_USE int usage_params_read(const struct params *params, struct arena *arena, struct usage_params *ret,
                               struct refusal *refusal);

#endif
