/* From a request's head: how to read the body of POST /v1/events. Source: design §4; CloudEvents' HTTP binding 1.0.
 */
#ifndef CODECMETER_INGEST_READ_CONTENT_TYPE_H
#define CODECMETER_INGEST_READ_CONTENT_TYPE_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/err.h"
#include "ingest/read/event.h"

/* Chooses by content type, in any case, with parameters. has_attributes: the head has headers that are attributes of
 * an event (event_header_is_attribute). Then a type that is not CloudEvents' own is the type of the data, and may be
 * absent. -ERR_NOT_FOUND, with the types that are accepted: the type is another one, is absent, or has a charset
 * other than utf-8; the answer is 415. */
MUST_USE int content_type_framing(struct str content_type, bool has_attributes, enum event_framing *ret,
                                  struct err *err);

/* True for application/json, and for any type that ends in /json or +json. */
bool content_type_is_json(struct str content_type);

enum content_coding { CODING_IDENTITY, CODING_GZIP };

/* Reads Content-Encoding; empty means none. -ERR_NOT_FOUND: the coding is unknown; the answer is 415. */
MUST_USE int content_type_coding(struct str content_encoding, enum content_coding *ret, struct err *err);

#endif
