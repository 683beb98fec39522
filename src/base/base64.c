#include "base/base64.h"

#include <nettle/base64.h>

#include "base/check.h"

bool base64_decode(struct str text, char *out, size_t *ret_len) {
  struct base64_decode_ctx context;
  nettle_base64_decode_init(&context);
  *ret_len = BASE64_DECODED_MAX(text.len);
  bool good = nettle_base64_decode_update(&context, ret_len, (uint8_t *)out, text.len, text.ptr) == 1;
  return good && nettle_base64_decode_final(&context) == 1;
}

static const char url_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

size_t base64url_encode(const void *bytes, size_t len, char *out) {
  const uint8_t *from = bytes;
  uint32_t bits = 0;
  unsigned held = 0; /* bits of `bits` that are not written yet */
  size_t at = 0;
  for (size_t i = 0; i < len; i++) {
    bits = bits << 8 | from[i];
    for (held += 8; held >= 6; held -= 6)
      out[at++] = url_alphabet[bits >> (held - 6) & 63];
  }
  if (held > 0) out[at++] = url_alphabet[bits << (6 - held) & 63];
  out[at] = '\0';
  CHECK(at == (len * 8 + 5) / 6);
  return at;
}

static int value_of(char c) {
  const char *found = c != '\0' ? strchr(url_alphabet, c) : NULL;
  return found != NULL ? (int)(found - url_alphabet) : -1;
}

bool base64url_decode(struct str text, void *out, size_t len) {
  uint8_t *to = out;
  uint32_t bits = 0;
  unsigned held = 0;
  size_t at = 0;
  if (text.len != (len * 8 + 5) / 6) return false;
  for (size_t i = 0; i < text.len; i++) {
    int value = value_of(text.ptr[i]);
    if (value < 0) return false;
    bits = bits << 6 | (uint32_t)value;
    held += 6;
    if (held < 8) continue;
    held -= 8;
    to[at++] = (uint8_t)(bits >> held);
  }
  return at == len && (bits & ((1u << held) - 1)) == 0;
}
