/* What the routes that take reports answer, and an agent's report. */
#include "openapi/parts.h"
#include "openapi/schema.h"
#include "sources/status.h"

static const struct v1_column result_columns[] = {
    {"index", "integer", {"the event's place in the body, from 0", "事件在请求体中的序号，从 0 开始"}},
    {"id", "text?", {"the event's id; null: it has none that can be read", "事件的 id；null：没有可读的 id"}},
    {"outcome",
     "text",
     {"duplicate, conflict, rejected or unresolved",
      "duplicate（重复）、conflict（冲突）、rejected（被拒绝）或 unresolved（待补全）"}},
    {"reason", "text", {"why, in English", "原因（英文）"}},
    {0},
};

#define OUTCOME_COLUMNS                                                                                        \
  {"stored", "integer", {"events that are stored", "已入库的事件数"}},                                         \
      {"duplicate", "integer", {"the same report again; the first one counts", "重复的上报；以第一次为准"}},   \
      {"conflict",                                                                                             \
       "integer",                                                                                              \
       {"reported before with other content; the first report counts", "与之前的上报内容不同；以第一次为准"}}, \
  {                                                                                                            \
    "rejected", "integer", { "not counted; reason names the field", "未计量；reason 指出字段" }                \
  }

static const struct v1_column outcome_columns[] = {OUTCOME_COLUMNS, {0}};

static const struct v1_column notice_columns[] = {
    OUTCOME_COLUMNS,
    {"unresolved", "integer", {"outputs that wait for a measure", "等待补全数据的输出数"}},
    {"resolved", "integer", {"of the stored: outputs that had waited", "已入库的输出中，此前在等待的数目"}},
    {"ignored",
     "list",
     {"each part of the notice that is no output, in English", "通知里不是输出的各部分（英文说明）"}},
    {"quarantined",
     "integer+",
     {"1: the adapter failed on the notice, which is kept", "1：适配器处理失败，通知已保留"}},
    {"id", "text+", {"of the notice that is kept", "被保留的通知的编号"}},
    {0},
};

static const struct v1_column time_columns[] = {
    {"time", "time", {"the server's time", "服务器的时间"}},
    {0},
};

static const char *const results_help[] = {"each event that was not stored", "每个没有入库的事件"};

/* An object of columns, with `results` if it tells of events. */
static void put_answer(struct doc *doc, const char *name, const struct v1_column *columns, bool has_results) {
  json_write_object(doc->json, name);
  json_write_text(doc->json, "type", "object");
  json_write_object(doc->json, "properties");
  for (const struct v1_column *column = columns; column->name != NULL; column++)
    schema_column(doc, columns, column, STR(""));
  if (has_results) {
    json_write_object(doc->json, "results");
    json_write_text(doc->json, "type", "array");
    json_write_object(doc->json, "items");
    json_write_text(doc->json, "type", "object");
    schema_columns(doc, result_columns, STR(""));
    json_write_end(doc->json);
    doc_say(doc, "description", results_help);
    json_write_end(doc->json);
  }
  json_write_end(doc->json);
  json_write_list(doc->json, "required");
  for (const struct v1_column *column = columns; column->name != NULL; column++) {
    if (strchr(column->type, '+') == NULL) json_write_text(doc->json, NULL, column->name);
  }
  if (has_results) json_write_text(doc->json, NULL, "results");
  json_write_end(doc->json);
  json_write_bool(doc->json, "additionalProperties", false);
  json_write_end(doc->json);
}

static void put_agent_report(struct doc *doc) {
  json_write_object(doc->json, "AgentReport");
  json_write_text(doc->json, "type", "object");
  json_write_object(doc->json, "properties");
  for (const struct member *member = status_members; member->name != NULL; member++)
    schema_member(doc, member, NULL);
  json_write_end(doc->json);
  json_write_list(doc->json, "required");
  for (const struct member *member = status_members; member->name != NULL; member++) {
    if (member->is_required) json_write_text(doc->json, NULL, member->name);
  }
  json_write_end(doc->json);
  json_write_end(doc->json);
}

void reports_schemas(struct doc *doc) {
  put_answer(doc, "Outcomes", outcome_columns, true);
  put_answer(doc, "NoticeOutcomes", notice_columns, true);
  put_answer(doc, "ServerTime", time_columns, false);
  put_agent_report(doc);
}
