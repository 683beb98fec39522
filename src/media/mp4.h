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

#define MP4_RATE_ONE 65536

struct mp4_edit {
  uint64_t duration;  /* in units of the movie's timescale */
  int64_t media_time; /* in units of the track's timescale; -1: an empty edit, which shows nothing */
  int32_t rate;       /* MP4_RATE_ONE: normal speed; 0: a dwell, which shows one picture for the duration */
  bool is_open;       /* to the end of the media, whatever the duration: the last edit of a fragmented file whose
                       * duration is 0 or covers only the samples of the moov box */
};

struct mp4_size {
  uint32_t width, height;
};

struct mp4_track {
  uint32_t id;
  bool is_video;             /* the handler is vide or pict. Only then is anything below set, except samples */
  uint32_t timescale;        /* not 0 if is_video */
  bool is_external;          /* its samples are in another file */
  uint64_t samples;          /* that the moov box lists */
  uint64_t fragment_samples; /* that moof boxes list */
  /* Of both: those with a byte that is not before the end of the reel. If it is not 0, the video is truncated. */
  uint64_t samples_beyond;
  /* Of `samples`: those of 0 bytes, which repeat the picture before. A demuxer may give no packet for them. */
  uint64_t empty_samples;
  uint64_t media_duration; /* in units of timescale; 0: unknown */
  /* How much later than the media's own time libavformat gives the pictures, in units of timescale: the largest
   * negative composition offset in fragments. mp4_show takes it into account. In a file without fragments libavformat
   * moves the decoding times instead, and this is 0. */
  int64_t time_shift;
  struct mp4_size sizes[2]; /* of the sample entries that its samples use: the first two that differ */
  size_t size_count;        /* how many sizes differ; 0: no sample entry */
  size_t format_count;      /* how many types of them differ (avc1, hvc1 …). libavformat reads one type only */
  struct mp4_edit *edits;
  size_t edit_count; /* 0: all is shown */
};

struct mp4 {
  bool is_mp4;        /* false: the reel begins with other bytes, and nothing else is set */
  bool has_moov;      /* a whole one */
  uint64_t moovs;     /* more than 1: files that were joined. The first one is read; players ignore the others too */
  bool is_fragmented; /* an mvex box */
  uint64_t fragments; /* moof boxes */
  bool is_init_only;  /* moov with mvex, no samples, no fragment: an init segment */
  bool is_segment;    /* fragments without moov: a segment without its init segment */
  bool is_reference;  /* a QuickTime reference movie: the moov box only names other files */
  /* One of these goes beyond the end of the reel: moov, a box of a fragmented file that video may be in or follow,
   * the media that a sidx of the video lists. */
  bool is_cut;
  char cut_what[5];   /* type of that box, printable; empty: not even its type is there */
  uint32_t timescale; /* the movie's; not 0 if a track has edits */
  struct mp4_track *tracks;
  size_t count;
};
void mp4_fini(struct mp4 *mp4);
/* -ERR_MEDIA: a box contradicts itself, or the moov box is compressed; the text says "its box 'stsz' …", and the
 * caller puts the path before it. -ERR_IO: as of reel_read. Memory is bounded; time is bounded by the bytes of boxes
 * other than mdat. The caller calls mp4_fini in any case.
 *
 * A file is truncated if is_cut, or if samples_beyond of the video that is measured is not 0. A sound track or an
 * mdat box of a file without fragments may go beyond the end without that. */
MUST_USE int mp4_read(struct reel *reel, struct mp4 *ret, struct err *err);

/* A picture as a demuxer that ignores edit lists gives it, in units of the track's timescale. */
struct mp4_picture {
  int64_t time, duration;
};
/* The time that a track's edits show of these pictures. A picture is shown until the next one; the last one for its
 * own duration. pictures: in any order; sorted in place. Without an edit list: all of them. Media that two edits show
 * count twice. Appends lines that explain it to `explanation`, unless that is NULL. */
struct mp4_shown {
  int64_t num, den; /* seconds = num / den; den > 0 */
};
struct mp4_shown mp4_show(const struct mp4 *mp4, const struct mp4_track *track, struct mp4_picture *pictures,
                          size_t count, struct buf *explanation);

#endif
