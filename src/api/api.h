/* The signed API: one endpoint, one frame, a table of actions (describe.h). Source: design §3. */
#ifndef CODECMETER_API_API_H
#define CODECMETER_API_API_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/err.h"
#include "ledger/ledger.h"
#include "meter/window.h"

struct api;
struct api_work;

struct api_options {
  struct ledger *ledger; /* borrowed; the clock too */
  const struct clock *clock;
  uint64_t body_max;         /* bytes of a body, inflated; only for the message: the HTTP layer enforces the limit */
  uint32_t params_max;       /* parameters, including nested ones */
  uint32_t rows_max;         /* of an answer */
  const char *regions;       /* api.regions: what GetRegion lists (regions.h); copied */
  struct window_limits window;
};

/* -ERR_USAGE: options->regions is not what the setting allows. -ERR_MEMORY. Caller frees. */
MUST_USE int api_new(const struct api_options *options, struct api **ret, struct err *err);
void api_free(struct api *api);

struct api_result {
  int ret_code;
  bool is_later; /* nothing is answered yet: call api_handle again, with may_take_long, the same body and the same *work */
  char action[65];     /* for the access log: the name of a known action, else "" */
  char public_key[65]; /* cut; only if that key exists (a stray private key must not reach a log) */
};

struct api_request {
  struct str query;        /* as sent, without the '?' */
  struct str content_type; /* as sent, may be empty */
  struct str body;         /* JSON_PADDING bytes behind it are readable; empty if there was none */
  const char *id;          /* the request's UUID, for the message of RetCode 130 */
  const char *unavailable; /* why requests cannot be served now, or NULL */
  bool may_take_long;      /* on a thread where reading records may take its time */
  /* Where an action that takes long keeps what it has done when a turn of about API_TURN_MS is over; NULL at first, the caller
   * frees with api_work_free. work NULL: such an action runs to its end in one call. */
  struct api_work **work;
  /* An action claims memory for its answer before it takes the memory: so many bytes in all, from now on. A later
   * claim of fewer bytes gives the rest back. False if there is no room. NULL: no bound. */
  bool (*claim)(void *claim_arg, size_t bytes);
  void *claim_arg;
};

#define API_TURN_MS 40
void api_work_free(struct api_work *work); /* NULL is allowed */

/* Answers one request: appends one JSON object to body, which is empty at first. Any thread may call it. It never fails (an
 * internal error is RetCode 130), and only reads the ledger. ret->is_later has two meanings. Without may_take_long: the action
 * is long; it is checked, but not run, and the body is still empty. With it: the turn is over; call again with the same body,
 * which has a part of the answer. */
void api_handle(struct api *api, const struct api_request *request, struct buf *body, struct api_result *ret);

/* Frees the working memory that no call has used since the last time. Any thread may call it. */
void api_rest(struct api *api);

/* Answers a request whose body is larger than api.body_max (RetCode 230 [body]). */
void api_too_large(struct api *api, const struct api_request *request, struct buf *body, struct api_result *ret);

#endif
