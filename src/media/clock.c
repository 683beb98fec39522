/* Decoding times tell where a piece begins, because they only grow within a piece. Times of showing tell how long it is.
 *
 * In a transport stream the PCR must leap as well: a slide show has large steps of the video's times, but a steady clock.
 * A step is also none if it is what the stream's pictures last anyway, or if the packets of another stream go on in
 * the meantime.
 *
 * Whether a step is a stray's is only known some pictures later. So the state before each large step is kept as a mark, and
 * restored if a later picture turns out to go on there. What a leap adds to the total is the same either way, where
 * pieces add up; a held picture that was none is taken back.
 */
#include "media/clock.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define TOTAL_MAX (INT64_MAX / 2)
#define BREAKS_LOOKED_AT 1000 /* near one step: bounds the time for a hostile file */
#define BREAK_SLACK_S 1.0     /* the video may step by this much more or less than the PCR: a muxer's buffer may differ */
#define STEP_MAX_S 10.0    /* without a PCR: design section 4 */
#define SOUND_STEP_S 1.0   /* between packets of sound that goes on */
#define BACK_SLACK_S 1.0   /* a smaller step back, without a break and not to a key picture, is disorder of the muxer */
#define DELAY_MAX_S 60.0   /* between decoding and showing a picture; more is a damaged time */
#define GAP_MENTIONED_S 60.0
#define AWAY_S 1.0         /* a smaller step is no stray's */
#define STRAYS 2           /* pictures in a row, whose times may stray to any place each */
#define FIELDS_SEEN 3     /* pictures that show how long each is */
#define NEAR_S 3.0         /* behind strays, a picture comes so soon after the time before, or sooner */
#define RUN_MAX_S 60.0     /* a longer run of pictures is no stray */
#define TORN_S 60.0
#define LINES_MAX 1000
#define NEAR (INT64_C(1) << 20) /* bytes: at 80 Mbit/s the 0.1 s that may lie between two PCRs */

void clock_reading_init(struct clock_reading *reading, const struct clock_rules *rules) {
  bool is_period_sane = rules->period > 0 && rules->period < CLOCK_FAR;
  *reading = (struct clock_reading){.rules = *rules,
                                    .now = {.last_dts = CLOCK_NONE,
                                            .begin = CLOCK_NONE,
                                            .first = CLOCK_NONE,
                                            .end = CLOCK_NONE},
                                    .sound_first = CLOCK_NONE,
                                    .gap_begin = CLOCK_NONE,
                                    .gap_end = CLOCK_NONE,
                                    .sound_begin = CLOCK_NONE,
                                    .sound_end = CLOCK_NONE};
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

/* A time that was added up or unwrapped, and may have left the bounds that a packet's own times have. */
static int64_t bounded(struct clock_reading *reading, int64_t time) {
  int64_t inside = time < -CLOCK_FAR ? -CLOCK_FAR : time > CLOCK_FAR ? CLOCK_FAR : time;
  if (inside != time) reading->now.longest_held = INT64_MAX;
  return inside;
}

/* Sound runs without steps, so a run of it shows that the clock goes on while a picture is held. Packets of video are
 * given later than those of sound that were written before them: so the run must be remembered, not only its end. */
static void see_sound(struct clock_reading *reading, const struct clock_packet *packet) {
  int64_t time = packet->dts != CLOCK_NONE ? packet->dts : packet->pts;
  if (time == CLOCK_NONE) return;
  int64_t near = reading->sound_end != CLOCK_NONE ? reading->sound_end : reading->now.last_dts;
  time = bounded(reading, unwrap(reading, time, near));
  int64_t step = reading->sound_end != CLOCK_NONE ? time - reading->sound_end : INT64_MAX, limit = units(reading, SOUND_STEP_S);
  if (step > limit || step < -limit) reading->sound_begin = reading->sound_end = time;
  if (time > reading->sound_end) reading->sound_end = time;
  if (reading->sound_first == CLOCK_NONE) reading->sound_first = time;
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
  return has_sound(reading, reading->now.last_dts, dts) ||
         (time > reading->now.last_time && has_sound(reading, reading->now.last_time, time));
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
  uint64_t from = reading->now.last_position > NEAR ? (uint64_t)(reading->now.last_position - NEAR) : 0;
  uint64_t to = (uint64_t)position + NEAR;
  while (reading->now.next_break < rules->break_count && rules->breaks[reading->now.next_break].position < from)
    reading->now.next_break++;
  for (size_t i = reading->now.next_break; i < rules->break_count && i - reading->now.next_break < BREAKS_LOOKED_AT; i++) {
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
  return is_cut || reading->now.lacks_time ? reading->now.end_dts - reading->now.first_dts : reading->now.end - reading->now.first;
}

static void close_piece(struct clock_reading *reading, int64_t step) {
  struct buf *out = reading->rules.explanation;
  if (reading->now.first == CLOCK_NONE) return;
  int64_t length = piece_length(reading, step != 0 || reading->now.pieces > 0);
  if (out != NULL && reading->now.pieces < LINES_MAX) {
    buf_printf(out, "piece %" PRIu64 ": from %.3f s to %.3f s, %.3f s", reading->now.pieces + 1,
               seconds(reading, reading->now.first), seconds(reading, reading->now.first + length), seconds(reading, length));
    if (step != 0) buf_printf(out, "; then the clock steps by %+.3f s", seconds(reading, step));
    buf_char(out, '\n');
  }
  if (reading->now.pieces++ == 0) reading->now.begin = reading->now.first;
  reading->now.before = length < TOTAL_MAX - reading->now.before ? reading->now.before + length : TOTAL_MAX;
  reading->now.first = reading->now.end = CLOCK_NONE;
  reading->now.lacks_time = false;
  reading->now.recent_count = 0;
  if (-step > reading->now.longest_back) reading->now.longest_back = -step;
}

/* While a picture is held and the clock goes on, at least one packet with a PCR is written each second; a longer step of the
 * PCR would be a break. Fewer bytes than half of these mean that the clock is another one: its PCR may be on another PID,
 * so that no break was seen. */
static bool is_clock_steady(const struct clock_reading *reading, int64_t position, int64_t step) {
  return (double)(position - reading->now.last_position) >= seconds(reading, step) * TS_PACKET / 2;
}

static int64_t usual_step(const struct clock_reading *reading, const struct clock_state *state) {
  return reading->rules.period > state->last_duration ? reading->rules.period : state->last_duration;
}

static bool is_break(struct clock_reading *reading, const struct clock_packet *packet, int64_t dts, int64_t time,
                     const struct ts_break *at) {
  int64_t step = dts - reading->now.last_dts, usual = usual_step(reading, &reading->now);
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
  struct clock_state *now = &reading->now;
  struct buf *out = reading->rules.explanation;
  if (now->end == CLOCK_NONE) return;
  int64_t gap = time - now->end;
  if (gap > now->longest_held) now->longest_held = gap;
  if (gap <= units(reading, GAP_MENTIONED_S)) return;
  now->gaps++;
  if (out == NULL || now->gaps > LINES_MAX) return;
  buf_printf(out, "gap: no picture for %.3f s after %.3f s; the picture before it is counted as held\n", seconds(reading, gap),
             seconds(reading, now->end));
}

/* A picture is shown after others that were decoded before it, but not after as many as no decoder keeps. If it says so, its
 * time of showing is damaged, and the piece's length is taken from decoding times. */
static void see_order(struct clock_reading *reading, int64_t time, int64_t dts) {
  struct clock_state *now = &reading->now;
  struct clock_recent *oldest = &now->recent[now->recent_count++ % CLOCK_REORDERED];
  int64_t limit = units(reading, AWAY_S);
  bool is_full = now->recent_count > CLOCK_REORDERED;
  if (is_full && (oldest->time > dts + limit || time < oldest->dts - limit))
    now->lacks_time = now->is_disordered = true;
  *oldest = (struct clock_recent){time, dts};
}

static void extend(struct clock_reading *reading, int64_t time, int64_t dts, int64_t duration) {
  struct clock_state *now = &reading->now;
  mention_gap(reading, time);
  if (duration > now->longest_held) now->longest_held = duration;
  bool is_first = now->first == CLOCK_NONE;
  if (is_first || dts < now->first_dts) now->first_dts = dts;
  if (is_first || dts + duration > now->end_dts) now->end_dts = dts + duration;
  if (is_first || time < now->first) now->first = time;
  if (is_first || time + duration > now->end) now->end = time + duration;
  see_order(reading, time, dts);
  now->shown++;
}

/* ---- strays ---- */

static int64_t distance(int64_t a, int64_t b) { return a < b ? b - a : a - b; }

/* The least step that is away: more than AWAY_S, and more than what pictures last anyway. */
static int64_t away(const struct clock_reading *reading, const struct clock_state *state) {
  int64_t limit = units(reading, AWAY_S), usual = usual_step(reading, state);
  return limit > 2 * usual ? limit : 2 * usual;
}

static bool is_away(const struct clock_reading *reading, int64_t dts) {
  return distance(dts, reading->now.last_dts + reading->now.last_duration) > away(reading, &reading->now);
}

/* By decoding times, which have no holes where a stray is. */
static int64_t total(const struct clock_state *state) {
  return state->first == CLOCK_NONE ? state->before : state->before + state->end_dts - state->first_dts;
}

/* What the step to a picture adds, if it is no leap by its size. */
static int64_t held(const struct clock_reading *reading, int64_t dts) {
  int64_t step = dts - reading->now.last_dts;
  bool is_leap = step < 0 || (reading->rules.rule != CLOCK_HELD && step > units(reading, STEP_MAX_S));
  return is_leap ? 0 : step;
}

/* True if a picture goes on where the clock was before a mark. */
static bool goes_on(const struct clock_reading *reading, const struct clock_mark *mark, const struct clock_packet *packet) {
  int64_t time = packet->dts != CLOCK_NONE ? packet->dts : packet->pts;
  int64_t dts = unwrap(reading, time, mark->state.last_dts), hold = held(reading, unwrap(reading, time, reading->now.last_dts));
  /* libavformat may repeat the first time of decoding; a file that begins again repeats both times */
  bool is_later = dts > mark->state.last_dts || (dts == mark->state.last_dts && packet->pts > mark->state.last_time);
  int64_t step = dts - mark->state.last_dts, usual = usual_step(reading, &mark->state);
  if (mark->pictures <= STRAYS)
    return is_later && step <= units(reading, NEAR_S) + 2 * usual * (int64_t)(mark->pictures + 1);
  bool is_in_place = distance(step, mark->span + 2 * usual) <= away(reading, &mark->state);
  bool adds_more = total(&reading->now) + hold - total(&mark->state) > step + units(reading, AWAY_S);
  return is_in_place && adds_more;
}

/* Leaves out what was seen since a mark. */
static void roll_back(struct clock_reading *reading, size_t number) {
  const struct clock_mark *mark = &reading->marks[number];
  struct buf *out = reading->rules.explanation;
  reading->left_out += reading->now.shown - mark->state.shown;
  if (out != NULL) {
    if (out->len > mark->text) out->len = mark->text;
    if (reading->left_out < LINES_MAX)
      buf_printf(out, "left out: %" PRIu64 " pictures at %.3f s, behind %.3f s: their times are damaged\n", mark->pictures,
                 seconds(reading, mark->time), seconds(reading, mark->state.last_dts));
  }
  reading->now = mark->state;
  reading->mark_count = number;
}

/* Rolls back if this picture shows that those before it strayed. */
static void find_strays(struct clock_reading *reading, const struct clock_packet *packet) {
  int64_t time = packet->dts != CLOCK_NONE ? packet->dts : packet->pts;
  if (time == CLOCK_NONE || !is_away(reading, unwrap(reading, time, reading->now.last_dts))) return;
  for (size_t i = 0; i < reading->mark_count; i++) {
    if (!goes_on(reading, &reading->marks[i], packet)) continue;
    roll_back(reading, i);
    return;
  }
}

static void drop_mark(struct clock_reading *reading, size_t number) {
  reading->mark_count--;
  memmove(&reading->marks[number], &reading->marks[number + 1], (reading->mark_count - number) * sizeof reading->marks[0]);
}

/* Remembers the first pictures, if there are few before a gap. */
static void see_gap(struct clock_reading *reading, int64_t dts) {
  const struct clock_state *now = &reading->now;
  bool is_early = now->pieces == 0 && now->first != CLOCK_NONE && now->end_dts - now->first_dts <= units(reading, RUN_MAX_S);
  if (!is_early || reading->gap_end != CLOCK_NONE || dts - now->end_dts <= units(reading, TORN_S)) return;
  reading->gap_begin = now->first_dts;
  reading->gap_end = dts - (now->end_dts - now->first_dts);
}

static void add_mark(struct clock_reading *reading, int64_t dts) {
  see_gap(reading, dts);
  if (reading->mark_count == CLOCK_MARKS) drop_mark(reading, 0);
  const struct buf *out = reading->rules.explanation;
  reading->marks[reading->mark_count++] =
      (struct clock_mark){.state = reading->now, .text = out != NULL ? out->len : 0, .time = dts};
}

/* Each mark counts the picture. A mark that is too old is dropped. */
static void age_marks(struct clock_reading *reading, int64_t step) {
  int64_t limit = units(reading, RUN_MAX_S);
  for (size_t i = reading->mark_count; i > 0; i--) {
    struct clock_mark *mark = &reading->marks[i - 1];
    if (mark->pictures++ > 0 && distance(step, 0) <= limit) mark->offset += step;
    if (mark->offset > mark->span) mark->span = mark->offset;
    if (mark->pictures > STRAYS && mark->span > limit) drop_mark(reading, i - 1);
  }
}

/* ---- pictures ---- */

/* A picture is shown when it is decoded, or later: how much is bounded by what decoders keep. */
static bool is_time_damaged(const struct clock_reading *reading, int64_t time, int64_t dts, int64_t duration) {
  int64_t early = units(reading, AWAY_S), late = units(reading, DELAY_MAX_S), kept = duration * CLOCK_REORDERED / 2;
  return time - dts > (late > kept ? late : kept) || dts - time > (early > kept ? early : kept);
}

static void begin_piece(struct clock_reading *reading, const struct clock_packet *packet, int64_t dts, int64_t time) {
  int64_t step = dts - reading->now.last_dts;
  const struct ts_break *at = find_break(reading, packet->position, step);
  bool is_marked = is_away(reading, dts);
  if (is_marked) add_mark(reading, dts);
  age_marks(reading, is_marked ? 0 : step);
  if (!is_break(reading, packet, dts, time, at)) return;
  close_piece(reading, step);
  if (at != NULL) reading->now.next_break = (size_t)(at - reading->rules.breaks) + 1; /* it explains one step */
}

static void see_step(struct clock_state *now, int64_t step) {
  bool is_first = now->each_step == 0, is_same = is_first || now->each_step == step;
  now->each_step = step > 0 && is_same ? step : -1;
}

static void see_video(struct clock_reading *reading, const struct clock_packet *packet) {
  int64_t duration = picture_duration(reading, packet);
  int64_t dts = packet->dts != CLOCK_NONE ? packet->dts : packet->pts;
  if (dts == CLOCK_NONE && reading->now.last_dts == CLOCK_NONE) return;
  if (reading->now.last_dts != CLOCK_NONE) find_strays(reading, packet);
  struct clock_state *now = &reading->now;
  dts = dts == CLOCK_NONE ? now->last_dts + now->last_duration : unwrap(reading, dts, now->last_dts);
  dts = bounded(reading, dts);
  int64_t time = packet->pts != CLOCK_NONE ? bounded(reading, unwrap(reading, packet->pts, dts)) : dts;
  bool is_damaged = is_time_damaged(reading, time, dts, duration);
  if (is_damaged) time = dts;
  if (now->last_dts != CLOCK_NONE) begin_piece(reading, packet, dts, time);
  if (packet->pts == CLOCK_NONE || is_damaged) now->lacks_time = true;
  if (now->last_dts != CLOCK_NONE) see_step(now, dts - now->last_dts);
  now->last_position = packet->position;
  now->last_dts = dts;
  now->last_time = time;
  now->last_duration = duration;
  if (!packet->is_hidden) extend(reading, time, dts, duration);
}

void clock_reading_see(struct clock_reading *reading, const struct clock_packet *packet) {
  struct clock_packet clean = *packet;
  clean.pts = sane(packet->pts);
  clean.dts = sane(packet->dts);
  if (packet->duration < 0 || packet->duration >= CLOCK_FAR) clean.duration = 0;
  if (packet->position < 0) clean.position = reading->now.last_position;
  if (packet->is_video) see_video(reading, &clean);
  if (packet->is_sound) see_sound(reading, &clean);
}

/* ---- the end ---- */

/* The latest and the earliest end that a stated length allows: some containers count from the first picture, some from zero. */
static int64_t latest_end(const struct clock_reading *reading, const struct clock_state *state) {
  int64_t begin = state->begin != CLOCK_NONE ? state->begin : state->first;
  return begin > 0 ? begin + reading->rules.stated : reading->rules.stated;
}

static int64_t earliest_end(const struct clock_reading *reading, const struct clock_state *state) {
  int64_t begin = state->begin != CLOCK_NONE ? state->begin : state->first;
  return begin < 0 ? begin + reading->rules.stated : reading->rules.stated;
}

/* The last pictures have no successors that could tell. So a stated length must: the pictures before them fill it, and they are
 * behind it. They are counted as if they went on. */
static void leave_out_end(struct clock_reading *reading) {
  int64_t limit = units(reading, AWAY_S);
  if (reading->rules.stated <= 0 || reading->now.first == CLOCK_NONE) return;
  for (size_t i = 0; i < reading->mark_count; i++) {
    const struct clock_mark *mark = &reading->marks[i];
    int64_t lasts = mark->span + usual_step(reading, &mark->state);
    bool is_short = mark->pictures <= STRAYS || reading->rules.rule == CLOCK_HELD;
    if (mark->state.first == CLOCK_NONE || !is_short) continue;
    bool is_filled = mark->state.end_dts + lasts + 2 * limit >= earliest_end(reading, &mark->state);
    if (!is_filled || reading->now.end_dts <= latest_end(reading, &mark->state) + limit) continue;
    roll_back(reading, i);
    reading->now.end += lasts;
    reading->now.end_dts += lasts;
    return;
  }
  if (reading->now.end > latest_end(reading, &reading->now) + limit) reading->now.lacks_time = true;
}

/* True if the sound begins where the first pictures would, if they were beside the others. */
static bool begins_torn(const struct clock_reading *reading) {
  return reading->rules.rule == CLOCK_HELD && reading->now.pieces == 0 && reading->gap_end != CLOCK_NONE &&
         reading->now.first_dts == reading->gap_begin && distance(reading->sound_first, reading->gap_end) <= units(reading, NEAR_S);
}

bool clock_reading_is_torn(const struct clock_reading *reading) {
  if (reading->rules.stated > 0 || reading->sound_end == CLOCK_NONE) return false;
  if (begins_torn(reading)) return true;
  for (size_t i = 0; i < reading->mark_count; i++) {
    const struct clock_mark *mark = &reading->marks[i];
    int64_t in_place = mark->state.last_dts + mark->span, behind = mark->time - reading->sound_end;
    bool adds = total(&reading->now) - total(&mark->state) > mark->span + units(reading, TORN_S);
    bool ends_with_sound = distance(reading->sound_end, in_place) <= units(reading, NEAR_S);
    if (adds && ends_with_sound && behind > units(reading, TORN_S)) return true;
  }
  return false;
}

/* A rate of fields states half of what a picture lasts. All pictures but the last one show how long that is. */
static void correct_last(struct clock_reading *reading) {
  struct clock_state *now = &reading->now;
  if (now->first == CLOCK_NONE || now->pieces > 0 || now->shown < FIELDS_SEEN || now->each_step != 2 * now->last_duration) return;
  now->end += now->last_duration;
  now->end_dts += now->last_duration;
}

int64_t clock_reading_end(struct clock_reading *reading) {
  bool any = reading->now.first != CLOCK_NONE || reading->now.pieces > 0;
  leave_out_end(reading);
  correct_last(reading);
  close_piece(reading, 0);
  return any ? reading->now.before : CLOCK_NONE;
}
