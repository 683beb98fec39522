/* The counters of the server: the table of families (metrics.def), and the process's one set of cells.
 *
 * The cells belong to the process, as its processor time does. A room counts what it does in one line; no object is
 * handed through the rooms for that. Counters and histograms grow from 0. `server/serve_ops.c` reads gauges from the rooms
 * when a scrape asks; before that they are unknown.
 *
 * The room is below `ledger/`, so that every room may count; it knows names of things, and none of their headers.
 */
#ifndef CODECMETER_METRICS_METRICS_H
#define CODECMETER_METRICS_METRICS_H

#include <stdint.h>

#include "base/counters.h"

/* ---- labels: each is a closed set of values ---- */

/* V(id, value) */
#define METRIC_VALUES_OF_ROUTES(V)                                                                               \
  V(ROUTE_NONE, "none") /* no path of ours, or a head that was refused */                                        \
  V(ROUTE_API, "api") V(ROUTE_EVENTS, "events") V(ROUTE_ADAPTERS, "adapters") V(ROUTE_AGENTS, "agents")          \
  V(ROUTE_V1, "v1") V(ROUTE_PAGES, "pages") /* console, /uapi, /openapi.json */ V(ROUTE_OPS, "ops")
#define METRIC_VALUES_OF_STATUSES(V)                                                                             \
  V(STATUS_2XX, "2xx") V(STATUS_3XX, "3xx") V(STATUS_4XX, "4xx") V(STATUS_5XX, "5xx")
#define METRIC_VALUES_OF_CLOSINGS(V)                                                                             \
  V(CLOSED_ADDRESS, "address") V(CLOSED_ROOM, "room") V(CLOSED_DEADLINE, "deadline") V(CLOSED_STOP, "stop")
/* Those of api/retcode.h, by their numbers; METRIC_RETCODE_OTHER is for all others. */
#define METRIC_VALUES_OF_RETCODES(V)                                                                             \
  V(RETCODE_0, "0") V(RETCODE_130, "130") V(RETCODE_150, "150") V(RETCODE_160, "160") V(RETCODE_161, "161")      \
  V(RETCODE_170, "170") V(RETCODE_171, "171") V(RETCODE_172, "172") V(RETCODE_220, "220") V(RETCODE_230, "230")  \
  V(RETCODE_292, "292") V(RETCODE_299, "299") V(RETCODE_OTHER, "other")
#define METRIC_VALUES_OF_BUDGETS(V)                                                                              \
  V(BUDGET_BODIES, "bodies") V(BUDGET_ANSWERS, "answers") V(BUDGET_QUERIES, "queries")
#define METRIC_VALUES_OF_QUERY_STATES(V) V(QUERIES_RUNNING, "running") V(QUERIES_WAITING, "waiting")
#define METRIC_VALUES_OF_THREAD_STATES(V) V(THREADS_BUSY, "busy") V(THREADS_IDLE, "idle")
#define METRIC_VALUES_OF_OUTCOMES(V)                                                                             \
  V(OUTCOME_STORED, "stored") V(OUTCOME_RESOLVED, "resolved") V(OUTCOME_UNRESOLVED, "unresolved")                \
  V(OUTCOME_DUPLICATE, "duplicate") V(OUTCOME_CONFLICT, "conflict") V(OUTCOME_REJECTED, "rejected")
#define METRIC_VALUES_OF_REASONS(V)                                                                              \
  V(REASON_INVALID, "invalid") V(REASON_NO_PROJECT, "no_project") V(REASON_CODECS, "too_many_codecs")            \
  V(REASON_NO_TARGET, "no_target") V(REASON_WAITS, "target_unresolved") V(REASON_VOID, "target_is_void")
#define METRIC_VALUES_OF_REFUSALS(V)                                                                             \
  V(REFUSED_QUEUE, "queue_full") V(REFUSED_DISK, "disk_full") V(REFUSED_MEMORY, "no_memory")                     \
  V(REFUSED_DESCRIPTORS, "no_descriptors") V(REFUSED_BODIES, "bodies_full") V(REFUSED_LATE, "too_late")          \
  V(REFUSED_PROJECTS, "new_projects") V(REFUSED_QUARANTINE, "quarantine_full") V(REFUSED_STOPPING, "stopping") V(REFUSED_FAILED, "failed")
#define METRIC_VALUES_OF_NOTICE_OUTCOMES(V) V(NOTICE_READ, "read") V(NOTICE_QUARANTINED, "quarantined")
#define METRIC_VALUES_OF_DELTAS(V) V(DELTA_FILLING, "filling") V(DELTA_FROZEN, "frozen")
#define METRIC_VALUES_OF_WORKERS(V) V(WORKER_CHECKPOINTER, "checkpointer") V(WORKER_MERGER, "merger")
#define METRIC_VALUES_OF_RUN_KINDS(V) V(RUN_IDENTITY, "identity") V(RUN_TASK, "task_id") V(RUN_TIME, "time")
#define METRIC_VALUES_OF_LEVELS(V)                                                                               \
  V(LEVEL_ERROR, "error") V(LEVEL_WARNING, "warning") V(LEVEL_INFO, "info")

/* L(label, name, ID): what a row of the table calls the label, its name, and METRIC_VALUES_OF_ID. */
#define METRIC_LABELS(L)                                                                                         \
  L(route, "route", ROUTES) L(status, "status", STATUSES) L(closed, "reason", CLOSINGS)                          \
  L(retcode, "retcode", RETCODES) L(budget, "budget", BUDGETS) L(queries, "state", QUERY_STATES)                 \
  L(threads, "state", THREAD_STATES) L(outcome, "outcome", OUTCOMES) L(reason, "reason", REASONS)                \
  L(refusal, "reason", REFUSALS) L(notice, "outcome", NOTICE_OUTCOMES) L(delta, "delta", DELTAS)                         \
  L(worker, "worker", WORKERS) L(run, "kind", RUN_KINDS) L(level, "level", LEVELS)

/* METRIC_ROUTE_API and so on; METRIC_ROUTES is how many there are. */
#define METRIC_VALUE(id, value) METRIC_##id,
#define METRIC_LABEL(label, name, ID) enum metric_##label { METRIC_VALUES_OF_##ID(METRIC_VALUE) METRIC_##ID };
METRIC_LABELS(METRIC_LABEL)
#undef METRIC_LABEL
#undef METRIC_VALUE

/* ---- families ---- */

enum metric {
#define COUNTER(id, ...) METRIC_##id,
#define GAUGE(id, ...) METRIC_##id,
#define HISTOGRAM(id, ...) METRIC_##id,
#define INFO(id, ...) METRIC_##id,
#include "metrics/metrics.def"
#undef COUNTER
#undef GAUGE
#undef HISTOGRAM
#undef INFO
  METRICS
};

extern const struct counters metrics;

/* label: a value of the family's label; 0 without one. metrics_at: of two labels. Any thread. */
static inline void metrics_add(enum metric metric, unsigned label, uint64_t more) {
  counters_add(&metrics, metric, label, more);
}
static inline void metrics_set(enum metric metric, unsigned label, uint64_t value) {
  counters_set(&metrics, metric, label, value);
}
static inline unsigned metrics_at(unsigned first, unsigned second, unsigned second_count) {
  return first * second_count + second;
}
/* Observes a value that is no time. */
static inline void metrics_observe(enum metric metric, unsigned label, uint64_t value) {
  counters_observe(&metrics, metric, label, value);
}
/* Observes the time since an earlier counters_now_us. */
void metrics_observe_since(enum metric metric, unsigned label, int64_t begun_us);

/* Once, when the server starts: the texts of METRIC_BUILD, and the start time. Gauges are unknown from here on. */
void metrics_begin(const char *version, const char *commit);
/* Appends all samples. */
void metrics_write(enum counters_format format, struct buf *out);
/* Reads what the kernel knows of the process into the process_ families. Descriptors are counted once a second. */
void metrics_look_at_process(void);

#endif
