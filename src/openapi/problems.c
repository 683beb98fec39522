/* What all operations share of their answers: problems (RFC 9457) by status, and headers. */
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "http/request.h"
#include "openapi/parts.h"
#include "openapi/schema.h"

static const struct problem {
  unsigned status;
  const char *name, *example, *headers;
  const char *help[2];
} problems[] = {
    {400,
     "BadRequest",
     "format: 'xml' is not allowed; it must be one of json, ndjson, csv",
     NULL,
     {"the request is wrong: detail says what, and what to send instead. parameter names the parameter at fault",
      "请求有误：detail 说明错在哪里、应该怎样写；parameter 是出错的参数"}},
    {401,
     "Unauthorized",
     "no token was sent: send the header Authorization: Bearer TOKEN",
     "WWW-Authenticate",
     {"there is no token, or it is unknown, revoked or expired", "没有令牌，或者令牌未知、已吊销、已过期"}},
    {403,
     "Forbidden",
     "this token may not read usage: its scope is write, and reading needs read",
     NULL,
     {"the token's scope or its project does not allow this", "令牌的 scope 或所属项目不允许这个操作"}},
    {404,
     "NotFound",
     "project: there is no project 'org-x' that this token may read",
     NULL,
     {"there is no such path, project, task or adapter, or the token may not read it",
      "没有这个路径、项目、任务或适配器，或者令牌无权读取"}},
    {406,
     "NotAcceptable",
     "the header Accept excludes every format of this answer: application/json",
     NULL,
     {"Accept excludes every format of the answer", "Accept 排除了所有可用的格式"}},
    {413,
     "ContentTooLarge",
     "the report has more than 4096 bytes",
     NULL,
     {"the body is too long, or has too many events; a GET has no body", "请求体太长，或事件太多；GET 不能有请求体"}},
    {415,
     "UnsupportedMediaType",
     "the body must not be encoded: send it without Content-Encoding",
     NULL,
     {"the body is of another type, character set or encoding", "请求体的类型、字符集或编码不受支持"}},
    {429,
     "TooManyRequests",
     "there are too many agents",
     NULL,
     {"there are too many agents of this token", "这个令牌的代理太多"}},
    {500,
     "InternalServerError",
     "the server cannot answer: its log says why, at this request's time",
     NULL,
     {"a file cannot be read, or is damaged: the server's log says which",
      "文件无法读取或已损坏：服务器日志里有说明"}},
    {503,
     "ServiceUnavailable",
     "the server has no memory now: ask again later",
     "Retry-After",
     {"the server cannot answer now: ask again after Retry-After", "服务器现在无法响应：在 Retry-After 之后再试"}},
    {505,
     "HttpVersionNotSupported",
     "the answer is too long for HTTP/1.0: use HTTP/1.1",
     NULL,
     {"a client of HTTP/1.0 asked for an answer of more than 4 MiB", "HTTP/1.0 的客户端请求了超过 4 MiB 的响应"}},
};
#define PROBLEMS (sizeof problems / sizeof problems[0])

static const struct v1_column members[] = {
    {"type", "text", {"always about:blank", "总是 about:blank"}},
    {"title", "text", {"the status in words", "状态的名称"}},
    {"status", "integer", {"the status of the answer", "响应的状态码"}},
    {"detail", "text", {"what is wrong, and what to do", "错在哪里、该怎么办"}},
    {"parameter", "text+", {"the parameter at fault, if it is one", "出错的参数（如果是某一个参数的问题）"}},
    {0},
};

static const struct {
  const char *name, *type;
  const char *help[2];
} headers[] = {
    {"X-UCLOUD-REQUEST-UUID",
     "{\"type\":\"string\",\"format\":\"uuid\"}",
     {"names the request in the server's access log", "请求在服务器访问日志里的编号"}},
    {"X-Codecmeter-Position",
     "{\"type\":\"integer\",\"format\":\"int64\"}",
     {"the place in the log of which the answer tells: send it as as_of to get the same answer again",
      "响应所依据的日志位置：作为 as_of 发送，可以再次得到同样的响应"}},
    {"ETag",
     "{\"type\":\"string\"}",
     {"names this answer: send it as If-None-Match. A long answer without as_of has none",
      "标识这个响应：可作为 If-None-Match 发送。没有 as_of 的长响应没有它"}},
    {"WWW-Authenticate", "{\"type\":\"string\"}", {"always Bearer", "总是 Bearer"}},
    {"Retry-After",
     "{\"type\":\"integer\",\"format\":\"int64\"}",
     {"ask again after so many seconds", "多少秒之后再试"}},
};

static const struct problem *find(unsigned status) {
  for (size_t i = 0; i < PROBLEMS; i++) {
    if (problems[i].status == status) return &problems[i];
  }
  CHECK(!"a status without a problem");
  return NULL;
}

void problems_refer(struct doc *doc, const char *statuses) {
  struct str rest = str_of(statuses);
  for (struct str word = doc_next_word(&rest); word.len > 0; word = doc_next_word(&rest)) {
    char name[8];
    bool fits = str_copy(word, name, sizeof name);
    CHECK(fits);
    doc_refer(doc, name, "responses", find((unsigned)atoi(name))->name);
  }
}

void headers_refer(struct doc *doc, const char *names) {
  struct str rest = str_of(names);
  json_write_object(doc->json, "headers");
  for (struct str word = doc_next_word(&rest); word.len > 0; word = doc_next_word(&rest)) {
    char name[32];
    bool fits = str_copy(word, name, sizeof name);
    CHECK(fits);
    doc_refer(doc, name, "headers", name);
  }
  json_write_end(doc->json);
}

static void put_example(struct doc *doc, const struct problem *problem) {
  json_write_object(doc->json, "example");
  json_write_text(doc->json, "type", "about:blank");
  json_write_text(doc->json, "title", http_title(problem->status));
  json_write_i64(doc->json, "status", problem->status);
  json_write_text(doc->json, "detail", problem->example);
  json_write_end(doc->json);
}

void problems_responses(struct doc *doc) {
  for (const struct problem *problem = problems; problem < problems + PROBLEMS; problem++) {
    char names[64];
    (void)snprintf(names, sizeof names, "X-UCLOUD-REQUEST-UUID %s", problem->headers != NULL ? problem->headers : "");
    json_write_object(doc->json, problem->name);
    doc_say(doc, "description", problem->help);
    headers_refer(doc, names);
    json_write_object(doc->json, "content");
    json_write_object(doc->json, "application/problem+json");
    doc_refer(doc, "schema", "schemas", "Problem");
    put_example(doc, problem);
    json_write_end(doc->json);
    json_write_end(doc->json);
    json_write_end(doc->json);
  }
}

void problems_schemas(struct doc *doc) {
  json_write_object(doc->json, "Problem");
  json_write_text(doc->json, "type", "object");
  schema_columns(doc, members, STR(""));
  json_write_end(doc->json);
}

void problems_headers(struct doc *doc) {
  for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
    json_write_object(doc->json, headers[i].name);
    doc_say(doc, "description", headers[i].help);
    json_write_raw(doc->json, "schema", str_of(headers[i].type));
    json_write_end(doc->json);
  }
}
