/* What resources ask of a request. A project that the token may not read is not found, in every function here, so no
 * resource can say more of it than of one that does not exist. */
#include <stdlib.h>
#include <string.h>

#include "v1/resource.h"

bool v1_may_read(const struct v1_request *request, struct str project) {
  struct str own = str_of(request->token.project);
  return own.len == 0 || str_equal(own, project);
}

static bool find(const struct v1_request *request, struct str id, struct project *ret) {
  return v1_may_read(request, id) && catalogue_project(ledger_catalogue(request->ledger), id, ret);
}

static int refuse_project(struct v1_problem *problem, struct str id, bool is_parameter) {
  int status = v1_refuse(problem, 404,
                         "%sthere is no project '%.*s' that this token may read; /v1/projects lists those that it may",
                         is_parameter ? "project: " : "", V1_SHOWN(id));
  if (is_parameter) memcpy(problem->parameter, "project", sizeof "project");
  return status;
}

int v1_find_project(const struct v1_request *request, struct str id, struct project *ret, struct v1_problem *problem) {
  return find(request, id, ret) ? 0 : refuse_project(problem, id, false);
}

static int no_memory(struct v1_problem *problem) {
  return v1_refuse(problem, 503, "the server has no memory now: ask again later");
}

static int by_id(const void *a, const void *b) {
  return strcmp(((const struct project *)a)->id, ((const struct project *)b)->id);
}

/* Those that the parameter `project` names, or the token's only one. */
static int find_named(const struct v1_request *request, struct project **ret, size_t *ret_count,
                      struct v1_problem *problem) {
  SCOPED_MALLOC struct project *projects = calloc(V1_VALUES_MAX, sizeof *projects);
  size_t count = 0;
  if (projects == NULL) return no_memory(problem);
  const struct v1_value *value = v1_value(&request->values, "project");
  if (value == NULL) count += find(request, str_of(request->token.project), &projects[0]);
  for (; value != NULL; value = v1_value_next(&request->values, value)) {
    if (!find(request, value->text, &projects[count++])) return refuse_project(problem, value->text, true);
  }
  qsort(projects, count, sizeof *projects, by_id);
  *ret = MOVE(projects);
  *ret_count = count;
  return 0;
}

int v1_request_projects(const struct v1_request *request, struct project **ret, size_t *ret_count,
                        struct v1_problem *problem) {
  bool are_named = request->token.project[0] != '\0' || v1_value(&request->values, "project") != NULL;
  if (are_named) return find_named(request, ret, ret_count, problem);
  int result = catalogue_projects(ledger_catalogue(request->ledger), ret, ret_count);
  return result == 0 ? 0 : no_memory(problem);
}

int v1_check_zones(const struct v1_request *request, const struct project *projects, size_t count,
                   struct v1_problem *problem) {
  for (size_t i = 0; i < count; i++) {
    struct project now;
    bool exists = catalogue_project(ledger_catalogue(request->ledger), str_of(projects[i].id), &now);
    if (exists && strcmp(now.zone, projects[i].zone) == 0) continue;
    return v1_refuse(problem, 503, "the time zone of a project was changed just now: ask again");
  }
  return 0;
}
