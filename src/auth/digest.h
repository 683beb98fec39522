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

/* Fills out with random bytes. -ERR_INTERNAL if the kernel gives none. */
MUST_USE int digest_random(void *out, size_t len, struct err *err);

#endif
