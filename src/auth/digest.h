/* Digests (Nettle) and random bytes (the kernel). */
#ifndef CODECMETER_AUTH_DIGEST_H
#define CODECMETER_AUTH_DIGEST_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

#define DIGEST_SHA1_SIZE 20
#define DIGEST_SHA256_SIZE 32

/* Hashes first and then second, as one text. */
void digest_sha1(struct str first, struct str second, uint8_t out[DIGEST_SHA1_SIZE]);
void digest_sha256(struct str text, uint8_t out[DIGEST_SHA256_SIZE]);

/* SHA-256 of several texts as one. Opaque; lives on the caller's stack. */
struct digest_sha256 {
  _Alignas(8) unsigned char state[192];
};
void digest_sha256_begin(struct digest_sha256 *digest);
void digest_sha256_add(struct digest_sha256 *digest, struct str text);
void digest_sha256_end(struct digest_sha256 *digest, uint8_t out[DIGEST_SHA256_SIZE]);

/* HMAC-SHA256 (RFC 2104) of first and then second, as one text. */
void digest_hmac_sha256(struct str key, struct str first, struct str second, uint8_t out[DIGEST_SHA256_SIZE]);

/* Fills out with random bytes. -ERR_INTERNAL if the kernel gives none. */
MUST_USE int digest_random(void *out, size_t len, struct err *err);

#endif
