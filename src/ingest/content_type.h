/* How a body of POST /v1/events is to be read, by what its head says. Source: design §4; CloudEvents' HTTP
 * binding 1.0.
 */
#ifndef CODECMETER_INGEST_CONTENT_TYPE_H
#define CODECMETER_INGEST_CONTENT_TYPE_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/err.h"
#include "ingest/event.h"

/* By content type, without regard to case, parameters allowed. has_attributes: there are headers that are an event's
 * attributes (event_header_is_attribute), which makes a type that is not CloudEvents' own that of the data; then it
 * may be absent. -ERR_NOT_FOUND, with the types that are taken, when it is another one, absent, or has a charset
 * other than utf-8: the answer is 415. */
MUST_USE int content_type_framing(struct str content_type, bool has_attributes, enum event_framing *ret,
                                  struct err *err);

/* application/json, or another that ends in /json or +json. */
bool content_type_is_json(struct str content_type);

enum content_coding { CODING_IDENTITY, CODING_GZIP };

/* Content-Encoding; empty is none. -ERR_NOT_FOUND: the answer is 415. */
MUST_USE int content_type_coding(struct str content_encoding, enum content_coding *ret, struct err *err);

#endif
