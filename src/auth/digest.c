#include "auth/digest.h"

#include <errno.h>
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
