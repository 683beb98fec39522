/* What an animated WebP file says of its pictures. Pure: no libav, whose version here cannot read one. Source: RFC 9649,
 * section 2.7 (extended file format). */
#ifndef CODECMETER_MEDIA_WEBP_H
#define CODECMETER_MEDIA_WEBP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "media/reel.h"

struct webp {
  bool is_moving;         /* false: it is no WebP, or its header says that it is one picture. Nothing else is set */
  bool is_cut;            /* its headers promise bytes behind the end of the reel */
  bool is_joined;         /* another RIFF file is behind it */
  uint32_t width, height; /* of the canvas */
  uint64_t pictures;
  uint64_t duration_ms;   /* of all pictures, as they state it */
  uint32_t each_ms;       /* the duration of every picture; 0: they differ, or there is none */
};
/* -ERR_MEDIA: a chunk contradicts itself; the caller puts the path before the text. -ERR_IO: as of reel_read. Reads a few bytes
 * of each chunk. */
MUST_USE int webp_read(struct reel *reel, struct webp *ret, struct err *err);

#endif
