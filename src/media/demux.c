/* Options that differ from libavformat's defaults, and why:
 *
 *   correct_ts_overflow 0   libavformat turns a leap of a transport stream's clock into a wrap of its 33 bits, and moves
 *                           times by 26.5 hours. clock.c does better with the raw times.
 *   ignore_editlist 1       libavformat only approximates edit lists; mp4.c applies them.
 *
 * The input has no name, so only content decides what format it is: a wrong extension changes nothing.
 */
#include "media/demux.h"

#include <errno.h>
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/display.h>
#include <libavutil/opt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define BUFFER_SIZE (1 << 16)
#define PROBE_SIZE (32 << 20) /* a slide show may have its first pictures far apart */
#define TIME_MAX (INT64_C(1) << 60) /* a time beyond it is a fault of the file, and counts as unknown */
#define PROBE_US 100000000
#define PICTURE_MAX (96 << 20) /* libavcodec's parsers gather the bytes of a raw picture until they see its end */
#define PACKETS_EMPTY_MAX 100000 /* packets without data in a row: a demuxer that makes no progress */

struct demux {
  const char *name;
  struct reel *reel;
  uint64_t position;
  bool is_raw;
  uint64_t since_packet; /* bytes that were read since the last packet */
  struct err trouble; /* of the first read that failed; its code is 0 until then */
  AVIOContext *io;
  AVFormatContext *input;
  AVStream *stream;
  AVPacket *packet;
  AVCodecParserContext *parser; /* finds the picture's size in key pictures; NULL: there is none for the codec */
  AVCodecContext *context;      /* the parser's */
  struct demux_video video;
  struct demux_container container;
};

/* Demuxers also use the system's error codes for faults in a file, so only ENOMEM is taken as the system's. */
static int fail_av(const struct demux *demux, const char *what, int code, struct err *err) {
  char reason[AV_ERROR_MAX_STRING_SIZE] = "";
  if (demux->trouble.code != 0) {
    *err = demux->trouble;
    return -(int)err->code;
  }
  (void)av_strerror(code, reason, sizeof reason);
  return err_set(err, code == AVERROR(ENOMEM) ? ERR_MEMORY : ERR_MEDIA, "%s: %s: %s", demux->name, what, reason);
}

/* ---- input ---- */

static int read_reel(void *arg, uint8_t *out, int size) {
  struct demux *demux = arg;
  size_t got = 0;
  struct err err = {0};
  if (demux->is_raw && demux->since_packet > PICTURE_MAX) {
    if (demux->trouble.code == 0)
      (void)err_set(&demux->trouble, ERR_MEDIA, "%s: it is damaged: no picture ends within %d MiB", demux->name,
                    PICTURE_MAX >> 20);
    return AVERROR(EIO);
  }
  int result = reel_read(demux->reel, demux->position, out, (size_t)size, &got, &err);
  if (result != 0 && demux->trouble.code == 0) demux->trouble = err;
  demux->position += got;
  demux->since_packet += got;
  if (got > 0) return (int)got;
  return result != 0 ? AVERROR(EIO) : AVERROR_EOF;
}

static int64_t seek_reel(void *arg, int64_t offset, int whence) {
  struct demux *demux = arg;
  int64_t size = (int64_t)reel_size(demux->reel);
  if (whence == AVSEEK_SIZE) return size;
  int64_t base = whence == SEEK_CUR ? (int64_t)demux->position : whence == SEEK_END ? size : 0;
  if (offset < -base || offset > INT64_MAX - base) return AVERROR(EINVAL);
  demux->position = (uint64_t)(base + offset);
  return base + offset;
}

/* For files that name others. */
static int refuse_open(AVFormatContext *input, AVIOContext **ret, const char *url, int flags, AVDictionary **options) {
  (void)input, (void)ret, (void)url, (void)flags, (void)options;
  return AVERROR(EPERM);
}

static bool takes_rate(const AVInputFormat *format) {
  return format->priv_class != NULL &&
         av_opt_find((void *)&format->priv_class, "framerate", NULL, 0, AV_OPT_SEARCH_FAKE_OBJ) != NULL;
}

static int open_input(struct demux *demux, struct demux_ratio rate, struct err *err) {
  AVDictionary *options = NULL;
  char text[48];
  uint8_t *buffer = av_malloc(BUFFER_SIZE);
  demux->io = buffer != NULL ? avio_alloc_context(buffer, BUFFER_SIZE, 0, demux, read_reel, NULL, seek_reel) : NULL;
  demux->input = avformat_alloc_context();
  demux->packet = av_packet_alloc();
  if (demux->io == NULL || demux->input == NULL || demux->packet == NULL) {
    if (demux->io == NULL) av_free(buffer);
    return err_set(err, ERR_MEMORY, "not enough memory to read %s", demux->name);
  }
  demux->input->pb = demux->io;
  demux->input->io_open = refuse_open;
  demux->input->correct_ts_overflow = 0;
  (void)snprintf(text, sizeof text, "%lld/%lld", (long long)rate.num, (long long)rate.den);
  (void)av_dict_set(&options, "framerate", text, 0);
  (void)av_dict_set(&options, "ignore_editlist", "1", 0);
  (void)av_dict_set_int(&options, "probesize", PROBE_SIZE, 0);
  (void)av_dict_set_int(&options, "analyzeduration", PROBE_US, 0);
  int code = avformat_open_input(&demux->input, "", NULL, &options);
  av_dict_free(&options);
  if (code < 0) return fail_av(demux, "cannot read it as a media file", code, err);
  demux->is_raw = takes_rate(demux->input->iformat);
  code = avformat_find_stream_info(demux->input, NULL);
  return code < 0 ? fail_av(demux, "cannot read its streams", code, err) : 0;
}

/* ---- facts ---- */

static bool is_video(const AVStream *stream) {
  return stream->codecpar->codec_type == AVMEDIA_TYPE_VIDEO && (stream->disposition & AV_DISPOSITION_ATTACHED_PIC) == 0;
}

/* The stream that a player would show. Cover art is not video. */
static AVStream *find_video(AVFormatContext *input) {
  int best = av_find_best_stream(input, AVMEDIA_TYPE_VIDEO, -1, -1, NULL, 0);
  if (best >= 0 && (input->streams[best]->disposition & AV_DISPOSITION_ATTACHED_PIC) == 0) return input->streams[best];
  for (unsigned i = 0; i < input->nb_streams; i++) {
    if (is_video(input->streams[i])) return input->streams[i];
  }
  return NULL;
}

static bool is_text(enum AVCodecID codec) {
  return codec == AV_CODEC_ID_ANSI || codec == AV_CODEC_ID_XBIN || codec == AV_CODEC_ID_BINTEXT ||
         codec == AV_CODEC_ID_IDF;
}

static bool is_turned(const AVStream *video) {
  size_t size = 0;
  const uint8_t *matrix = av_stream_get_side_data(video, AV_PKT_DATA_DISPLAYMATRIX, &size);
  if (matrix == NULL || size < 9 * sizeof(int32_t)) return false;
  double degrees = av_display_rotation_get((const int32_t *)(const void *)matrix);
  return !isnan(degrees) && lround(fabs(degrees) / 90.0) % 2 == 1;
}

static struct demux_ratio ratio(AVRational value) {
  return value.num > 0 && value.den > 0 ? (struct demux_ratio){value.num, value.den} : (struct demux_ratio){0, 0};
}

static void look_at_video(const AVStream *stream, struct demux_video *ret) {
  const AVCodecParameters *parameters = stream->codecpar;
  *ret = (struct demux_video){
      .is_text = is_text(parameters->codec_id),
      .width = parameters->width > 0 ? (uint32_t)parameters->width : 0,
      .height = parameters->height > 0 ? (uint32_t)parameters->height : 0,
      .is_turned = is_turned(stream),
      .id = (uint32_t)stream->id,
      .time_base = ratio(stream->time_base),
      .rate = ratio(stream->avg_frame_rate.num > 0 ? stream->avg_frame_rate : stream->r_frame_rate),
      .promised = stream->nb_frames,
  };
  if (parameters->codec_id != AV_CODEC_ID_NONE)
    (void)snprintf(ret->codec, sizeof ret->codec, "%s", avcodec_get_name(parameters->codec_id));
  if (!ret->is_turned) return;
  uint32_t width = ret->width;
  ret->width = ret->height;
  ret->height = width;
}

static bool is_picture(const char *format) {
  size_t len = strlen(format);
  return strcmp(format, "image2") == 0 || (len > 5 && strcmp(format + len - 5, "_pipe") == 0);
}

static void look_at_container(const AVFormatContext *input, struct demux_container *ret) {
  bool is_stated = input->duration != AV_NOPTS_VALUE && input->duration > 0 &&
                   input->duration_estimation_method == AVFMT_DURATION_FROM_STREAM;
  *ret = (struct demux_container){
      .name = input->iformat->name,
      .is_picture = is_picture(input->iformat->name),
      .takes_rate = takes_rate(input->iformat),
      .other_streams = input->nb_streams - 1,
      .duration_us = is_stated ? input->duration : 0,
      .start_us = input->start_time != AV_NOPTS_VALUE ? input->start_time : 0,
  };
}

/* The parser only looks at sizes. Without it, a change of size stays unseen where no side data tells of it. */
static int make_parser(struct demux *demux, struct err *err) {
  demux->parser = av_parser_init(demux->stream->codecpar->codec_id);
  if (demux->parser == NULL) return 0;
  demux->parser->flags |= PARSER_FLAG_COMPLETE_FRAMES;
  demux->context = avcodec_alloc_context3(NULL);
  if (demux->context == NULL || avcodec_parameters_to_context(demux->context, demux->stream->codecpar) < 0)
    return err_set(err, ERR_MEMORY, "not enough memory to read %s", demux->name);
  return 0;
}

int demux_open(struct reel *reel, const char *name, struct demux_ratio rate, struct demux **ret, bool *ret_no_video,
               struct err *err) {
  SCOPED(demux_close_ref) struct demux *demux = calloc(1, sizeof *demux);
  CHECK(demux != NULL);
  *ret_no_video = false;
  demux->name = name;
  demux->reel = reel;
  av_log_set_level(AV_LOG_QUIET);
  int result = open_input(demux, rate, err);
  if (result != 0) return result;
  demux->stream = find_video(demux->input);
  if (demux->stream == NULL) {
    *ret_no_video = true;
    return err_set(err, ERR_MEDIA, "%s: it has no video", name);
  }
  look_at_video(demux->stream, &demux->video);
  look_at_container(demux->input, &demux->container);
  result = make_parser(demux, err);
  if (result == 0) *ret = MOVE(demux);
  return result;
}

void demux_close(struct demux *demux) {
  if (demux == NULL) return;
  if (demux->parser != NULL) av_parser_close(demux->parser);
  avcodec_free_context(&demux->context);
  av_packet_free(&demux->packet);
  avformat_close_input(&demux->input);
  if (demux->io != NULL) av_freep(&demux->io->buffer);
  avio_context_free(&demux->io);
  free(demux);
}

const struct demux_video *demux_video(const struct demux *demux) { return &demux->video; }

const struct demux_container *demux_container(const struct demux *demux) { return &demux->container; }

/* ---- packets ---- */

static void take_extradata(struct demux *demux) {
  size_t size = 0;
  const uint8_t *data = av_packet_get_side_data(demux->packet, AV_PKT_DATA_NEW_EXTRADATA, &size);
  if (data == NULL || demux->context == NULL || size > (1 << 20)) return;
  uint8_t *copy = av_mallocz(size + AV_INPUT_BUFFER_PADDING_SIZE);
  if (copy == NULL) return;
  memcpy(copy, data, size);
  av_freep(&demux->context->extradata);
  demux->context->extradata = copy;
  demux->context->extradata_size = (int)size;
  av_parser_close(demux->parser); /* it has read the old extradata */
  demux->parser = av_parser_init(demux->stream->codecpar->codec_id);
  if (demux->parser != NULL) demux->parser->flags |= PARSER_FLAG_COMPLETE_FRAMES;
}

static void see_size(struct demux *demux, struct demux_packet *ret) {
  uint8_t *out = NULL;
  int size = 0;
  take_extradata(demux);
  if (demux->parser == NULL || !ret->is_key) return;
  (void)av_parser_parse2(demux->parser, demux->context, &out, &size, demux->packet->data, demux->packet->size,
                         AV_NOPTS_VALUE, AV_NOPTS_VALUE, 0);
  if (demux->parser->width <= 0 || demux->parser->height <= 0) return;
  ret->width = (uint32_t)(demux->video.is_turned ? demux->parser->height : demux->parser->width);
  ret->height = (uint32_t)(demux->video.is_turned ? demux->parser->width : demux->parser->height);
}

static int64_t scale(const struct demux *demux, int64_t value) {
  const AVStream *stream = demux->input->streams[demux->packet->stream_index];
  if (value == AV_NOPTS_VALUE) return DEMUX_NONE;
  int64_t scaled = stream == demux->stream ? value : av_rescale_q(value, stream->time_base, demux->stream->time_base);
  return scaled > -TIME_MAX && scaled < TIME_MAX ? scaled : DEMUX_NONE;
}

static void give(struct demux *demux, struct demux_packet *ret) {
  const AVPacket *packet = demux->packet;
  demux->since_packet = 0;
  enum AVMediaType type = demux->input->streams[packet->stream_index]->codecpar->codec_type;
  int64_t duration = scale(demux, packet->duration);
  *ret = (struct demux_packet){
      .is_video = packet->stream_index == demux->stream->index,
      .is_sound = type == AVMEDIA_TYPE_AUDIO,
      .is_key = (packet->flags & AV_PKT_FLAG_KEY) != 0,
      .is_corrupt = (packet->flags & AV_PKT_FLAG_CORRUPT) != 0,
      .is_other_video = packet->stream_index != demux->stream->index && is_video(demux->input->streams[packet->stream_index]),
      .is_hidden = (packet->flags & AV_PKT_FLAG_DISCARD) != 0,
      .pts = scale(demux, packet->pts),
      .dts = scale(demux, packet->dts),
      .duration = packet->duration > 0 && duration != DEMUX_NONE ? duration : 0,
      .position = packet->pos,
  };
  if (ret->is_video) see_size(demux, ret);
}

/* libavformat gives the headers of an Ogg file that was joined to another one as packets. */
static bool is_theora_header(const struct demux *demux) {
  const AVPacket *packet = demux->packet;
  bool is_theora = demux->input->streams[packet->stream_index]->codecpar->codec_id == AV_CODEC_ID_THEORA;
  return is_theora && packet->size > 0 && (packet->data[0] & 0x80) != 0;
}

/* A unit of Dirac that only ends a sequence: 'BBCD', 0x10, the distances to its neighbours (Dirac specification 2.2.3, 9.6). */
static bool is_dirac_end(const struct demux *demux) {
  const AVPacket *packet = demux->packet;
  bool is_dirac = demux->input->streams[packet->stream_index]->codecpar->codec_id == AV_CODEC_ID_DIRAC;
  return is_dirac && packet->size == 13 && memcmp(packet->data, "BBCD\x10", 5) == 0;
}

int demux_next(struct demux *demux, struct demux_packet *ret, bool *ret_end, struct err *err) {
  int code = 0;
  *ret_end = false;
  for (int empty = 0; empty < PACKETS_EMPTY_MAX; empty++) {
    av_packet_unref(demux->packet);
    code = av_read_frame(demux->input, demux->packet);
    if (code == AVERROR(EAGAIN)) continue;
    if (code < 0) break;
    if (is_theora_header(demux) || is_dirac_end(demux)) continue;
    give(demux, ret);
    return 0;
  }
  bool is_end = code == AVERROR_EOF && demux->trouble.code == 0;
  if (is_end && demux->io->error < 0 && demux->io->error != AVERROR_EOF) code = demux->io->error;
  if (!is_end || code != AVERROR_EOF) return fail_av(demux, "reading stopped before its end", code, err);
  *ret_end = true;
  return 0;
}
