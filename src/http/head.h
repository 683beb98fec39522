/* The head of a request, free of any HTTP library: what its target names, and whether all who read it agree on where
 * its body ends. Source: RFC 9110 and 9112; design §7. */
#ifndef CODECMETER_HTTP_HEAD_H
#define CODECMETER_HTTP_HEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

/* A target's path and query as sent, without '?'. It comes as "/path?query", or in absolute form with scheme and host
 * before that, which every server must take. Borrowed. */
struct head_target {
  struct str path, query;
};
struct head_target head_target(struct str target);

/* What the fields say, gathered by head_field; zeroed to begin with. */
struct head {
  size_t bytes;       /* of the fields, with ": " and CR LF */
  unsigned lengths, encodings; /* how often a length, an encoding is given */
  uint64_t length;    /* the last Content-Length */
  bool is_malformed;
  bool has_bad_length, has_bad_encoding;
  bool expects_continue; /* Expect: 100-continue: the body comes when it is asked for */
};
void head_field(struct head *head, struct str name, struct str value);

/* Why the head must be refused with 400 and its connection closed; NULL when it need not. A proxy before us may take
 * what is refused here in another way than we would, and then somebody's request is read as another one's body. */
#define HEAD_BAD_LENGTH "Content-Length is not a number of bytes"
const char *head_fault(const struct head *head);

/* An Accept header names this media type, and not to refuse it (q=0). A range with a star names none. */
bool head_accepts(struct str accept, struct str type);

#endif
