/* JSON: a strict reader that keeps what signing needs, and the few writers that answers need.
 *
 * The reader gives a tree that keeps number text and every member in its order, repeated names included (the caller
 * decides which names may repeat). It is strict RFC 8259: one object or array with nothing but blanks behind it,
 * valid UTF-8, no lone surrogates, no control characters inside strings, no byte order mark. simdjson does the
 * scanning; only json.cc knows it.
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
  struct str name;          /* the member's name if the parent is an object, decoded */
  struct str text;          /* JSON_STRING: decoded, may hold NUL; JSON_NUMBER: the token as written */
  const struct json *child; /* first element or member of an array or object, in order; NULL if empty */
  const struct json *next;  /* the next sibling; NULL at the end */
};

struct json_parser;

/* Use one per thread. A reused parser grows to about six times the largest text it has parsed. */
MUST_USE struct json_parser *json_parser_new(void);
void json_parser_free(struct json_parser *parser);
/* Frees the parser's memory if it has grown for texts longer than text_max bytes. */
void json_parser_trim(struct json_parser *parser, size_t text_max);
SCOPED_REF(struct json_parser, json_parser_free)

/* Parses text (JSON_PADDING bytes readable behind it), nested at most depth_max deep (the outermost array or object
 * is level 1). The tree is in the arena and borrows from neither text nor parser. -ERR_PARSE: err says what is
 * wrong. -ERR_LIMIT: nested deeper. -ERR_MEMORY: the arena is full. */
MUST_USE int json_parse(struct json_parser *parser, struct arena *arena, struct str text, unsigned depth_max,
                        const struct json **ret, struct err *err);

/* Receives an array element by element. Both functions return 0, or an error that ends the parsing and is its
 * result. */
struct json_taker {
  int (*count)(void *arg, size_t count, struct err *err); /* called first: the number of elements */
  /* Called for each element in order; its tree is valid until the next. NULL: the arena cannot hold it; it is
   * skipped. */
  int (*element)(void *arg, const struct json *element, struct err *err);
  void *arg;
};

/* Parses an array like json_parse, but holds only one element at a time: the arena is reset before each. An error may
 * be found after earlier elements were passed to the taker. -ERR_PARSE also if the value is not an array. */
MUST_USE int json_parse_array(struct json_parser *parser, struct arena *arena, struct str text, unsigned depth_max,
                              const struct json_taker *taker, struct err *err);

/* The first member of that exact name, or NULL. */
const struct json *json_member(const struct json *object, const char *name);
/* The text of a string member; empty if there is no such member. */
struct str json_member_text(const struct json *object, const char *name);

/* The blanks of JSON; str_trim takes more characters for blanks. */
static inline bool json_is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
/* Without such blanks at both ends. */
struct str json_trim(struct str text);

/* True if the whole text is a number by JSON's grammar. */
MUST_USE bool json_is_number(struct str text);

/* Appends a number token as a plain decimal: no exponent, no trailing zeros of a fraction, no "-0". The value is
 * exact. -ERR_LIMIT if it is longer than length_max bytes; then nothing is appended. */
MUST_USE int json_number_plain(struct str token, size_t length_max, struct buf *out);
/* The length of that plain decimal in bytes. */
uint64_t json_number_plain_len(struct str token);

/* Reads a number token that denotes a whole number: 42, 42.0, 4.2e1. False if it does not, or if it does not fit. */
MUST_USE bool json_number_i64(struct str token, int64_t *ret);
/* Reads a member that is such a number and is not negative. */
MUST_USE bool json_member_u64(const struct json *object, const char *name, uint64_t *ret);

/* Appends "s" with quotes and escapes; bytes that are not UTF-8 become U+FFFD. */
void json_quote(struct buf *out, struct str s);

#endif
