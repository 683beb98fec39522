/* Requests on the query threads, and streamed answers (request.h has the contract).
 *
 * While an exchange is QUERYING its connection is suspended, and the exchange belongs to the query threads. It goes
 * back to the library's thread with an answer, or with a piece of one. The library's thread hands it over again when it
 * has taken the whole piece.
 */
#ifndef CODECMETER_HTTP_QUERY_H
#define CODECMETER_HTTP_QUERY_H

#include <sys/types.h>

#include "http/exchange.h"

/* Starts the query threads, and stops them. query_stop ends every query: those that have no answer yet are refused,
 * streams are cut off. After it nothing is QUERYING. */
MUST_USE int query_start(struct http_server *server, struct err *err);
void query_stop(struct http_server *server);
void query_free(struct http_server *server);

/* The request has arrived: suspends the connection, and gives it to a query thread, or resumes it with a refusal. On
 * the library's thread. */
void query_begin(struct exchange *x);
/* The library wants bytes of the stream, up to `max`. On its thread. */
enum { QUERY_READ_LATER = 0, QUERY_READ_END = -1, QUERY_READ_FAILED = -2 };
MUST_USE ssize_t query_read(struct exchange *x, char *out, size_t max);
/* The library begins with a piece: the client has the time of the pace to receive it, and what it has left. */
void query_set_deadline(const struct exchange *x);
/* The exchange ends: frees what is left of its query. Does nothing without one. */
void query_end(struct exchange *x);

/* Refuses the queries that have waited for too long, and starts a spare thread beside long turns. On the sweeper's
 * thread, without the server's lock. */
void query_expire(struct http_server *server);

#endif
