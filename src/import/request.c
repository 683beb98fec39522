#include "import/request.h"

#include <stdbool.h>

#include "base/clock.h"
#include "base/stop.h"

#define BACKOFF_FIRST_MS INT64_C(500) /* doubled after each attempt */
#define BACKOFF_MAX_MS INT64_C(15000)

static int64_t now_ms(void) { return clock_monotonic_ms(clock_system()); }

static int64_t longer(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t shorter(int64_t a, int64_t b) { return a < b ? a : b; }

int import_request_try(const struct import_patience *patience, struct client_reply *reply,
                 int (*attempt)(void *arg, struct err *err), void *arg, struct err *err) {
  int64_t begun = now_ms(), backoff = BACKOFF_FIRST_MS;
  for (bool is_first = true;; is_first = false) {
    reply->retry_after_ms = 0;
    int result = attempt(arg, err);
    if (result != -ERR_NETWORK && result != -ERR_BUSY) return result;
    int64_t left = (int64_t)patience->give_up_ms - (now_ms() - begun);
    if (left <= 0 || reply->retry_after_ms > left) return result;
    if (is_first) patience->waits(patience->arg, err);
    if (stop_wait(shorter(longer(backoff, reply->retry_after_ms), left))) {
      return err_set(err, ERR_STOPPING, "interrupted");
    }
    backoff = shorter(backoff * 2, BACKOFF_MAX_MS);
  }
}

int import_request_refusal(const struct client_reply *reply, const struct json *top, struct err *err) {
  struct str detail = top != NULL ? json_member_text(top, "detail")
                                  : STR("no JSON answer; check that the URL leads to a codecmeter server");
  enum err_code code = reply->status == 413 ? ERR_LIMIT : client_may_pass(reply->status) ? ERR_BUSY : ERR_DENIED;
  return err_set(err, code, "the server answered with HTTP %ld: %.*s", reply->status,
                 (int)(detail.len < 300 ? detail.len : 300), detail.ptr);
}
