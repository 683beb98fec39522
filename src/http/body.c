#include "http/body.h"

#include <stdio.h>

#include "base/json.h"
#include "http/waiter.h"
#include "ingest/gunzip.h"

enum http_result body_refuse(struct http_reply *reply, int result, const struct err *err) {
  if (result == -ERR_MEMORY) return waiter_refuse(reply, WAITER_NO_MEMORY);
  http_reply_problem(reply, result == -ERR_LIMIT ? 413 : 400, err->text);
  return HTTP_ANSWERED;
}

void body_too_large(struct http_reply *reply, uint64_t body_max) {
  char detail[96];
  (void)snprintf(detail, sizeof detail, "the body has more than %llu bytes (ingest.body_max)",
                 (unsigned long long)body_max);
  http_reply_problem(reply, 413, detail);
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
  if (result != 0) (void)body_refuse(reply, result, &err);
  *ret = buf_view(inflated);
  return result == 0;
}
