/* A waiter: a request that waits for the committer, and its delivery. Both are freed when the request ends, except
 * for a delivery that the request has abandoned.
 */
#ifndef CODECMETER_HTTP_WAITER_H
#define CODECMETER_HTTP_WAITER_H

#include "http/request.h"
#include "ingest/commit/delivery.h"

struct waiter {
  struct delivery *delivery; /* NULL: abandoned, only the committer has it */
  struct http_request *request;
  struct http_reply *reply;
  /* Fills the reply from the delivery's verdicts, once, on the thread that sends it: the committer writes no answers.
   * If the client has gone, when the request ends. */
  void (*answer)(const struct waiter *waiter);
  const void *arg; /* belongs to the caller of waiter_new */
  bool at_once;    /* answer on the thread that ends the delivery: `arg` does not live longer */
  bool is_done;    /* `result` is known, and not answered yet */
  int result;
};

/* Makes a waiter, with room for so many bytes of events, and makes it the request's state. NULL if there is no
 * memory. */
struct waiter *waiter_new(struct http_request *request, struct http_reply *reply, size_t memory_max,
                          void (*answer)(const struct waiter *waiter));
/* Hands the events to the committer. Answers at once if there are none to decide, or no room. projects_zone: as for
 * delivery_submit. */
enum http_result waiter_submit(struct waiter *waiter, struct committer *committer, const char *projects_zone);

/* For `answer`: claims so many bytes of http.answers_max for the answer. False: the reply is filled with 503. */
MUST_USE bool waiter_claim(const struct waiter *waiter, size_t bytes);

/* `expired` and `release` of a route. */
bool waiter_expired(void *arg, struct http_request *request, struct http_reply *reply);
void waiter_release(void *arg, struct http_request *request);

/* Fills the reply with 503 and Retry-After. */
enum http_result waiter_refuse(struct http_reply *reply, const char *detail);
/* Likewise for a report or a notice that is refused as a whole, and counts it (METRIC_REFUSED). */
enum http_result waiter_refuse_report(struct http_reply *reply, enum metric_refusal why, const char *detail);
#define WAITER_NO_MEMORY "the server has no memory now: send this again later"

#endif
