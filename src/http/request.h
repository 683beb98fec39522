/* A request and its reply, as endpoints see them; no HTTP library is needed. Source: design §3.1, §3.3, §7.
 *
 * http_mhd.c receives a whole request (head and body, within the route's bounds), calls the route's handler on one of
 * the server's threads, and sends the reply. A handler either answers at once and returns HTTP_ANSWERED, or returns
 * HTTP_WAITING and makes sure that http_resume is called later, exactly once, from any thread. Until then request and
 * reply stay valid, even if the client has gone. If wait_timeout_ms passes first, the server calls the route's
 * `expired` on a thread of its own. `expired` returns true if it has filled the reply and http_resume will not be
 * called; false if http_resume is about to be called.
 *
 * Query threads. A route has a cost. The server calls the handler of an HTTP_QUICK route on a thread that serves
 * connections, so that handler must be quick. It calls the handler of an HTTP_QUERY route on a query thread, so that
 * handler may read for a while. A handler of an HTTP_QUICK route may return HTTP_LATER when it finds that the request
 * is a long one: then it is called again, on a query thread. request->on_query_thread says which call it is. There too it may
 * return HTTP_LATER, after about 100 ms: the other queries have their turns, then it is called again and goes on.
 *
 * A query whose client is gone ends between two turns. A client that has ended its sending side is not gone while it
 * reads; but libmicrohttpd 0.9.75 may close its connection when it is resumed, without the answer.
 *
 * At most query_running_max queries run at one time; a query runs from its handler's call until its answer is made, or
 * its stream is freed. At most query_waiting_max queries wait to begin, for wait_timeout_ms. Beyond these bounds the
 * server calls the handler with request->unavailable set, on any thread. The handler must then answer at once (503 with
 * Retry-After), and must neither read nor stream. So a handler looks at request->unavailable first, in every call.
 *
 * Streams. A handler on a query thread may leave the body empty, set reply->stream and return HTTP_ANSWERED. The
 * server then calls stream.next on a query thread, once for each piece, and sends the pieces. Status and headers are
 * those of the reply. Each call is a turn: after it the other queries have theirs, and the next turn may be on another
 * thread. While the client receives a piece, no turn is taken, and the endpoint holds no lock, view or transaction.
 *
 *   - The server makes the first piece before it sends the head. If the first piece is the last one, the answer has a
 *     Content-Length; otherwise it is chunked.
 *   - HTTP_FAILED before the head was sent: if the handler or `next` has filled the reply with an error (a status of
 *     400 or more), the server sends that; otherwise it sends 500. HTTP_FAILED later: the server closes the connection
 *     without the final chunk, so that the client knows that the answer is not whole.
 *   - The server closes the connection likewise if the client is too slow (64 KiB in 15 s), and when the server stops.
 *   - HEAD: `next` is called once. If that piece is the last one, the answer has its Content-Length. Otherwise the answer has
 *     none, and the connection is closed after it.
 *   - HTTP/1.0 has no chunks: such an answer is buffered, up to HTTP_BUFFERED_MAX bytes. A longer one is answered 505.
 *   - Pieces count against answers_max. A query for which it has no room is answered as beyond the bounds above.
 */
#ifndef CODECMETER_HTTP_REQUEST_H
#define CODECMETER_HTTP_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "metrics/metrics.h"

#define HTTP_ID_SIZE 37 /* a UUID in text, with NUL */

struct http_request {
  struct str method;
  struct str path;   /* as sent, without the query, not decoded */
  struct str query;  /* as sent, without '?', not decoded */
  struct str content_type, content_encoding, authorization, accept; /* empty when absent */
  struct str body;   /* JSON_PADDING readable bytes behind it; invalid once the handler has answered */
  char peer[64];     /* the client's address in text */
  char id[HTTP_ID_SIZE]; /* a fresh UUID: X-UCLOUD-REQUEST-UUID and the access log */
  enum metric_refusal unavailable_for; /* the same, for counters */
  const char *unavailable; /* why the request cannot be served now, a sentence; the body is not read. NULL: it can */
  bool on_query_thread;    /* the handler is called on a query thread, so it may take its time and set a stream */
  void *state;             /* belongs to the endpoint; `release` frees it */
  /* For the access log, set by endpoints; never a secret. */
  char who[72];      /* public key or token id */
  char what[72];     /* action */
  int code;          /* RetCode */
};

/* HTTP_MORE: the piece may be empty; then `next` is called again after the other queries had their turn. HTTP_LAST: the
 * piece, which may be empty, ends the answer. HTTP_FAILED: the piece is not sent. */
enum http_piece { HTTP_MORE, HTTP_LAST, HTTP_FAILED };

/* A piece has about HTTP_PIECE bytes. A longer one is sent too, up to HTTP_PIECE_MAX; beyond that the buf is failed,
 * which counts as HTTP_FAILED. */
#define HTTP_PIECE ((size_t)64 << 10)
#define HTTP_PIECE_MAX ((size_t)4 << 20)
/* The longest streamed answer to a client of HTTP/1.0. */
#define HTTP_BUFFERED_MAX ((size_t)4 << 20)

/* The body of an answer, made piece by piece. The arg is the endpoint's; request and reply stay valid until `free`. */
struct http_stream {
  /* Appends the next piece to `piece`, which is empty. On a query thread, never twice at one time. It must return
   * within about 100 ms, with HTTP_MORE and whatever it has: other queries wait for it, and so does a stop. */
  enum http_piece (*next)(void *arg, struct buf *piece);
  /* Called exactly once, when no more pieces are wanted: after HTTP_LAST or HTTP_FAILED on the query thread, or on any
   * other thread when the client is gone or the server stops. Always before the route's `release`. It must not wait. */
  void (*free)(void *arg);
  void *arg;
};

#define HTTP_HEADERS_MAX 12
#define HTTP_HEADER_VALUE_MAX 255

struct http_reply {
  unsigned status;          /* 200 unless set; with 204 there is no body */
  const char *content_type; /* static; "application/json" unless set */
  struct buf body;          /* freed by the server */
  struct http_stream stream; /* zeros: the body is the answer. The server owns it once the handler has returned */
  struct http_header {
    const char *name; /* static; NULL: unused */
    char value[HTTP_HEADER_VALUE_MAX + 1];
  } headers[HTTP_HEADERS_MAX];
  /* Completes the reply on the thread that sends it; NULL: it is complete. Set before http_resume. Not called if the
   * connection is closed first: then only `release` is. */
  void (*fill)(struct http_request *request);
  bool close; /* close the connection after the reply */
  /* Of a 304 without a body: the length of the answer that the client has. 0: it is not known, and the connection is closed. A
   * 304 may instead have that answer as its body, which is not sent. */
  uint64_t length;
};

/* HTTP_LATER: call the handler again, on a query thread; request, reply and body stay as they are. Only an HTTP_QUICK route's
 * handler may return it, and not if `unavailable` is set. What it keeps meanwhile is in request->state. On a query thread a
 * handler never returns HTTP_WAITING. */
enum http_result { HTTP_ANSWERED, HTTP_WAITING, HTTP_LATER };

/* Where a route's handler is called. */
enum http_cost { HTTP_QUICK, HTTP_QUERY };

/* The server calls `admit`, if there is one, when it has read the head. False: `admit` has filled the reply, and the
 * request is refused. The server keeps no body of a refused request. It refuses a body longer than body_max, as sent,
 * as soon as it knows that, with `too_large`. It calls `release` when the request ends, on any thread. */
struct http_route {
  enum metric_route counted_as; /* in the counters of requests */
  const char *path;    /* exact, or the beginning if it ends with a slash and is not "/" alone */
  const char *methods; /* "GET, HEAD, POST": others get 405 with this as Allow; NULL: the handler gets every method */
  enum http_cost cost;
  uint64_t body_max;   /* bytes; a longer body is answered by `too_large`, or with 413 if that is NULL */
  bool (*admit)(void *arg, struct http_request *request, struct http_reply *reply);
  enum http_result (*handle)(void *arg, struct http_request *request, struct http_reply *reply);
  void (*too_large)(void *arg, struct http_request *request, struct http_reply *reply);
  bool (*expired)(void *arg, struct http_request *request, struct http_reply *reply);
  void (*release)(void *arg, struct http_request *request); /* may be NULL */
  void *arg;
};

/* Calls `visit` for each header of a request, as sent, in order. Only for use in admit and handle. The texts are
 * borrowed until the request ends. */
void http_each_header(const struct http_request *request, void (*visit)(void *arg, struct str name, struct str value),
                      void *arg);

/* Sends the reply, which is complete, or which reply->fill completes. */
void http_resume(struct http_request *request);

/* For a handler that keeps part of the body until it resumes: counts these bytes against http.bodies_max until the
 * request ends. False if there is no room: the handler must refuse the request. */
MUST_USE bool http_hold(struct http_request *request, size_t bytes);
#define HTTP_NO_ROOM "the server is busy: request bodies fill http.bodies_max; send this again later"

/* For a handler whose answer may be long: claims so many bytes of http.answers_max, in all, before it allocates them.
 * A later, smaller claim gives the difference back and always succeeds. The server gives back what the body does not
 * use when it begins to send the reply, and the rest when the client has it. False if there is no room: the handler
 * must answer something short. A reply of up to HTTP_SHORT bytes needs no claim. */
MUST_USE bool http_claim(struct http_request *request, size_t bytes);
#define HTTP_SHORT ((size_t)16 << 10)

/* Adds a header to the reply; name is static. At most HTTP_HEADERS_MAX headers. */
void http_reply_header(struct http_reply *reply, const char *name, const char *value);
/* The words of a status that problems have: "Bad Request". */
const char *http_title(unsigned status);
/* Fills an application/problem+json reply: {"type":"about:blank","title":…,"status":…,"detail":…} (RFC 9457). */
void http_reply_problem(struct http_reply *reply, unsigned status, const char *detail);

#endif
