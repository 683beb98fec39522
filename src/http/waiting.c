/* http_resume may be called before the handler returns; then nothing is suspended. The resumer and the sweeper both may
 * move WAITING to READY. The server's lock decides which of them does, and only that one resumes the connection.
 */
#include "http/waiting.h"

#include "base/lock.h"
#include "http/connections.h"
#include "http/http_mhd.h"

/* With the lock held. */
static void list_waiting(struct exchange *x) {
  x->next = x->server->waiting;
  x->previous = NULL;
  if (x->next != NULL) x->next->previous = x;
  x->server->waiting = x;
}

static void unlist_waiting(struct exchange *x) {
  if (x->previous != NULL) x->previous->next = x->next;
  else x->server->waiting = x->next;
  if (x->next != NULL) x->next->previous = x->previous;
}

void http_resume(struct http_request *request) {
  struct exchange *x = (struct exchange *)(void *)request;
  struct http_server *server = x->server;
  lock_take(&server->lock);
  bool suspended = x->state == WAITING;
  if (suspended) {
    unlist_waiting(x);
    exchange_move(x, READY);
  } else {
    x->resumed_early = true;
  }
  lock_give(&server->lock);
  if (suspended) http_mhd_resume(x);
}

bool waiting_begin(struct exchange *x) {
  struct http_server *server = x->server;
  lock_take(&server->lock);
  bool suspends = !x->resumed_early;
  if (suspends) {
    exchange_move(x, WAITING);
    x->wait_deadline_ms = exchange_now_ms() + server->options.wait_timeout_ms;
    x->connection->deadline_ms = EXCHANGE_FOREVER;
    list_waiting(x);
    http_mhd_suspend(x);
  }
  lock_give(&server->lock);
  return suspends;
}

struct exchange *waiting_expire_one(struct http_server *server, int64_t now) {
  for (struct exchange *x = server->waiting; x != NULL; x = x->next) {
    if (x->wait_deadline_ms > now || x->route->expired == NULL) continue;
    if (!x->route->expired(x->route->arg, &x->request, &x->reply)) continue; /* http_resume is about to be called */
    unlist_waiting(x);
    exchange_move(x, READY);
    return x;
  }
  return NULL;
}
