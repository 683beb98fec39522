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
#include <strings.h>

#include "base/check.h"
#include "base/vector.h"
#include "media/clock.h"
#include "media/demux.h"
#include "media/matroska.h"
#include "media/mp4.h"
#include "media/order.h"
#include "media/ts.h"
#include "media/webp.h"
#include "media/whole.h"
#include "media/zeros.h"

#define SLACK_S 1.0 /* the last packet may end this much before the end that a container states */
#define RATE_PROBE 25
#define CHUNK ((size_t)1 << 20)
#define FIELDS 2     /* of a picture */
#define FIELDS_MAX 6 /* a picture that is shown three times */
#define DURATION_MAX_S 1e9 /* 31 years: longer times are a fault of the file */
#define HELD_MAX_S 86400.0 /* one picture that is held for longer is a fault of the file */
#define ADDED_MAX_S 60.0
#define PADDING_HEAD 32 /* bytes before zeros in which a header of padding begins */
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
  const char *cut; /* whole_read's answer */
  struct order order;
  struct clock_reading clock;
  VECTOR(struct mp4_picture) pictures; /* of MP4 only */
  int64_t packets; /* of the video */
  int64_t fields;  /* of a raw stream: two in most pictures */
  struct range positions, other_positions; /* of the video's packets, and of those of other video streams */
  uint64_t claimed;          /* the end of the last bytes that a packet of any stream has for sure */
  int64_t last_bytes, largest_bytes; /* of the video's last packet, and of the largest one before it */
  int64_t raw_bytes;         /* of each uncompressed picture; 0: none yet */
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
  order_fini(&measuring->order);
  vector_fini(&measuring->pictures);
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

static int refuse_codecs(struct measuring *measuring, const char *before, const char *after, struct err *err) {
  measuring->refusal = MEDIA_REFUSED_BROKEN;
  return err_set(err, ERR_MEDIA, "%s: its codec changes from %s to %s; report each part by itself", measuring->name, before, after);
}

static int refuse_zeros(struct measuring *measuring, struct err *err) {
  return refuse(measuring, MEDIA_REFUSED_BROKEN, err,
                "it is truncated: it holds zeros where its media must go on, as after a power cut");
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
  if (result == 0) result = whole_read(measuring->reel, &measuring->cut, err);
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

#define TEXT_HEAD ((size_t)4096)

/* The head of a text; empty if the reel is none. Without a name, libavformat knows few kinds of text. */
static struct str text_of(struct reel *reel, char head[static TEXT_HEAD]) {
  size_t got = 0;
  struct err ignored;
  if (reel_read(reel, 0, head, TEXT_HEAD, &got, &ignored) != 0) return STR("");
  for (size_t back = 0; back < 4 && got > back; back++) { /* the end of the head may cut a letter */
    if (!str_is_utf8(str_make(head, got - back))) continue;
    return memchr(head, '\0', got) == NULL ? str_make(head, got - back) : STR("");
  }
  return STR("");
}

#define WHY_FILES "it is a list of files, not a media file; record the files that it names"
#define WHY_SESSION "it is a session description (SDP), not a media file; record the file that the stream is written to"

/* Texts that name media, by how they begin: ffconcat, PLS, ASF, SMIL, SDP. Letters may be of either case. */
static const struct naming {
  const char *begin, *why;
} namings[] = {{"ffconcat version", WHY_FILES}, {"file '", WHY_FILES}, {"[playlist]", WHY_FILES}, {"[reference]", WHY_FILES},
               {"<asx", WHY_FILES},             {"<smil", WHY_FILES},  {"v=0", WHY_SESSION}};

static bool has(struct str text, const char *word) { return memmem(text.ptr, text.len, word, strlen(word)) != NULL; }

static const char *why_text(struct str text) {
  if (text.len >= 3 && memcmp(text.ptr, "\xEF\xBB\xBF", 3) == 0) text = str_make(text.ptr + 3, text.len - 3);
  while (text.len > 0 && strchr(" \t\r\n", text.ptr[0]) != NULL)
    text = str_make(text.ptr + 1, text.len - 1);
  for (size_t i = 0; i < sizeof namings / sizeof namings[0]; i++) {
    size_t len = strlen(namings[i].begin);
    if (text.len >= len && strncasecmp(text.ptr, namings[i].begin, len) == 0) return namings[i].why;
  }
  bool is_cue_sheet = has(text, "FILE \"") && has(text, "TRACK ");
  return is_cue_sheet ? WHY_FILES : "it is text and has no video";
}

/* ---- opening ---- */

static int open_with(struct measuring *measuring, struct demux_ratio rate, struct err *err) {
  bool has_no_video = false;
  demux_close(measuring->demux);
  measuring->demux = NULL;
  int result = demux_open(measuring->reel, measuring->name, rate, &measuring->demux, &has_no_video, err);
  if (has_no_video) measuring->refusal = MEDIA_REFUSED_NOT_VIDEO;
  if (result != -ERR_MEDIA) return result;
  char head[TEXT_HEAD];
  struct str text = text_of(measuring->reel, head);
  return text.len > 0 ? refuse(measuring, MEDIA_REFUSED_NOT_VIDEO, err, why_text(text)) : result;
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

/* Tables that change the codec of the video's PID. */
static int check_tables(struct measuring *measuring, struct err *err) {
  const struct demux_video *video = demux_video(measuring->demux);
  size_t count = 0;
  const struct ts_change *changes = measuring->ts.is_ts ? ts_tables_changes(measuring->ts.tables, &count) : NULL;
  for (size_t i = 0; i < count; i++) {
    if (changes[i].pid != video->id) continue;
    const char *before = strcmp(video->codec, changes[i].after) != 0 ? video->codec : changes[i].before;
    return refuse_codecs(measuring, before, changes[i].after, err);
  }
  return 0;
}

static int check_video(struct measuring *measuring, struct err *err) {
  const struct demux_video *video = demux_video(measuring->demux);
  bool is_ts = strcmp(demux_container(measuring->demux)->name, "mpegts") == 0;
  if (is_ts && !measuring->ts.is_ts) return refuse(measuring, MEDIA_REFUSED_BROKEN, err, "its head is damaged");
  if (!is_ts) measuring->ts.is_ts = false;
  if (measuring->ts.is_ts && measuring->ts.has_zeros) return refuse_zeros(measuring, err);
  if (measuring->ts.is_ts && measuring->ts.ends_within_packet) return refuse_truncated(measuring, err);
  if (video->codec[0] == '\0')
    return refuse(measuring, MEDIA_REFUSED_BROKEN, err, "libavformat does not know the codec of its video");
  return check_tables(measuring, err);
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
    {"nut", "nut/multimedia container", 25, 0},
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

/* Containers without decoding times. */
static bool guesses_order(const struct measuring *measuring) {
  return measuring->matroska.is_matroska || strcmp(demux_container(measuring->demux)->name, "nut") == 0;
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
      .breaks = measuring->ts.breaks.items,
      .break_count = measuring->ts.breaks.count,
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
  *vector_must_add(&measuring->pictures) = (struct mp4_picture){time, packet->duration};
}

/* Forgets the latest pictures of an MP4 file, whose times are damaged. */
static void forget_pictures(struct measuring *measuring, uint64_t count) {
  measuring->pictures.count -= count < measuring->pictures.count ? (size_t)count : measuring->pictures.count;
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

/* What a picture tells of its stream. */
static int see_picture(struct measuring *measuring, const struct demux_packet *packet, struct err *err) {
  const struct demux_video *video = demux_video(measuring->demux);
  if (packet->other_codec != NULL) return refuse_codecs(measuring, packet->own_codec, packet->other_codec, err);
  if (packet->is_zeros) return refuse_zeros(measuring, err);
  if (!video->is_raw || packet->bytes == 0) return see_size(measuring, packet, err);
  if (measuring->raw_bytes != 0 && packet->bytes != measuring->raw_bytes)
    return err_set(err, ERR_MEDIA, "%s: the size of its raw pictures changes from %lld to %lld bytes; report each part by itself",
                   measuring->name, (long long)measuring->raw_bytes, (long long)packet->bytes);
  measuring->raw_bytes = packet->bytes;
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
  if (packet->position >= 0 && (uint64_t)(packet->position + packet->bytes) > measuring->claimed)
    measuring->claimed = (uint64_t)(packet->position + packet->bytes);
  if (packet->is_video || packet->is_other_video)
    see_position(packet->is_video ? &measuring->positions : &measuring->other_positions, packet->position);
  uint64_t left_out = measuring->clock.left_out;
  clock_reading_see(&measuring->clock, &clock);
  forget_pictures(measuring, measuring->clock.left_out - left_out);
  /* Segments that were made apart have counters of their own, which libavformat takes for damage. */
  if (packet->is_corrupt && !measuring->ts.is_ts && !measuring->mp4.is_mp4) measuring->is_damaged = true;
  if (!packet->is_video) return 0;
  measuring->packets++;
  if (measuring->last_bytes > measuring->largest_bytes) measuring->largest_bytes = measuring->last_bytes;
  measuring->last_bytes = packet->bytes;
  measuring->fields += fields_of(measuring, packet);
  if (measuring->mp4.is_mp4) keep_picture(measuring, packet);
  return see_picture(measuring, packet, err);
}

static int see_waiting(struct measuring *measuring, bool is_end, struct err *err) {
  int result = 0;
  bool is_all = is_end && measuring->packets == 0 && guesses_order(measuring);
  order_settle(&measuring->order, is_all ? units_of(demux_video(measuring->demux), stated_s(measuring)) : 0);
  for (size_t i = 0; result == 0 && i < measuring->order.count; i++)
    result = see_packet(measuring, &measuring->order.items[i], err);
  order_fini(&measuring->order);
  return result;
}

/* Sees a packet, or lets it wait. */
static int take_packet(struct measuring *measuring, const struct demux_packet *packet, struct err *err) {
  bool is_held = order_holds(&measuring->order, packet, measuring->packets == 0, guesses_order(measuring));
  if (!is_held) return see_packet(measuring, packet, err);
  order_add(&measuring->order, packet);
  return order_is_full(&measuring->order) ? see_waiting(measuring, false, err) : 0;
}

static int read_all(struct measuring *measuring, struct err *err) {
  struct demux_packet packet;
  bool is_end = false;
  measuring->end_s = -INFINITY;
  measuring->positions = measuring->other_positions = (struct range){-1, -1};
  start_clock(measuring);
  while (true) {
    int result = demux_next(measuring->demux, &packet, &is_end, err);
    if (result != 0) return result;
    if (is_end) return see_waiting(measuring, true, err);
    result = take_packet(measuring, &packet, err);
    if (result != 0) return result;
  }
}

/* ---- truncation ---- */

static bool is_mp4_truncated(const struct measuring *measuring, const struct mp4_track *track) {
  uint64_t promised = track->samples + track->fragment_samples;
  promised -= track->empty_samples < promised ? track->empty_samples : promised;
  return track->samples_beyond > 0 || (uint64_t)measuring->packets < promised;
}

/* In YUV4MPEG2, every picture takes as many bytes, and libavformat drops the last one if it is not whole. */
static bool ends_within_picture(const struct measuring *measuring) {
  const struct range *own = &measuring->positions;
  bool is_raw = strcmp(demux_container(measuring->demux)->name, "yuv4mpegpipe") == 0;
  if (!is_raw || own->first < 0 || measuring->packets < 2 || (own->last - own->first) % (measuring->packets - 1) != 0) return false;
  return (int64_t)reel_size(measuring->reel) - own->last > (own->last - own->first) / (measuring->packets - 1);
}

/* True if a container other than MP4 says that it holds more. */
static bool is_truncated(const struct measuring *measuring) {
  const struct demux_container *container = demux_container(measuring->demux);
  const struct demux_video *video = demux_video(measuring->demux);
  if (measuring->is_damaged || measuring->packets == 0 || ends_within_picture(measuring)) return true;
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

/* Containers whose last packet is followed by little or nothing, so that zeros there are packets that were lost. The others have
 * tables of their sizes, or pad. */
static bool may_end_in_zeros(const struct measuring *measuring) {
  static const char names[][16] = {"flv", "live_flv", "mpeg", "ogg", "nut", "avi", "ivf", "yuv4mpegpipe", "dv", "mxf", "amv", "gif", "apng"};
  const struct demux_container *container = demux_container(measuring->demux);
  bool is_named = container->takes_rate;
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    is_named |= strcmp(container->name, names[i]) == 0;
  return !is_named;
}

/* The header of a chunk that only pads, close before a position: RIFF's JUNK, MXF's KLV fill item. */
static int find_padding(struct measuring *measuring, uint64_t position, bool *ret, struct err *err) {
  uint8_t head[PADDING_HEAD];
  size_t got = 0;
  uint64_t from = position > sizeof head ? position - sizeof head : 0;
  int result = reel_read(measuring->reel, from, head, (size_t)(position - from), &got, err);
  *ret = memmem(head, got, "JUNK", 4) != NULL || memmem(head, got, "\x03\x01\x02\x10\x01", 5) != NULL;
  return result;
}

static int check_zeros(struct measuring *measuring, struct err *err) {
  const struct demux_container *container = demux_container(measuring->demux);
  uint64_t zeros = 0, size = reel_size(measuring->reel);
  bool is_padding = false;
  if (may_end_in_zeros(measuring)) return 0;
  int result = zeros_at_end(measuring->reel, &zeros, err);
  if (result == 0 && zeros > ZEROS_MAX) result = find_padding(measuring, size - zeros, &is_padding, err);
  if (result != 0) return err_prefix(err, "%s", measuring->name);
  bool is_coded = container->takes_rate && !demux_video(measuring->demux)->is_raw; /* no coded picture ends in so many zeros, but: */
  bool may_stuff = strcmp(container->name, "mpegvideo") == 0; /* a constant bit rate is kept by zeros behind each picture */
  if (may_stuff && zeros <= (uint64_t)measuring->largest_bytes + ZEROS_MAX) return 0;
  uint64_t begin = !is_coded && measuring->claimed > size - zeros ? measuring->claimed : size - zeros;
  return !is_padding && begin < size && size - begin > ZEROS_MAX ? refuse_zeros(measuring, err) : 0;
}

/* True if the video of a transport or program stream goes on under another PID or identifier. */
static bool goes_on_elsewhere(const struct measuring *measuring) {
  const struct range *own = &measuring->positions, *other = &measuring->other_positions;
  bool has_streams = measuring->ts.is_ts || strcmp(demux_container(measuring->demux)->name, "mpeg") == 0;
  bool is_known = has_streams && own->first >= 0 && other->first >= 0;
  return measuring->ts.is_reassigned || (is_known && (other->first > own->last || other->last < own->first));
}

/* ---- the result ---- */

/* mp4_show has sorted the pictures. */
static bool holds_too_long(const struct measuring *measuring, const struct mp4_track *track) {
  for (size_t i = 0; i < measuring->pictures.count; i++) {
    double step = i > 0 ? (double)measuring->pictures.items[i].time - (double)measuring->pictures.items[i - 1].time : 0;
    if (fmax(step, (double)measuring->pictures.items[i].duration) / track->timescale > HELD_MAX_S) return true;
  }
  return false;
}

/* True if times of showing are damaged, or contradict the length that the track states, so that they add more than a minute.
 * mp4_show has sorted the pictures. */
static bool adds_minutes(const struct measuring *measuring, const struct mp4_track *track) {
  const struct mp4_picture *last = &measuring->pictures.items[measuring->pictures.count - 1];
  const struct clock_state *clock = &measuring->clock.now;
  double shown_s = ((double)last->time + (double)last->duration - (double)measuring->pictures.items[0].time) / track->timescale;
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
  if (measuring->pictures.count == 0 || is_mp4_truncated(measuring, track)) return refuse_truncated(measuring, err);
  if (goes_back(measuring) || clock_reading_is_torn(&measuring->clock)) return refuse_strays(measuring, err);
  struct mp4_shown shown =
      mp4_show(&measuring->mp4, track, measuring->pictures.items, measuring->pictures.count, explanation(measuring));
  if (adds_minutes(measuring, track)) return refuse_strays(measuring, err);
  if ((double)shown.num / (double)shown.den > DURATION_MAX_S || holds_too_long(measuring, track))
    return refuse_times(measuring, err);
  if (shown.num <= 0)
    return refuse(measuring, MEDIA_REFUSED_BROKEN, err, "its edit list shows no picture");
  ret->num = shown.num;
  ret->den = shown.den;
  if (measuring->pictures.count > 0) ret->begin_s = (double)measuring->pictures.items[0].time / track->timescale; /* sorted */
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

/* ASF states no rate, so libavformat guesses how long the last picture is shown. The head states the end of the longest stream. */
static int64_t end_of_asf(const struct measuring *measuring, int64_t shown) {
  const struct demux_container *container = demux_container(measuring->demux);
  int64_t stated = units_of(demux_video(measuring->demux), stated_s(measuring));
  bool is_alone = strcmp(container->name, "asf") == 0 && container->other_streams == 0 && stated > 0;
  return is_alone && llabs(shown - stated) <= units_of(demux_video(measuring->demux), SLACK_S) ? stated : shown;
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
  ret->num = end_of_asf(measuring, shown) * video->time_base.num;
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

/* What libavformat says of a file that was cut does not help. */
static int check_whole(struct measuring *measuring, int result, struct err *err) {
  bool is_broken = result == 0 || (result == -ERR_MEDIA && measuring->refusal == MEDIA_REFUSED_BROKEN);
  if (!is_broken || measuring->cut == NULL) return result;
  EXPLAIN(measuring, "cut: its last %s is not whole\n", measuring->cut);
  return refuse_truncated(measuring, err);
}

static int measure_media(struct measuring *measuring, struct measured *ret, struct err *err) {
  int result = open_media(measuring, err);
  if (result == 0) result = check_video(measuring, err);
  if (result == 0) result = check_joined(measuring, err);
  result = check_whole(measuring, result, err);
  if (result == 0) result = read_all(measuring, err);
  if (result == 0) result = check_zeros(measuring, err);
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
