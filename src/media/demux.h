/* Demuxing, through a reel. The only part of the module that knows libav. Opens no file and no address by a name, so a
 * file can make it read nothing else. */
#ifndef CODECMETER_MEDIA_DEMUX_H
#define CODECMETER_MEDIA_DEMUX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "media/media.h"
#include "media/reel.h"

#define DEMUX_NONE INT64_MIN /* a time that is unknown */

struct demux_ratio {
  int64_t num, den; /* 0 and 0: unknown */
};

/* The video that a player shows by itself. */
struct demux_video {
  char codec[MEDIA_CODEC_SIZE]; /* empty: libavcodec does not know it */
  uint32_t width, height;       /* as shown: rotation applied; 0: unknown */
  bool is_raw;                  /* uncompressed: all its packets have one length */
  bool is_turned;               /* by 90 or 270 degrees */
  uint32_t id;                  /* of the stream in its container; of MP4 the track's id */
  struct demux_ratio time_base; /* seconds per unit of its times */
  struct demux_ratio rate;      /* pictures per second, as libavformat found it */
  int64_t promised;             /* packets that the container's index lists; 0: unknown */
};

struct demux_container {
  const char *name;     /* libavformat's: "mpegts", "mov,mp4,m4a,3gp,3g2,mj2"; valid until demux_close */
  bool is_picture;      /* a format of single pictures; several of them in one file are moving pictures */
  bool takes_rate;      /* a raw stream, whose rate may be only what demux_open was given */
  unsigned other_streams;
  int64_t duration_us;  /* that the container states for all streams, AVI for the video; 0: unknown */
  int64_t start_us;     /* 0: unknown */
};

struct demux_packet {
  bool is_video, is_sound, is_key, is_corrupt, is_hidden; /* is_hidden: decoded but not shown */
  int64_t pts, dts;    /* in units of the video's time_base, also those of other streams; or DEMUX_NONE */
  int64_t duration;    /* 0: unknown */
  int64_t position;    /* in the reel; -1: unknown */
  bool is_other_video; /* of a video stream that is not measured */
  int64_t bytes;          /* of data */
  uint32_t width, height; /* of the video from this packet on; 0: not said */
  const char *own_codec, *other_codec; /* the video has headers of the first, and here of the second one (stream_codec.h); or NULL */
  bool is_zeros;           /* nothing but zeros, in a codec that has no such picture */
};

struct demux;
/* rate: pictures per second for a raw stream that states none. The reel is borrowed until demux_close. -ERR_MEDIA: it is
 * no media, or has no video (ret_no_video is true then; also if libavformat would read it as sound, text or a list of files). -ERR_IO, -ERR_MEMORY: another try may succeed. Texts begin
 * with the name. */
MUST_USE int demux_open(struct reel *reel, const char *name, struct demux_ratio rate, struct demux **ret,
                        bool *ret_no_video, struct err *err);
void demux_close(struct demux *demux); /* NULL is allowed */
SCOPED_REF(struct demux, demux_close)

const struct demux_video *demux_video(const struct demux *demux);
const struct demux_container *demux_container(const struct demux *demux);
/* Gives the next packet of any stream. *ret_end: no packet is left. -ERR_MEDIA: reading stopped before the end. */
MUST_USE int demux_next(struct demux *demux, struct demux_packet *ret, bool *ret_end, struct err *err);

#endif
