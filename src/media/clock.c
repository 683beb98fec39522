/* Decoding times tell where a piece begins, because they only grow within a piece. Times of showing tell how long it is.
 *
 * In a transport stream the PCR must leap as well: a slide show has large steps of the video's times, but a steady clock.
 * A step is also none if it is what the stream's pictures last anyway, or if the packets of another stream go on in
 * the meantime.
 */
#include "media/clock.h"

#include <inttypes.h>
#include <math.h>

#define TOTAL_MAX (INT64_MAX / 2)
#define BREAKS_LOOKED_AT 1000 /* near one step: bounds the time for a hostile file */
#define BREAK_SLACK_S 1.0     /* the video may step by this much more or less than the PCR: a muxer's buffer may differ */
#define STEP_MAX_S 10.0    /* without a PCR: design section 4 */
#define SOUND_STEP_S 1.0   /* between packets of sound that goes on */
#define BACK_SLACK_S 1.0   /* a smaller step back, without a break and not to a key picture, is disorder of the muxer */
#define DELAY_MAX_S 60.0   /* between decoding and showing a picture; more is a damaged time */
#define GAP_MENTIONED_S 60.0
#define LINES_MAX 1000
#define NEAR (INT64_C(1) << 20) /* bytes: at 80 Mbit/s the 0.1 s that may lie between two PCRs */

void clock_reading_init(struct clock_reading *reading, const struct clock_rules *rules) {
  bool is_period_sane = rules->period > 0 && rules->period < CLOCK_FAR;
  *reading = (struct clock_reading){.rules = *rules,
                                    .last_dts = CLOCK_NONE,
                                    .sound_begin = CLOCK_NONE,
                                    .sound_end = CLOCK_NONE,
                                    .begin = CLOCK_NONE,
                                    .first = CLOCK_NONE,
                                    .end = CLOCK_NONE};
  if (!is_period_sane) reading->rules.period = 0;
}

static int64_t sane(int64_t time) { return time > -CLOCK_FAR && time < CLOCK_FAR ? time : CLOCK_NONE; }

static int64_t units(const struct clock_reading *reading, double seconds) {
  return (int64_t)(seconds / reading->rules.unit);
}

static double seconds(const struct clock_reading *reading, int64_t value) { return (double)value * reading->rules.unit; }

/* The value nearest to `near` that is `time` modulo the wrap. */
static int64_t unwrap(const struct clock_reading *reading, int64_t time, int64_t near) {
  int bits = reading->rules.wrap_bits;
  if (bits == 0 || time == CLOCK_NONE || near == CLOCK_NONE) return time;
  uint64_t size = UINT64_C(1) << bits, step = ((uint64_t)time - (uint64_t)near) & (size - 1);
  return near + (step >= size / 2 ? (int64_t)step - (int64_t)size : (int64_t)step);
}

/* Sound runs without steps, so a run of it shows that the clock goes on while a picture is held. Packets of video are
 * given later than those of sound that were written before them: so the run must be remembered, not only its end. */
static void see_sound(struct clock_reading *reading, const struct clock_packet *packet) {
  int64_t time = packet->dts != CLOCK_NONE ? packet->dts : packet->pts;
  if (time == CLOCK_NONE) return;
  int64_t near = reading->sound_end != CLOCK_NONE ? reading->sound_end : reading->last_dts;
  time = unwrap(reading, time, near);
  int64_t step = reading->sound_end != CLOCK_NONE ? time - reading->sound_end : INT64_MAX, limit = units(reading, SOUND_STEP_S);
  if (step > limit || step < -limit) reading->sound_begin = reading->sound_end = time;
  if (time > reading->sound_end) reading->sound_end = time;
}

/* True if a run of sound goes from one time to another. */
static bool has_sound(const struct clock_reading *reading, int64_t from, int64_t to) {
  int64_t limit = units(reading, SOUND_STEP_S), slack = (to - from) / 4 < limit ? (to - from) / 4 : limit;
  int64_t begin = unwrap(reading, reading->sound_begin, from);
  int64_t end = begin + (reading->sound_end - reading->sound_begin);
  return begin <= from + slack && end >= to - slack;
}

/* True if sound goes on from the previous picture to the one after the step. The first decoding times of a slide show may
 * lie before everything else, so the times of showing are tried too. */
static bool is_bridged(const struct clock_reading *reading, int64_t dts, int64_t time) {
  if (reading->sound_end == CLOCK_NONE) return false;
  return has_sound(reading, reading->last_dts, dts) ||
         (time > reading->last_time && has_sound(reading, reading->last_time, time));
}

/* True if a leap of the PCR explains a step of the video. The picture before the leap may have been held in addition. */
static bool explains(const struct clock_reading *reading, const struct ts_break *at, int64_t step) {
  double leap = (double)at->step / TS_CLOCK, rest = fabs(seconds(reading, step) - leap);
  return rest <= BREAK_SLACK_S || rest <= fabs(leap) / 2;
}

/* Finds a break that explains a step, near the bytes between the previous picture and this one. Near, because the PCR is
 * written some packets before or after the picture that it belongs to. NULL: there is none. */
static const struct ts_break *find_break(struct clock_reading *reading, int64_t position, int64_t step) {
  const struct clock_rules *rules = &reading->rules;
  uint64_t from = reading->last_position > NEAR ? (uint64_t)(reading->last_position - NEAR) : 0;
  uint64_t to = (uint64_t)position + NEAR;
  while (reading->next_break < rules->break_count && rules->breaks[reading->next_break].position < from)
    reading->next_break++;
  for (size_t i = reading->next_break; i < rules->break_count && i - reading->next_break < BREAKS_LOOKED_AT; i++) {
    if (rules->breaks[i].position > to) return NULL;
    if (explains(reading, &rules->breaks[i], step)) return &rules->breaks[i];
  }
  return NULL;
}

static int64_t picture_duration(const struct clock_reading *reading, const struct clock_packet *packet) {
  return packet->duration > 0 ? packet->duration : reading->rules.period;
}

/* A piece that a leap has cut may lack pictures that would be shown before its last ones, and has those of its neighbour
 * beside it. Decoding times have no such holes. Both lengths are equal in a piece that lacks nothing. */
static int64_t piece_length(const struct clock_reading *reading, bool is_cut) {
  return is_cut || reading->lacks_time ? reading->end_dts - reading->first_dts : reading->end - reading->first;
}

static void close_piece(struct clock_reading *reading, int64_t step) {
  struct buf *out = reading->rules.explanation;
  if (reading->first == CLOCK_NONE) return;
  int64_t length = piece_length(reading, step != 0 || reading->pieces > 0);
  if (out != NULL && reading->pieces < LINES_MAX) {
    buf_printf(out, "piece %" PRIu64 ": from %.3f s to %.3f s, %.3f s", reading->pieces + 1,
               seconds(reading, reading->first), seconds(reading, reading->first + length), seconds(reading, length));
    if (step != 0) buf_printf(out, "; then the clock steps by %+.3f s", seconds(reading, step));
    buf_char(out, '\n');
  }
  if (reading->pieces++ == 0) reading->begin = reading->first;
  reading->before = length < TOTAL_MAX - reading->before ? reading->before + length : TOTAL_MAX;
  reading->first = reading->end = CLOCK_NONE;
  reading->lacks_time = false;
}

/* While a picture is held and the clock goes on, at least one packet with a PCR is written each second; a longer step of the
 * PCR would be a break. Fewer bytes than half of these mean that the clock is another one: its PCR may be on another PID,
 * so that no break was seen. */
static bool is_clock_steady(const struct clock_reading *reading, int64_t position, int64_t step) {
  return (double)(position - reading->last_position) >= seconds(reading, step) * TS_PACKET / 2;
}

static bool is_break(struct clock_reading *reading, const struct clock_packet *packet, int64_t dts, int64_t time,
                     const struct ts_break *at) {
  int64_t step = dts - reading->last_dts, usual = reading->last_duration;
  if (reading->rules.period > usual) usual = reading->rules.period;
  if (step < 0) return at != NULL || packet->is_key || -step > units(reading, BACK_SLACK_S);
  if (step <= 2 * usual) return false;
  bool is_flagged = at != NULL && at->is_flagged;
  if (!is_flagged && is_bridged(reading, dts, time)) return false;
  switch (reading->rules.rule) {
    case CLOCK_HELD: return false;
    case CLOCK_PIECES: return step > units(reading, STEP_MAX_S);
    case CLOCK_BREAKS:
      return at != NULL || (step > units(reading, STEP_MAX_S) && !is_clock_steady(reading, packet->position, step));
  }
  return false;
}

static void mention_gap(struct clock_reading *reading, int64_t time) {
  struct buf *out = reading->rules.explanation;
  if (reading->end != CLOCK_NONE && time - reading->end > reading->longest_gap) reading->longest_gap = time - reading->end;
  if (reading->end == CLOCK_NONE || time - reading->end <= units(reading, GAP_MENTIONED_S)) return;
  reading->gaps++;
  if (out == NULL || reading->gaps > LINES_MAX) return;
  buf_printf(out, "gap: no picture for %.3f s after %.3f s; the picture before it is counted as held\n",
             seconds(reading, time - reading->end), seconds(reading, reading->end));
}

static void extend(struct clock_reading *reading, int64_t time, int64_t dts, int64_t duration) {
  mention_gap(reading, time);
  bool is_first = reading->first == CLOCK_NONE;
  if (is_first || dts < reading->first_dts) reading->first_dts = dts;
  if (is_first || dts + duration > reading->end_dts) reading->end_dts = dts + duration;
  if (is_first || time < reading->first) reading->first = time;
  if (reading->end == CLOCK_NONE || time + duration > reading->end) reading->end = time + duration;
}

static void see_video(struct clock_reading *reading, const struct clock_packet *packet) {
  int64_t duration = picture_duration(reading, packet);
  int64_t dts = packet->dts != CLOCK_NONE ? packet->dts : packet->pts;
  bool is_timeless = dts == CLOCK_NONE;
  if (is_timeless && reading->last_dts == CLOCK_NONE) return;
  dts = is_timeless ? reading->last_dts + reading->last_duration : unwrap(reading, dts, reading->last_dts);
  int64_t time = packet->pts != CLOCK_NONE ? unwrap(reading, packet->pts, dts) : dts;
  bool is_far = time - dts > units(reading, DELAY_MAX_S) || dts - time > units(reading, DELAY_MAX_S);
  if (is_far) time = dts;
  if (reading->last_dts != CLOCK_NONE) {
    const struct ts_break *at = find_break(reading, packet->position, dts - reading->last_dts);
    if (is_break(reading, packet, dts, time, at)) {
      close_piece(reading, dts - reading->last_dts);
      if (at != NULL) reading->next_break = (size_t)(at - reading->rules.breaks) + 1; /* it explains one step */
    }
  }
  if (packet->pts == CLOCK_NONE || is_far) reading->lacks_time = true;
  reading->last_position = packet->position;
  reading->last_dts = dts;
  reading->last_time = time;
  reading->last_duration = duration;
  if (!packet->is_hidden) extend(reading, time, dts, duration);
}

void clock_reading_see(struct clock_reading *reading, const struct clock_packet *packet) {
  struct clock_packet clean = *packet;
  clean.pts = sane(packet->pts);
  clean.dts = sane(packet->dts);
  if (packet->duration < 0 || packet->duration >= CLOCK_FAR) clean.duration = 0;
  if (packet->position < 0) clean.position = reading->last_position;
  if (packet->is_video) see_video(reading, &clean);
  if (packet->is_sound) see_sound(reading, &clean);
}

int64_t clock_reading_end(struct clock_reading *reading) {
  bool any = reading->first != CLOCK_NONE || reading->pieces > 0;
  close_piece(reading, 0);
  return any ? reading->before : CLOCK_NONE;
}
