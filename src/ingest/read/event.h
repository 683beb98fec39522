/* From bytes to records: the bodies of POST /v1/events. Source: design §4; for users, docs/events.md.
 *
 * event_read takes a whole body of a known content type and gives one entry for each event: a checked, canonical
 * usage record, or the reason why the event is rejected. One bad event never harms its neighbours: an element of an
 * array or a line of ndjson that is not JSON is rejected alone, as long as its end can be found; so is an event whose
 * tree would take more than EVENT_TREE_MAX. If the frame cannot be read (it is not JSON, or not an array where it
 * must be one), the whole body is refused and nothing of it is kept.
 *
 * Memory: at most the size of the body and less than a kilobyte for each event; during the reading, one event's tree
 * more.
 */
#ifndef CODECMETER_INGEST_READ_EVENT_H
#define CODECMETER_INGEST_READ_EVENT_H

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
  EVENT_FRAMING_NDJSON,     /* application/x-ndjson: one object on each line; empty lines do not count */
  EVENT_FRAMING_BINARY,     /* one event: its attributes in headers ce-…, the body is its data */
};

/* The input: a body, and for binary mode the headers for which event_header_is_attribute is true. */
struct event_source {
  enum event_framing framing;
  struct str body; /* JSON_PADDING readable bytes behind it */
  const struct event_header { struct str name, value; /* as sent */ } * headers;
  size_t headers_count;
};

#define EVENT_HEADERS_MAX 64 /* attributes of an event in binary mode */
bool event_header_is_attribute(struct str name);

struct event_rules {
  const char *project; /* the token's project: default of `subject`, and its only value; NULL: the token is for all */
  const char *token;   /* id of the token, kept with a void; or NULL */
  bool may_void;       /* usage.voided is accepted */
  bool may_wait;       /* a finished transcode that lacks codec, size or duration is kept as unresolved */
  int64_t now_ms;      /* time of arrival */
  uint32_t events_max; /* in one body; a body with more is refused with -ERR_LIMIT (413) */
};

#define EVENT_AHEAD_MAX_MS INT64_C(300000)      /* a clock may run this far ahead of ours */
#define EVENT_TIME_MIN_MS INT64_C(315532800000) /* 1980-01-01: since then every zone keeps quarter hours */
#define EVENT_IMAGES_MAX INT64_C(2147483647)    /* images of one snapshot task */
#define EVENT_DEPTH_MAX 32                      /* nesting of a body, and of a line of ndjson */
#define EVENT_TREE_MAX ((size_t)4 << 20)        /* memory for the tree of one event; a larger event is rejected */

struct event {
  struct str id;      /* as given, cut to EVENT_ID_MAX; empty if the event has no readable id */
  const char *reason; /* why it is rejected: short, static or in the arena; NULL if it is not */
};

struct events {
  struct event *items; /* every event of the body, in order */
  size_t count;
  struct usage *usages; /* of the events that are not rejected, in order. Texts live in the arena */
  size_t usages_count;
  bool single; /* a single event, not in an array or ndjson: answered with 200, 409 or 422 */
};

/* The most bytes of arena that event_read needs for a body and headers of that length. */
size_t event_memory_max(size_t source_len, uint32_t events_max);

/* Reads a body. Resets the arena first; *ret lives in it, and needs neither source nor parser afterwards. -ERR_PARSE:
 * the frame is wrong. -ERR_LIMIT: more events than the rules allow, or more than the arena holds. -ERR_MEMORY: the
 * system has no memory. */
MUST_USE int event_read(struct json_parser *parser, struct arena *arena, const struct event_source *source,
                        const struct event_rules *rules, struct events *ret, struct err *err);

#endif
