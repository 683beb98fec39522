/* Measures one reel: a file, or one stretch of a list's rendition. docs/measuring.md has the rules. */
#ifndef CODECMETER_MEDIA_MEASURE_H
#define CODECMETER_MEDIA_MEASURE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "media/media.h"
#include "media/reel.h"

struct measured {
  char codec[MEDIA_CODEC_SIZE];
  uint32_t width, height;
  int64_t num, den; /* seconds that pictures are shown = num / den */
  double begin_s;   /* the time of the first picture, as the media state it; 0: unknown */
  uint32_t rate_num, rate_den;
};

struct measure_options {
  const struct media_options *media;
  bool is_stretch;         /* of a list: it states no length of its own, and may begin at any time */
  struct buf *explanation; /* NULL: none */
};

/* -ERR_MEDIA: refused; *ret_refusal says as what, and err begins with the name. -ERR_IO, -ERR_MEMORY: another try may
 * succeed. */
MUST_USE int measure_reel(struct reel *reel, const char *name, const struct measure_options *options,
                          struct measured *ret, enum media_refusal *ret_refusal, struct err *err);

#endif
