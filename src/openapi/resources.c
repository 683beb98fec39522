/* The resources of /v1. A list has the components NAMERow and NAMEAnswer; an object has NAMEAnswer. */
#include <stdio.h>

#include "base/check.h"
#include "openapi/parts.h"
#include "openapi/schema.h"

#define NAME_SIZE 64

static const char *const answer_help[] = {"the answer. It is whole only if it ends with complete",
                                          "响应。以 complete 结尾才是完整的"};
static const char *const same_help[] = {"If-None-Match names the answer as it still is",
                                        "If-None-Match 所指的响应没有变化"};
static const char *const ndjson_help[] = {"one row a line, as JSON; the last line is {\"complete\":true}",
                                          "每行一个 JSON；最后一行是 {\"complete\":true}"};
static const char *const csv_help[] = {"UTF-8 with a byte order mark; the first line has the names of the columns",
                                       "带 BOM 的 UTF-8；第一行是列名"};
static const char *const pages[] = {
    ". JSON answers in pages: while next_cursor is a text, send it as cursor, with the same parameters",
    "。JSON 分页响应：只要 next_cursor 不是 null，就带上相同的参数，把它作为 cursor 再次请求"};
static const char *const formats[] = {". The answer is JSON, ndjson or CSV", "。响应为 JSON、ndjson 或 CSV"};

static const struct v1_column position = {
    "position", "integer", {"the place in the log of which the answer tells", "响应所依据的日志位置"}};
static const struct v1_column complete = {"complete", "boolean", {"true: the answer is whole", "true：响应是完整的"}};
static const struct v1_column cursor = {
    "next_cursor",
    "text?",
    {"where the next page begins; null: this was the last", "下一页从哪里开始；null：这是最后一页"}};
static const char *const rows_help[] = {"the rows", "各行"};

static void name_schema(const struct v1_resource *resource, const char *what, char out[NAME_SIZE]) {
  int len = snprintf(out, NAME_SIZE, "%s%s", resource->name, what);
  CHECK(len > 0 && len < NAME_SIZE);
}

/* ---- components ---- */

static void put_row(struct doc *doc, const struct v1_resource *resource) {
  char name[NAME_SIZE];
  name_schema(resource, "Row", name);
  json_write_object(doc->json, name);
  json_write_text(doc->json, "type", "object");
  schema_columns(doc, resource->columns, STR(""));
  doc_say(doc, "description", resource->help);
  json_write_end(doc->json);
}

static void put_columns(struct doc *doc, const struct v1_column *columns) {
  for (const struct v1_column *column = columns; column != NULL && column->name != NULL; column++) {
    if (strchr(column->name, '.') == NULL) schema_column(doc, columns, column, STR(""));
  }
}

static void require(struct doc *doc, const struct v1_column *columns) {
  for (const struct v1_column *column = columns; column != NULL && column->name != NULL; column++) {
    if (strchr(column->name, '.') == NULL) json_write_text(doc->json, NULL, column->name);
  }
}

static void put_rows(struct doc *doc, const struct v1_resource *resource) {
  char row[NAME_SIZE];
  name_schema(resource, "Row", row);
  json_write_object(doc->json, "rows");
  json_write_text(doc->json, "type", "array");
  doc_refer(doc, "items", "schemas", row);
  doc_say(doc, "description", rows_help);
  json_write_end(doc->json);
}

static void put_answer(struct doc *doc, const struct v1_resource *resource) {
  bool is_list = resource->shape == V1_LIST;
  char name[NAME_SIZE];
  name_schema(resource, "Answer", name);
  json_write_object(doc->json, name);
  json_write_text(doc->json, "type", "object");
  json_write_object(doc->json, "properties");
  schema_column(doc, &position, &position, STR(""));
  put_columns(doc, is_list ? resource->members : resource->columns);
  if (is_list) put_rows(doc, resource);
  if (resource->has_cursor) schema_column(doc, &cursor, &cursor, STR(""));
  schema_column(doc, &complete, &complete, STR(""));
  json_write_end(doc->json);
  json_write_list(doc->json, "required");
  json_write_text(doc->json, NULL, position.name);
  require(doc, is_list ? resource->members : resource->columns);
  if (is_list) json_write_text(doc->json, NULL, "rows");
  if (resource->has_cursor) json_write_text(doc->json, NULL, cursor.name);
  json_write_text(doc->json, NULL, complete.name);
  json_write_end(doc->json);
  json_write_bool(doc->json, "additionalProperties", false);
  doc_say(doc, "description", answer_help);
  json_write_end(doc->json);
}

void resources_schemas(struct doc *doc) {
  const struct v1_resource *const *resources;
  size_t count = v1_resources(&resources);
  for (size_t i = 0; i < count; i++) {
    if (resources[i]->shape == V1_LIST) put_row(doc, resources[i]);
    put_answer(doc, resources[i]);
  }
}

/* ---- paths ---- */

static void put_params(struct doc *doc, const struct v1_resource *resource) {
  json_write_list(doc->json, "parameters");
  for (const struct v1_param *param = resource->segments; param != NULL && param->name != NULL; param++)
    schema_param(doc, param, "path");
  for (const struct v1_param *param = resource->params; param->name != NULL; param++)
    schema_param(doc, param, "query");
  if (resource->formats == V1_FORMATS) schema_param(doc, &v1_param_format, "query");
  json_write_end(doc->json);
}

/* Rows as text. What each line has is no JSON Schema of a whole answer, so an extension names the row. */
static void put_lines(struct doc *doc, const struct v1_resource *resource, const char *type,
                      const char *const help[]) {
  char row[NAME_SIZE];
  name_schema(resource, "Row", row);
  json_write_object(doc->json, type);
  json_write_object(doc->json, "schema");
  json_write_text(doc->json, "type", "string");
  doc_say(doc, "description", help);
  json_write_end(doc->json);
  doc_refer(doc, "x-codecmeter-row", "schemas", row);
  json_write_end(doc->json);
}

static void put_content(struct doc *doc, const struct v1_resource *resource) {
  char name[NAME_SIZE];
  name_schema(resource, "Answer", name);
  json_write_object(doc->json, "content");
  json_write_object(doc->json, "application/json");
  doc_refer(doc, "schema", "schemas", name);
  json_write_raw(doc->json, "example", str_of(resource->answer_example));
  json_write_end(doc->json);
  if (resource->formats == V1_FORMATS) {
    put_lines(doc, resource, "application/x-ndjson", ndjson_help);
    put_lines(doc, resource, "text/csv", csv_help);
  }
  json_write_end(doc->json);
}

static void put_responses(struct doc *doc, const struct v1_resource *resource) {
  json_write_object(doc->json, "responses");
  json_write_object(doc->json, "200");
  doc_say(doc, "description", answer_help);
  headers_refer(doc, "X-Codecmeter-Position ETag X-UCLOUD-REQUEST-UUID");
  put_content(doc, resource);
  json_write_end(doc->json);
  json_write_object(doc->json, "304");
  doc_say(doc, "description", same_help);
  headers_refer(doc, "X-Codecmeter-Position ETag X-UCLOUD-REQUEST-UUID");
  json_write_end(doc->json);
  problems_refer(doc, "400 401 403 404 406 413 500 503 505");
  json_write_end(doc->json);
}

static void put_resource(struct doc *doc, const struct v1_resource *resource) {
  SCOPED(buf_fini) struct buf text = {0};
  buf_text(&text, resource->help[doc->language]);
  if (resource->formats == V1_FORMATS) buf_text(&text, formats[doc->language]);
  if (resource->has_cursor) buf_text(&text, pages[doc->language]);
  buf_char(&text, '\0');
  const char *const description[] = {text.ptr, text.ptr};
  const struct operation operation = {.method = "get",
                                      .id = resource->name,
                                      .tag = "Reading",
                                      .kind = "resource",
                                      .door = DOOR_BEARER,
                                      .summary = resource->help,
                                      .description = description};
  operation_open(doc, resource->path, &operation);
  put_params(doc, resource);
  put_responses(doc, resource);
  operation_close(doc);
}

void resources_paths(struct doc *doc) {
  const struct v1_resource *const *resources;
  size_t count = v1_resources(&resources);
  for (size_t i = 0; i < count; i++)
    put_resource(doc, resources[i]);
}
