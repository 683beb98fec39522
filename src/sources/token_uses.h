/* When each token was last used. `token list` shows it, so that an operator sees which tokens nobody needs any more.
 *
 * A request that a token was allowed to make is a use; a refused request is none. Times are kept to the second. They
 * are in memory, and in DATA/token-uses, which the thread of src/sources writes: up to 15 seconds after the first new
 * use, then at most once a minute, and at a stop. So a crash loses the uses of the last 75 seconds at most; the list
 * then shows an earlier use of the same token, or none. Backups do not hold the file.
 *
 * Bounded: TOKEN_USES_MAX tokens, in a table of fixed size. Uses of further tokens are not kept, and a line of the
 * log says so once. */
#ifndef CODECMETER_SOURCES_TOKEN_USES_H
#define CODECMETER_SOURCES_TOKEN_USES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/scope.h"

#define TOKEN_USES_MAX 32768u
#define TOKEN_USES_FILE "token-uses"

struct token_uses;

MUST_USE struct token_uses *token_uses_new(void); /* waits for memory */
void token_uses_free(struct token_uses *uses);
SCOPED_REF(struct token_uses, token_uses_free)

/* Notes a use of the token with this public id at now_ms (Unix ms). Takes no lock and never waits. Any thread. */
void token_uses_note(struct token_uses *uses, const char *token_id, int64_t now_ms);
/* The last known use, Unix ms; 0 if none is known. Any thread. */
int64_t token_uses_last_ms(const struct token_uses *uses, const char *token_id);

/* True if a use was noted since the last successful token_uses_save. */
bool token_uses_are_new(const struct token_uses *uses);
/* Replaces DATA/token-uses. One thread at a time. -ERR_FULL, -ERR_IO, -ERR_MEMORY; then the file is as it was. */
MUST_USE int token_uses_save(struct token_uses *uses, const char *data_dir, struct err *err);
/* Takes the uses of DATA/token-uses, before any use is noted. No file: none. *ret_bad gets the number of lines that
 * cannot be read; they are passed over. -ERR_IO, -ERR_CORRUPT (the file is too long), -ERR_MEMORY. */
MUST_USE int token_uses_load(struct token_uses *uses, const char *data_dir, size_t *ret_bad, struct err *err);

#endif
