/* From bytes to records: the bodies of POST /v1/events. Source: design §4.
 *
 * event_read takes a whole body of a known content type and gives one entry per event: a checked, canonical usage
 * record, or the reason why it is rejected. One bad event never harms its neighbours; a frame that cannot be read
 * (not JSON, not an array where one must be) refuses the whole body, and nothing of it is kept.
 */
#ifndef CODECMETER_INGEST_EVENT_H
#define CODECMETER_INGEST_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/json.h"
#include "meter/usage.h"

enum event_framing {
  EVENT_FRAMING_STRUCTURED, /* application/cloudevents+json: one object */
  EVENT_FRAMING_BATCHED,    /* application/cloudevents-batch+json: an array */
  EVENT_FRAMING_JSON,       /* application/json: either; specversion may be absent */
  EVENT_FRAMING_NDJSON,     /* application/x-ndjson: an object a line; empty lines do not count */
};

/* By content type, without regard to case, parameters allowed (a charset other than utf-8 is refused). -ERR_NOT_FOUND. */
MUST_USE int event_framing_of(struct str content_type, enum event_framing *ret, struct err *err);

struct event_rules {
  const char *project;    /* the token's: the default of an absent subject, and the only one taken; NULL: every one */
  int64_t now_ms;         /* when it arrived */
  uint32_t events_max;    /* in one body; more is -ERR_LIMIT for the whole */
};

#define EVENT_REASON_MAX 160

struct event {
  bool rejected;
  struct str id;      /* as given, for the answer; empty when it had none that can be read */
  struct usage usage; /* when not rejected; texts live in the arena */
  const char *reason; /* when rejected; in the arena */
};

struct events {
  struct event *items;
  size_t count;
  bool single; /* one event alone, not in an array or ndjson: answered with 200, 409 or 422 */
};

/* -ERR_PARSE or -ERR_LIMIT: the frame is wrong. -ERR_MEMORY: the arena is used up. */
MUST_USE int event_read(struct json_parser *parser, struct arena *arena, enum event_framing framing, struct str body,
                        const struct event_rules *rules, struct events *ret, struct err *err);

#endif
