#include "http/refuse.h"

#include "base/check.h"
#include "http/routes.h"

#define NO_PATH "no such path: the API is at /, usage goes to /v1/events, the console is at /console/"

/* The library appends a folded line to the name of the field before it, in a copy of that name behind the value. A
 * field without folded lines has its value behind its name, as sent. */
static bool is_folded(struct str name, struct str value) {
  return (uintptr_t)value.ptr <= (uintptr_t)name.ptr + name.len;
}

static void scan_header(void *arg, struct str name, struct str value) {
  struct head *head = arg;
  head_field(head, name, value);
  if (is_folded(name, value)) head->is_malformed = true;
}

/* Refuses a head that is too long, or that another program may read in another way. True if it is refused. */
static bool refuse_head(struct exchange *x, bool has_nul) {
  x->head.bytes = strlen(x->uri) + x->request.method.len + sizeof "  HTTP/1.1\r\n" - 1;
  http_each_header(&x->request, scan_header, &x->head);
  const char *fault = has_nul ? "the request's target contains a NUL" : head_fault(&x->head);
  if (x->head.bytes > x->server->options.header_max) {
    http_reply_problem(&x->reply, 431, "request line and headers are longer than http.header_max");
  } else if (fault != NULL) {
    http_reply_problem(&x->reply, 400, fault);
  } else {
    return false;
  }
  x->reply.close = true;
  return true;
}

static bool refuse_route(struct exchange *x) {
  if (x->route == NULL) {
    const char *detail = x->server->options.no_path;
    http_reply_problem(&x->reply, 404, detail != NULL ? detail : NO_PATH);
    return true;
  }
  if (routes_takes(x->route, x->request.method)) return false;
  http_reply_problem(&x->reply, 405, "this path does not take the method: the header Allow lists those it takes");
  http_reply_header(&x->reply, "Allow", x->route->methods);
  return true;
}

void refuse_length(struct exchange *x) {
  if (x->route->too_large != NULL) x->route->too_large(x->route->arg, &x->request, &x->reply);
  else http_reply_problem(&x->reply, 413, "the body is too large");
  x->refused = true;
}

void refuse_unavailable(struct exchange *x, enum metric_refusal cause, const char *why) {
  x->request.unavailable = why;
  x->request.unavailable_for = cause;
  enum http_result result = x->route->handle(x->route->arg, &x->request, &x->reply);
  CHECK(result == HTTP_ANSWERED);
  x->refused = true;
}

static bool refuse_admission(struct exchange *x) {
  return x->route->admit != NULL && !x->route->admit(x->route->arg, &x->request, &x->reply);
}

void refuse_by_head(struct exchange *x, bool has_nul) {
  x->route = routes_find(x->server->options.routes, x->request.path);
  x->refused = refuse_head(x, has_nul) || refuse_route(x);
  if (x->refused) return;
  if (atomic_load(&x->server->draining))
    refuse_unavailable(x, METRIC_REFUSED_STOPPING, "the server is stopping: send this again later");
  else if (refuse_admission(x)) x->refused = true;
  else if (x->head.length > x->route->body_max) refuse_length(x);
}
