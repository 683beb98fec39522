/* Reads the files in which this room keeps its state. */
#ifndef CODECMETER_SOURCES_STATE_FILE_H
#define CODECMETER_SOURCES_STATE_FILE_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

/* Reads a whole file into out, with JSON_PADDING bytes behind it. Follows no link. -ERR_NOT_FOUND, -ERR_IO,
 * -ERR_MEMORY; -ERR_CORRUPT if it is longer than size_max bytes. */
MUST_USE int state_file_read(const char *path, uint64_t size_max, struct buf *out, struct err *err);

#endif
