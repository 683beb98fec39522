/* The console's files. Two kinds of addresses, so that a new version is seen at once and nothing is loaded twice:
 *
 *   /console/            the page; a browser keeps it, and asks each time whether it is still the same (ETag)
 *   /console/HASH/NAME   an asset; HASH is of all assets, so a browser keeps it for a year and never asks
 *
 * A page of an older version may ask for assets of its own HASH, which this program does not have: 404. Loading the
 * page again mends it. */
#include <string.h>

#include "http/endpoints.h"
#include "http/static_file.h"

#define POLICY                                                                                                     \
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; " \
  "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"

#define FOLDER "/console/"

void endpoint_console_bind(struct http_reply *reply) {
  http_reply_header(reply, "Content-Security-Policy", POLICY);
  http_reply_header(reply, "X-Content-Type-Options", "nosniff");
  http_reply_header(reply, "Referrer-Policy", "no-referrer");
}

static void refuse(struct http_reply *reply, unsigned status, const char *detail) {
  http_reply_problem(reply, status, detail);
  endpoint_console_bind(reply);
  http_reply_header(reply, "Cache-Control", "no-store");
}

static void send_file(const struct console_file *file, const char *caching, struct http_request *request,
                      struct http_reply *reply) {
  const struct static_file sent = {
      .type = console_type(file), .hash = file->hash, .raw = file->raw, .gzip = file->gzip};
  static_file_send(&sent, caching, request, reply);
  endpoint_console_bind(reply);
}

void endpoint_console_page(const struct console_file *page, struct http_request *request, struct http_reply *reply) {
  send_file(page, "no-cache", request, reply);
}

static enum http_result handle(void *arg, struct http_request *request, struct http_reply *reply) {
  (void)arg;
  struct str address = str_make(request->path.ptr + strlen(FOLDER), request->path.len - strlen(FOLDER));
  const struct console_file *asset = console_asset(address);
  if (address.len == 0)
    endpoint_console_page(console_page("console.html"), request, reply);
  else if (asset != NULL)
    send_file(asset, "public, max-age=31536000, immutable", request, reply);
  else
    refuse(reply, 404, "the console has no such file; its page is /console/, load that again");
  if (reply->status < 400) http_reply_header(reply, "Vary", "Accept-Encoding");
  return HTTP_ANSWERED;
}

/* The page names its assets relative to /console/, so it must not be shown at /console. */
static enum http_result handle_bare(void *arg, struct http_request *request, struct http_reply *reply) {
  (void)arg;
  (void)request;
  reply->status = 308;
  endpoint_console_bind(reply);
  http_reply_header(reply, "Location", "console/"); /* relative: the server may be below a prefix */
  return HTTP_ANSWERED;
}

struct http_route endpoint_console_route(void) {
  return (struct http_route){
      .counted_as = METRIC_ROUTE_PAGES, .path = FOLDER, .methods = "GET, HEAD", .handle = handle};
}

struct http_route endpoint_console_bare_route(void) {
  return (struct http_route){
      .counted_as = METRIC_ROUTE_PAGES, .path = "/console", .methods = "GET, HEAD", .handle = handle_bare};
}
