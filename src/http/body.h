/* Bodies of reported usage: undoes their content coding, and refuses them. */
#ifndef CODECMETER_HTTP_BODY_H
#define CODECMETER_HTTP_BODY_H

#include "http/request.h"
#include "ingest/read/content_type.h"

/* Undoes the coding of a request's body. *ret has JSON_PADDING readable bytes behind it. It is in `inflated`, which
 * the caller frees, or is the request's own body. False: the reply says why. */
MUST_USE bool body_decode(const struct http_request *request, enum content_coding coding, uint64_t body_max,
                          struct buf *inflated, struct http_reply *reply, struct str *ret);

/* Each of these refuses a whole body, and logs it, because its sender may not read the answer. */

/* Fills the reply with err's text: 413 if the result is -ERR_LIMIT, 503 if -ERR_MEMORY (not logged), else 400. */
enum http_result body_refuse(const struct http_request *request, struct http_reply *reply, int result,
                             const struct err *err);
/* Fills the reply with 415: the content type or encoding is not taken. */
enum http_result body_refuse_type(const struct http_request *request, struct http_reply *reply, const char *why);
/* Fills the reply with 413: the body is longer than ingest.body_max. */
void body_too_large(const struct http_request *request, struct http_reply *reply, uint64_t body_max);

#endif
