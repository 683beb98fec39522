#include "auth/digest.h"

#include <errno.h>
#include <nettle/hmac.h>
#include <nettle/sha1.h>
#include <nettle/sha2.h>
#include <sys/random.h>

void digest_sha1(struct str first, struct str second, uint8_t out[DIGEST_SHA1_SIZE]) {
  struct sha1_ctx context;
  sha1_init(&context);
  sha1_update(&context, first.len, (const uint8_t *)first.ptr);
  sha1_update(&context, second.len, (const uint8_t *)second.ptr);
  sha1_digest(&context, DIGEST_SHA1_SIZE, out);
  bytes_wipe(&context, sizeof context);
}

void digest_sha256(struct str text, uint8_t out[DIGEST_SHA256_SIZE]) {
  struct sha256_ctx context;
  sha256_init(&context);
  sha256_update(&context, text.len, (const uint8_t *)text.ptr);
  sha256_digest(&context, DIGEST_SHA256_SIZE, out);
  bytes_wipe(&context, sizeof context);
}

/* The header does not show Nettle's struct, so that only this file includes Nettle. */
_Static_assert(sizeof(struct sha256_ctx) <= sizeof((struct digest_sha256 *)0)->state, "room for Nettle's struct");
_Static_assert(_Alignof(struct sha256_ctx) <= 8, "and its alignment");

static struct sha256_ctx *context_of(struct digest_sha256 *digest) {
  return (struct sha256_ctx *)(void *)digest->state;
}

void digest_sha256_begin(struct digest_sha256 *digest) { sha256_init(context_of(digest)); }

void digest_sha256_add(struct digest_sha256 *digest, struct str text) {
  sha256_update(context_of(digest), text.len, (const uint8_t *)text.ptr);
}

void digest_sha256_end(struct digest_sha256 *digest, uint8_t out[DIGEST_SHA256_SIZE]) {
  sha256_digest(context_of(digest), DIGEST_SHA256_SIZE, out);
}

void digest_hmac_sha256(struct str key, struct str first, struct str second, uint8_t out[DIGEST_SHA256_SIZE]) {
  struct hmac_sha256_ctx context;
  hmac_sha256_set_key(&context, key.len, (const uint8_t *)key.ptr);
  hmac_sha256_update(&context, first.len, (const uint8_t *)first.ptr);
  hmac_sha256_update(&context, second.len, (const uint8_t *)second.ptr);
  hmac_sha256_digest(&context, DIGEST_SHA256_SIZE, out);
  bytes_wipe(&context, sizeof context);
}

int digest_random(void *out, size_t len, struct err *err) {
  char *at = out;
  while (len > 0) {
    ssize_t got = getrandom(at, len, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return err_set_errno(err, ERR_INTERNAL, errno, "cannot get random bytes from the kernel");
    at += got;
    len -= (size_t)got;
  }
  return 0;
}
