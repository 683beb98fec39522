/* GET /metrics, /healthz and /readyz. Also answered while the server stops or lacks memory, because that is when they are
 * needed: they take no body, and wait for nothing.
 */
#include "http/endpoints.h"
#include "http/head.h"
#include "http/waiter.h"

#define METRICS_BYTES ((size_t)128 << 10) /* more than all samples take, and what the buffer grows to */

static void begin(struct http_reply *reply, const char *type) {
  reply->content_type = type;
  http_reply_header(reply, "Cache-Control", "no-store");
  http_reply_header(reply, "X-Content-Type-Options", "nosniff");
}

/* OpenMetrics only for a client that names it, and gives the text format no more weight. Whatever else a client accepts, it
 * gets the text format. */
static enum counters_format format_of(struct str accept) {
  unsigned open = head_weight(accept, STR("application/openmetrics-text"), STR("1.0.0"));
  unsigned text = head_weight(accept, STR("text/plain"), STR("0.0.4"));
  return open > 0 && open >= text ? COUNTERS_OPENMETRICS : COUNTERS_TEXT;
}

static enum http_result handle_metrics(void *arg, struct http_request *request, struct http_reply *reply) {
  const struct endpoint_ops *endpoint = arg;
  enum counters_format format = format_of(request->accept);
  if (!http_claim(request, METRICS_BYTES))
    return waiter_refuse(reply, "the server is busy: answers fill http.answers_max; send this again later");
  begin(reply, counters_content_type(format));
  http_reply_header(reply, "Vary", "Accept");
  endpoint->look(endpoint->arg);
  metrics_write(format, &reply->body);
  return HTTP_ANSWERED;
}

static enum http_result handle_healthz(void *arg, struct http_request *request, struct http_reply *reply) {
  (void)arg;
  (void)request;
  begin(reply, "text/plain; charset=utf-8");
  buf_text(&reply->body, "ok\n");
  return HTTP_ANSWERED;
}

static enum http_result handle_readyz(void *arg, struct http_request *request, struct http_reply *reply) {
  const struct endpoint_ops *endpoint = arg;
  (void)request;
  begin(reply, "text/plain; charset=utf-8");
  if (endpoint->is_ready(endpoint->arg, &reply->body)) buf_text(&reply->body, "ready");
  else reply->status = 503;
  buf_char(&reply->body, '\n');
  return HTTP_ANSWERED;
}

static struct http_route route_of(struct endpoint_ops *endpoint, const char *path,
                                  enum http_result (*handle)(void *, struct http_request *, struct http_reply *)) {
  return (struct http_route){
      .counted_as = METRIC_ROUTE_OPS, .path = path, .methods = "GET, HEAD", .handle = handle, .arg = endpoint};
}

struct http_route endpoint_ops_metrics_route(struct endpoint_ops *endpoint) {
  return route_of(endpoint, "/metrics", handle_metrics);
}
struct http_route endpoint_ops_healthz_route(struct endpoint_ops *endpoint) {
  return route_of(endpoint, "/healthz", handle_healthz);
}
struct http_route endpoint_ops_readyz_route(struct endpoint_ops *endpoint) {
  return route_of(endpoint, "/readyz", handle_readyz);
}
