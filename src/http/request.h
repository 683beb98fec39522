/* A request and its reply, free of any HTTP library: what endpoints see. Source: design §3.1, §3.3, §7.
 *
 * http_mhd.c receives a request whole (head and body, within the route's bounds), calls the route's handler on one of
 * the server's threads, and sends the reply. A handler answers at once (HTTP_ANSWERED) or returns HTTP_WAITING and
 * has somebody call http_resume later, exactly once, from any thread; until then request and reply stay valid, even
 * when the client has gone. If the waiter's deadline passes first the server calls the route's `expired` on a thread
 * of its own; it returns true if it has filled the reply and nobody will call http_resume any more, false if
 * http_resume is on its way.
 */
#ifndef CODECMETER_HTTP_REQUEST_H
#define CODECMETER_HTTP_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"

#define HTTP_ID_SIZE 37 /* a UUID in text, with NUL */

struct http_request {
  struct str method;
  struct str path;   /* as sent, without the query, not decoded */
  struct str query;  /* as sent, without '?', not decoded */
  struct str content_type, content_encoding, authorization, accept; /* empty when absent */
  struct str body;   /* JSON_PADDING bytes readable behind it; gone when the handler has returned */
  char peer[64];     /* the client's address in text */
  char id[HTTP_ID_SIZE]; /* a fresh UUID: X-UCLOUD-REQUEST-UUID and the access log */
  const char *unavailable; /* why nothing can be served now ("draining"), the body not read; NULL otherwise */
  void *state;       /* the endpoint's own; `release` frees it */
  /* For the access log, set by endpoints; never a secret. */
  char who[72];      /* public key or token id */
  char what[72];     /* action */
  int code;          /* RetCode */
};

#define HTTP_HEADERS_MAX 8
#define HTTP_HEADER_VALUE_MAX 255

struct http_reply {
  unsigned status;          /* 200 unless set; with 204 there is no body */
  const char *content_type; /* static; "application/json" unless set */
  struct buf body;          /* freed by the server */
  struct http_header {
    const char *name; /* static; NULL: unused */
    char value[HTTP_HEADER_VALUE_MAX + 1];
  } headers[HTTP_HEADERS_MAX];
  bool close;               /* close the connection behind the reply */
};

enum http_result { HTTP_ANSWERED, HTTP_WAITING };

/* When the head has been read `admit` is asked, if there is one: false when the request is refused by that alone, and
 * the reply filled. Of a refused request no body is kept. body_max is the bound of the body as sent; a longer one is
 * refused as soon as that is known, with `too_large`. `release` is called when the request ends, on any thread. */
struct http_route {
  const char *path;    /* exact */
  const char *methods; /* "GET, HEAD, POST": others get 405 with this as Allow; NULL: every method reaches the handler */
  uint64_t body_max;   /* bytes; more is answered by `too_large`, or 413 when that is NULL */
  bool (*admit)(void *arg, struct http_request *request, struct http_reply *reply);
  enum http_result (*handle)(void *arg, struct http_request *request, struct http_reply *reply);
  void (*too_large)(void *arg, struct http_request *request, struct http_reply *reply);
  bool (*expired)(void *arg, struct http_request *request, struct http_reply *reply);
  void (*release)(void *arg, struct http_request *request); /* request ends; may be NULL */
  void *arg;
};

/* Hands each header of a request to `visit`, as sent, in order. Within admit and handle only; the texts are borrowed
 * until the request ends. */
void http_each_header(const struct http_request *request, void (*visit)(void *arg, struct str name, struct str value),
                      void *arg);

/* The reply is complete: sends it. */
void http_resume(struct http_request *request);

/* For a handler that keeps something of the body until it resumes: counts these bytes against http.bodies_max, until
 * the request ends. False when there is no room: it must refuse the request. */
MUST_USE bool http_hold(struct http_request *request, size_t bytes);
#define HTTP_NO_ROOM "busy: too many request bodies in memory"

/* For a handler whose answer may be long: claims so many bytes of http.answers_max for it, in all, before it takes the
 * memory. A later claim of less gives back, and always succeeds. When the reply is sent, what its body does not use is
 * given back, and the rest when the client has it. False when there is no room: the handler must answer something
 * short. A reply of up to HTTP_SHORT bytes needs no claim. */
MUST_USE bool http_claim(struct http_request *request, size_t bytes);
#define HTTP_SHORT ((size_t)16 << 10)

/* Sets a header of the reply; name is static. */
void http_reply_header(struct http_reply *reply, const char *name, const char *value);
/* An application/problem+json reply: {"type":"about:blank","title":…,"status":…,"detail":…} (RFC 9457). */
void http_reply_problem(struct http_reply *reply, unsigned status, const char *detail);

#endif
