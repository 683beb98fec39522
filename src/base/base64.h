/* Base64 (RFC 4648, section 4), strict, except that white space is ignored. */
#ifndef CODECMETER_BASE_BASE64_H
#define CODECMETER_BASE_BASE64_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/err.h"

#define BASE64_DECODED_MAX(len) (((len) + 3) / 4 * 3)

/* out: BASE64_DECODED_MAX(text.len) bytes. False if the text is not base64 or is truncated. */
MUST_USE bool base64_decode(struct str text, char *out, size_t *ret_len);

#endif
