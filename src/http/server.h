/* The HTTP(S) server: libmicrohttpd's epoll thread pool behind our bounds and deadlines. Source: design §3.1, §7. */
#ifndef CODECMETER_HTTP_SERVER_H
#define CODECMETER_HTTP_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "http/request.h"

struct http_server;

struct http_options {
  const char *listen;       /* "127.0.0.1:8080", "[::1]:0"; port 0: any free port */
  const char *listen_name;  /* the option or setting that names it, for an error */
  const char *no_path;      /* what 404 says; NULL: what paths a meter has */
  unsigned threads;         /* of the pool; 0: one per core */
  unsigned connections_max; /* in all; see crowd.h for what happens when few are left */
  unsigned connections_per_address; /* threads that accept at once may exceed it, by one connection each */
  const char *proxies;              /* addresses that are exempt from both; for crowd_exempt_read */
  uint32_t header_max;      /* bytes of request line and headers */
  int64_t request_timeout_ms; /* for the request to arrive and its answer to begin: 30 s */
  int64_t idle_timeout_ms;  /* 15 s */
  int64_t wait_timeout_ms;  /* for a handler that returned HTTP_WAITING, and for a query to begin */
  unsigned query_threads;     /* 0: half of the cores, at least one */
  unsigned query_running_max; /* queries that have begun and are not made to their end; at least 1 */
  unsigned query_waiting_max; /* queries that wait to begin */
  uint64_t drain_max;       /* bytes beyond the route's body_max that are read and dropped of a refused body: 8 MiB */
  uint64_t bodies_max;      /* bytes of all bodies in memory; requests beyond it are refused as busy */
  uint64_t answers_max;     /* bytes of all answers in memory that are longer than HTTP_SHORT; see http_claim */
  bool access_log;          /* log one line for each request on standard error */
  const char *tls_cert;     /* PEM files or pipes, up to 1 MiB each; both or neither. TLS 1.2 and 1.3 */
  const char *tls_key;
  const struct http_route *routes; /* borrowed until stop; ends with path NULL */
  void (*rest)(void *arg);         /* called every 5 seconds, to free what endpoints keep and do not use; or NULL */
  void *rest_arg;
  bool (*hurries)(void); /* called while stop waits for replies: true ends the wait; or NULL */
};

MUST_USE int http_server_start(const struct http_options *options, struct http_server **ret, struct err *err);
/* "http://127.0.0.1:8080", with the actual port. Borrowed. */
const char *http_server_url(const struct http_server *server);
/* True if the server listens on an address that is not loopback. */
bool http_server_is_public(const struct http_server *server);
/* True if the sweeper, which enforces deadlines every 250 ms, has run since the last call with the same `seen` (*seen
 * is 0 before the first call). The sweeper takes the lock that every request takes, so it stops when requests are
 * stuck. */
MUST_USE bool http_server_has_moved(struct http_server *server, uint64_t *seen);
struct http_server_status {
  unsigned connections;
  uint64_t bodies, answers;               /* bytes of bodies and of long answers, against their bounds */
  unsigned queries_running, queries_waiting;
  unsigned threads_busy, threads_idle;    /* of the query threads */
};
/* Any thread. Waits for locks that are held for memory only. */
void http_server_status(struct http_server *server, struct http_server_status *ret);
/* From now on new connections are closed at once, and new requests are refused; requests that have begun go on. */
void http_server_quiesce(struct http_server *server);
/* Waits up to 10 s until the replies are sent, closes everything, and frees the server. Every waiting request must
 * have been resumed before. */
void http_server_stop(struct http_server *server);

#endif
