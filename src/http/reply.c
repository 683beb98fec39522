#include "base/check.h"
#include "base/json_write.h"
#include "http/request.h"

void http_reply_header(struct http_reply *reply, const char *name, const char *value) {
  for (int i = 0; i < HTTP_HEADERS_MAX; i++) {
    struct http_header *header = &reply->headers[i];
    if (header->name != NULL) continue;
    header->name = name;
    bool fits = str_copy(str_of(value), header->value, sizeof header->value);
    CHECK(fits);
    return;
  }
  CHECK(!"too many headers");
}

const char *http_title(unsigned status) {
  static const struct {
    unsigned status;
    const char *title;
  } titles[] = {
      {400, "Bad Request"},       {401, "Unauthorized"},          {403, "Forbidden"},
      {404, "Not Found"},         {405, "Method Not Allowed"},    {406, "Not Acceptable"},        {413, "Content Too Large"},
      {415, "Unsupported Media Type"}, {429, "Too Many Requests"}, {500, "Internal Server Error"}, {503, "Service Unavailable"},
      {505, "HTTP Version Not Supported"},
  };
  for (size_t i = 0; i < sizeof titles / sizeof titles[0]; i++) {
    if (titles[i].status == status) return titles[i].title;
  }
  return "Error";
}

void http_reply_problem(struct http_reply *reply, unsigned status, const char *detail) {
  reply->status = status;
  reply->content_type = "application/problem+json";
  buf_clear(&reply->body);
  struct json_write json = json_write_to(&reply->body);
  json_write_object(&json, NULL);
  json_write_text(&json, "type", "about:blank");
  json_write_text(&json, "title", http_title(status));
  json_write_u64(&json, "status", status);
  json_write_text(&json, "detail", detail);
  json_write_end(&json);
}
