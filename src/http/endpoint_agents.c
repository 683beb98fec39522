/* POST /v1/agents: an agent says how it is, and hears what time it is here.
 *
 * This says nothing about usage. So whatever is wrong with a report, the agent goes on with its events.
 */
#include <stdlib.h>

#include "base/check.h"
#include "base/json_write.h"
#include "http/bearer.h"
#include "http/endpoints.h"
#include "http/waiter.h"
#include "ingest/read/parsers.h"
#include "meter/rfc3339.h"

struct endpoint_agents {
  struct endpoint_agents_options options;
  struct parsers *parsers;
};

struct endpoint_agents *endpoint_agents_new(const struct endpoint_agents_options *options) {
  struct endpoint_agents *endpoint = calloc(1, sizeof *endpoint);
  CHECK(endpoint != NULL);
  *endpoint = (struct endpoint_agents){.options = *options, .parsers = parsers_new()};
  return endpoint;
}

void endpoint_agents_free(struct endpoint_agents *endpoint) {
  if (endpoint == NULL) return;
  parsers_free(endpoint->parsers);
  free(endpoint);
}

void endpoint_agents_rest(struct endpoint_agents *endpoint) { parsers_rest(endpoint->parsers); }

static bool check_token(const struct endpoint_agents *endpoint, struct http_request *request,
                        struct http_reply *reply, struct token *ret) {
  return bearer_check_header(endpoint->options.door, BEARER_REPORT, request, reply, ret);
}

static bool admit(void *arg, struct http_request *request, struct http_reply *reply) {
  struct token token;
  return check_token(arg, request, reply, &token);
}

static enum http_result refuse(struct http_reply *reply, int result, const struct err *err) {
  unsigned status = result == -ERR_DENIED ? 403 : result == -ERR_LIMIT ? 429 : 400;
  if (result == -ERR_MEMORY) return waiter_refuse(reply, WAITER_NO_MEMORY);
  http_reply_problem(reply, status, err->text);
  return HTTP_ANSWERED;
}

static int read_status(struct endpoint_agents *endpoint, struct str body, struct agent_status *ret, struct err *err) {
  struct json_parser *parser = parsers_borrow(endpoint->parsers);
  if (parser == NULL) return err_set(err, ERR_MEMORY, "no memory to read the report");
  int result = status_read(parser, body, ret, err);
  parsers_give_back(endpoint->parsers, parser);
  return result;
}

static enum http_result handle(void *arg, struct http_request *request, struct http_reply *reply) {
  struct endpoint_agents *endpoint = arg;
  struct agent_status status;
  struct token token;
  struct err err = {0};
  char time[RFC3339_SIZE];
  if (request->unavailable != NULL) return waiter_refuse(reply, request->unavailable);
  if (!check_token(endpoint, request, reply, &token)) return HTTP_ANSWERED;
  if (request->content_encoding.len > 0 && !str_equal_nocase(request->content_encoding, STR("identity"))) {
    http_reply_problem(reply, 415, "the body must not be encoded: send it without Content-Encoding");
    return HTTP_ANSWERED;
  }
  int result = read_status(endpoint, request->body, &status, &err);
  if (result == 0) result = sources_report(endpoint->options.sources, &token, &status, &err);
  if (result != 0) return refuse(reply, result, &err);
  rfc3339_format(clock_real_ms(endpoint->options.clock), time);
  struct json_write json = json_write_to(&reply->body);
  json_write_object(&json, NULL);
  json_write_text(&json, "time", time);
  json_write_end(&json);
  return HTTP_ANSWERED;
}

static void too_large(void *arg, struct http_request *request, struct http_reply *reply) {
  (void)arg;
  (void)request;
  _Static_assert(STATUS_BODY_MAX == 4096, "the text below names it");
  http_reply_problem(reply, 413, "the report has more than 4096 bytes");
}

struct http_route endpoint_agents_route(struct endpoint_agents *endpoint) {
  return (struct http_route){
      .counted_as = METRIC_ROUTE_AGENTS,
      .path = "/v1/agents",
      .methods = "POST",
      .body_max = STATUS_BODY_MAX,
      .admit = admit,
      .handle = handle,
      .too_large = too_large,
      .arg = endpoint,
  };
}
