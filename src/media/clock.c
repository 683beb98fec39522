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
#define GAP_MENTIONED_S 60.0
#define LINES_MAX 1000
#define NEAR (INT64_C(1) << 20) /* bytes: at 80 Mbit/s the 0.1 s that may lie between two PCRs */

void clock_reading_init(struct clock_reading *reading, const struct clock_rules *rules) {
  bool is_period_sane = rules->period > 0 && rules->period < CLOCK_FAR;
  *reading = (struct clock_reading){.rules = *rules,
                                    .last_dts = CLOCK_NONE,
                                    .sound_begin = CLOCK_NONE,
                                    .sound_end = CLOCK_NONE,
                                    .first = CLOCK_NONE,
                                    .end = CLOCK_NONE,
                                    .last_end = CLOCK_NONE};
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

/* True if a run of sound goes from the previous picture to the one after the step. */
static bool is_bridged(const struct clock_reading *reading, int64_t dts) {
  if (reading->sound_end == CLOCK_NONE) return false;
  int64_t step = dts - reading->last_dts, limit = units(reading, SOUND_STEP_S), slack = step / 4 < limit ? step / 4 : limit;
  int64_t begin = unwrap(reading, reading->sound_begin, reading->last_dts);
  int64_t end = begin + (reading->sound_end - reading->sound_begin);
  return begin <= reading->last_dts + slack && end >= dts - slack;
}

/* True if a leap of the PCR explains a step of the video. The picture before the leap may have been held in addition. */
static bool explains(const struct clock_reading *reading, const struct ts_break *at, int64_t step) {
  double leap = (double)at->step / TS_CLOCK, rest = fabs(seconds(reading, step) - leap);
  return rest <= BREAK_SLACK_S || rest <= fabs(leap) / 2;
}

/* Finds a break that explains a step, near the bytes between the previous picture and this one. Near, because the PCR is
 * written some packets before or after the picture that it belongs to. */
static bool find_break(struct clock_reading *reading, int64_t position, int64_t step, size_t *ret) {
  const struct clock_rules *rules = &reading->rules;
  uint64_t from = reading->last_position > NEAR ? (uint64_t)(reading->last_position - NEAR) : 0;
  uint64_t to = (uint64_t)position + NEAR;
  while (reading->next_break < rules->break_count && rules->breaks[reading->next_break].position < from)
    reading->next_break++;
  for (size_t i = reading->next_break; i < rules->break_count && i - reading->next_break < BREAKS_LOOKED_AT; i++) {
    if (rules->breaks[i].position > to) return false;
    *ret = i;
    if (explains(reading, &rules->breaks[i], step)) return true;
  }
  return false;
}

static int64_t picture_duration(const struct clock_reading *reading, const struct clock_packet *packet) {
  return packet->duration > 0 ? packet->duration : reading->rules.period;
}

/* Pictures are shown as much later than they are decoded as the piece's first picture, all in all. So the piece's end is
 * known even if a picture near it has no time of showing, which is usual in program streams with B-pictures. */
static void settle_end(struct clock_reading *reading) {
  int64_t end = reading->last_dts + reading->delay + reading->last_duration;
  if (reading->has_timeless && reading->has_delay && end > reading->end) reading->end = end;
}

/* step: to the decoding time of the next piece. next: when its first picture is shown, which ends the one before, even if
 * the demuxer gives that a longer duration. Behind a step forward, no time counts in both pieces. */
static void close_piece(struct clock_reading *reading, int64_t step, int64_t next) {
  struct buf *out = reading->rules.explanation;
  if (reading->first == CLOCK_NONE) return;
  settle_end(reading);
  if (step > 0 && next > reading->first && next < reading->end) reading->end = next;
  reading->has_delay = reading->has_timeless = false;
  if (reading->last_end != CLOCK_NONE && reading->first < reading->last_end) reading->first = reading->last_end;
  if (reading->end < reading->first) reading->end = reading->first;
  reading->last_end = step > 0 ? reading->end : CLOCK_NONE;
  int64_t length = reading->end - reading->first;
  if (out != NULL && reading->pieces < LINES_MAX) {
    buf_printf(out, "piece %" PRIu64 ": from %.3f s to %.3f s, %.3f s", reading->pieces + 1,
               seconds(reading, reading->first), seconds(reading, reading->end), seconds(reading, length));
    if (step != 0) buf_printf(out, "; then the clock steps by %+.3f s", seconds(reading, step));
    buf_char(out, '\n');
  }
  reading->pieces++;
  reading->before = length < TOTAL_MAX - reading->before ? reading->before + length : TOTAL_MAX;
  reading->first = reading->end = CLOCK_NONE;
}

/* While a picture is held and the clock goes on, at least one packet with a PCR is written each second; a longer step of the
 * PCR would be a break. Fewer bytes than half of these mean that the clock is another one: its PCR may be on another PID,
 * so that no break was seen. */
static bool is_clock_steady(const struct clock_reading *reading, int64_t position, int64_t step) {
  return (double)(position - reading->last_position) >= seconds(reading, step) * TS_PACKET / 2;
}

static bool is_break(struct clock_reading *reading, const struct clock_packet *packet, int64_t position, int64_t dts,
                     bool is_near) {
  int64_t step = dts - reading->last_dts, usual = reading->last_duration;
  if (reading->rules.period > usual) usual = reading->rules.period;
  if (step < 0) return is_near || packet->is_key || -step > units(reading, BACK_SLACK_S);
  if (step <= 2 * usual || is_bridged(reading, dts)) return false;
  switch (reading->rules.rule) {
    case CLOCK_HELD: return false;
    case CLOCK_PIECES: return step > units(reading, STEP_MAX_S);
    case CLOCK_BREAKS: return is_near || (step > units(reading, STEP_MAX_S) && !is_clock_steady(reading, position, step));
  }
  return false;
}

static void mention_gap(struct clock_reading *reading, int64_t time) {
  struct buf *out = reading->rules.explanation;
  if (reading->end == CLOCK_NONE || time - reading->end <= units(reading, GAP_MENTIONED_S)) return;
  reading->gaps++;
  if (out == NULL || reading->gaps > LINES_MAX) return;
  buf_printf(out, "gap: no picture for %.3f s after %.3f s; the picture before it is counted as held\n",
             seconds(reading, time - reading->end), seconds(reading, reading->end));
}

static void extend(struct clock_reading *reading, int64_t time, int64_t duration) {
  mention_gap(reading, time);
  if (reading->first == CLOCK_NONE || time < reading->first) reading->first = time;
  if (reading->end == CLOCK_NONE || time + duration > reading->end) reading->end = time + duration;
}

static int64_t time_of(struct clock_reading *reading, const struct clock_packet *packet, int64_t dts) {
  if (!reading->has_delay) reading->delay = 0;
  if (packet->pts == CLOCK_NONE) reading->has_timeless = true;
  if (packet->pts == CLOCK_NONE) return dts + reading->delay;
  int64_t time = unwrap(reading, packet->pts, dts);
  if (!reading->has_delay) reading->delay = time - dts;
  reading->has_delay = true;
  return time;
}

static void see_video(struct clock_reading *reading, const struct clock_packet *packet) {
  int64_t position = packet->position >= 0 ? packet->position : reading->last_position;
  if (!packet->is_hidden) reading->pictures++;
  int64_t dts = packet->dts != CLOCK_NONE ? packet->dts : packet->pts;
  if (dts == CLOCK_NONE) return;
  if (reading->last_dts != CLOCK_NONE) {
    dts = unwrap(reading, dts, reading->last_dts);
    size_t at = 0;
    bool is_near = find_break(reading, position, dts - reading->last_dts, &at);
    if (is_break(reading, packet, position, dts, is_near)) {
      int64_t next = packet->pts != CLOCK_NONE ? unwrap(reading, packet->pts, dts) : dts;
      close_piece(reading, dts - reading->last_dts, next);
      if (is_near) reading->next_break = at + 1; /* it explains one step */
    }
  }
  reading->last_position = position;
  int64_t duration = picture_duration(reading, packet);
  reading->last_dts = dts;
  reading->last_duration = duration;
  int64_t time = time_of(reading, packet, dts);
  if (!packet->is_hidden) extend(reading, time, duration);
}

void clock_reading_see(struct clock_reading *reading, const struct clock_packet *packet) {
  struct clock_packet clean = *packet;
  clean.pts = sane(packet->pts);
  clean.dts = sane(packet->dts);
  if (packet->duration < 0 || packet->duration >= CLOCK_FAR) clean.duration = 0;
  if (packet->is_video) see_video(reading, &clean);
  if (packet->is_sound) see_sound(reading, &clean);
}

int64_t clock_reading_end(struct clock_reading *reading) {
  bool any = reading->first != CLOCK_NONE || reading->pieces > 0;
  close_piece(reading, 0, 0);
  return any ? reading->before : CLOCK_NONE;
}
