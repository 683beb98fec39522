/* Each container is asked for what it knows for certain, and packets for the rest:
 *
 *   MP4, MOV            boxes say which samples there are, and what the edit list shows (mp4.c); packets have the times
 *   transport stream    the scan of the PCR says where the clock leaps (ts.c); packets have the times (clock.c)
 *   FLV, program stream packets alone, with leaps
 *   Matroska, others    packets alone; a gap is a held picture. Matroska's sizes say whether the file was cut
 *   animated WebP       chunks say how long each picture is shown (webp.c)
 *   raw streams         packets are counted. Opened with two rates: if that changes the answer, it has no rate of its own
 */
#include "media/measure.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "media/clock.h"
#include "media/demux.h"
#include "media/matroska.h"
#include "media/mp4.h"
#include "media/ts.h"
#include "media/webp.h"

#define SLACK_S 1.0 /* the last packet may end this much before the end that a container states */
#define RATE_PROBE 25
#define CHUNK ((size_t)1 << 20)
#define FIELDS 2     /* of a picture */
#define FIELDS_MAX 6 /* a picture that is shown three times */
#define DURATION_MAX_S 1e9 /* 31 years: longer times are a fault of the file */
#define HELD_MAX_S 86400.0 /* one picture that is held for longer is a fault of the file */
#define ADDED_MAX_S 60.0
/* What a muxer that writes into a pipe leaves in a head that it could not correct. */
#define PROMISED_MAX (INT64_C(1) << 30)
#define DURATION_STATED_MAX_US INT64_C(1000000000000) /* 11 days */

static_assert(CLOCK_NONE == DEMUX_NONE, "times that are unknown are passed on");

/* Bytes of the reel, from the first packet to the last one. */
struct range {
  int64_t first, last; /* -1: none yet */
};

struct measuring {
  const char *name;
  const struct measure_options *options;
  struct reel *reel;
  struct mp4 mp4;
  struct ts ts;
  struct matroska matroska;
  struct demux *demux;
  struct demux_ratio given_rate; /* of a raw stream: by the user, or the stream's own */
  struct clock_reading clock;
  struct mp4_picture *pictures; /* of MP4 only */
  size_t picture_count, picture_room;
  int64_t packets; /* of the video */
  int64_t fields;  /* of a raw stream: two in most pictures */
  struct range positions, other_positions; /* of the video's packets, and of those of other video streams */
  double end_s;              /* the latest end of any stream's packet; negative infinity: unknown */
  uint32_t width, height;    /* of the pictures so far; 0: not said */
  bool is_damaged;
  enum media_refusal refusal;
};

static void measuring_fini(struct measuring *measuring) {
  demux_close(measuring->demux);
  mp4_fini(&measuring->mp4);
  ts_fini(&measuring->ts);
  matroska_fini(&measuring->matroska);
  free(measuring->pictures);
}

static struct buf *explanation(const struct measuring *measuring) { return measuring->options->explanation; }

#define EXPLAIN(measuring, ...)                                                               \
  do {                                                                                        \
    if (explanation(measuring) != NULL) buf_printf(explanation(measuring), __VA_ARGS__);      \
  } while (0)

static int refuse(struct measuring *measuring, enum media_refusal refusal, struct err *err, const char *why) {
  measuring->refusal = refusal;
  return err_set(err, ERR_MEDIA, "%s: %s", measuring->name, why);
}

static int refuse_truncated(struct measuring *measuring, struct err *err) {
  return refuse(measuring, MEDIA_REFUSED_BROKEN, err,
                "it is truncated or damaged: it holds less than its headers say");
}

static int refuse_times(struct measuring *measuring, struct err *err) {
  return refuse(measuring, MEDIA_REFUSED_BROKEN, err, "it is damaged: its times say that one picture is shown for more than a day, or all of them for 31 years");
}

static int refuse_strays(struct measuring *measuring, struct err *err) {
  return refuse(measuring, MEDIA_REFUSED_BROKEN, err,
                "it is damaged: the times of its pictures go back, or are more than a minute away from all others");
}

static int refuse_sizes(struct measuring *measuring, uint32_t width, uint32_t height, uint32_t other_width,
                        uint32_t other_height, struct err *err) {
  return err_set(err, ERR_MEDIA,
                 "%s: the size of its pictures changes from %ux%u to %ux%u; report each part by itself",
                 measuring->name, width, height, other_width, other_height);
}

/* ---- before packets are read ---- */

static int look_at_boxes(struct measuring *measuring, struct err *err) {
  struct mp4 *mp4 = &measuring->mp4;
  int result = mp4_read(measuring->reel, mp4, err);
  if (result != 0) return err_prefix(err, "%s", measuring->name);
  if (!mp4->is_mp4) return 0;
  if (mp4->is_init_only)
    return refuse(measuring, MEDIA_REFUSED_PART, err,
                  "it is an init segment without pictures; record the playlist or manifest that names it");
  if (mp4->is_segment)
    return refuse(measuring, MEDIA_REFUSED_PART, err,
                  "it is a segment without its init segment; record the playlist or manifest that names it");
  if (mp4->is_reference)
    return refuse(measuring, MEDIA_REFUSED_BROKEN, err, "its media are in another file; record that file");
  if (mp4->moovs > 1)
    return refuse(measuring, MEDIA_REFUSED_BROKEN, err,
                  "it is several MP4 files that were joined, and players show only the first; record each by itself");
  bool is_cut_list = measuring->options->is_stretch && strcmp(mp4->cut_what, "sidx") == 0;
  return mp4->is_cut && !is_cut_list ? refuse_truncated(measuring, err) : 0;
}

static int look_at_elements(struct measuring *measuring, struct err *err) {
  struct matroska *matroska = &measuring->matroska;
  int result = matroska_read(measuring->reel, matroska, err);
  if (result != 0) return err_prefix(err, "%s", measuring->name);
  if (!matroska->is_matroska) return 0;
  if (matroska->is_cut) return refuse_truncated(measuring, err);
  if (matroska->count > 1)
    return refuse(measuring, MEDIA_REFUSED_BROKEN, err,
                  "it is several Matroska files that were joined, and players show only the first; record each by "
                  "itself");
  if (matroska->count == 1 && matroska->parts[0].is_ordered)
    return refuse(measuring, MEDIA_REFUSED_BROKEN, err,
                  "its chapters are ordered: they show the pictures at other times than the file has them");
  return 0;
}

static int look_at_packets(struct measuring *measuring, struct err *err) {
  int result = ts_scan(measuring->reel, &measuring->ts, err);
  if (result != 0) return err_prefix(err, "%s", measuring->name);
  return 0;
}

static int look(struct measuring *measuring, struct err *err) {
  int result = look_at_boxes(measuring, err);
  if (result == 0 && !measuring->mp4.is_mp4) result = look_at_elements(measuring, err);
  if (result == 0 && !measuring->mp4.is_mp4 && !measuring->matroska.is_matroska)
    result = look_at_packets(measuring, err);
  return result;
}

/* Without a name, libavformat knows few kinds of text. */
static bool is_text(struct reel *reel) {
  char head[4096];
  size_t got = 0;
  struct err ignored;
  if (reel_read(reel, 0, head, sizeof head, &got, &ignored) != 0 || got == 0) return false;
  for (size_t back = 0; back < 4 && got > back; back++) { /* the end of the head may cut a letter */
    if (str_is_utf8(str_make(head, got - back))) return memchr(head, '\0', got) == NULL;
  }
  return false;
}

/* ---- opening ---- */

static int open_with(struct measuring *measuring, struct demux_ratio rate, struct err *err) {
  bool has_no_video = false;
  demux_close(measuring->demux);
  measuring->demux = NULL;
  int result = demux_open(measuring->reel, measuring->name, rate, &measuring->demux, &has_no_video, err);
  if (has_no_video) measuring->refusal = MEDIA_REFUSED_NOT_VIDEO;
  if (result == -ERR_MEDIA && !has_no_video && is_text(measuring->reel))
    return refuse(measuring, MEDIA_REFUSED_NOT_VIDEO, err, "it is text and has no video");
  return result;
}

static bool is_same_rate(struct demux_ratio a, struct demux_ratio b) { return a.num * b.den == b.num * a.den; }

/* Opens the media. A raw stream is opened twice, to see whether its rate is only the one that was given, and then with its
 * own rate: libavformat gives the first packet the duration of the rate that was given. */
static int open_media(struct measuring *measuring, struct err *err) {
  const struct media_options *media = measuring->options->media;
  struct demux_ratio one = {RATE_PROBE, 1}, other = {2 * RATE_PROBE, 1};
  int result = open_with(measuring, one, err);
  if (result != 0 || !demux_container(measuring->demux)->takes_rate) return result;
  struct demux_ratio before = demux_video(measuring->demux)->rate;
  result = open_with(measuring, other, err);
  if (result != 0) return result;
  if (is_same_rate(before, demux_video(measuring->demux)->rate)) {
    measuring->given_rate = before;
    return is_same_rate(before, other) ? 0 : open_with(measuring, before, err);
  }
  if (media->rate_num == 0) return 0; /* finish_raw refuses it, if it is not a picture */
  measuring->given_rate = (struct demux_ratio){media->rate_num, media->rate_den};
  return open_with(measuring, measuring->given_rate, err);
}

static int check_video(struct measuring *measuring, struct err *err) {
  const struct demux_video *video = demux_video(measuring->demux);
  if (video->is_text) return refuse(measuring, MEDIA_REFUSED_NOT_VIDEO, err, "it has no video");
  bool is_ts = strcmp(demux_container(measuring->demux)->name, "mpegts") == 0;
  if (is_ts && !measuring->ts.is_ts) return refuse(measuring, MEDIA_REFUSED_BROKEN, err, "its head is damaged");
  if (!is_ts) measuring->ts.is_ts = false;
  if (measuring->ts.is_ts && measuring->ts.ends_within_packet) return refuse_truncated(measuring, err);
  if (video->codec[0] == '\0')
    return refuse(measuring, MEDIA_REFUSED_BROKEN, err, "libavformat does not know the codec of its video");
  return 0;
}

/* Containers that libavformat reads up to the end of the first file, where several were joined: how each begins. No other
 * part of such a file has these bytes. */
static const struct head {
  const char *container, *bytes;
  size_t len, offset;
} heads[] = {
    {"asf", "\x30\x26\xB2\x75\x8E\x66\xCF\x11\xA6\xD9\x00\xAA\x00\x62\xCE\x6C", 16, 0},
    {"mxf", "\x06\x0E\x2B\x34\x02\x05\x01\x01\x0D\x01\x02\x01\x01\x02", 14, 0},
    {"avi", "AVI LIST", 8, 8},
    {"apng", "\x89PNG\r\n\x1A\n\0\0\0\rIHDR", 16, 0},
    {"gif", "GIF89a", 6, 0},
};

static int find_again(struct measuring *measuring, const struct head *head, bool *ret, struct err *err) {
  SCOPED_MALLOC char *chunk = malloc(CHUNK);
  CHECK(chunk != NULL);
  size_t got = 0;
  *ret = false;
  for (uint64_t at = head->offset + 1; at < reel_size(measuring->reel) && !*ret; at += CHUNK - head->len) {
    int result = reel_read(measuring->reel, at, chunk, CHUNK, &got, err);
    if (result != 0) return result;
    *ret = memmem(chunk, got, head->bytes, head->len) != NULL;
  }
  return 0;
}

static int refuse_joined(struct measuring *measuring, struct err *err) {
  return refuse(measuring, MEDIA_REFUSED_BROKEN, err,
                "it is several files that were joined, and players show only the first; record each by itself");
}

static int check_joined(struct measuring *measuring, struct err *err) {
  const char *container = demux_container(measuring->demux)->name;
  bool is_joined = false;
  for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
    if (strcmp(container, heads[i].container) != 0) continue;
    int result = find_again(measuring, &heads[i], &is_joined, err);
    if (result != 0) return result;
  }
  return is_joined ? refuse_joined(measuring, err) : 0;
}

/* ---- packets ---- */

static int64_t units_of(const struct demux_video *video, double seconds) {
  return (int64_t)(seconds * (double)video->time_base.den / (double)video->time_base.num);
}

static enum clock_rule rule_of(const struct measuring *measuring) {
  const char *container = demux_container(measuring->demux)->name;
  if (measuring->ts.is_ts && measuring->ts.has_pcr) return CLOCK_BREAKS;
  bool is_loose = measuring->ts.is_ts || strcmp(container, "flv") == 0 || strcmp(container, "mpeg") == 0 ||
                  strcmp(container, "live_flv") == 0;
  return is_loose ? CLOCK_PIECES : CLOCK_HELD;
}

/* The length that the container states; 0: none. Of MP4 fragments, libavformat has it from their times. */
static double stated_s(const struct measuring *measuring) {
  int64_t us = demux_container(measuring->demux)->duration_us;
  bool is_usable = !measuring->ts.is_ts && !measuring->mp4.is_fragmented && !measuring->options->is_stretch && us <= DURATION_STATED_MAX_US;
  return is_usable ? (double)us / 1e6 : 0;
}

static void start_clock(struct measuring *measuring) {
  const struct demux_video *video = demux_video(measuring->demux);
  const char *container = demux_container(measuring->demux)->name;
  bool wraps = measuring->ts.is_ts || strcmp(container, "mpeg") == 0;
  const struct clock_rules rules = {
      .rule = rule_of(measuring),
      .wrap_bits = wraps ? 33 : 0,
      .unit = (double)video->time_base.num / (double)video->time_base.den,
      .period = video->rate.num > 0 ? units_of(video, (double)video->rate.den / (double)video->rate.num) : 0,
      .stated = units_of(video, stated_s(measuring)),
      .breaks = measuring->ts.breaks,
      .break_count = measuring->ts.count,
      .explanation = measuring->mp4.is_mp4 ? NULL : explanation(measuring),
  };
  clock_reading_init(&measuring->clock, &rules);
}

static const struct mp4_track *track_of(const struct measuring *measuring) {
  for (size_t i = 0; i < measuring->mp4.count; i++) {
    const struct mp4_track *track = &measuring->mp4.tracks[i];
    if (track->is_video && track->id == demux_video(measuring->demux)->id) return track;
  }
  return NULL;
}

static void keep_picture(struct measuring *measuring, const struct demux_packet *packet) {
  int64_t time = packet->pts != DEMUX_NONE ? packet->pts : packet->dts;
  if (time == DEMUX_NONE) return;
  if (measuring->picture_count == measuring->picture_room) {
    measuring->picture_room = measuring->picture_room == 0 ? 1024 : measuring->picture_room * 2;
    measuring->pictures = realloc(measuring->pictures, measuring->picture_room * sizeof *measuring->pictures);
    CHECK(measuring->pictures != NULL);
  }
  measuring->pictures[measuring->picture_count++] = (struct mp4_picture){time, packet->duration};
}

/* Forgets the latest pictures of an MP4 file, whose times are damaged. */
static void forget_pictures(struct measuring *measuring, uint64_t count) {
  measuring->picture_count -= count < measuring->picture_count ? (size_t)count : measuring->picture_count;
}

static void see_end(struct measuring *measuring, const struct demux_packet *packet) {
  const struct demux_ratio base = demux_video(measuring->demux)->time_base;
  int64_t time = packet->pts != DEMUX_NONE ? packet->pts : packet->dts;
  if (time == DEMUX_NONE) return;
  double end_s = ((double)time + (double)packet->duration) * (double)base.num / (double)base.den;
  if (end_s > measuring->end_s) measuring->end_s = end_s;
}

static void see_position(struct range *range, int64_t position) {
  if (position < 0) return;
  if (range->first < 0 || position < range->first) range->first = position;
  if (position > range->last) range->last = position;
}

static int see_size(struct measuring *measuring, const struct demux_packet *packet, struct err *err) {
  if (packet->width == 0) return 0;
  if (measuring->width != 0 && (packet->width != measuring->width || packet->height != measuring->height))
    return refuse_sizes(measuring, measuring->width, measuring->height, packet->width, packet->height, err);
  measuring->width = packet->width;
  measuring->height = packet->height;
  return 0;
}

/* A packet may hold one field of a picture, or tell players to show a field again (telecine). */
static int64_t fields_of(const struct measuring *measuring, const struct demux_packet *packet) {
  const struct demux_video *video = demux_video(measuring->demux);
  double seconds = (double)packet->duration * (double)video->time_base.num / (double)video->time_base.den;
  if (measuring->given_rate.num <= 0 || packet->duration <= 0) return FIELDS;
  double fields = round(seconds * FIELDS * (double)measuring->given_rate.num / (double)measuring->given_rate.den);
  return fields >= 1 && fields <= FIELDS_MAX ? (int64_t)fields : FIELDS;
}

static int see_packet(struct measuring *measuring, const struct demux_packet *packet, struct err *err) {
  /* Of MP4, libavformat hides pictures whose decoding times go back; edit lists are applied here. */
  bool is_hidden = packet->is_hidden && !measuring->mp4.is_mp4;
  const struct clock_packet clock = {.is_video = packet->is_video,
                                     .is_sound = packet->is_sound,
                                     .is_key = packet->is_key,
                                     .is_hidden = is_hidden,
                                     .pts = packet->pts,
                                     .dts = packet->dts,
                                     .duration = packet->duration,
                                     .position = packet->position};
  see_end(measuring, packet);
  if (packet->is_video || packet->is_other_video)
    see_position(packet->is_video ? &measuring->positions : &measuring->other_positions, packet->position);
  uint64_t left_out = measuring->clock.left_out;
  clock_reading_see(&measuring->clock, &clock);
  forget_pictures(measuring, measuring->clock.left_out - left_out);
  /* Segments that were made apart have counters of their own, which libavformat takes for damage. */
  if (packet->is_corrupt && !measuring->ts.is_ts && !measuring->mp4.is_mp4) measuring->is_damaged = true;
  if (!packet->is_video) return 0;
  measuring->packets++;
  measuring->fields += fields_of(measuring, packet);
  if (measuring->mp4.is_mp4) keep_picture(measuring, packet);
  return see_size(measuring, packet, err);
}

static int read_all(struct measuring *measuring, struct err *err) {
  struct demux_packet packet;
  bool is_end = false;
  measuring->end_s = -INFINITY;
  measuring->positions = measuring->other_positions = (struct range){-1, -1};
  start_clock(measuring);
  while (true) {
    int result = demux_next(measuring->demux, &packet, &is_end, err);
    if (result != 0 || is_end) return result;
    result = see_packet(measuring, &packet, err);
    if (result != 0) return result;
  }
}

/* ---- truncation ---- */

static bool is_mp4_truncated(const struct measuring *measuring, const struct mp4_track *track) {
  uint64_t promised = track->samples + track->fragment_samples;
  promised -= track->empty_samples < promised ? track->empty_samples : promised;
  return track->samples_beyond > 0 || (uint64_t)measuring->packets < promised;
}

/* True if a container other than MP4 says that it holds more. */
static bool is_truncated(const struct measuring *measuring) {
  const struct demux_container *container = demux_container(measuring->demux);
  const struct demux_video *video = demux_video(measuring->demux);
  if (measuring->is_damaged || measuring->packets == 0) return true;
  /* An empty chunk of an AVI repeats the last frame: the index lists it, but it gives no packet. */
  bool lists_packets = strcmp(container->name, "avi") != 0;
  if (lists_packets && video->promised > measuring->packets && video->promised < PROMISED_MAX) return true;
  bool is_placeholder = video->promised >= PROMISED_MAX || container->duration_us > DURATION_STATED_MAX_US;
  bool is_stated = container->duration_us > 0 && !measuring->ts.is_ts && !measuring->options->is_stretch && !is_placeholder;
  if (!is_stated || isinf(measuring->end_s)) return false;
  /* Some containers count from the first picture, some from zero. */
  double start_s = container->start_us < 0 ? (double)container->start_us / 1e6 : 0;
  return measuring->end_s - start_s + SLACK_S < (double)container->duration_us / 1e6;
}

/* True if the video of a transport stream goes on under another PID. */
static bool goes_on_elsewhere(const struct measuring *measuring) {
  const struct range *own = &measuring->positions, *other = &measuring->other_positions;
  bool is_known = measuring->ts.is_ts && own->first >= 0 && other->first >= 0;
  return measuring->ts.is_reassigned || (is_known && (other->first > own->last || other->last < own->first));
}

/* ---- the result ---- */

/* mp4_show has sorted the pictures. */
static bool holds_too_long(const struct measuring *measuring, const struct mp4_track *track) {
  for (size_t i = 0; i < measuring->picture_count; i++) {
    double step = i > 0 ? (double)measuring->pictures[i].time - (double)measuring->pictures[i - 1].time : 0;
    if (fmax(step, (double)measuring->pictures[i].duration) / track->timescale > HELD_MAX_S) return true;
  }
  return false;
}

/* True if times of showing are damaged, or contradict the length that the track states, so that they add more than a minute.
 * mp4_show has sorted the pictures. */
static bool adds_minutes(const struct measuring *measuring, const struct mp4_track *track) {
  const struct mp4_picture *last = &measuring->pictures[measuring->picture_count - 1];
  const struct clock_state *clock = &measuring->clock.now;
  double shown_s = ((double)last->time + (double)last->duration - (double)measuring->pictures[0].time) / track->timescale;
  double decoded_s = (double)(clock->end_dts - clock->first_dts) * measuring->clock.rules.unit;
  double stated_s = measuring->mp4.is_fragmented ? 0 : (double)track->media_duration / track->timescale;
  return (clock->is_disordered && shown_s > decoded_s + ADDED_MAX_S) || (stated_s > 0 && shown_s > stated_s + ADDED_MAX_S);
}

/* Decoding times of a track only grow. */
static bool goes_back(const struct measuring *measuring) {
  return (double)measuring->clock.now.longest_back * measuring->clock.rules.unit > SLACK_S;
}

static int finish_mp4(struct measuring *measuring, struct measured *ret, struct err *err) {
  const struct mp4_track *track = track_of(measuring);
  if (track == NULL) return refuse(measuring, MEDIA_REFUSED_BROKEN, err, "its boxes and its pictures do not match");
  if (track->is_external)
    return refuse(measuring, MEDIA_REFUSED_BROKEN, err, "its media are in another file; record that file");
  if (track->size_count > 1)
    return refuse_sizes(measuring, track->sizes[0].width, track->sizes[0].height, track->sizes[1].width,
                        track->sizes[1].height, err);
  if (track->format_count > 1)
    return refuse(measuring, MEDIA_REFUSED_BROKEN, err, "its video changes the codec; record each part by itself");
  if (measuring->picture_count == 0 || is_mp4_truncated(measuring, track)) return refuse_truncated(measuring, err);
  if (goes_back(measuring) || clock_reading_is_torn(&measuring->clock)) return refuse_strays(measuring, err);
  struct mp4_shown shown =
      mp4_show(&measuring->mp4, track, measuring->pictures, measuring->picture_count, explanation(measuring));
  if (adds_minutes(measuring, track)) return refuse_strays(measuring, err);
  if ((double)shown.num / (double)shown.den > DURATION_MAX_S || holds_too_long(measuring, track))
    return refuse_times(measuring, err);
  if (shown.num <= 0)
    return refuse(measuring, MEDIA_REFUSED_BROKEN, err, "its edit list shows no picture");
  ret->num = shown.num;
  ret->den = shown.den;
  if (measuring->picture_count > 0) ret->begin_s = (double)measuring->pictures[0].time / track->timescale; /* sorted */
  return 0;
}

/* Pictures without times last as long as the rate says. */
static int finish_raw(struct measuring *measuring, struct measured *ret, struct err *err) {
  struct demux_ratio rate = measuring->given_rate;
  if (rate.num <= 0)
    return refuse(measuring, MEDIA_REFUSED_BROKEN, err,
                  "it is a raw stream that states no frame rate; put it into a container, or give --frame-rate");
  ret->num = measuring->fields * rate.den;
  ret->den = FIELDS * rate.num;
  EXPLAIN(measuring, "duration: %.1f pictures at %lld/%lld a second; a raw stream has no times\n",
          (double)measuring->fields / FIELDS, (long long)rate.num, (long long)rate.den);
  return 0;
}

static int finish_timed(struct measuring *measuring, struct measured *ret, struct err *err) {
  const struct demux_video *video = demux_video(measuring->demux);
  if (is_truncated(measuring)) return refuse_truncated(measuring, err);
  if (goes_on_elsewhere(measuring))
    return refuse(measuring, MEDIA_REFUSED_BROKEN, err,
                  "its video goes on in another stream, as if files were joined; record each part by itself");
  if (clock_reading_is_torn(&measuring->clock)) return refuse_strays(measuring, err);
  int64_t shown = clock_reading_end(&measuring->clock);
  if (shown == CLOCK_NONE && video->rate.num > 0) {
    ret->num = measuring->packets * video->rate.den;
    ret->den = video->rate.num;
    return 0;
  }
  if (shown == CLOCK_NONE)
    return refuse(measuring, MEDIA_REFUSED_BROKEN, err, "its video has no times, so its duration is unknown");
  double longest_s = (double)measuring->clock.now.longest_held * measuring->clock.rules.unit;
  if ((double)shown * (double)video->time_base.num / (double)video->time_base.den > DURATION_MAX_S || longest_s > HELD_MAX_S)
    return refuse_times(measuring, err);
  ret->num = shown * video->time_base.num;
  ret->den = video->time_base.den;
  ret->begin_s = (double)measuring->clock.now.begin * measuring->clock.rules.unit;
  return 0;
}

static bool is_picture(const struct measuring *measuring) {
  const struct demux_container *container = demux_container(measuring->demux);
  bool moves_seldom = container->is_picture || strcmp(container->name, "gif") == 0 ||
                      strcmp(container->name, "apng") == 0 || strcmp(container->name, "mjpeg") == 0;
  return moves_seldom && measuring->packets <= 1;
}

static int finish(struct measuring *measuring, struct measured *ret, struct err *err) {
  const struct demux_container *container = demux_container(measuring->demux);
  if (is_picture(measuring))
    return refuse(measuring, MEDIA_REFUSED_NOT_VIDEO, err, "it is a picture, not a video");
  if (measuring->mp4.is_mp4) return finish_mp4(measuring, ret, err);
  if (!container->takes_rate) return finish_timed(measuring, ret, err);
  return measuring->packets == 0 ? refuse_truncated(measuring, err) : finish_raw(measuring, ret, err);
}

static int describe(struct measuring *measuring, struct measured *ret, struct err *err) {
  const struct demux_video *video = demux_video(measuring->demux);
  uint32_t width = video->width != 0 ? video->width : measuring->width;
  uint32_t height = video->height != 0 ? video->height : measuring->height;
  if (width == 0 || height == 0) return refuse(measuring, MEDIA_REFUSED_BROKEN, err, "its video has no size");
  memcpy(ret->codec, video->codec, sizeof ret->codec);
  ret->width = width;
  ret->height = height;
  struct demux_ratio rate = measuring->given_rate.num > 0 ? measuring->given_rate : video->rate;
  if (rate.num <= UINT32_MAX && rate.den <= UINT32_MAX) {
    ret->rate_num = (uint32_t)rate.num;
    ret->rate_den = (uint32_t)rate.den;
  }
  return 0;
}

static void explain(struct measuring *measuring) {
  const struct demux_container *container = demux_container(measuring->demux);
  const struct demux_video *video = demux_video(measuring->demux);
  EXPLAIN(measuring, "container: %s, by libavformat\n", container->name);
  EXPLAIN(measuring, "video: %s %ux%u%s; %u other streams are not counted\n",
          video->codec[0] != '\0' ? video->codec : "unknown", video->width, video->height,
          video->is_turned ? ", turned by its rotation" : "", container->other_streams);
  EXPLAIN(measuring, "pictures: %lld\n", (long long)measuring->packets);
  if (measuring->clock.left_out > 0)
    EXPLAIN(measuring, "left out: %llu pictures with damaged times\n", (unsigned long long)measuring->clock.left_out);
  if (video->rate.num > 0 && (!container->takes_rate || measuring->given_rate.num > 0))
    EXPLAIN(measuring, "frame rate: %.3f\n", (double)video->rate.num / (double)video->rate.den);
}

static int measure_webp(struct measuring *measuring, const struct webp *webp, struct measured *ret, struct err *err) {
  EXPLAIN(measuring, "container: WebP\npictures: %llu, of %ux%u\n", (unsigned long long)webp->pictures, webp->width, webp->height);
  if (webp->is_cut) return refuse_truncated(measuring, err);
  if (webp->is_joined) return refuse_joined(measuring, err);
  if (webp->pictures <= 1) return refuse(measuring, MEDIA_REFUSED_NOT_VIDEO, err, "it is a picture, not a video");
  if (webp->duration_ms == 0) return refuse(measuring, MEDIA_REFUSED_BROKEN, err, "its pictures state no durations");
  if ((double)webp->duration_ms / 1e3 > DURATION_MAX_S) return refuse_times(measuring, err);
  *ret = (struct measured){.codec = "webp", .width = webp->width, .height = webp->height, .num = (int64_t)webp->duration_ms, .den = 1000};
  if (webp->each_ms > 0) {
    ret->rate_num = 1000;
    ret->rate_den = webp->each_ms;
  }
  return 0;
}

static int measure_media(struct measuring *measuring, struct measured *ret, struct err *err) {
  int result = open_media(measuring, err);
  if (result == 0) result = check_video(measuring, err);
  if (result == 0) result = check_joined(measuring, err);
  if (result == 0) result = read_all(measuring, err);
  if (measuring->demux != NULL) explain(measuring);
  if (result == 0) result = finish(measuring, ret, err);
  return result == 0 ? describe(measuring, ret, err) : result;
}

int measure_reel(struct reel *reel, const char *name, const struct measure_options *options, struct measured *ret,
                 enum media_refusal *ret_refusal, struct err *err) {
  SCOPED(measuring_fini) struct measuring measuring = {.name = name, .options = options, .reel = reel};
  struct measured measured = {.num = 0};
  struct webp webp;
  int result = webp_read(reel, &webp, err);
  if (result != 0) (void)err_prefix(err, "%s", name);
  if (result == 0 && !webp.is_moving) result = look(&measuring, err);
  if (result == 0) result = webp.is_moving ? measure_webp(&measuring, &webp, &measured, err) : measure_media(&measuring, &measured, err);
  *ret_refusal = measuring.refusal;
  if (result == 0) *ret = measured;
  return result;
}
