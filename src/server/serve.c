/* The wiring diagram: what `serve` starts, in which order, and how it stops.
 *
 *   data directory, lock ──> control socket ──> ledger ──> committer, keeper ──> sources ──> API, endpoints ──> HTTP ──>
 *   "ready"
 *
 * and back: refuse new connections and commands, commit the queue and answer its clients, stop HTTP, close the
 * ledger.
 */
#include "server/serve.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapt/adapter.h"
#include "api/api.h"
#include "base/check.h"
#include "base/descriptors.h"
#include "base/diag.h"
#include "base/memory.h"
#include "base/stop.h"
#include "base/version.h"
#include "http/endpoints.h"
#include "http/listen.h"
#include "http/server.h"
#include "ingest/commit/committer.h"
#include "ledger/ledger.h"
#include "meter/zone.h"
#include "openapi/openapi.h"
#include "server/control.h"
#include "server/datadir.h"
#include "server/serve_ops.h"
#include "server/service_notify.h"
#include "settings/config.h"
#include "sources/sources.h"
#include "sources/token_uses.h"
#include "v1/cursor.h"
#include "v1/v1.h"

#define LOCK_WAIT_MS 10000
#define READY_RETRY_MS 1000 /* between two tries to print `ready` when nobody reads standard output */

/* Descriptors that neither the ledger nor connections use: standard files, data directory, lock, control socket, TLS
 * files; and those with which each HTTP thread waits. */
#define SERVE_DESCRIPTORS 24u
#define THREAD_DESCRIPTORS 4u
#define CONNECTIONS_LEAST 8u /* the least that http.connections_max may be */

#define REPORT_ROUTES 9u    /* the signed API, what takes reports, the console, and /openapi.json */

/* Everything that runs; stop() frees it in the opposite order. */
struct service {
  struct config config;
  struct datadir dir;
  struct control *control;
  struct committer *committer;
  struct ledger *ledger;
  struct api *api;
  struct endpoint_events *events;
  struct adapters *adapters;
  struct quarantine *quarantine;
  struct keeper *keeper;
  struct endpoint_adapters *notices;
  struct endpoint_agents *agents;
  struct endpoint_openapi *openapi;
  struct sources *sources;
  struct token_uses *token_uses;
  struct bearer_door door;
  struct v1 *v1;
  struct cursor_key cursor_key;
  struct http_server *http;
  struct http_route routes[REPORT_ROUTES + V1_ROUTES_MAX + OPS_ROUTES + 1];
  struct ops ops;
  struct admin admin;
  struct admin_adapters admin_adapters;
  uint64_t commits_seen, sweeps_seen; /* for committer_has_moved, http_server_has_moved */
  bool said_hanging;
  atomic_bool failed;
  struct err failure;
};

/* Stops the server, because the ledger cannot go on. Called on the committer's thread. */
static void on_fatal(void *arg, const struct err *err) {
  struct service *service = arg;
  diag_error("the ledger accepts nothing more: %s", err->text);
  service->failure = *err;
  ops_failed(&service->ops);
  atomic_store(&service->failed, true);
  stop_request();
}

static int change(void *arg, const struct change *change, struct err *err) {
  return committer_change(((struct service *)arg)->committer, change, err);
}

static int report(void *arg, const struct usage *usage, struct verdict *ret, struct err *err) {
  return committer_report(((struct service *)arg)->committer, usage, 1, NULL, ret, err);
}

static int checkpoint(void *arg, uint64_t up_to, uint64_t *ret_end, uint64_t *ret_covered, struct err *err) {
  struct service *service = arg;
  struct ledger_status status;
  ledger_status(service->ledger, &status);
  int result = committer_want_checkpoint(service->committer, up_to < status.end ? up_to : status.end, err);
  if (result != 0) return result;
  *ret_end = status.end;
  *ret_covered = status.checkpoint;
  return 0;
}

static int list_sources(void *arg, struct str project, bool only_troubles, struct json_write *items,
                        struct err *err) {
  return sources_list(((struct service *)arg)->sources, project, only_troubles, items, err);
}

static int forget_agent(void *arg, struct str project, struct str name, struct err *err) {
  return sources_forget(((struct service *)arg)->sources, project, name, err);
}

static void say_recovery(void *arg, uint64_t done, uint64_t total) {
  ops_recovered(&((struct service *)arg)->ops, done, total);
  service_notify_progress();
  service_notify_status("applying the log: %.0f%%", total > 0 ? 100.0 * (double)done / (double)total : 100.0);
}

static int start_ledger(struct service *service, struct err *err) {
  const struct config *config = &service->config;
  service->committer = committer_new();
  CHECK(service->committer != NULL);
  struct ledger_options options = {
      .dir = service->dir.path,
      .delta_max = config->ingest_delta_max,
      .delta_age_ms = (int64_t)config->ingest_delta_age,
      .map_size = config->ledger_map_size,
      .segment_size = config->ledger_segment_size,
      .disk_reserve = config->ledger_disk_reserve > 0 ? config->ledger_disk_reserve : UINT64_MAX,
      .blocks_cache = config->ledger_blocks_cache,
      .wake_writer = committer_wake,
      .wake_writer_arg = service->committer,
      .opening = {.step = say_recovery, .arg = service},
  };
  int result = ledger_open(&options, &service->ledger, err);
  if (result != 0) return result;
  struct committer_options committer = {
      .ledger = service->ledger,
      .queue_events = config->ingest_queue_max,
      .commit_bytes = config->ingest_commit_max,
      .on_fatal = on_fatal,
      .on_fatal_arg = service,
  };
  return committer_start(service->committer, &committer, err);
}

static int start_quarantine(struct service *service, struct err *err) {
  const struct config *config = &service->config;
  const struct quarantine_options options = {
      .dir = service->dir.path,
      .notices_max = config->ingest_quarantine_max,
      .bytes_max = config->ingest_quarantine_size,
      .disk_reserve = config->ledger_disk_reserve > 0 ? config->ledger_disk_reserve : UINT64_MAX,
  };
  struct quarantine_status status;
  int result = quarantine_open(&options, &service->quarantine, err);
  if (result == 0) result = keeper_start(service->quarantine, &service->keeper, err);
  if (result != 0) return result;
  quarantine_status(service->quarantine, &status);
  if (status.notices > 0)
    diag_warning(
        "%llu notices are in the quarantine: `codecmeter adapter list` shows them, `codecmeter adapter retry` reads "
        "them by the scripts of now",
        (unsigned long long)status.notices);
  return 0;
}

/* Rounds up to whole seconds, so that a short limit does not become 0, which means off. */
static int64_t seconds_up(uint64_t ms) { return (int64_t)((ms + 999) / 1000); }

/* ---- time zones of new projects ---- */

static int check_zone(const struct config *config, struct err *err) {
  const struct zone *zone;
  if (config->project_time_zone[0] == '\0') return 0;
  int result = zone_find(str_of(config->project_time_zone), &zone, err);
  if (result == 0) return 0;
  err->code = ERR_USAGE;
  return err_prefix(err, "project.time_zone");
}

/* The zone of projects that a token of an earlier version creates, because such a token names no zone. */
static const char *former_zone(const struct service *service) {
  const char *zone = service->config.project_time_zone;
  return zone[0] != '\0' ? zone : ZONE_FORMER_DEFAULT;
}

static void warn_of_former_tokens(const struct service *service) {
  SCOPED_MALLOC struct token *tokens = NULL;
  size_t count, former = 0;
  const char *id = NULL;
  if (service->config.project_time_zone[0] != '\0') return;
  if (catalogue_tokens(ledger_catalogue(service->ledger), &tokens, &count) != 0) return;
  for (size_t i = 0; i < count; i++) {
    if (tokens[i].revoked || !tokens[i].creates_projects || tokens[i].zone[0] != '\0') continue;
    if (former++ == 0) id = tokens[i].id;
  }
  if (former == 0) return;
  diag_warning(
      "%zu tokens of an earlier version (the first is %s) create projects and name no time zone: such projects get "
      "the time zone %s; set project.time_zone, or replace the tokens: `token create --create-projects --time-zone "
      "ZONE`",
      former, id, ZONE_FORMER_DEFAULT);
}

static void start_adapters(struct service *service) {
  const struct endpoint_adapters_options options = {
      .ledger = service->ledger,
      .door = &service->door,
      .committer = service->committer,
      .keeper = service->keeper,
      .sources = service->sources,
      .clock = clock_system(),
      .adapters = service->adapters,
      .body_max = service->config.ingest_body_max,
      .former_zone = former_zone(service),
  };
  service->notices = endpoint_adapters_new(&options);
  service->routes[4] = endpoint_adapters_route(service->notices);
}

static int start_sources(struct service *service, struct err *err) {
  service->token_uses = token_uses_new();
  const struct sources_options options = {.dir = service->dir.path,
                                          .ledger = service->ledger,
                                          .token_uses = service->token_uses,
                                          .clock = clock_system()};
  int result = sources_start(&options, &service->sources, err);
  if (result != 0) return result;
  service->door =
      (struct bearer_door){.ledger = service->ledger, .uses = service->token_uses, .clock = clock_system()};
  const struct endpoint_agents_options agents = {
      .door = &service->door, .sources = service->sources, .clock = clock_system()};
  service->agents = endpoint_agents_new(&agents);
  return 0;
}

/* Behind the other routes of /v1, because its last one takes every path there. Routes of operations come last, unless they
 * have a listener of their own. */
static int start_v1(struct service *service, struct err *err) {
  struct err cause;
  int result = cursor_key_load(service->dir.path, &service->cursor_key, &cause);
  if (result != 0) {
    *err = cause;
    return result;
  }
  if (cause.code != ERR_NONE)
    diag_warning("the key of the cursors of /v1 cannot be kept, so cursors end with this process: %s", cause.text);
  const struct v1_options options = {
      .door = &service->door,
      .ledger = service->ledger,
      .sources = service->sources,
      .clock = clock_system(),
      .cursor_key = &service->cursor_key,
      .memory_max = service->config.query_memory_max,
  };
  service->v1 = v1_new(&options);
  struct http_route *end = service->routes + REPORT_ROUTES;
  end += v1_routes(service->v1, end);
  if (service->config.ops_listen[0] == '\0') memcpy(end, service->ops.routes, sizeof service->ops.routes);
  return 0;
}

static int start_openapi(struct service *service, struct err *err) {
  bool is_made = true;
  service->openapi = endpoint_openapi_new();
  for (int language = 0; language < OPENAPI_LANGUAGES; language++) {
    struct buf text = {0};
    openapi_write(language, VERSION, &text);
    is_made &= endpoint_openapi_add(service->openapi, openapi_language_name(language), text);
  }
  service->routes[7] = endpoint_openapi_route(service->openapi);
  return is_made ? 0 : err_set(err, ERR_MEMORY, "no memory for the description of the API");
}

static int start_endpoints(struct service *service, struct err *err) {
  const struct config *config = &service->config;
  struct api_options api = {
      .ledger = service->ledger,
      .clock = clock_system(),
      .body_max = config->api_body_max,
      .params_max = (uint32_t)config->api_params_max,
      .rows_max = (uint32_t)config->query_rows_max,
      .regions = config->api_regions,
      .window = {.max_age = seconds_up(config->query_max_age), .max_span = seconds_up(config->query_max_span)},
  };
  struct endpoint_events_options events = {
      .door = &service->door,
      .committer = service->committer,
      .sources = service->sources,
      .clock = clock_system(),
      .body_max = config->ingest_body_max,
      .events_max = (uint32_t)config->ingest_events_max,
      .former_zone = former_zone(service),
  };
  int result = api_new(&api, &service->api, err);
  if (result != 0) return result;
  service->events = endpoint_events_new(&events);
  CHECK(service->events != NULL);
  service->routes[0] = endpoint_api_route(service->api, config->api_body_max);
  service->routes[1] = endpoint_events_route(service->events);
  service->routes[2] = endpoint_events_alias_route(service->events);
  service->routes[3] = endpoint_agents_route(service->agents);
  start_adapters(service);
  service->routes[5] = endpoint_console_route();
  service->routes[6] = endpoint_console_bare_route();
  service->routes[8] = endpoint_uapi_route();
  result = start_openapi(service, err);
  return result == 0 ? start_v1(service, err) : result;
}

/* Descriptors for the ledger and the server itself. They are reserved: a client must not take what a checkpoint
 * needs.
 */
static uint64_t reserved_descriptors(const struct config *config) {
  long cores = sysconf(_SC_NPROCESSORS_ONLN);
  uint64_t threads = config->http_threads > 0 ? config->http_threads : (cores > 0 ? (uint64_t)cores : 1);
  uint64_t ops = config->ops_listen[0] != '\0' ? OPS_CONNECTIONS_MAX + THREAD_DESCRIPTORS : 0;
  return ops + LEDGER_DESCRIPTORS + SOURCES_DESCRIPTORS + SERVE_DESCRIPTORS + THREAD_DESCRIPTORS * threads;
}

/* Raises the limit of descriptors. If it stays too low, lowers http.connections_max to what is left. */
static void share_descriptors(struct config *config) {
  uint64_t reserved = reserved_descriptors(config), wanted = reserved + config->http_connections_max;
  uint64_t limit = descriptors_raise(wanted);
  if (limit >= wanted) return;
  uint64_t left = limit > reserved + CONNECTIONS_LEAST ? limit - reserved : CONNECTIONS_LEAST;
  diag_warning(
      "this process may open %llu files, of which the ledger and the server reserve %llu: http.connections_max is "
      "lowered from %llu to %llu connections; raise the limit to %llu (ulimit -n, or LimitNOFILE= of the unit)",
      (unsigned long long)limit, (unsigned long long)reserved, (unsigned long long)config->http_connections_max,
      (unsigned long long)left, (unsigned long long)wanted);
  config->http_connections_max = left;
}

/* Frees memory that the endpoints keep and no longer use. Called on the HTTP server's thread every few seconds. */
static void rest(void *arg) {
  struct service *service = arg;
  api_rest(service->api);
  endpoint_events_rest(service->events);
  endpoint_adapters_rest(service->notices);
  endpoint_agents_rest(service->agents);
}

static int start_http(struct service *service, const struct serve_options *options, struct err *err) {
  const struct config *config = &service->config;
  struct http_options http = {
      .listen = options->listen,
      .listen_name = "--listen",
      .threads = (unsigned)config->http_threads,
      .connections_max = (unsigned)config->http_connections_max,
      .connections_per_address = (unsigned)config->http_connections_per_address,
      .proxies = config->http_proxies,
      .header_max = (uint32_t)config->http_header_max,
      .request_timeout_ms = (int64_t)config->http_request_timeout,
      .idle_timeout_ms = (int64_t)config->http_idle_timeout,
      .wait_timeout_ms = (int64_t)config->http_wait_timeout,
      .query_threads = (unsigned)config->query_threads,
      .query_running_max = (unsigned)config->query_running_max,
      .query_waiting_max = (unsigned)config->query_waiting_max,
      .drain_max = config->http_drain_max,
      .bodies_max = config->http_bodies_max,
      .answers_max = config->http_answers_max,
      .access_log = config->http_access_log != 0,
      .tls_cert = options->tls_cert,
      .tls_key = options->tls_key,
      .routes = service->routes,
      .rest = rest,
      .rest_arg = service,
      .hurries = stop_is_insisted, /* a second signal: everything that was accepted is on disk by then */
  };
  return http_server_start(&http, &service->http, err);
}

static int start(struct service *service, const struct serve_options *options, struct err *err) {
  int result = datadir_open(datadir_choose(options->data), true, &service->dir, err);
  if (result == 0) result = datadir_lock(&service->dir, LOCK_WAIT_MS, stop_is_wanted, err);
  if (result != 0) return result;
  datadir_sign(&service->dir, options->listen);
  const char *network = datadir_network(&service->dir);
  if (network != NULL) {
    diag_warning("%s is on a network file system (%s), where locks and syncs may not work; use a local disk",
                 service->dir.path, network);
  }
  result = ops_listen(&service->ops, &service->config, stop_is_insisted, err);
  if (result == 0) result = control_start(&service->dir, &service->control, err);
  if (result == 0) result = start_ledger(service, err);
  if (result == 0) result = start_quarantine(service, err);
  if (result == 0) result = start_sources(service, err);
  if (result == 0) result = start_endpoints(service, err);
  if (result == 0) result = start_http(service, options, err);
  if (result != 0) return result;
  service->admin_adapters = (struct admin_adapters){
      .data = service->dir.path,
      .set = service->adapters,
      .endpoint = service->notices,
      .quarantine = service->quarantine,
      .committer = service->committer,
  };
  service->admin = (struct admin){
      .ledger = service->ledger,
      .catalogue = ledger_catalogue(service->ledger),
      .time_zone = service->config.project_time_zone,
      .change = change,
      .report = report,
      .checkpoint = checkpoint,
      .list_sources = list_sources,
      .forget_agent = forget_agent,
      .token_uses = service->token_uses,
      .arg = service,
      .adapters = &service->admin_adapters,
  };
  warn_of_former_tokens(service);
  const struct ops_rooms rooms = {
      .config = &service->config,
      .ledger = service->ledger,
      .committer = service->committer,
      .quarantine = service->quarantine,
      .adapters = service->adapters,
      .notices = service->notices,
      .v1 = service->v1,
      .http = service->http,
  };
  ops_serve(&service->ops, &rooms);
  control_ready(service->control, &service->admin);
  return 0;
}

/* Checks the ledger's files after the last write: if they were removed, renamed or replaced, the next start would not
 * find what was acknowledged, so this fails. */
static int stop(struct service *service, struct err *err) {
  int result = 0;
  service_notify_stopping();
  ops_drain(&service->ops);
  if (service->http != NULL) http_server_quiesce(service->http);
  control_stop(service->control);
  if (service->committer != NULL) committer_stop(service->committer);
  keeper_stop(service->keeper);
  if (service->http != NULL) http_server_stop(service->http);
  ops_stop(&service->ops);
  endpoint_agents_free(service->agents);
  endpoint_openapi_free(service->openapi);
  endpoint_adapters_free(service->notices);
  keeper_free(service->keeper);
  quarantine_close(service->quarantine);
  adapters_free(service->adapters);
  endpoint_events_free(service->events);
  v1_free(service->v1);
  api_free(service->api);
  sources_stop(service->sources);
  token_uses_free(service->token_uses);
  if (service->ledger != NULL) result = ledger_check_places(service->ledger, err);
  ledger_close(service->ledger);
  committer_free(service->committer);
  datadir_close(&service->dir);
  return result;
}

/* False if nobody reads standard output now. */
static bool say_ready(const struct service *service) {
  SCOPED_MALLOC char *line = NULL;
  CHECK(asprintf(&line, "ready %s", http_server_url(service->http)) >= 0);
  return diag_output(line);
}

static void announce(struct service *service, const struct serve_options *options) {
  const char *url = http_server_url(service->http);
  datadir_sign(&service->dir, url);
  if (http_server_is_public(service->http) && options->tls_cert == NULL) {
    diag_warning(
        "listening beyond this machine without TLS, so tokens and keys are sent unencrypted; give --tls-cert and "
        "--tls-key, or put a TLS proxy in front");
  }
  service_notify_ready();
  service_notify_status("serving %s", url);
}

/* Pings the watchdog, unless the committer or the HTTP server's thread of deadlines hangs. Without pings the manager
 * kills this process and starts another, which has everything that was answered. */
static void look_at_threads(struct service *service) {
  bool commits = committer_has_moved(service->committer, &service->commits_seen);
  bool sweeps = http_server_has_moved(service->http, &service->sweeps_seen);
  if (commits && sweeps) {
    service_notify_progress();
    service->said_hanging = false;
    return;
  }
  if (service->said_hanging) return;
  service->said_hanging = true;
  double seconds = (double)service_notify_rhythm_ms() / 1000;
  diag_warning(commits ? "the HTTP server has not checked its deadlines for %.1f s, so the watchdog gets no ping"
                       : "nothing has been committed for %.1f s although usage waits, so the watchdog gets no ping: "
                         "check the disk",
               seconds);
}

/* Waits for a request to stop. Until then checks the threads in the watchdog's rhythm, and prints `ready` as soon as
 * somebody reads standard output. */
static void wait_for_stop(struct service *service) {
  bool has_said = stop_is_wanted() || say_ready(service);
  for (;;) {
    int64_t pause_ms = service_notify_rhythm_ms();
    if (!has_said && (pause_ms < 0 || pause_ms > READY_RETRY_MS)) pause_ms = READY_RETRY_MS;
    if (stop_wait(pause_ms)) return;
    if (service_notify_rhythm_ms() >= 0) look_at_threads(service);
    if (!has_said) has_said = say_ready(service);
  }
}

int serve(const struct serve_options *options, struct err *err) {
  SCOPED_MALLOC struct service *service = calloc(1, sizeof *service);
  CHECK(service != NULL);
  service->dir = DATADIR_NONE;
  int result = config_read(&service->config, options->config, options->set, err);
  if (result == 0) result = check_zone(&service->config, err);
  if (result == 0) result = listen_check(options->listen, err);
  if (result == 0) result = ops_check(&service->config, options->listen, err);
  if (result == 0) result = adapters_new(&service->config, &service->adapters, err);
  if (result != 0) return result;
  memory_init();
  stop_begin_service();
  share_descriptors(&service->config);
  service_notify_begin();
  ops_begin(&service->ops);
  result = start(service, options, err);
  if (result == 0) {
    if (!stop_is_wanted()) announce(service, options);
    wait_for_stop(service);
    diag_info("stopping: committing the queued events");
  }
  if (result == -ERR_STOPPING) result = 0;
  struct err gone = {0};
  int stopped = stop(service, &gone);
  if (result == 0 && atomic_load(&service->failed)) {
    *err = service->failure;
    result = -(int)err->code;
  }
  if (result == 0 && stopped != 0) {
    *err = gone;
    result = stopped;
  }
  return result;
}
