/* POST /v1/adapters/<name>: takes a transcoder's own notice, which src/adapt turns into events.
 *
 * A service that sends notices repeats one that is not answered with 200, and cannot correct it. So every notice that
 * could be read is answered with 200, and the body says what became of its outputs. A notice on which the adapter's
 * script failed is answered with 200, too, when it is in the quarantine:
 *
 *   read ──committer──> answer           script failed ──keeper──> answer_kept
 */
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "adapt/adapter.h"
#include "adapt/keeper.h"
#include "api/params.h"
#include "auth/token.h"
#include "base/check.h"
#include "base/diag.h"
#include "base/json_write.h"
#include "http/bearer.h"
#include "http/body.h"
#include "http/endpoints.h"
#include "http/waiter.h"
#include "ingest/commit/answer.h"
#include "ingest/commit/trace.h"
#include "ingest/read/parsers.h"
#include "meter/rfc3339.h"
#include "sources/sources.h"

#define PATH "/v1/adapters/"
#define QUERY_PARAMS_MAX 32
#define QUERY_MEMORY_MAX ((size_t)1 << 20)
#define SCRATCH_MAX ((size_t)64 << 20) /* the tree of a notice takes about twenty times the size of its text */

/* Since the start, for one adapter. */
struct notice_counters {
  atomic_uint_fast64_t notices, outputs, unresolved, rejected, ignored, quarantined;
};

struct endpoint_adapters {
  struct endpoint_adapters_options options;
  struct parsers *parsers;
  struct notice_counters counters[ADAPTERS_MAX];
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

void endpoint_adapters_counts(struct endpoint_adapters *endpoint, size_t index, struct adapter_counts *ret) {
  CHECK(index < ADAPTERS_MAX);
  struct notice_counters *counters = &endpoint->counters[index];
  *ret = (struct adapter_counts){.notices = atomic_load(&counters->notices),
                                 .outputs = atomic_load(&counters->outputs),
                                 .unresolved = atomic_load(&counters->unresolved),
                                 .rejected = atomic_load(&counters->rejected),
                                 .ignored = atomic_load(&counters->ignored),
                                 .quarantined = atomic_load(&counters->quarantined)};
}

/* A notice on its way: what its head says. */
struct sent {
  struct adapter_query query;
  struct str secret; /* in the URL */
  struct token token;
  size_t index; /* of the adapter */
};

/* ---- the URL's query ---- */

static struct str text_of(const struct params *params, const char *name) {
  struct str text;
  return params_get(params, name, &text) == PARAMS_TEXT ? text : STR("");
}

static bool read_query(const struct http_request *request, struct arena *arena, struct http_reply *reply,
                       struct sent *ret) {
  const struct params_source source = {.body = STR(""), .query = request->query, .count_max = QUERY_PARAMS_MAX};
  struct params params;
  struct err err = {0};
  if (params_read(&source, NULL, arena, &params, &err) != 0) {
    if (arena_is_starved(arena))
      (void)waiter_refuse_report(reply, METRIC_REFUSED_MEMORY, WAITER_NO_MEMORY);
    else
      http_reply_problem(reply, 400,
                         "the URL's query cannot be read: it needs UTF-8, each name once, and few parameters");
    return false;
  }
  ret->query = (struct adapter_query){.project = text_of(&params, "project"),
                                      .source = text_of(&params, "source"),
                                      .id = text_of(&params, "id"),
                                      .time = text_of(&params, "time")};
  ret->secret = text_of(&params, "token");
  return true;
}

/* ---- who sends it, to which adapter, for which project ---- */

/* A sender that cannot set a header puts the token into the URL. */
static bool check_token(const struct endpoint_adapters *endpoint, struct http_request *request,
                        struct http_reply *reply, struct sent *sent) {
  struct str secret = sent->secret;
  (void)!token_from_header(request->authorization, &secret);
  return bearer_check(endpoint->options.door, BEARER_REPORT, secret, request, reply, &sent->token);
}

static void refuse_adapter(const struct adapters *adapters, struct http_reply *reply) {
  SCOPED(buf_fini) struct buf text = {0};
  const struct adapter *adapter;
  buf_text(&text, "there is no adapter of this name; the adapters are");
  for (size_t i = 0; (adapter = adapters_at(adapters, i)) != NULL; i++)
    buf_printf(&text, "%s %s", i > 0 ? "," : "", adapter_name(adapter));
  buf_char(&text, '\0');
  http_reply_problem(reply, 404, text.failed ? "there is no adapter of this name" : text.ptr);
}

/* Notes the name for the access log, which shows no other part of the path: a secret may be there by mistake. */
static bool check_adapter(const struct endpoint_adapters *endpoint, struct http_request *request,
                          struct http_reply *reply, struct sent *sent) {
  struct str name = str_make(request->path.ptr + strlen(PATH), request->path.len - strlen(PATH));
  const struct adapter *adapter;
  for (size_t i = 0; (adapter = adapters_at(endpoint->options.adapters, i)) != NULL; i++) {
    if (!str_equal(name, str_of(adapter_name(adapter)))) continue;
    bool fits = str_copy(name, request->what, sizeof request->what);
    CHECK(fits);
    sent->index = i;
    return true;
  }
  refuse_adapter(endpoint->options.adapters, reply);
  return false;
}

/* All outputs of a notice belong to one project, which the URL or the token names. A wrong one is refused: the
 * operator can correct URL and token, and the sender repeats the notice until then. */
static bool check_project(const struct endpoint_adapters *endpoint, const struct sent *sent,
                          struct http_reply *reply) {
  const struct token *token = &sent->token;
  struct str bound = str_of(token->project), wanted = sent->query.project.len > 0 ? sent->query.project : bound;
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

static bool is_text(struct str text, size_t max) { return text.len <= max && !str_has_control(text); }

/* RFC 3339 or Unix seconds, and a time that an event may have. */
static bool is_time(struct str text, int64_t now_ms) {
  int64_t ms, seconds;
  bool is_number = str_to_i64(str_trim(text), &seconds);
  if (is_number && (seconds < 0 || seconds > now_ms)) return false;
  if (is_number)
    ms = seconds * 1000;
  else if (rfc3339_parse(text, &ms, NULL) != 0)
    return false;
  return ms >= EVENT_TIME_MIN_MS && ms <= now_ms + EVENT_AHEAD_MAX_MS;
}

/* They would reject every output of every notice, so they are refused like a wrong project. */
static bool check_texts(const struct endpoint_adapters *endpoint, const struct sent *sent, struct http_reply *reply) {
  const struct adapter_query *query = &sent->query;
  _Static_assert(SOURCE_MAX == 256 && EVENT_ID_MAX == 256, "the text below names it");
  if (!is_text(query->source, SOURCE_MAX) || !is_text(query->id, EVENT_ID_MAX))
    http_reply_problem(reply, 400,
                       "the source and the id in the URL must have at most 256 bytes, and no control characters");
  else if (query->time.len > 0 && !is_time(query->time, clock_real_ms(endpoint->options.clock)))
    http_reply_problem(reply, 400,
                       "the time in the URL must be RFC 3339 with its zone, or Unix seconds, from 1980 until now");
  else
    return true;
  return false;
}

static bool check_head(const struct endpoint_adapters *endpoint, struct http_request *request, struct arena *arena,
                       struct http_reply *reply, struct sent *ret) {
  return read_query(request, arena, reply, ret) && check_token(endpoint, request, reply, ret) &&
         check_adapter(endpoint, request, reply, ret) && check_project(endpoint, ret, reply) &&
         check_texts(endpoint, ret, reply);
}

static bool admit(void *arg, struct http_request *request, struct http_reply *reply) {
  SCOPED(arena_free_ref) struct arena *arena = arena_new(QUERY_MEMORY_MAX);
  struct sent sent;
  if (arena != NULL) return check_head(arg, request, arena, reply, &sent);
  (void)waiter_refuse_report(reply, METRIC_REFUSED_MEMORY, WAITER_NO_MEMORY);
  return false;
}

/* ---- a notice that was read ---- */

/* What was read, beside the events. Lives in the delivery's arena. */
struct told {
  struct notice_counters *counters;
  struct sources *sources;
  struct str project, source; /* that rejected outputs are counted for */
  const char *const *ignored;
  size_t ignored_count;
};

static void count(const struct told *told, const struct delivery *delivery) {
  const struct events *events = &delivery->events;
  struct ingest_counts counts;
  ingest_count(events, delivery->batch.verdicts, &counts);
  atomic_fetch_add(&told->counters->notices, 1);
  atomic_fetch_add(&told->counters->outputs, events->count);
  atomic_fetch_add(&told->counters->unresolved, counts.unresolved);
  atomic_fetch_add(&told->counters->rejected, counts.rejected);
  atomic_fetch_add(&told->counters->ignored, told->ignored_count);
  if (counts.rejected > 0) sources_count_rejected(told->sources, told->project, told->source, counts.rejected);
}

static void answer(const struct waiter *waiter) {
  const struct delivery *delivery = waiter->delivery;
  const struct told *told = waiter->arg;
  const struct trace_origin origin = {.path = waiter->request->path, .token = waiter->request->who};
  size_t size = ingest_answer_max(&delivery->events, delivery->batch.verdicts);
  for (size_t i = 0; i < told->ignored_count; i++)
    size += INGEST_TEXT_MAX(strlen(told->ignored[i]));
  count(told, delivery);
  trace_lost(&origin, &delivery->events, delivery->batch.verdicts);
  trace_ignored(&origin, told->ignored, told->ignored_count);
  if (!waiter_claim(waiter, size)) return;
  ingest_answer_notice(&delivery->events, delivery->batch.verdicts, told->ignored, told->ignored_count,
                       &waiter->reply->body);
}

/* ---- a notice on which the script failed ---- */

struct held {
  struct keeper_job job; /* first, so that held_done finds the rest */
  struct delivery *delivery;
  struct notice_counters *counters;
  char reason[ERR_TEXT_MAX];
};
_Static_assert(offsetof(struct held, job) == 0, "held_done finds held from its job");

static void held_free(struct held *held) {
  buf_fini(&held->job.content);
  free(held);
}

/* On the keeper's thread. */
static void held_done(struct keeper_job *job) {
  struct held *held = (struct held *)(void *)job;
  delivery_finish(held->delivery, 0);
  held_free(held);
}

static enum http_result refuse_to_keep(const struct http_request *request, const struct held *held, int result,
                                       const char *why, struct http_reply *reply) {
  diag_warning("%.*s: a notice of token %s was refused with 503: it cannot be kept: %s; the script failed: %s",
               STR_ARG(request->path), request->who, why, held->reason);
  if (result == -ERR_FULL) {
    return waiter_refuse_report(reply, METRIC_REFUSED_QUARANTINE,
                                "the adapter's script failed on the notice, and the quarantine or the disk is full: send this "
                                "again later");
  }
  return waiter_refuse_report(reply, METRIC_REFUSED_FAILED,
                              "the adapter's script failed on the notice, and it cannot be kept now: send this again later");
}

/* Also when the notice was there already: it is answered as the first time. */
static void answer_kept(const struct waiter *waiter) {
  const struct held *held = waiter->arg;
  const struct http_request *request = waiter->request;
  struct buf *body = &waiter->reply->body;
  if (held->job.result != 0) {
    (void)refuse_to_keep(request, held, held->job.result, held->job.err.text, waiter->reply);
    return;
  }
  const struct events none = {0};
  atomic_fetch_add(&held->counters->quarantined, 1);
  diag_warning("%.*s: a notice of token %s is in the quarantine as %s, because the script failed: %s",
               STR_ARG(request->path), request->who, held->job.id, held->reason);
  ingest_answer_notice(&none, NULL, NULL, 0, body);
  struct json_write json = json_write_reopen(body);
  json_write_u64(&json, "quarantined", 1);
  json_write_text(&json, "id", held->job.id);
  json_write_end(&json);
}

static void hold_content(const struct endpoint_adapters *endpoint, const struct sent *sent, struct str body,
                         int64_t now_ms, struct held *held) {
  const char *zone = bearer_projects_zone(&sent->token, endpoint->options.former_zone);
  const struct quarantine_notice notice = {
      .adapter = str_of(adapter_name(adapters_at(endpoint->options.adapters, sent->index))),
      .project = sent->query.project,
      .source = sent->query.source,
      .id = sent->query.id,
      .time = sent->query.time,
      .token = str_of(sent->token.id),
      .token_project = str_of(sent->token.project),
      .projects_zone = str_of(zone),
      .arrived_ms = now_ms,
      .reason = str_of(held->reason),
      .body = body,
  };
  quarantine_id(&notice, held->job.id);
  quarantine_encode(&notice, &held->job.content);
}

static enum http_result hold(struct endpoint_adapters *endpoint, struct waiter *waiter, const struct sent *sent,
                             struct str body, int64_t now_ms, const struct err *why) {
  struct held *held = calloc(1, sizeof *held);
  if (held == NULL) return waiter_refuse_report(waiter->reply, METRIC_REFUSED_MEMORY, WAITER_NO_MEMORY);
  held->delivery = waiter->delivery;
  held->counters = &endpoint->counters[sent->index];
  held->job.done = held_done;
  (void)snprintf(held->reason, sizeof held->reason, "%s", why->text);
  hold_content(endpoint, sent, body, now_ms, held);
  waiter->answer = answer_kept;
  waiter->at_once = true;
  waiter->arg = held;
  int result = held->job.content.failed ? -ERR_MEMORY : 0;
  if (result == 0 && !http_hold(waiter->request, held->job.content.cap)) result = -ERR_BUSY;
  if (result == 0) result = keeper_submit(endpoint->options.keeper, &held->job);
  if (result == 0) return HTTP_WAITING;
  enum http_result refused = refuse_to_keep(waiter->request, held, result, err_meaning(result), waiter->reply);
  held_free(held);
  return refused;
}

/* ---- a notice ---- */

static int read_outputs(struct endpoint_adapters *endpoint, const struct sent *sent, struct str body, int64_t now_ms,
                        struct arena *scratch, struct delivery *delivery, struct told *told, struct err *err) {
  struct arena *arena = delivery->arena;
  struct str project = arena_copy(arena, str_of(sent->token.project));
  struct str token = arena_copy(arena, str_of(sent->token.id));
  struct json_parser *parser = parsers_borrow(endpoint->parsers);
  if (project.ptr == NULL || token.ptr == NULL || parser == NULL) {
    parsers_give_back(endpoint->parsers, parser);
    return err_set(err, ERR_MEMORY, "no memory to read the notice");
  }
  const struct event_rules rules = {
      .project = project.len > 0 ? project.ptr : NULL,
      .token = token.ptr,
      .may_wait = true,
      .now_ms = now_ms,
      .events_max = ADAPTER_OUTPUTS_MAX,
  };
  const struct adapter_notice notice = {.adapter = adapters_at(endpoint->options.adapters, sent->index),
                                        .body = body,
                                        .query = &sent->query,
                                        .event_rules = &rules};
  int result =
      adapter_read(&notice, parser, scratch, arena, &delivery->events, &told->ignored, &told->ignored_count, err);
  parsers_give_back(endpoint->parsers, parser);
  return result;
}

static bool begin_told(struct endpoint_adapters *endpoint, const struct sent *sent, struct arena *arena,
                       struct told *told) {
  const struct adapter_query *query = &sent->query;
  const struct adapter *adapter = adapters_at(endpoint->options.adapters, sent->index);
  struct str project = query->project.len > 0 ? query->project : str_of(sent->token.project);
  struct str source = query->source.len > 0 ? query->source : str_of(adapter_name(adapter));
  *told = (struct told){.counters = &endpoint->counters[sent->index],
                        .sources = endpoint->options.sources,
                        .project = arena_copy(arena, project),
                        .source = arena_copy(arena, source)};
  return told->project.ptr != NULL && told->source.ptr != NULL;
}

static enum http_result take_notice(struct endpoint_adapters *endpoint, struct http_request *request, struct str body,
                                    const struct sent *sent, struct http_reply *reply) {
  struct waiter *waiter = waiter_new(request, reply, adapter_memory_max(body.len), answer);
  if (waiter == NULL) return waiter_refuse_report(reply, METRIC_REFUSED_MEMORY, WAITER_NO_MEMORY);
  struct arena *arena = waiter->delivery->arena;
  SCOPED(arena_free_ref) struct arena *scratch = arena_new(SCRATCH_MAX);
  struct told *told = arena_alloc(arena, sizeof *told);
  if (scratch == NULL || told == NULL || !begin_told(endpoint, sent, arena, told))
    return waiter_refuse_report(reply, METRIC_REFUSED_MEMORY, WAITER_NO_MEMORY);
  waiter->arg = told;
  struct err err = {0};
  int64_t now_ms = clock_real_ms(endpoint->options.clock);
  int result = read_outputs(endpoint, sent, body, now_ms, scratch, waiter->delivery, told, &err);
  if (result != 0 && (arena_is_starved(arena) || arena_is_starved(scratch)))
    return waiter_refuse_report(reply, METRIC_REFUSED_MEMORY, WAITER_NO_MEMORY);
  if (result == -ERR_SCRIPT) return hold(endpoint, waiter, sent, body, now_ms, &err);
  if (result != 0) return body_refuse(request, reply, result, &err);
  return waiter_submit(waiter, endpoint->options.committer,
                       bearer_projects_zone(&sent->token, endpoint->options.former_zone));
}

static enum http_result handle(void *arg, struct http_request *request, struct http_reply *reply) {
  struct endpoint_adapters *endpoint = arg;
  SCOPED(arena_free_ref) struct arena *arena = arena_new(QUERY_MEMORY_MAX);
  SCOPED(buf_fini) struct buf inflated = {0};
  struct sent sent;
  struct str body;
  struct err err = {0};
  enum content_coding coding;
  if (arena == NULL) return waiter_refuse_report(reply, METRIC_REFUSED_MEMORY, WAITER_NO_MEMORY);
  if (request->unavailable != NULL) return waiter_refuse_report(reply, request->unavailable_for, request->unavailable);
  if (!check_head(endpoint, request, arena, reply, &sent)) return HTTP_ANSWERED;
  if (content_type_coding(request->content_encoding, &coding, &err) != 0)
    return body_refuse_type(request, reply, err.text);
  if (!body_decode(request, coding, endpoint->options.body_max, &inflated, reply, &body)) return HTTP_ANSWERED;
  return take_notice(endpoint, request, body, &sent, reply);
}

static void too_large(void *arg, struct http_request *request, struct http_reply *reply) {
  const struct endpoint_adapters *endpoint = arg;
  body_too_large(request, reply, endpoint->options.body_max);
}

struct http_route endpoint_adapters_route(struct endpoint_adapters *endpoint) {
  return (struct http_route){
      .counted_as = METRIC_ROUTE_ADAPTERS,
      .path = PATH,
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
