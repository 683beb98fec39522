/* Parameters of /v1: tables that say what a resource takes, and the strict reader that uses them. OpenAPI, docs/v1.md
 * and the texts of errors are made from the same tables.
 *
 * The reader decodes a query as forms are encoded: '+' is a blank, %XX a byte. Names and values must be UTF-8 without
 * control characters. Every problem is a 400 that names the parameter and says what is allowed: an unknown name, a
 * name given twice that may not repeat, the same value given twice, an empty value, one that is malformed or out of
 * range, and two parameters that exclude each other. Knows no HTTP. */
#ifndef CODECMETER_V1_PARAM_H
#define CODECMETER_V1_PARAM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "meter/zone.h"
#include "v1/problem.h"

enum v1_language { V1_ENGLISH, V1_CHINESE, V1_LANGUAGES };

enum v1_type {
  V1_TEXT,    /* `least` to `most` bytes; `fits`, if there is one, accepts it */
  V1_INT,     /* a whole number from `least` to `most` */
  V1_FLAG,    /* 0 or 1 */
  V1_CHOICE,  /* one of `choices` */
  V1_CHOICES, /* some of `choices`, with commas between them: each becomes a value of its own, in the order as sent.
               * A choice "label." stands for label.NAME with any valid name */
  V1_TIME,    /* an RFC 3339 time, Unix seconds, or a date; from 1970 to 9999 */
  V1_MONTH,   /* "2026-10" */
  V1_ZONE,    /* a time zone of tzdata */
  V1_PROJECT, /* the id of a project that the token may read; any other is 404 */
  V1_AS_OF,   /* a position, or an RFC 3339 time that has passed; the frame turns a time into a position */
};

struct v1_param {
  const char *name; /* "project". A name that ends with a dot is a family: "label." takes label.team, label.show … */
  enum v1_type type;
  bool repeats;       /* may be given several times, with different values. Of a family: each name may */
  bool may_be_empty;  /* V1_TEXT: an empty value has a meaning, which `help` says */
  int64_t least, most;
  const char *choices;  /* "15m 1h 1d". Of V1_TEXT: all values but the empty one, for docs and OpenAPI; NULL: too many */
  const char *pattern;  /* V1_TEXT: what values look like, for OpenAPI (ECMA 262); NULL: nothing is said */
  const char *preset;   /* what holds if it is absent, for the docs; NULL: nothing, and `help` says what that means */
  const char *excludes; /* names of parameters that must not be given beside it, with blanks; NULL: none */
  const char *allowed;  /* for errors: "must be …". NULL: made from the type and its bounds */
  bool (*fits)(struct str text); /* V1_TEXT only; may be NULL */
  const char *example;           /* a good value, for docs and OpenAPI */
  const char *help[V1_LANGUAGES];
};

/* A value that was given. Texts are in the request's arena. */
struct v1_value {
  const struct v1_param *param;
  struct str name;  /* as sent, decoded; of a family the whole name */
  struct str text;  /* decoded; of V1_CHOICES one item */
  /* V1_INT, V1_FLAG: the number. V1_CHOICE, V1_CHOICES: the index in `choices`. V1_TIME: Unix ms unless is_date.
   * V1_MONTH: 12 x year + month - 1. V1_AS_OF: a position unless is_time, then Unix ms. */
  int64_t number;
  bool is_date;     /* V1_TIME: the date `day` in a zone that is not known here; see v1_time_ms */
  bool is_time;     /* V1_AS_OF */
  int32_t day;      /* as in meter/zone.h */
  const struct zone *zone; /* V1_ZONE */
};

#define V1_VALUES_MAX 256 /* values in one request */
struct v1_values {
  struct v1_value *items; /* in the order as sent */
  size_t count;
};

/* Reads a query, as sent, without '?'. params ends with a name of NULL. 0, or the status of *problem. Takes at most
 * V1_ARENA_MAX bytes of the arena for a query of 28 KiB (http.header_max). */
#define V1_ARENA_MAX ((size_t)256 << 10)
MUST_USE int v1_params_read(const struct v1_param *params, struct str query, struct arena *arena,
                            struct v1_values *ret, struct v1_problem *problem);

/* The first value of a parameter; NULL if it was not given. Of a family, `name` is the family's name. */
const struct v1_value *v1_value(const struct v1_values *values, const char *name);
/* The next value of the same parameter; NULL at the end. `for (v = v1_value(…); v != NULL; v = v1_value_next(…, v))`
 */
const struct v1_value *v1_value_next(const struct v1_values *values, const struct v1_value *value);
/* The number of V1_INT, V1_FLAG, V1_CHOICE; `preset` if it was not given. */
int64_t v1_number(const struct v1_values *values, const char *name, int64_t preset);

/* Appends what a parameter takes, in words: "must be one of 15m, 1h". For errors, docs and OpenAPI. */
void v1_param_allowed(const struct v1_param *param, struct buf *out);
/* 400: this value is not allowed, and what is. For a resource that finds it out itself. Returns the status. */
int v1_refuse_value(const struct v1_value *value, struct v1_problem *problem);

/* Decodes one segment of a path ('+' is itself there). False if it is not percent-encoded UTF-8 without control
 * characters, or if the arena is full. */
MUST_USE bool v1_segment_decode(struct str segment, struct arena *arena, struct str *ret);

/* ---- parameters that several resources take ---- */

/* The rows of other tables are in v1/param_common.h. */
extern const struct v1_param v1_param_format; /* the frame adds it to every resource with several formats */

#endif
