/* The endpoints: "/" is the signed API, "/v1/events" and "/v1/adapters/<name>" take usage, "/v1/agents" takes the status
 * of agents, "/console/" is for browsers. Each function `…_route`
 * makes a row of the route table. */
#ifndef CODECMETER_HTTP_ENDPOINTS_H
#define CODECMETER_HTTP_ENDPOINTS_H

#include "adapt/adapter.h"
#include "adapt/keeper.h"
#include "api/api.h"
#include "base/clock.h"
#include "console/console.h"
#include "http/bearer.h"
#include "http/request.h"
#include "ingest/commit/committer.h"
#include "ledger/ledger.h"
#include "sources/sources.h"

/* "/": GET, HEAD and POST are answered with 200 and one JSON object; a browser's plain GET or HEAD with one HTML
 * page. api is borrowed. */
struct http_route endpoint_api_route(struct api *api, uint64_t body_max);

/* "/console" and "/console/": the console's page and its assets. Anybody may read them; they hold no data. */
struct http_route endpoint_console_route(void);
struct http_route endpoint_console_bare_route(void);
/* Adds the headers that bind a browser: nothing but this server's own scripts, styles, images and answers is loaded,
 * nobody may frame the page, and no address is told to other sites. */
void endpoint_console_bind(struct http_reply *reply);
/* Answers with an embedded page, and binds the browser. */
void endpoint_console_page(const struct console_file *page, struct http_request *request, struct http_reply *reply);

/* "/uapi/detail?id=ACTION": leads to the action's form in the console. Another id leads to the list of all. */
struct http_route endpoint_uapi_route(void);

/* "/openapi.json": the description of the API, in several languages. Anybody may read it. */
#define ENDPOINT_OPENAPI_MAX 4 /* languages */
struct endpoint_openapi;
MUST_USE struct endpoint_openapi *endpoint_openapi_new(void);
void endpoint_openapi_free(struct endpoint_openapi *endpoint);
/* Adds the document in a language; the first one is the default. Takes the text. False: there is no memory. */
MUST_USE bool endpoint_openapi_add(struct endpoint_openapi *endpoint, const char *language, struct buf text);
struct http_route endpoint_openapi_route(struct endpoint_openapi *endpoint);

/* "/metrics", "/healthz" and "/readyz": for those who operate the server. Anybody may read them; docs/metrics.md. */
struct endpoint_ops {
  void (*look)(void *arg); /* reads the gauges of metrics/metrics.def, from memory */
  /* False: not ready; appends the reason, one line without its end. */
  bool (*is_ready)(void *arg, struct buf *why);
  void *arg;
};
/* The endpoint is borrowed. */
struct http_route endpoint_ops_metrics_route(struct endpoint_ops *endpoint);
struct http_route endpoint_ops_healthz_route(struct endpoint_ops *endpoint);
struct http_route endpoint_ops_readyz_route(struct endpoint_ops *endpoint);

/* "/v1/events". */
struct endpoint_events_options {
  const struct bearer_door *door; /* all pointers are borrowed */
  struct committer *committer;
  struct sources *sources;     /* counts the events that are rejected */
  const struct clock *clock;
  uint64_t body_max;           /* bytes */
  uint32_t events_max;         /* in one body */
  const char *former_zone;     /* of projects that a token without a zone creates */
};
struct endpoint_events;
MUST_USE struct endpoint_events *endpoint_events_new(const struct endpoint_events_options *options);
void endpoint_events_free(struct endpoint_events *endpoint);
/* Frees the parsers that no request has used since the last time. Any thread. */
void endpoint_events_rest(struct endpoint_events *endpoint);
struct http_route endpoint_events_route(struct endpoint_events *endpoint);
/* "/api/v1/events", for clients of OpenMeter: answers 204 when every event counts, otherwise as "/v1/events". */
struct http_route endpoint_events_alias_route(struct endpoint_events *endpoint);

/* "/v1/adapters/<name>": one route for all adapters. */
struct endpoint_adapters_options {
  struct ledger *ledger; /* all pointers are borrowed */
  const struct bearer_door *door;
  struct committer *committer;
  struct keeper *keeper; /* keeps the notices on which a script fails */
  struct sources *sources;
  const struct clock *clock;
  const struct adapters *adapters;
  uint64_t body_max;       /* bytes */
  const char *former_zone; /* as above */
};
struct endpoint_adapters;
MUST_USE struct endpoint_adapters *endpoint_adapters_new(const struct endpoint_adapters_options *options);
void endpoint_adapters_free(struct endpoint_adapters *endpoint);
/* Frees the parsers that no request has used since the last time. Any thread. */
void endpoint_adapters_rest(struct endpoint_adapters *endpoint);
struct http_route endpoint_adapters_route(struct endpoint_adapters *endpoint);

/* What the requests of one adapter brought since the start. */
struct adapter_counts {
  uint64_t notices;              /* that the script read */
  uint64_t outputs;              /* in these: stored, duplicates, conflicts, unresolved and rejected ones */
  uint64_t unresolved, rejected; /* of these */
  uint64_t ignored;              /* reasons why parts of notices, or all, were no output */
  uint64_t quarantined;          /* notices on which the script failed */
};
/* index: as for adapters_at. Any thread. */
void endpoint_adapters_counts(struct endpoint_adapters *endpoint, size_t index, struct adapter_counts *ret);

/* "/v1/agents": an agent reports its status, with the token with which it reports events. Answered at once, with the
 * server's time. */
struct endpoint_agents_options {
  const struct bearer_door *door; /* all pointers are borrowed */
  struct sources *sources;
  const struct clock *clock;
};
struct endpoint_agents;
MUST_USE struct endpoint_agents *endpoint_agents_new(const struct endpoint_agents_options *options);
void endpoint_agents_free(struct endpoint_agents *endpoint);
/* Frees the parsers that no request has used since the last time. Any thread. */
void endpoint_agents_rest(struct endpoint_agents *endpoint);
struct http_route endpoint_agents_route(struct endpoint_agents *endpoint);

#endif
