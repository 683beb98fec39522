/* Which codec the headers of a stream with start codes belong to: MPEG-1, MPEG-2, MPEG-4 part 2, H.264, HEVC, VC-1. Pure: no libav.
 *
 * Recordings of two codecs that were joined go on under one stream, and libavformat keeps the first codec. Sources: ISO/IEC 11172-2,
 * 13818-2 and 14496-2, table of start codes; ITU-T H.264 and H.265, 7.3.1 and annex B; SMPTE ST 421, annex E.
 */
#ifndef CODECMETER_MEDIA_STREAM_CODEC_H
#define CODECMETER_MEDIA_STREAM_CODEC_H

#include <stddef.h>
#include <stdint.h>

/* The last two headers of the stream. All zeros at its begin. */
struct stream_codec {
  uint8_t last, before_last; /* what they are; stream_codec.c has the kinds */
  uint8_t last_code;
};

/* Reads the next bytes of the stream, which begin and end between two headers. Returns libavcodec's name of the codec whose
 * headers are there; of several, the first one that is not `known`. NULL: no headers of a sequence, or only those of `known`,
 * which may be NULL. */
const char *stream_codec_see(struct stream_codec *stream, const char *known, const uint8_t *data, size_t len);

#endif
