/* Headers of video codecs in a row, and what they prove. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "media/stream_codec.h"

/* Hexadecimal digits; a bar is a start code 00 00 01, a slash ends a packet. */
struct table {
  const char *name, *known, *bytes, *right;
};

#define SEQUENCE "|b31400b4 13 ffffe0 18"
#define H264_SETS "|6742c00dda |68ce0f2c "
#define MPEG4_HEAD "|b001 |b58913 |00 |2000c48d8800 "

static const struct table tables[] = {
    {"nothing", NULL, "", NULL},
    {"a start code at the very end", NULL, "000001", NULL},
    {"slices of MPEG-2", "mpeg2video", "|00 0010 |01 22 |02 33 |27 64001f |28 ee |29 11 |67 64001f |68 ee |69 11", NULL},
    {"sequence without extension", NULL, SEQUENCE "|01 22", NULL},
    {"a damaged sequence", NULL, "|b30000b4 13 ffffe0 18 |b514", NULL},
    {"H.264 sets without a picture", NULL, H264_SETS, NULL},
    {"H.264 of no profile", NULL, "|67ffc00d |68ce |65 88", NULL},
    {"picture set alone", NULL, "|68ce0f2c |65 88 |41 9a", NULL},
    {"HEVC of another layer", NULL, "|400901 |420901 |440901", NULL},
    {"a picture of MPEG-4 alone", NULL, "|b6 1060 |b6 5060", NULL},
    {"what is known", "h264", H264_SETS "|65 88", NULL},
    {"MPEG-1", NULL, SEQUENCE "|b8 00080000 |00 000f", "mpeg1video"},
    {"MPEG-1 with user data", NULL, SEQUENCE "|b2 41", "mpeg1video"},
    {"MPEG-2", NULL, SEQUENCE "|b5148200 |b8 0008", "mpeg2video"},
    {"MPEG-4", NULL, MPEG4_HEAD "|b6 1060", "mpeg4"},
    {"MPEG-4 with user data", NULL, MPEG4_HEAD "|b2 4c617663", "mpeg4"},
    {"MPEG-4 in layer 7 of a stream", NULL, "|07 |27640014 |b6 1060", "mpeg4"},
    {"H.264", NULL, "|09f0 " H264_SETS "|06 05 |65 88", "h264"},
    {"H.264 with references of 1", NULL, "|27640028 |28ee |25 b8", "h264"},
    {"HEVC", NULL, "|40010c |420101 |4401c1", "hevc"},
    {"VC-1", NULL, "|0fca12 |0e5a |0d00", "vc1"},
    {"over packets", NULL, "|40010c / |420101 / |4401c1", "hevc"},
    {"H.264 in MPEG-2", "mpeg2video", SEQUENCE "|b5148200 |00 0010 |01 22 / " H264_SETS "|65 88", "h264"},
    {"MPEG-2 in H.264", "h264", H264_SETS "|65 88 / |41 9a " SEQUENCE "|b5148200", "mpeg2video"},
    {"HEVC in H.264", "h264", H264_SETS "|65 88 |40010c |420101 |4401c1", "hevc"},
    {"H.264 in HEVC", "hevc", "|40010c |420101 |4401c1 |2601 / |27640028 |28ee |25 b8", "h264"},
    {"MPEG-4 in MPEG-1", "mpeg1video", SEQUENCE "|b8 0008 |00 000f |01 22 " MPEG4_HEAD "|b3 0010 |b6 10", "mpeg4"},
};

static const char *read_all(const struct table *table) {
  struct stream_codec stream = {0};
  uint8_t bytes[512];
  size_t len = 0;
  const char *seen = NULL;
  for (const char *at = table->bytes;; at++) {
    unsigned value;
    if (*at == '/' || *at == '\0') {
      const char *now = stream_codec_see(&stream, table->known, bytes, len);
      if (seen == NULL) seen = now;
      len = 0;
      if (*at == '\0') return seen;
    } else if (*at == '|') {
      memcpy(bytes + len, "\0\0\1", 3);
      len += 3;
    } else if (*at != ' ') {
      if (sscanf(at, "%2x", &value) != 1) fail_msg("%s: '%s'", table->name, at);
      bytes[len++] = (uint8_t)value;
      at++;
    }
  }
}

static void test_tables(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
    const char *seen = read_all(&tables[i]);
    bool is_right = seen == NULL || tables[i].right == NULL ? seen == tables[i].right : strcmp(seen, tables[i].right) == 0;
    if (!is_right) fail_msg("%s: %s", tables[i].name, seen != NULL ? seen : "nothing");
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_tables)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
