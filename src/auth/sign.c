#include "auth/sign.h"

#include "auth/digest.h"

void sign_hex(struct str canonical, struct str private_key, char out[SIGN_HEX_SIZE]) {
  uint8_t digest[DIGEST_SHA1_SIZE];
  digest_sha1(canonical, private_key, digest);
  bytes_hex(digest, sizeof digest, out);
}

bool sign_verify(struct str canonical, struct str private_key, struct str signature) {
  if (signature.len != SIGN_HEX_SIZE - 1) return false;
  char expected[SIGN_HEX_SIZE], given[SIGN_HEX_SIZE - 1];
  sign_hex(canonical, private_key, expected);
  for (size_t i = 0; i < sizeof given; i++) {
    char c = signature.ptr[i];
    given[i] = c >= 'A' && c <= 'F' ? (char)(c - 'A' + 'a') : c;
  }
  return bytes_equal_constant_time(expected, given, sizeof given);
}
