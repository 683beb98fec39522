/* Starts and stops the server. */
#include "http/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "base/diag.h"
#include "base/lock.h"
#include "base/wait.h"
#include "http/arriving.h"
#include "http/exchange.h"
#include "http/http_mhd.h"
#include "http/pem.h"
#include "http/query.h"
#include "http/sweeper.h"

#define DRAIN_WAIT_MS 10000  /* for replies that are not sent yet when the server stops */
#define REFUSALS_WAIT_MS 500 /* then for the refusals of the queries that were stopped */

static int start_crowd(struct http_server *server, struct err *err) {
  struct crowd_options options = {.members_max = server->options.connections_max,
                                  .address_max = server->options.connections_per_address};
  int result = crowd_exempt_read(str_of(server->options.proxies), &options.exempt, err);
  if (result != 0) return err_prefix(err, "http.proxies");
  server->crowd = crowd_new(&options);
  return 0;
}

static int start(struct http_server *server, struct err *err) {
  const struct http_options *options = &server->options;
  SCOPED_MALLOC char *cert = NULL;
  SCOPED_MALLOC char *key = NULL;
  bool tls = options->tls_cert != NULL;
  if (tls != (options->tls_key != NULL))
    return err_set(err, ERR_USAGE, "--tls-cert and --tls-key belong together: give both, or neither");
  int result = start_crowd(server, err);
  if (result == 0 && tls) result = pem_read(options->tls_cert, &cert, err);
  if (result == 0 && tls) result = pem_read(options->tls_key, &key, err);
  if (result == 0) result = listen_open(options->listen, options->listen_name, &server->address, err);
  if (result == 0) result = query_start(server, err);
  if (result != 0) return result;
  (void)snprintf(server->url, sizeof server->url, "%s://%s", tls ? "https" : "http", server->address.text);
  server->daemon = http_mhd_start(server, cert, key);
  if (key != NULL) bytes_wipe(key, strlen(key));
  if (server->daemon == NULL && tls) {
    return err_set(err, ERR_USAGE, "cannot serve TLS: check that %s and %s are a certificate and its key in PEM",
                   options->tls_cert, options->tls_key);
  }
  if (server->daemon == NULL) return err_set(err, ERR_INTERNAL, "cannot start the HTTP server");
  return sweeper_start(server, err);
}

int http_server_start(const struct http_options *options, struct http_server **ret, struct err *err) {
  struct http_server *server = calloc(1, sizeof *server);
  CHECK(server != NULL && options->header_max <= HTTP_MHD_MEMORY);
  server->options = *options;
  server->address.fd = -1;
  lock_init(&server->lock);
  wait_init(&server->wake);
  int result = start(server, err);
  if (result != 0) {
    if (server->queries != NULL) query_stop(server);
    if (server->daemon != NULL) http_mhd_stop(server);
    else if (server->address.fd >= 0) (void)close(server->address.fd);
    query_free(server);
    crowd_free(server->crowd);
    arriving_free(server);
    free(server);
    return result;
  }
  *ret = server;
  return 0;
}

const char *http_server_url(const struct http_server *server) { return server->url; }
bool http_server_is_public(const struct http_server *server) { return !server->address.is_loopback; }

bool http_server_has_moved(struct http_server *server, uint64_t *seen) {
  lock_take(&server->lock);
  bool has_moved = server->sweeps != *seen;
  *seen = server->sweeps;
  lock_give(&server->lock);
  return has_moved;
}

void http_server_status(struct http_server *server, struct http_server_status *ret) {
  struct query_pool_status pool;
  query_pool_status(server->queries, &pool);
  *ret = (struct http_server_status){.bodies = atomic_load(&server->bodies_used),
                                     .answers = atomic_load(&server->answers_used),
                                     .queries_running = pool.running,
                                     .queries_waiting = pool.waiting,
                                     .threads_busy = pool.busy,
                                     .threads_idle = pool.idle};
  lock_take(&server->lock);
  ret->connections = crowd_count(server->crowd);
  lock_give(&server->lock);
}

void http_server_quiesce(struct http_server *server) {
  atomic_store(&server->draining, true);
}

static bool hurries(const struct http_server *server) {
  return server->options.hurries != NULL && server->options.hurries();
}

/* Waits until no request is left, for so long at most. Returns how many are left. */
static unsigned wait_for_replies(struct http_server *server, int64_t time_ms, bool may_hurry) {
  int64_t until_ms = exchange_now_ms() + time_ms;
  lock_take(&server->lock);
  while (server->exchanges > 0 && exchange_now_ms() < until_ms && !(may_hurry && hurries(server))) {
    lock_give(&server->lock);
    (void)usleep(2000);
    lock_take(&server->lock);
  }
  unsigned left = server->exchanges;
  lock_give(&server->lock);
  return left;
}

void http_server_stop(struct http_server *server) {
  unsigned left = wait_for_replies(server, DRAIN_WAIT_MS, true);
  if (left > 0) diag_warning("stopping: replies that were not sent in time, and are cut off: %u", left);
  lock_take(&server->lock);
  CHECK(server->waiting == NULL); /* the caller has resumed them all */
  lock_give(&server->lock);
  query_stop(server);
  (void)wait_for_replies(server, REFUSALS_WAIT_MS, false);
  sweeper_stop(server);
  http_mhd_stop(server);
  query_free(server);
  crowd_free(server->crowd);
  arriving_free(server);
  lock_fini(&server->lock);
  wait_fini(&server->wake);
  free(server);
}
