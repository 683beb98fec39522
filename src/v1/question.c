/* The order of checks: path, parameters, format, as_of, projects. Each problem is the client's, and says what to
 * send. */
#include <stdio.h>

#include "base/check.h"
#include "ledger/scan.h"
#include "v1/accept.h"
#include "v1/frame.h"

static int no_memory(struct v1_problem *problem) {
  return v1_refuse(problem, 503, "the server has no memory now: ask again later");
}

/* ---- the path ---- */

static size_t segments_of(const char *path) {
  size_t count = 0;
  for (; *path != '\0'; path++) count += *path == '{';
  return count;
}

static int refuse_path(const struct v1_exchange *x, struct v1_problem *problem) {
  return v1_refuse(problem, 404,
                   "the path must be %s, with each part percent-encoded as UTF-8 (a / in it is %%2F) and not empty",
                   x->place->resource->path);
}

static int read_segments(struct v1_exchange *x, struct v1_problem *problem) {
  size_t wanted = segments_of(x->place->resource->path), count = 0, own = strlen(x->place->path);
  if (wanted == 0) return 0;
  CHECK(wanted <= V1_SEGMENTS_MAX && x->http->path.len >= own);
  struct str rest = str_make(x->http->path.ptr + own, x->http->path.len - own);
  bool ends_open = rest.len > 0 && rest.ptr[rest.len - 1] == '/';
  while (rest.len > 0 && count < wanted) {
    struct str segment = str_cut(&rest, '/');
    if (segment.len == 0) return refuse_path(x, problem);
    if (!v1_segment_decode(segment, x->request.arena, &x->request.segments[count++])) return refuse_path(x, problem);
  }
  return count == wanted && rest.len == 0 && !ends_open ? 0 : refuse_path(x, problem);
}

/* ---- the format ---- */

static int choose_format(struct v1_exchange *x, struct v1_problem *problem) {
  unsigned formats = x->place->resource->formats;
  const struct v1_value *value = v1_value(&x->request.values, v1_param_format.name);
  if (value != NULL) {
    static const enum v1_format by_choice[] = {V1_JSON, V1_NDJSON, V1_CSV}; /* the order of v1_param_format.choices */
    x->request.format = by_choice[value->number];
    CHECK((formats & V1_FORMAT(x->request.format)) != 0);
    return 0;
  }
  if (v1_accept(x->http->accept, formats, &x->request.format)) return 0;
  return v1_refuse(problem, 406, "the header Accept excludes every format of this answer: %s",
                   formats == V1_FORMATS ? "application/json, application/x-ndjson and text/csv; format= overrides it"
                                         : "application/json");
}

/* ---- as_of ---- */

static int refuse_later(const struct v1_value *value, struct v1_problem *problem) {
  return v1_refuse_param(problem, value->name,
                         "'%.*s' has not been reached yet; it must be a position, or a time, in the past",
                         V1_SHOWN(value->text));
}

static int read_as_of(struct v1_exchange *x, struct v1_problem *problem) {
  const struct v1_value *value = v1_value(&x->request.values, "as_of");
  struct v1_request *request = &x->request;
  struct err err = {0};
  if (value == NULL) return 0;
  request->has_as_of = true;
  if (value->is_time) {
    if (value->number >= request->now_ms) return refuse_later(value, problem);
    int result = ledger_position_at(request->ledger, value->number, &request->as_of, &err);
    return result == 0 ? 0 : v1_refuse_err(problem, result, "finding the position of a time", &err);
  }
  request->as_of = (uint64_t)value->number;
  return request->as_of <= ledger_position(request->ledger) ? 0 : refuse_later(value, problem);
}

/* ---- all of it ---- */

static int check_projects(const struct v1_request *request, struct v1_problem *problem) {
  SCOPED_MALLOC struct project *projects = NULL;
  size_t count;
  if (v1_value(&request->values, "project") == NULL) return 0;
  return v1_request_projects(request, &projects, &count, problem);
}

int v1_question_read(struct v1_exchange *x, struct v1_problem *problem) {
  struct v1_request *request = &x->request;
  request->arena = arena_new(V1_ARENA_MAX);
  if (request->arena == NULL) return no_memory(problem);
  request->query = x->http->query;
  int status = read_segments(x, problem);
  if (status == 0) status = v1_params_read(x->place->params, request->query, request->arena, &request->values, problem);
  if (status == 0) status = choose_format(x, problem);
  if (status == 0) status = read_as_of(x, problem);
  if (status == 0) status = check_projects(request, problem);
  return status;
}
