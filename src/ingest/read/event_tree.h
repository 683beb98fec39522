/* Builds an event's tree member by member, from a source that is not an event in JSON. */
#ifndef CODECMETER_INGEST_READ_EVENT_TREE_H
#define CODECMETER_INGEST_READ_EVENT_TREE_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/json.h"

struct event_tree {
  struct json event, data;                   /* data is a member of event */
  const struct json **event_end, **data_end; /* where their next member is linked */
};

/* Makes an empty event in the arena. NULL if the arena is used up. */
MUST_USE struct event_tree *event_tree_new(struct arena *arena);

/* NUMBER: a text that is a number in JSON's grammar becomes one; any other stays a text, and the event is rejected
 * for it later. SECONDS, MS: a Unix time in that unit becomes RFC 3339; any other text stays as it is. */
enum event_tree_form { EVENT_TREE_TEXT, EVENT_TREE_NUMBER, EVENT_TREE_SECONDS, EVENT_TREE_MS };

/* Adds a member to the event, or to its data. Texts are borrowed. -ERR_MEMORY: the arena is used up. */
MUST_USE int event_tree_add(struct event_tree *tree, struct arena *arena, bool is_data, struct str name,
                            enum event_tree_form form, struct str value);

#endif
