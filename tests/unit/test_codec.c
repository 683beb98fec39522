/* Codec names: what is none, what means another, what stands for itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "meter/codec.h"

static void test_bad(void **state) {
  (void)state;
  static const char *const bad[] = {"", " ", "\t\n", "h 264", "h264!", "h264/aac", "a,b", "h264\n8", "caf\xC3\xA9", "\xFF",
                                    "h264;", "\"h264\"", "abcdefghijklmnopqrstuvwxyz0123456", "avc1.abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0", "+", "h264\x7F",
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
      {"av1", "av1"},        {"AV01.0.05M.08", "av1"}, {"av01.0.04M.10.0.112.09.16.09.0", "av1"}, {"libsvtav1", "av1"},
      {"libaom-av1", "av1"}, {"librav1e", "av1"},      {"av1_nvenc", "av1"},    {"dav1.10.09", "av1"},
      {"vp9", "vp9"},        {"vp09.00.10.08", "vp9"}, {"libvpx-vp9", "vp9"},   {"vp9_qsv", "vp9"},     {"VP8", "vp8"},
      {"libvpx", "vp8"},     {"vp80", "vp8"},          {"dvh1.05.06", "h265"},  {"dvhe.08.07", "h265"}, {"H_265", "h265"},
      {"dvav.09.05", "h264"}, {"AVC_INTRA", "h264"},   {"nvh264enc", "h264"},   {"MPEG4-AVC", "h264"},
      {"mp4v.20.9", "mpeg4"}, {"mp4v.20", "mpeg4"},    {"mp4v", "mpeg4"},       {"xvid", "mpeg4"},      {"mpeg4", "mpeg4"},
      {"mp4v.61", "mpeg2video"}, {"MPEG2", "mpeg2video"}, {"mpeg2video", "mpeg2video"}, {"mpeg2_vaapi", "mpeg2video"},
      {"mp4v.6a", "mpeg1video"}, {"mp4v.6C", "mjpeg"}, {"mp4v.99", "mp4v.99"},  {"VC3", "dnxhd"},       {"PRORES", "prores"},
      {"prores_ks", "prores"}, {"apch", "prores"},     {"H.266", "vvc"},        {"vvc1.1.L51.CQA", "vvc"}, {"theo", "theora"},
      {"mp4a.40.2", "aac"},  {"libfdk_aac", "aac"},    {"mp4a.6b", "mp3"},      {"ec-3", "eac3"},       {"libopus", "opus"},
      {"MPEG4_AVC", "mpeg4_avc"}, {"mpeg2_aac", "mpeg2_aac"}, {"prores_raw", "prores_raw"}, {"mp4a.40.34", "mp3"}, {"mp4a.40.8", "mp4a.40.8"},
      {"hevc_rkmpp", "h265"}, {"h264_other", "h264_other"}, {"nvenc_h264", "h264"}, {"mp4a.c1", "flac"}, {"mp4a.d1", "mp4a.d1"},
      {"a", "a"},            {"h264_", "h264_"},       {"h2645", "h2645"},      {"xh264", "xh264"},     {"vp90x", "vp90x"},
      {"avc1.", "avc1."},    {"pcm", "pcm"},           {"wav", "wav"},
      {"-._", "-._"},        {"abcdefghijklmnopqrstuvwxyz012345", "abcdefghijklmnopqrstuvwxyz012345"},
      {"avc1.abcdefghijklmnopqrstuvwxyz01234567", "h264"}, /* longer than a name that stands for itself */
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    char name[CODEC_NAME_MAX + 1], again[CODEC_NAME_MAX + 1];
    if (codec_canonical(str_of(rows[i][0]), name, NULL) != 0) fail_msg("'%s' is refused", rows[i][0]);
    assert_string_equal(name, rows[i][1]);
    assert_int_equal(codec_canonical(str_of(name), again, NULL), 0);
    assert_string_equal(again, name);
  }
}

/* Reports are compared by today's table, whatever was stored. */
static void test_same(void **state) {
  (void)state;
  assert_true(codecs_are_same(STR("libsvtav1"), STR("av1")) && codecs_are_same(STR("H_265"), STR("hvc1.1.6.L93.B0")));
  assert_true(codecs_are_same(STR("mine"), STR("MINE")) && codecs_are_same(STR("?"), STR("?")));
  assert_false(codecs_are_same(STR("av1"), STR("vp9")) || codecs_are_same(STR("h264"), STR("h265")));
  assert_false(codecs_are_same(STR("mine"), STR("yours")) || codecs_are_same(STR("?"), STR("h264")));
  assert_true(codec_is_known(STR("h264")) && codec_is_known(STR("aac")) && codec_is_known(STR("prores")));
  assert_false(codec_is_known(STR("libx264")) || codec_is_known(STR("mine")) || codec_is_known(STR("")));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_bad), cmocka_unit_test(test_names), cmocka_unit_test(test_same)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
