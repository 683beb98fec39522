/* POST /v1/events: bytes to events, to the committer, and back. OPTIONS: may a webhook deliver here?
 *
 * A waiter is one request and its report. The request frees it when it ends, but for a report that it has abandoned.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "auth/token.h"
#include "base/check.h"
#include "base/diag.h"
#include "http/endpoints.h"
#include "ingest/answer.h"
#include "ingest/content_type.h"
#include "ingest/delivery.h"
#include "ingest/event.h"
#include "ingest/gunzip.h"

#define PATH "/v1/events"
#define PATH_ALIAS "/api/v1/events"
#define METHODS "POST, OPTIONS"
#define RETRY_AFTER "2" /* seconds */
#define PARSERS_KEPT 64
/* A batch of ingest.events_max plain events; what a parser has grown beyond that for it gives back. */
#define PARSER_TEXT_MAX ((size_t)4 << 20)

struct endpoint_events {
  struct endpoint_events_options options;
  pthread_mutex_t lock; /* the idle parsers */
  struct json_parser *parsers[PARSERS_KEPT];
  unsigned parsers_count;
};

struct waiter {
  struct delivery *delivery; /* NULL: the committer's alone now */
  struct http_request *request;
  struct http_reply *reply;
};

/* ---- parsers are costly to make, and kept ---- */

static struct json_parser *borrow_parser(struct endpoint_events *endpoint) {
  struct json_parser *parser = NULL;
  (void)pthread_mutex_lock(&endpoint->lock);
  if (endpoint->parsers_count > 0) parser = endpoint->parsers[--endpoint->parsers_count];
  (void)pthread_mutex_unlock(&endpoint->lock);
  return parser != NULL ? parser : json_parser_new();
}

static void give_back_parser(struct endpoint_events *endpoint, struct json_parser *parser) {
  json_parser_trim(parser, PARSER_TEXT_MAX);
  (void)pthread_mutex_lock(&endpoint->lock);
  bool keep = endpoint->parsers_count < PARSERS_KEPT;
  if (keep) endpoint->parsers[endpoint->parsers_count++] = parser;
  (void)pthread_mutex_unlock(&endpoint->lock);
  if (!keep) json_parser_free(parser);
}

struct endpoint_events *endpoint_events_new(const struct endpoint_events_options *options) {
  struct endpoint_events *endpoint = calloc(1, sizeof *endpoint);
  CHECK(endpoint != NULL && pthread_mutex_init(&endpoint->lock, NULL) == 0);
  endpoint->options = *options;
  return endpoint;
}

void endpoint_events_free(struct endpoint_events *endpoint) {
  if (endpoint == NULL) return;
  for (unsigned i = 0; i < endpoint->parsers_count; i++) json_parser_free(endpoint->parsers[i]);
  (void)pthread_mutex_destroy(&endpoint->lock);
  free(endpoint);
}

/* ---- waiters ---- */

static enum http_result refuse(struct http_reply *reply, unsigned status, const char *detail) {
  http_reply_problem(reply, status, detail);
  if (status == 503) http_reply_header(reply, "Retry-After", RETRY_AFTER);
  if (status == 401) http_reply_header(reply, "WWW-Authenticate", "Bearer");
  return HTTP_ANSWERED;
}

static void answer(const struct waiter *waiter) {
  const struct delivery *delivery = waiter->delivery;
  struct http_reply *reply = waiter->reply;
  bool is_alias = str_equal(waiter->request->path, STR(PATH_ALIAS));
  if (is_alias && ingest_counts_all(&delivery->events, delivery->batch.verdicts))
    reply->status = 204;
  else
    ingest_answer(&delivery->events, delivery->batch.verdicts, &reply->body, &reply->status);
}

/* On the committer's thread. */
static void done(struct delivery *delivery, int result) {
  struct waiter *waiter = delivery->arg;
  if (result == 0)
    answer(waiter);
  else
    (void)refuse(waiter->reply, 503, delivery_failure(result));
  http_resume(waiter->request);
}

static bool expired(void *arg, struct http_request *request, struct http_reply *reply) {
  (void)arg;
  struct waiter *waiter = request->state;
  if (!delivery_abandon(waiter->delivery)) return false;
  waiter->delivery = NULL;
  (void)refuse(reply, 503, "not on disk within the time allowed: send this again, what was stored counts once");
  return true;
}

static void release(void *arg, struct http_request *request) {
  (void)arg;
  struct waiter *waiter = request->state;
  if (waiter == NULL) return;
  delivery_free(waiter->delivery);
  free(waiter);
  request->state = NULL;
}

/* ---- a request ---- */

/* 0, or the HTTP status to refuse with. */
static unsigned check_token(const struct endpoint_events *endpoint, struct http_request *request, struct token *ret) {
  struct str secret;
  uint8_t hash[DIGEST_SHA256_SIZE];
  if (!token_from_header(request->authorization, &secret)) return 401;
  token_hash(secret, hash);
  if (!catalogue_token(ledger_catalogue(endpoint->options.ledger), hash, ret) || ret->revoked) return 401;
  bool fits = str_copy(str_of(ret->id), request->who, sizeof request->who);
  CHECK(fits);
  return ret->scope == TOKEN_WRITE || ret->scope == TOKEN_VOID ? 0 : 403;
}

static enum http_result refuse_token(struct http_reply *reply, unsigned status) {
  return refuse(reply, status,
                status == 401 ? "a valid token is needed: Authorization: Bearer <token>"
                              : "this token may not report usage: its scope is read");
}

/* What the head says: who reports, and how the body is to be read. */
struct admission {
  struct token token;
  enum event_framing framing;
  enum content_coding coding;
  struct event_header headers[EVENT_HEADERS_MAX]; /* attributes of an event in binary mode */
  size_t headers_count;                           /* may be more: too many */
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
  unsigned status = check_token(endpoint, request, &ret->token);
  ret->headers_count = 0;
  http_each_header(request, take_header, ret);
  if (status != 0) {
    (void)refuse_token(reply, status);
  } else if (ret->headers_count > EVENT_HEADERS_MAX) {
    (void)refuse(reply, 400, "more headers ce-… than an event has attributes");
  } else if (content_type_coding(request->content_encoding, &ret->coding, &err) != 0 ||
             content_type_framing(request->content_type, ret->headers_count > 0, &ret->framing, &err) != 0) {
    (void)refuse(reply, 415, err.text);
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

/* Whoever asks may deliver, as far as that goes: a delivery needs its token all the same. */
static enum http_result answer_preflight(struct http_request *request, struct http_reply *reply) {
  struct preflight preflight = {.origin = STR("")};
  char origin[HTTP_HEADER_VALUE_MAX + 1];
  http_each_header(request, take_preflight, &preflight);
  http_reply_header(reply, "Allow", METHODS);
  reply->status = 204;
  if (preflight.origin.len == 0) return HTTP_ANSWERED;
  if (!str_copy(preflight.origin, origin, sizeof origin) || str_has_control(preflight.origin)) {
    return refuse(reply, 400, "WebHook-Request-Origin: a host's name of at most 255 bytes");
  }
  reply->status = 200;
  http_reply_header(reply, "WebHook-Allowed-Origin", origin);
  if (preflight.has_rate) http_reply_header(reply, "WebHook-Allowed-Rate", "*");
  return HTTP_ANSWERED;
}

/* ---- a delivery ---- */

static struct waiter *waiter_new(struct http_request *request, struct http_reply *reply, size_t memory_max) {
  struct waiter *waiter = calloc(1, sizeof *waiter);
  CHECK(waiter != NULL);
  *waiter = (struct waiter){.delivery = delivery_new(memory_max), .request = request, .reply = reply};
  CHECK(waiter->delivery != NULL);
  waiter->delivery->done = done;
  waiter->delivery->arg = waiter;
  return waiter;
}

static enum http_result refuse_body(struct http_reply *reply, int result, const struct err *err) {
  return refuse(reply, result == -ERR_LIMIT || result == -ERR_MEMORY ? 413 : 400, err->text);
}

static enum http_result submit(struct endpoint_events *endpoint, const struct token *token, struct waiter *waiter) {
  if (!http_hold(waiter->request, delivery_size(waiter->delivery))) return refuse(waiter->reply, 503, HTTP_NO_ROOM);
  int result = delivery_submit(waiter->delivery, endpoint->options.committer, token->creates_projects);
  return result == 0 ? HTTP_WAITING : refuse(waiter->reply, 503, delivery_failure(result));
}

static int inflate_body(const struct endpoint_events *endpoint, struct buf *inflated, struct str *body,
                        struct err *err) {
  int result = gunzip(*body, endpoint->options.body_max, inflated, err);
  if (result == -ERR_LIMIT) return err_prefix(err, "the body (ingest.body_max)");
  if (result != 0) return result;
  size_t len = inflated->len;
  char *padding = buf_extend(inflated, JSON_PADDING);
  if (padding == NULL) return err_set(err, ERR_MEMORY, "no memory to inflate a body");
  memset(padding, 0, JSON_PADDING);
  *body = str_make(inflated->ptr, len);
  return 0;
}

static int read_events(struct endpoint_events *endpoint, const struct admission *admission, struct delivery *delivery,
                       const struct event_source *source, struct err *err) {
  struct event_rules rules = {
      .project = admission->token.project[0] != '\0' ? admission->token.project : NULL,
      .token = admission->token.id,
      .may_void = admission->token.scope == TOKEN_VOID,
      .now_ms = clock_real_ms(endpoint->options.clock),
      .events_max = endpoint->options.events_max,
  };
  struct json_parser *parser = borrow_parser(endpoint);
  CHECK(parser != NULL);
  int result = event_read(parser, delivery->arena, source, &rules, &delivery->events, err);
  give_back_parser(endpoint, parser);
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
  if (request->unavailable != NULL) return refuse(reply, 503, request->unavailable);
  if (is_preflight(request)) return answer_preflight(request, reply);
  /* Again: the token may have been revoked while the body came. */
  if (!is_admitted(endpoint, request, reply, &admission)) return HTTP_ANSWERED;
  struct event_source source = {
      .framing = admission.framing,
      .body = request->body,
      .headers = admission.headers,
      .headers_count = admission.framing == EVENT_FRAMING_BINARY ? admission.headers_count : 0,
  };
  int result = admission.coding == CODING_GZIP ? inflate_body(endpoint, &inflated, &source.body, &err) : 0;
  if (result != 0) return refuse_body(reply, result, &err);
  struct waiter *waiter =
      waiter_new(request, reply, event_memory_max(source_len(&source), endpoint->options.events_max));
  request->state = waiter;
  result = read_events(endpoint, &admission, waiter->delivery, &source, &err);
  if (result != 0) return refuse_body(reply, result, &err);
  if (waiter->delivery->events.usages_count > 0) return submit(endpoint, &admission.token, waiter);
  answer(waiter);
  return HTTP_ANSWERED;
}

static void too_large(void *arg, struct http_request *request, struct http_reply *reply) {
  const struct endpoint_events *endpoint = arg;
  char detail[96];
  (void)request;
  (void)snprintf(detail, sizeof detail, "a body may have at most %llu bytes (ingest.body_max)",
                 (unsigned long long)endpoint->options.body_max);
  (void)refuse(reply, 413, detail);
}

static struct http_route route_of(struct endpoint_events *endpoint, const char *path) {
  return (struct http_route){
      .path = path,
      .methods = METHODS,
      .body_max = endpoint->options.body_max,
      .admit = admit,
      .handle = handle,
      .too_large = too_large,
      .expired = expired,
      .release = release,
      .arg = endpoint,
  };
}

struct http_route endpoint_events_route(struct endpoint_events *endpoint) {
  return route_of(endpoint, PATH);
}
struct http_route endpoint_events_alias_route(struct endpoint_events *endpoint) {
  return route_of(endpoint, PATH_ALIAS);
}
