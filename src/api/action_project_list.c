/* GetProjectList: the projects that a key may use. Source: design §3.6; types as in ucloud-sdk-go,
 * services/uaccount. */
#include <stdlib.h>

#include "api/call.h"

/* Counts the enabled keys that may use each project: the account's keys may use all, a sub-account's those it
 * lists. */
static int count_members(const struct catalogue *catalogue, const struct project *projects, size_t count,
                         uint64_t *members) {
  SCOPED_MALLOC struct key *keys = NULL;
  size_t keys_count;
  int result = catalogue_keys(catalogue, &keys, &keys_count);
  if (result != 0) return result;
  for (size_t k = 0; k < keys_count; k++) {
    bytes_wipe(keys[k].private_key, sizeof keys[k].private_key);
    for (size_t p = 0; p < count && !keys[k].disabled; p++) {
      members[p] += catalogue_key_allows(catalogue, str_of(keys[k].public_key), str_of(projects[p].id));
    }
  }
  return 0;
}

static void append_project(struct buf *out, const struct project *project, uint64_t members) {
  buf_text(out, "{\"ProjectId\":");
  json_quote(out, str_of(project->id));
  buf_text(out, ",\"ProjectName\":");
  json_quote(out, str_of(project->name));
  buf_text(out, ",\"ParentId\":\"\",\"ParentName\":\"\",\"CreateTime\":");
  buf_i64(out, project->created_ms / 1000);
  buf_text(out, project->is_default ? ",\"IsDefault\":true" : ",\"IsDefault\":false");
  buf_text(out, ",\"ResourceCount\":0,\"MemberCount\":");
  buf_u64(out, members);
  buf_text(out, ",\"TimeZone\":");
  json_quote(out, str_of(project->zone));
  buf_char(out, '}');
}

int action_project_list(const struct call *call, struct buf *out, struct refusal *refusal) {
  const struct catalogue *catalogue = ledger_catalogue(call->options->ledger);
  SCOPED_MALLOC struct project *projects = NULL;
  const struct err err = {.code = ERR_MEMORY, .text = "not enough memory"};
  size_t count, shown = 0;
  if (catalogue_projects(catalogue, &projects, &count) != 0)
    return refuse_internal(refusal, "GetProjectList: cannot list projects", &err);
  for (size_t i = 0; i < count; i++) {
    if (catalogue_key_allows(catalogue, str_of(call->public_key), str_of(projects[i].id))) projects[shown++] = projects[i];
  }
  SCOPED_MALLOC uint64_t *members = calloc(shown + 1, sizeof *members);
  if (members == NULL || count_members(catalogue, projects, shown, members) != 0) {
    return refuse_internal(refusal, "GetProjectList: cannot list projects", &err);
  }
  buf_text(out, ",\"ProjectCount\":");
  buf_u64(out, shown);
  buf_text(out, ",\"ProjectSet\":[");
  for (size_t i = 0; i < shown; i++) {
    if (i > 0) buf_char(out, ',');
    append_project(out, &projects[i], members[i]);
  }
  buf_char(out, ']');
  return 0;
}
