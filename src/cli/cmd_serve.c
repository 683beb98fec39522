/* The wiring diagram: what `serve` starts, in which order, and how it stops.
 *
 *   data directory, lock ──> control socket ──> ledger ──> committer ──> API, endpoints ──> HTTP ──> "ready"
 *
 * and back: no new connections, commands refused, the queue committed and its waiters answered, HTTP, ledger.
 */
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/api.h"
#include "base/check.h"
#include "base/config.h"
#include "base/diag.h"
#include "cli/command.h"
#include "cli/control.h"
#include "cli/datadir.h"
#include "cli/options.h"
#include "http/endpoints.h"
#include "http/server.h"
#include "ingest/committer.h"
#include "ledger/ledger.h"
#include "meter/codec.h"

#define LOCK_WAIT_MS 10000

struct serve_options {
  char *data, *listen, *config, *tls_cert, *tls_key;
  char **set;
  bool list_settings;
};

/* All that runs; freed in the opposite order. */
struct service {
  struct config config;
  struct datadir dir;
  struct control *control;
  struct committer *committer;
  struct ledger *ledger;
  struct api *api;
  struct endpoint_events *events;
  struct endpoint_adapters *adapters;
  struct adapter_rule adapter_codecs[CONFIG_ADAPTER_CODECS_MAX];
  struct adapter_rules adapter_rules;
  struct http_server *http;
  struct http_route routes[3 + ENDPOINT_ADAPTERS_MAX + 1];
  struct admin admin;
  atomic_bool failed;
  struct err failure;
};

/* On the committer's thread: the ledger cannot go on. */
static void on_fatal(void *arg, const struct err *err) {
  struct service *service = arg;
  diag_error("the ledger accepts nothing more: %s", err->text);
  service->failure = *err;
  atomic_store(&service->failed, true);
  (void)kill(getpid(), SIGTERM);
}

/* Has one of our signals come that nobody has taken yet? */
static bool is_asked_to_stop(void) {
  sigset_t pending;
  return sigpending(&pending) == 0 && (sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1 ||
                                       sigismember(&pending, SIGHUP) == 1);
}

static int change(void *arg, const struct change *change, struct err *err) {
  return committer_change(((struct service *)arg)->committer, change, err);
}

static int report(void *arg, const struct usage *usage, struct verdict *ret, struct err *err) {
  return committer_report(((struct service *)arg)->committer, usage, ret, err);
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
      .wake_writer = committer_wake,
      .wake_writer_arg = service->committer,
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

/* Whole seconds; what is not off does not become so. */
static int64_t seconds_up(uint64_t ms) { return (int64_t)((ms + 999) / 1000); }

static bool is_adapter(const char *name) {
  size_t i = 0;
  while (adapter_name(i) != NULL && strcmp(adapter_name(i), name) != 0)
    i++;
  return adapter_name(i) != NULL;
}

/* Codecs are held against the same rules as those of events: what is wrong is told at the start. */
static int read_adapter_rules(struct service *service, struct err *err) {
  struct config *config = &service->config;
  for (size_t i = 0; i < config->adapter_codecs_count; i++) {
    struct config_adapter_codec *set = &config->adapter_codecs[i];
    char canonical[CODEC_NAME_MAX + 1];
    if (!is_adapter(set->adapter)) return err_set(err, ERR_USAGE, "adapter.%s: no such adapter", set->adapter);
    if (codec_canonical(str_of(set->codec), canonical, err) != 0) {
      return err_set(err, ERR_USAGE, "adapter.%s.codec: '%s' is no codec's name", set->adapter, set->codec);
    }
    service->adapter_codecs[i] =
        (struct adapter_rule){.adapter = set->adapter, .preset = set->preset, .codec = set->codec};
  }
  service->adapter_rules =
      (struct adapter_rules){.items = service->adapter_codecs, .count = config->adapter_codecs_count};
  return 0;
}

static int start_adapters(struct service *service, struct err *err) {
  int result = read_adapter_rules(service, err);
  if (result != 0) return result;
  const struct endpoint_adapters_options options = {
      .ledger = service->ledger,
      .committer = service->committer,
      .clock = clock_system(),
      .rules = &service->adapter_rules,
      .body_max = service->config.ingest_body_max,
  };
  service->adapters = endpoint_adapters_new(&options);
  for (size_t i = 0; adapter_name(i) != NULL; i++)
    service->routes[3 + i] = endpoint_adapters_route(service->adapters, i);
  return 0;
}

static int start_endpoints(struct service *service, struct err *err) {
  const struct config *config = &service->config;
  struct api_options api = {
      .ledger = service->ledger,
      .committer = service->committer,
      .clock = clock_system(),
      .body_max = config->api_body_max,
      .params_max = (uint32_t)config->api_params_max,
      .rows_max = (uint32_t)config->query_rows_max,
      .window = {.max_age = seconds_up(config->query_max_age), .max_span = seconds_up(config->query_max_span)},
  };
  struct endpoint_events_options events = {
      .ledger = service->ledger,
      .committer = service->committer,
      .clock = clock_system(),
      .body_max = config->ingest_body_max,
      .events_max = (uint32_t)config->ingest_events_max,
  };
  int result = api_new(&api, &service->api, err);
  if (result != 0) return result;
  service->events = endpoint_events_new(&events);
  CHECK(service->events != NULL);
  service->routes[0] = endpoint_api_route(service->api, config->api_body_max);
  service->routes[1] = endpoint_events_route(service->events);
  service->routes[2] = endpoint_events_alias_route(service->events);
  return start_adapters(service, err);
}

static int start_http(struct service *service, const struct serve_options *options, struct err *err) {
  const struct config *config = &service->config;
  struct http_options http = {
      .listen = options->listen,
      .threads = (unsigned)config->http_threads,
      .connections_max = (unsigned)config->http_connections_max,
      .connections_per_address = (unsigned)config->http_connections_per_address,
      .header_max = (uint32_t)config->http_header_max,
      .request_timeout_ms = (int64_t)config->http_request_timeout,
      .idle_timeout_ms = (int64_t)config->http_idle_timeout,
      .wait_timeout_ms = (int64_t)config->http_wait_timeout,
      .drain_max = config->http_drain_max,
      .bodies_max = config->http_bodies_max,
      .access_log = config->http_access_log != 0,
      .tls_cert = options->tls_cert,
      .tls_key = options->tls_key,
      .routes = service->routes,
      .hurries = is_asked_to_stop, /* once more: all that was taken is on disk by then */
  };
  return http_server_start(&http, &service->http, err);
}

static int start(struct service *service, const struct serve_options *options, struct err *err) {
  int result = datadir_open(datadir_choose(options->data), true, &service->dir, err);
  if (result == 0) result = datadir_lock(&service->dir, LOCK_WAIT_MS, is_asked_to_stop, err);
  if (result != 0) return result;
  datadir_sign(&service->dir, options->listen);
  const char *network = datadir_network(&service->dir);
  if (network != NULL) {
    diag_warning("%s lies on a network file system (%s): locks and syncs may not be what they say there; use a local disk",
                 service->dir.path, network);
  }
  result = control_start(&service->dir, &service->control, err);
  if (result == 0) result = start_ledger(service, err);
  if (result == 0) result = start_endpoints(service, err);
  if (result == 0) result = start_http(service, options, err);
  if (result != 0) return result;
  service->admin = (struct admin){
      .catalogue = ledger_catalogue(service->ledger),
      .change = change,
      .report = report,
      .checkpoint = checkpoint,
      .arg = service,
  };
  control_ready(service->control, &service->admin);
  return 0;
}

/* Signals are taken here and nowhere else; every thread inherits the mask. */
static void block_signals(sigset_t *set) {
  (void)sigemptyset(set);
  (void)sigaddset(set, SIGTERM);
  (void)sigaddset(set, SIGINT);
  (void)sigaddset(set, SIGHUP);
  CHECK(pthread_sigmask(SIG_BLOCK, set, NULL) == 0);
  (void)signal(SIGPIPE, SIG_IGN);
}

static void stop(struct service *service) {
  if (service->http != NULL) http_server_quiesce(service->http);
  control_stop(service->control);
  if (service->committer != NULL) committer_stop(service->committer);
  if (service->http != NULL) http_server_stop(service->http);
  endpoint_adapters_free(service->adapters);
  endpoint_events_free(service->events);
  api_free(service->api);
  ledger_close(service->ledger);
  committer_free(service->committer);
  datadir_close(&service->dir);
}

static void announce(struct service *service, const struct serve_options *options) {
  const char *url = http_server_url(service->http);
  datadir_sign(&service->dir, url);
  if (http_server_is_public(service->http) && options->tls_cert == NULL) {
    diag_warning("listening beyond this machine without TLS: tokens and keys pass in the clear; give --tls-cert and "
                 "--tls-key, or put a TLS proxy before it");
  }
  (void)printf("ready %s\n", url);
  (void)fflush(stdout);
}

static int serve(const struct serve_options *options, struct err *err) {
  SCOPED_MALLOC struct service *service = calloc(1, sizeof *service);
  CHECK(service != NULL);
  service->dir = DATADIR_NONE;
  sigset_t signals;
  int result = config_read(&service->config, options->config, options->set, err);
  if (result != 0) return result;
  block_signals(&signals);
  result = start(service, options, err);
  if (result == 0) {
    int number;
    if (!is_asked_to_stop()) announce(service, options);
    CHECK(sigwait(&signals, &number) == 0);
    diag_info("stopping: committing what is queued");
  }
  if (result == -ERR_STOPPING) {
    int number;
    CHECK(sigwait(&signals, &number) == 0); /* it is why */
    result = 0;
  }
  stop(service);
  if (result == 0 && atomic_load(&service->failed)) {
    *err = service->failure;
    result = -(int)err->code;
  }
  return result;
}

static void list_settings(void) {
  SCOPED(buf_fini) struct buf table = {0};
  config_describe(&table);
  (void)fwrite(table.ptr, 1, table.len, stdout);
}

int cmd_serve(int argc, char **argv) {
  static char listen_default[] = "127.0.0.1:8080";
  struct serve_options options = {0};
  const struct option_row rows[] = {
      {"data", 0, OPTION_TEXT, &options.data, "DIR", "data directory, made if missing ($CODECMETER_DATA, else ./data)"},
      {"listen", 0, OPTION_TEXT, &options.listen, "ADDR:PORT", "where to listen; port 0 is any free one (127.0.0.1:8080)"},
      {"config", 0, OPTION_TEXT, &options.config, "FILE", "INI file of settings"},
      {"set", 0, OPTION_LIST, &options.set, "SECTION.KEY=VALUE", "one setting; repeatable, stronger than the file"},
      {"tls-cert", 0, OPTION_TEXT, &options.tls_cert, "FILE", "serve HTTPS with this certificate (PEM)"},
      {"tls-key", 0, OPTION_TEXT, &options.tls_key, "FILE", "and this key (PEM)"},
      {"list-settings", 0, OPTION_FLAG, &options.list_settings, NULL, "print all settings as a table, and end"},
      {0},
  };
  const struct option_spec spec = {
      .summary = "Runs the meter. Prints `ready URL` when it serves; SIGTERM or Ctrl-C stops it: what is queued is "
                 "committed, who waits is answered.",
      .description = "Examples:\n  codecmeter serve --data /var/lib/codecmeter --listen 127.0.0.1:8080\n"
                     "  codecmeter serve --set query.max_age=0 --set ingest.delta_max=2000000",
      .rows = rows,
  };
  struct err err = {0};
  int result = options_parse(&spec, &argc, &argv, &err);
  if (result == 0) result = options_no_operands(argc, argv, &err);
  if (result == 0 && options.list_settings) {
    list_settings();
    return EXIT_OK;
  }
  if (options.listen == NULL) options.listen = listen_default;
  if (result == 0) result = serve(&options, &err);
  return result == 0 ? EXIT_OK : command_fail("serve", &err);
}
