/* GetProjectList: the projects that a key may use. Source: design §3.6; types as in ucloud-sdk-go,
 * services/uaccount. */
#include <stdlib.h>

#include "api/call.h"

static void write_project(struct json_write *json, const struct project *project, uint64_t members) {
  json_write_object(json, NULL);
  json_write_text(json, "ProjectId", project->id);
  json_write_text(json, "ProjectName", project->name);
  json_write_text(json, "ParentId", "");
  json_write_text(json, "ParentName", "");
  json_write_i64(json, "CreateTime", project->created_ms / 1000);
  json_write_bool(json, "IsDefault", project->is_default);
  json_write_u64(json, "ResourceCount", 0);
  json_write_u64(json, "MemberCount", members);
  json_write_text(json, "TimeZone", project->zone);
  json_write_end(json);
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

static int answer(const struct call *call, struct json_write *json, struct refusal *refusal) {
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
  buf_expect(json->out, size);
  json_write_u64(json, "ProjectCount", count);
  json_write_list(json, "ProjectSet");
  for (size_t i = 0; i < count; i++)
    write_project(json, &uses[i].project, uses[i].keys);
  json_write_end(json);
  return 0;
}

/* ---- the table ---- */

static const struct api_param params[] = {{0}};

/* clang-format off */
/* In the order of write_project. */
static const struct api_field row[] = {
    {.name = "ProjectId", .type = API_TEXT, .help = {"the project's id", "项目 ID"}},
    {.name = "ProjectName", .type = API_TEXT, .help = {"its name", "项目名称"}},
    {.name = "ParentId", .type = API_TEXT, .help = {"empty: projects are not nested", "始终为空：项目没有层级"}},
    {.name = "ParentName", .type = API_TEXT, .help = {"empty, likewise", "始终为空"}},
    {.name = "CreateTime", .type = API_INT, .help = {"when it was made, Unix seconds", "创建时间（Unix 时间戳，秒）"}},
    {.name = "IsDefault", .type = API_BOOL,
     .help = {"true for the account's default project", "是否为默认项目"}},
    {.name = "ResourceCount", .type = API_INT,
     .help = {"0: there are no resources here", "始终为 0：这里没有资源"}},
    {.name = "MemberCount", .type = API_INT,
     .help = {"enabled keys that may use the project", "可以使用该项目的已启用密钥数"}},
    {.name = "TimeZone", .type = API_TEXT,
     .help = {"the time zone of the project's days (codecmeter's own)", "项目的时区，按它分天（codecmeter 自有字段）"}},
    {0},
};

static const struct api_field fields[] = {
    {.name = "ProjectCount", .type = API_INT, .help = {"how many projects follow", "项目个数"}},
    {.name = "ProjectSet", .type = API_LIST, .members = row,
     .help = {"the projects that the key may use", "密钥可以使用的项目"}},
    {0},
};

const struct api_action api_get_project_list = {
    .name = "GetProjectList",
    .handle = answer,
    .params = params,
    .fields = fields,
    .request_example = "",
    .answer_example = API_JSON(
        {"RetCode":0,"Action":"GetProjectListResponse","ProjectCount":1,"ProjectSet":[
         {"ProjectId":"org-demo","ProjectName":"Demo","ParentId":"","ParentName":"","CreateTime":1790000000,"IsDefault":true,
          "ResourceCount":0,"MemberCount":1,"TimeZone":"Asia/Shanghai"}]}),
    .help = {"the projects that the key may use", "密钥可以使用的项目列表"},
};
/* clang-format on */
