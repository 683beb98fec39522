/* The actions of the signed API. All are POST /, which a document can have only once; so each path has the action's
 * name as a fragment, which no client sends. */
#include <stdio.h>

#include "api/retcode.h"
#include "base/check.h"
#include "openapi/parts.h"
#include "openapi/schema.h"

const char *const actions_help[2] = {
    "UCloud's API, as UMedia had it. Every action is `POST /` with a form, also where a path here has `#Action`: "
    "clients drop the fragment, and the parameter Action names the action. `GET /?…` and JSON bodies work too. Each request "
    "is signed, for which OpenAPI has no scheme: sort all other parameters, PublicKey included, by the bytes of their "
    "names; "
    "join each name and its value, not encoded, with nothing between them; append the private key; Signature is the "
    "SHA-1 "
    "of that in 40 small hexadecimal digits. A refusal has status 200 too: its RetCode is not 0.",
    "UCloud 的 API，与 UMedia 相同。每个操作都是以表单发送的 `POST /`。客户端不会发送路径中 `#` 及其后的部分，"
    "由参数 Action 指明操作。`GET /?…` 和 JSON 请求体同样可用。每个请求都要签名，OpenAPI 无法描述这种签名，方法如下："
    "将其他所有参数（包括 "
    "PublicKey）按名称的字节排序；把每个名称和未编码的值依次拼接，中间没有任何字符；末尾加上私钥；"
    "Signature 就是它的 SHA-1，写成 40 位小写十六进制。被拒绝的请求状态码也是 200：这时 RetCode 不为 0。"};

static const struct {
  enum retcode code;
  const char *help[2];
} codes[] = {
    {RETCODE_INTERNAL, {"130: an error of the server", "130：服务器错误"}},
    {RETCODE_UNAVAILABLE, {"150: the server cannot answer now", "150：服务器现在无法响应"}},
    {RETCODE_NO_ACTION, {"160: no Action", "160：没有 Action"}},
    {RETCODE_UNKNOWN_ACTION, {"161: an unknown Action", "161：未知的 Action"}},
    {RETCODE_NO_SIGNATURE, {"170: no Signature", "170：没有 Signature"}},
    {RETCODE_WRONG_SIGNATURE, {"171: a wrong Signature", "171：Signature 错误"}},
    {RETCODE_NO_USER, {"172: an unknown or disabled PublicKey", "172：PublicKey 未知或已停用"}},
    {RETCODE_MISSING_PARAM, {"220: a required parameter is absent", "220：缺少必需的参数"}},
    {RETCODE_BAD_PARAM, {"230: a parameter is malformed or out of range", "230：参数格式错误或超出范围"}},
    {RETCODE_NO_PROJECT, {"292: no such project", "292：项目不存在"}},
    {RETCODE_DENIED, {"299: the key may not use the project", "299：密钥无权使用该项目"}},
};
#define CODES (sizeof codes / sizeof codes[0])

static const char *const answer_help[] = {"the answer; or a refusal, whose RetCode is not 0",
                                          "响应；或者拒绝，其 RetCode 不为 0"};
static const char *const ok_help[] = {"0: success", "0：成功"};
static const char *const echo_help[] = {"the action's name and Response", "操作名称加上 Response"};
static const char *const message_help[] = {"what is wrong, in English", "错在哪里（英文）"};
static const char *const action_help[] = {"the action", "操作名称"};

/* ---- requests ---- */

/* Action, PublicKey, Signature: a row of the common table. */
static const struct api_param *common(const char *name) {
  const struct api_param *param = api_common_params;
  while (strcmp(param->name, name) != 0) {
    param++;
    CHECK(param->name != NULL);
  }
  return param;
}

static void put_common(struct doc *doc, const char *name) {
  const struct api_param only[] = {*common(name), {0}};
  schema_api_params(doc, only);
}

static void put_action_name(struct doc *doc, const char *name, const char *const help[]) {
  json_write_object(doc->json, "Action");
  json_write_text(doc->json, "type", "string");
  json_write_text(doc->json, "const", name);
  doc_say(doc, "description", help);
  json_write_end(doc->json);
}

static const struct api_param *find_param(const struct api_action *action, struct str name) {
  const struct api_param *param = action->params;
  while (!str_equal(str_of(param->name), name)) {
    param++;
    CHECK(param->name != NULL);
  }
  return param;
}

/* The request that the action's answer_example answers. Its Signature shows the form: the keys are nobody's. */
static void put_request_example(struct doc *doc, const struct api_action *action) {
  struct str rest = str_of(action->request_example);
  json_write_object(doc->json, "example");
  json_write_text(doc->json, "Action", action->name);
  json_write_text(doc->json, "PublicKey", common("PublicKey")->example);
  while (rest.len > 0) {
    struct str value = str_cut(&rest, '&'), name = str_cut(&value, '=');
    const struct api_param *param = find_param(action, name);
    int64_t number;
    if (param->type == API_INT && str_to_i64(value, &number))
      json_write_i64(doc->json, param->name, number);
    else
      json_write_str(doc->json, param->name, value);
  }
  json_write_text(doc->json, "Signature", common("Signature")->example);
  json_write_end(doc->json);
}

static void put_request(struct doc *doc, const struct api_action *action) {
  json_write_object(doc->json, "requestBody");
  json_write_bool(doc->json, "required", true);
  json_write_object(doc->json, "content");
  json_write_object(doc->json, "application/x-www-form-urlencoded");
  json_write_object(doc->json, "schema");
  json_write_text(doc->json, "type", "object");
  json_write_object(doc->json, "properties");
  put_action_name(doc, action->name, action_help);
  put_common(doc, "PublicKey");
  schema_api_params(doc, action->params);
  put_common(doc, "Signature");
  json_write_end(doc->json);
  json_write_list(doc->json, "required");
  json_write_text(doc->json, NULL, "Action");
  json_write_text(doc->json, NULL, "PublicKey");
  schema_api_required(doc, action->params);
  json_write_text(doc->json, NULL, "Signature");
  json_write_end(doc->json);
  json_write_end(doc->json);
  put_request_example(doc, action);
  json_write_end(doc->json);
  json_write_end(doc->json);
  json_write_end(doc->json);
}

/* ---- answers ---- */

static void put_success(struct doc *doc, const struct api_action *action) {
  char name[80];
  int len = snprintf(name, sizeof name, "%sResponse", action->name);
  CHECK(len > 0 && (size_t)len < sizeof name);
  json_write_object(doc->json, NULL);
  json_write_text(doc->json, "type", "object");
  json_write_text(doc->json, "title", name);
  json_write_object(doc->json, "properties");
  json_write_object(doc->json, "RetCode");
  schema_plain_integer(doc);
  json_write_i64(doc->json, "const", RETCODE_OK);
  doc_say(doc, "description", ok_help);
  json_write_end(doc->json);
  put_action_name(doc, name, echo_help);
  schema_api_fields(doc, action->fields);
  json_write_end(doc->json);
  json_write_list(doc->json, "required");
  json_write_text(doc->json, NULL, "RetCode");
  json_write_text(doc->json, NULL, "Action");
  schema_api_required_fields(doc, action->fields);
  json_write_end(doc->json);
  json_write_bool(doc->json, "additionalProperties", false);
  json_write_end(doc->json);
}

static void put_responses(struct doc *doc, const struct api_action *action) {
  json_write_object(doc->json, "responses");
  json_write_object(doc->json, "200");
  doc_say(doc, "description", answer_help);
  headers_refer(doc, "X-UCLOUD-REQUEST-UUID");
  json_write_object(doc->json, "content");
  json_write_object(doc->json, "application/json");
  json_write_object(doc->json, "schema");
  json_write_list(doc->json, "oneOf");
  put_success(doc, action);
  doc_refer(doc, NULL, "schemas", "Refusal");
  json_write_end(doc->json);
  json_write_end(doc->json);
  json_write_raw(doc->json, "example", str_of(action->answer_example));
  json_write_end(doc->json);
  json_write_end(doc->json);
  json_write_end(doc->json);
  json_write_end(doc->json);
}

void actions_paths(struct doc *doc) {
  const struct api_action *const *actions;
  size_t count = api_actions(&actions);
  for (size_t i = 0; i < count; i++) {
    const struct api_action *action = actions[i];
    const struct operation operation = {.method = "post",
                                        .id = action->name,
                                        .tag = "UMedia",
                                        .kind = "action",
                                        .door = DOOR_OPEN,
                                        .summary = action->help};
    char path[80];
    int len = snprintf(path, sizeof path, "/#%s", action->name);
    CHECK(len > 0 && (size_t)len < sizeof path);
    operation_open(doc, path, &operation);
    put_request(doc, action);
    put_responses(doc, action);
    operation_close(doc);
  }
}

static void put_codes(struct doc *doc) {
  SCOPED(buf_fini) struct buf text = {0};
  json_write_object(doc->json, "RetCode");
  schema_plain_integer(doc);
  json_write_list(doc->json, "enum");
  for (size_t i = 0; i < CODES; i++) {
    json_write_i64(doc->json, NULL, codes[i].code);
    buf_printf(&text, "%s%s", i > 0 ? "; " : "", codes[i].help[doc->language]);
  }
  json_write_end(doc->json);
  json_write_str(doc->json, "description", buf_view(&text));
  json_write_end(doc->json);
}

static void put_text(struct doc *doc, const char *name, const char *const help[]) {
  json_write_object(doc->json, name);
  json_write_text(doc->json, "type", "string");
  doc_say(doc, "description", help);
  json_write_end(doc->json);
}

void actions_schemas(struct doc *doc) {
  json_write_object(doc->json, "Refusal");
  json_write_text(doc->json, "type", "object");
  json_write_object(doc->json, "properties");
  put_codes(doc);
  put_text(doc, "Action", echo_help);
  put_text(doc, "Message", message_help);
  json_write_end(doc->json);
  doc_words(doc, "required", "RetCode Action Message");
  json_write_bool(doc->json, "additionalProperties", false);
  json_write_end(doc->json);
}
