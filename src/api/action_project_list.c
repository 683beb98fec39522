/* GetProjectList: the projects that a key may use. Source: design §3.6; types as in ucloud-sdk-go,
 * services/uaccount. */
#include <stdlib.h>

#include "api/call.h"

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

/* At most twice as long as the texts: of what stands in a name only '"' and '\\' are escaped. */
#define PROJECT_TEXT_MAX 256
static size_t text_max(const struct project_use *uses, size_t count) {
  size_t size = PROJECT_TEXT_MAX;
  for (size_t i = 0; i < count; i++) {
    const struct project *project = &uses[i].project;
    size += PROJECT_TEXT_MAX + 2 * (strlen(project->id) + strlen(project->name) + strlen(project->zone));
  }
  return size;
}

int action_project_list(const struct call *call, struct buf *out, struct refusal *refusal) {
  const struct catalogue *catalogue = ledger_catalogue(call->options->ledger);
  SCOPED_MALLOC struct project_use *uses = NULL;
  const struct err err = {.code = ERR_MEMORY, .text = "not enough memory"};
  size_t count;
  size_t likely = call->sub_account ? KEY_PROJECTS_MAX : catalogue_projects_count(catalogue);
  int code = call_claim(call, likely * sizeof *uses, refusal);
  if (code != 0) return code;
  if (catalogue_key_uses(catalogue, str_of(call->public_key), &uses, &count) != 0) {
    return refuse_internal(refusal, "GetProjectList: cannot list projects", &err);
  }
  size_t size = text_max(uses, count);
  code = call_claim(call, count * sizeof *uses + size, refusal);
  if (code != 0) return code;
  buf_expect(out, size);
  buf_text(out, ",\"ProjectCount\":");
  buf_u64(out, count);
  buf_text(out, ",\"ProjectSet\":[");
  for (size_t i = 0; i < count; i++) {
    if (i > 0) buf_char(out, ',');
    append_project(out, &uses[i].project, uses[i].keys);
  }
  buf_char(out, ']');
  return 0;
}
