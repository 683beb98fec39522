#include "http/static_file.h"

#include <stdio.h>

#include "http/head.h"

#define ETAG_SIZE 32

struct choice {
  bool takes_gzip;
  struct str etags[8]; /* values of If-None-Match */
  size_t etags_count;
};

static void look_at_header(void *arg, struct str name, struct str value) {
  struct choice *choice = arg;
  if (str_equal_nocase(name, STR("Accept-Encoding"))) choice->takes_gzip |= head_accepts(value, STR("gzip"));
  if (!str_equal_nocase(name, STR("If-None-Match"))) return;
  if (choice->etags_count < sizeof choice->etags / sizeof choice->etags[0])
    choice->etags[choice->etags_count++] = value;
}

/* RFC 9110, 13.1.2: weak comparison. */
static bool has_already(const struct choice *choice, struct str etag) {
  for (size_t i = 0; i < choice->etags_count; i++) {
    struct str rest = choice->etags[i];
    while (rest.len > 0) {
      struct str item = str_trim(str_cut(&rest, ','));
      if (str_starts(item, STR("W/"))) item = str_make(item.ptr + 2, item.len - 2);
      if (str_equal(item, etag) || str_equal(item, STR("*"))) return true;
    }
  }
  return false;
}

static void refuse_busy(struct http_reply *reply) {
  http_reply_problem(reply, 503, "the server is busy: answers fill http.answers_max; load this again later");
  http_reply_header(reply, "Cache-Control", "no-store");
  http_reply_header(reply, "Retry-After", "1");
}

void static_file_send(const struct static_file *file, const char *caching, struct http_request *request,
                      struct http_reply *reply) {
  struct choice choice = {0};
  char etag[ETAG_SIZE];
  http_each_header(request, look_at_header, &choice);
  struct str bytes = choice.takes_gzip ? file->gzip : file->raw;
  (void)snprintf(etag, sizeof etag, "\"%.24s%s\"", file->hash, choice.takes_gzip ? "-gz" : "");
  bool is_same = has_already(&choice, str_of(etag));
  if (!is_same && bytes.len > HTTP_SHORT && !http_claim(request, bytes.len)) {
    refuse_busy(reply);
    return;
  }
  http_reply_header(reply, "Cache-Control", caching);
  http_reply_header(reply, "ETag", etag);
  reply->content_type = file->type;
  if (is_same) {
    reply->status = 304;
    reply->length = bytes.len;
    return;
  }
  if (choice.takes_gzip) http_reply_header(reply, "Content-Encoding", "gzip");
  buf_str(&reply->body, bytes);
}
