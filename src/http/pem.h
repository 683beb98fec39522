/* Certificates and keys in PEM, in files or pipes. */
#ifndef CODECMETER_HTTP_PEM_H
#define CODECMETER_HTTP_PEM_H

#include "base/err.h"

#define PEM_MAX (1u << 20)

/* Reads a file of at most PEM_MAX bytes into *ret, a text that the caller wipes and frees. -ERR_USAGE, -ERR_MEMORY. */
MUST_USE int pem_read(const char *path, char **ret, struct err *err);

#endif
