/* What the parts of the MP4 reader share while they read a file: mp4.c (top level, fragments) and mp4_moov.c. */
#ifndef CODECMETER_MEDIA_MP4_READING_H
#define CODECMETER_MEDIA_MP4_READING_H

#include "media/box.h"
#include "media/mp4.h"

#define MP4_TRACKS_MAX 1024

struct mp4_entry { /* of stsd */
  uint32_t format;
  struct mp4_size size;
  uint16_t reference; /* of dref, from 1 */
  bool is_used;
};

/* What is known of a track only while the file is read. */
struct mp4_detail {
  struct mp4_entry *entries;
  uint32_t entry_count;
  uint32_t default_size, default_entry; /* of trex */
};

struct mp4_reading {
  struct reel *reel;
  uint64_t size;
  struct window headers;
  struct window sizes, chunks, runs; /* three tables are read side by side */
  struct mp4 *mp4;
  struct mp4_detail details[MP4_TRACKS_MAX]; /* one for each of mp4->tracks */
  uint64_t edits;
  uint64_t data_start, data_end; /* of the video in the last fragment */
};

/* Reads the moov box into reading->mp4. */
MUST_USE int mp4_read_moov(struct mp4_reading *reading, const struct box *moov, struct err *err);

struct mp4_track *mp4_track_of(const struct mp4 *mp4, uint32_t id); /* NULL if no track has this id */
bool mp4_has_samples(const struct mp4 *mp4);                        /* in the moov box */
/* How many of `count` samples of one size, from a position on, lie beyond the end of the reel. */
uint64_t mp4_beyond(const struct mp4_reading *reading, uint64_t position, uint32_t size, uint64_t count);
/* Notes that samples use an entry of stsd, counted from 1. */
void mp4_use_entry(struct mp4_detail *detail, uint32_t index);

#endif
