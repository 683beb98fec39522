#include "auth/keyring.h"

#include "auth/digest.h"

#define KEY_BYTES 20

static int random_hex(char out[2 * KEY_BYTES + 1], struct err *err) {
  uint8_t bytes[KEY_BYTES];
  int result = digest_random(bytes, sizeof bytes, err);
  if (result == 0) bytes_hex(bytes, sizeof bytes, out);
  bytes_wipe(bytes, sizeof bytes);
  return result;
}

int keyring_generate(char public_key[KEYRING_PUBLIC_SIZE], char private_key[KEYRING_PRIVATE_SIZE], struct err *err) {
  int result = random_hex(public_key, err);
  return result == 0 ? random_hex(private_key, err) : result;
}
