/* Inside the frame of /v1: what its files share. Resources use resource.h. */
#ifndef CODECMETER_V1_FRAME_H
#define CODECMETER_V1_FRAME_H

#include "http/bearer.h"
#include "http/request.h"
#include "query/usage.h"
#include "v1/resource.h"
#include "v1/v1.h"

#define V1_SALT_SIZE 16
#define V1_PARAMS_MAX 32 /* of one resource, `format` included */
#define V1_ETAG_SIZE 64
#define V1_RETRY_AFTER "1" /* seconds: Retry-After of a 503 */

/* A resource in its place: the arg of its route. */
struct v1_place {
  struct v1 *v1;
  const struct v1_resource *resource;
  char path[64];                           /* of the route: up to the first segment */
  struct v1_param params[V1_PARAMS_MAX];   /* with `format`; ends with {0} */
};

struct v1 {
  struct v1_options options;
  uint8_t salt[V1_SALT_SIZE]; /* of ETags: they do not outlive the process, in which rules and zones do not change */
  struct v1_place places[V1_ROUTES_MAX];
  size_t places_count;
  struct budget budget; /* what the states of all answers hold: see v1_hold */
  struct usage_memory usage;
};

/* What the frame keeps of a request, from its head to its end. */
struct v1_exchange {
  const struct v1_place *place;
  struct http_request *http;
  struct http_reply *reply;
  struct v1_request request;
  struct v1_answer answer;
  bool has_rows;         /* answer.rows is made: free it */
  bool has_sent;         /* a piece was handed over: no status can be given any more */
  char etag[V1_ETAG_SIZE]; /* of the question, if the answer is fixed; "": none */
};

/* ---- question.c: from the HTTP request to struct v1_request ---- */

/* Reads segments, parameters, format, as_of; and looks whether the token may read each `project`. 0, or the status of
 * *problem. Sets x->request.arena first, which the caller frees. */
MUST_USE int v1_question_read(struct v1_exchange *x, struct v1_problem *problem);

/* ---- answer.c: from struct v1_answer to the reply ---- */

/* Fills the reply with a problem, and nothing else. */
void v1_reply_problem(struct http_reply *reply, const struct v1_problem *problem);
/* The headers of every answer, and of every refusal. */
void v1_reply_headers(struct http_reply *reply);
/* Opens the resource and sets the reply's stream; or fills the reply with what is wrong. */
void v1_answer_begin(struct v1_exchange *x);
/* Frees what the exchange holds. */
void v1_exchange_free(struct v1_exchange *x);

#endif
