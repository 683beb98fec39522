#include "auth/token.h"

#define SECRET_BYTES 20
#define PREFIX "cm_"
_Static_assert(sizeof PREFIX - 1 + 2 * SECRET_BYTES + 1 == TOKEN_SECRET_SIZE, "prefix, hex, NUL");

int token_generate(char secret[TOKEN_SECRET_SIZE], struct err *err) {
  uint8_t bytes[SECRET_BYTES];
  int result = digest_random(bytes, sizeof bytes, err);
  if (result != 0) return result;
  memcpy(secret, PREFIX, sizeof PREFIX);
  bytes_hex(bytes, sizeof bytes, secret + sizeof PREFIX - 1);
  bytes_wipe(bytes, sizeof bytes);
  return 0;
}

void token_hash(struct str secret, uint8_t hash[DIGEST_SHA256_SIZE]) { digest_sha256(secret, hash); }

void token_id(const uint8_t hash[DIGEST_SHA256_SIZE], char out[TOKEN_PUBLIC_ID_SIZE]) {
  bytes_hex(hash, (TOKEN_PUBLIC_ID_SIZE - 1) / 2, out);
}

bool token_from_header(struct str authorization, struct str *ret_secret) {
  static const struct str scheme = {.ptr = "Bearer ", .len = 7};
  if (authorization.len <= scheme.len) return false;
  if (!str_equal_nocase(str_make(authorization.ptr, scheme.len), scheme)) return false;
  *ret_secret = str_trim(str_make(authorization.ptr + scheme.len, authorization.len - scheme.len));
  return ret_secret->len > 0;
}
