/* Zeros at the end of a reel: a file whose size was reserved before it was written, or that lost its last blocks in a power cut.
 * Pure: no libav. */
#ifndef CODECMETER_MEDIA_ZEROS_H
#define CODECMETER_MEDIA_ZEROS_H

#include <stdint.h>

#include "base/err.h"
#include "media/reel.h"

#define ZEROS_MAX (4096 + 64) /* padding up to a sector is harmless, behind a file whose own last numbers may end in zeros */

/* How many bytes at the end are zeros. -ERR_IO, -ERR_MEDIA: as of reel_read. */
MUST_USE int zeros_at_end(struct reel *reel, uint64_t *ret_count, struct err *err);
/* How many bytes from a position on are zeros. */
MUST_USE int zeros_from(struct reel *reel, uint64_t position, uint64_t *ret_count, struct err *err);

#endif
