/* POST /v1/adapters/<name>: takes a transcoder's own notice, which src/adapt turns into events.
 *
 * A service that sends notices repeats one that is not answered with 200, and cannot correct it. So every notice that
 * could be read is answered with 200, and the body says what became of its outputs.
 */
#include <stdio.h>
#include <stdlib.h>

#include "adapt/adapter.h"
#include "api/params.h"
#include "auth/token.h"
#include "base/check.h"
#include "base/diag.h"
#include "http/bearer.h"
#include "http/body.h"
#include "http/endpoints.h"
#include "http/waiter.h"
#include "ingest/answer.h"
#include "ingest/parsers.h"

#define PREFIX "/v1/adapters/"
#define QUERY_PARAMS_MAX 32
#define LOGGED_MAX 10 /* lines of the log for what one notice has that is no output */
#define QUERY_MEMORY_MAX ((size_t)1 << 20)
#define SCRATCH_MAX ((size_t)64 << 20) /* the tree of a notice takes about twenty times the size of its text */

struct endpoint_adapters {
  struct endpoint_adapters_options options;
  struct parsers *parsers;
  char paths[ADAPTERS_MAX][64];
};

/* Lives in the delivery's arena, beside its events. */
struct told {
  const char *const *ignored;
  size_t ignored_count;
};

struct endpoint_adapters *endpoint_adapters_new(const struct endpoint_adapters_options *options) {
  struct endpoint_adapters *endpoint = calloc(1, sizeof *endpoint);
  CHECK(endpoint != NULL);
  endpoint->options = *options;
  endpoint->parsers = parsers_new();
  return endpoint;
}

void endpoint_adapters_free(struct endpoint_adapters *endpoint) {
  if (endpoint == NULL) return;
  parsers_free(endpoint->parsers);
  free(endpoint);
}

void endpoint_adapters_rest(struct endpoint_adapters *endpoint) { parsers_rest(endpoint->parsers); }

static const struct adapter *adapter_of(const struct endpoint_adapters *endpoint, const struct http_request *request) {
  struct str wanted = str_make(request->path.ptr + strlen(PREFIX), request->path.len - strlen(PREFIX));
  const struct adapter *adapter = adapters_find(endpoint->options.adapters, wanted);
  CHECK(adapter != NULL); /* every route names one */
  return adapter;
}

/* ---- the URL's query ---- */

struct asked {
  struct adapter_query query;
  struct str token;
};

static struct str text_of(const struct params *params, const char *name) {
  struct str text;
  return params_get(params, name, &text) == PARAMS_TEXT ? text : STR("");
}

static bool read_query(const struct http_request *request, struct arena *arena, struct http_reply *reply,
                       struct asked *ret) {
  const struct params_source source = {.body = STR(""), .query = request->query, .count_max = QUERY_PARAMS_MAX};
  struct params params;
  struct err err = {0};
  if (params_read(&source, NULL, arena, &params, &err) != 0) {
    if (arena_is_starved(arena))
      (void)waiter_refuse(reply, WAITER_NO_MEMORY);
    else
      http_reply_problem(reply, 400,
                         "the URL's query cannot be read: it needs UTF-8, each name once, and few parameters");
    return false;
  }
  *ret = (struct asked){
      .query = {.project = text_of(&params, "project"),
                .source = text_of(&params, "source"),
                .id = text_of(&params, "id"),
                .time = text_of(&params, "time")},
      .token = text_of(&params, "token"),
  };
  return true;
}

/* A sender that cannot set a header puts the token into the URL. */
static bool check_token(const struct endpoint_adapters *endpoint, struct http_request *request,
                        const struct asked *asked, struct http_reply *reply, struct token *ret) {
  struct str secret = asked->token;
  (void)!token_from_header(request->authorization, &secret);
  return bearer_check(endpoint->options.ledger, secret, clock_real_ms(endpoint->options.clock), request, reply, ret);
}

/* All outputs of a notice belong to one project, which the URL or the token names. A wrong one is refused: the
 * operator can correct URL and token, and the sender repeats the notice until then. */
static bool check_project(const struct endpoint_adapters *endpoint, const struct asked *asked,
                          const struct token *token, struct http_reply *reply) {
  struct str bound = str_of(token->project), wanted = asked->query.project.len > 0 ? asked->query.project : bound;
  struct project project;
  bool is_covered = bound.len == 0 || str_equal(wanted, bound);
  if (wanted.len == 0) {
    http_reply_problem(reply, 400, "no project: the token is for every project, so add ?project=ID to the URL");
  } else if (!is_covered) {
    http_reply_problem(reply, 403, "the token is for another project than the one in the URL");
  } else if (!token->creates_projects &&
             !catalogue_project(ledger_catalogue(endpoint->options.ledger), wanted, &project)) {
    http_reply_problem(reply, 404, "the project that the URL or the token names does not exist");
  } else {
    return true;
  }
  return false;
}

static bool check_sender(const struct endpoint_adapters *endpoint, struct http_request *request,
                         const struct asked *asked, struct http_reply *reply, struct token *ret) {
  return check_token(endpoint, request, asked, reply, ret) && check_project(endpoint, asked, ret, reply);
}

static bool admit(void *arg, struct http_request *request, struct http_reply *reply) {
  SCOPED(arena_free_ref) struct arena *arena = arena_new(QUERY_MEMORY_MAX);
  struct asked asked;
  struct token token;
  if (arena == NULL) {
    (void)waiter_refuse(reply, WAITER_NO_MEMORY);
    return false;
  }
  return read_query(request, arena, reply, &asked) && check_sender(arg, request, &asked, reply, &token);
}

/* ---- a notice ---- */

/* A sender does not read the answer, so the log says what does not count. */
static void log_lost(const struct waiter *waiter) {
  const struct events *events = &waiter->delivery->events;
  const struct told *told = waiter->arg;
  for (size_t i = 0; i < told->ignored_count && i < LOGGED_MAX; i++)
    diag_info("%.*s: ignored in a notice: %s", STR_ARG(waiter->request->path), told->ignored[i]);
  if (told->ignored_count > LOGGED_MAX)
    diag_info("%.*s: ignored %zu more parts of this notice", STR_ARG(waiter->request->path),
              told->ignored_count - LOGGED_MAX);
  for (size_t i = 0; i < events->count; i++) {
    if (events->items[i].reason == NULL) continue;
    diag_warning("%.*s: rejected output %.*s of a notice: %s", STR_ARG(waiter->request->path),
                 STR_ARG(events->items[i].id), events->items[i].reason);
  }
}

static void answer(const struct waiter *waiter) {
  const struct delivery *delivery = waiter->delivery;
  const struct told *told = waiter->arg;
  size_t size = ingest_answer_max(&delivery->events, delivery->batch.verdicts);
  for (size_t i = 0; i < told->ignored_count; i++)
    size += INGEST_TEXT_MAX(strlen(told->ignored[i]));
  log_lost(waiter);
  if (!waiter_claim(waiter, size)) return;
  ingest_answer_notice(&delivery->events, delivery->batch.verdicts, told->ignored, told->ignored_count,
                       &waiter->reply->body);
}

static enum http_result read_notice(struct endpoint_adapters *endpoint, struct http_request *request, struct str body,
                                    const struct asked *asked, const struct token *token, struct http_reply *reply) {
  struct waiter *waiter = waiter_new(request, reply, adapter_memory_max(body.len), answer);
  if (waiter == NULL) return waiter_refuse(reply, WAITER_NO_MEMORY);
  struct arena *arena = waiter->delivery->arena;
  SCOPED(arena_free_ref) struct arena *scratch = arena_new(SCRATCH_MAX);
  struct told *told = arena_alloc(arena, sizeof *told);
  struct str project = arena_copy(arena, str_of(token->project)), token_id = arena_copy(arena, str_of(token->id));
  if (scratch == NULL || told == NULL || project.ptr == NULL || token_id.ptr == NULL) return waiter_refuse(reply, WAITER_NO_MEMORY);
  const struct event_rules rules = {
      .project = project.len > 0 ? project.ptr : NULL,
      .token = token_id.ptr,
      .may_wait = true,
      .now_ms = clock_real_ms(endpoint->options.clock),
      .events_max = ADAPTER_OUTPUTS_MAX,
  };
  const struct adapter_notice notice = {.adapter = adapter_of(endpoint, request),
                                        .body = body,
                                        .query = &asked->query,
                                        .event_rules = &rules};
  struct err err = {0};
  struct json_parser *parser = parsers_borrow(endpoint->parsers);
  if (parser == NULL) return waiter_refuse(reply, WAITER_NO_MEMORY);
  int result = adapter_read(&notice, parser, scratch, arena, &waiter->delivery->events, &told->ignored,
                            &told->ignored_count, &err);
  parsers_give_back(endpoint->parsers, parser);
  waiter->arg = told;
  if (result != 0 && (arena_is_starved(arena) || arena_is_starved(scratch)))
    return waiter_refuse(reply, WAITER_NO_MEMORY);
  if (result != 0) return body_refuse(reply, result, &err);
  return waiter_submit(waiter, endpoint->options.committer,
                       bearer_projects_zone(token, endpoint->options.former_zone));
}

static enum http_result handle(void *arg, struct http_request *request, struct http_reply *reply) {
  struct endpoint_adapters *endpoint = arg;
  SCOPED(arena_free_ref) struct arena *arena = arena_new(QUERY_MEMORY_MAX);
  SCOPED(buf_fini) struct buf inflated = {0};
  struct asked asked;
  struct token token;
  struct str body;
  struct err err = {0};
  enum content_coding coding;
  if (arena == NULL) return waiter_refuse(reply, WAITER_NO_MEMORY);
  if (request->unavailable != NULL) return waiter_refuse(reply, request->unavailable);
  if (!read_query(request, arena, reply, &asked)) return HTTP_ANSWERED;
  if (!check_sender(endpoint, request, &asked, reply, &token)) return HTTP_ANSWERED;
  if (content_type_coding(request->content_encoding, &coding, &err) != 0) {
    http_reply_problem(reply, 415, err.text);
    return HTTP_ANSWERED;
  }
  if (!body_decode(request, coding, endpoint->options.body_max, &inflated, reply, &body)) return HTTP_ANSWERED;
  return read_notice(endpoint, request, body, &asked, &token, reply);
}

static void too_large(void *arg, struct http_request *request, struct http_reply *reply) {
  const struct endpoint_adapters *endpoint = arg;
  (void)request;
  body_too_large(reply, endpoint->options.body_max);
}

struct http_route endpoint_adapters_route(struct endpoint_adapters *endpoint, size_t index) {
  const struct adapter *adapter = adapters_at(endpoint->options.adapters, index);
  if (adapter == NULL) return (struct http_route){0};
  CHECK(index < ADAPTERS_MAX);
  (void)snprintf(endpoint->paths[index], sizeof endpoint->paths[index], PREFIX "%s", adapter_name(adapter));
  return (struct http_route){
      .path = endpoint->paths[index],
      .methods = "POST",
      .body_max = endpoint->options.body_max,
      .admit = admit,
      .handle = handle,
      .too_large = too_large,
      .expired = waiter_expired,
      .release = waiter_release,
      .arg = endpoint,
  };
}
