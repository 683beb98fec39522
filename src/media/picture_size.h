/* The size of pictures, read from the headers of their packets. Pure: no libav, and no decoding.
 *
 * A container states one size, and libavcodec's parsers see a change of H.264, HEVC, AV1, VP8 and MPEG-2 only. Sources: VP9
 * bitstream specification 0.6, 6.2 and Annex B; SMPTE RDD 36 (ProRes); SMPTE ST 2019-1 (DNxHD); ITU-T T.81 (JPEG), T.87 (JPEG-LS),
 * T.800 (JPEG 2000), H.261 and H.263; ISO/IEC 14496-2 (MPEG-4 part 2); RFC 2083 (PNG); Theora specification 6.2; SMPTE ST 421
 * (VC-1); SMPTE ST 306 and 314 (DV); Adobe Flash Video File Format Specification 10.1;
 * SMPTE ST 2073 (CineForm).
 */
#ifndef CODECMETER_MEDIA_PICTURE_SIZE_H
#define CODECMETER_MEDIA_PICTURE_SIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct picture_size {
  uint32_t width, height; /* 0: not known */
};

#define PICTURE_SIZE_SLOTS 8 /* pictures that VP9 keeps for reference */

/* What one stream has shown so far. All zeros at its begin. */
struct picture_sizes {
  struct picture_size slots[PICTURE_SIZE_SLOTS];
};

/* Reads a packet of a stream. codec: libavcodec's name. False: the packet does not say its size, it is damaged, or the codec is
 * none that this reader knows. Of interlaced JPEG and DNxHD the height is a field's: it is good for comparing sizes within
 * one stream. Of several pictures in a VP9 packet (superframe), the last one that is shown counts. */
bool picture_size_read(struct picture_sizes *sizes, const char *codec, const uint8_t *data, size_t len,
                       struct picture_size *ret);

#endif
