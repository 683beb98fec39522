/* The life of an answer:
 *
 *   open ──> (no row yet) ──first row, or the end──> headers are settled ──> pieces … ──> V1_DONE
 *     │            │ V1_FAILED: a status                                       │ V1_FAILED, or the token is void:
 *     └ a status   └ the token is void: 401                                    └ logged; the connection is cut
 *
 * An answer that is complete in its first piece has an ETag that is made of its bytes. A longer one has an ETag only
 * if its rows depend on the request and a position alone (is_fixed); that one is known before the first row. */
#include <stdio.h>
#include <stdlib.h>

#include "auth/digest.h"
#include "base/check.h"
#include "base/diag.h"
#include "base/json.h"
#include "ledger/scan.h"
#include "v1/frame.h"

#define ETAG_BYTES 16
#define ETAG_SIZE (2 * ETAG_BYTES + 3) /* quotes, NUL */

/* ---- replies ---- */

void v1_reply_headers(struct http_reply *reply) {
  http_reply_header(reply, "Cache-Control", "no-store");
  http_reply_header(reply, "X-Content-Type-Options", "nosniff");
}

void v1_reply_problem(struct http_reply *reply, const struct v1_problem *problem) {
  memset(reply->headers, 0, sizeof reply->headers);
  http_reply_problem(reply, problem->status, problem->detail);
  if (problem->parameter[0] != '\0') {
    reply->body.len--; /* the brace */
    buf_text(&reply->body, ",\"parameter\":");
    json_quote(&reply->body, str_of(problem->parameter));
    buf_char(&reply->body, '}');
  }
  v1_reply_headers(reply);
  if (problem->status == 503) http_reply_header(reply, "Retry-After", V1_RETRY_AFTER);
  if (problem->status == 401) http_reply_header(reply, "WWW-Authenticate", "Bearer");
}

/* A name for the file, for browsers that save the answer. */
static void name_file(const struct v1_exchange *x) {
  char value[128];
  if (x->request.format == V1_JSON) return;
  (void)snprintf(value, sizeof value, "attachment; filename=\"codecmeter-%s.%s\"", x->place->resource->name,
                 x->request.format == V1_CSV ? "csv" : "ndjson");
  http_reply_header(x->reply, "Content-Disposition", value);
}

static void reply_answer(struct v1_exchange *x) {
  char position[24];
  x->reply->content_type = v1_rows_content_type(x->request.format);
  v1_reply_headers(x->reply);
  (void)snprintf(position, sizeof position, "%llu", (unsigned long long)x->answer.position);
  http_reply_header(x->reply, "X-Codecmeter-Position", position);
  http_reply_header(x->reply, "Vary", "Accept, Authorization");
  name_file(x);
}

/* ---- ETag ---- */

static void write_etag(struct str text, char out[ETAG_SIZE]) {
  uint8_t hash[DIGEST_SHA256_SIZE];
  digest_sha256(text, hash);
  out[0] = '"';
  bytes_hex(hash, ETAG_BYTES, out + 1);
  memcpy(out + ETAG_SIZE - 2, "\"", 2);
}

/* Of the question and of the position that answers it. False: no memory, and the answer goes without. */
static bool etag_of_question(const struct v1_exchange *x, char out[ETAG_SIZE]) {
  SCOPED(buf_fini) struct buf text = {0};
  buf_append(&text, x->place->v1->salt, V1_SALT_SIZE);
  buf_printf(&text, "%s\n%d\n%llu\n", x->request.token.id, (int)x->request.format,
             (unsigned long long)x->answer.position);
  buf_str(&text, x->http->path);
  buf_char(&text, '?');
  buf_str(&text, x->request.query);
  if (text.failed) return false;
  write_etag(buf_view(&text), out);
  return true;
}

struct etag_search {
  struct str etag;
  bool is_found;
};

/* RFC 9110, 13.1.2: weak comparison. */
static void look_for_etag(void *arg, struct str name, struct str value) {
  struct etag_search *search = arg;
  if (!str_equal_nocase(name, STR("If-None-Match"))) return;
  while (value.len > 0) {
    struct str item = str_trim(str_cut(&value, ','));
    if (str_starts(item, STR("W/"))) item = str_make(item.ptr + 2, item.len - 2);
    search->is_found |= str_equal(item, search->etag) || str_equal(item, STR("*"));
  }
}

/* Gives the answer its ETag. True if the client has this answer already: the reply is then a 304. */
static bool settle_etag(struct v1_exchange *x, const char etag[ETAG_SIZE]) {
  struct etag_search search = {.etag = str_of(etag)};
  http_reply_header(x->reply, "ETag", etag);
  http_each_header(x->http, look_for_etag, &search);
  if (search.is_found) x->reply->status = 304;
  return search.is_found;
}

/* ---- pieces ---- */

static enum http_piece refuse_piece(struct v1_exchange *x, const struct v1_problem *problem) {
  v1_reply_problem(x->reply, problem);
  return HTTP_FAILED;
}

/* The resource's next has failed. */
static enum http_piece fail(struct v1_exchange *x, const struct err *err) {
  int result = err->code == ERR_NONE ? -ERR_INTERNAL : -(int)err->code;
  struct v1_problem problem;
  if (x->has_sent) {
    diag_warning("%s: the answer was cut off: %s; request %s", x->place->resource->path, err->text, x->http->id);
    return HTTP_FAILED;
  }
  if (err_kind(result) == ERR_KIND_CLIENT) (void)v1_refuse(&problem, 400, "%s", err->text);
  else (void)v1_refuse_err(&problem, result, x->place->resource->path, err);
  return refuse_piece(x, &problem);
}

static enum http_piece end_with_token(struct v1_exchange *x) {
  struct v1_problem problem;
  if (x->has_sent) {
    diag_info("%s: the answer was cut off: its token (id %s) was revoked or has expired; request %s",
              x->place->resource->path, x->request.token.id, x->http->id);
    return HTTP_FAILED;
  }
  (void)v1_refuse(&problem, 401, "the token (id %s) was revoked, or has expired, while the answer was made",
                  x->request.token.id);
  return refuse_piece(x, &problem);
}

/* The whole answer is in this piece. */
static void settle_whole(struct v1_exchange *x, struct buf *piece) {
  char etag[ETAG_SIZE];
  if (x->answer.is_fixed) return;
  write_etag(buf_view(piece), etag);
  if (settle_etag(x, etag)) buf_clear(piece);
}

static enum http_piece next_piece(void *arg, struct buf *piece) {
  struct v1_exchange *x = arg;
  struct v1_rows *rows = &x->answer.rows;
  struct err err = {0};
  if (!bearer_holds(x->place->v1->options.door, &x->request.token)) return end_with_token(x);
  v1_rows_piece(rows, piece);
  enum v1_next next = x->place->resource->next(x->answer.state, rows, &err);
  CHECK(next == V1_FAILED || rows->column == 0);
  if (next == V1_DONE) v1_rows_end(rows);
  if (next != V1_FAILED && piece->failed) {
    next = V1_FAILED;
    (void)err_set(&err, ERR_MEMORY, "no memory for a piece");
  }
  if (next == V1_FAILED) {
    buf_clear(piece);
    return fail(x, &err);
  }
  if (next == V1_DONE && !x->has_sent) settle_whole(x, piece);
  x->has_sent |= piece->len > 0;
  return next == V1_DONE ? HTTP_LAST : HTTP_MORE;
}

static void free_stream(void *arg) { (void)arg; /* v1_exchange_free, when the request ends */ }

/* ---- the beginning ---- */

void v1_answer_begin(struct v1_exchange *x) {
  const struct v1_resource *resource = x->place->resource;
  struct v1_problem problem;
  char etag[ETAG_SIZE];
  v1_rows_init(&x->answer.rows, x->request.format, resource->shape, resource->has_cursor);
  x->has_rows = true;
  x->answer.position = x->request.has_as_of ? x->request.as_of : ledger_position(x->request.ledger);
  if (resource->open(&x->request, &x->answer, &problem) != 0) {
    v1_reply_problem(x->reply, &problem);
    return;
  }
  x->answer.rows.position = x->answer.position;
  reply_answer(x);
  if (x->answer.is_fixed && etag_of_question(x, etag) && settle_etag(x, etag)) return;
  x->reply->stream = (struct http_stream){.next = next_piece, .free = free_stream, .arg = x};
}

void v1_exchange_free(struct v1_exchange *x) {
  if (x == NULL) return;
  if (x->has_rows) {
    x->place->resource->free(x->answer.state);
    v1_rows_fini(&x->answer.rows);
  }
  if (x->request.arena != NULL) arena_free(x->request.arena);
  free(x);
}
