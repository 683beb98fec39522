/* DASH manifests: what is refused and why, what the others play, and that an HLS list over the same segments is equal. */
#include "list_cases.h"

#define MPD(period) "<?xml version=\"1.0\"?>\n<MPD type=\"static\" mediaPresentationDuration=\"PT10.0S\">" period "</MPD>"
#define SET(set) "<Period><AdaptationSet contentType=\"video\">" set "</AdaptationSet></Period>"
#define ONE(set) MPD(SET(set))
#define REP(inner) "<Representation id=\"v\" bandwidth=\"700\">" inner "</Representation>"
#define TEMPLATE(attributes, inner) "<SegmentTemplate initialization=\"init.mp4\" " attributes ">" inner "</SegmentTemplate>"
#define TIMELINE(s) "<SegmentTimeline>" s "</SegmentTimeline>"
#define PLAYS(text) .plays = "out.mpd#v = " text
#define NUMBERED "media=\"s-$Number%03d$.m4s\" "
#define TIMED "media=\"t-$Time$.m4s\" "

static const struct list_case refused[] = {
    {.text = "<MPD", .why = "cannot read the manifest"},
    {.text = "<MPD></MPD>", .why = "lists no video"},
    {.text = "<!-- <MPD> --><x/>", .why = "not MPD"},
    {.text = "<MPD>\xFF</MPD>", .why = "cannot read the manifest"},
    {.text = "<MPD type=\"dynamic\"/>", .why = "not finished", .refusal = MEDIA_REFUSED_UNFINISHED},
    {.text = MPD("<Period><AdaptationSet contentType=\"audio\">" REP("<BaseURL>whole.mp4</BaseURL>") "</AdaptationSet></Period>"),
     .why = "lists no video", .refusal = MEDIA_REFUSED_NO_OUTPUT},
    {.text = ONE("<EssentialProperty schemeIdUri=\"http://dashif.org/guidelines/trickmode\"/>" REP("<BaseURL>whole.mp4</BaseURL>")),
     .why = "lists no video", .refusal = MEDIA_REFUSED_NO_OUTPUT},
    {.text = ONE("<ContentProtection value=\"cenc\"/>" REP("<BaseURL>whole.mp4</BaseURL>")), .why = "encrypted (Common Encryption cenc)"},
    {.text = ONE(REP("")), .why = "names no segments"},
    {.text = ONE(REP("<BaseURL>folder/</BaseURL>")), .why = "names no segments"},
    {.text = ONE(REP("<BaseURL>none.mp4</BaseURL>")), .why = "lists none.mp4"},
    {.text = ONE(REP("<BaseURL>folder</BaseURL>")), .why = "not a regular file"},
    {.text = ONE(REP("<BaseURL>/dev/zero</BaseURL>")), .why = "elsewhere: /dev/zero"},
    {.text = ONE("<BaseURL>https://example.com/x/</BaseURL>" REP(TEMPLATE(NUMBERED "duration=\"2\"", ""))), .why = "elsewhere: https://example.com/x/"},
    {.text = ONE(REP(TEMPLATE("media=\"http://example.com/$Number$\" duration=\"2\"", ""))), .why = "elsewhere: http://example.com/1"},
    {.text = MPD("<Period xlink:href=\"p.xml\"/>"), .why = "elsewhere"},
    {.text = ONE(REP(TEMPLATE("media=\"$Name$\" duration=\"2\"", ""))), .why = "template is not valid"},
    {.text = ONE(REP(TEMPLATE("media=\"a$Number\" duration=\"2\"", ""))), .why = "template is not valid"},
    {.text = ONE(REP(TEMPLATE("media=\"$Number%099d$\" duration=\"2\"", ""))), .why = "template is not valid"},
    {.text = ONE(REP("<SegmentTemplate duration=\"2\"/>")), .why = "SegmentTemplate is not valid"},
    {.text = ONE(REP(TEMPLATE(NUMBERED "timescale=\"0\" duration=\"2\"", ""))), .why = "number in the manifest"},
    {.text = ONE(REP(TEMPLATE(NUMBERED "startNumber=\"-1\" duration=\"2\"", ""))), .why = "number in the manifest"},
    {.text = ONE(REP(TEMPLATE(NUMBERED, TIMELINE("<S t=\"0\"/>")))), .why = "timeline is not valid"},
    {.text = ONE(REP(TEMPLATE(NUMBERED, TIMELINE("<S d=\"9\" r=\"-1\"/><S t=\"0\" d=\"1\"/>")))), .why = "timeline is not valid"},
    {.text = ONE(REP(TEMPLATE(NUMBERED, TIMELINE("<S d=\"2\" r=\"5\"/>")))), .why = "lists s-006.m4s"},
    {.text = ONE(REP(TEMPLATE(TIMED, TIMELINE("<S d=\"1\" r=\"2000000\"/>")))), .why = "lists t-1.m4s"},
    {.text = ONE(REP(TEMPLATE("media=\"whole.mp4\"", TIMELINE("<S d=\"1\" r=\"2000000\"/>")))), .why = "more than 1000000"},
    {.text = ONE(REP(TEMPLATE("media=\"whole.mp4\" duration=\"1\" timescale=\"4000000000\"", ""))), .why = "more than 1000000"},
    {.text = ONE(REP(TEMPLATE("media=\"g-$Number$.m4s\" duration=\"2\"", ""))), .why = "lists g-2.m4s"},
    {.text = ONE(REP(TEMPLATE("media=\"none-$Number$.m4s\" duration=\"2\"", ""))), .why = "lists none-1.m4s"},
    {.text = "<MPD>" SET(REP(TEMPLATE(NUMBERED "duration=\"2\"", ""))) "</MPD>", .why = "how many segments"},
    {.text = ONE(REP("<BaseURL>whole.mp4</BaseURL><SegmentList/>")), .why = "SegmentList is not valid"},
    {.text = ONE(REP("<BaseURL>whole.mp4</BaseURL><SegmentList><SegmentURL mediaRange=\"5-4\"/></SegmentList>")), .why = "range of bytes"},
    {.text = ONE(REP("<BaseURL>whole.mp4</BaseURL><SegmentList><SegmentURL mediaRange=\"0-1000\"/></SegmentList>")), .why = "shorter than the list says"},
    {.text = ONE(REP("<BaseURL>whole.mp4</BaseURL>") REP("<BaseURL>whole.mp4</BaseURL>")), .why = "have the id v"},
    {.text = MPD(SET(REP("<BaseURL>whole.mp4</BaseURL>")) "<Period/>"), .why = "different representations"},
    {.text = MPD("<Period/>" SET(REP("<BaseURL>whole.mp4</BaseURL>"))), .why = "different representations"},
    /* only the end of an output */
    {.text = ONE(REP(TEMPLATE(NUMBERED "startNumber=\"3\"", TIMELINE("<S t=\"4\" d=\"2\" r=\"2\"/>")))), .why = "before s-003.m4s"},
    {.text = ONE(REP(TEMPLATE(TIMED, TIMELINE("<S t=\"4\" d=\"2\" r=\"2\"/>")))), .why = "before t-4.m4s"},
    {.text = ONE(REP("<BaseURL>whole.mp4</BaseURL><SegmentList><SegmentURL mediaRange=\"500-999\"/></SegmentList>")), .why = "bytes before"},
};

#define FIVE "init.mp4: s-001.m4s s-002.m4s s-003.m4s s-004.m4s s-005.m4s"
#define S_FIVE TEMPLATE(NUMBERED, TIMELINE("<S t=\"0\" d=\"2\" r=\"4\"/>"))

static const struct list_case read_whole[] = {
    {.text = ONE(REP(S_FIVE)), PLAYS(FIVE), .stated_us = 10000000},
    {.text = "<x:MPD xmlns:x=\"u\"><x:Period><x:AdaptationSet mimeType=\"video/mp4\"><x:Representation id=\"v\"><x:BaseURL> <![CDATA[whole.mp4]]>\n"
             "</x:BaseURL></x:Representation></x:AdaptationSet></x:Period></x:MPD>", PLAYS("whole.mp4")},
    {.text = ONE(S_FIVE REP("")), PLAYS(FIVE)},
    {.text = MPD("<Period><SegmentTemplate timescale=\"10\" startNumber=\"2\"/><AdaptationSet><SegmentTemplate " NUMBERED "presentationTimeOffset=\"20\"/>"
                 REP("<SegmentTemplate>" TIMELINE("<S t=\"20\" d=\"20\"/><S d=\"15\"/>") "</SegmentTemplate>") "</AdaptationSet></Period>"),
     .why = "before s-002.m4s"},
    {.text = ONE(REP(TEMPLATE(NUMBERED, TIMELINE("<S d=\"3\" r=\"-1\"/><S t=\"9\" d=\"1\"/>")))), PLAYS("init.mp4: s-001.m4s s-002.m4s s-003.m4s s-004.m4s"), .stated_us = 10000000},
    {.text = ONE(REP(TEMPLATE(NUMBERED "timescale=\"1000\"", TIMELINE("<S d=\"2400\" r=\"-1\"/>")))), PLAYS(FIVE), .stated_us = 12000000},
    {.text = ONE(REP(TEMPLATE(TIMED "presentationTimeOffset=\"2\"", TIMELINE("<S t=\"2\" d=\"2\" r=\"2\"/>")))), PLAYS("init.mp4: t-2.m4s t-4.m4s t-6.m4s")},
    {.text = ONE(REP(TEMPLATE("media=\"$RepresentationID$-$$-$Bandwidth%05d$.mp4\"", TIMELINE("<S d=\"2\"/>")))), PLAYS("init.mp4: v-$-00700.mp4")},
    {.text = ONE(REP(TEMPLATE(NUMBERED "duration=\"2000\" timescale=\"1000\"", ""))), PLAYS(FIVE), .stated_us = 10000000, .rounding_us = 2000000},
    {.text = ONE(REP(TEMPLATE(NUMBERED "duration=\"1\"", ""))), PLAYS(FIVE), .stated_us = 10000000, .rounding_us = 100000},
    {.text = ONE(REP(TEMPLATE(NUMBERED "duration=\"2\" endNumber=\"3\"", ""))), PLAYS("init.mp4: s-001.m4s s-002.m4s s-003.m4s")},
    {.text = ONE(REP(TEMPLATE("media=\"s-$Number%03d$.m4s\" duration=\"25\" timescale=\"10\"", ""))), PLAYS(FIVE)},
    {.text = ONE(REP(TEMPLATE("media=\"whole.mp4\"", ""))), PLAYS("init.mp4: whole.mp4")},
    {.text = ONE("<BaseURL>https://example.com/</BaseURL><BaseURL>folder/</BaseURL>" REP("<BaseURL>in.mp4</BaseURL><SegmentBase indexRange=\"9-20\"><Initialization range=\"0-8\"/></SegmentBase>")),
     PLAYS("folder/in.mp4")},
    {.text = ONE(REP("<SegmentList duration=\"2\"><Initialization sourceURL=\"init.mp4\"/><SegmentURL media=\"s-001.m4s\"/><SegmentURL media=\"s-002.m4s\"/></SegmentList>")),
     PLAYS("init.mp4: s-001.m4s s-002.m4s"), .stated_us = 4000000, .rounding_us = 2000000},
    {.text = ONE(REP("<BaseURL>whole.mp4</BaseURL><SegmentList><Initialization range=\"0-99\"/><SegmentURL mediaRange=\"100-499\"/><SegmentURL mediaRange=\"500-999\"/></SegmentList>")),
     PLAYS("whole.mp4")},
    {.text = ONE(REP("<BaseURL>whole.mp4</BaseURL><SegmentList><Initialization range=\"0-99\"/><SegmentURL mediaRange=\"100-499\"/></SegmentList>")),
     PLAYS("whole.mp4[0+100]: whole.mp4[100+400]")},
    {.text = MPD("<Period duration=\"PT4S\"><AdaptationSet>" REP(TEMPLATE(NUMBERED "duration=\"2\"", "")) "</AdaptationSet></Period>"
                 "<Period><AdaptationSet>" REP(TEMPLATE(NUMBERED "duration=\"2\" startNumber=\"3\"", "")) "</AdaptationSet></Period>"),
     PLAYS("init.mp4: s-001.m4s s-002.m4s | init.mp4: s-003.m4s s-004.m4s s-005.m4s"), .stated_us = 10000000, .rounding_us = 4000000},
    {.text = ONE(REP(S_FIVE) "<Representation id=\"again\">" S_FIVE "</Representation><Representation id=\"lost\"><BaseURL>none.mp4</BaseURL></Representation>"
                 "<Representation id=\"w\"><BaseURL>whole.mp4</BaseURL></Representation>"), PLAYS(FIVE "; out.mpd#lost = !; out.mpd#w = whole.mp4")},
    {.text = MPD("<Period><AdaptationSet mimeType=\"audio/mp4\"><Representation id=\"a\"><BaseURL>none.mp4</BaseURL></Representation></AdaptationSet>"
                 "<AdaptationSet>" REP(S_FIVE) "</AdaptationSet></Period>"), PLAYS(FIVE)},
};

static void test_refused(void **unused) {
  (void)unused;
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
    check_case(dash_read, "out.mpd", &refused[i]);
}

static void test_read(void **unused) {
  (void)unused;
  for (size_t i = 0; i < sizeof read_whole / sizeof *read_whole; i++)
    check_case(dash_read, "out.mpd", &read_whole[i]);
}

/* ffmpeg cuts the stated length to tenths of a second, so one more segment may be there; an older file is none. */
static void test_one_more_segment(void **unused) {
  (void)unused;
  static const struct {
    const char *length;
    int64_t age;
    bool is_taken;
  } cases[] = {{"PT10.0S", 0, true}, {"PT10.0S", 9, false}, {"PT10S", 0, false}, {"PT9.8S", 0, false}, {"PT10.000000S", 0, false}};
  make_file("s-006.m4s", 100);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    SCOPED(buf_fini) struct buf text = {.ptr = NULL};
    struct stat st;
    assert_int_equal(stat("s-005.m4s", &st), 0);
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = st.st_mtime - cases[i].age}};
    assert_int_equal(utimensat(AT_FDCWD, "s-006.m4s", times, 0), 0);
    buf_printf(&text, "<MPD mediaPresentationDuration=\"%s\">", cases[i].length);
    buf_text(&text, SET(REP(TEMPLATE(NUMBERED "duration=\"2\"", ""))) "</MPD>");
    buf_char(&text, '\0');
    const struct list_case one = {.text = text.ptr, .plays = cases[i].is_taken ? "out.mpd#v = " FIVE " s-006.m4s" : "out.mpd#v = " FIVE};
    check_case(dash_read, "out.mpd", &one);
  }
  assert_int_equal(unlink("s-006.m4s"), 0);
}

static void test_parts(void **unused) {
  (void)unused;
  static const char *const texts[] = {
      "<MPD type=\"dynamic\">" SET(REP(S_FIVE)) "</MPD>", ONE("<ContentProtection/>" REP(S_FIVE)),
      MPD("<Period><AdaptationSet contentType=\"audio\">" REP(S_FIVE) "</AdaptationSet></Period>")};
  SCOPED_MALLOC char *path = file_path(dir, "out.mpd");
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    struct list list;
    struct err err;
    write_bytes("out.mpd", texts[i], strlen(texts[i]));
    assert_int_equal(dash_read(path, &list, &err), -ERR_MEDIA);
    assert_int_equal(list.part_count, 7);
    assert_true(has_part(&list, "out.mpd") && has_part(&list, "init.mp4") && has_part(&list, "s-005.m4s"));
    list_fini(&list);
  }
}

/* A manifest and an HLS list over the same segments have equal spans, so they have one identity. */
static void test_equal_to_hls(void **unused) {
  (void)unused;
  const char *hls = "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:1\n#EXT-X-MAP:URI=\"init.mp4\"\n#EXTINF:2.0,\ns-001.m4s\n#EXTINF:2.0,\n"
                    "s-002.m4s\n#EXTINF:2.0,\ns-003.m4s\n#EXTINF:2.0,\ns-004.m4s\n#EXTINF:2.0,\ns-005.m4s\n#EXT-X-ENDLIST\n";
  const struct list_case one = {.text = hls, .plays = "media_0.m3u8 = " FIVE, .stated_us = 10000000};
  check_case(hls_read, "media_0.m3u8", &one);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_refused), cmocka_unit_test(test_read), cmocka_unit_test(test_one_more_segment),
      cmocka_unit_test(test_parts), cmocka_unit_test(test_equal_to_hls),
  };
  static const char *const files[] = {"init.mp4", "s-001.m4s", "s-002.m4s", "s-003.m4s", "s-004.m4s", "s-005.m4s", "t-0.m4s",
                                      "t-2.m4s", "t-4.m4s", "t-6.m4s", "g-1.m4s", "g-3.m4s", "v-$-00700.mp4", "folder/in.mp4"};
  struct err err;
  if (mkdtemp(dir) == NULL || chdir(dir) != 0 || mkdir("folder", 0700) != 0) return 1;
  for (size_t i = 0; i < sizeof files / sizeof *files; i++)
    make_file(files[i], 100);
  make_file("whole.mp4", 1000);
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  (void)chdir("/");
  return file_remove_tree(dir, &err) == 0 ? failed : 1;
}
