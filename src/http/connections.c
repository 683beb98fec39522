/* Room. The library refuses every connection beyond http.connections_max. So before that limit is reached, idle or slow
 * connections of the address that has most of them are closed (crowd.h), in the same way as connections past their
 * deadline.
 */
#include "http/connections.h"

#include <sys/socket.h>

#include "base/lock.h"

/* How often the sweeper looks at how fast the client receives a reply. A reply below that pace is slow. */
#define JUDGE_MS 1000
#define JUDGE_BYTES ((uint64_t)EXCHANGE_PACE * JUDGE_MS / EXCHANGE_PACE_MS)

void connections_set_busy(struct connection *connection) {
  lock_take(&connection->server->lock);
  crowd_busy(connection->server->crowd, &connection->member);
  lock_give(&connection->server->lock);
}

void connections_set_replying(struct connection *connection, int64_t now, int64_t time_ms) {
  lock_take(&connection->server->lock);
  crowd_busy(connection->server->crowd, &connection->member);
  connection->is_replying = true;
  connection->judge_ms = now + JUDGE_MS;
  connection->deadline_ms = now + time_ms;
  lock_give(&connection->server->lock);
}

int64_t connections_set_working(struct connection *connection) {
  lock_take(&connection->server->lock);
  crowd_busy(connection->server->crowd, &connection->member);
  connection->is_replying = false;
  int64_t left_ms = connection->deadline_ms - exchange_now_ms();
  connection->deadline_ms = EXCHANGE_FOREVER;
  lock_give(&connection->server->lock);
  return left_ms;
}

void connections_set_idle(struct connection *connection, int64_t deadline_ms) {
  lock_take(&connection->server->lock);
  crowd_idle(connection->server->crowd, &connection->member);
  connection->is_replying = false;
  connection->deadline_ms = deadline_ms;
  lock_give(&connection->server->lock);
}

void connections_lose(struct connection *connection, enum metric_closed why) {
  metrics_add(METRIC_HTTP_CLOSED, why, 1);
  (void)shutdown(connection->fd, SHUT_RDWR);
  connection->deadline_ms = EXCHANGE_FOREVER;
}

void connections_make_room(struct http_server *server) {
  for (struct crowd_member *lost; (lost = crowd_lose_one(server->crowd)) != NULL; server->lost++)
    connections_lose((struct connection *)(void *)((char *)lost - offsetof(struct connection, member)), METRIC_CLOSED_ROOM);
}

void connections_add(struct connection *connection, const struct sockaddr *address) {
  struct http_server *server = connection->server;
  connection->next = server->connections;
  if (connection->next != NULL) connection->next->previous = connection;
  server->connections = connection;
  if (!crowd_join(server->crowd, &connection->member, address)) connections_lose(connection, METRIC_CLOSED_ROOM);
  connections_make_room(server);
}

void connections_remove(struct connection *connection) {
  struct http_server *server = connection->server;
  crowd_leave(server->crowd, &connection->member);
  if (connection->previous != NULL) connection->previous->next = connection->next;
  else server->connections = connection->next;
  if (connection->next != NULL) connection->next->previous = connection->previous;
}

void connections_judge(struct connection *connection, int64_t now) {
  uint64_t received = listen_acknowledged(connection->fd);
  bool is_slow = received - connection->received < JUDGE_BYTES;
  connection->received = received;
  connection->judge_ms = now + JUDGE_MS;
  if (is_slow) crowd_idle(connection->server->crowd, &connection->member);
  else crowd_busy(connection->server->crowd, &connection->member);
}
