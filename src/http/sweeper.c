/* Deadlines. The library has only an idle timeout, and a client that sends one byte a second never reaches it. So each
 * connection has a deadline, and the sweeper shuts its socket down when that passes. It also ends waits that have
 * expired, closes connections for room, and gives back memory that nobody uses.
 */
#include "http/sweeper.h"

#include "base/diag.h"
#include "base/lock.h"
#include "base/memory.h"
#include "base/wait.h"
#include "http/connections.h"
#include "http/http_mhd.h"
#include "http/query.h"
#include "http/waiting.h"

#define SWEEP_MS 250
#define GIVE_BACK_MS 5000
#define LOST_LOG_MS 60000

static void sweep(struct http_server *server, int64_t now) {
  for (struct connection *c = server->connections; c != NULL; c = c->next) {
    if (c->deadline_ms <= now) connections_lose(c, METRIC_CLOSED_DEADLINE);
    else if (c->is_replying && c->judge_ms <= now) connections_judge(c, now);
  }
  connections_make_room(server);
  for (struct exchange *x = waiting_expire_one(server, now); x != NULL; x = waiting_expire_one(server, now)) {
    lock_give(&server->lock);
    http_mhd_resume(x);
    lock_take(&server->lock);
  }
}

/* Times of what the sweeper does once in a while, without the lock. */
struct rounds {
  int64_t give_back_ms, log_ms;
  struct memory_state memory;
};

static void log_lost(struct http_server *server, unsigned lost) {
  diag_warning(
      "closed %u idle or slow connections, first those of the address with the most: nearly all of "
      "http.connections_max=%u were in use; raise it, or name your proxies in http.proxies",
      lost, server->options.connections_max);
}

static void make_rounds(struct http_server *server, struct rounds *rounds, int64_t now, unsigned lost) {
  if (lost > 0) {
    log_lost(server, lost);
    rounds->log_ms = now + LOST_LOG_MS;
  }
  if (now < rounds->give_back_ms) return;
  rounds->give_back_ms = now + GIVE_BACK_MS;
  if (server->options.rest != NULL) server->options.rest(server->options.rest_arg);
  memory_give_back(&rounds->memory);
}

static void *sweeper_main(void *arg) {
  struct http_server *server = arg;
  struct rounds rounds = {.give_back_ms = exchange_now_ms() + GIVE_BACK_MS};
  lock_take(&server->lock);
  while (!server->stopping) {
    (void)wait_for_ms(&server->wake, &server->lock, SWEEP_MS);
    int64_t now = exchange_now_ms();
    sweep(server, now);
    server->sweeps++;
    unsigned lost = now >= rounds.log_ms ? server->lost : 0;
    server->lost -= lost;
    lock_give(&server->lock);
    query_expire(server);
    make_rounds(server, &rounds, now, lost);
    lock_take(&server->lock);
  }
  lock_give(&server->lock);
  return NULL;
}

int sweeper_start(struct http_server *server, struct err *err) {
  int code = pthread_create(&server->sweeper, NULL, sweeper_main, server);
  return code == 0 ? 0 : err_set_errno(err, ERR_INTERNAL, code, "cannot start the HTTP server's sweeper thread");
}

void sweeper_stop(struct http_server *server) {
  lock_take(&server->lock);
  server->stopping = true;
  wait_wake_all(&server->wake);
  lock_give(&server->lock);
  (void)pthread_join(server->sweeper, NULL);
}
