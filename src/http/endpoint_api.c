#include <stdio.h>

#include "base/check.h"
#include "http/endpoints.h"
#include "http/head.h"

/* Shown to a browser that opens the address. */
static const char page[] =
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>codecmeter</title>\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n"
    "<style>body{font:16px/1.5 system-ui,sans-serif;max-width:40em;margin:4em auto;padding:0 1em;color:#222}"
    "code{background:#f3f3f3;padding:.1em .3em;border-radius:3px}</style></head>\n"
    "<body><h1>codecmeter</h1>\n<p>This is codecmeter, a meter of video transcoding. It keeps what transcoders "
    "report, counts "
    "each output once, and answers seconds per day, definition tier and codec.</p>\n<ul>\n"
    "<li>To ask: <code>POST /</code>, UCloud's signed API, <code>Action=GetCodecTotalStat</code> (docs/api.md), or "
    "<code>codecmeter stat</code></li>\n"
    "<li>To report: <code>POST /v1/events</code>, CloudEvents with a bearer token (docs/events.md), or "
    "<code>codecmeter run -- ffmpeg &hellip;</code></li>\n</ul>\n"
    "<p>The documentation is in the folder <code>docs/</code> of the program's source.</p></body></html>\n";

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
    reply->content_type = "text/html; charset=utf-8";
    buf_text(&reply->body, page);
    return HTTP_ANSWERED;
  }
  struct api_request call = api_request_of(request);
  struct api_result result;
  api_handle(arg, &call, &reply->body, &result);
  note(request, &result);
  return result.is_later ? HTTP_LATER : HTTP_ANSWERED;
}

static void too_large(void *arg, struct http_request *request, struct http_reply *reply) {
  struct api_request call = api_request_of(request);
  struct api_result result;
  api_too_large(arg, &call, &reply->body, &result);
  note(request, &result);
}

struct http_route endpoint_api_route(struct api *api, uint64_t body_max) {
  return (struct http_route){
      .path = "/",
      .methods = "GET, HEAD, POST",
      .body_max = body_max,
      .handle = handle,
      .too_large = too_large,
      .arg = api,
  };
}
