/* Reads the bytes of a file that is imported, or of a pipe. */
#ifndef CODECMETER_IMPORT_INPUT_H
#define CODECMETER_IMPORT_INPUT_H

#include <stddef.h>

#include "base/err.h"

#define INPUT_MARK "\xEF\xBB\xBF" /* the byte order mark of UTF-8 */

/* Reads what is there, at most size bytes; waits for the first one. *ret_got is 0 at the end. -ERR_IO. -ERR_STOPPING:
 * a stop was requested (base/stop.h) before a byte could be read. name is for messages. */
MUST_USE int input_read(int fd, const char *name, char *out, size_t size, size_t *ret_got, struct err *err);

#endif
