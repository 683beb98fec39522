/* "/uapi/detail?id=ACTION" was the address of an action in UCloud's own API explorer. It leads to that action's form in
 * the console. The address goes only to names of our own table, so nothing of a request comes back in the answer. */
#include <stdio.h>

#include "api/describe.h"
#include "http/endpoints.h"

/* Relative, so that it is right behind a proxy too that serves codecmeter below a prefix. */
#define LIST "../console/#/api"

static const struct api_action *find(struct str query) {
  while (query.len > 0) {
    struct str value = str_cut(&query, '&');
    if (str_equal(str_cut(&value, '='), STR("id"))) return api_find_action(value);
  }
  return NULL;
}

static enum http_result handle(void *arg, struct http_request *request, struct http_reply *reply) {
  (void)arg;
  char location[HTTP_HEADER_VALUE_MAX + 1] = LIST;
  const struct api_action *action = find(request->query);
  if (action != NULL) (void)snprintf(location, sizeof location, LIST "/%s", action->name);
  else if (request->query.len > 0) (void)snprintf(location, sizeof location, LIST "?unknown");
  reply->status = 302;
  endpoint_console_bind(reply);
  http_reply_header(reply, "Cache-Control", "no-store");
  http_reply_header(reply, "Location", location);
  return HTTP_ANSWERED;
}

struct http_route endpoint_uapi_route(void) {
  return (struct http_route){
      .counted_as = METRIC_ROUTE_PAGES, .path = "/uapi/detail", .methods = "GET, HEAD", .handle = handle};
}
