/* The list of open connections: which of them are busy, idle, or past their deadline, and which are closed for room.
 *
 * The library closes a connection that was shut down here. It calls on_connection before it closes the socket, and
 * on_connection takes the server's lock to remove the connection. So a thread that holds the lock never shuts down a
 * descriptor that already belongs to another connection.
 */
#ifndef CODECMETER_HTTP_CONNECTIONS_H
#define CODECMETER_HTTP_CONNECTIONS_H

#include "http/exchange.h"

/* Any thread, without the lock. */

/* The request has arrived: until it is answered, its connection is not closed to make room. */
void connections_set_busy(struct connection *connection);
/* The library begins to send the reply, and has time_ms for it. */
void connections_set_replying(struct connection *connection, int64_t now, int64_t time_ms);
/* The server works on the next part of the answer. Lifts the deadline, and returns how many ms were left until it. */
int64_t connections_set_working(struct connection *connection);
/* The connection waits for its next request. */
void connections_set_idle(struct connection *connection, int64_t deadline_ms);

/* With the server's lock held. */

/* address: of the client; NULL if unknown. */
void connections_add(struct connection *connection, const struct sockaddr *address);
void connections_remove(struct connection *connection);
/* Closes a connection, and counts why. */
void connections_lose(struct connection *connection, enum metric_closed why);
/* Closes idle connections while there is little room. */
void connections_make_room(struct http_server *server);
/* Looks at how fast the client receives the reply. A connection whose client is slow is idle: it may be closed for
 * room. */
void connections_judge(struct connection *connection, int64_t now);

#endif
