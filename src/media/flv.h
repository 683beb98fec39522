/* Files of Flash video that were joined, one behind the other. Pure: no libav. Source: Adobe Flash Video File Format
 * Specification 10.1, Annex E. */
#ifndef CODECMETER_MEDIA_FLV_H
#define CODECMETER_MEDIA_FLV_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "media/reel.h"

#define FLV_PARTS_MAX 4096

struct flv {
  uint64_t starts[FLV_PARTS_MAX]; /* positions of the headers, ascending */
  size_t count;                   /* 0: it is no Flash video */
};
/* Libavformat stops at the second header, so each part is measured by itself. -ERR_IO, -ERR_MEDIA: as of reel_read;
 * -ERR_MEDIA also with more than FLV_PARTS_MAX parts, or if a header is elsewhere than behind a whole tag: the part before it
 * is truncated. Reads the whole reel. */
MUST_USE int flv_scan(struct reel *reel, struct flv *ret, struct err *err);

#endif
