#include "server/serve_ops.h"

#include "adapt/quarantine.h"
#include "base/check.h"
#include "base/diag.h"
#include "base/lock.h"
#include "base/version.h"
#include "http/listen.h"
#include "ingest/commit/committer.h"
#include "metrics/metrics.h"

#define US_OF_MS UINT64_C(1000)
#define WHOLE 1000000u /* a ratio's 1 */

/* ---- gauges ---- */

static void look_at_http(const struct ops_rooms *rooms) {
  const struct config *config = rooms->config;
  struct http_server_status status;
  http_server_status(rooms->http, &status);
  metrics_set(METRIC_HTTP_CONNECTIONS, 0, status.connections);
  metrics_set(METRIC_HTTP_CONNECTIONS_LIMIT, 0, config->http_connections_max);
  metrics_set(METRIC_MEMORY, METRIC_BUDGET_BODIES, status.bodies);
  metrics_set(METRIC_MEMORY, METRIC_BUDGET_ANSWERS, status.answers);
  metrics_set(METRIC_MEMORY, METRIC_BUDGET_QUERIES, v1_held(rooms->v1));
  metrics_set(METRIC_MEMORY_LIMIT, METRIC_BUDGET_BODIES, config->http_bodies_max);
  metrics_set(METRIC_MEMORY_LIMIT, METRIC_BUDGET_ANSWERS, config->http_answers_max);
  metrics_set(METRIC_MEMORY_LIMIT, METRIC_BUDGET_QUERIES, config->query_memory_max);
  metrics_set(METRIC_QUERIES, METRIC_QUERIES_RUNNING, status.queries_running);
  metrics_set(METRIC_QUERIES, METRIC_QUERIES_WAITING, status.queries_waiting);
  metrics_set(METRIC_QUERIES_LIMIT, METRIC_QUERIES_RUNNING, config->query_running_max);
  metrics_set(METRIC_QUERIES_LIMIT, METRIC_QUERIES_WAITING, config->query_waiting_max);
  metrics_set(METRIC_QUERY_THREADS, METRIC_THREADS_BUSY, status.threads_busy);
  metrics_set(METRIC_QUERY_THREADS, METRIC_THREADS_IDLE, status.threads_idle);
}

static void look_at_reports(const struct ops_rooms *rooms) {
  struct committer_status committer;
  struct quarantine_status quarantine;
  uint64_t read = 0, quarantined = 0, ignored = 0;
  committer_status(rooms->committer, &committer);
  quarantine_status(rooms->quarantine, &quarantine);
  for (size_t i = 0; adapters_at(rooms->adapters, i) != NULL; i++) {
    struct adapter_counts counts;
    endpoint_adapters_counts(rooms->notices, i, &counts);
    read += counts.notices;
    quarantined += counts.quarantined;
    ignored += counts.ignored;
  }
  metrics_set(METRIC_NOTICES, METRIC_NOTICE_READ, read);
  metrics_set(METRIC_NOTICES, METRIC_NOTICE_QUARANTINED, quarantined);
  metrics_set(METRIC_NOTICES_IGNORED, 0, ignored);
  metrics_set(METRIC_QUARANTINE, 0, quarantine.notices);
  metrics_set(METRIC_QUARANTINE_BYTES, 0, quarantine.bytes);
  metrics_set(METRIC_QUEUE_EVENTS, 0, committer.events);
  metrics_set(METRIC_QUEUE_LIMIT, 0, committer.events_max);
  metrics_set(METRIC_QUEUE_BYTES, 0, committer.bytes);
}

static void look_at_ledger(const struct ops_rooms *rooms) {
  struct ledger_gauges gauges;
  ledger_gauges(rooms->ledger, &gauges);
  metrics_set(METRIC_LOG_BYTES, 0, gauges.status.end);
  metrics_set(METRIC_LOG_PENDING, 0, gauges.status.end - gauges.status.checkpoint);
  metrics_set(METRIC_RECORDS, 0, gauges.records);
  metrics_set(METRIC_DELTA_RECORDS, METRIC_DELTA_FILLING, gauges.status.delta_records[0]);
  metrics_set(METRIC_DELTA_RECORDS, METRIC_DELTA_FROZEN, gauges.status.delta_records[1]);
  metrics_set(METRIC_DELTA_LIMIT, 0, rooms->config->ingest_delta_max);
  metrics_set(METRIC_DELTA_AGE, 0, (uint64_t)gauges.delta_age_ms * US_OF_MS);
  metrics_set(METRIC_CHECKPOINT_AGE, 0, (uint64_t)gauges.checkpoint_age_ms * US_OF_MS);
  metrics_set(METRIC_WORK_BLOCKED, METRIC_WORKER_CHECKPOINTER, gauges.is_checkpointer_blocked);
  metrics_set(METRIC_WORK_BLOCKED, METRIC_WORKER_MERGER, gauges.is_merger_blocked);
  metrics_set(METRIC_RUNS, METRIC_RUN_IDENTITY, gauges.runs[0]);
  metrics_set(METRIC_RUNS, METRIC_RUN_TASK, gauges.runs[1]);
  metrics_set(METRIC_RUNS, METRIC_RUN_TIME, gauges.runs[2]);
  metrics_set(METRIC_DISK_FREE, 0, gauges.disk_free);
  metrics_set(METRIC_DISK_RESERVE, 0, rooms->config->ledger_disk_reserve);
}

static void look_at_messages(void) {
  struct diag_counts counts;
  diag_counts(&counts);
  for (unsigned level = 0; level < DIAG_LEVELS; level++)
    metrics_set(METRIC_MESSAGES, level, counts.written[level]);
  metrics_set(METRIC_MESSAGES_DROPPED, 0, counts.dropped);
}
_Static_assert((int)METRIC_LEVEL_ERROR == (int)DIAG_ERROR && (int)METRIC_LEVEL_WARNING == (int)DIAG_WARNING &&
                   (int)METRIC_LEVEL_INFO == (int)DIAG_INFO,
               "look_at_messages takes a level for its label");

/* ---- readiness ---- */

/* False, with the reason: usage is refused now. */
static bool takes_usage(const struct ops_rooms *rooms, struct buf *why) {
  struct committer_status committer;
  struct ledger_gauges gauges;
  committer_status(rooms->committer, &committer);
  ledger_gauges(rooms->ledger, &gauges);
  bool has_room = gauges.disk_free >= rooms->config->ledger_disk_reserve; /* unknown is the largest number */
  bool is_full = gauges.is_checkpointer_blocked && gauges.status.delta_records[0] >= rooms->config->ingest_delta_max;
  if (!has_room) buf_text(why, "refusing usage: the disk has less than ledger.disk_reserve left");
  else if (is_full) buf_text(why, "refusing usage: records wait for a checkpoint, which lacks disk space, memory or descriptors");
  else if (committer.shortage != ERR_NONE) buf_printf(why, "refusing usage: %s", err_meaning(-(int)committer.shortage));
  return has_room && !is_full && committer.shortage == ERR_NONE;
}

/* With the lock held. */
static bool judge(struct ops *ops, struct buf *why) {
  if (atomic_load(&ops->has_failed)) {
    buf_text(why, "failed: the ledger accepts nothing more, and the server stops; its log says why");
    return false;
  }
  switch (ops->phase) {
    case OPS_RECOVERING:
      buf_printf(why, "recovering: %u %% of the log is applied", atomic_load(&ops->recovered) / (WHOLE / 100));
      return false;
    case OPS_DRAINING:
      buf_text(why, "draining: the server is stopping");
      return false;
    case OPS_SERVING:
      break;
  }
  return takes_usage(&ops->rooms, why);
}

static bool is_ready(void *arg, struct buf *why) {
  struct ops *ops = arg;
  lock_take(&ops->lock);
  bool ready = judge(ops, why);
  lock_give(&ops->lock);
  return ready;
}

static void look(void *arg) {
  struct ops *ops = arg;
  SCOPED(buf_fini) struct buf why = {0};
  lock_take(&ops->lock);
  if (ops->phase == OPS_SERVING) look_at_http(&ops->rooms);
  if (ops->phase != OPS_RECOVERING) look_at_reports(&ops->rooms);
  if (ops->phase != OPS_RECOVERING) look_at_ledger(&ops->rooms);
  metrics_set(METRIC_READY, 0, judge(ops, &why));
  lock_give(&ops->lock);
  metrics_set(METRIC_RECOVERED, 0, atomic_load(&ops->recovered));
  look_at_messages();
  metrics_look_at_process();
}

/* ---- phases ---- */

void ops_begin(struct ops *ops) {
  metrics_begin(VERSION, COMMIT);
  lock_init(&ops->lock);
  ops->endpoint = (struct endpoint_ops){.look = look, .is_ready = is_ready, .arg = ops};
  ops->routes[0] = endpoint_ops_metrics_route(&ops->endpoint);
  ops->routes[1] = endpoint_ops_healthz_route(&ops->endpoint);
  ops->routes[2] = endpoint_ops_readyz_route(&ops->endpoint);
}

static bool str_ends(const char *text, const char *end) {
  size_t len = strlen(text), end_len = strlen(end);
  return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

int ops_check(const struct config *config, const char *listen, struct err *err) {
  if (config->ops_listen[0] == '\0') return 0;
  bool takes_any_port = str_ends(config->ops_listen, ":0"); /* then it is another one */
  if (strcmp(config->ops_listen, listen) == 0 && !takes_any_port)
    return err_set(err, ERR_USAGE, "ops.listen: %s is the address of --listen: leave ops.listen empty, or give another port", listen);
  int result = listen_check(config->ops_listen, err);
  return result == 0 ? 0 : err_prefix(err, "ops.listen");
}

int ops_listen(struct ops *ops, const struct config *config, bool (*hurries)(void), struct err *err) {
  if (config->ops_listen[0] == '\0') return 0;
  const struct http_options options = {
      .listen = config->ops_listen,
      .listen_name = "ops.listen",
      .no_path = "no such path: /metrics, /healthz and /readyz are served here",
      .threads = 1,
      .connections_max = OPS_CONNECTIONS_MAX,
      .connections_per_address = OPS_CONNECTIONS_MAX,
      .proxies = "",
      .header_max = (uint32_t)config->http_header_max,
      .request_timeout_ms = (int64_t)config->http_request_timeout,
      .idle_timeout_ms = (int64_t)config->http_idle_timeout,
      .wait_timeout_ms = (int64_t)config->http_wait_timeout,
      .query_threads = 1, /* has nothing to do */
      .query_running_max = 1,
      .bodies_max = config->http_bodies_max,
      .answers_max = config->http_answers_max,
      .access_log = config->http_access_log != 0,
      .routes = ops->routes,
      .hurries = hurries,
  };
  int result = http_server_start(&options, &ops->own, err);
  if (result != 0) return result;
  diag_info("/metrics, /healthz and /readyz are served on %s", http_server_url(ops->own));
  if (http_server_is_public(ops->own))
    diag_warning("ops.listen is reachable beyond this machine: anybody who reaches it reads /metrics, unencrypted");
  return 0;
}

void ops_recovered(struct ops *ops, uint64_t done, uint64_t total) {
  double part = total > 0 && done < total ? (double)done / (double)total : 1;
  atomic_store(&ops->recovered, (unsigned)(part * WHOLE));
}

void ops_failed(struct ops *ops) { atomic_store(&ops->has_failed, true); }

void ops_serve(struct ops *ops, const struct ops_rooms *rooms) {
  atomic_store(&ops->recovered, WHOLE);
  lock_take(&ops->lock);
  ops->rooms = *rooms;
  ops->phase = OPS_SERVING;
  lock_give(&ops->lock);
}

void ops_drain(struct ops *ops) {
  lock_take(&ops->lock);
  if (ops->phase == OPS_SERVING) ops->phase = OPS_DRAINING; /* a start that failed has no rooms to read */
  lock_give(&ops->lock);
}

void ops_stop(struct ops *ops) {
  if (ops->own == NULL) return;
  http_server_quiesce(ops->own);
  http_server_stop(ops->own);
  ops->own = NULL;
}
