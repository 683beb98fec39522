/* Bodies of reported usage: undoing what was done to them for the way, and refusing them. */
#ifndef CODECMETER_HTTP_BODY_H
#define CODECMETER_HTTP_BODY_H

#include "http/request.h"
#include "ingest/content_type.h"

/* Undoes the coding of a request's body. *ret: JSON_PADDING bytes readable behind it; in `inflated`, which the caller
 * frees, or the request's own. False: the reply says why. */
MUST_USE bool body_decode(const struct http_request *request, enum content_coding coding, uint64_t body_max,
                          struct buf *inflated, struct http_reply *reply, struct str *ret);

/* 413 for what is too much, else 400, with err's text. */
enum http_result body_refuse(struct http_reply *reply, int result, const struct err *err);
/* 413 for a body longer than ingest.body_max. */
void body_too_large(struct http_reply *reply, uint64_t body_max);

#endif
