/* What a request costs: its body, what its endpoint keeps of it, and its answer, each counted against the bound of all
 * requests. Whatever way a request ends, exchange_end gives all of it back.
 */
#include "http/exchange.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/json.h"
#include "base/lock.h"
#include "http/access_log.h"
#include "http/arriving.h"
#include "http/query.h"

static bool may_move(enum exchange_state from, enum exchange_state to) {
#define IS_MOVE(before, after, function) || (from == (before) && to == (after))
  return false EXCHANGE_MOVES(IS_MOVE);
#undef IS_MOVE
}

void exchange_move(struct exchange *x, enum exchange_state to) {
  CHECK(may_move(x->state, to));
  x->state = to;
}

void exchange_drop_body(struct exchange *x) {
  buf_fini(&x->body);
  atomic_fetch_sub(&x->server->bodies_used, x->counted);
  x->counted = 0;
}

void exchange_end(struct connection *connection) {
  struct exchange *x = connection->exchange;
  struct http_server *server = connection->server;
  if (x == NULL) return;
  connection->exchange = NULL;
  arriving_remove(x);
  query_end(x);
  if (x->query.begun) access_log(x);
  if (x->route != NULL && x->route->release != NULL) x->route->release(x->route->arg, &x->request);
  exchange_drop_body(x);
  atomic_fetch_sub(&server->bodies_used, x->held);
  atomic_fetch_sub(&server->answers_used, x->claimed);
  buf_fini(&x->reply.body);
  free(x->uri);
  free(x);
  lock_take(&server->lock);
  server->exchanges--;
  lock_give(&server->lock);
}

bool exchange_count(struct http_server *server, uint64_t *counter, size_t len) {
  bool fits = atomic_fetch_add(&server->bodies_used, len) + len <= server->options.bodies_max;
  if (fits) *counter += len;
  else atomic_fetch_sub(&server->bodies_used, len);
  return fits;
}

bool http_hold(struct http_request *request, size_t bytes) {
  struct exchange *x = (struct exchange *)(void *)request;
  return exchange_count(x->server, &x->held, bytes);
}

bool exchange_finish_body(struct exchange *x) {
  if (x->body.len == 0 || x->request.body.len > 0) return true;
  size_t len = x->body.len;
  char *padding = buf_extend(&x->body, JSON_PADDING);
  if (padding == NULL) return false;
  memset(padding, 0, JSON_PADDING);
  x->request.body = str_make(x->body.ptr, len);
  return true;
}

bool exchange_claim(struct http_server *server, uint64_t *part, size_t bytes) {
  uint64_t more = bytes > *part ? bytes - *part : 0, less = bytes < *part ? *part - bytes : 0;
  atomic_fetch_sub(&server->answers_used, less);
  if (more > 0 && atomic_fetch_add(&server->answers_used, more) + more > server->options.answers_max) {
    atomic_fetch_sub(&server->answers_used, more);
    return false;
  }
  *part = bytes;
  return true;
}

void exchange_charge(struct http_server *server, uint64_t *part, size_t bytes) {
  atomic_fetch_add(&server->answers_used, bytes - *part); /* modulo 2^64: also down */
  *part = bytes;
}

bool http_claim(struct http_request *request, size_t bytes) {
  struct exchange *x = (struct exchange *)(void *)request;
  return exchange_claim(x->server, &x->claimed, bytes);
}

void exchange_reset_reply(struct exchange *x) {
  CHECK(x->reply.stream.next == NULL);
  buf_fini(&x->reply.body);
  x->reply = (struct http_reply){.status = 200, .content_type = "application/json"};
}

void exchange_settle(struct exchange *x) {
  struct buf *body = &x->reply.body;
  if (body->cap > HTTP_SHORT && body->cap - body->len > body->cap / 4) buf_shrink(body);
  if (x->claimed > body->cap || body->cap > HTTP_SHORT) exchange_charge(x->server, &x->claimed, body->cap);
}
