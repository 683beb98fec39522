/* Making key pairs. Source: design §2, §7. */
#ifndef CODECMETER_AUTH_KEYRING_H
#define CODECMETER_AUTH_KEYRING_H

#include "base/err.h"

#define KEYRING_PUBLIC_SIZE 41  /* with NUL */
#define KEYRING_PRIVATE_SIZE 41

/* Generates a new pair: 160 random bits each, in hex. */
MUST_USE int keyring_generate(char public_key[KEYRING_PUBLIC_SIZE], char private_key[KEYRING_PRIVATE_SIZE],
                              struct err *err);

#endif
