/* Each container is a row of `kinds`: how it begins, and a walk over its units. A walk ends without a verdict where it meets bytes
 * that are no unit: bytes behind the end do no harm, and damage within is seen by its packets.
 *
 * A size of zero, or the largest one, is what a writer into a pipe leaves. It says nothing.
 */
#include "media/whole.h"

#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "media/window.h"

#define HEAD 64
#define SERIALS 64 /* streams of an Ogg file that are looked at */
#define SIZE_OPEN 0xFFFFFF00u

struct walk {
  struct window window;
  uint64_t size;
  const char *cut;
};

static uint64_t le(const char *bytes, size_t count) {
  uint64_t value = 0;
  for (size_t i = count; i > 0; i--)
    value = value << 8 | (unsigned char)bytes[i - 1];
  return value;
}

static uint64_t be(const char *bytes, size_t count) {
  uint64_t value = 0;
  for (size_t i = 0; i < count; i++)
    value = value << 8 | (unsigned char)bytes[i];
  return value;
}

/* Views some bytes. *ret_there false: the reel ends before them. */
static int view(struct walk *walk, uint64_t position, size_t len, const char **ret, bool *ret_there, struct err *err) {
  *ret_there = position <= walk->size && walk->size - position >= len;
  return *ret_there ? window_view(&walk->window, position, len, ret, err) : 0;
}

static int view_or_cut(struct walk *walk, uint64_t position, size_t len, const char *what, const char **ret, bool *ret_there,
                       struct err *err) {
  int result = view(walk, position, len, ret, ret_there, err);
  if (!*ret_there) walk->cut = what;
  return result;
}

/* ---- ASF ---- */

#define ASF_HEADER 30 /* bytes before the objects of the header */
#define ASF_OBJECT 24 /* GUID and size */

/* The file properties state the size of the file, if the flag "broadcast" is not set. */
static int walk_asf(struct walk *walk, struct err *err) {
  static const char properties[] = "\xA1\xDC\xAB\x8C\x47\xA9\xCF\x11\x8E\xE4\x00\xC0\x0C\x20\x53\x65";
  const char *bytes;
  bool is_there;
  int result = view(walk, 0, ASF_HEADER, &bytes, &is_there, err);
  if (result != 0 || !is_there) return result;
  uint64_t end = le(bytes + 16, 8);
  for (uint64_t at = ASF_HEADER; at < end;) {
    result = view_or_cut(walk, at, ASF_OBJECT, "header", &bytes, &is_there, err);
    if (result != 0 || !is_there) return result;
    uint64_t size = le(bytes + 16, 8);
    if (size < ASF_OBJECT || size > end - at) return 0;
    bool is_properties = memcmp(bytes, properties, 16) == 0 && size >= 92;
    if (is_properties) {
      result = view_or_cut(walk, at, 92, "header", &bytes, &is_there, err);
      if (result != 0 || !is_there) return result;
      bool is_broadcast = (bytes[88] & 1) != 0;
      if (!is_broadcast && le(bytes + 40, 8) > walk->size) walk->cut = "file";
      return 0;
    }
    at += size;
  }
  return 0;
}

/* ---- AVI ---- */

/* A long file has several RIFF chunks. */
static int walk_riff(struct walk *walk, struct err *err) {
  const char *bytes;
  bool is_there = true;
  for (uint64_t at = 0; is_there;) {
    int result = view(walk, at, 12, &bytes, &is_there, err);
    if (result != 0 || !is_there || memcmp(bytes, "RIFF", 4) != 0 || memcmp(bytes + 8, "AVI", 3) != 0) return result;
    uint64_t size = le(bytes + 4, 4);
    if (size == 0 || size >= SIZE_OPEN) return 0;
    if (size > walk->size - at - 8) walk->cut = "RIFF chunk";
    at += 8 + size + (size & 1);
  }
  return 0;
}

/* ---- Ogg ---- */

#define OGG_PAGE 27

enum ogg_flag { OGG_BEGIN = 2, OGG_END = 4 };

static bool is_ogg_video(const char *payload, size_t len) {
  static const struct {
    const char *bytes;
    size_t len;
  } heads[] = {{"\x80theora", 7}, {"BBCD", 4}, {"OVP80", 5}, {"\x01video", 6}, {"\x80" "daala", 6}};
  for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
    if (len >= heads[i].len && memcmp(payload, heads[i].bytes, heads[i].len) == 0) return true;
  }
  return false;
}

/* The streams of video that began and did not end. */
struct serials {
  uint32_t open[SERIALS];
  size_t count;
};

static void see_page(struct serials *serials, uint32_t serial, unsigned flags, bool is_video) {
  if ((flags & OGG_BEGIN) != 0 && is_video && serials->count < SERIALS) serials->open[serials->count++] = serial;
  for (size_t i = 0; (flags & OGG_END) != 0 && i < serials->count; i++) {
    if (serials->open[i] == serial) serials->open[i--] = serials->open[--serials->count];
  }
}

static int walk_ogg(struct walk *walk, struct err *err) {
  struct serials serials = {.count = 0};
  for (uint64_t at = 0; at < walk->size;) {
    const char *bytes;
    bool is_there;
    int result = view_or_cut(walk, at, OGG_PAGE, "page", &bytes, &is_there, err);
    if (result != 0 || !is_there) return result;
    if (memcmp(bytes, "OggS", 4) != 0) break;
    unsigned flags = (unsigned char)bytes[5];
    uint32_t serial = (uint32_t)le(bytes + 14, 4);
    size_t segments = (unsigned char)bytes[26], length = 0;
    result = view_or_cut(walk, at, OGG_PAGE + segments, "page", &bytes, &is_there, err);
    if (result != 0 || !is_there) return result;
    for (size_t i = 0; i < segments; i++)
      length += (unsigned char)bytes[OGG_PAGE + i];
    uint64_t body = at + OGG_PAGE + segments;
    size_t look = length < 8 ? length : 8;
    result = view_or_cut(walk, body, length < 8 ? length : 8, "page", &bytes, &is_there, err);
    if (result != 0 || !is_there) return result;
    see_page(&serials, serial, flags, is_ogg_video(bytes, look));
    at = body + length;
    if (at > walk->size) walk->cut = "page";
  }
  if (serials.count > 0) walk->cut = "stream";
  return 0;
}

/* ---- GIF, PNG ---- */

static size_t colours(unsigned flags) { return (flags & 0x80) != 0 ? (size_t)3 << ((flags & 7) + 1) : 0; }

/* Moves behind the blocks of data that begin at a position; an empty block ends them. */
static int pass_blocks(struct walk *walk, uint64_t *at, struct err *err) {
  while (true) {
    const char *bytes;
    bool is_there;
    int result = view_or_cut(walk, *at, 1, "block", &bytes, &is_there, err);
    if (result != 0 || !is_there) return result;
    *at += 1 + (uint64_t)(unsigned char)bytes[0];
    if (bytes[0] == 0) return 0;
  }
}

static int walk_gif(struct walk *walk, struct err *err) {
  const char *bytes;
  bool is_there;
  int result = view_or_cut(walk, 0, 13, "head", &bytes, &is_there, err);
  if (result != 0 || !is_there) return result;
  uint64_t at = 13 + colours((unsigned char)bytes[10]);
  while (result == 0 && walk->cut == NULL) {
    result = view_or_cut(walk, at, 1, "file", &bytes, &is_there, err);
    if (result != 0 || !is_there) return result;
    unsigned kind = (unsigned char)bytes[0];
    if (kind != 0x21 && kind != 0x2C) return 0; /* 0x3B ends the file */
    size_t head = kind == 0x21 ? 2 : 10;
    result = view_or_cut(walk, at, head, "block", &bytes, &is_there, err);
    if (result != 0 || !is_there) return result;
    at += kind == 0x21 ? head : head + colours((unsigned char)bytes[9]) + 1; /* 1: the size of a code */
    result = pass_blocks(walk, &at, err);
  }
  return result;
}

/* A file of one picture is no video, cut or not. */
static int walk_png(struct walk *walk, struct err *err) {
  bool is_moving = false;
  for (uint64_t at = 8;;) {
    const char *bytes;
    bool is_there;
    int result = view(walk, at, 12, &bytes, &is_there, err);
    if (!is_there && is_moving) walk->cut = "file";
    if (result != 0 || !is_there || memcmp(bytes + 4, "IEND", 4) == 0) return result;
    if (memcmp(bytes + 4, "acTL", 4) == 0) is_moving = true;
    uint64_t length = be(bytes, 4);
    if (length > INT32_MAX) return 0;
    at += 12 + length;
  }
}

/* ---- MXF ---- */

/* The first partition states where the footer is; 0: it is not known yet. */
static int walk_mxf(struct walk *walk, struct err *err) {
  const char *bytes;
  bool is_there;
  int result = view(walk, 0, HEAD, &bytes, &is_there, err);
  if (result != 0 || !is_there) return result;
  unsigned first = (unsigned char)bytes[16];
  size_t length = first < 0x80 ? 1 : 1 + (first & 0x7F);
  if (length > 9) return 0;
  if (be(bytes + 16 + length + 24, 8) >= walk->size) walk->cut = "footer";
  return 0;
}

/* ---- program streams, NUT, SWF ---- */

#define PACK_START 0xBA
#define END_CODE 0xB9

/* The size of the unit of a program stream that begins with these 14 bytes; 0: it is none. */
static uint64_t ps_unit(const char *bytes) {
  unsigned code = (unsigned char)bytes[3], next = (unsigned char)bytes[4];
  if (memcmp(bytes, "\0\0\x01", 3) != 0 || code < END_CODE) return 0;
  if (code == END_CODE) return 4;
  if (code != PACK_START) return 6 + be(bytes + 4, 2);
  return (next & 0xC0) == 0x40 ? 14 + ((unsigned char)bytes[13] & 7u) : 12;
}

static int walk_ps(struct walk *walk, struct err *err) {
  for (uint64_t at = 0; walk->size - at >= 14;) {
    const char *bytes;
    int result = window_view(&walk->window, at, 14, &bytes, err);
    if (result != 0) return result;
    uint64_t unit = ps_unit(bytes);
    if (unit == 0 || unit == 6) return 0; /* 6: of unknown size, which only transport streams may have */
    if (unit > walk->size - at) walk->cut = "packet";
    if (unit > walk->size - at) return 0;
    at += unit;
  }
  return 0;
}

/* The index is the last packet, and its own size is before its checksum at the end. */
static int walk_nut(struct walk *walk, struct err *err) {
  const char *bytes;
  bool is_there;
  int result = view_or_cut(walk, walk->size - 12, 8, "index", &bytes, &is_there, err);
  if (result != 0 || !is_there) return result;
  uint64_t back = be(bytes, 8);
  result = back <= walk->size ? view_or_cut(walk, walk->size - back, 8, "index", &bytes, &is_there, err) : 0;
  if (result != 0) return result;
  bool is_index = back <= walk->size && is_there && memcmp(bytes, "\x4E\x58\xDD\x67\x2F\x23\xE6\x4E", 8) == 0;
  if (!is_index) walk->cut = "index";
  return 0;
}

/* The head of one that is not compressed states the file's size. */
static int walk_swf(struct walk *walk, struct err *err) {
  const char *bytes;
  int result = window_view(&walk->window, 0, 8, &bytes, err);
  if (result == 0 && le(bytes + 4, 4) > walk->size && le(bytes + 4, 4) < SIZE_OPEN) walk->cut = "file";
  return result;
}

/* ---- DV ---- */

#define DV_SEQUENCE 12000 /* bytes; each begins with a header block that has its number */
#define DV_CHANNELS 4     /* of a picture, at most */

/* The sequences of the picture that begins at a position, in one channel; 0: none begins there. */
static int dv_sequences(struct walk *walk, uint64_t at, unsigned *ret, struct err *err) {
  const char *bytes;
  bool is_there;
  int result = view(walk, at, 4, &bytes, &is_there, err);
  bool is_picture = result == 0 && is_there && bytes[0] == 0x1F && bytes[1] == 7;
  *ret = !is_picture ? 0 : (bytes[3] & 0x80) != 0 ? 12 : 10; /* of 625 lines, of 525 */
  return result;
}

/* A picture has as many channels as the first one, but perhaps another number of lines. */
static int walk_dv(struct walk *walk, struct err *err) {
  unsigned sequences = 0, next = 0, channels = 0;
  int result = dv_sequences(walk, 0, &sequences, err);
  while (result == 0 && next == 0 && channels < DV_CHANNELS)
    result = dv_sequences(walk, (uint64_t)++channels * sequences * DV_SEQUENCE, &next, err);
  if (result != 0 || next == 0) return result;
  uint64_t at = 0;
  while (result == 0 && sequences != 0 && at < walk->size) {
    at += (uint64_t)channels * sequences * DV_SEQUENCE;
    result = dv_sequences(walk, at, &sequences, err);
  }
  if (at != walk->size) walk->cut = "picture";
  return result;
}

/* ---- FLV ---- */

#define FLV_TAG 11

static int walk_flv(struct walk *walk, struct err *err) {
  const char *bytes;
  bool is_there = true;
  int result = view(walk, 0, 9, &bytes, &is_there, err);
  for (uint64_t at = result == 0 ? be(bytes + 5, 4) + 4 : 0; result == 0 && is_there && at < walk->size;) {
    result = view_or_cut(walk, at, FLV_TAG, "tag", &bytes, &is_there, err);
    if (result != 0 || !is_there) return result;
    unsigned kind = (unsigned char)bytes[0] & 0x1F;
    if (kind != 8 && kind != 9 && kind != 18) return 0;
    at += FLV_TAG + be(bytes + 1, 3);
    if (at > walk->size) walk->cut = "tag";
    at += 4;
  }
  return result;
}

/* ---- all ---- */

static const struct kind {
  const char *bytes;
  size_t len, offset;
  int (*walk)(struct walk *walk, struct err *err);
} kinds[] = {
    {"\x30\x26\xB2\x75\x8E\x66\xCF\x11\xA6\xD9\x00\xAA\x00\x62\xCE\x6C", 16, 0, walk_asf},
    {"AVI ", 4, 8, walk_riff},
    {"OggS", 4, 0, walk_ogg},
    {"GIF8", 4, 0, walk_gif},
    {"\x89PNG\r\n\x1A\n", 8, 0, walk_png},
    {"\x06\x0E\x2B\x34\x02\x05\x01\x01\x0D\x01\x02\x01\x01\x02", 14, 0, walk_mxf},
    {"\0\0\x01\xBA", 4, 0, walk_ps},
    {"nut/multimedia container", 24, 0, walk_nut},
    {"FWS", 3, 0, walk_swf},
    {"FLV\x01", 4, 0, walk_flv},
    {"\x1F\x07\0\x3F", 4, 0, walk_dv},
    {"\x1F\x07\0\xBF", 4, 0, walk_dv},
};

int whole_read(struct reel *reel, const char **ret_cut, struct err *err) {
  char head[HEAD];
  size_t got = 0;
  *ret_cut = NULL;
  int result = reel_read(reel, 0, head, sizeof head, &got, err);
  if (result != 0 || got < sizeof head) return result;
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
    if (memcmp(head + kinds[i].offset, kinds[i].bytes, kinds[i].len) != 0) continue;
    struct walk walk = {.size = reel_size(reel)};
    window_init(&walk.window, reel, WINDOW_HEADERS);
    result = kinds[i].walk(&walk, err);
    window_fini(&walk.window);
    if (result == 0) *ret_cut = walk.cut;
    return result;
  }
  return 0;
}
