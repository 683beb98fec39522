#include <stdio.h>

#include "base/check.h"
#include "http/endpoints.h"
#include "http/head.h"

/* HEAD is answered as GET is: RFC 9110, 9.3.2. */
static bool is_browser(const struct http_request *request) {
  return !str_equal(request->method, STR("POST")) && request->query.len == 0 && request->body.len == 0 &&
         head_accepts(request->accept, STR("text/html"));
}

static void note(struct http_request *request, const struct api_result *result) {
  request->code = result->ret_code;
  bool fits = str_copy(str_of(result->action), request->what, sizeof request->what) &&
              str_copy(str_of(result->public_key), request->who, sizeof request->who);
  CHECK(fits);
}

static bool claim(void *arg, size_t bytes) { return http_claim(arg, bytes); }

static struct api_request api_request_of(struct http_request *request) {
  return (struct api_request){
      .query = request->query,
      .content_type = request->content_type,
      .body = request->body,
      .id = request->id,
      .unavailable = request->unavailable,
      .may_take_long = request->on_query_thread,
      .claim = claim,
      .claim_arg = request,
  };
}

static enum http_result handle(void *arg, struct http_request *request, struct http_reply *reply) {
  if (is_browser(request)) {
    endpoint_console_page(console_page("home.html"), request, reply);
    http_reply_header(reply, "Vary", "Accept, Accept-Encoding");
    http_reply_header(reply, "Link", "<openapi.json>; rel=\"service-desc\""); /* RFC 8631; relative, for proxies with a prefix */
    return HTTP_ANSWERED;
  }
  struct api_request call = api_request_of(request);
  struct api_work *work = request->state;
  struct api_result result;
  if (request->on_query_thread) call.work = &work;
  api_handle(arg, &call, &reply->body, &result);
  request->state = work;
  note(request, &result);
  return result.is_later ? HTTP_LATER : HTTP_ANSWERED;
}

static void too_large(void *arg, struct http_request *request, struct http_reply *reply) {
  struct api_request call = api_request_of(request);
  struct api_result result;
  api_too_large(arg, &call, &reply->body, &result);
  note(request, &result);
}

static void release(void *arg, struct http_request *request) {
  (void)arg;
  api_work_free(request->state);
  request->state = NULL;
}

struct http_route endpoint_api_route(struct api *api, uint64_t body_max) {
  return (struct http_route){
      .counted_as = METRIC_ROUTE_API,
      .path = "/",
      .methods = "GET, HEAD, POST",
      .body_max = body_max,
      .handle = handle,
      .too_large = too_large,
      .release = release,
      .arg = api,
  };
}
