/* DASH manifests: what is refused and why, what the others play, and that an HLS list over the same segments is equal. */
#include "list_cases.h"

#include "media/mpd.h"

#define MPD(period) "<?xml version=\"1.0\"?>\n<MPD type=\"static\" mediaPresentationDuration=\"PT10.0S\">" period "</MPD>"
#define SET(set) "<Period><AdaptationSet contentType=\"video\">" set "</AdaptationSet></Period>"
#define ONE(set) MPD(SET(set))
#define REP(inner) "<Representation id=\"v\" bandwidth=\"700\">" inner "</Representation>"
#define TEMPLATE(attributes, inner) "<SegmentTemplate initialization=\"init.mp4\" " attributes ">" inner "</SegmentTemplate>"
#define TIMELINE(s) "<SegmentTimeline>" s "</SegmentTimeline>"
#define PLAYS(text) .plays = "out.mpd#v = " text
#define NUMBERED "media=\"s-$Number%03d$.m4s\" "
#define TIMED "media=\"t-$Time$.m4s\" "

#define PERIOD(attributes, set) "<Period " attributes "><AdaptationSet>" set "</AdaptationSet></Period>"
#define TWO_PERIODS(one, two) MPD(PERIOD("duration=\"PT4S\"", one) PERIOD("", two))
#define SIZED(id, width, inner) "<Representation id=\"" id "\" width=\"" width "\" height=\"36\" codecs=\"avc1.42c00c\">" inner "</Representation>"
#define RANGE(range) "<BaseURL>whole.mp4</BaseURL><SegmentList><SegmentURL mediaRange=\"" range "\"/></SegmentList>"
#define F1 "<BaseURL>s-001.m4s</BaseURL>"
#define F2 "<BaseURL>s-002.m4s</BaseURL>"
#define F3 "<BaseURL>s-003.m4s</BaseURL>"
#define F4 "<BaseURL>s-004.m4s</BaseURL>"
#define FIVE "init.mp4: s-001.m4s s-002.m4s s-003.m4s s-004.m4s s-005.m4s"
#define S_FIVE TEMPLATE(NUMBERED, TIMELINE("<S t=\"0\" d=\"2\" r=\"4\"/>"))

static const struct list_case refused[] = {
    {.text = "<MPD", .why = "cannot read the manifest"},
    {.text = "<MPD></MPD>", .why = "lists no video"},
    {.text = "<MPD/><MPD>" SET(REP("<BaseURL>whole.mp4</BaseURL>")) "</MPD>", .why = "more than one outermost element"},
    {.text = MPD(PERIOD("duration=\"P1000DT24000H1440000M1S\"", REP("<BaseURL>whole.mp4</BaseURL>"))), .why = "not a valid duration"},
    {.text = "<!-- <MPD> --><x/>", .why = "not MPD"},
    {.text = "<MPD>\xFF</MPD>", .why = "cannot read the manifest: it is not UTF-8"},
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
    /* times that contradict each other */
    {.text = MPD("<Period duration=\"PT0S\"><AdaptationSet>" REP(S_FIVE) "</AdaptationSet></Period>"), .why = "lasts 0 s"},
    {.text = MPD("<Period duration=\"5\"><AdaptationSet>" REP(S_FIVE) "</AdaptationSet></Period>"), .why = "not a valid duration"},
    {.text = MPD("<Period start=\"x\"><AdaptationSet>" REP(S_FIVE) "</AdaptationSet></Period>"), .why = "not a valid duration"},
    {.text = MPD("<Period start=\"PT11S\"><AdaptationSet>" REP(S_FIVE) "</AdaptationSet></Period>"), .why = "begins after its end"},
    {.text = MPD(PERIOD("start=\"PT4S\"", REP(S_FIVE)) PERIOD("start=\"PT3S\"", REP(S_FIVE))), .why = "begins after its end"},
    {.text = MPD(PERIOD("", REP(S_FIVE)) PERIOD("duration=\"PT3S\"", REP(S_FIVE))), .why = "how long its periods last"},
    {.text = ONE(REP(TEMPLATE(TIMED, TIMELINE("<S t=\"0\" d=\"2\" r=\"1\"/><S t=\"2\" d=\"2\"/>")))), .why = "timeline goes back"},
    {.text = ONE(REP(TEMPLATE(TIMED "timescale=\"10\"", TIMELINE("<S t=\"0\" d=\"2\"/><S t=\"0\" d=\"4\"/>")))), .why = "timeline goes back"},
    {.text = ONE(REP(TEMPLATE(NUMBERED "duration=\"2\" eptDelta=\"x\"", ""))), .why = "number in the manifest"},
    {.text = ONE(REP(TEMPLATE(NUMBERED "duration=\"2\" startNumber=\"3\" endNumber=\"2\"", ""))), .why = "how many segments"},
    /* links */
    {.text = ONE(REP("<SegmentList xlink:href=\"https://example.com/l.xml\" xlink:actuate=\"onLoad\"/>")), .why = "SegmentList is a link to https://example.com/l.xml"},
    {.text = "<MPD xmlns:q=\"http://www.w3.org/1999/xlink\">" SET(REP(S_FIVE)) "<Period q:href=\"p.xml\"/></MPD>", .why = "Period is a link to p.xml"},
    {.text = MPD("<Period xlink:href=\"urn:mpeg:dash:resolve-to-zero:2013\"><AdaptationSet>" REP(S_FIVE) "</AdaptationSet></Period>"), .why = "lists no video"},
    /* representations that are no outputs, or belong to none */
    {.text = ONE("<Representation id=\"v\" dependencyId=\"base\">" S_FIVE "</Representation>"), .why = "only adds to the representation base", .refusal = MEDIA_REFUSED_NO_OUTPUT},
    {.text = MPD("<Period><AdaptationSet><ContentComponent contentType=\"audio\"/><ContentComponent contentType=\"text\"/>" REP("<BaseURL>whole.mp4</BaseURL>") "</AdaptationSet></Period>"),
     .why = "lists no video", .refusal = MEDIA_REFUSED_NO_OUTPUT},
    {.text = TWO_PERIODS(SIZED("a", "64", F1) SIZED("b", "64", F2), SIZED("c", "64", F1) SIZED("d", "64", F2)), .why = "different representations (a"},
    {.text = TWO_PERIODS(SIZED("a", "64", F1) SIZED("b", "32", F2), SIZED("c", "64", F1) SIZED("d", "16", F2)), .why = "different representations (a"},
    {.text = TWO_PERIODS(SIZED("a", "64", F1) SIZED("b", "32", F2), SIZED("a", "64", F1)), .why = "different representations (b"},
    /* only the end of an output */
    {.text = ONE(REP(TEMPLATE(NUMBERED "startNumber=\"3\"", TIMELINE("<S t=\"4\" d=\"2\" r=\"2\"/>")))), .why = "before s-003.m4s"},
    {.text = ONE(REP(TEMPLATE(TIMED, TIMELINE("<S t=\"4\" d=\"2\" r=\"2\"/>")))), .why = "before t-4.m4s"},
    {.text = ONE(REP("<BaseURL>whole.mp4</BaseURL><SegmentList><SegmentURL mediaRange=\"500-999\"/></SegmentList>")), .why = "bytes before"},
};

static const struct list_case read_whole[] = {
    {MPD("<Period><AdaptationSet>" REP(S_FIVE) "</AdaptationSet><AdaptationSet codecs=\"samr\"><Representation id=\"s\">" F1
         "</Representation></AdaptationSet><AdaptationSet codecs=\"fpcm,stpp.ttml\"><Representation id=\"t\">" F2
         "</Representation></AdaptationSet></Period>"),
     PLAYS(FIVE)},
    {MPD("<Period><AdaptationSet codecs=\"mp4a.40.2,avc1\">" REP(S_FIVE) "</AdaptationSet></Period>"), PLAYS(FIVE)},
    {.text = ONE(REP(S_FIVE)), PLAYS(FIVE), .stated_us = 10000000},
    {.text = "<x:MPD xmlns:x=\"u\"><x:Period><x:AdaptationSet mimeType=\"video/mp4\"><x:Representation id=\"v\"><x:BaseURL> <![CDATA[whole.mp4]]>\n"
             "</x:BaseURL></x:Representation></x:AdaptationSet></x:Period></x:MPD>", PLAYS("whole.mp4")},
    {.text = ONE(S_FIVE REP("")), PLAYS(FIVE)},
    {.text = MPD("<Period><SegmentTemplate timescale=\"10\" startNumber=\"2\"/><AdaptationSet><SegmentTemplate " NUMBERED "presentationTimeOffset=\"20\"/>"
                 REP("<SegmentTemplate>" TIMELINE("<S t=\"20\" d=\"20\"/><S d=\"15\"/>") "</SegmentTemplate>") "</AdaptationSet></Period>"),
     .why = "before s-002.m4s"},
    {.text = ONE(REP(TEMPLATE(NUMBERED, TIMELINE("<S d=\"3\" r=\"-1\"/><S t=\"9\" d=\"1\"/>")))), PLAYS("init.mp4: s-001.m4s s-002.m4s s-003.m4s s-004.m4s"), .stated_us = 10000000},
    {.text = ONE(REP(TEMPLATE(NUMBERED "timescale=\"1000\"", TIMELINE("<S d=\"2400\" r=\"-1\"/>")))), PLAYS(FIVE), .stated_us = 10000000},
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
    {.text = ONE(REP(S_FIVE) "<Representation id=\"more\" dependencyId=\"v\">" S_FIVE "</Representation>"), PLAYS(FIVE "; out.mpd#more = !")},
    /* the same sizes under other ids, and equal ids of other sizes */
    {.text = TWO_PERIODS(SIZED("a", "64", F1) SIZED("b", "32", F2), SIZED("c", "32", F3) SIZED("d", "64", F4)),
     .plays = "out.mpd#a = s-001.m4s | s-004.m4s; out.mpd#b = s-002.m4s | s-003.m4s"},
    {.text = TWO_PERIODS(SIZED("a", "64", F1) SIZED("b", "32", F2), SIZED("a", "32", F3) SIZED("b", "64", F4)),
     .plays = "out.mpd#a = s-001.m4s | s-004.m4s; out.mpd#b = s-002.m4s | s-003.m4s"},
    {.text = TWO_PERIODS(SIZED("a", "64", F1), "<Representation id=\"x\">" F2 "</Representation>"), .plays = "out.mpd#a = s-001.m4s | s-002.m4s"},
    /* links to nothing, and elements and attributes of other namespaces */
    {.text = MPD(SET(REP(F1)) "<Period xlink:href=\"urn:mpeg:dash:resolve-to-zero:2013\">" "<AdaptationSet>" REP(F2) "</AdaptationSet></Period>"), PLAYS("s-001.m4s")},
    {.text = ONE("<x:BaseURL xmlns:x=\"urn:other\">folder/</x:BaseURL>" REP(F1 "<x:BaseURL>s-002.m4s</x:BaseURL>")), PLAYS("s-001.m4s")},
    {.text = "<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\"><Period xmlns=\"urn:mpeg:DASH:schema:MPD:2011\"><AdaptationSet>" REP("<BaseURL xmlns=\"urn:other\">s-002.m4s</BaseURL>" F1)
             "</AdaptationSet></Period></MPD>", PLAYS("s-001.m4s")},
    {.text = "<MPD x:type=\"dynamic\"><Period x:duration=\"PT0S\"><AdaptationSet>" REP(F1) "</AdaptationSet></Period></MPD>", PLAYS("s-001.m4s")},
    {.text = ONE(REP(TEMPLATE(TIMED "timescale=\"30\"", TIMELINE("<S t=\"0\" d=\"2\"/><S t=\"2\" d=\"4\"/><S t=\"4\" d=\"2\"/>")))), PLAYS("init.mp4: t-0.m4s t-2.m4s t-4.m4s")},
};

/* What each stretch plays of its media, as the manifest says. */
static const struct {
  const char *text;
  size_t segments; /* of the first rendition */
  struct stretch stretches[2];
} periods[] = {
    {ONE(REP("<BaseURL>whole.mp4</BaseURL>")), 1, {{.plays_us = 10000000, .slack_us = 350000}}},
    {MPD(PERIOD("duration=\"PT5S\"", REP("<BaseURL>whole.mp4</BaseURL>"))), 1, {{.plays_us = 5000000, .slack_us = 1250000}}},
    {MPD(PERIOD("start=\"PT3S\"", REP("<BaseURL>whole.mp4</BaseURL>"))), 1, {{.plays_us = 7000000, .slack_us = 350000}}},
    {MPD(PERIOD("duration=\"PT20S\"", REP("<BaseURL>whole.mp4</BaseURL>"))), 1, {{.plays_us = 10000000, .slack_us = 350000}}},
    {MPD(PERIOD("duration=\"PT10.04S\"", REP("<BaseURL>whole.mp4</BaseURL>"))), 1, {{.plays_us = 10040000, .slack_us = 260000}}},
    {"<MPD>" PERIOD("", REP("<BaseURL>whole.mp4</BaseURL>")) "</MPD>", 1, {{.plays_us = 0, .slack_us = 250001}}},
    {"<MPD mediaPresentationDuration=\"PT0.0S\">" PERIOD("", REP("<BaseURL>whole.mp4</BaseURL>")) "</MPD>", 1, {{.plays_us = 1, .slack_us = 350000}}},
    {ONE(REP("<BaseURL>whole.mp4</BaseURL><SegmentBase timescale=\"10\" presentationTimeOffset=\"25\"/>")), 1,
     {{.from_us = 2500000, .plays_us = 10000000, .slack_us = 350000}}},
    /* the next period's start ends a period, also before its own duration has passed */
    {MPD(PERIOD("duration=\"PT9S\"", REP("<BaseURL>whole.mp4</BaseURL>")) PERIOD("start=\"PT4S\"", REP(F1))), 2,
     {{.plays_us = 4000000, .slack_us = 1250000}, {.plays_us = 6000000, .slack_us = 350000}}},
    {MPD(PERIOD("duration=\"PT2S\"", REP("<BaseURL>whole.mp4</BaseURL>")) PERIOD("start=\"PT4S\"", REP(F1))), 2,
     {{.plays_us = 2000000, .slack_us = 1250000}, {.plays_us = 6000000, .slack_us = 350000}}},
    /* fewer segments than there are */
    {MPD(PERIOD("duration=\"PT4S\"", REP(TEMPLATE(NUMBERED "duration=\"2\"", "")))), 2, {{.plays_us = 4000000, .slack_us = 1250000}}},
    {MPD(PERIOD("duration=\"PT4S\"", REP(TEMPLATE(NUMBERED "duration=\"2\" endNumber=\"5\"", "")))), 2, {{.plays_us = 4000000, .slack_us = 1250000}}},
    {MPD(PERIOD("duration=\"PT4S\"", REP(TEMPLATE(NUMBERED "duration=\"2\" eptDelta=\"-1\"", "")))), 3, {{.plays_us = 4000000, .slack_us = 1250000}}},
    {MPD(PERIOD("duration=\"PT4S\"", REP(TEMPLATE(NUMBERED "duration=\"2\" eptDelta=\"2\"", "")))), 1, {{.plays_us = 4000000, .slack_us = 1250000}}},
    {MPD(PERIOD("duration=\"PT4S\"", REP(TEMPLATE(NUMBERED, TIMELINE("<S d=\"2\" r=\"-1\"/>"))))), 2, {{.plays_us = 4000000, .slack_us = 1250000}}},
    {MPD(PERIOD("duration=\"PT4S\"", REP(TEMPLATE(NUMBERED "presentationTimeOffset=\"6\"", TIMELINE("<S t=\"6\" d=\"2\" r=\"-1\"/>"))))), 2,
     {{.from_us = 6000000, .plays_us = 4000000, .slack_us = 1250000}}},
    {MPD(PERIOD("duration=\"PT4S\"", REP(S_FIVE))), 5, {{.plays_us = 4000000, .slack_us = 1250000}}},
    /* a timeline counts whole, if only the length of the presentation ends the one period */
    {"<MPD mediaPresentationDuration=\"PT4S\">" PERIOD("", REP(S_FIVE)) "</MPD>", 5, {{.plays_us = 0, .slack_us = 1250000}}},
    {"<MPD mediaPresentationDuration=\"PT4S\">" PERIOD("", REP(TEMPLATE(NUMBERED, TIMELINE("<S d=\"2\" r=\"-1\"/>")))) "</MPD>", 2,
     {{.plays_us = 0, .slack_us = 1250000}}},
    /* two periods over one file, by ranges that follow each other */
    {TWO_PERIODS(REP(RANGE("0-399")), REP(RANGE("400-999"))), 1, {{.plays_us = 10000000, .slack_us = 1600000}}},
};

static void test_periods(void **unused) {
  (void)unused;
  SCOPED_MALLOC char *path = file_path(dir, "out.mpd");
  for (size_t i = 0; i < sizeof periods / sizeof *periods; i++) {
    struct list list;
    struct err err = {.text = ""};
    write_bytes("out.mpd", periods[i].text, strlen(periods[i].text));
    if (dash_read(path, &list, &err) != 0) fail_msg("%s\n%s", periods[i].text, err.text);
    const struct rendition *rendition = &list.items[0];
    assert_int_equal(rendition->spans.count, periods[i].segments);
    assert_int_equal(rendition->stretches.count, 1 + (periods[i].stretches[1].plays_us > 0));
    for (size_t j = 0; j < rendition->stretches.count; j++) {
      const struct stretch *found = &rendition->stretches.items[j], *right = &periods[i].stretches[j];
      if (found->from_us != right->from_us || found->plays_us != right->plays_us || found->slack_us != right->slack_us)
        fail_msg("%s\nfrom %" PRIu64 " plays %" PRIu64 " slack %" PRIu64, periods[i].text, found->from_us, found->plays_us,
                 found->slack_us);
    }
    list_fini(&list);
  }
}

static void test_part_of_media(void **unused) {
  (void)unused;
  static const struct {
    struct stretch stretch;
    double begin_s, seconds;
    const char *why;
  } cases[] = {
      {{.plays_us = 5000000, .slack_us = 250000}, 0, 20, "5.000 s of 20.000 s"},
      {{.plays_us = 5000000, .slack_us = 250000}, 0, 5.26, "5.000 s of 5.260 s"},
      {{.plays_us = 5000000, .slack_us = 250000}, 0, 5.24, NULL},
      {{.plays_us = 5000000}, 0, 1, NULL},
      {{.slack_us = 250000}, 0, 20, NULL},
      {{.from_us = 5000000, .slack_us = 250000}, 4.74, 20, "from 5.000 s on, but they begin at 4.740 s"},
      {{.from_us = 5000000, .slack_us = 250000}, 4.76, 20, NULL},
      {{.from_us = 5000000, .plays_us = 5000000}, 5, 20, "5.000 s of 20.000 s"},
  };
  const struct rendition rendition = {.name = (char *)"/out.mpd#v"};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct err err = {.text = ""};
    int result = stretch_check(&rendition, &cases[i].stretch, cases[i].begin_s, cases[i].seconds, &err);
    assert_int_equal(result, cases[i].why != NULL ? -ERR_MEDIA : 0);
    if (cases[i].why != NULL && strstr(err.text, cases[i].why) == NULL) fail_msg("%s", err.text);
  }
}

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
    assert_int_equal(list.parts.count, 7);
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

/* Bytes that GLib's parser gets wrong, where it gets them. Any warning of GLib ends the test. */
static void test_characters(void **unused) {
  (void)unused;
  static const struct {
    struct str text;
    const char *why; /* NULL: it is read */
  } cases[] = {
      {STR("<MPD><BaseURL><![CDATA[a\0b]]></MPDx>"), "line 1 has a character that XML does not allow"},
      {STR("<MPD><BaseURL><![CDATA[a\0b]]></BaseURL></MPD>"), "XML does not allow"},
      {STR("<MPD>\n<BaseURL>a\0b</BaseURL></MPD>"), "line 2"},
      {STR("<MPD\0x></MPD>"), "XML does not allow"},
      {STR("<MPD a=\"b\0c\"></MPD>"), "XML does not allow"},
      {STR("<MPD a=\"\x01\"></MPD>"), "XML does not allow"},
      {STR("<MPD>\x1B</MPD>"), "XML does not allow"},
      {STR("<MPD>\xEF\xBF\xBF</MPD>"), "XML does not allow"},
      {STR("<MPD>\xED\xA0\x80</MPD>"), "not UTF-8"},
      {STR("<MPD>\xEF\xBF"), "not UTF-8"},
      {STR("text<MPD></MPD>"), "must begin with an element"},
      {STR("<MPD a=\"&#0;\"></MPD>"), "Character reference"},
      {STR("<MPD>&none;</MPD></MPD>"), "not known"},
      {STR("<MPD></MPD></MPD>"), "was closed"},
      {STR("<MPD><![CDATA[a></MPD>"), "ended unexpectedly"},
      {STR("<!-- > --><?a >?><!DOCTYPE MPD [<!ELEMENT a ANY>]><MPD a=\"x>y\" b='>'>\t\r\n\xC2\x85\xEF\xBF\xBD<![CDATA[>]>]]></MPD>\n"), NULL},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    SCOPED(mpd_free_ref) struct mpd *root = NULL;
    struct err err = {.text = ""};
    int result = mpd_parse("m.mpd", cases[i].text, &root, &err);
    bool is_expected = cases[i].why == NULL ? result == 0 : result == -ERR_MEDIA && strstr(err.text, cases[i].why) != NULL;
    if (!is_expected) fail_msg("%zu: %.*s gave %d: %s", i, STR_ARG(cases[i].text), result, err.text);
  }
}

static void test_locked(void **unused) {
  (void)unused;
  static const struct locked_case cases[] = {
      {.text = ONE(REP("<SegmentTemplate media=\"locked/$Number$.m4s\" duration=\"2\"/>"))},
      {.text = ONE(REP("<SegmentTemplate media=\"s-00$Number$.m4s\" initialization=\"locked/init.mp4\" duration=\"2\"/>"))},
      {.text = ONE(REP("<SegmentList duration=\"2\"><SegmentURL media=\"locked/1.m4s\"/></SegmentList>"))},
      {.text = ONE(REP("<BaseURL>locked/v.mp4</BaseURL>"))},
      {.text = ONE(REP("<BaseURL>locked.ts</BaseURL>"))},
      {.text = ONE(REP("<SegmentList duration=\"10\"><SegmentURL media=\"locked.ts\" mediaRange=\"50-99\"/></SegmentList>"))},
      {.text = ONE(REP(S_FIVE) "<Representation id=\"w\"><BaseURL>locked/v.mp4</BaseURL></Representation>")},
      {.text = MPD("<Period><AdaptationSet contentType=\"video\">" REP(S_FIVE) "</AdaptationSet><AdaptationSet contentType=\"audio\"><Representation id=\"s\">"
                   "<BaseURL>locked/s.mp4</BaseURL></Representation></AdaptationSet></Period>"),
       .is_read = true},
  };
  check_locked(dash_read, "out.mpd", cases, sizeof cases / sizeof *cases);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_refused), cmocka_unit_test(test_read), cmocka_unit_test(test_one_more_segment),
      cmocka_unit_test(test_parts), cmocka_unit_test(test_equal_to_hls), cmocka_unit_test(test_periods),
      cmocka_unit_test(test_part_of_media), cmocka_unit_test(test_locked),
      cmocka_unit_test(test_characters),
  };
  static const char *const files[] = {"init.mp4", "s-001.m4s", "s-002.m4s", "s-003.m4s", "s-004.m4s", "s-005.m4s", "t-0.m4s",
                                      "t-2.m4s", "t-4.m4s", "t-6.m4s", "g-1.m4s", "g-3.m4s", "v-$-00700.mp4", "folder/in.mp4"};
  struct err err;
  (void)g_log_set_always_fatal(G_LOG_LEVEL_WARNING | G_LOG_LEVEL_CRITICAL | G_LOG_FATAL_MASK);
  if (mkdtemp(dir) == NULL || chdir(dir) != 0 || mkdir("folder", 0700) != 0) return 1;
  for (size_t i = 0; i < sizeof files / sizeof *files; i++)
    make_file(files[i], 100);
  make_file("whole.mp4", 1000);
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  (void)chdir("/");
  return file_remove_tree(dir, &err) == 0 ? failed : 1;
}
