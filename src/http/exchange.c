/* What a request costs: its body, what its endpoint keeps of it, and its answer, each counted against the bound of all
 * requests. Whatever way a request ends, exchange_end gives all of it back.
 */
#include "http/exchange.h"

#include <stdlib.h>

#include "base/check.h"
#include "http/arriving.h"

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
  if (x->route != NULL && x->route->release != NULL) x->route->release(x->route->arg, &x->request);
  exchange_drop_body(x);
  atomic_fetch_sub(&server->bodies_used, x->held);
  atomic_fetch_sub(&server->answers_used, x->claimed);
  buf_fini(&x->reply.body);
  free(x->uri);
  free(x);
  (void)pthread_mutex_lock(&server->lock);
  server->exchanges--;
  (void)pthread_mutex_unlock(&server->lock);
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

bool http_claim(struct http_request *request, size_t bytes) {
  struct exchange *x = (struct exchange *)(void *)request;
  struct http_server *server = x->server;
  uint64_t more = bytes > x->claimed ? bytes - x->claimed : 0, less = bytes < x->claimed ? x->claimed - bytes : 0;
  atomic_fetch_sub(&server->answers_used, less);
  if (more > 0 && atomic_fetch_add(&server->answers_used, more) + more > server->options.answers_max) {
    atomic_fetch_sub(&server->answers_used, more);
    return false;
  }
  x->claimed = bytes;
  return true;
}

void exchange_settle(struct exchange *x) {
  struct buf *body = &x->reply.body;
  if (body->cap > HTTP_SHORT && body->cap - body->len > body->cap / 4) buf_shrink(body);
  if (x->claimed > body->cap) {
    bool settled = http_claim(&x->request, body->cap);
    CHECK(settled);
  } else if (body->cap > HTTP_SHORT) {
    atomic_fetch_add(&x->server->answers_used, body->cap - x->claimed);
    x->claimed = body->cap;
  }
}
