/* From what a script returned to events: checks outputs member by member, gives defaults, and leaves out what no
 * report can hold. For adapter.c. */
#ifndef CODECMETER_ADAPT_OUTPUTS_H
#define CODECMETER_ADAPT_OUTPUTS_H

#include "adapt/adapter.h"
#include "ingest/read/event_tree.h"

struct output_name {
  struct str source, id;
};

struct outputs {
  struct arena *arena;
  const char *adapter; /* its name */
  const struct adapter_query *query;
  int64_t now_ms;
  struct event_tree *items[ADAPTER_OUTPUTS_MAX];
  size_t count;
  struct output_name names[ADAPTER_OUTPUTS_MAX]; /* of items */
  const char *remarks[ADAPTER_OUTPUTS_MAX + 1];  /* the script's, then those of what is left out */
  size_t remarks_count;
  size_t untold; /* remarks that found no room */
};

/* Fills items and remarks from the results of a script. The texts live in the arena, or are those of the query. The
 * caller has set the members above items. -ERR_SCRIPT: an output has no id, or a member of another name or form.
 * -ERR_MEMORY: the arena is used up. */
MUST_USE int outputs_take(struct outputs *outputs, const struct json *made, const struct json *remarks,
                          struct err *err);

#endif
