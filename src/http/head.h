/* The head of a request: what its target names, and whether every program on the way agrees on where its body ends.
 * Knows no HTTP library. Source: RFC 9110 and 9112; design §7. */
#ifndef CODECMETER_HTTP_HEAD_H
#define CODECMETER_HTTP_HEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

/* A target's path and query as sent, without '?'. The target is "/path?query", or that in absolute form, behind
 * scheme and host, which every server must accept. Borrowed. */
struct head_target {
  struct str path, query;
};
struct head_target head_target(struct str target);

/* What the header fields say. Begin with zeros, and call head_field for each field. */
struct head {
  size_t bytes;       /* of the fields, with ": " and CR LF */
  unsigned lengths, encodings; /* number of Content-Length and of Transfer-Encoding fields */
  uint64_t length;    /* the last Content-Length */
  bool is_malformed;
  bool has_bad_length, has_bad_encoding;
  bool expects_continue; /* Expect: 100-continue: the client waits before it sends the body */
};
void head_field(struct head *head, struct str name, struct str value);

/* Why the head must be refused with 400 and its connection closed; NULL if it is good. A proxy in front of the server
 * may read such a head in another way, and then one client's request could pass as part of another client's body. */
#define HEAD_BAD_LENGTH "Content-Length is not a number of bytes"
const char *head_fault(const struct head *head);

/* True if an Accept header names this media type with a weight other than q=0. A range with a star names no type. */
bool head_accepts(struct str accept, struct str type);
/* The weight, from 0 to 1000, that an Accept header gives to this version of a media type. Only a range that names the
 * type counts. One that names the version has precedence over one without. A weight that cannot be read counts as 0. */
unsigned head_weight(struct str accept, struct str type, struct str version);

#endif
