/* What the top levels of a Matroska or WebM file say. Pure: no libav. Source: RFC 8794 (EBML), RFC 9559 (Matroska).
 */
#ifndef CODECMETER_MEDIA_MATROSKA_H
#define CODECMETER_MEDIA_MATROSKA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "media/reel.h"

/* A Segment with the EBML header before it: a file of its own. Files that are joined with `cat` have several, and
 * players read only the first. */
struct matroska_part {
  uint64_t start, end; /* of its bytes in the reel */
  uint64_t clusters;
  bool is_ordered; /* an edition of ordered chapters: players show other times than the blocks have */
};

struct matroska {
  bool is_matroska;     /* false: the reel begins with other bytes, and nothing else is set */
  bool is_cut;          /* video may be missing at the end of the reel: see cut_what */
  const char *cut_what; /* "Segment", "Cluster", "Block": the element that goes beyond the end. Static */
  struct matroska_part *parts;
  size_t count;
};
void matroska_fini(struct matroska *matroska);
/* -ERR_MEDIA: an element contradicts itself; the caller puts the path before the text. -ERR_IO: as of reel_read.
 * Memory is bounded; time is bounded by the number of elements. The caller calls matroska_fini in any case. */
MUST_USE int matroska_read(struct reel *reel, struct matroska *ret, struct err *err);

#endif
