/* POST /v1/events: bytes to events, to the committer, and back.
 *
 * A waiter carries one request's events. It belongs to two: the request, and from the submission to `done` the committer.
 *
 *   WAITING ──done──────> DONE       http_resume; the request frees the waiter when it ends
 *      └────deadline────> ABANDONED  the request is answered 503; `done` frees the waiter
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "auth/token.h"
#include "base/check.h"
#include "base/diag.h"
#include "http/endpoints.h"
#include "ingest/answer.h"
#include "ingest/event.h"

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

enum waiter_state { WAITING, DONE, ABANDONED };

struct waiter {
  struct batch batch; /* first: done is handed its address */
  _Atomic enum waiter_state state;
  struct http_request *request;
  struct http_reply *reply;
  struct arena *arena;
  struct events events;
};
_Static_assert(offsetof(struct waiter, batch) == 0, "done finds the waiter from its batch");

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

static void waiter_free(struct waiter *waiter) {
  arena_free(waiter->arena);
  free(waiter->batch.verdicts);
  free(waiter);
}

static enum http_result refuse(struct http_reply *reply, unsigned status, const char *detail) {
  http_reply_problem(reply, status, detail);
  if (status == 503) http_reply_header(reply, "Retry-After", RETRY_AFTER);
  if (status == 401) http_reply_header(reply, "WWW-Authenticate", "Bearer");
  return HTTP_ANSWERED;
}

static void refuse_result(struct http_reply *reply, int result) {
  const char *detail = "the ledger cannot write now: send this again later, what was stored counts once";
  if (result == -ERR_FULL) detail = "the disk is full: send this again later, what was stored counts once";
  if (result == -ERR_BUSY) detail = "the queue is full: send this again later";
  if (result == -ERR_STOPPING) detail = "the server is stopping: send this again later";
  (void)refuse(reply, 503, detail);
}

/* On the committer's thread. */
static void done(struct batch *batch, int result) {
  struct waiter *waiter = (struct waiter *)(void *)batch;
  enum waiter_state expected = WAITING;
  if (!atomic_compare_exchange_strong(&waiter->state, &expected, DONE)) {
    waiter_free(waiter);
    return;
  }
  if (result == 0) ingest_answer(&waiter->events, batch->verdicts, &waiter->reply->body, &waiter->reply->status);
  else refuse_result(waiter->reply, result);
  http_resume(waiter->request);
}

static bool expired(void *arg, struct http_request *request, struct http_reply *reply) {
  (void)arg;
  struct waiter *waiter = request->state;
  enum waiter_state expected = WAITING;
  if (!atomic_compare_exchange_strong(&waiter->state, &expected, ABANDONED)) return false;
  request->state = NULL; /* the committer's alone now */
  (void)refuse(reply, 503, "not on disk within the time allowed: send this again, what was stored counts once");
  return true;
}

static void release(void *arg, struct http_request *request) {
  (void)arg;
  if (request->state != NULL) waiter_free(request->state);
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
  return ret->scope == TOKEN_WRITE ? 0 : 403;
}

static enum http_result refuse_token(struct http_reply *reply, unsigned status) {
  return refuse(reply, status, status == 401 ? "a valid token is needed: Authorization: Bearer <token>"
                                             : "this token may not report usage: its scope is not write");
}

/* What the head says: who reports, and how the body is to be read. */
struct admission {
  struct token token;
  enum event_framing framing;
};

static bool is_admitted(const struct endpoint_events *endpoint, struct http_request *request,
                        struct http_reply *reply, struct admission *ret) {
  struct err err = {0};
  unsigned status = check_token(endpoint, request, &ret->token);
  if (status != 0) {
    (void)refuse_token(reply, status);
  } else if (request->content_encoding.len > 0 && !str_equal_nocase(request->content_encoding, STR("identity"))) {
    (void)refuse(reply, 415, "Content-Encoding is not understood: send the body as it is");
  } else if (event_framing_of(request->content_type, &ret->framing, &err) != 0) {
    (void)refuse(reply, 415, err.text);
  } else {
    return true;
  }
  return false;
}

static bool admit(void *arg, struct http_request *request, struct http_reply *reply) {
  struct admission admission;
  return is_admitted(arg, request, reply, &admission);
}

static struct waiter *waiter_new(const struct endpoint_events *endpoint, const struct http_request *request) {
  struct waiter *waiter = calloc(1, sizeof *waiter);
  CHECK(waiter != NULL);
  waiter->arena = arena_new(event_memory_max(request->body.len, endpoint->options.events_max));
  CHECK(waiter->arena != NULL);
  return waiter;
}

static enum http_result refuse_body(struct http_reply *reply, int result, const struct err *err) {
  return refuse(reply, result == -ERR_LIMIT || result == -ERR_MEMORY ? 413 : 400, err->text);
}

static enum http_result submit(struct endpoint_events *endpoint, struct waiter *waiter, struct http_reply *reply) {
  waiter->batch.usages = waiter->events.usages;
  waiter->batch.count = waiter->events.usages_count;
  size_t kept = arena_used(waiter->arena) + waiter->batch.count * sizeof *waiter->batch.verdicts;
  if (!http_hold(waiter->request, kept)) return refuse(reply, 503, HTTP_NO_ROOM);
  waiter->batch.verdicts = calloc(waiter->batch.count, sizeof *waiter->batch.verdicts);
  CHECK(waiter->batch.verdicts != NULL);
  waiter->batch.done = done;
  int result = committer_submit(endpoint->options.committer, &waiter->batch);
  if (result == 0) return HTTP_WAITING;
  refuse_result(reply, result);
  return HTTP_ANSWERED;
}

static enum http_result handle(void *arg, struct http_request *request, struct http_reply *reply) {
  struct endpoint_events *endpoint = arg;
  struct admission admission;
  struct err err = {0};
  if (request->unavailable != NULL) return refuse(reply, 503, request->unavailable);
  /* Again: the token may have been revoked while the body came. */
  if (!is_admitted(endpoint, request, reply, &admission)) return HTTP_ANSWERED;
  struct event_rules rules = {
      .project = admission.token.project[0] != '\0' ? admission.token.project : NULL,
      .now_ms = clock_real_ms(endpoint->options.clock),
      .events_max = endpoint->options.events_max,
  };
  struct waiter *waiter = waiter_new(endpoint, request);
  waiter->request = request;
  waiter->reply = reply;
  request->state = waiter;
  struct json_parser *parser = borrow_parser(endpoint);
  CHECK(parser != NULL);
  int result = event_read(parser, waiter->arena, admission.framing, request->body, &rules, &waiter->events, &err);
  give_back_parser(endpoint, parser);
  if (result != 0) return refuse_body(reply, result, &err);
  if (waiter->events.usages_count > 0) return submit(endpoint, waiter, reply);
  ingest_answer(&waiter->events, NULL, &reply->body, &reply->status);
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

struct http_route endpoint_events_route(struct endpoint_events *endpoint) {
  return (struct http_route){
      .path = "/v1/events",
      .methods = "POST",
      .body_max = endpoint->options.body_max,
      .admit = admit,
      .handle = handle,
      .too_large = too_large,
      .expired = expired,
      .release = release,
      .arg = endpoint,
  };
}
