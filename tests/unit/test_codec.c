/* Codec names: what is none, what means another, what stands for itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "meter/codec.h"

static void test_bad(void **state) {
  (void)state;
  static const char *const bad[] = {"", " ", "\t\n", "h 264", "h264!", "h264/aac", "a,b", "h264\n8", "caf\xC3\xA9", "\xFF",
                                    "h264;", "\"h264\"", "abcdefghijklmnopqrstuvwxyz0123456", "+", "h264\x7F",
                                    "h264\n", "\th264", "h264\r\n", " h264\v ", "h264\xC2\x85"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    char name[CODEC_NAME_MAX + 1] = "untouched";
    struct err err = {0};
    if (codec_canonical(str_of(bad[i]), name, &err) != -ERR_RANGE) fail_msg("'%s' is taken", bad[i]);
    assert_string_equal(name, "untouched");
    assert_true(err.text[0] != '\0');
  }
  char name[CODEC_NAME_MAX + 1];
  assert_int_equal(codec_canonical(str_make("h264\0x", 6), name, NULL), -ERR_RANGE);
}

static void test_names(void **state) {
  (void)state;
  static const char *const rows[][2] = {
      {"h264", "h264"},      {"H264", "h264"},         {" h264 ", "h264"},      {"avc", "h264"},        {"AVC1", "h264"},
      {"avc1.64001f", "h264"}, {"avc3", "h264"},       {"h.264", "h264"},       {"H.264", "h264"},      {"libx264", "h264"},
      {"libx264rgb", "h264"}, {"x264", "h264"},        {"h264_nvenc", "h264"},  {"h264_qsv", "h264"},   {"h264_vaapi", "h264"},
      {"h264_videotoolbox", "h264"}, {"libopenh264", "h264"},
      {"h265", "h265"},      {"hevc", "h265"},         {"HEVC", "h265"},        {"hvc1", "h265"},       {"hev1", "h265"},
      {"hvc1.1.6.L93.B0", "h265"}, {"h.265", "h265"},  {"libx265", "h265"},     {"x265", "h265"},       {"hevc_nvenc", "h265"},
      {"hevc_amf", "h265"},
      {"av1", "av1"},        {"vp9", "vp9"},           {"VP8", "vp8"},          {"mpeg2video", "mpeg2video"}, {"mpeg4", "mpeg4"},
      {"prores_ks", "prores_ks"}, {"a", "a"},          {"h264_", "h264_"},      {"h2645", "h2645"},     {"xh264", "xh264"},
      {"-._", "-._"},        {"abcdefghijklmnopqrstuvwxyz012345", "abcdefghijklmnopqrstuvwxyz012345"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    char name[CODEC_NAME_MAX + 1], again[CODEC_NAME_MAX + 1];
    if (codec_canonical(str_of(rows[i][0]), name, NULL) != 0) fail_msg("'%s' is refused", rows[i][0]);
    assert_string_equal(name, rows[i][1]);
    assert_int_equal(codec_canonical(str_of(name), again, NULL), 0);
    assert_string_equal(again, name);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_bad), cmocka_unit_test(test_names)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
