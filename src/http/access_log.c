#include "http/access_log.h"

#include "base/diag.h"

/* For the log: only known paths and methods. A client that forgets the '?' sends its private key in the path. */
static const char *known_path(const struct exchange *x) { return x->route != NULL ? x->route->path : "-"; }

static const char *known_method(const struct exchange *x) {
  static const char *const methods[] = {"GET",     "HEAD",    "POST",  "PUT",  "DELETE",
                                        "CONNECT", "OPTIONS", "TRACE", "PATCH"};
  for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
    if (str_equal(x->request.method, str_of(methods[i]))) return methods[i];
  }
  return "-";
}

/* How a stream ended. */
static const char *end_of(const struct exchange *x) {
  if (x->query.outcome == HTTP_FAILED) return "failed";
  return x->query.outcome == HTTP_LAST && x->completed ? "whole" : "cut";
}

void access_log(const struct exchange *x) {
  if (!x->server->options.access_log) return;
  bool streams = x->query.begun;
  diag_info("access %s %s %s status=%u code=%d action=%s who=%s bytes=%zu ms=%lld%s%s id=%s", x->request.peer,
            known_method(x), known_path(x), x->reply.status, x->request.code, x->request.what, x->request.who,
            streams ? (size_t)x->query.sent : x->reply.body.len, (long long)(exchange_now_ms() - x->started_ms),
            streams ? " stream=" : "", streams ? end_of(x) : "", x->request.id);
}
