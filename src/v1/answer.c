/* The life of an answer:
 *
 *   open ──> (no row yet) ──first row, or the end──> headers are settled ──> pieces … ──> V1_DONE
 *     │            │ V1_FAILED: a status                                       │ V1_FAILED, or the token is void:
 *     └ a status   └ the token is void: 401                                    └ logged; the connection is cut
 *
 * An answer that is complete in its first piece has an ETag that is made of its bytes. If its rows depend on the request and a
 * position alone (is_fixed), the ETag is made of these, so it is known before the first row; a longer answer has an ETag only
 * then. "HASH-LENGTH" also says how long the answer is: a 304 that knows the length leaves the connection open. */
#include <stdio.h>
#include <stdlib.h>

#include "auth/digest.h"
#include "base/check.h"
#include "base/diag.h"
#include "base/json_write.h"
#include "ledger/scan.h"
#include "v1/frame.h"

#define ETAG_BYTES 16
#define ETAG_DIGITS 2 * ETAG_BYTES
static_assert(V1_ETAG_SIZE > ETAG_DIGITS + 1 + BYTES_DIGITS_MAX + 3, "hash, '-', length, quotes, NUL");

/* ---- replies ---- */

void v1_reply_headers(struct http_reply *reply) {
  http_reply_header(reply, "Cache-Control", "no-store");
  http_reply_header(reply, "X-Content-Type-Options", "nosniff");
}

void v1_reply_problem(struct http_reply *reply, const struct v1_problem *problem) {
  memset(reply->headers, 0, sizeof reply->headers);
  http_reply_problem(reply, problem->status, problem->detail);
  if (problem->parameter[0] != '\0') {
    struct json_write json = json_write_reopen(&reply->body);
    json_write_text(&json, "parameter", problem->parameter);
    json_write_end(&json);
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

static void write_etag(struct str text, char out[V1_ETAG_SIZE]) {
  uint8_t hash[DIGEST_SHA256_SIZE];
  digest_sha256(text, hash);
  out[0] = '"';
  bytes_hex(hash, ETAG_BYTES, out + 1);
  memcpy(out + 1 + ETAG_DIGITS, "\"", 2);
}

static void add_length(char etag[V1_ETAG_SIZE], size_t length) {
  (void)snprintf(etag + 1 + ETAG_DIGITS, V1_ETAG_SIZE - 1 - ETAG_DIGITS, "-%zu\"", length);
}

/* The length that an ETag of this question states. False: it is the ETag of another one. */
static bool read_length(struct str etag, struct str question, uint64_t *ret) {
  struct str hash = str_make(question.ptr, question.len - 1), tail = str_make(etag.ptr + hash.len, etag.len - hash.len);
  *ret = 0;
  if (!str_starts(etag, hash) || tail.len < 3 || tail.ptr[0] != '-' || tail.ptr[tail.len - 1] != '"') return false;
  return str_to_u64(str_make(tail.ptr + 1, tail.len - 2), ret) && *ret <= HTTP_PIECE_MAX;
}

/* Of the question and of the position that answers it. False: no memory, and the answer goes without. */
static bool etag_of_question(const struct v1_exchange *x, char out[V1_ETAG_SIZE]) {
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
  bool is_fixed; /* it may also be there with a length */
  bool is_found;
  uint64_t length; /* 0: not known */
};

static void compare_etag(struct etag_search *search, struct str item) {
  uint64_t length = 0;
  bool states_length = search->is_fixed && item.len > search->etag.len && read_length(item, search->etag, &length);
  if (states_length) search->length = length;
  search->is_found |= states_length || str_equal(item, search->etag) || str_equal(item, STR("*"));
}

/* RFC 9110, 13.1.2: weak comparison. */
static void look_for_etag(void *arg, struct str name, struct str value) {
  struct etag_search *search = arg;
  if (!str_equal_nocase(name, STR("If-None-Match"))) return;
  while (value.len > 0) {
    struct str item = str_trim(str_cut(&value, ','));
    if (str_starts(item, STR("W/"))) item = str_make(item.ptr + 2, item.len - 2);
    compare_etag(search, item);
  }
}

/* Gives the answer its ETag. If the client has this answer already, the reply is a 304, and its body is not sent. */
static void settle_etag(struct v1_exchange *x, const char *etag) {
  struct etag_search search = {.etag = str_of(etag)};
  http_reply_header(x->reply, "ETag", etag);
  http_each_header(x->http, look_for_etag, &search);
  if (search.is_found) x->reply->status = 304;
}

/* The same before the answer is made. True if it need not be made. */
static bool settle_question(struct v1_exchange *x) {
  struct etag_search search = {.etag = str_of(x->etag), .is_fixed = true};
  http_each_header(x->http, look_for_etag, &search);
  if (!search.is_found) return false;
  if (search.length > 0) add_length(x->etag, search.length);
  http_reply_header(x->reply, "ETag", x->etag);
  x->reply->status = 304;
  x->reply->length = search.length;
  return true;
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

/* The head is sent after this piece. */
static void settle_head(struct v1_exchange *x, const struct buf *piece, bool is_whole) {
  char etag[V1_ETAG_SIZE];
  if (is_whole && x->etag[0] != '\0') add_length(x->etag, piece->len);
  if (x->etag[0] != '\0') {
    http_reply_header(x->reply, "ETag", x->etag);
  } else if (is_whole) {
    write_etag(buf_view(piece), etag);
    settle_etag(x, etag);
  }
  x->has_sent = true;
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
  bool is_head = piece->len > 0 || next == V1_DONE || str_equal(x->http->method, STR("HEAD"));
  if (is_head && !x->has_sent) settle_head(x, piece, next == V1_DONE);
  return next == V1_DONE ? HTTP_LAST : HTTP_MORE;
}

static void free_stream(void *arg) { (void)arg; /* v1_exchange_free, when the request ends */ }

/* ---- memory that answers hold ---- */

bool v1_hold(struct v1_answer *answer, size_t bytes) {
  return budget_claim(answer->budget, answer->owner, &answer->held, bytes);
}

/* ---- the beginning ---- */

void v1_answer_begin(struct v1_exchange *x) {
  const struct v1_resource *resource = x->place->resource;
  struct v1_problem problem;
  v1_rows_init(&x->answer.rows, x->request.format, resource->shape, resource->has_cursor);
  x->has_rows = true;
  x->answer.budget = &x->place->v1->budget;
  x->answer.usage = &x->place->v1->usage;
  x->answer.owner = budget_owner(str_of(x->request.token.id));
  x->answer.position = x->request.has_as_of ? x->request.as_of : ledger_position(x->request.ledger);
  if (resource->open(&x->request, &x->answer, &problem) != 0) {
    v1_reply_problem(x->reply, &problem);
    return;
  }
  x->answer.rows.position = x->answer.position;
  reply_answer(x);
  if (x->answer.is_fixed && etag_of_question(x, x->etag) && settle_question(x)) return;
  x->reply->stream = (struct http_stream){.next = next_piece, .free = free_stream, .arg = x};
}

void v1_exchange_free(struct v1_exchange *x) {
  if (x == NULL) return;
  if (x->has_rows) {
    x->place->resource->free(x->answer.state);
    v1_rows_fini(&x->answer.rows);
    budget_give_back(x->answer.budget, x->answer.owner, &x->answer.held);
  }
  if (x->request.arena != NULL) arena_free(x->request.arena);
  free(x);
}
