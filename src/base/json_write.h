/* Writes JSON into a buf. The writer puts commas, quotes and brackets; the caller says what is in them.
 *
 *   struct json_write json = json_write_to(&out);
 *   json_write_object(&json, NULL);                {
 *   json_write_text(&json, "status", "stored");    "status":"stored"
 *   json_write_list(&json, "ids");                 ,"ids":[
 *   json_write_u64(&json, NULL, 7);                7
 *   json_write_end(&json);                         ]
 *   json_write_end(&json);                         }
 *
 * Each function writes one value. Its name is the member's name (plain ASCII without quotes) where an object is open,
 * and NULL elsewhere; anything else ends the program. The writer keeps its state apart from the buf: a caller may send
 * and clear the buf between two calls. A buf that is full drops what is written and is `failed` (base/bytes.h).
 * Blanks are never written.
 */
#ifndef CODECMETER_BASE_JSON_WRITE_H
#define CODECMETER_BASE_JSON_WRITE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

struct json;

#define JSON_WRITE_DEPTH_MAX 32u /* objects and lists that are open at once; one more ends the program */

struct json_write {
  struct buf *out;  /* borrowed */
  uint32_t objects; /* bit d: what is open at depth d is an object, else a list */
  uint8_t depth;    /* how many are open */
  bool needs_comma; /* a value was written before in what is open */
};

struct json_write json_write_to(struct buf *out);

/* Open an object or a list; json_write_end closes the one that was opened last. */
void json_write_object(struct json_write *json, const char *name);
void json_write_list(struct json_write *json, const char *name);
void json_write_end(struct json_write *json);

/* Texts are quoted and escaped; bytes that are not UTF-8 become U+FFFD. */
void json_write_str(struct json_write *json, const char *name, struct str text);
void json_write_text(struct json_write *json, const char *name, const char *text);
void json_write_i64(struct json_write *json, const char *name, int64_t value);
void json_write_u64(struct json_write *json, const char *name, uint64_t value);
void json_write_bool(struct json_write *json, const char *name, bool value);
void json_write_null(struct json_write *json, const char *name);
/* A value that is JSON already; it is not checked. */
void json_write_raw(struct json_write *json, const char *name, struct str value);
/* Likewise a member whose name may be any text, such as a label's. */
void json_write_member(struct json_write *json, struct str name, struct str text);
/* Writes what comes before a value: the caller appends one JSON value to the buf next. */
void json_write_next(struct json_write *json, const char *name);
/* A tree that json_parse has read (base/json.h), without its blanks; numbers as they were written. */
void json_write_tree(struct json_write *json, const char *name, const struct json *tree);

/* Goes on in an object that is whole, at the end of out: takes its closing brace away. The caller adds members, then
 * calls json_write_end. */
struct json_write json_write_reopen(struct buf *out);

#endif
