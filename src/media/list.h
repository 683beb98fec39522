/* What a playlist or a manifest plays, as the list itself says: renditions, each with the spans of its media. Nothing is
 * demuxed here. hls.c reads HLS playlists (RFC 8216), dash.c DASH manifests (ISO/IEC 23009-1).
 */
#ifndef CODECMETER_MEDIA_LIST_H
#define CODECMETER_MEDIA_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/vector.h"
#include "media/media.h"

#define STRETCHES_MAX 50000 /* of a list, in all its renditions: each takes about 0.5 ms to measure */

/* Spans of a rendition that have one init segment and one clock. A new stretch begins where the init segment changes, at
 * a discontinuity that the list marks, and at a new period. */
struct stretch {
  struct media_span init; /* path NULL: there is none */
  size_t first, count;    /* of rendition.spans */
  /* What a manifest's period plays of the media: */
  uint64_t from_us;  /* the time of the media at which it begins; 0: at their begin */
  uint64_t plays_us; /* at most so long; 0: unknown */
  uint64_t slack_us; /* the two may be this far from the media's own times */
};

struct rendition {
  char *name; /* media_output.name */
  bool is_usable; /* false: `why` says why not (encrypted, a segment is missing, only the end is listed …) */
  struct err why;
  VECTOR(struct media_span) spans; /* without init segments; ranges of a file that follow each other are one span; a
                                    * list that plays ranges of a whole file gives that file as one span without an
                                    * init segment */
  VECTOR(struct stretch) stretches;
  uint64_t stated_us;   /* the length that the list states; 0: unknown */
  uint64_t skipped_us;  /* what may have come before the first segment, by its number or its time; 0: nothing. The list
                         * does not say whether it is a part; the times of the media do */
  uint64_t rounding_us; /* how much of stated_us may come from rounding: playlists with whole seconds */
};

void rendition_fini(struct rendition *rendition);
/* -ERR_MEDIA: the stretch plays only a part of its media, which show pictures for `seconds` from the time begin_s on. */
MUST_USE int stretch_check(const struct rendition *rendition, const struct stretch *stretch, double begin_s,
                           double seconds, struct err *err);

struct list {
  VECTOR(struct rendition); /* each media playlist or representation once, in the list's order; those that the list
                             * itself declares to be sound, subtitles or key pictures are left out */
  struct media_parts parts; /* media.parts */
  enum media_refusal refusal; /* if the reader returned -ERR_MEDIA */
};
void list_fini(struct list *list);

/* path: absolute. 0: there is at least one rendition. -ERR_MEDIA: the list is refused as a whole; ret->refusal says as
 * what. -ERR_IO, -ERR_MEMORY: another try may succeed. Fills ret in any case; the caller calls list_fini. Reads only
 * regular local files, bounded in size, count and depth. */
MUST_USE int hls_read(const char *path, struct list *ret, struct err *err);
MUST_USE int dash_read(const char *path, struct list *ret, struct err *err);

#endif
