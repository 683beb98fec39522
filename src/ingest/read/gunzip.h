/* Content-Encoding: gzip. Source: RFC 1952; design §4 (bounded after inflation). */
#ifndef CODECMETER_INGEST_READ_GUNZIP_H
#define CODECMETER_INGEST_READ_GUNZIP_H

#include "base/bytes.h"
#include "base/err.h"

/* Inflates all members of a gzip text, and appends the result to out. -ERR_PARSE: it is damaged or cut off, or
 * something follows it. -ERR_LIMIT: the result has more than `max` bytes; no more memory than for that is used. */
MUST_USE int gunzip(struct str text, size_t max, struct buf *out, struct err *err);

/* Appends the text as gzip, as small as zlib makes it. Without memory, out is failed. */
void gzip_whole(struct str text, struct buf *out);

#endif
