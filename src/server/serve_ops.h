/* What `serve` tells those who operate it: /metrics, /healthz and /readyz. Without the setting ops.listen they are on the
 * server's own address, which is served once the log is applied. With it they have a listener of their own, from the time
 * when the data directory is locked until everything is committed.
 *
 *   RECOVERING ──ops_serve──> SERVING ──ops_drain──> DRAINING
 */
#ifndef CODECMETER_SERVER_SERVE_OPS_H
#define CODECMETER_SERVER_SERVE_OPS_H

#include <pthread.h>
#include <stdatomic.h>

#include "http/endpoints.h"
#include "http/server.h"
#include "settings/config.h"
#include "v1/v1.h"

#define OPS_ROUTES 3u
#define OPS_CONNECTIONS_MAX 64u /* of ops.listen */

/* Where the gauges are read; all borrowed. */
struct ops_rooms {
  const struct config *config;
  struct ledger *ledger;
  struct committer *committer;
  struct quarantine *quarantine;
  const struct adapters *adapters;
  struct endpoint_adapters *notices;
  struct v1 *v1;
  struct http_server *http;
};

enum ops_phase { OPS_RECOVERING, OPS_SERVING, OPS_DRAINING };

/* Zeros before ops_begin. */
struct ops {
  struct endpoint_ops endpoint;
  struct http_route routes[OPS_ROUTES + 1]; /* ends with path NULL */
  pthread_mutex_t lock; /* held while the rooms are read, for memory only */
  enum ops_phase phase; /* under the lock */
  atomic_uint recovered;  /* how much of the log is applied, in millionths */
  atomic_bool has_failed; /* the ledger accepts nothing more */
  struct ops_rooms rooms; /* set before the phase is OPS_SERVING */
  struct http_server *own; /* of ops.listen, or NULL */
};

void ops_begin(struct ops *ops);
/* Starts the listener of ops.listen; does nothing if the setting is empty. `hurries` as in http_options. */
MUST_USE int ops_listen(struct ops *ops, const struct config *config, bool (*hurries)(void), struct err *err);
/* Checks ops.listen, also beside --listen. -ERR_USAGE. */
MUST_USE int ops_check(const struct config *config, const char *listen, struct err *err);
/* Any thread. */
void ops_recovered(struct ops *ops, uint64_t done, uint64_t total);
void ops_failed(struct ops *ops);
/* The server serves; the rooms stay until ops_stop. */
void ops_serve(struct ops *ops, const struct ops_rooms *rooms);
/* The server stops: it is not ready any more. From here on rooms.http is not read, so the HTTP server may end. */
void ops_drain(struct ops *ops);
/* Ends the listener of ops.listen. The HTTP server has ended; the other rooms are still there. */
void ops_stop(struct ops *ops);

#endif
