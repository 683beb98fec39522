/* One start code proves little: most values mean something in each codec. So a codec is only named for headers in a row that
 * no other codec has in this order:
 *
 *   mpeg2video   sequence header, sequence extension
 *   mpeg1video   sequence header, then a group, a picture or user data: MPEG-2 must have the extension there
 *   mpeg4        video object, its layer, then user data, a group or a picture
 *   h264         sequence and picture parameter set, then anything but the number that follows (rows of a large MPEG-2 picture)
 *   hevc         video, sequence and picture parameter set
 *   vc1          sequence header, entry point, frame
 */
#include "media/stream_codec.h"

#include <stdbool.h>
#include <string.h>

#define SEQUENCE_LEN 8 /* bytes of the sequence header of MPEG-1 and MPEG-2 behind its start code */

enum kind {
  OTHER,
  MPEG_SEQUENCE,
  MPEG4_OBJECT,
  MPEG4_LAYER,
  H264_SEQUENCE,
  H264_PICTURE,
  HEVC_VIDEO,
  HEVC_SEQUENCE,
  VC1_SEQUENCE,
  VC1_ENTRY,
};

static bool is_mpeg_sequence(const uint8_t *body, size_t len) {
  if (len < SEQUENCE_LEN) return false;
  bool has_size = (body[0] != 0 || body[1] >> 4 != 0) && ((body[1] & 15) != 0 || body[2] != 0);
  unsigned shape = body[3] >> 4, rate = body[3] & 15U;
  bool has_marker = (body[6] & 0x20) != 0;
  return has_size && has_marker && shape != 0 && shape != 15 && rate >= 1 && rate <= 8;
}

static bool is_h264_sequence(uint8_t code, const uint8_t *body, size_t len) {
  static const uint8_t profiles[] = {44, 66, 77, 88, 100, 110, 118, 122, 128, 138, 144, 244};
  if ((code & 0x9F) != 7 || (code & 0x60) == 0 || len < 3) return false;
  return memchr(profiles, body[0], sizeof profiles) != NULL && (body[1] & 3) == 0 && body[2] >= 9 && body[2] <= 62;
}

/* body: the bytes behind the start code, up to the next one. */
static enum kind kind_of(uint8_t code, const uint8_t *body, size_t len) {
  bool is_base_layer = len > 0 && body[0] == 1; /* the second byte of a header of HEVC */
  if (code == 0xB3 && is_mpeg_sequence(body, len)) return MPEG_SEQUENCE;
  if (code == 0x40 && is_base_layer) return HEVC_VIDEO;
  if (code == 0x42 && is_base_layer) return HEVC_SEQUENCE;
  if (code == 0x0F && len > 0 && body[0] >> 6 == 3) return VC1_SEQUENCE;
  if (is_h264_sequence(code, body, len)) return H264_SEQUENCE;
  if ((code & 0x9F) == 8 && (code & 0x60) != 0) return H264_PICTURE;
  if (code == 0x0E) return VC1_ENTRY;
  if (code >= 0x20 && code <= 0x2F) return MPEG4_LAYER;
  return code < 0x20 ? MPEG4_OBJECT : OTHER;
}

/* The codec that a header proves, by those before it. */
static const char *name_of(const struct stream_codec *stream, uint8_t code, const uint8_t *body, size_t len) {
  bool is_hevc_picture = code == 0x44 && len > 0 && body[0] == 1;
  /* 0x27 and 0x28 are also layers of MPEG-4, which user data, groups and pictures follow. */
  bool was_layer = stream->last_code >= 0x20 && stream->last_code <= 0x2F;
  bool is_in_layer = code == 0xB2 || code == 0xB3 || code == 0xB6;
  if (stream->last == MPEG_SEQUENCE && code == 0xB5 && len > 0 && body[0] >> 4 == 1) return "mpeg2video";
  if (stream->last == MPEG_SEQUENCE && (code == 0xB8 || code == 0 || code == 0xB2)) return "mpeg1video";
  if (stream->before_last == MPEG4_OBJECT && was_layer && is_in_layer) return "mpeg4";
  if (stream->before_last == HEVC_VIDEO && stream->last == HEVC_SEQUENCE && is_hevc_picture) return "hevc";
  if (stream->before_last == VC1_SEQUENCE && stream->last == VC1_ENTRY && code == 0x0D) return "vc1";
  bool is_set = stream->before_last == H264_SEQUENCE && stream->last == H264_PICTURE;
  return is_set && code < 0x80 && code != stream->last_code + 1 ? "h264" : NULL;
}

/* The next 00 00 01 with a byte behind it; the end if there is none. */
static const uint8_t *find(const uint8_t *at, const uint8_t *end) {
  const uint8_t *found = end - at >= 4 ? memmem(at, (size_t)(end - at) - 1, "\0\0\1", 3) : NULL;
  return found != NULL ? found : end;
}

const char *stream_codec_see(struct stream_codec *stream, const char *known, const uint8_t *data, size_t len) {
  const uint8_t *end = data + len;
  const char *found = NULL;
  for (const uint8_t *at = find(data, end), *next; at < end; at = next) {
    next = find(at + 4, end);
    size_t body_len = (size_t)(next - at) - 4;
    const char *name = name_of(stream, at[3], at + 4, body_len);
    if (found == NULL && name != NULL && (known == NULL || strcmp(name, known) != 0)) found = name;
    stream->before_last = stream->last;
    stream->last = (uint8_t)kind_of(at[3], at + 4, body_len);
    stream->last_code = at[3];
  }
  return found;
}
