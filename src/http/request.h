/* A request and its reply, as endpoints see them; no HTTP library is needed. Source: design §3.1, §3.3, §7.
 *
 * http_mhd.c receives a whole request (head and body, within the route's bounds), calls the route's handler on one of
 * the server's threads, and sends the reply. A handler either answers at once and returns HTTP_ANSWERED, or returns
 * HTTP_WAITING and makes sure that http_resume is called later, exactly once, from any thread. Until then request and
 * reply stay valid, even if the client has gone. If wait_timeout_ms passes first, the server calls the route's
 * `expired` on a thread of its own. `expired` returns true if it has filled the reply and http_resume will not be
 * called; false if http_resume is about to be called.
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
  struct str body;   /* JSON_PADDING readable bytes behind it; invalid once the handler has returned */
  char peer[64];     /* the client's address in text */
  char id[HTTP_ID_SIZE]; /* a fresh UUID: X-UCLOUD-REQUEST-UUID and the access log */
  const char *unavailable; /* why the request cannot be served now, a sentence; the body is not read. NULL: it can */
  void *state;             /* belongs to the endpoint; `release` frees it */
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
  bool close; /* close the connection after the reply */
};

enum http_result { HTTP_ANSWERED, HTTP_WAITING };

/* The server calls `admit`, if there is one, when it has read the head. False: `admit` has filled the reply, and the
 * request is refused. The server keeps no body of a refused request. It refuses a body longer than body_max, as sent,
 * as soon as it knows that, with `too_large`. It calls `release` when the request ends, on any thread. */
struct http_route {
  const char *path;    /* exact, or the beginning if it ends with a slash and is not "/" alone */
  const char *methods; /* "GET, HEAD, POST": others get 405 with this as Allow; NULL: the handler gets every method */
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

/* Sends the reply, which is complete. */
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
/* Fills an application/problem+json reply: {"type":"about:blank","title":…,"status":…,"detail":…} (RFC 9457). */
void http_reply_problem(struct http_reply *reply, unsigned status, const char *detail);

#endif
