/* POST /v1/events: reads events from the body, hands them to the committer, and answers with their outcomes. OPTIONS
 * answers a webhook that asks whether it may deliver here.
 */
#include <stdlib.h>

#include "base/check.h"
#include "http/bearer.h"
#include "http/body.h"
#include "http/endpoints.h"
#include "http/waiter.h"
#include "ingest/commit/answer.h"
#include "ingest/commit/trace.h"
#include "ingest/read/content_type.h"
#include "ingest/read/event.h"
#include "ingest/read/parsers.h"

#define PATH "/v1/events"
#define PATH_ALIAS "/api/v1/events"
#define METHODS "POST, OPTIONS"
_Static_assert(EVENT_HEADERS_MAX == 64, "is_admitted's refusal contains it as text");

struct endpoint_events {
  struct endpoint_events_options options;
  struct parsers *parsers;
};

struct endpoint_events *endpoint_events_new(const struct endpoint_events_options *options) {
  struct endpoint_events *endpoint = calloc(1, sizeof *endpoint);
  CHECK(endpoint != NULL);
  *endpoint = (struct endpoint_events){.options = *options, .parsers = parsers_new()};
  return endpoint;
}

void endpoint_events_free(struct endpoint_events *endpoint) {
  if (endpoint == NULL) return;
  parsers_free(endpoint->parsers);
  free(endpoint);
}

void endpoint_events_rest(struct endpoint_events *endpoint) { parsers_rest(endpoint->parsers); }

/* ---- answers ---- */

static enum http_result refuse(struct http_reply *reply, unsigned status, const char *detail) {
  http_reply_problem(reply, status, detail);
  return HTTP_ANSWERED;
}

/* Those that could not be read have no source here. */
static void count_unread(const struct endpoint_events *endpoint, const struct token *token,
                         const struct events *events) {
  size_t count = events->count - events->usages_count;
  if (count > 0) sources_count_rejected(endpoint->options.sources, str_of(token->project), STR(""), count);
}

static void count_rejected(const struct endpoint_events *endpoint, const struct delivery *delivery) {
  const struct events *events = &delivery->events;
  for (size_t i = 0; i < events->usages_count; i++) {
    const struct usage *usage = &events->usages[i];
    if (delivery->batch.verdicts[i].outcome == VERDICT_REJECTED)
      sources_count_rejected(endpoint->options.sources, usage->project, usage->source, 1);
  }
}

static void answer(const struct waiter *waiter) {
  const struct delivery *delivery = waiter->delivery;
  struct http_reply *reply = waiter->reply;
  bool is_alias = str_equal(waiter->request->path, STR(PATH_ALIAS));
  const struct trace_origin origin = {.path = waiter->request->path, .token = waiter->request->who};
  if (delivery->has_lost) trace_lost(&origin, &delivery->events, delivery->batch.verdicts);
  if (delivery->has_lost) count_rejected(waiter->arg, delivery);
  if (!waiter_claim(waiter, ingest_answer_max(&delivery->events, delivery->batch.verdicts))) return;
  if (is_alias && ingest_counts_all(&delivery->events, delivery->batch.verdicts))
    reply->status = 204;
  else
    ingest_answer(&delivery->events, delivery->batch.verdicts, &reply->body, &reply->status);
}

/* ---- a request ---- */

/* From the head: who reports, and how to read the body. */
struct admission {
  struct token token;
  enum event_framing framing;
  enum content_coding coding;
  struct event_header headers[EVENT_HEADERS_MAX]; /* attributes of an event in binary mode */
  size_t headers_count;                           /* of all such headers; more than the array holds: refused */
};

static void take_header(void *arg, struct str name, struct str value) {
  struct admission *admission = arg;
  if (!event_header_is_attribute(name)) return;
  if (admission->headers_count < EVENT_HEADERS_MAX) {
    admission->headers[admission->headers_count] = (struct event_header){.name = name, .value = value};
  }
  admission->headers_count++;
}

static bool is_admitted(const struct endpoint_events *endpoint, struct http_request *request,
                        struct http_reply *reply, struct admission *ret) {
  struct err err = {0};
  if (!bearer_check_header(endpoint->options.door, BEARER_REPORT, request, reply, &ret->token)) return false;
  ret->headers_count = 0;
  http_each_header(request, take_header, ret);
  if (ret->headers_count > EVENT_HEADERS_MAX) {
    (void)refuse(reply, 400, "more than 64 headers ce-…: an event has fewer attributes");
  } else if (content_type_coding(request->content_encoding, &ret->coding, &err) != 0 ||
             content_type_framing(request->content_type, ret->headers_count > 0, &ret->framing, &err) != 0) {
    (void)body_refuse_type(request, reply, err.text);
  } else {
    return true;
  }
  return false;
}

static bool is_preflight(const struct http_request *request) { return str_equal(request->method, STR("OPTIONS")); }

static bool admit(void *arg, struct http_request *request, struct http_reply *reply) {
  struct admission admission;
  return is_preflight(request) || is_admitted(arg, request, reply, &admission);
}

/* ---- CloudEvents' abuse protection for webhooks ---- */

struct preflight {
  struct str origin;
  bool has_rate;
};

static void take_preflight(void *arg, struct str name, struct str value) {
  struct preflight *preflight = arg;
  if (str_equal_nocase(name, STR("WebHook-Request-Origin"))) preflight->origin = value;
  if (str_equal_nocase(name, STR("WebHook-Request-Rate"))) preflight->has_rate = true;
}

/* Any webhook may deliver: the delivery itself needs a token. */
static enum http_result answer_preflight(struct http_request *request, struct http_reply *reply) {
  struct preflight preflight = {.origin = STR("")};
  char origin[HTTP_HEADER_VALUE_MAX + 1];
  http_each_header(request, take_preflight, &preflight);
  http_reply_header(reply, "Allow", METHODS);
  reply->status = 204;
  if (preflight.origin.len == 0) return HTTP_ANSWERED;
  if (!str_copy(preflight.origin, origin, sizeof origin) || str_has_control(preflight.origin)) {
    return refuse(reply, 400, "WebHook-Request-Origin must be a host name of at most 255 bytes");
  }
  reply->status = 200;
  http_reply_header(reply, "WebHook-Allowed-Origin", origin);
  if (preflight.has_rate) http_reply_header(reply, "WebHook-Allowed-Rate", "*");
  return HTTP_ANSWERED;
}

/* ---- a delivery ---- */

static int read_events(struct endpoint_events *endpoint, const struct admission *admission, struct delivery *delivery,
                       const struct event_source *source, struct err *err) {
  struct event_rules rules = {
      .project = admission->token.project[0] != '\0' ? admission->token.project : NULL,
      .token = admission->token.id,
      .may_void = admission->token.scope == TOKEN_VOID,
      .now_ms = clock_real_ms(endpoint->options.clock),
      .events_max = endpoint->options.events_max,
  };
  struct json_parser *parser = parsers_borrow(endpoint->parsers);
  if (parser == NULL) return err_set(err, ERR_MEMORY, "no memory to read the events");
  int result = event_read(parser, delivery->arena, source, &rules, &delivery->events, err);
  parsers_give_back(endpoint->parsers, parser);
  return result;
}

static size_t source_len(const struct event_source *source) {
  size_t len = source->body.len;
  for (size_t i = 0; i < source->headers_count; i++)
    len += source->headers[i].name.len + source->headers[i].value.len;
  return len;
}

static enum http_result handle(void *arg, struct http_request *request, struct http_reply *reply) {
  struct endpoint_events *endpoint = arg;
  struct admission admission;
  struct err err = {0};
  SCOPED(buf_fini) struct buf inflated = {0};
  if (request->unavailable != NULL) return waiter_refuse_report(reply, request->unavailable_for, request->unavailable);
  if (is_preflight(request)) return answer_preflight(request, reply);
  /* A second check: the token may have been revoked while the body arrived. */
  if (!is_admitted(endpoint, request, reply, &admission)) return HTTP_ANSWERED;
  struct event_source source = {
      .framing = admission.framing,
      .headers = admission.headers,
      .headers_count = admission.framing == EVENT_FRAMING_BINARY ? admission.headers_count : 0,
  };
  if (!body_decode(request, admission.coding, endpoint->options.body_max, &inflated, reply, &source.body)) {
    return HTTP_ANSWERED;
  }
  struct waiter *waiter =
      waiter_new(request, reply, event_memory_max(source_len(&source), endpoint->options.events_max), answer);
  if (waiter == NULL) return waiter_refuse_report(reply, METRIC_REFUSED_MEMORY, WAITER_NO_MEMORY);
  waiter->arg = endpoint;
  int result = read_events(endpoint, &admission, waiter->delivery, &source, &err);
  if (result != 0) return body_refuse(request, reply, result, &err);
  count_unread(endpoint, &admission.token, &waiter->delivery->events);
  return waiter_submit(waiter, endpoint->options.committer,
                       bearer_projects_zone(&admission.token, endpoint->options.former_zone));
}

static void too_large(void *arg, struct http_request *request, struct http_reply *reply) {
  const struct endpoint_events *endpoint = arg;
  body_too_large(request, reply, endpoint->options.body_max);
}

static struct http_route route_of(struct endpoint_events *endpoint, const char *path) {
  return (struct http_route){
      .counted_as = METRIC_ROUTE_EVENTS,
      .path = path,
      .methods = METHODS,
      .body_max = endpoint->options.body_max,
      .admit = admit,
      .handle = handle,
      .too_large = too_large,
      .expired = waiter_expired,
      .release = waiter_release,
      .arg = endpoint,
  };
}

struct http_route endpoint_events_route(struct endpoint_events *endpoint) {
  return route_of(endpoint, PATH);
}
struct http_route endpoint_events_alias_route(struct endpoint_events *endpoint) {
  return route_of(endpoint, PATH_ALIAS);
}
