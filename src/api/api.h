/* The signed API: one endpoint, one frame, a table of actions (actions.def). Source: design §3. */
#ifndef CODECMETER_API_API_H
#define CODECMETER_API_API_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/err.h"
#include "ledger/ledger.h"
#include "meter/window.h"

struct api;

struct api_options {
  struct ledger *ledger; /* borrowed, as is the clock */
  const struct clock *clock;
  uint64_t body_max;         /* bytes of a body, inflated (only for the message); the HTTP layer holds the bound */
  uint32_t params_max;       /* parameters, nested ones counted */
  uint32_t rows_max;         /* of an answer */
  struct window_limits window;
};

MUST_USE int api_new(const struct api_options *options, struct api **ret, struct err *err);
void api_free(struct api *api);

struct api_result {
  int ret_code;
  char action[65];     /* for the access log: its name if it is one of ours, else "" */
  char public_key[65]; /* cut; only when that key exists (a stray private key must not reach a log) */
};

struct api_request {
  struct str query;        /* as sent, without '?' */
  struct str content_type; /* as sent, may be empty */
  struct str body;         /* JSON_PADDING bytes readable behind it; empty when there was none */
  const char *id;          /* the request's UUID, for RetCode 130 */
  const char *unavailable; /* why nothing can be served now ("draining"), or NULL */
  /* Before an action takes memory for an answer it claims it: so many bytes in all, from now on. A later claim of less
   * gives back. False when there is no room. NULL: no bound. */
  bool (*claim)(void *claim_arg, size_t bytes);
  void *claim_arg;
};

/* Answers one request: appends one JSON object to body, which is empty. Any thread; never fails (a fault is RetCode
 * 130). Only reads the ledger. */
void api_handle(struct api *api, const struct api_request *request, struct buf *body, struct api_result *ret);

/* Frees the working memory that no call has used since the last time. Any thread. */
void api_rest(struct api *api);

/* The answer for a body over api.body_max (RetCode 230 [body]). */
void api_too_large(struct api *api, const struct api_request *request, struct buf *body, struct api_result *ret);

#endif
