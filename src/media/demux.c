/* Options that differ from libavformat's defaults, and why:
 *
 *   correct_ts_overflow 0   libavformat turns a leap of a transport stream's clock into a wrap of its 33 bits, and moves
 *                           times by 26.5 hours. clock.c does better with the raw times.
 *   ignore_editlist 1       libavformat only approximates edit lists; mp4.c applies them.
 *
 * The input has no name, so only content decides what format it is: a wrong extension changes nothing.
 *
 * Some demuxers open files or addresses that a text names, and do so past io_open: concat, sdp, hls, dash, imf, vobsub. So only
 * the demuxers of a list may run. What they may open is nothing: io_open refuses, and no protocol is allowed in the contexts
 * that they make.
 */
#include "media/demux.h"

#include <errno.h>
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/avstring.h>
#include <libavutil/display.h>
#include <libavutil/opt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "media/picture_size.h"
#include "media/stream_codec.h"

#define BUFFER_SIZE (1 << 16)
#define PROBE_SIZE (32 << 20) /* a slide show may have its first pictures far apart */
#define TIME_MAX (INT64_C(1) << 60) /* a time beyond it is a fault of the file, and counts as unknown */
#define PROBE_US 100000000
#define PICTURE_MAX (96 << 20) /* libavcodec's parsers gather the bytes of a raw picture until they see its end */
#define ZERO_PICTURE_MIN 16 /* bytes: shorter packets may mean that nothing changes */
#define PACKETS_EMPTY_MAX 100000 /* packets without data in a row: a demuxer that makes no progress */

/* Demuxers of files that may hold video, and that read only the bytes of that file. */
static const char formats[] =
    "4xm,alias_pix,anm,apng,argo_brp,asf,av1,avi,avs,avs2,avs3,bethsoftvid,bfi,bink,bmp_pipe,brender_pix,c93,cavsvideo,cdxl,cine,"
    "cri_pipe,dcstr,dds_pipe,dfa,dhav,dirac,dnxhd,dpx_pipe,dsicin,dv,dxa,ea,ea_cdata,exr_pipe,film_cpk,fits,flic,flv,frm,gdv,"
    "gem_pipe,gif,gif_pipe,gxf,h261,h263,h264,hevc,hnm,ico,idcin,iff,ifv,ingenient,ipmovie,ipu,iv8,ivf,ivr,j2k_pipe,jpeg_pipe,"
    "jpegls_pipe,jpegxl_pipe,jv,kux,live_flv,lmlm4,luodat,lvf,lxf,m4v,matroska,webm,mgsts,mjpeg,mjpeg_2000,mlv,mm,mods,moflex,"
    "mov,mp4,m4a,3gp,3g2,mj2,mpeg,mpegts,mpegvideo,mpjpeg,msnwctcp,msp,mtv,mv,mxf,nc,nsv,nut,nuv,obu,ogg,paf,pam_pipe,pbm_pipe,"
    "pcx_pipe,pfm_pipe,pgm_pipe,pgmyuv_pipe,pgx_pipe,phm_pipe,photocd_pipe,pictor_pipe,pmp,png_pipe,ppm_pipe,psd_pipe,psxstr,pva,"
    "qdraw_pipe,qoi_pipe,r3d,rl2,rm,roq,rpl,sdr2,ser,sga,sgi_pipe,siff,simbiosis_imx,smjpeg,smk,smush,sunrast_pipe,svg_pipe,swf,"
    "thp,tiertexseq,tiff_pipe,tmv,txd,ty,vbn_pipe,vc1,vc1test,vividas,vivo,vmd,vvc,wc3movie,webp_pipe,wsvqa,wtv,xbm_pipe,xmv,"
    "xpm_pipe,xwd_pipe,yop,yuv4mpegpipe";

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
  struct picture_sizes sizes;
  struct picture_size announced; /* by a header that is no picture, for the next packet; 0: none */
  struct stream_codec headers;
  char codec[MEDIA_CODEC_SIZE]; /* whose headers the video has; empty: none were seen yet */
  struct demux_video video;
  struct demux_container container;
};

#define MEMORY_TRIED ((size_t)64 << 20)

/* A size that no memory has room for is the file's fault. */
static bool is_memory_short(int code) {
  void *tried = code == AVERROR(ENOMEM) ? malloc(MEMORY_TRIED) : NULL;
  bool is_short = code == AVERROR(ENOMEM) && tried == NULL;
  free(tried);
  return is_short;
}

/* Demuxers also use the system's error codes for faults in a file, so only ENOMEM may be the system's. */
static int fail_av(const struct demux *demux, const char *what, int code, struct err *err) {
  char reason[AV_ERROR_MAX_STRING_SIZE] = "";
  if (demux->trouble.code != 0) {
    *err = demux->trouble;
    return -(int)err->code;
  }
  bool is_short = is_memory_short(code);
  if (!is_short && code == AVERROR(ENOMEM)) code = AVERROR_INVALIDDATA;
  if (code == AVERROR_PATCHWELCOME) code = AVERROR_INVALIDDATA; /* what no version of libav reads is mostly damage */
  (void)av_strerror(code, reason, sizeof reason);
  return err_set(err, is_short ? ERR_MEMORY : ERR_MEDIA, "%s: %s: %s", demux->name, what, reason);
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

/* For files that name others: a QuickTime reference movie. */
static int refuse_open(AVFormatContext *input, AVIOContext **ret, const char *url, int flags, AVDictionary **options) {
  (void)input, (void)ret, (void)url, (void)flags, (void)options;
  return AVERROR(EPERM);
}

static bool takes_rate(const AVInputFormat *format) {
  return format->priv_class != NULL &&
         av_opt_find((void *)&format->priv_class, "framerate", NULL, 0, AV_OPT_SEARCH_FAKE_OBJ) != NULL;
}

static int find_format(struct demux *demux, const AVInputFormat **ret, bool *ret_no_video, struct err *err) {
  int code = av_probe_input_buffer(demux->io, ret, "", NULL, 0, 0);
  if (code < 0) return fail_av(demux, "cannot read it as a media file", code, err);
  if (av_match_list((*ret)->name, formats, ',') > 0) return 0;
  *ret_no_video = true;
  return err_set(err, ERR_MEDIA, "%s: it has no video; libavformat takes it for '%s'", demux->name, (*ret)->name);
}

static int alloc_input(struct demux *demux, struct err *err) {
  uint8_t *buffer = av_malloc(BUFFER_SIZE);
  demux->io = buffer != NULL ? avio_alloc_context(buffer, BUFFER_SIZE, 0, demux, read_reel, NULL, seek_reel) : NULL;
  demux->input = avformat_alloc_context();
  demux->packet = av_packet_alloc();
  if (demux->io == NULL || demux->input == NULL || demux->packet == NULL) {
    if (demux->io == NULL) av_free(buffer);
    return err_set(err, ERR_MEMORY, "not enough memory to read %s", demux->name);
  }
  demux->input->pb = demux->io;
  demux->input->flags |= AVFMT_FLAG_CUSTOM_IO; /* the input does not own io, also if it is never opened */
  demux->input->io_open = refuse_open;
  demux->input->correct_ts_overflow = 0;
  return 0;
}

static int open_input(struct demux *demux, struct demux_ratio rate, bool *ret_no_video, struct err *err) {
  AVDictionary *options = NULL;
  const AVInputFormat *format = NULL;
  char text[48];
  int result = alloc_input(demux, err);
  if (result == 0) result = find_format(demux, &format, ret_no_video, err);
  if (result != 0) return result;
  (void)snprintf(text, sizeof text, "%lld/%lld", (long long)rate.num, (long long)rate.den);
  (void)av_dict_set(&options, "framerate", text, 0);
  (void)av_dict_set(&options, "ignore_editlist", "1", 0);
  (void)av_dict_set_int(&options, "probesize", PROBE_SIZE, 0);
  (void)av_dict_set_int(&options, "analyzeduration", PROBE_US, 0);
  (void)av_dict_set(&options, "format_whitelist", formats, 0);
  (void)av_dict_set(&options, "protocol_whitelist", "", 0);
  int code = avformat_open_input(&demux->input, "", format, &options);
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

static bool is_raw(enum AVCodecID codec) {
  static const enum AVCodecID raw[] = {AV_CODEC_ID_RAWVIDEO, AV_CODEC_ID_V210, AV_CODEC_ID_V210X, AV_CODEC_ID_V308, AV_CODEC_ID_V408,
                                       AV_CODEC_ID_V410,     AV_CODEC_ID_R210, AV_CODEC_ID_R10K,  AV_CODEC_ID_YUV4, AV_CODEC_ID_AYUV};
  for (size_t i = 0; i < sizeof raw / sizeof raw[0]; i++) {
    if (codec == raw[i]) return true;
  }
  return false;
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
      .width = parameters->width > 0 ? (uint32_t)parameters->width : 0,
      .height = parameters->height > 0 ? (uint32_t)parameters->height : 0,
      .is_raw = is_raw(parameters->codec_id),
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

/* In AVI, sound that begins late begins with empty chunks, which count but give no packet. So only its video tells there. */
static int64_t duration_of(const AVFormatContext *input, const AVStream *video) {
  bool is_avi = strcmp(input->iformat->name, "avi") == 0 && video->duration > 0;
  return is_avi ? av_rescale_q(video->duration, video->time_base, AV_TIME_BASE_Q) : input->duration;
}

static void look_at_container(const AVFormatContext *input, const AVStream *video, struct demux_container *ret) {
  int64_t duration = duration_of(input, video);
  bool is_stated = duration != AV_NOPTS_VALUE && duration > 0 &&
                   input->duration_estimation_method == AVFMT_DURATION_FROM_STREAM;
  *ret = (struct demux_container){
      .name = input->iformat->name,
      .is_picture = is_picture(input->iformat->name),
      .takes_rate = takes_rate(input->iformat),
      .other_streams = input->nb_streams - 1,
      .duration_us = is_stated ? duration : 0,
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

/* The headers of Theora are no packets of the first part of a chained file: the first one is in the extradata, behind its length. */
static void announce_size(struct demux *demux) {
  const AVCodecParameters *parameters = demux->stream->codecpar;
  bool is_theora = parameters->codec_id == AV_CODEC_ID_THEORA && parameters->extradata_size > 2;
  if (is_theora)
    (void)picture_size_read(&demux->sizes, demux->video.codec, parameters->extradata + 2, (size_t)parameters->extradata_size - 2,
                            &demux->announced);
}

int demux_open(struct reel *reel, const char *name, struct demux_ratio rate, struct demux **ret, bool *ret_no_video,
               struct err *err) {
  SCOPED(demux_close_ref) struct demux *demux = calloc(1, sizeof *demux);
  CHECK(demux != NULL);
  *ret_no_video = false;
  demux->name = name;
  demux->reel = reel;
  av_log_set_level(AV_LOG_QUIET);
  int result = open_input(demux, rate, ret_no_video, err);
  if (result != 0) return result;
  demux->stream = find_video(demux->input);
  if (demux->stream == NULL) {
    *ret_no_video = true;
    return err_set(err, ERR_MEDIA, "%s: it has no video", name);
  }
  look_at_video(demux->stream, &demux->video);
  look_at_container(demux->input, demux->stream, &demux->container);
  announce_size(demux);
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

static void set_size(const struct demux *demux, uint32_t width, uint32_t height, struct demux_packet *ret) {
  ret->width = demux->video.is_turned ? height : width;
  ret->height = demux->video.is_turned ? width : height;
}

static bool read_size(struct demux *demux, struct picture_size *ret) {
  const AVPacket *packet = demux->packet;
  return packet->size > 0 && picture_size_read(&demux->sizes, demux->video.codec, packet->data, (size_t)packet->size, ret);
}

/* By the packet's own header, else by libavcodec's parser. */
static void see_size(struct demux *demux, struct demux_packet *ret) {
  uint8_t *out = NULL;
  int size = 0;
  struct picture_size own = demux->announced;
  take_extradata(demux);
  if (read_size(demux, &own) || own.width != 0) {
    set_size(demux, own.width, own.height, ret);
    return;
  }
  if (demux->parser == NULL || !ret->is_key) return;
  (void)av_parser_parse2(demux->parser, demux->context, &out, &size, demux->packet->data, demux->packet->size,
                         AV_NOPTS_VALUE, AV_NOPTS_VALUE, 0);
  if (demux->parser->width <= 0 || demux->parser->height <= 0) return;
  set_size(demux, (uint32_t)demux->parser->width, (uint32_t)demux->parser->height, ret);
}

/* MP4 and Matroska keep H.264 and HEVC without start codes; their extradata then begin with 1. */
static bool has_start_codes(const AVCodecParameters *parameters) {
  switch (parameters->codec_id) {
  case AV_CODEC_ID_MPEG1VIDEO:
  case AV_CODEC_ID_MPEG2VIDEO:
  case AV_CODEC_ID_MPEG4:
  case AV_CODEC_ID_VC1: return true;
  case AV_CODEC_ID_H264:
  case AV_CODEC_ID_HEVC: return parameters->extradata_size == 0 || parameters->extradata[0] != 1;
  default: return false;
  }
}

static bool is_mpeg_1_or_2(const char *codec) {
  return strcmp(codec, "mpeg1video") == 0 || strcmp(codec, "mpeg2video") == 0;
}

/* The first headers must be those of the codec that libavformat named, which may confuse MPEG-1 and MPEG-2. */
static void see_codec(struct demux *demux, struct demux_packet *ret) {
  const AVPacket *packet = demux->packet;
  if (packet->size <= 0 || !has_start_codes(demux->stream->codecpar)) return;
  const char *known = demux->codec[0] != '\0' ? demux->codec : NULL;
  const char *seen = stream_codec_see(&demux->headers, known, packet->data, (size_t)packet->size);
  if (seen == NULL) return;
  bool is_first = known == NULL;
  bool is_named = strcmp(seen, demux->video.codec) == 0 || (is_mpeg_1_or_2(seen) && is_mpeg_1_or_2(demux->video.codec));
  if (!is_first || !is_named) {
    ret->own_codec = is_first ? demux->video.codec : demux->codec;
    ret->other_codec = seen;
    return;
  }
  (void)snprintf(demux->codec, sizeof demux->codec, "%s", seen);
}

/* Codecs whose pictures begin with a header that is not 0. */
static bool has_header(enum AVCodecID codec) {
  static const enum AVCodecID codecs[] = {AV_CODEC_ID_H264,       AV_CODEC_ID_HEVC,   AV_CODEC_ID_VVC,   AV_CODEC_ID_AV1,   AV_CODEC_ID_VP8,
                                          AV_CODEC_ID_VP9,        AV_CODEC_ID_MPEG4,  AV_CODEC_ID_MJPEG, AV_CODEC_ID_PNG,   AV_CODEC_ID_PRORES,
                                          AV_CODEC_ID_MPEG1VIDEO, AV_CODEC_ID_JPEG2000, AV_CODEC_ID_DNXHD, AV_CODEC_ID_FLV1, AV_CODEC_ID_H263,
                                          AV_CODEC_ID_MPEG2VIDEO, AV_CODEC_ID_DVVIDEO};
  for (size_t i = 0; i < sizeof codecs / sizeof codecs[0]; i++) {
    if (codec == codecs[i]) return true;
  }
  return false;
}

static bool is_zeros(const struct demux *demux) {
  const AVPacket *packet = demux->packet;
  if (packet->size < ZERO_PICTURE_MIN || !has_header(demux->stream->codecpar->codec_id)) return false;
  return packet->data[0] == 0 && memcmp(packet->data, packet->data + 1, (size_t)packet->size - 1) == 0;
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
      .bytes = packet->size,
  };
  if (!ret->is_video) return;
  see_size(demux, ret);
  see_codec(demux, ret);
  ret->is_zeros = is_zeros(demux);
  demux->announced = (struct picture_size){0, 0};
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

/* Two demuxers do not tell the end of a file from a fault. */
static bool is_end_of(const struct demux *demux, int code) {
  const char *name = demux->container.name;
  bool is_so = (strcmp(name, "gxf") == 0 && code == AVERROR(EPERM)) || (strcmp(name, "mpjpeg") == 0 && code == AVERROR_INVALIDDATA);
  return is_so && avio_feof(demux->io) && demux->io->error >= 0;
}

int demux_next(struct demux *demux, struct demux_packet *ret, bool *ret_end, struct err *err) {
  int code = 0;
  *ret_end = false;
  for (int empty = 0; empty < PACKETS_EMPTY_MAX; empty++) {
    av_packet_unref(demux->packet);
    code = av_read_frame(demux->input, demux->packet);
    if (code == AVERROR(EAGAIN)) continue;
    if (is_end_of(demux, code)) code = AVERROR_EOF;
    if (code < 0) break;
    if (is_theora_header(demux)) (void)read_size(demux, &demux->announced);
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
