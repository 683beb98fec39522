/* A request that waits for the committer: the request and its delivery. The request frees it when it ends, but for a
 * delivery that it has abandoned.
 */
#ifndef CODECMETER_HTTP_WAITER_H
#define CODECMETER_HTTP_WAITER_H

#include "http/request.h"
#include "ingest/delivery.h"

struct waiter {
  struct delivery *delivery; /* NULL: the committer's alone now */
  struct http_request *request;
  struct http_reply *reply;
  void (*answer)(const struct waiter *waiter); /* fills the reply from the delivery's verdicts; any thread */
  const void *arg;                             /* its maker's */
};

/* The request's state from now on, with room for so many bytes of events. NULL when out of memory. */
struct waiter *waiter_new(struct http_request *request, struct http_reply *reply, size_t memory_max,
                          void (*answer)(const struct waiter *waiter));
/* Hands the events over, or answers at once where there are none to decide, or no room. projects_zone: as
 * delivery_submit has it. */
enum http_result waiter_submit(struct waiter *waiter, struct committer *committer, const char *projects_zone);

/* For `answer`: claims http.answers_max for an answer of up to so many bytes. False: the reply is 503 now. */
MUST_USE bool waiter_claim(const struct waiter *waiter, size_t bytes);

/* For a route. */
bool waiter_expired(void *arg, struct http_request *request, struct http_reply *reply);
void waiter_release(void *arg, struct http_request *request);

/* 503 with Retry-After. */
enum http_result waiter_refuse(struct http_reply *reply, const char *detail);
#define WAITER_NO_MEMORY "the server has no memory now: send this again later"

#endif
