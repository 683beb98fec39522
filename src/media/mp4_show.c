/* Pictures in the order of their times fill the time from the first picture to the end of the last one without a
 * hole, because each is shown until the next. So an edit shows the part of that time that its own interval covers,
 * and no search through the pictures is needed, except for where an edit ends.
 *
 * An edit's duration is rounded to ticks of the movie, often 1/1000 s. So an end less than one tick from the end of
 * the media, or of a picture, is that end; else a picture would lose a part, or show a part of the next one.
 *
 * Arithmetic is exact in 128 bits. The unit "step" is one second divided by both timescales: a position in the media
 * is its time times the movie's timescale, a duration of an edit is its time times the track's timescale.
 */
#include <stdlib.h>

#include "base/check.h"
#include "media/mp4.h"

#define EXPLAINED_MAX 20 /* edits; more are only counted */

typedef __int128 wide;

#define TOTAL_MAX ((wide)1 << 120) /* what one edit shows is less than 2^114 steps */

struct timeline {
  const struct mp4_picture *pictures; /* sorted */
  size_t count;
  wide start, end; /* in steps */
  wide media_step; /* steps in a unit of the track's timescale: the movie's timescale */
  wide tick;       /* steps in a unit of the movie's timescale: the track's timescale */
  int64_t shift;   /* of the pictures' times, in units of the track's timescale */
};

static int by_time(const void *a, const void *b) {
  const struct mp4_picture *left = a, *right = b;
  if (left->time != right->time) return left->time < right->time ? -1 : 1;
  return left->duration < right->duration ? -1 : left->duration > right->duration;
}

static wide distance(wide a, wide b) { return a < b ? b - a : a - b; }

static wide clamp(wide value, wide low, wide high) { return value < low ? low : value > high ? high : value; }

/* Where the first picture begins whose time is not before a position; the end of the media if there is none. */
static wide boundary_from(const struct timeline *line, wide position) {
  size_t low = 0, high = line->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (line->pictures[middle].time * line->media_step < position)
      low = middle + 1;
    else
      high = middle;
  }
  return low < line->count ? line->pictures[low].time * line->media_step : line->end;
}

/* The end of an edit, moved to the end of a picture if rounding alone keeps it away from there. */
static wide settle(const struct timeline *line, wide end) {
  if (distance(end, line->end) < line->tick) return line->end;
  wide after = boundary_from(line, end), before = boundary_from(line, end - line->tick + 1);
  wide nearest = distance(after, end) < distance(before, end) ? after : before;
  return distance(nearest, end) < line->tick ? nearest : end;
}

/* Steps for which an edit shows pictures. */
static wide shown_by(const struct timeline *line, const struct mp4_edit *edit) {
  wide start = ((wide)edit->media_time + line->shift) * line->media_step,
       duration = (wide)edit->duration * line->tick;
  if (edit->media_time == -1) return 0;
  if (edit->is_open) return line->end - clamp(start, line->start, line->end);
  if (edit->rate == 0) return start >= line->start && start < line->end ? duration : 0;
  wide rate = edit->rate < 0 ? -(wide)edit->rate : edit->rate;
  wide end = settle(line, start + duration * rate / MP4_RATE_ONE);
  wide covered = clamp(end, line->start, line->end) - clamp(start, line->start, line->end);
  return covered > 0 ? covered * MP4_RATE_ONE / rate : 0;
}

static void explain(struct buf *out, size_t index, const struct timeline *line, const struct mp4_edit *edit,
                    wide shown) {
  double second = (double)line->media_step * (double)line->tick;
  if (out == NULL || index >= EXPLAINED_MAX) return;
  buf_printf(out, "edit %zu: ", index + 1);
  if (edit->media_time == -1) {
    buf_printf(out, "shows nothing for %.3f s\n", (double)edit->duration / (double)line->media_step);
    return;
  }
  buf_printf(out, "shows %.3f s, from %.3f s of the track", (double)shown / second,
             (double)edit->media_time / (double)line->tick);
  if (edit->rate == 0) buf_text(out, ", one picture that is held");
  if (edit->rate != 0 && edit->rate != MP4_RATE_ONE)
    buf_printf(out, ", at %.3f times the speed", (double)edit->rate / MP4_RATE_ONE);
  buf_char(out, '\n');
}

static struct mp4_shown fraction(wide num, wide den) {
  while (num > INT64_MAX || den > INT64_MAX) {
    num /= 2;
    den /= 2;
  }
  return (struct mp4_shown){(int64_t)num, den > 0 ? (int64_t)den : 1};
}

struct mp4_shown mp4_show(const struct mp4 *mp4, const struct mp4_track *track, struct mp4_picture *pictures,
                          size_t count, struct buf *explanation) {
  if (count == 0 || track->timescale == 0) return (struct mp4_shown){0, 1};
  qsort(pictures, count, sizeof *pictures, by_time);
  const struct mp4_picture *last = &pictures[count - 1];
  wide end = (wide)last->time + (last->duration > 0 ? last->duration : 0);
  if (track->edit_count == 0) return fraction(end - pictures->time, track->timescale);
  CHECK(mp4->timescale > 0);
  struct timeline line = {.pictures = pictures,
                          .count = count,
                          .start = (wide)pictures->time * mp4->timescale,
                          .end = end * mp4->timescale,
                          .media_step = mp4->timescale,
                          .tick = track->timescale,
                          .shift = track->time_shift};
  wide total = 0;
  for (size_t i = 0; i < track->edit_count; i++) {
    wide shown = shown_by(&line, &track->edits[i]);
    explain(explanation, i, &line, &track->edits[i], shown);
    total = clamp(total + shown, 0, TOTAL_MAX);
  }
  if (explanation != NULL && track->edit_count > EXPLAINED_MAX)
    buf_printf(explanation, "… edits that are not shown here: %zu\n", track->edit_count - EXPLAINED_MAX);
  return fraction(total, line.media_step * line.tick);
}
