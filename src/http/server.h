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
  unsigned threads;         /* of the pool; 0: one per core */
  unsigned connections_max; /* in all. When few are left, the address with most idle or slow ones loses its oldest */
  unsigned connections_per_address; /* may be passed by as many as there are threads */
  const char *proxies;      /* addresses that are exempt from both: crowd_exempt_read */
  uint32_t header_max;      /* bytes of request line and headers */
  int64_t request_timeout_ms; /* to be received and its answer to begin: 30 s */
  int64_t idle_timeout_ms;  /* 15 s */
  int64_t wait_timeout_ms;  /* of a handler that answered HTTP_WAITING */
  uint64_t drain_max;       /* bytes of a refused body that are read and dropped before the answer: 8 MiB */
  uint64_t bodies_max;      /* bytes of all bodies in memory; requests beyond it are told that we are busy */
  uint64_t answers_max;     /* bytes of all answers in memory that are longer than HTTP_SHORT: http_claim */
  bool access_log;          /* a line a request on standard error */
  const char *tls_cert;     /* PEM files, pipes too, up to 1 MiB; both or neither. TLS 1.2 and 1.3 */
  const char *tls_key;
  const struct http_route *routes; /* borrowed until stop; ends with path NULL */
  void (*rest)(void *arg);  /* called every few seconds, to free what endpoints keep and do not use; or NULL */
  void *rest_arg;
  bool (*hurries)(void);    /* asked while stop waits for replies: true cuts the waiting short; or NULL */
};

MUST_USE int http_server_start(const struct http_options *options, struct http_server **ret, struct err *err);
/* "http://127.0.0.1:8080", with the real port. Borrowed. */
const char *http_server_url(const struct http_server *server);
/* True when the address listened on is not a loopback one. */
bool http_server_is_public(const struct http_server *server);
/* True if the thread that keeps the deadlines has got on since the call before with the same *seen (0 at first); it does
 * so every 250 ms. It takes the lock that every request takes, so it stands still when requests do. */
MUST_USE bool http_server_has_moved(struct http_server *server, uint64_t *seen);
/* Serves no new connections (they are closed at once); requests under way go on. */
void http_server_quiesce(struct http_server *server);
/* Waits for the replies of resumed requests to be sent (bounded), closes everything, frees. Every waiting request
 * must have been resumed before. */
void http_server_stop(struct http_server *server);

#endif
