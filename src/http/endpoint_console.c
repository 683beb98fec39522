/* The console's files. Two kinds of addresses, so that a new version is seen at once and nothing is loaded twice:
 *
 *   /console/            the page; a browser keeps it, and asks each time whether it is still the same (ETag)
 *   /console/HASH/NAME   an asset; HASH is of all assets, so a browser keeps it for a year and never asks
 *
 * A page of an older version may ask for assets of its own HASH, which this program does not have: 404. Loading the
 * page again mends it. */
#include <stdio.h>
#include <string.h>

#include "http/endpoints.h"
#include "http/head.h"

#define POLICY                                                                                                     \
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; " \
  "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"

#define FOLDER "/console/"
#define ETAG_SIZE 32

struct choice {
  bool takes_gzip;
  struct str etags[8]; /* values of If-None-Match */
  size_t etags_count;
};

static void look_at_header(void *arg, struct str name, struct str value) {
  struct choice *choice = arg;
  if (str_equal_nocase(name, STR("Accept-Encoding"))) choice->takes_gzip |= head_accepts(value, STR("gzip"));
  if (!str_equal_nocase(name, STR("If-None-Match"))) return;
  if (choice->etags_count < sizeof choice->etags / sizeof choice->etags[0])
    choice->etags[choice->etags_count++] = value;
}

/* RFC 9110, 13.1.2: weak comparison. */
static bool has_already(const struct choice *choice, struct str etag) {
  for (size_t i = 0; i < choice->etags_count; i++) {
    struct str rest = choice->etags[i];
    while (rest.len > 0) {
      struct str item = str_trim(str_cut(&rest, ','));
      if (str_starts(item, STR("W/"))) item = str_make(item.ptr + 2, item.len - 2);
      if (str_equal(item, etag) || str_equal(item, STR("*"))) return true;
    }
  }
  return false;
}

void endpoint_console_bind(struct http_reply *reply) {
  http_reply_header(reply, "Content-Security-Policy", POLICY);
  http_reply_header(reply, "X-Content-Type-Options", "nosniff");
  http_reply_header(reply, "Referrer-Policy", "no-referrer");
}

static void refuse(struct http_reply *reply, unsigned status, const char *detail) {
  memset(reply->headers, 0, sizeof reply->headers);
  http_reply_problem(reply, status, detail);
  endpoint_console_bind(reply);
  http_reply_header(reply, "Cache-Control", "no-store");
}

static void send_file(const struct console_file *file, const char *caching, struct http_request *request,
                      struct http_reply *reply) {
  struct choice choice = {0};
  char etag[ETAG_SIZE];
  http_each_header(request, look_at_header, &choice);
  struct str bytes = choice.takes_gzip ? file->gzip : file->raw;
  (void)snprintf(etag, sizeof etag, "\"%.24s%s\"", file->hash, choice.takes_gzip ? "-gz" : "");
  endpoint_console_bind(reply);
  http_reply_header(reply, "Cache-Control", caching);
  http_reply_header(reply, "ETag", etag);
  reply->content_type = console_type(file);
  if (has_already(&choice, str_of(etag))) {
    reply->status = 304;
    return;
  }
  if (bytes.len > HTTP_SHORT && !http_claim(request, bytes.len)) {
    refuse(reply, 503, "the server is busy: answers fill http.answers_max; load this again later");
    http_reply_header(reply, "Retry-After", "1");
    return;
  }
  if (choice.takes_gzip) http_reply_header(reply, "Content-Encoding", "gzip");
  buf_str(&reply->body, bytes);
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
  http_reply_header(reply, "Location", FOLDER);
  return HTTP_ANSWERED;
}

struct http_route endpoint_console_route(void) {
  return (struct http_route){.path = FOLDER, .methods = "GET, HEAD", .handle = handle};
}

struct http_route endpoint_console_bare_route(void) {
  return (struct http_route){.path = "/console", .methods = "GET, HEAD", .handle = handle_bare};
}
