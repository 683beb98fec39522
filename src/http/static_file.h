/* A file that is the same for every client, as it is and compressed, with an ETag. For endpoints. */
#ifndef CODECMETER_HTTP_STATIC_FILE_H
#define CODECMETER_HTTP_STATIC_FILE_H

#include "http/request.h"

struct static_file {
  const char *type; /* the media type; static */
  const char *hash; /* of `raw`, in hex; its first 24 digits are the ETag */
  struct str raw, gzip;
};

/* Fills the reply with the file in the form that the client takes, or with 304 if the client has it already;
 * `caching` is Cache-Control. 503 if http.answers_max has no room. The caller adds Vary, Accept-Encoding among its
 * names, unless the status is an error, and what else a browser must know. */
void static_file_send(const struct static_file *file, const char *caching, struct http_request *request,
                      struct http_reply *reply);

#endif
