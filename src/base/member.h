/* How a room describes the members of JSON objects that it reads, in one table for its reader and for OpenAPI. */
#ifndef CODECMETER_BASE_MEMBER_H
#define CODECMETER_BASE_MEMBER_H

#include <stdbool.h>
#include <stdint.h>

enum member_type {
  MEMBER_TEXT,    /* `least` to `most` bytes, without control characters */
  MEMBER_INTEGER, /* from `least` to `most` */
  MEMBER_DECIMAL, /* a number from `least` to `most` */
  MEMBER_RATE,    /* a decimal number, or a text with a decimal or a fraction */
  MEMBER_TIME,    /* RFC 3339 */
  MEMBER_TEXTS,   /* an object of at most `most` texts, under any names */
  MEMBER_OBJECT,  /* an object that has a table of its own */
};

struct member {
  const char *name;
  enum member_type type;
  bool is_required;
  int64_t least, most;
  const char *choices; /* MEMBER_TEXT: the values, with blanks between them; NULL: any */
  const char *example; /* a good value: a text without quotes, or JSON */
  const char *help[2]; /* English, Chinese */
};

#endif
