/* Content-Encoding: gzip. Source: RFC 1952; design §4 (bounded after inflation). */
#ifndef CODECMETER_INGEST_GUNZIP_H
#define CODECMETER_INGEST_GUNZIP_H

#include "base/bytes.h"
#include "base/err.h"

/* Appends what the gzip text holds, all of its members, to out. -ERR_PARSE: damaged, cut off, or something stands
 * behind it. -ERR_LIMIT: more than `max` bytes come out; no more memory than for that is used. */
MUST_USE int gunzip(struct str text, size_t max, struct buf *out, struct err *err);

#endif
