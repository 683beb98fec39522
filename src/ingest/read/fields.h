/* The fields of one event: from parsed JSON to a checked, canonical record of usage. Source: design §4; the table for
 * users is in docs/events.md.
 */
#ifndef CODECMETER_INGEST_READ_FIELDS_H
#define CODECMETER_INGEST_READ_FIELDS_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/json.h"
#include "ingest/read/event.h"

/* Reads an event. 0: *ret_usage is complete. Its texts and those of *ret_event are static, belong to the rules, or
 * are copied to the arena, so the tree may be freed. scratch is for temporary data, and may be the tree's arena.
 * -ERR_RANGE: the event is rejected; ret_event->reason says why. -ERR_MEMORY: the arena is used up. -ERR_LIMIT:
 * scratch is used up. ret_event->id is set if the event has one. *ret_usage is undefined unless the result is 0. */
MUST_USE int fields_read(const struct json *event, const struct event_rules *rules, bool needs_specversion,
                         struct arena *scratch, struct arena *arena, struct event *ret_event, struct usage *ret_usage);

#endif
