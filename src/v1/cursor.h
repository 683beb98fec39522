/* Cursors: where the next page of a list begins. A cursor is an opaque text that the server gave, and that comes back
 * as the parameter `cursor`.
 *
 * It fixes the answer: every page is as of the position of the first one. It is bound to the token and to the query
 * with which it was given, and authenticated with a key of the data directory (HMAC-SHA256), so it cannot be made,
 * changed or used by another token. It says nothing that its owner may not know. It survives a restart, and lives
 * until the key's file is deleted or the data directory is restored from a backup, which has no key.
 */
#ifndef CODECMETER_V1_CURSOR_H
#define CODECMETER_V1_CURSOR_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

#define CURSOR_KEY_SIZE 32
struct cursor_key {
  uint8_t bytes[CURSOR_KEY_SIZE];
};

/* Reads DATA/cursor.key, or makes it. If it can neither be read nor made, the key is a new one that only this process
 * knows, and *err says why (code ERR_NONE: all is well): then cursors do not survive a restart. -ERR_INTERNAL: the
 * kernel gives no random bytes. */
MUST_USE int cursor_key_load(const char *dir, struct cursor_key *ret, struct err *err);

/* What a cursor keeps. */
struct cursor {
  uint64_t as_of;      /* position of which all pages answer */
  int64_t finished_ms; /* with the next: the key of the last entry that was looked at */
  uint64_t position;
};

#define CURSOR_BYTES (1 + 3 * 8 + 16 + 16)                /* version, fields, hash of the query, authentication */
#define CURSOR_TEXT_SIZE ((CURSOR_BYTES * 8 + 5) / 6 + 1) /* base64url without padding, NUL */

/* Parameters of a query, decoded, in any order: what the hash is made of. Names and values are borrowed. */
struct cursor_param {
  struct str name, value;
};
#define CURSOR_PARAMS_MAX 512

/* Writes a cursor. resource: "tasks". params: all parameters that the list depends on, without cursor, limit and
 * format; they are sorted in place. At most CURSOR_PARAMS_MAX (a CHECK). */
void cursor_write(const struct cursor_key *key, struct str token_id, struct str resource, struct cursor_param *params,
                  size_t count, const struct cursor *cursor, char out[CURSOR_TEXT_SIZE]);

/* Reads a cursor that the same token got for the same resource and parameters. -ERR_RANGE: it is not one; the text
 * says what to do. */
MUST_USE int cursor_read(const struct cursor_key *key, struct str token_id, struct str resource,
                         struct cursor_param *params, size_t count, struct str text, struct cursor *ret,
                         struct err *err);

#endif
