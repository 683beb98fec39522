/* Bearer tokens: the secret is shown once, and only its hash is kept. Source: design §2, §7; RFC 6750 for the
 * header. */
#ifndef CODECMETER_AUTH_TOKEN_H
#define CODECMETER_AUTH_TOKEN_H

#include <stdbool.h>
#include <stdint.h>

#include "auth/digest.h"
#include "base/bytes.h"
#include "base/err.h"

/* "cm_" and 160 random bits in hex. The prefix lets scanners find a leaked token. */
#define TOKEN_SECRET_SIZE 44 /* with NUL */
/* The public id: the first 12 hex digits of the hash. */
#define TOKEN_PUBLIC_ID_SIZE 13

MUST_USE int token_generate(char secret[TOKEN_SECRET_SIZE], struct err *err);
/* The SHA-256 of the secret's text, and the public id that is made from it. */
void token_hash(struct str secret, uint8_t hash[DIGEST_SHA256_SIZE]);
void token_id(const uint8_t hash[DIGEST_SHA256_SIZE], char out[TOKEN_PUBLIC_ID_SIZE]);

/* Takes the secret from an Authorization header: "Bearer <secret>", the scheme in any case. False for another scheme,
 * or if the secret is empty. */
MUST_USE bool token_from_header(struct str authorization, struct str *ret_secret);

#endif
