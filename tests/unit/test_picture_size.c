/* Sizes of pictures in headers that are written here, bit by bit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "media/picture_size.h"

#define PACKET_MAX 1024

/* Bits as text: "value:count" fields; "xNN" a byte. Returns the length in bytes. */
static size_t write_bits(const char *fields, uint8_t *out) {
  size_t at = 0;
  memset(out, 0, PACKET_MAX);
  while (*fields != '\0') {
    unsigned value, count;
    int used = 0;
    if (sscanf(fields, " x%2x%n", &value, &used) == 1)
      count = 8;
    else if (sscanf(fields, " %u:%u%n", &value, &count, &used) != 2)
      fail_msg("'%s' is no field", fields);
    for (unsigned bit = count; bit > 0; bit--, at++) {
      bool is_set = bit <= 32 && (value >> (bit - 1) & 1) != 0;
      out[at / 8] |= (uint8_t)(is_set << (7 - at % 8));
    }
    fields += used;
    while (*fields == ' ')
      fields++;
  }
  return (at + 7) / 8;
}

struct table {
  const char *name, *codec, *fields;
  uint32_t width, height; /* 0: not said */
};

static const struct table tables[] = {
    {"nothing", "vp9", "", 0, 0},
    {"a codec that is not read", "h264", "x00 x00 x01 x67 x64 x00 x1e", 0, 0},
    {"VP9, damaged mark", "vp9", "1:2 0:2 0:1 0:1 1:1 0:1 x49 x83 x42 2:3 0:1 319:16 179:16", 0, 0},
    {"VP9, damaged sync", "vp9", "2:2 0:2 0:1 0:1 1:1 0:1 x49 x83 x43 2:3 0:1 319:16 179:16", 0, 0},
    {"VP9, cut", "vp9", "2:2 0:2 0:1 0:1 1:1 0:1 x49 x83 x42 2:3 0:1 319:16", 0, 0},
    {"VP9, hidden", "vp9", "2:2 0:2 0:1 0:1 0:1 0:1 x49 x83 x42 2:3 0:1 319:16 179:16", 0, 0},
    {"VP9, unknown reference", "vp9", "2:2 0:2 0:1 1:1 1:1 0:1 0:2 1:8 0:3 0:1 1:3 0:1 2:3 0:1 1:1 0:32", 0, 0},
    {"ProRes, other mark", "prores", "0:32 x69 x63 x70 x67 0:64 320:16 180:16", 0, 0},
    {"DNxHD, cut", "dnxhd", "x00 x00 x02 x80 x03", 0, 0},
    {"JPEG without frame", "mjpeg", "xff xd8 xff xe0 0:8 2:8 xff xda 0:8 2:8 0:64", 0, 0},
    {"JPEG, segment beyond the end", "mjpeg", "xff xd8 xff xe0 xff xff 0:64", 0, 0},
    {"JPEG of no height", "mjpeg", "xff xd8 xff xc0 0:8 17:8 8:8 0:16 320:16 3:8", 0, 0},
    {"JPEG 2000, area inside out", "jpeg2000", "xff x4f xff x51 0:16 0:16 10:32 10:32 10:32 0:32 0:64", 0, 0},
    {"H.263, size of the picture before", "h263", "32:22 0:8 2:2 0:3 7:3 0:3 0:64", 0, 0},
    {"H.263, forbidden format", "h263", "32:22 0:8 2:2 0:3 0:3 0:64", 0, 0},
    {"MPEG-4, picture only", "mpeg4", "x00 x00 x01 xb6 0:64", 0, 0},
    {"MPEG-4, any shape", "mpeg4", "x00 x00 x01 x20 0:1 1:8 0:1 1:4 0:1 1:2 0:96", 0, 0},
    {"MPEG-4, cut", "mpeg4", "x00 x00 x01 x20 0:1 1:8 0:1 1:4 0:1 0:2 1:1 25:16", 0, 0},
    {"Theora, picture", "theora", "x00 x74 0:160", 0, 0},
    {"VC-1, simple profile", "vc1", "x00 x00 x01 x0f 0:2 0:14 159:12 89:12 0:32", 0, 0},
    {"VP9, key", "vp9", "2:2 0:2 0:1 0:1 1:1 0:1 x49 x83 x42 2:3 0:1 319:16 179:16", 320, 180},
    {"VP9, profile 1", "vp9", "2:2 1:1 0:1 0:1 0:1 1:1 0:1 x49 x83 x42 2:3 0:1 0:2 0:1 319:16 179:16", 320, 180},
    {"VP9, profile 1, RGB", "vp9", "2:2 1:1 0:1 0:1 0:1 1:1 0:1 x49 x83 x42 7:3 0:1 319:16 179:16", 320, 180},
    {"VP9, profile 2", "vp9", "2:2 0:1 1:1 0:1 0:1 1:1 0:1 x49 x83 x42 1:1 2:3 0:1 319:16 179:16", 320, 180},
    {"VP9, profile 3", "vp9", "2:2 3:2 0:1 0:1 0:1 1:1 0:1 x49 x83 x42 1:1 2:3 0:1 0:2 0:1 319:16 179:16", 320, 180},
    {"VP9, stated between key pictures", "vp9", "2:2 0:2 0:1 1:1 1:1 0:1 0:2 1:8 0:3 0:1 0:3 0:1 0:3 0:1 0:3 639:16 359:16", 640, 360},
    {"ProRes", "prores", "0:32 x69 x63 x70 x66 0:64 320:16 180:16", 320, 180},
    {"JPEG behind tables", "mjpeg", "xff xd8 xff xc4 0:8 4:8 0:16 xff xff xdb 0:8 2:8 xff xc2 0:8 17:8 8:8 180:16 320:16 3:8", 320, 180},
    {"JPEG-LS", "jpegls", "xff xd8 xff xf7 0:8 17:8 8:8 180:16 320:16 3:8", 320, 180},
    {"PNG", "png", "x89 x50 x4e x47 x0d x0a x1a x0a 13:32 x49 x48 x44 x52 320:32 180:32 0:40", 320, 180},
    {"JPEG 2000 in boxes", "jpeg2000", "12:32 x6a x50 x20 x20 0:32 xff x4f xff x51 0:16 0:16 330:32 190:32 10:32 10:32", 320, 180},
    {"H.261, CIF", "h261", "16:20 0:5 0:3 1:1 0:32", 352, 288},
    {"H.263, QCIF", "h263", "32:22 0:8 2:2 0:3 2:3 0:64", 176, 144},
    {"H.263, extended, CIF", "h263", "32:22 0:8 2:2 0:3 7:3 1:3 3:3 0:15 0:9 0:1 0:64", 352, 288},
    {"H.263, any size", "h263p", "32:22 0:8 2:2 0:3 7:3 1:3 6:3 0:15 0:9 1:1 0:2 1:4 80:9 1:1 46:9 0:32", 324, 184},
    {"FLV, small", "flv1", "1:17 0:5 0:8 0:3 160:8 90:8 0:8", 160, 90},
    {"FLV, large", "flv1", "1:17 0:5 0:8 1:3 320:16 180:16 0:8", 320, 180},
    {"FLV, by number", "flv1", "1:17 0:5 0:8 5:3 0:32", 320, 240},
    {"MPEG-4", "mpeg4", "x00 x00 x01 xb0 x01 x00 x00 x01 x20 0:1 1:8 0:1 1:4 0:1 0:2 1:1 25:16 1:1 0:1 1:1 320:13 1:1 180:13 1:1", 320, 180},
    {"MPEG-4, all that may be there", "mpeg4",
     "x00 x00 x01 x20 0:1 1:8 1:1 5:4 1:3 15:4 37:8 20:8 1:1 1:2 1:1 1:1 0:79 0:2 1:1 25:16 1:1 1:1 1:5 1:1 320:13 1:1 180:13 1:1", 320, 180},
    {"MPEG-4, one tick", "mpeg4", "x00 x00 x01 x20 0:1 1:8 0:1 1:4 0:1 0:2 1:1 1:16 1:1 1:1 1:1 1:1 320:13 1:1 180:13 1:1", 320, 180},
    {"Theora", "theora", "x80 x74 x68 x65 x6f x72 x61 3:8 2:8 1:8 20:16 12:16 320:24 180:24 0:16", 320, 180},
    {"VC-1", "vc1", "x00 x00 x01 x0f 3:2 0:14 159:12 89:12 0:32", 320, 180},
    {"CineForm", "cfhd", "1:16 9:16 20:16 320:16 21:16 180:16", 320, 180},
    {"Flash screen", "flashsv", "3:4 320:12 3:4 180:12", 320, 180},
    {"Cinepak", "cinepak", "0:32 320:16 180:16 1:16", 320, 180},
};

static void test_tables(void **state) {
  (void)state;
  uint8_t packet[PACKET_MAX];
  for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
    struct picture_sizes sizes = {0};
    struct picture_size size = {0, 0};
    size_t len = write_bits(tables[i].fields, packet);
    bool is_said = picture_size_read(&sizes, tables[i].codec, packet, len, &size);
    if (is_said != (tables[i].width != 0) || size.width != tables[i].width || size.height != tables[i].height)
      fail_msg("%s: %d, %ux%u", tables[i].name, is_said, size.width, size.height);
  }
}

/* A packet that is cut anywhere is read within its bounds: the sanitizers watch. */
static void test_cut(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
    uint8_t packet[PACKET_MAX];
    size_t len = write_bits(tables[i].fields, packet);
    for (size_t cut = 0; cut < len; cut++) {
      struct picture_sizes sizes = {0};
      struct picture_size size = {0, 0};
      uint8_t *exact = test_malloc(cut + 1);
      memcpy(exact, packet, cut);
      if (picture_size_read(&sizes, tables[i].codec, exact, cut, &size) && size.width == 0) fail_msg("%s: %zu bytes", tables[i].name, cut);
      test_free(exact);
    }
  }
}

static const char *const small_key = "2:2 0:2 0:1 0:1 1:1 0:1 x49 x83 x42 2:3 0:1 319:16 179:16";

static void expect(struct picture_sizes *sizes, const char *name, const uint8_t *packet, size_t len, uint32_t width, uint32_t height) {
  struct picture_size size = {0, 0};
  (void)picture_size_read(sizes, "vp9", packet, len, &size);
  if (size.width != width || size.height != height) fail_msg("%s: %ux%u", name, size.width, size.height);
}

static void test_vp9_references(void **state) {
  (void)state;
  struct picture_sizes sizes = {0};
  static const struct {
    const char *name, *fields;
    uint32_t width, height;
  } steps[] = {
      {"key", "2:2 0:2 0:1 0:1 1:1 0:1 x49 x83 x42 2:3 0:1 319:16 179:16", 320, 180},
      {"takes the first", "2:2 0:2 0:1 1:1 1:1 0:1 0:2 0:8 0:3 0:1 1:3 0:1 2:3 0:1 1:1 0:32", 320, 180},
      {"hidden, by itself, kept in 1", "2:2 0:2 0:1 1:1 0:1 0:1 1:1 0:2 x49 x83 x42 2:8 639:16 359:16", 0, 0},
      {"takes the third", "2:2 0:2 0:1 1:1 1:1 0:1 0:2 0:8 0:3 0:1 0:3 0:1 1:3 0:1 1:3 0:32", 640, 360},
      {"shows what is kept in 1", "2:2 0:2 1:1 1:3", 640, 360},
      {"shows what is kept in 0", "2:2 0:2 1:1 0:3", 320, 180},
      {"resilient, by itself, hidden, kept in 0", "2:2 0:2 0:1 1:1 0:1 1:1 1:1 x49 x83 x42 1:8 799:16 599:16", 0, 0},
      {"shows it", "2:2 0:2 1:1 0:3", 800, 600},
  };
  for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
    uint8_t packet[PACKET_MAX];
    size_t len = write_bits(steps[i].fields, packet);
    expect(&sizes, steps[i].name, packet, len, steps[i].width, steps[i].height);
  }
}

/* Two layers in one packet: the last picture that is shown counts. */
static void test_vp9_superframes(void **state) {
  (void)state;
  uint8_t packet[PACKET_MAX], part[PACKET_MAX];
  size_t first = write_bits(small_key, packet);
  size_t second = write_bits("2:2 0:2 0:1 1:1 1:1 0:1 0:2 2:8 0:3 0:1 0:3 0:1 0:3 0:1 0:3 639:16 359:16", part);
  memcpy(packet + first, part, second);
  size_t len = first + second;
  const uint8_t index[] = {0xC1, (uint8_t)first, (uint8_t)second, 0xC1};
  memcpy(packet + len, index, sizeof index);
  struct picture_sizes sizes = {0};
  expect(&sizes, "two", packet, len + sizeof index, 640, 360);
  packet[len + 2] = 200;
  sizes = (struct picture_sizes){0};
  expect(&sizes, "an index beyond the packet", packet, len + sizeof index, 320, 180);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_tables), cmocka_unit_test(test_cut), cmocka_unit_test(test_vp9_references),
                                     cmocka_unit_test(test_vp9_superframes)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
