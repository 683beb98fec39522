/* One piece is in memory at a time: a query thread makes it, then the library sends it, and only then the next one is
 * made. So a client that reads slowly costs one piece, and a client that is gone costs the piece that is being made.
 *
 * An exchange is never closed while it is QUERYING, because the library does nothing with a suspended connection. So
 * the query thread and the library's thread never have it at the same time, and the stream is freed by the one that
 * finds its end: by end_query on a query thread, or by query_end when the exchange ends.
 */
#include "http/query.h"

#include <unistd.h>

#include "base/budget.h"
#include "base/check.h"
#include "http/connections.h"
#include "http/http_mhd.h"
#include "http/peer.h"
#include "http/refuse.h"

/* A buffer that grows to HTTP_PIECE by doubling may have twice that. */
#define PIECE_CLAIM (2 * HTTP_PIECE)
#define LOOK_MS 1000        /* between two looks whether the client is gone */
#define PIECE_LEAST_MS 1000 /* even the smallest piece needs some time on its way */

#define STATUS_GONE 499 /* in the access log only */

#define NO_PLACE "the server is busy: query.running_max answers are made, query.waiting_max wait; send this again later"
#define NO_TURN "the server is busy: none of query.running_max answers came to its end; send this again later"
#define NO_ANSWERS "the server is busy: answers fill http.answers_max; send this again later"
#define NO_MEMORY "the server has no memory now: send this again later"
#define STOPPING "the server is stopping: send this again later"
#define TOO_OLD                                                                                                \
  "this answer is longer than 4 MiB, and such an answer needs HTTP/1.1: use HTTP/1.1 (in nginx "                \
  "`proxy_http_version 1.1;`), or ask for less"
_Static_assert(HTTP_BUFFERED_MAX == (size_t)4 << 20, "TOO_OLD names it");

static struct exchange *exchange_of(struct query_job *job) {
  return (struct exchange *)(void *)((char *)job - offsetof(struct exchange, query.job));
}

static void free_stream(struct exchange *x) {
  struct http_stream stream = x->reply.stream;
  x->reply.stream = (struct http_stream){0};
  if (stream.free != NULL) stream.free(stream.arg);
}

static void free_piece(struct exchange *x) {
  buf_fini(&x->query.piece);
  exchange_charge(x->server, &x->query.claimed, 0);
}

/* Nothing more is made. */
static void end_query(struct exchange *x) {
  free_stream(x);
  if (x->query.runs) query_pool_end(x->server->queries, &x->query.job);
  x->query.runs = false;
}

void query_end(struct exchange *x) {
  end_query(x);
  free_piece(x);
}

/* Gives the exchange back to the library's thread, which sends what there is. */
static void give_back(struct exchange *x) {
  exchange_move(x, READY);
  http_mhd_resume(x);
}

/* ---- answers without a stream ---- */

/* The query has ended: the reply is there. */
static void answer(struct exchange *x) {
  CHECK(!x->query.runs);
  x->request.body = STR("");
  exchange_drop_body(x);
  give_back(x);
}

static void refuse(struct exchange *x, const char *why) {
  end_query(x);
  free_piece(x);
  exchange_reset_reply(x);
  refuse_unavailable(x, METRIC_REFUSED_QUEUE, why);
  answer(x);
}

static void answer_problem(struct exchange *x, unsigned status, const char *detail) {
  end_query(x);
  free_piece(x);
  exchange_reset_reply(x);
  http_reply_problem(&x->reply, status, detail);
  answer(x);
}

/* The answer is whole. */
static void answer_body(struct exchange *x) {
  end_query(x);
  free_piece(x);
  answer(x);
}

/* ---- streams ---- */

/* The head is sent, and nothing more comes: the library closes the connection. */
static void cut_off(struct exchange *x) {
  x->query.stopped = true;
  end_query(x);
  give_back(x);
}

/* Another turn, for a query that has nothing to send yet. The job may be in it before this returns. */
static void go_on(struct exchange *x) {
  if (query_pool_again(x->server->queries, &x->query.job)) return;
  if (x->query.begun) cut_off(x);
  else refuse(x, STOPPING);
}

/* The first piece is there, and others follow: the library sends the head. */
static void begin_stream(struct exchange *x) {
  x->query.begun = true;
  x->query.left_ms = x->server->options.request_timeout_ms;
  x->request.body = STR("");
  exchange_drop_body(x);
  query_pool_away(x->server->queries, &x->query.job);
  give_back(x);
}

/* Keeps a piece for a client that takes no chunks. */
static void buffer_piece(struct exchange *x) {
  struct buf *body = &x->reply.body, *piece = &x->query.piece;
  size_t len = body->len + piece->len;
  if (len > HTTP_BUFFERED_MAX) {
    answer_problem(x, 505, TOO_OLD);
    return;
  }
  if (!http_claim(&x->request, 2 * len)) {
    refuse(x, NO_ANSWERS);
    return;
  }
  buf_str(body, buf_view(piece));
  if (body->failed) refuse(x, NO_MEMORY);
  else if (x->query.outcome == HTTP_LAST) answer_body(x);
  else go_on(x);
}

static void answer_failure(struct exchange *x) {
  if (x->reply.status >= 400) answer_body(x);
  else if (x->query.piece.failed) refuse(x, NO_MEMORY);
  else answer_problem(x, 500, "the server could not make this answer; its log may say why");
}

/* The head is not sent yet. */
static void take_first(struct exchange *x) {
  if (x->query.outcome == HTTP_FAILED) {
    answer_failure(x);
  } else if (x->query.outcome == HTTP_MORE && str_equal(x->request.method, STR("HEAD"))) {
    x->query.head_only = true;
    answer_body(x);
  } else if (x->query.outcome == HTTP_LAST && x->reply.body.len == 0) {
    buf_fini(&x->reply.body);
    x->reply.body = x->query.piece;
    x->query.piece = (struct buf){0};
    answer_body(x);
  } else if (x->is_http_1_0) {
    buffer_piece(x);
  } else if (x->query.piece.len > 0) {
    begin_stream(x);
  } else {
    go_on(x);
  }
}

/* The head is sent. */
static void take_next(struct exchange *x) {
  if (x->query.outcome == HTTP_MORE && x->query.piece.len == 0) {
    go_on(x);
    return;
  }
  if (x->query.outcome == HTTP_MORE) query_pool_away(x->server->queries, &x->query.job);
  else end_query(x);
  give_back(x);
}

static void make_piece(struct exchange *x) {
  struct query *query = &x->query;
  buf_clear(&query->piece);
  query->piece.limit = HTTP_PIECE_MAX;
  query->piece_read = 0;
  query->outcome = x->reply.stream.next(x->reply.stream.arg, &query->piece);
  if (query->piece.failed) query->outcome = HTTP_FAILED;
  exchange_charge(x->server, &query->claimed, query->piece.cap > PIECE_CLAIM ? query->piece.cap : PIECE_CLAIM);
  if (query->begun) take_next(x);
  else take_first(x);
}

/* ---- turns ---- */

static void call_handler(struct exchange *x) {
  if (!exchange_claim(x->server, &x->query.claimed, PIECE_CLAIM)) {
    refuse(x, NO_ANSWERS);
    return;
  }
  if (!exchange_finish_body(x)) {
    refuse(x, NO_MEMORY);
    return;
  }
  x->request.on_query_thread = true;
  enum http_result result = x->route->handle(x->route->arg, &x->request, &x->reply);
  CHECK(result != HTTP_WAITING && (x->reply.stream.next == NULL || x->reply.body.len == 0));
  x->query.handled = result == HTTP_ANSWERED;
  if (result == HTTP_LATER) go_on(x);
  else if (x->reply.stream.next == NULL) answer_body(x);
  else make_piece(x);
}

/* ---- clients that are gone ---- */

/* Of a client that has ended its side. Over TLS no client goes on with a TCP connection whose one side it has ended: TLS has an end
 * of its own. */
static bool has_closed(struct exchange *x) {
  if (x->server->options.tls_cert != NULL) return true;
  bool may_ask = !x->query.begun && !x->is_http_1_0 && !x->query.has_asked;
  if (may_ask) x->query.has_asked = peer_ask(x->connection->fd);
  return false;
}

/* Looks once a second. A query that is quickly done is not asked about. */
static bool is_client_gone(struct exchange *x) {
  int64_t now = exchange_now_ms();
  if (now < x->query.look_ms) return false;
  x->query.look_ms = now + LOOK_MS;
  enum peer peer = peer_look(x->connection->fd);
  bool is_long = now - x->query.begun_ms >= LOOK_MS;
  if (is_long && !x->query.asks_kernel) peer_ask_kernel(x->connection->fd);
  x->query.asks_kernel |= is_long;
  return peer == PEER_GONE || (peer == PEER_ENDED && is_long && has_closed(x));
}

/* Nobody receives the answer: the library closes the connection. */
static void abandon(struct exchange *x) {
  if (x->query.begun) {
    cut_off(x);
    return;
  }
  end_query(x);
  free_piece(x);
  exchange_reset_reply(x);
  x->reply.status = STATUS_GONE;
  x->query.gone = true;
  answer(x);
}

static void turn(struct query_job *job) {
  struct exchange *x = exchange_of(job);
  CHECK(x->state == QUERYING);
  if (is_client_gone(x)) abandon(x);
  else if (x->query.handled) make_piece(x);
  else call_handler(x);
}

/* ---- on the library's thread ---- */

void query_begin(struct exchange *x) {
  x->query.job.turn = turn;
  x->query.job.owner = budget_owner(str_of(x->request.who)); /* the token's or key's public name */
  x->query.begun_ms = exchange_now_ms();
  exchange_move(x, QUERYING);
  (void)connections_set_working(x->connection);
  http_mhd_suspend(x);
  x->query.runs = true; /* or waits; the query thread may have it before query_pool_begin returns */
  enum query_begun begun = query_pool_begin(x->server->queries, &x->query.job);
  if (begun == QUERY_BEGUN) return;
  x->query.runs = false;
  refuse(x, begun == QUERY_FULL ? NO_PLACE : STOPPING);
}

/* The library has taken the whole piece. */
static ssize_t want_next(struct exchange *x) {
  int64_t left_ms = connections_set_working(x->connection), most_ms = x->server->options.request_timeout_ms;
  x->query.left_ms = left_ms < 0 ? 0 : left_ms < most_ms ? left_ms : most_ms;
  exchange_move(x, QUERYING);
  http_mhd_suspend(x);
  go_on(x);
  return QUERY_READ_LATER;
}

void query_set_deadline(const struct exchange *x) {
  int64_t pace_ms = (int64_t)(x->query.piece.len * EXCHANGE_PACE_MS / EXCHANGE_PACE);
  int64_t time_ms = x->query.left_ms + pace_ms;
  connections_set_replying(x->connection, exchange_now_ms(), time_ms > PIECE_LEAST_MS ? time_ms : PIECE_LEAST_MS);
}

ssize_t query_read(struct exchange *x, char *out, size_t max) {
  struct query *query = &x->query;
  size_t left = query->piece.len - query->piece_read;
  if (x->state == READY) {
    query_set_deadline(x);
    exchange_move(x, REPLYING);
  }
  if (query->outcome == HTTP_FAILED || query->stopped) return QUERY_READ_FAILED;
  if (left == 0) return query->outcome == HTTP_LAST ? (ssize_t)QUERY_READ_END : want_next(x);
  if (left > max) left = max;
  memcpy(out, query->piece.ptr + query->piece_read, left);
  query->piece_read += left;
  query->sent += left;
  return (ssize_t)left;
}

/* ---- the server ---- */

void query_expire(struct http_server *server) {
  query_pool_relieve(server->queries);
  for (struct query_job *job; (job = query_pool_expire(server->queries)) != NULL;) {
    struct exchange *x = exchange_of(job);
    x->query.runs = false;
    refuse(x, NO_TURN);
  }
}

static unsigned threads_of(const struct http_options *options) {
  long cores = sysconf(_SC_NPROCESSORS_ONLN);
  unsigned threads = options->query_threads > 0 ? options->query_threads : cores > 2 ? (unsigned)cores / 2 : 1;
  return threads < QUERY_THREADS_MAX ? threads : QUERY_THREADS_MAX;
}

int query_start(struct http_server *server, struct err *err) {
  const struct http_options *options = &server->options;
  struct query_pool_options pool = {
      .threads = threads_of(options),
      .running_max = options->query_running_max,
      .waiting_max = options->query_waiting_max,
      .wait_ms = options->wait_timeout_ms,
  };
  return query_pool_start(&pool, &server->queries, err);
}

void query_stop(struct http_server *server) {
  bool runs;
  query_pool_stop(server->queries);
  for (struct query_job *job; (job = query_pool_take(server->queries, &runs)) != NULL;) {
    struct exchange *x = exchange_of(job);
    x->query.runs = runs;
    if (runs) go_on(x);
    else refuse(x, STOPPING);
  }
}

void query_free(struct http_server *server) {
  query_pool_free(server->queries);
  server->queries = NULL;
}
