/* From bytes to records: the bodies of POST /v1/events. Source: design §4; for users, docs/events.md.
 *
 * event_read takes a whole body of a known content type and gives one entry per event: a checked, canonical usage
 * record, or the reason why it is rejected. One bad event never harms its neighbours: an element of an array or a
 * line of ndjson that is no JSON at all is rejected alone, as long as it can be told where it ends; so is one whose
 * tree would take more than EVENT_TREE_MAX. A frame that cannot be read (not JSON, not an array where one must be)
 * refuses the whole body, and nothing of it is kept.
 *
 * Memory: what is kept of a body is at most its bytes and less than a kilobyte for each event; while it is read, one
 * event's tree more.
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
  EVENT_FRAMING_BINARY,     /* one event: its attributes in headers ce-…, the body is its data */
};

/* What a request brings: headers matter in binary mode only, and are those for which event_header_is_attribute. */
struct event_source {
  enum event_framing framing;
  struct str body; /* JSON_PADDING bytes readable behind it */
  const struct event_header { struct str name, value; /* as sent */ } * headers;
  size_t headers_count;
};

#define EVENT_HEADERS_MAX 64 /* attributes of an event in binary mode */
bool event_header_is_attribute(struct str name);

struct event_rules {
  const char *project; /* the token's: the default of an absent subject, and the only one taken; NULL: every one */
  const char *token;   /* id of the token, kept with a void; or NULL */
  bool may_void;       /* usage.voided is taken */
  bool may_wait;       /* a finished transcode that lacks codec, size or duration is kept as unresolved */
  int64_t now_ms;      /* when it arrived */
  uint32_t events_max; /* in one body; more is -ERR_LIMIT for the whole: 413 */
};

#define EVENT_AHEAD_MAX_MS INT64_C(300000)      /* a clock may run this far ahead of ours */
#define EVENT_TIME_MIN_MS INT64_C(315532800000) /* 1980-01-01: since then every zone keeps quarter hours */
#define EVENT_IMAGES_MAX INT64_C(2147483647)    /* images of one snapshot task */
#define EVENT_DEPTH_MAX 32                      /* nesting of a body, and of a line of ndjson */
#define EVENT_TREE_MAX ((size_t)4 << 20)        /* memory of one event while it is read; a larger one is rejected */

struct event {
  struct str id;      /* as given, cut to EVENT_ID_MAX; empty when it had none that can be read */
  const char *reason; /* why it is rejected: a short sentence, static or in the arena; NULL when it is not */
};

struct events {
  struct event *items; /* every event of the body, in order */
  size_t count;
  struct usage *usages; /* of those not rejected, in order: what a batch is made of. Texts live in the arena */
  size_t usages_count;
  bool single; /* one event alone, not in an array or ndjson: answered with 200, 409 or 422 */
};

/* Bytes of arena that event_read may need for a body and headers of that length. */
size_t event_memory_max(size_t source_len, uint32_t events_max);

/* Neither source nor parser is needed afterwards. The arena is reset; ret lives in it. -ERR_PARSE: the frame is
 * wrong. -ERR_LIMIT: more events than rules allow, or more than the arena holds. -ERR_MEMORY: the system has none. */
MUST_USE int event_read(struct json_parser *parser, struct arena *arena, const struct event_source *source,
                        const struct event_rules *rules, struct events *ret, struct err *err);

#endif
