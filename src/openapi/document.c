/* The top of the document, and the order of its parts. */
#include "openapi/openapi.h"

#include "openapi/parts.h"

const char *openapi_language_name(enum openapi_language language) {
  return language == OPENAPI_CHINESE ? "zh" : "en";
}

static const char *const about[] = {
    "A meter of video transcoding. `/v1` answers who used how much, with a bearer token. `POST /` speaks UCloud's "
    "API as "
    "UMedia did, with signed requests. Reports of finished outputs go to `/v1/events` and `/v1/adapters/{name}`. "
    "Integers may be larger than 2^31.",
    "视频转码计量。`/v1` 用 bearer 令牌查询谁用了多少；`POST /` 与 UCloud UMedia 的 API 相同，请求需要签名；"
    "完成的输出上报到 `/v1/events` 和 `/v1/adapters/{name}`。整数可能大于 2^31。"};

static const struct {
  const char *name;
  const char *const *help;
} tags[] = {
    {"Reading",
     (const char *const[]){
         "Reads usage, with a bearer token of scope read. Each operation takes GET, and HEAD for the headers alone. "
         "A parameter that is unknown or out of range is refused, and so is one that is repeated or empty where its "
         "help "
         "does not allow that: a spelling mistake never becomes a wrong number.",
         "读取用量，使用 scope 为 read 的 bearer 令牌。每个操作都接受 GET，也接受只要响应头的 HEAD。"
         "未知或超出范围的参数会被拒绝，说明中未允许的重复或空值也会被拒绝：写错的参数名不会得出错误的数字。"}},
    {"UMedia", actions_help},
    {"Reporting",
     (const char *const[]){
         "Reports usage, with a bearer token of scope write or void. Repeat a report until it is answered: nothing "
         "is counted twice.",
         "上报用量，使用 scope 为 write 或 void 的 bearer 令牌。没有收到响应就重发：不会重复计量。"}},
    {"Server", (const char *const[]){"The server itself.", "服务器自身。"}},
};

static const char *const token_help[] = {
    "A token that `codecmeter token create` makes: of scope read for Reading, of scope write or void for Reporting. "
    "It is "
    "never sent in a URL.",
    "由 `codecmeter token create` 创建的令牌：读取用 scope read，上报用 scope write 或 void。不要放在 URL 里。"};
static const char *const url_help[] = {
    "The same token in the URL, only for senders of notices that cannot set a header. URLs are kept in logs.",
    "放在 URL 里的同一个令牌，只给无法设置请求头的通知发送方使用。URL 会留在日志里。"};

static void put_info(struct doc *doc, const char *version) {
  json_write_object(doc->json, "info");
  json_write_text(doc->json, "title", "codecmeter");
  json_write_text(doc->json, "version", version);
  doc_say(doc, "description", about);
  json_write_raw(doc->json, "license", STR("{\"name\":\"Apache-2.0\",\"identifier\":\"Apache-2.0\"}"));
  json_write_end(doc->json);
  /* Beside this document, also behind a proxy with a prefix. */
  json_write_raw(doc->json, "servers", STR("[{\"url\":\".\"}]"));
}

static void put_tags(struct doc *doc) {
  json_write_list(doc->json, "tags");
  for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++) {
    json_write_object(doc->json, NULL);
    json_write_text(doc->json, "name", tags[i].name);
    doc_say(doc, "description", tags[i].help);
    json_write_end(doc->json);
  }
  json_write_end(doc->json);
}

static void put_schemes(struct doc *doc) {
  json_write_object(doc->json, "securitySchemes");
  json_write_object(doc->json, "bearer");
  json_write_text(doc->json, "type", "http");
  json_write_text(doc->json, "scheme", "bearer");
  doc_say(doc, "description", token_help);
  json_write_end(doc->json);
  json_write_object(doc->json, "token_in_url");
  json_write_text(doc->json, "type", "apiKey");
  json_write_text(doc->json, "in", "query");
  json_write_text(doc->json, "name", "token");
  doc_say(doc, "description", url_help);
  json_write_end(doc->json);
  json_write_end(doc->json);
}

static void put_components(struct doc *doc) {
  json_write_object(doc->json, "components");
  put_schemes(doc);
  json_write_object(doc->json, "headers");
  problems_headers(doc);
  json_write_end(doc->json);
  json_write_object(doc->json, "responses");
  problems_responses(doc);
  json_write_end(doc->json);
  json_write_object(doc->json, "schemas");
  problems_schemas(doc);
  resources_schemas(doc);
  actions_schemas(doc);
  event_schemas(doc);
  reports_schemas(doc);
  json_write_end(doc->json);
  json_write_end(doc->json);
}

void openapi_write(enum openapi_language language, const char *version, struct buf *out) {
  struct json_write json = json_write_to(out);
  struct doc doc = {.json = &json, .language = language};
  json_write_object(&json, NULL);
  json_write_text(&json, "openapi", "3.1.0");
  put_info(&doc, version);
  put_tags(&doc);
  json_write_object(&json, "paths");
  resources_paths(&doc);
  actions_paths(&doc);
  reports_paths(&doc);
  json_write_end(&json);
  put_components(&doc);
  json_write_end(&json);
  buf_char(out, '\n');
}

/* ---- what operations share ---- */

void operation_open(struct doc *doc, const char *path, const struct operation *operation) {
  static const char *const doors[] = {"[]", "[{\"bearer\":[]}]", "[{\"bearer\":[]},{\"token_in_url\":[]}]"};
  json_write_object(doc->json, path);
  json_write_object(doc->json, operation->method);
  json_write_text(doc->json, "operationId", operation->id);
  doc_words(doc, "tags", operation->tag);
  doc_say(doc, "summary", operation->summary);
  doc_say(doc, "description", operation->description != NULL ? operation->description : operation->summary);
  json_write_raw(doc->json, "security", str_of(doors[operation->door]));
  json_write_text(doc->json, "x-codecmeter-kind", operation->kind);
}

void operation_close(struct doc *doc) {
  json_write_end(doc->json);
  json_write_end(doc->json);
}
