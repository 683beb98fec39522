/* An event put together member by member, for what does not come as an event's JSON: the tree that it would have.
 */
#ifndef CODECMETER_INGEST_EVENT_TREE_H
#define CODECMETER_INGEST_EVENT_TREE_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/json.h"

struct event_tree {
  struct json event, data;                   /* data is a member of event */
  const struct json **event_end, **data_end; /* where their next member is linked */
};

/* In the arena; NULL when it is used up. */
MUST_USE struct event_tree *event_tree_new(struct arena *arena);

/* A number becomes one when the text is one by JSON's grammar, else stays a text, for which it is then rejected. A
 * time may be in Unix seconds or milliseconds, and becomes RFC 3339; what is neither stays as it is. */
enum event_tree_form { EVENT_TREE_TEXT, EVENT_TREE_NUMBER, EVENT_TREE_SECONDS, EVENT_TREE_MS };

/* Adds a member to the event, or to its data; texts are borrowed. -ERR_MEMORY. */
MUST_USE int event_tree_add(struct event_tree *tree, struct arena *arena, bool is_data, struct str name,
                            enum event_tree_form form, struct str value);

bool event_tree_has(const struct event_tree *tree, bool is_data, const char *name);

#endif
