/* The module: the only file that knows libav.
 *
 * Durations. If the container states a stream's duration, that is the duration. Else the duration is the time that
 * the packets cover, piece by piece. A new piece begins where times go back, as where two files were joined, and in a
 * list of segments also where they leap ahead. In a stream without times, each packet is one frame, if the stream
 * states how long a frame is. Nothing is guessed from a bit rate.
 *
 * Truncation. The reader reads all packets. Each of these is an error: fewer packets than the index lists, a damaged
 * packet, a read error, an end more than a second before the length that the container states, and a partial
 * transport packet. A file that states nothing (raw H.264, a transport stream cut between two packets) looks like a
 * shorter file.
 *
 * Lists of segments. An HLS media playlist or a DASH manifest counts as one output. It is whole if its video covers
 * the length that it states, because libavformat skips segments that are missing. These
 * lists are refused: one that is not finished or consists of ranges of a file, because it would be read for ever, and
 * a master playlist, because it names several outputs. Only local files are read, so no list can make the program
 * connect to another machine.
 */
#include <errno.h>
#include <fcntl.h>
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/display.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/file.h"
#include "media/media.h"

#define SLACK_US \
  AV_TIME_BASE /* the last packet may end this much before the stated end; a larger step is a leap in time */
#define LIST_MAX ((size_t)64 << 20)
#define ERRNO_MAX 4096 /* libavformat's own error codes are larger */
#define SEGMENT_MAX 4096 /* as of a path; it also bounds the work on a name */
#define LIST_HEAD 4096 /* bytes in which a manifest is recognized */

media_probe_function codecmeter_media_measure;
media_progress_function codecmeter_media_on_progress; /* set by media/load.c */

/* Demuxers also use the system's error codes for faults in a file, so only ENOMEM is taken as the system's. */
static int fail_av(const char *path, const char *what, int code, struct err *err) {
  char reason[AV_ERROR_MAX_STRING_SIZE] = "";
  (void)av_strerror(code, reason, sizeof reason);
  return err_set(err, code == AVERROR(ENOMEM) ? ERR_MEMORY : ERR_MEDIA, "%s: %s: %s", path, what, reason);
}

static int fail_file(const char *path, struct err *err) {
  return err_set_errno(err, file_may_pass(errno) ? ERR_IO : ERR_MEDIA, errno, "%s", path);
}

static void free_packet(AVPacket **packet) { av_packet_free(packet); }

/* ---- lists of segments ---- */

enum list { LIST_NONE, LIST_HLS, LIST_DASH };

static int read_text(const char *path, struct buf *text, struct err *err) {
  SCOPED_FD int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return fail_file(path, err);
  uint64_t size;
  size_t got = 0;
  int result = file_size(fd, path, &size, err);
  if (result == 0 && size > LIST_MAX)
    result = err_set(err, ERR_MEDIA, "%s: the playlist or manifest is larger than 64 MiB", path);
  char *room = result == 0 ? buf_extend(text, size) : NULL;
  if (result == 0 && room != NULL) result = file_read(fd, path, 0, room, size, &got, err);
  text->len = got;
  buf_char(text, '\0');
  return result;
}

/* The rest of a playlist's line behind a tag; false if the line has another tag. */
static bool has_tag(struct str line, const char *tag, struct str *ret_rest) {
  if (!str_starts(line, str_of(tag))) return false;
  *ret_rest = str_make(line.ptr + strlen(tag), line.len - strlen(tag));
  return true;
}

static bool exists_beside(const char *list, struct str name) {
  const char *slash = strrchr(list, '/');
  SCOPED(buf_fini) struct buf path = {0};
  struct stat st;
  if (slash != NULL) buf_append(&path, list, (size_t)(slash + 1 - list));
  buf_str(&path, name);
  buf_char(&path, '\0');
  return !path.failed && stat(path.ptr, &st) == 0;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* True if the segment with the next smaller number is beside the list, by the number at name[begin..end). */
static bool has_smaller(const char *list, struct str name, size_t begin, size_t end) {
  SCOPED(buf_fini) struct buf before = {0};
  uint64_t number;
  if (!str_to_u64(str_make(name.ptr + begin, end - begin), &number) || number == 0) return false;
  int digits = (int)(end - begin);
  for (int width = digits; width >= digits - 1; width--) { /* out9.ts comes before out10.ts, out09.ts too */
    buf_clear(&before);
    buf_append(&before, name.ptr, begin);
    buf_printf(&before, "%0*llu", width > 0 ? width : 1, (unsigned long long)number - 1);
    buf_append(&before, name.ptr + end, name.len - end);
    if (!before.failed && exists_beside(list, buf_view(&before))) return true;
  }
  return false;
}

/* True if a segment that comes before this one is beside the list: out24.ts before out25.ts. Tries every number in the
 * name, because it does not say which one counts the segments. */
static bool has_predecessor(const char *list, struct str segment) {
  for (size_t begin = 0, end; begin < segment.len; begin = end + 1) {
    end = begin;
    while (end < segment.len && is_digit(segment.ptr[end]))
      end++;
    if (end > begin && has_smaller(list, segment, begin, end)) return true;
  }
  return false;
}

static int check_segment(const char *path, struct str segment, bool is_window, struct err *err) {
  if (segment.len >= SEGMENT_MAX)
    return err_set(err, ERR_MEDIA, "%s: the name of a segment is longer than %d bytes", path, SEGMENT_MAX);
  bool is_query = memchr(segment.ptr, '?', segment.len) != NULL && !exists_beside(path, segment);
  if (segment.ptr[0] == '/' || memmem(segment.ptr, segment.len, "://", 3) != NULL || is_query) {
    return err_set(err, ERR_MEDIA, "%s: its segments are elsewhere: %.*s; record the list where they are beside it",
                   path, (int)(segment.len < 200 ? segment.len : 200), segment.ptr);
  }
  if (!is_window || !has_predecessor(path, segment)) return 0;
  return err_set(err, ERR_MEDIA,
                 "%s: the playlist is only the end of the output: segments before %.*s are beside it, but not in it; "
                 "make it with -hls_list_size 0 or -hls_playlist_type vod",
                 path, (int)(segment.len < 200 ? segment.len : 200), segment.ptr);
}

/* Refuses a playlist that is no whole output, or whose segments this machine does not have. */
static int check_lines(const char *path, struct str text, struct err *err) {
  struct str rest = text, value;
  bool is_window = false, is_whole = false, is_first = true;
  int result = 0;
  while (rest.len > 0 && result == 0) {
    struct str line = str_trim(str_cut(&rest, '\n'));
    if (has_tag(line, "#EXT-X-I-FRAMES-ONLY", &value)) {
      return err_set(err, ERR_MEDIA,
                     "%s: a list of key pictures is no output of its own; record the list of all pictures", path);
    }
    if (has_tag(line, "#EXT-X-KEY:", &value) && memmem(value.ptr, value.len, "METHOD=NONE", 11) == NULL) {
      bool is_sample = memmem(value.ptr, value.len, "SAMPLE-AES", 10) != NULL;
      return err_set(err, ERR_MEDIA, "%s: its segments are encrypted (%s); record the output before it is encrypted",
                     path, is_sample ? "SAMPLE-AES" : "AES-128");
    }
    if (has_tag(line, "#EXT-X-PLAYLIST-TYPE:", &value)) is_whole = true;
    if (has_tag(line, "#EXT-X-MEDIA-SEQUENCE:", &value)) is_window = !str_equal(value, STR("0"));
    if (line.len == 0 || line.ptr[0] == '#') continue;
    result = check_segment(path, line, is_first && is_window && !is_whole, err);
    is_first = false;
  }
  return result;
}

static int check_playlist(const char *path, bool *ret_joins, struct err *err) {
  SCOPED(buf_fini) struct buf text = {0};
  int result = read_text(path, &text, err);
  if (result != 0) return result;
  if (strstr(text.ptr, "#EXT-X-STREAM-INF") != NULL) {
    return err_set(err, ERR_MEDIA, "%s: a master playlist names several outputs: give its media playlists instead",
                   path);
  }
  if (strstr(text.ptr, "#EXT-X-ENDLIST") == NULL) {
    return err_set(err, ERR_MEDIA,
                   "%s: the playlist is not finished (it has no #EXT-X-ENDLIST): wait until its writer has ended it",
                   path);
  }
  result = check_lines(path, str_of(text.ptr), err);
  if (result != 0) return result;
  *ret_joins =
      strstr(text.ptr, "#EXT-X-DISCONTINUITY\n") != NULL || strstr(text.ptr, "#EXT-X-DISCONTINUITY\r") != NULL;
  return 0;
}

static int check_manifest(const char *path, struct err *err) {
  SCOPED(buf_fini) struct buf text = {0};
  int result = read_text(path, &text, err);
  if (result != 0) return result;
  if (strstr(text.ptr, "mediaRange=") != NULL) {
    return err_set(err, ERR_MEDIA, "%s: the manifest's segments are ranges of a file: give that file instead", path);
  }
  bool is_dynamic = strstr(text.ptr, "type=\"dynamic\"") != NULL || strstr(text.ptr, "type='dynamic'") != NULL;
  return is_dynamic
             ? err_set(err, ERR_MEDIA,
                       "%s: the manifest is not finished (its type is dynamic): wait until its writer has ended it",
                       path)
             : 0;
}

static enum list list_of(const char *path) {
  char head[LIST_HEAD + 1] = "";
  size_t got = 0;
  SCOPED_FD int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0 || file_read(fd, path, 0, head, LIST_HEAD, &got, NULL) != 0) return LIST_NONE;
  head[got] = '\0';
  if (strncmp(head, "#EXTM3U", 7) == 0) return LIST_HLS;
  return strstr(head, "<MPD") != NULL ? LIST_DASH : LIST_NONE;
}

/* ---- errors of the system while files and segments are read, which demuxers may hide ---- */

static int trouble; /* the first error that may be transient, as an errno */
static int (*open_as_usual)(AVFormatContext *input, AVIOContext **ret, const char *url, int flags,
                            AVDictionary **options);
static int (*read_as_usual)(void *file, uint8_t *out, int size);

static int note_trouble(int code) {
  if (code < 0 && trouble == 0 && file_may_pass(AVUNERROR(code)) && AVUNERROR(code) < ERRNO_MAX)
    trouble = AVUNERROR(code);
  return code;
}

static int read_noting(void *file, uint8_t *out, int size) { return note_trouble(read_as_usual(file, out, size)); }

/* A list may name a pipe; reading it could wait for its writer for ever. */
static int check_regular(const char *url) {
  struct stat st;
  if (stat(strncmp(url, "file:", 5) == 0 ? url + 5 : url, &st) != 0) return AVERROR(errno);
  return S_ISREG(st.st_mode) ? 0 : AVERROR(EINVAL);
}

static int open_noting(AVFormatContext *input, AVIOContext **ret, const char *url, int flags,
                       AVDictionary **options) {
  int code = check_regular(url);
  code = note_trouble(code == 0 ? open_as_usual(input, ret, url, flags, options) : code);
  if (code < 0 || *ret == NULL || (*ret)->read_packet == NULL) return code;
  read_as_usual = (*ret)->read_packet;
  (*ret)->read_packet = read_noting;
  return code;
}

/* ---- opening ---- */

/* The file, or the list and its segments. */
struct source {
  enum list list;
  bool joins;      /* a playlist with discontinuities between its pieces */
  int before;      /* the caller's working directory, or -1 if it was not changed */
  AVFormatContext *input;
};

static void source_fini(struct source *source) {
  avformat_close_input(&source->input);
  if (source->before < 0) return;
  if (fchdir(source->before) != 0) av_log(NULL, AV_LOG_ERROR, "cannot return to the working directory\n");
  (void)close(source->before);
}

static bool is_image(const AVFormatContext *input) {
  const char *name = input->iformat->name;
  size_t len = strlen(name);
  return strcmp(name, "image2") == 0 || (len > 5 && strcmp(name + len - 5, "_pipe") == 0);
}

static int open_name(struct source *source, const char *path, const char *name, struct err *err) {
  AVDictionary *options = NULL;
  char url[4200];
  if (snprintf(url, sizeof url, "file:%s", name) >= (int)sizeof url)
    return err_set(err, ERR_MEDIA, "%s: the path is too long", path);
  source->input = avformat_alloc_context();
  if (source->input == NULL) return err_set(err, ERR_MEMORY, "not enough memory to read %s", path);
  open_as_usual = source->input->io_open;
  source->input->io_open = open_noting;
  (void)av_dict_set(&options, "protocol_whitelist", "file", 0);
  int code = avformat_open_input(&source->input, url, NULL, &options);
  av_dict_free(&options);
  if (code < 0) return fail_av(path, "cannot read it as a media file", code, err);
  if (is_image(source->input)) return err_set(err, ERR_MEDIA, "%s: it is a picture, not a video", path);
  code = avformat_find_stream_info(source->input, NULL);
  return code < 0 ? fail_av(path, "cannot read its streams", code, err) : 0;
}

/* libavformat resolves a list's segments like links, so a directory's name could be misread as a part of a link. The
 * list is therefore opened from within its directory. */
static int open_list(struct source *source, const char *path, struct err *err) {
  const char *slash = strrchr(path, '/');
  struct str directory = slash == NULL ? STR(".") : slash == path ? STR("/") : str_make(path, (size_t)(slash - path));
  char text[4200];
  source->before = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (source->before < 0 || !str_copy(directory, text, sizeof text) || chdir(text) != 0) {
    return err_set_errno(err, file_may_pass(errno) ? ERR_IO : ERR_MEDIA, errno, "%s: cannot enter its directory",
                         path);
  }
  return open_name(source, path, slash != NULL ? slash + 1 : path, err);
}

static int open_source(struct source *source, const char *path, struct err *err) {
  source->list = list_of(path);
  int result = 0;
  if (source->list == LIST_HLS) result = check_playlist(path, &source->joins, err);
  if (source->list == LIST_DASH) result = check_manifest(path, err);
  if (result != 0) return result;
  return source->list != LIST_NONE ? open_list(source, path, err) : open_name(source, path, path, err);
}

static int check_representations(const char *path, const AVFormatContext *input, struct err *err) {
  unsigned videos = 0;
  for (unsigned i = 0; i < input->nb_streams; i++) {
    videos += input->streams[i]->codecpar->codec_type == AVMEDIA_TYPE_VIDEO;
  }
  if (videos < 2 || strcmp(input->iformat->name, "dash") != 0) return 0;
  return err_set(err, ERR_MEDIA, "%s: the manifest names several outputs: give the file of each instead", path);
}

/* The stream that a player would show. Cover art is not video. */
static AVStream *find_video(AVFormatContext *input) {
  int best = av_find_best_stream(input, AVMEDIA_TYPE_VIDEO, -1, -1, NULL, 0);
  for (unsigned i = 0; i < input->nb_streams; i++) {
    AVStream *stream = input->streams[best >= 0 && i == 0 ? (unsigned)best : i];
    bool video = stream->codecpar->codec_type == AVMEDIA_TYPE_VIDEO;
    if (video && (stream->disposition & AV_DISPOSITION_ATTACHED_PIC) == 0) return stream;
  }
  return NULL;
}

/* ---- reading through ---- */

struct reading {
  const struct source *source;
  int64_t packets;    /* of the video stream */
  int64_t first, end; /* times of the current piece, in the video's time base */
  int64_t before;     /* the time that earlier pieces cover */
  int64_t end_us;     /* of all streams */
  bool damaged;
};

/* A packet without a duration lasts as long as a frame. */
static int64_t packet_duration(const AVStream *stream, const AVPacket *packet) {
  if (packet->duration > 0) return packet->duration;
  AVRational rate = stream->avg_frame_rate.num > 0 ? stream->avg_frame_rate : stream->r_frame_rate;
  return rate.num > 0 && rate.den > 0 ? av_rescale_q(1, av_inv_q(rate), stream->time_base) : 0;
}

static void see_video(struct reading *reading, const AVStream *video, int64_t time, int64_t end) {
  int64_t slack = av_rescale_q(SLACK_US, AV_TIME_BASE_Q, video->time_base);
  bool any = reading->first != AV_NOPTS_VALUE;
  bool back =
      any && time + slack < reading->end && time + slack < reading->first + (reading->end - reading->first) / 2;
  bool ahead = any && reading->source->list != LIST_NONE && time > reading->end + slack;
  if (back || ahead) {
    reading->before += reading->end - reading->first;
    any = false;
  }
  if (!any || time < reading->first) reading->first = time;
  if (!any || end > reading->end) reading->end = end;
}

static void see_packet(struct reading *reading, const AVFormatContext *input, const AVStream *video,
                       const AVPacket *packet) {
  const AVStream *stream = input->streams[packet->stream_index];
  int64_t time = packet->pts != AV_NOPTS_VALUE ? packet->pts : packet->dts;
  bool is_video = stream->index == video->index;
  if (is_video) reading->packets++;
  /* Transport packets are out of step where pieces join; there only the length shows whether something is missing. */
  if ((packet->flags & AV_PKT_FLAG_CORRUPT) != 0 && !reading->source->joins) reading->damaged = true;
  if (time == AV_NOPTS_VALUE) return;
  int64_t end = time + (is_video ? packet_duration(stream, packet) : packet->duration);
  int64_t end_us = av_rescale_q(end, stream->time_base, AV_TIME_BASE_Q);
  if (reading->end_us == AV_NOPTS_VALUE || end_us > reading->end_us) reading->end_us = end_us;
  if (is_video && (packet->flags & AV_PKT_FLAG_DISCARD) == 0) see_video(reading, video, time, end);
}

/* The time that the packets cover, in the video's time base; -1 if it is unknown. */
static int64_t covered(const AVStream *video, const struct reading *reading) {
  if (reading->first != AV_NOPTS_VALUE) return reading->before + reading->end - reading->first;
  AVRational rate = video->avg_frame_rate.num > 0 ? video->avg_frame_rate : video->r_frame_rate;
  return rate.num > 0 && rate.den > 0 ? av_rescale_q(reading->packets, av_inv_q(rate), video->time_base) : -1;
}

static int read_all(const char *path, AVFormatContext *input, const AVStream *video, struct reading *reading,
                    struct err *err) {
  SCOPED(free_packet) AVPacket *packet = av_packet_alloc();
  if (packet == NULL) return err_set(err, ERR_MEMORY, "not enough memory to read %s", path);
  reading->first = reading->end = reading->end_us = AV_NOPTS_VALUE;
  int code;
  while ((code = av_read_frame(input, packet)) >= 0) {
    if (codecmeter_media_on_progress != NULL) codecmeter_media_on_progress();
    see_packet(reading, input, video, packet);
    av_packet_unref(packet);
  }
  if (code != AVERROR_EOF) return fail_av(path, "reading stopped before its end", code, err);
  if (input->pb != NULL && input->pb->error < 0 && input->pb->error != AVERROR_EOF) {
    return fail_av(path, "reading stopped before its end", input->pb->error, err);
  }
  return 0;
}

/* A transport packet has 188 bytes, 192 with a time before it, 204 with a checksum after it. */
static bool ends_within_packet(const AVFormatContext *input) {
  int64_t size = input->pb != NULL ? avio_size(input->pb) : 0;
  bool is_transport = strcmp(input->iformat->name, "mpegts") == 0;
  return is_transport && size > 0 && size % 188 != 0 && size % 192 != 0 && size % 204 != 0;
}

/* An empty chunk of an AVI repeats the last frame: the index lists it, but it gives no packet. */
static bool lists_packets(const AVFormatContext *input) { return strcmp(input->iformat->name, "avi") != 0; }

/* True if the file holds less than the container says. */
static bool is_truncated(const AVFormatContext *input, const AVStream *video, const struct reading *reading) {
  if (reading->damaged || reading->packets == 0 || ends_within_packet(input))
    return true;
  if (video->nb_frames > reading->packets && lists_packets(input)) return true;
  bool stated = input->duration != AV_NOPTS_VALUE && input->duration_estimation_method == AVFMT_DURATION_FROM_STREAM;
  if (!stated || reading->end_us == AV_NOPTS_VALUE) return false;
  /* Some containers count from the first picture, some from zero. */
  int64_t start = input->start_time != AV_NOPTS_VALUE && input->start_time < 0 ? input->start_time : 0;
  int64_t reached = reading->end_us - start,
          pieces = av_rescale_q(covered(video, reading), video->time_base, AV_TIME_BASE_Q);
  bool falls_short = pieces + SLACK_US < input->duration;
  return falls_short && (reading->source->list != LIST_NONE || reached + SLACK_US < input->duration);
}

/* ---- the result ---- */

static int64_t duration_ms_of(const AVFormatContext *input, const AVStream *video, const struct reading *reading) {
  const AVRational ms = {1, 1000};
  bool is_stated = video->duration != AV_NOPTS_VALUE && video->duration > 0 && reading->source->list == LIST_NONE &&
                   input->duration_estimation_method == AVFMT_DURATION_FROM_STREAM;
  int64_t duration = is_stated ? video->duration : covered(video, reading);
  return duration < 0 ? -1 : av_rescale_q_rnd(duration, video->time_base, ms, AV_ROUND_NEAR_INF);
}

/* Text that is drawn as video. libavformat reads any text file as such. */
static bool is_text(enum AVCodecID codec) {
  return codec == AV_CODEC_ID_ANSI || codec == AV_CODEC_ID_XBIN || codec == AV_CODEC_ID_BINTEXT ||
         codec == AV_CODEC_ID_IDF;
}

static bool is_on_its_side(const AVStream *video) {
  size_t size = 0;
  const uint8_t *matrix = av_stream_get_side_data(video, AV_PKT_DATA_DISPLAYMATRIX, &size);
  if (matrix == NULL || size < 9 * sizeof(int32_t)) return false;
  double degrees = av_display_rotation_get((const int32_t *)(const void *)matrix);
  return !isnan(degrees) && lround(fabs(degrees) / 90.0) % 2 == 1;
}

static int describe(const char *path, const AVFormatContext *input, const AVStream *video,
                    const struct reading *reading, struct media_output *ret, struct err *err) {
  struct media_output media = {.width = (uint32_t)video->codecpar->width, .height = (uint32_t)video->codecpar->height};
  int64_t duration_ms = duration_ms_of(input, video, reading);
  if (video->codecpar->codec_id == AV_CODEC_ID_NONE) {
    return err_set(err, ERR_MEDIA, "%s: libavformat does not know the codec of its video", path);
  }
  if (video->codecpar->width <= 0 || video->codecpar->height <= 0) {
    return err_set(err, ERR_MEDIA, "%s: its video has no size", path);
  }
  if (duration_ms < 0) return err_set(err, ERR_MEDIA, "%s: its video has no times, so its duration is unknown", path);
  if (is_on_its_side(video)) {
    media.width = (uint32_t)video->codecpar->height;
    media.height = (uint32_t)video->codecpar->width;
  }
  media.duration_ms = (uint64_t)duration_ms;
  (void)snprintf(media.codec, sizeof media.codec, "%s", avcodec_get_name(video->codecpar->codec_id));
  memcpy(ret->codec, media.codec, sizeof ret->codec);
  ret->width = media.width;
  ret->height = media.height;
  ret->duration_ms = media.duration_ms;
  return 0;
}

static int measure(const char *path, struct media_output *ret, struct err *err) {
  SCOPED(source_fini) struct source source = {.before = -1};
  int result = open_source(&source, path, err);
  if (result == 0) result = check_representations(path, source.input, err);
  if (result != 0) return result;
  const AVStream *video = find_video(source.input);
  if (video == NULL || is_text(video->codecpar->codec_id))
    return err_set(err, ERR_MEDIA, "%s: it has no video", path);
  struct reading reading = {.source = &source};
  result = read_all(path, source.input, video, &reading, err);
  if (result != 0) return result;
  if (is_truncated(source.input, video, &reading)) {
    return err_set(err, ERR_MEDIA, "%s: it is truncated or damaged: it holds less than its headers say", path);
  }
  return describe(path, source.input, video, &reading, ret, err);
}

int codecmeter_media_measure(const char *path, const struct media_options *options, struct media *ret,
                             struct err *err) {
  (void)options;
  av_log_set_level(AV_LOG_QUIET);
  struct stat st;
  SCOPED_FD int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0 || fstat(fd, &st) != 0) return fail_file(path, err);
  trouble = 0;
  ret->outputs = calloc(1, sizeof *ret->outputs);
  ret->count = 1;
  ret->outputs->name = strdup(path);
  int result = measure(path, ret->outputs, err);
  if (result == -ERR_MEDIA && trouble != 0) result = err_set_errno(err, ERR_IO, trouble, "%s", path);
  if (result != 0) return result;
  ret->is_list = list_of(path) != LIST_NONE;
  ret->outputs->is_measured = true;
  ret->outputs->spans = calloc(1, sizeof *ret->outputs->spans);
  ret->outputs->span_count = 1;
  ret->outputs->spans[0] = (struct media_span){.path = realpath(path, NULL), .size = (uint64_t)st.st_size};
  return 0;
}
