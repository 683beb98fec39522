/* Signing API requests. Source: design §3.2. */
#ifndef CODECMETER_AUTH_SIGN_H
#define CODECMETER_AUTH_SIGN_H

#include <stdbool.h>

#include "auth/canon.h"
#include "base/bytes.h"

#define SIGN_HEX_SIZE 41 /* with NUL */

/* Lower-case hex of SHA1(canonical + private key). canonical is the text that canon_append made. */
void sign_hex(struct str canonical, struct str private_key, char out[SIGN_HEX_SIZE]);

/* True if signature is the right one: hex digits of either case, compared in constant time. False for any other
 * length. */
bool sign_verify(struct str canonical, struct str private_key, struct str signature);

#endif
