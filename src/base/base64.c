#include "base/base64.h"

#include <nettle/base64.h>

bool base64_decode(struct str text, char *out, size_t *ret_len) {
  struct base64_decode_ctx context;
  nettle_base64_decode_init(&context);
  *ret_len = BASE64_DECODED_MAX(text.len);
  bool good = nettle_base64_decode_update(&context, ret_len, (uint8_t *)out, text.len, text.ptr) == 1;
  return good && nettle_base64_decode_final(&context) == 1;
}
