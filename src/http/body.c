#include "http/body.h"

#include <stdio.h>

#include "base/diag.h"
#include "base/json.h"
#include "http/waiter.h"
#include "ingest/read/gunzip.h"

static enum http_result refuse(const struct http_request *request, struct http_reply *reply, unsigned status,
                               const char *why) {
  diag_warning("%.*s: refused a body of token %s with %u: %s", STR_ARG(request->path), request->who, status, why);
  http_reply_problem(reply, status, why);
  return HTTP_ANSWERED;
}

enum http_result body_refuse(const struct http_request *request, struct http_reply *reply, int result,
                             const struct err *err) {
  if (result == -ERR_MEMORY) return waiter_refuse_report(reply, METRIC_REFUSED_MEMORY, WAITER_NO_MEMORY);
  return refuse(request, reply, result == -ERR_LIMIT ? 413 : 400, err->text);
}

enum http_result body_refuse_type(const struct http_request *request, struct http_reply *reply, const char *why) {
  return refuse(request, reply, 415, why);
}

void body_too_large(const struct http_request *request, struct http_reply *reply, uint64_t body_max) {
  char detail[96];
  (void)snprintf(detail, sizeof detail, "the body has more than %llu bytes (ingest.body_max)",
                 (unsigned long long)body_max);
  (void)refuse(request, reply, 413, detail);
}

static int inflate_body(struct str body, uint64_t body_max, struct buf *inflated, struct err *err) {
  int result = gunzip(body, body_max, inflated, err);
  if (result == -ERR_LIMIT) return err_prefix(err, "ingest.body_max");
  if (result != 0) return result;
  char *padding = buf_extend(inflated, JSON_PADDING);
  if (padding == NULL) return err_set(err, ERR_MEMORY, "no memory to inflate the body");
  memset(padding, 0, JSON_PADDING);
  inflated->len -= JSON_PADDING;
  return 0;
}

bool body_decode(const struct http_request *request, enum content_coding coding, uint64_t body_max,
                 struct buf *inflated, struct http_reply *reply, struct str *ret) {
  struct err err = {0};
  *ret = request->body;
  if (coding == CODING_IDENTITY) return true;
  int result = inflate_body(request->body, body_max, inflated, &err);
  if (result != 0) (void)body_refuse(request, reply, result, &err);
  *ret = buf_view(inflated);
  return result == 0;
}
