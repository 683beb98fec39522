#include "http/access_log.h"

#include "api/retcode.h"
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

static enum metric_status status_of(unsigned status) {
  return status < 300 ? METRIC_STATUS_2XX : status < 400 ? METRIC_STATUS_3XX : status < 500 ? METRIC_STATUS_4XX : METRIC_STATUS_5XX;
}

static enum metric_retcode retcode_of(int code) {
  static const int codes[] = {RETCODE_OK, RETCODE_INTERNAL, RETCODE_UNAVAILABLE, RETCODE_NO_ACTION, RETCODE_UNKNOWN_ACTION,
                              RETCODE_NO_SIGNATURE, RETCODE_WRONG_SIGNATURE, RETCODE_NO_USER, RETCODE_MISSING_PARAM,
                              RETCODE_BAD_PARAM, RETCODE_NO_PROJECT, RETCODE_DENIED};
  _Static_assert(sizeof codes / sizeof codes[0] == METRIC_RETCODE_OTHER, "each RetCode has a value of the label");
  unsigned i = 0;
  while (i < METRIC_RETCODE_OTHER && codes[i] != code) i++;
  return (enum metric_retcode)i;
}

static void count(const struct exchange *x, int64_t took_us) {
  enum metric_route route = x->route != NULL ? x->route->counted_as : METRIC_ROUTE_NONE;
  metrics_observe(METRIC_HTTP_REQUEST, route, (uint64_t)took_us);
  metrics_add(METRIC_HTTP_REQUESTS, metrics_at(route, status_of(x->reply.status), METRIC_STATUSES), 1);
  bool is_page = x->reply.status != 200 || str_starts(str_of(x->reply.content_type), STR("text/"));
  if (route == METRIC_ROUTE_API && !is_page) metrics_add(METRIC_API_ANSWERS, retcode_of(x->request.code), 1);
}

void access_log(const struct exchange *x) {
  int64_t took_us = counters_now_us() - x->started_us;
  count(x, took_us);
  if (!x->server->options.access_log) return;
  bool streams = x->query.begun;
  diag_info("access %s %s %s status=%u code=%d action=%s who=%s bytes=%zu ms=%lld%s%s id=%s", x->request.peer,
            known_method(x), known_path(x), x->reply.status, x->request.code, x->request.what, x->request.who,
            streams ? (size_t)x->query.sent : x->reply.body.len, (long long)(took_us / 1000),
            streams ? " stream=" : "", streams ? end_of(x) : "", x->request.id);
}
