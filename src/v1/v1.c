/* The door, and the route table of the room. Each resource is one row of `resources`. */
#include "v1/v1.h"

#include <stdio.h>
#include <stdlib.h>

#include "auth/digest.h"
#include "base/check.h"
#include "v1/frame.h"

static const struct v1_resource *const resources[] = {&v1_resource_projects, &v1_resource_usage, &v1_resource_tasks,
                                                      &v1_resource_task, &v1_resource_sources};
#define RESOURCES (sizeof resources / sizeof resources[0])
static_assert(RESOURCES + 1 <= V1_ROUTES_MAX, "each resource and \"/v1/\" have a route");

size_t v1_resources(const struct v1_resource *const **ret) {
  *ret = resources;
  return RESOURCES;
}

/* ---- the table, checked once ---- */

static bool has_param(const struct v1_param *params, struct str name) {
  while (params->name != NULL && !str_equal(str_of(params->name), name)) params++;
  return params->name != NULL;
}

static void check_param(const struct v1_param *params, const struct v1_param *param) {
  bool chooses = param->type == V1_CHOICE || param->type == V1_CHOICES;
  struct str rest = str_of(param->excludes);
  CHECK(!chooses || param->choices != NULL);
  CHECK(param->type == V1_TEXT || (!param->may_be_empty && (chooses || param->choices == NULL)));
  CHECK(param->type != V1_TEXT || (param->least <= param->most && param->most > 0));
  CHECK(param->help[V1_ENGLISH] != NULL && param->help[V1_CHINESE] != NULL && param->example != NULL);
  while (rest.len > 0) CHECK(has_param(params, str_cut(&rest, ' ')));
}

static void check_columns(const struct v1_column *columns) {
  for (const struct v1_column *column = columns; column->name != NULL; column++)
    CHECK(column->type != NULL && column->help[V1_ENGLISH] != NULL && column->help[V1_CHINESE] != NULL);
}

static void place(struct v1 *v1, const struct v1_resource *resource) {
  struct v1_place *to = &v1->places[v1->places_count++];
  size_t count = 0;
  *to = (struct v1_place){.v1 = v1, .resource = resource};
  int len = snprintf(to->path, sizeof to->path, "%.*s", (int)strcspn(resource->path, "{"), resource->path);
  CHECK((size_t)len < sizeof to->path);
  for (const struct v1_param *param = resource->params; param->name != NULL; param++) {
    CHECK(count + 2 < V1_PARAMS_MAX);
    to->params[count++] = *param;
  }
  CHECK(resource->formats == V1_FORMATS || resource->formats == V1_FORMAT(V1_JSON));
  if (resource->formats == V1_FORMATS) to->params[count++] = v1_param_format;
  for (const struct v1_param *param = to->params; param->name != NULL; param++) check_param(to->params, param);
  check_columns(resource->columns);
  if (resource->members != NULL) check_columns(resource->members);
}

struct v1 *v1_new(const struct v1_options *options) {
  struct v1 *v1 = calloc(1, sizeof *v1);
  struct err err;
  CHECK(v1 != NULL);
  v1->options = *options;
  v1->budget.max = options->memory_max;
  v1->usage.budget = &v1->budget;
  int result = digest_random(v1->salt, sizeof v1->salt, &err);
  CHECK(result == 0);
  for (size_t i = 0; i < RESOURCES; i++) place(v1, resources[i]);
  return v1;
}

void v1_free(struct v1 *v1) { free(v1); }

/* ---- the door ---- */

/* The status of a refusal that needs no exchange. */
static bool refuse(struct http_reply *reply, unsigned status, const char *detail) {
  struct v1_problem problem;
  (void)v1_refuse(&problem, status, "%s", detail);
  v1_reply_problem(reply, &problem);
  return false;
}

static bool is_read(const struct http_request *http) {
  return str_equal(http->method, STR("GET")) || str_equal(http->method, STR("HEAD"));
}

static bool admit(void *arg, struct http_request *http, struct http_reply *reply) {
  const struct v1_place *place = arg;
  const struct v1_options *options = &place->v1->options;
  if (!is_read(http)) {
    (void)refuse(reply, 405, "this path only reads: it takes GET and HEAD");
    http_reply_header(reply, "Allow", "GET, HEAD");
    return false;
  }
  struct v1_exchange *x = calloc(1, sizeof *x);
  if (x == NULL) return refuse(reply, 503, "the server has no memory now: ask again later");
  http->state = x;
  *x = (struct v1_exchange){.place = place, .http = http, .reply = reply};
  bool fits = str_copy(str_of(place->resource->name), http->what, sizeof http->what);
  CHECK(fits);
  x->request = (struct v1_request){
      .resource = place->resource,
      .ledger = options->ledger,
      .sources = options->sources,
      .clock = options->clock,
      .now_ms = clock_real_ms(options->clock),
      .cursor_key = options->cursor_key,
  };
  if (bearer_check_header(options->door, BEARER_READ, http, reply, &x->request.token)) return true;
  v1_reply_headers(reply);
  return false;
}

static enum http_result handle(void *arg, struct http_request *http, struct http_reply *reply) {
  struct v1_exchange *x = http->state;
  struct v1_problem problem = {0};
  (void)arg;
  if (http->unavailable != NULL) {
    (void)refuse(reply, 503, http->unavailable);
    return HTTP_ANSWERED;
  }
  if (v1_question_read(x, &problem) != 0) v1_reply_problem(reply, &problem);
  else v1_answer_begin(x);
  return HTTP_ANSWERED;
}

static void release(void *arg, struct http_request *http) {
  (void)arg;
  v1_exchange_free(http->state);
  http->state = NULL;
}

/* ---- what is not here ---- */

static void list_paths(struct buf *out) {
  for (size_t i = 0; i < RESOURCES; i++) buf_printf(out, "%s%s", i > 0 ? ", " : "", resources[i]->path);
}

/* In the head, whatever the method and the body. */
static bool refuse_path(void *arg, struct http_request *http, struct http_reply *reply) {
  SCOPED(buf_fini) struct buf paths = {0};
  struct v1_problem problem;
  (void)arg;
  (void)http;
  list_paths(&paths);
  (void)v1_refuse(&problem, 404,
                  "there is no such path; to read there are %.*s; reports go to /v1/events and /v1/adapters/NAME",
                  STR_ARG(buf_view(&paths)));
  v1_reply_problem(reply, &problem);
  return false;
}

/* Called only while the server stops. */
static enum http_result refuse_now(void *arg, struct http_request *http, struct http_reply *reply) {
  (void)arg;
  CHECK(http->unavailable != NULL);
  (void)refuse(reply, 503, http->unavailable);
  return HTTP_ANSWERED;
}

static void refuse_body(void *arg, struct http_request *http, struct http_reply *reply) {
  (void)arg;
  (void)http;
  (void)refuse(reply, 413, "a question has no body: its parameters are in the URL");
}

uint64_t v1_held(const struct v1 *v1) { return atomic_load(&v1->budget.held); }

size_t v1_routes(struct v1 *v1, struct http_route routes[V1_ROUTES_MAX]) {
  for (size_t i = 0; i < v1->places_count; i++) {
    routes[i] = (struct http_route){
        .counted_as = METRIC_ROUTE_V1,
        .path = v1->places[i].path,
        .cost = HTTP_QUERY,
        .admit = admit,
        .handle = handle,
        .too_large = refuse_body,
        .release = release,
        .arg = &v1->places[i],
    };
  }
  routes[v1->places_count] = (struct http_route){
      .counted_as = METRIC_ROUTE_V1, .path = "/v1/", .admit = refuse_path, .handle = refuse_now, .too_large = refuse_body, .arg = v1};
  return v1->places_count + 1;
}
