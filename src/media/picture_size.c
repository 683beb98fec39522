/* Each reader looks at the first bytes of a packet, or for one header in it, so the work is bounded by the packet's length.
 *
 * VP9 is the only codec here that changes its size between key pictures: a picture states its size, or takes that of a picture
 * before. So the sizes of the kept pictures are followed.
 */
#include "media/picture_size.h"

#include <string.h>

#define SUPERFRAME_MAX 8
#define VP9_RGB 7
#define MPEG4_EXTENDED 15 /* a shape of the pixels that two bytes state */
#define H263_EXTENDED 15
#define CINEFORM_HEAD_MAX 256
#define JP2_HEAD_MAX 4096 /* boxes before the code stream */

struct bits {
  const uint8_t *data;
  size_t count, at; /* in bits */
  bool is_over;     /* more bits were read than there are */
};

static struct bits bits_of(const uint8_t *data, size_t len) { return (struct bits){.data = data, .count = len * 8}; }

static uint32_t take(struct bits *bits, unsigned count) {
  uint32_t value = 0;
  if (bits->count - bits->at < count) {
    bits->is_over = true;
    bits->at = bits->count;
    return 0;
  }
  for (; count > 0; count--, bits->at++)
    value = value << 1 | (bits->data[bits->at / 8] >> (7 - bits->at % 8) & 1U);
  return value;
}

static uint32_t be16(const uint8_t *bytes) { return (uint32_t)bytes[0] << 8 | bytes[1]; }

static uint32_t be24(const uint8_t *bytes) { return (uint32_t)bytes[0] << 16 | be16(bytes + 1); }

static uint32_t be32(const uint8_t *bytes) { return be16(bytes) << 16 | be16(bytes + 2); }

static bool give(uint32_t width, uint32_t height, struct picture_size *ret) {
  if (width == 0 || height == 0) return false;
  *ret = (struct picture_size){width, height};
  return true;
}

/* The byte behind the start code 00 00 01 and one of some values; NULL: there is none. */
static const uint8_t *find_code(const uint8_t *data, size_t len, uint8_t low, uint8_t high) {
  for (const uint8_t *end = data + len; end - data >= 4; data++) {
    data = memmem(data, (size_t)(end - data), "\0\0\1", 3);
    if (data == NULL || end - data < 4) return NULL;
    if (data[3] >= low && data[3] <= high) return data + 4;
  }
  return NULL;
}

/* ---- VP9 ---- */

static struct picture_size take_vp9_size(struct bits *bits) {
  uint32_t width = take(bits, 16) + 1, height = take(bits, 16) + 1;
  return (struct picture_size){width, height};
}

static void skip_vp9_color(struct bits *bits, unsigned profile) {
  if (profile >= 2) (void)take(bits, 1);
  bool is_rgb = take(bits, 3) == VP9_RGB, has_layout = profile == 1 || profile == 3;
  if (!is_rgb) (void)take(bits, 1);
  if (has_layout) (void)take(bits, is_rgb ? 1 : 3);
}

static bool take_vp9_sync(struct bits *bits) { return take(bits, 24) == 0x498342; }

/* The size that a picture between key pictures states, or has from one of its three references. 0: that one is not known. */
static struct picture_size take_vp9_inter(const struct picture_sizes *sizes, struct bits *bits, uint32_t *ret_refresh) {
  uint32_t references[3];
  *ret_refresh = take(bits, 8);
  for (size_t i = 0; i < 3; i++) {
    references[i] = take(bits, 3);
    (void)take(bits, 1);
  }
  for (size_t i = 0; i < 3; i++) {
    if (take(bits, 1) == 1) return sizes->slots[references[i]];
  }
  return take_vp9_size(bits);
}

static struct picture_size take_vp9_intra(struct bits *bits, unsigned profile, uint32_t *ret_refresh) {
  bool is_valid = take_vp9_sync(bits);
  if (profile > 0) skip_vp9_color(bits, profile);
  *ret_refresh = take(bits, 8);
  struct picture_size size = take_vp9_size(bits);
  return is_valid ? size : (struct picture_size){0, 0};
}

static struct picture_size take_vp9_key(struct bits *bits, unsigned profile, uint32_t *ret_refresh) {
  bool is_valid = take_vp9_sync(bits);
  skip_vp9_color(bits, profile);
  *ret_refresh = 0xFF;
  struct picture_size size = take_vp9_size(bits);
  return is_valid ? size : (struct picture_size){0, 0};
}

/* One picture of a packet. *ret changes if it is shown. */
static void see_vp9(struct picture_sizes *sizes, const uint8_t *data, size_t len, struct picture_size *ret) {
  struct bits bits = bits_of(data, len);
  uint32_t refresh = 0;
  if (take(&bits, 2) != 2) return;
  unsigned profile = take(&bits, 1);
  profile |= take(&bits, 1) << 1;
  if (profile == 3) (void)take(&bits, 1);
  if (take(&bits, 1) == 1) { /* a picture that is kept is shown */
    *ret = sizes->slots[take(&bits, 3)];
    return;
  }
  bool is_key = take(&bits, 1) == 0, is_shown = take(&bits, 1) == 1, is_resilient = take(&bits, 1) == 1;
  bool is_intra = !is_key && !is_shown && take(&bits, 1) == 1;
  struct picture_size size;
  if (!is_key && !is_resilient) (void)take(&bits, 2);
  if (is_key)
    size = take_vp9_key(&bits, profile, &refresh);
  else if (is_intra)
    size = take_vp9_intra(&bits, profile, &refresh);
  else
    size = take_vp9_inter(sizes, &bits, &refresh);
  if (bits.is_over) return;
  for (size_t i = 0; i < PICTURE_SIZE_SLOTS; i++) {
    if ((refresh >> i & 1) != 0) sizes->slots[i] = size;
  }
  if (is_shown) *ret = size;
}

/* The index at the packet's end says how long each of its pictures is. */
static bool read_vp9(struct picture_sizes *sizes, const uint8_t *data, size_t len, struct picture_size *ret) {
  struct picture_size shown = {0, 0};
  uint8_t marker = len > 0 ? data[len - 1] : 0;
  size_t count = (marker & 7U) + 1, width = (marker >> 3 & 3U) + 1, index = 2 + count * width;
  bool is_superframe = (marker & 0xE0) == 0xC0 && len >= index && data[len - index] == marker;
  if (!is_superframe) see_vp9(sizes, data, len, &shown);
  size_t left = is_superframe ? len - index : 0, at = 0;
  for (size_t i = 0; is_superframe && i < count && i < SUPERFRAME_MAX; i++) {
    size_t size = 0;
    for (size_t byte = width; byte > 0; byte--)
      size = size << 8 | data[len - index + 1 + i * width + byte - 1];
    if (size > left) break;
    see_vp9(sizes, data + at, size, &shown);
    at += size;
    left -= size;
  }
  return give(shown.width, shown.height, ret);
}

/* ---- pictures that are coded each by itself ---- */

static bool read_prores(struct picture_sizes *sizes, const uint8_t *data, size_t len, struct picture_size *ret) {
  (void)sizes;
  return len >= 20 && memcmp(data + 4, "icpf", 4) == 0 && give(be16(data + 16), be16(data + 18), ret);
}

static bool read_dnxhd(struct picture_sizes *sizes, const uint8_t *data, size_t len, struct picture_size *ret) {
  (void)sizes;
  return len >= 0x1C && memcmp(data, "\0\0", 2) == 0 && give(be16(data + 0x1A), be16(data + 0x18), ret);
}

static bool is_frame_marker(uint8_t marker) {
  bool is_table = marker == 0xC4 || marker == 0xC8 || marker == 0xCC;
  return (marker >= 0xC0 && marker <= 0xCF && !is_table) || marker == 0xF7; /* JPEG-LS */
}

/* Segments lead from one to the next by their lengths, up to the header of the frame. */
static bool read_jpeg(struct picture_sizes *sizes, const uint8_t *data, size_t len, struct picture_size *ret) {
  (void)sizes;
  size_t at = 2;
  if (len < 4 || memcmp(data, "\xFF\xD8", 2) != 0) return false;
  while (at + 9 <= len && data[at] == 0xFF) {
    uint8_t marker = data[at + 1];
    if (marker == 0xFF) { /* padding */
      at++;
      continue;
    }
    if (is_frame_marker(marker)) return give(be16(data + at + 7), be16(data + at + 5), ret);
    if (marker == 0xDA || marker == 0xD9) return false;
    at += 2 + be16(data + at + 2);
  }
  return false;
}

static bool read_png(struct picture_sizes *sizes, const uint8_t *data, size_t len, struct picture_size *ret) {
  (void)sizes;
  bool is_png = len >= 24 && memcmp(data, "\x89PNG\r\n\x1A\n", 8) == 0 && memcmp(data + 12, "IHDR", 4) == 0;
  return is_png && give(be32(data + 16), be32(data + 20), ret);
}

/* A code stream, by itself or within the boxes of a JP2 file: SOC, SIZ, its length, its capabilities, the size, the offset. */
static bool read_jpeg2000(struct picture_sizes *sizes, const uint8_t *data, size_t len, struct picture_size *ret) {
  (void)sizes;
  const uint8_t *at = memmem(data, len < JP2_HEAD_MAX ? len : JP2_HEAD_MAX, "\xFF\x4F\xFF\x51", 4);
  if (at == NULL || len - (size_t)(at - data) < 24) return false;
  uint32_t right = be32(at + 8), bottom = be32(at + 12), left = be32(at + 16), top = be32(at + 20);
  return right > left && bottom > top && give(right - left, bottom - top, ret);
}

static bool read_dv(struct picture_sizes *sizes, const uint8_t *data, size_t len, struct picture_size *ret) {
  (void)sizes;
  const size_t kind_at = 5 * 80 + 48 + 3; /* the VAUX source pack */
  if (len <= kind_at || data[0] != 0x1F || (data[1] & 0x0F) != 7) return false; /* the header of a DIF sequence */
  bool is_625 = (data[3] & 0x80) != 0;
  unsigned kind = data[kind_at] & 0x1F;
  if (kind == 0x14) return give(is_625 ? 1440 : 1280, 1080, ret);
  if (kind == 0x18) return give(960, 720, ret);
  return give(720, is_625 ? 576 : 480, ret);
}

static bool read_cinepak(struct picture_sizes *sizes, const uint8_t *data, size_t len, struct picture_size *ret) {
  (void)sizes;
  return len >= 10 && give(be16(data + 4), be16(data + 6), ret);
}

/* Pairs of a tag and a value, of 16 bits each. */
static bool read_cineform(struct picture_sizes *sizes, const uint8_t *data, size_t len, struct picture_size *ret) {
  (void)sizes;
  struct picture_size size = {0, 0};
  for (size_t at = 0; at + 4 <= len && at < CINEFORM_HEAD_MAX; at += 4) {
    if (be16(data + at) == 20) size.width = be16(data + at + 2);
    if (be16(data + at) == 21) size.height = be16(data + at + 2);
    if (size.width != 0 && size.height != 0) return give(size.width, size.height, ret);
  }
  return false;
}

static bool read_flashsv(struct picture_sizes *sizes, const uint8_t *data, size_t len, struct picture_size *ret) {
  (void)sizes;
  return len >= 4 && give(be16(data) & 0xFFF, be16(data + 2) & 0xFFF, ret);
}

/* ---- H.261, H.263 and what comes of it ---- */

static const struct picture_size h263_formats[] = {{0, 0}, {128, 96}, {176, 144}, {352, 288}, {704, 576}, {1408, 1152}};

static bool read_h261(struct picture_sizes *sizes, const uint8_t *data, size_t len, struct picture_size *ret) {
  (void)sizes;
  struct bits bits = bits_of(data, len);
  if (take(&bits, 20) != 0x10) return false;
  (void)take(&bits, 5 + 3);
  bool is_cif = take(&bits, 1) == 1;
  return !bits.is_over && give(is_cif ? 352 : 176, is_cif ? 288 : 144, ret);
}

/* The extended type of a picture. It says the size in some pictures only. */
static bool read_h263_extended(struct bits *bits, struct picture_size *ret) {
  if (take(bits, 3) != 1) return false;
  uint32_t format = take(bits, 3);
  (void)take(bits, 15 + 9); /* the rest of OPPTYPE, MPPTYPE */
  if (take(bits, 1) == 1) (void)take(bits, 2);
  if (format != 6) return !bits->is_over && format < 6 && give(h263_formats[format].width, h263_formats[format].height, ret);
  (void)take(bits, 4);
  uint32_t width = (take(bits, 9) + 1) * 4;
  (void)take(bits, 1);
  uint32_t height = take(bits, 9) * 4;
  return !bits->is_over && give(width, height, ret);
}

static bool read_h263(struct picture_sizes *sizes, const uint8_t *data, size_t len, struct picture_size *ret) {
  (void)sizes;
  struct bits bits = bits_of(data, len);
  if (take(&bits, 22) != 0x20) return false;
  (void)take(&bits, 8);
  if (take(&bits, 2) != 2) return false;
  (void)take(&bits, 3);
  uint32_t format = take(&bits, 3);
  if (bits.is_over) return false;
  if (format == 7) return read_h263_extended(&bits, ret);
  return format < 6 && give(h263_formats[format].width, h263_formats[format].height, ret);
}

static bool read_flv1(struct picture_sizes *sizes, const uint8_t *data, size_t len, struct picture_size *ret) {
  (void)sizes;
  static const struct picture_size formats[] = {{0, 0}, {0, 0}, {352, 288}, {176, 144}, {128, 96}, {320, 240}, {160, 120}, {0, 0}};
  struct bits bits = bits_of(data, len);
  if (take(&bits, 17) != 1) return false;
  (void)take(&bits, 5 + 8);
  uint32_t format = take(&bits, 3);
  struct picture_size size = formats[format];
  if (format < 2) {
    size.width = take(&bits, format == 0 ? 8 : 16);
    size.height = take(&bits, format == 0 ? 8 : 16);
  }
  return !bits.is_over && give(size.width, size.height, ret);
}

/* ---- sequence headers ---- */

static void skip_mpeg4_control(struct bits *bits) {
  if (take(bits, 1) == 0) return;
  (void)take(bits, 3);
  if (take(bits, 1) == 0) return;
  for (size_t i = 0; i < 79; i++) /* the model of the buffer: 74 bits and 5 markers */
    (void)take(bits, 1);
}

/* Bits of a number below `ticks`. */
static unsigned width_of(uint32_t ticks) { return ticks < 3 ? 1 : 32 - (unsigned)__builtin_clz(ticks - 1); }

/* The video object layer. */
static bool read_mpeg4(struct picture_sizes *sizes, const uint8_t *data, size_t len, struct picture_size *ret) {
  (void)sizes;
  const uint8_t *at = find_code(data, len, 0x20, 0x2F);
  if (at == NULL) return false;
  struct bits bits = bits_of(at, len - (size_t)(at - data));
  (void)take(&bits, 1 + 8);
  if (take(&bits, 1) == 1) (void)take(&bits, 4 + 3);
  if (take(&bits, 4) == MPEG4_EXTENDED) (void)take(&bits, 16);
  skip_mpeg4_control(&bits);
  if (take(&bits, 2) != 0) return false; /* not a rectangle */
  (void)take(&bits, 1);
  uint32_t ticks = take(&bits, 16);
  (void)take(&bits, 1);
  if (take(&bits, 1) == 1) (void)take(&bits, width_of(ticks));
  (void)take(&bits, 1);
  uint32_t width = take(&bits, 13);
  (void)take(&bits, 1);
  uint32_t height = take(&bits, 13);
  return !bits.is_over && give(width, height, ret);
}

/* The identification header, which begins each link of a chained Ogg file. */
static bool read_theora(struct picture_sizes *sizes, const uint8_t *data, size_t len, struct picture_size *ret) {
  (void)sizes;
  return len >= 20 && memcmp(data, "\x80theora", 7) == 0 && give(be24(data + 14), be24(data + 17), ret);
}

/* The sequence header of the advanced profile: the largest size of its pictures. */
static bool read_vc1(struct picture_sizes *sizes, const uint8_t *data, size_t len, struct picture_size *ret) {
  (void)sizes;
  const uint8_t *at = find_code(data, len, 0x0F, 0x0F);
  if (at == NULL) return false;
  struct bits bits = bits_of(at, len - (size_t)(at - data));
  if (take(&bits, 2) != 3) return false;
  (void)take(&bits, 3 + 2 + 3 + 5 + 1);
  uint32_t width = (take(&bits, 12) + 1) * 2, height = (take(&bits, 12) + 1) * 2;
  return !bits.is_over && give(width, height, ret);
}

bool picture_size_read(struct picture_sizes *sizes, const char *codec, const uint8_t *data, size_t len,
                       struct picture_size *ret) {
  static const struct {
    const char *codec;
    bool (*read)(struct picture_sizes *sizes, const uint8_t *data, size_t len, struct picture_size *ret);
  } readers[] = {
      {"vp9", read_vp9},        {"prores", read_prores}, {"dnxhd", read_dnxhd},       {"mjpeg", read_jpeg},
      {"jpegls", read_jpeg},    {"ljpeg", read_jpeg},    {"png", read_png},           {"jpeg2000", read_jpeg2000},
      {"dvvideo", read_dv},     {"cinepak", read_cinepak}, {"h261", read_h261},       {"h263", read_h263},
      {"h263p", read_h263},     {"flv1", read_flv1},     {"mpeg4", read_mpeg4},       {"theora", read_theora},
      {"vc1", read_vc1},        {"cfhd", read_cineform}, {"flashsv", read_flashsv},   {"flashsv2", read_flashsv},
  };
  for (size_t i = 0; i < sizeof readers / sizeof readers[0]; i++) {
    if (strcmp(codec, readers[i].codec) == 0) return readers[i].read(sizes, data, len, ret);
  }
  return false;
}
