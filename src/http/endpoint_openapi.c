/* GET /openapi.json: the description of the API, which is the same for every client. So it is made, compressed and
 * hashed once, when the server starts. */
#include <stdlib.h>

#include "auth/digest.h"
#include "base/check.h"
#include "http/endpoints.h"
#include "http/static_file.h"
#include "ingest/read/gunzip.h"

#define PARAM "lang"
#define WORD_MAX 8 /* bytes of a name or a value that can be right */

struct endpoint_openapi {
  struct document {
    char language[WORD_MAX];
    struct buf raw, gzip;
    char hash[2 * DIGEST_SHA256_SIZE + 1];
  } documents[ENDPOINT_OPENAPI_MAX];
  size_t count;
};

struct endpoint_openapi *endpoint_openapi_new(void) {
  struct endpoint_openapi *endpoint = calloc(1, sizeof *endpoint);
  CHECK(endpoint != NULL);
  return endpoint;
}

void endpoint_openapi_free(struct endpoint_openapi *endpoint) {
  if (endpoint == NULL) return;
  for (size_t i = 0; i < endpoint->count; i++) {
    buf_fini(&endpoint->documents[i].raw);
    buf_fini(&endpoint->documents[i].gzip);
  }
  free(endpoint);
}

bool endpoint_openapi_add(struct endpoint_openapi *endpoint, const char *language, struct buf text) {
  uint8_t hash[DIGEST_SHA256_SIZE];
  CHECK(endpoint->count < ENDPOINT_OPENAPI_MAX);
  struct document *document = &endpoint->documents[endpoint->count++];
  bool fits = str_copy(str_of(language), document->language, sizeof document->language);
  CHECK(fits);
  buf_shrink(&text);
  document->raw = text;
  gzip_whole(buf_view(&text), &document->gzip);
  buf_shrink(&document->gzip);
  digest_sha256(buf_view(&text), hash);
  bytes_hex(hash, sizeof hash, document->hash);
  return !document->raw.failed && !document->gzip.failed;
}

/* ---- the query ---- */

static bool is_word(struct str sent, const char *wanted) {
  char decoded[3 * WORD_MAX];
  if (sent.len > sizeof decoded) return false;
  return str_equal(str_make(decoded, bytes_percent_decode(sent, decoded)), str_of(wanted));
}

static const struct document *find(const struct endpoint_openapi *endpoint, struct str language) {
  for (size_t i = 0; i < endpoint->count; i++) {
    if (is_word(language, endpoint->documents[i].language)) return &endpoint->documents[i];
  }
  return NULL;
}

/* NULL: *ret_detail says what is wrong. */
static const struct document *choose(const struct endpoint_openapi *endpoint, struct str query,
                                     const char **ret_detail) {
  const struct document *chosen = NULL;
  while (query.len > 0) {
    struct str value = str_cut(&query, '&'), name = str_cut(&value, '=');
    if (name.len == 0 && value.len == 0) continue;
    *ret_detail = "there is one parameter here: lang, which must be en or zh, once";
    if (!is_word(name, PARAM) || chosen != NULL) return NULL;
    chosen = find(endpoint, value);
    if (chosen == NULL) return NULL;
  }
  return chosen != NULL ? chosen : &endpoint->documents[0];
}

static enum http_result handle(void *arg, struct http_request *request, struct http_reply *reply) {
  const char *detail = NULL;
  const struct document *document = choose(arg, request->query, &detail);
  if (document == NULL) {
    http_reply_problem(reply, 400, detail);
    http_reply_header(reply, "Cache-Control", "no-store");
  } else {
    const struct static_file file = {.type = "application/json",
                                     .hash = document->hash,
                                     .raw = buf_view(&document->raw),
                                     .gzip = buf_view(&document->gzip)};
    static_file_send(&file, "no-cache", request, reply);
    if (reply->status < 400) http_reply_header(reply, "Vary", "Accept-Encoding");
  }
  http_reply_header(reply, "X-Content-Type-Options", "nosniff");
  return HTTP_ANSWERED;
}

struct http_route endpoint_openapi_route(struct endpoint_openapi *endpoint) {
  return (struct http_route){
      .counted_as = METRIC_ROUTE_PAGES, .path = "/openapi.json", .methods = "GET, HEAD", .handle = handle, .arg = endpoint};
}
