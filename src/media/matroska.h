/* What the top level of a Matroska or WebM file says. Pure: no libav. Source: RFC 8794 (EBML), RFC 9559 (Matroska). */
#ifndef CODECMETER_MEDIA_MATROSKA_H
#define CODECMETER_MEDIA_MATROSKA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "media/reel.h"

struct matroska {
  bool is_matroska;      /* false: the reel begins with other bytes, and nothing else is set */
  bool is_cut;           /* the Segment, or a Cluster of known size, goes beyond the end of the reel */
  bool has_duration;
  double duration_s;     /* that the Segment states */
};
MUST_USE int matroska_read(struct reel *reel, struct matroska *ret, struct err *err);

#endif
