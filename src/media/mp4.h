/* What the boxes of an MP4 or QuickTime file say of its video, and what its edit list shows. Pure: no libav.
 * Source: ISO/IEC 14496-12; QuickTime File Format.
 */
#ifndef CODECMETER_MEDIA_MP4_H
#define CODECMETER_MEDIA_MP4_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "media/reel.h"

struct mp4_edit {
  uint64_t duration;  /* in units of the movie's timescale; 0 in the last edit of a fragmented file: to the end */
  int64_t media_time; /* in units of the track's timescale; -1: an empty edit, which shows nothing */
  double rate;        /* 0: a dwell */
};

struct mp4_track {
  uint32_t id, timescale;
  bool is_video;
  uint64_t samples;        /* that the moov box lists; 0 in a fragmented file */
  uint64_t media_duration; /* in units of timescale */
  struct mp4_edit *edits;
  size_t edit_count;
};

struct mp4 {
  bool is_mp4;        /* false: the reel begins with other bytes, and nothing else is set */
  bool has_moov, is_fragmented; /* an mvex box */
  uint64_t fragments; /* moof boxes */
  bool is_init_only;  /* moov with mvex, no samples, no fragment: an init segment */
  bool is_segment;    /* fragments without moov: a segment without its init segment */
  bool is_cut;        /* a box or a sidx goes beyond the end of the reel, see `cut_what` */
  char cut_what[5];   /* type of that box */
  uint32_t timescale; /* the movie's */
  struct mp4_track *tracks;
  size_t count;
};
void mp4_fini(struct mp4 *mp4);
/* -ERR_MEDIA: a box contradicts itself. Time and memory are bounded by the number of boxes, not by what they claim. */
MUST_USE int mp4_read(struct reel *reel, struct mp4 *ret, struct err *err);

/* A picture as a demuxer that ignores edit lists gives it, in units of the track's timescale. */
struct mp4_picture {
  int64_t time, duration;
};
/* The time that the track's edits show of these pictures, in the track's timescale times the movie's timescale per second
 * to stay exact (a rational). pictures: in any order; sorted in place. Without an edit list: all of them. Appends lines
 * that explain it to `explanation`, unless that is NULL. */
struct mp4_shown {
  int64_t num, den; /* seconds = num / den */
};
struct mp4_shown mp4_show(const struct mp4 *mp4, const struct mp4_track *track, struct mp4_picture *pictures, size_t count,
                          struct buf *explanation);

#endif
