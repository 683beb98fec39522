/* Base64 (RFC 4648). */
#ifndef CODECMETER_BASE_BASE64_H
#define CODECMETER_BASE_BASE64_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/err.h"

#define BASE64_DECODED_MAX(len) (((len) + 3) / 4 * 3)

/* Section 4, strict, except that white space is ignored. out: BASE64_DECODED_MAX(text.len) bytes. False if the text is
 * not base64 or is truncated. */
MUST_USE bool base64_decode(struct str text, char *out, size_t *ret_len);

/* Section 5 (for URLs), without padding. Writes the text and a NUL; returns the text's length, (len * 8 + 5) / 6. */
size_t base64url_encode(const void *bytes, size_t len, char *out);
/* Decodes exactly len bytes. False for any text that base64url_encode does not write for them: another length, white
 * space, padding, bits behind the last byte. out is then undefined. */
MUST_USE bool base64url_decode(struct str text, void *out, size_t len);

#endif
