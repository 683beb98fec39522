/* Adds up the time that pictures are shown, from the times of packets. Pure: no libav.
 *
 * Pieces: a new one begins where the clock leaps or begins again (design section 4), and pieces add up.
 *
 * Strays: one or two pictures whose decoding times step away by more than 1 s, while the next picture is again within some
 * seconds of the time before, have damaged times. They are left out; the picture before them is held meanwhile. So is a longer
 * run, as of one Matroska Cluster or MP4 fragment, if the picture behind it goes on as if the run had been in its place,
 * and if the run would add more time than it lasts.
 */
#ifndef CODECMETER_MEDIA_CLOCK_H
#define CODECMETER_MEDIA_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "media/ts.h"

#define CLOCK_NONE INT64_MIN
#define CLOCK_FAR (INT64_C(1) << 56) /* no time is beyond it, also none that is added up: so that sums do not overflow */

enum clock_rule {
  CLOCK_HELD,   /* a gap is a held picture; a restart is a new piece */
  CLOCK_PIECES, /* a step beyond 10 s that no sound bridges, or a restart, is a new piece */
  CLOCK_BREAKS, /* a new piece begins at a restart, at a step beside one of the given breaks and about as large as it, and at a
                 * step beyond 10 s within too few bytes for a clock that goes on */
};

struct clock_rules {
  enum clock_rule rule;
  int wrap_bits;          /* times count modulo 2 to this; 0: they do not wrap */
  double unit;            /* seconds per unit of time */
  int64_t period;         /* of a picture, for packets that state no duration; 0: unknown */
  int64_t stated;         /* the length that the container states for all streams; 0: unknown */
  const struct ts_break *breaks; /* positions ascend; borrowed */
  size_t break_count;
  struct buf *explanation; /* gets lines; NULL: none */
};

struct clock_packet {
  bool is_video, is_sound, is_key, is_hidden;
  int64_t pts, dts, duration; /* CLOCK_NONE, CLOCK_NONE, 0: unknown. Beyond CLOCK_FAR they count as unknown */
  int64_t position;           /* -1: unknown */
};

#define CLOCK_REORDERED 34 /* pictures, here fields: H.264 and HEVC show a picture at most 16 pictures after it is decoded */
#define CLOCK_MARKS 4

/* What a stray is rolled back to. */
struct clock_state {
  size_t next_break;
  int64_t last_dts, last_time;   /* of the video, unwrapped; CLOCK_NONE: none yet */
  int64_t last_duration, last_position;
  int64_t first, end;            /* of the current piece, by times of showing; CLOCK_NONE: it is empty */
  int64_t first_dts, end_dts;    /* of the current piece, by decoding times */
  bool lacks_time;               /* a picture of the current piece states no time of showing, or a damaged one */
  bool is_disordered;            /* a time of showing is too far from the times around it */
  int64_t before;                /* the time of earlier pieces */
  int64_t begin;                 /* of the first piece; CLOCK_NONE: none yet */
  uint64_t pieces, gaps;
  int64_t longest_held;          /* the longest time without a new picture in a piece: a gap, or what a picture states that it
                                  * lasts. INT64_MAX: times went beyond CLOCK_FAR, and the total says nothing */
  int64_t longest_back;          /* the longest step back that began a new piece */
  uint64_t shown;                /* pictures, without hidden ones and those that were left out */
  struct clock_recent {
    int64_t time, dts;
  } recent[CLOCK_REORDERED];     /* of the current piece, a ring */
  size_t recent_count;           /* pictures of the current piece */
};

/* A place where decoding times step away, which may be a stray's. */
struct clock_mark {
  struct clock_state state; /* before the step */
  size_t text;              /* length of the explanation */
  uint64_t pictures;        /* since the step */
  int64_t time;             /* the decoding time behind the step */
  int64_t offset, span;     /* of the latest picture from there, and the largest one, without steps that are away themselves */
};

struct clock_reading {
  struct clock_rules rules;
  struct clock_state now;
  struct clock_mark marks[CLOCK_MARKS]; /* the oldest first */
  size_t mark_count;
  int64_t sound_first;            /* the first time of sound; CLOCK_NONE: none yet */
  int64_t gap_begin, gap_end;     /* of a run of pictures that more than a minute follows: the decoding time at which it begins,
                                   * and the one at which it would begin if it were beside the others; CLOCK_NONE: none */
  int64_t sound_begin, sound_end; /* the latest run of sound without a step; CLOCK_NONE: none yet */
  uint64_t left_out;              /* pictures with damaged times, without hidden ones */
};

void clock_reading_init(struct clock_reading *reading, const struct clock_rules *rules);
/* May leave out pictures that it has seen: as many as left_out grows by, the latest before this one. */
void clock_reading_see(struct clock_reading *reading, const struct clock_packet *packet);
/* True if the first or the last pictures are more than a minute away from all others and from the sound, the sound begins or ends
 * where they would if they were in place, and no stated length says whether that is right. Before clock_reading_end. */
bool clock_reading_is_torn(const struct clock_reading *reading);
/* The time that pictures are shown, in units, at most INT64_MAX / 2; CLOCK_NONE: no packet had a time. Ends the
 * reading. */
int64_t clock_reading_end(struct clock_reading *reading);

#endif
