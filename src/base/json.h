/* JSON: a strict reader that keeps what signing needs, and the few writers that answers need.
 *
 * The reader gives a tree that keeps number text and every member in its order, repeated names included (the
 * rules of who may repeat what are the caller's). It is strict RFC 8259: one object or array and nothing behind it
 * but blanks, valid UTF-8, no lone surrogates, no control characters inside strings, no byte order mark.
 * simdjson does the scanning; only json.cc knows it.
 */
#ifndef CODECMETER_BASE_JSON_H
#define CODECMETER_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"

/* Bytes that must be readable (any content) behind the text handed to json_parse. */
#define JSON_PADDING 64

enum json_type { JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json {
  enum json_type type;
  struct str name;          /* the member's name when the parent is an object, decoded */
  struct str text;          /* JSON_STRING: decoded, may hold NUL; JSON_NUMBER: the token as written */
  const struct json *child; /* first element or member of an array or object, in order; NULL when empty */
  const struct json *next;  /* the next sibling; NULL at the end */
};

struct json_parser;

/* One per thread; reused, it grows to some six times the largest text parsed. */
MUST_USE struct json_parser *json_parser_new(void);
void json_parser_free(struct json_parser *parser);
/* Gives its memory back if it has grown for texts longer than that. */
void json_parser_trim(struct json_parser *parser, size_t text_max);
SCOPED_REF(struct json_parser, json_parser_free)

/* Parses text (JSON_PADDING bytes readable behind it), nested at most depth_max deep (the outermost array or object
 * is level 1). The tree is in the arena and borrows from neither text nor parser. -ERR_PARSE with what is wrong,
 * -ERR_LIMIT when nested deeper, -ERR_MEMORY when the arena is used up. */
MUST_USE int json_parse(struct json_parser *parser, struct arena *arena, struct str text, unsigned depth_max,
                        const struct json **ret, struct err *err);

/* Whoever takes an array element by element. Both return 0, or a failure that ends the parsing and is its result. */
struct json_taker {
  int (*count)(void *arg, size_t count, struct err *err); /* first: how many elements there are */
  /* Each in turn, its tree valid until the next; NULL for one that the arena cannot hold: it is passed over. */
  int (*element)(void *arg, const struct json *element, struct err *err);
  void *arg;
};

/* Parses an array like json_parse, but never holds more of it than one element: the arena is reset before each. What
 * is wrong may be found behind elements that were handed over already. -ERR_PARSE for another value than an array. */
MUST_USE int json_parse_array(struct json_parser *parser, struct arena *arena, struct str text, unsigned depth_max,
                              const struct json_taker *taker, struct err *err);

/* The first member of that exact name, or NULL. */
const struct json *json_member(const struct json *object, const char *name);
/* The text of a member that is a string; empty when there is none. */
struct str json_member_text(const struct json *object, const char *name);

/* Is a text a number by JSON's grammar, from its first to its last byte? */
MUST_USE bool json_is_number(struct str text);

/* A number token written out as a plain decimal: no exponent, no trailing zeros of a fraction, no "-0"; the value is
 * exact. Appends at most length_max bytes; -ERR_LIMIT when it would be longer. */
MUST_USE int json_number_plain(struct str token, size_t length_max, struct buf *out);
/* The bytes of it. */
uint64_t json_number_plain_len(struct str token);

/* A number token that denotes a whole number: 42, 42.0, 4.2e1. False when it does not, or does not fit. */
MUST_USE bool json_number_i64(struct str token, int64_t *ret);
/* A member that is such a number, and not negative. */
MUST_USE bool json_member_u64(const struct json *object, const char *name, uint64_t *ret);

/* Appends "s" with quotes and escapes; bytes that are not UTF-8 become U+FFFD. */
void json_quote(struct buf *out, struct str s);

#endif
