/* HLS playlists: what is refused and why, what the others play, and which files are theirs. */
#include "list_cases.h"

#define HEAD "#EXTM3U\n#EXT-X-TARGETDURATION:4\n"
#define END "#EXT-X-ENDLIST\n"
#define TWO "#EXTINF:2.5,\na0.ts\n#EXTINF:2.25,\na1.ts\n"
#define SINGLE(plays_) .plays = "out.m3u8 = " plays_

static const struct list_case refused[] = {
    {HEAD END, .why = "lists no segments", .refusal = MEDIA_REFUSED_BROKEN},
    {HEAD, "not finished", .refusal = MEDIA_REFUSED_UNFINISHED},
    {HEAD TWO, .why = "not finished", .refusal = MEDIA_REFUSED_UNFINISHED},
    {HEAD "#EXTINF:2,\nnone.ts\n", .why = "not finished", .refusal = MEDIA_REFUSED_UNFINISHED},
    {HEAD "#EXT-X-I-FRAMES-ONLY\n" TWO END, .why = "key pictures", .refusal = MEDIA_REFUSED_NO_OUTPUT},
    {HEAD TWO "#EXTINF:2,\nnone.ts\n" END, .why = "lists none.ts"},
    {HEAD "#EXTINF:2,\nnone%2.ts\n" END, .why = "lists none%2.ts"},
    {HEAD "#EXTINF:2,\na%000.ts\n" END, .why = "lists a%000.ts"},
    {HEAD "#EXTINF:2,\nfolder\n" END, .why = "not a regular file"},
    {HEAD "#EXTINF:2,\npipe.ts\n" END, .why = "not a regular file"},
    {HEAD "#EXTINF:2,\n../../../../../../../dev/zero\n" END, .why = "not a regular file"},
    {HEAD "#EXTINF:2,\n/dev/zero\n" END, .why = "elsewhere: /dev/zero"},
    {HEAD "#EXTINF:2,\nhttps://example.com/a0.ts\n" END, .why = "elsewhere: https://example.com/a0.ts"},
    {HEAD "#EXTINF:2,\ndata:video/mp2t;base64,AAAA\n" END, .why = "elsewhere: data:"},
    {HEAD "#EXTINF:2,\na0.ts?v=2\n" END, .why = "elsewhere: a0.ts?v=2"},
    {HEAD "#EXTINF:2,\nout.m3u8\n" END, .why = "names itself"},
    {HEAD "#EXT-X-KEY:METHOD=AES-128,URI=\"k,METHOD=NONE\"\n" TWO END, .why = "encrypted (AES-128)"},
    {HEAD "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"k\"\n" TWO END, .why = "encrypted (SAMPLE-AES)"},
    {HEAD TWO "#EXT-X-KEY:METHOD=AES-128\n" TWO "#EXT-X-KEY:METHOD=NONE\n" TWO END, .why = "encrypted (AES-128)"},
    {HEAD "#EXT-X-GAP\n" TWO END, .why = "EXT-X-GAP"},
    {HEAD "#EXT-X-SKIP:SKIPPED-SEGMENTS=3\n" TWO END, .why = "EXT-X-SKIP"},
    {HEAD "#EXT-X-MAP:URI=\"none.mp4\"\n" TWO END, .why = "lists none.mp4"},
    {HEAD "#EXT-X-MAP:URI=\"whole.ts\",BYTERANGE=\"x\"\n" TWO END, .why = "range of bytes"},
    {HEAD "#EXT-X-MAP:URI=\"whole.ts\",BYTERANGE=\"2000@0\"\n" TWO END, .why = "shorter than the list says"},
    {HEAD "#EXT-X-BYTERANGE:10\n" TWO END, .why = "range of bytes"},
    {HEAD "#EXT-X-BYTERANGE:10@0\na0.ts\n#EXT-X-BYTERANGE:10\na1.ts\n" END, .why = "range of bytes"},
    {HEAD "#EXT-X-BYTERANGE:0@5\n" TWO END, .why = "range of bytes"},
    {HEAD "#EXT-X-BYTERANGE:-1@5\n" TWO END, .why = "range of bytes"},
    {HEAD "#EXT-X-BYTERANGE:18446744073709551615@1\n" TWO END, .why = "range of bytes"},
    {HEAD "#EXT-X-BYTERANGE:101@0\n" TWO END, .why = "shorter than the list says"},
    {HEAD "#EXT-X-BYTERANGE:10@91\n" TWO END, .why = "shorter than the list says"},
    /* lists of songs and files */
    {"#EXTM3U\n#EXTINF:123,Artist - Title\na0.ts\n", .why = "list of songs or other files (M3U)", .refusal = MEDIA_REFUSED_NO_OUTPUT},
    {"#EXTM3U\n#PLAYLIST:mine\n#EXTINF:-1,Radio\nhttps://example.com/a\n", .why = "list of songs", .refusal = MEDIA_REFUSED_NO_OUTPUT},
    {"#EXTM3U\na0.ts\n", .why = "list of songs", .refusal = MEDIA_REFUSED_NO_OUTPUT},
    /* tags that change what is counted, but are not valid */
    {HEAD "#EXTINF:two,\na0.ts\n" END, .why = "line 3: #EXTINF states no valid duration"},
    {HEAD TWO "#EXTINF:-1,\na0.ts\n" END, .why = "line 7: #EXTINF states no valid duration"},
    {HEAD "#EXTINF:nan,\na0.ts\n" END, .why = "#EXTINF states no valid duration"},
    {HEAD "#EXTINF\na0.ts\n" END, .why = "#EXTINF has no value"},
    {HEAD "#EXT-X-BYTERANGE:\n" TWO END, .why = "line 3: it lists a range of bytes"},
    {HEAD "#EXT-X-BYTERANGE\n" TWO END, .why = "#EXT-X-BYTERANGE has no value"},
    {HEAD "#EXT-X-BYTERANGE:10@\n" TWO END, .why = "line 3: it lists a range of bytes"},
    {HEAD "#EXT-X-BYTERANGE:10@0@5\n" TWO END, .why = "range of bytes"},
    {HEAD "#EXT-X-MAP:\n" TWO END, .why = "line 3: #EXT-X-MAP has attributes that are not valid"},
    {HEAD "#EXT-X-MAP\n" TWO END, .why = "#EXT-X-MAP has no value"},
    {HEAD "#EXT-X-MAP:URI=\"\"\n" TWO END, .why = "#EXT-X-MAP has no URI"},
    {HEAD "#EXT-X-MAP:BYTERANGE=\"10@0\"\n" TWO END, .why = "#EXT-X-MAP has no URI"},
    {HEAD "#EXT-X-MAP:init.mp4\n" TWO END, .why = "attributes that are not valid"},
    {HEAD "#EXT-X-MAP:URI=\"init.mp4\n" TWO END, .why = "attributes that are not valid"},
    {HEAD "#EXT-X-MAP:URI=\"init.mp4\"x,BYTERANGE=\"9@0\"\n" TWO END, .why = "attributes that are not valid"},
    {HEAD "#EXT-X-MAP:URI=\"init.mp4\",URI=\"a0.ts\"\n" TWO END, .why = "attributes that are not valid"},
    {HEAD "#EXT-X-MAP:URI=\"init.mp4\",BYTERANGE=\"\"\n" TWO END, .why = "range of bytes"},
    {HEAD "#EXT-X-KEY:\n" TWO END, .why = "line 3: #EXT-X-KEY has attributes that are not valid"},
    {HEAD "#EXT-X-KEY:URI=\"k\"\n" TWO END, .why = "#EXT-X-KEY has no METHOD"},
    {HEAD "#EXT-X-KEY:METHOD=,URI=\"k\"\n" TWO END, .why = "#EXT-X-KEY has no METHOD"},
    {HEAD "#EXT-X-KEY:METHOD=NONE,URI=\"k\n" TWO END, .why = "#EXT-X-KEY has attributes that are not valid"},
    {HEAD TWO "#EXT-X-DISCONTINUITY:1\n" TWO END, .why = "line 7: #EXT-X-DISCONTINUITY has a value"},
    {HEAD TWO "#EXT-X-DISCONTINUITY here\n" TWO END, .why = "#EXT-X-DISCONTINUITY has a value"},
    {HEAD "#EXT-X-DISCONTINUITY-SEQUENCE:x\n" TWO END, .why = "#EXT-X-DISCONTINUITY-SEQUENCE is not a number"},
    {HEAD "#EXT-X-MEDIA-SEQUENCE:x\n" TWO END, .why = "line 3: #EXT-X-MEDIA-SEQUENCE is not a number"},
    {HEAD "#EXT-X-MEDIA-SEQUENCE:-1\n" TWO END, .why = "#EXT-X-MEDIA-SEQUENCE is not a number"},
    {HEAD "#EXT-X-MEDIA-SEQUENCE:99999999999999999999\n" TWO END, .why = "#EXT-X-MEDIA-SEQUENCE is not a number"},
    {HEAD "#EXT-X-MEDIA-SEQUENCE\n" TWO END, .why = "#EXT-X-MEDIA-SEQUENCE has no value"},
    {HEAD TWO "#EXT-X-MEDIA-SEQUENCE:1\n" END, .why = "behind the first segment"},
    {HEAD "#EXT-X-PLAYLIST-TYPE:LIVE\n" TWO END, .why = "#EXT-X-PLAYLIST-TYPE is neither"},
    {HEAD "#EXT-X-I-FRAMES-ONLY:YES\n" TWO END, .why = "#EXT-X-I-FRAMES-ONLY has a value"},
    {HEAD "#EXT-X-GAP:1\n" TWO END, .why = "#EXT-X-GAP has a value"},
    {HEAD "#EXT-X-SKIP\n" TWO END, .why = "#EXT-X-SKIP has no value"},
    {HEAD "#EXT-X-PART:DURATION=1\n" TWO END, .why = "#EXT-X-PART has no URI"},
    {HEAD "#EXT-X-PART:a0.ts\n" TWO END, .why = "#EXT-X-PART has attributes"},
    {HEAD TWO "#EXT-X-PART:DURATION=1,URI=\"n9.ts\"\n" END, .why = "ends with parts"},
    {HEAD "#EXT-X-DEFINE:NAME=\"x\",VALUE=\"a0\"\n#EXTINF:2,\n{$x}.ts\n" END, .why = "line 3: #EXT-X-DEFINE defines a variable"},
    /* only the end of an output */
    {HEAD "#EXT-X-MEDIA-SEQUENCE:9\n#EXTINF:2,\nn10.ts\n#EXTINF:2,\nn11.ts\n" END, .why = "before n10.ts"},
    {HEAD "#EXT-X-MEDIA-SEQUENCE:1\n#EXTINF:2,\na1.ts\n" END, .why = "before a1.ts"},
    {HEAD "#EXT-X-MEDIA-SEQUENCE:5\n#EXTINF:2,\npart-00005-v1.ts\n" END, .why = "before part-00005-v1.ts"},
    {HEAD "#EXT-X-MEDIA-SEQUENCE:5\n#EXTINF:2,\nt104.ts\n#EXTINF:2,\nt106.ts\n" END, .why = "before t104.ts"},
    {HEAD "#EXTINF:2,\n#EXT-X-BYTERANGE:500@500\nwhole.ts\n" END, .why = "bytes before its first range of whole.ts"},
};

static const struct list_case read_whole[] = {
    {HEAD TWO END, SINGLE("a0.ts a1.ts"), .stated_us = 4750000},
    {"\xEF\xBB\xBF#EXTM3U\r\n#EXTINF:2.5,a title, \"so\"\r\n\r\n a0.ts \r\n# comment\r\n#EXTINF:2\r\na1.ts\r\n#EXT-X-ENDLIST",
     SINGLE("a0.ts a1.ts"), .stated_us = 4500000, .rounding_us = 500000},
    {HEAD "#EXTINF:2,\na0.ts\na1.ts\n" END, SINGLE("a0.ts a1.ts")},
    {HEAD "#EXTINF:2,\na%20b.ts\n" END, SINGLE("a b.ts")},
    {HEAD "#EXTINF:2,\n100%25.ts\n#EXTINF:2,\nx%41.ts\n" END, SINGLE("100%.ts x%41.ts")},
    {HEAD "#EXTINF:2,\nodd?v=1.ts\n#EXTINF:2,\nodd:1.ts\n" END, SINGLE("odd?v=1.ts odd:1.ts")},
    {HEAD "#EXTINF:2,\nfolder/../folder/in.ts\n#EXTINF:2,\nlink.ts\n" END, SINGLE("folder/in.ts a0.ts")},
    {HEAD "#EXT-X-KEY:METHOD=NONE\n" TWO "#EXT-X-KEY:METHOD=AES-128\n" END, SINGLE("a0.ts a1.ts")},
    {HEAD TWO "#EXT-X-DISCONTINUITY-SEQUENCE:3\n#EXT-X-DISCONTINUITY\n" TWO END, SINGLE("a0.ts a1.ts | a0.ts a1.ts")},
    {HEAD "#EXT-X-MAP:URI=\"init.mp4\"\n" TWO "#EXT-X-MAP:URI=\"init.mp4\"\n" TWO "#EXT-X-MAP:URI=\"a1.ts\",BYTERANGE=\"10@5\"\n" TWO END,
     SINGLE("init.mp4: a0.ts a1.ts a0.ts a1.ts | a1.ts[5+10]: a0.ts a1.ts")},
    {HEAD "#EXT-X-PART:DURATION=1,URI=\"n9.ts\",INDEPENDENT=YES\n" TWO "#EXT-X-GAPS\n#EXT-X-MAPS:x\n" END, SINGLE("a0.ts a1.ts")},
    {HEAD "#EXT-X-MAP:URI=\"init.mp4\" , X-MINE=\"a,b\",\n" TWO END, SINGLE("init.mp4: a0.ts a1.ts")},
    {HEAD "#EXT-X-PLAYLIST-TYPE:event\n#EXT-X-DISCONTINUITY-SEQUENCE:7\n" TWO END, SINGLE("a0.ts a1.ts")},
    {HEAD TWO "#EXT-X-ENDLIST:\n", SINGLE("a0.ts a1.ts")},
    /* ranges */
    {HEAD "#EXT-X-BYTERANGE:400@0\nwhole.ts\n#EXT-X-BYTERANGE:600\nwhole.ts\n" END, SINGLE("whole.ts")},
    {HEAD "#EXT-X-BYTERANGE:400@0\nwhole.ts\n#EXT-X-DISCONTINUITY\n#EXT-X-BYTERANGE:600\nwhole.ts\n" END, SINGLE("whole.ts")},
    {HEAD "#EXT-X-BYTERANGE:400@0\nwhole.ts\n#EXT-X-BYTERANGE:500\nwhole.ts\n" END, SINGLE("whole.ts[0+900]")},
    {HEAD "#EXT-X-BYTERANGE:40@0\na0.ts\n#EXT-X-BYTERANGE:60\na0.ts\n#EXT-X-BYTERANGE:100@0\na1.ts\n" END, SINGLE("a0.ts a1.ts")},
    {HEAD "#EXT-X-BYTERANGE:400@0\nwhole.ts\n#EXT-X-BYTERANGE:1000@400\nwhole.ts\n" END, SINGLE("whole.ts")},
    {HEAD "#EXT-X-BYTERANGE:400@0\nwhole.ts\n#EXT-X-BYTERANGE:500@500\nwhole.ts\n" END, SINGLE("whole.ts[0+400] whole.ts[500+500]")},
    {HEAD "#EXT-X-BYTERANGE:500@500\nwhole.ts\n#EXT-X-BYTERANGE:500@0\nwhole.ts\n#EXT-X-PLAYLIST-TYPE:VOD\n" END,
     SINGLE("whole.ts[500+500] whole.ts[0+500]")},
    {HEAD "#EXT-X-MAP:URI=\"boxes.mp4\",BYTERANGE=\"100@0\"\n#EXT-X-BYTERANGE:50@116\nboxes.mp4\n#EXT-X-BYTERANGE:40@174\nboxes.mp4\n" END,
     SINGLE("boxes.mp4")},
    {HEAD "#EXT-X-MAP:URI=\"boxes.mp4\",BYTERANGE=\"100@0\"\n#EXT-X-BYTERANGE:50@116\nboxes.mp4\n" END,
     SINGLE("boxes.mp4[0+100]: boxes.mp4[116+50]")},
    {HEAD "#EXT-X-MAP:URI=\"init.mp4\"\n#EXT-X-BYTERANGE:1000@0\nwhole.ts\n" END, SINGLE("init.mp4: whole.ts")},
    {HEAD "#EXT-X-MAP:URI=\"whole.ts\",BYTERANGE=\"9@0\"\nwhole.ts\n" END, SINGLE("whole.ts")},
    /* lists that begin at another number */
    {HEAD "#EXT-X-MEDIA-SEQUENCE:9\n#EXT-X-PLAYLIST-TYPE:VOD\nn10.ts\nn11.ts\n" END, SINGLE("n10.ts n11.ts")},
    {HEAD "#EXT-X-MEDIA-SEQUENCE:9\nn9.ts\nn10.ts\n" END, SINGLE("n9.ts n10.ts")},
    {HEAD "#EXT-X-MEDIA-SEQUENCE:1\nstream1-1.m4s\nstream1-2.m4s\n" END, SINGLE("stream1-1.m4s stream1-2.m4s")},
    {HEAD "#EXT-X-MEDIA-SEQUENCE:1\nstream1-1.m4s\n" END, SINGLE("stream1-1.m4s")},
};

/* Master playlists; v0, v1 and sound are playlists of a0.ts a1.ts, n9.ts n10.ts and sound.ts. */
#define VIDEO(name) "#EXT-X-STREAM-INF:BANDWIDTH=1,RESOLUTION=320x180,CODECS=\"avc1.42c00c,mp4a.40.2\"\n" name "\n"
#define SOUND(name) "#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"mp4a.40.2,ac-3\"\n" name "\n"
#define PLAIN(name) "#EXT-X-STREAM-INF:BANDWIDTH=1\n" name "\n"
#define V0 "v0.m3u8 = a0.ts a1.ts"
#define V1 "v1.m3u8 = n9.ts n10.ts"

static const struct list_case masters[] = {
    {HEAD SOUND("sound.m3u8"), .why = "lists no video", .refusal = MEDIA_REFUSED_NO_OUTPUT},
    {HEAD "#EXT-X-I-FRAME-STREAM-INF:URI=\"v0.m3u8\"\n", .why = "lists no video", .refusal = MEDIA_REFUSED_NO_OUTPUT},
    {HEAD VIDEO("out.m3u8"), .why = "a master playlist names it"},
    {HEAD VIDEO("none.m3u8"), .why = "lists none.m3u8"},
    {HEAD VIDEO("songs.m3u8"), .why = "list of songs"},
    {HEAD VIDEO("v0.m3u8") "#EXT-X-STREAM-INF:BANDWIDTH=1\n", .why = "line 5: no address of a playlist follows"},
    {HEAD "#EXT-X-STREAM-INF:BANDWIDTH=1\n" VIDEO("v0.m3u8"), .why = "line 3: no address of a playlist follows"},
    {HEAD "#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"mp4a\nv0.m3u8\n", .why = "line 3: its attributes are not valid"},
    {HEAD "#EXT-X-MEDIA:NAME=\"x\",URI=\"v1.m3u8\"\n" VIDEO("v0.m3u8"), .why = "line 3: #EXT-X-MEDIA has no TYPE"},
    {HEAD "#EXT-X-DEFINE:NAME=\"x\",VALUE=\"v0\"\n" VIDEO("v0.m3u8"), .why = "line 3: it defines a variable"},
    {HEAD VIDEO("https://example.com/v.m3u8"), .why = "https://example.com/v.m3u8"},
    {HEAD VIDEO("a0.ts"), .why = "not an HLS playlist"},
    {HEAD VIDEO("v0.m3u8") VIDEO("live.m3u8"), .why = "live.m3u8: the playlist is not finished", .refusal = MEDIA_REFUSED_UNFINISHED},
    {HEAD VIDEO("v0.m3u8") VIDEO("v1.m3u8") VIDEO("v0.m3u8"), .plays = V0 "; " V1},
    {HEAD VIDEO("v0.m3u8") VIDEO("again.m3u8"), .plays = V0},
    {HEAD VIDEO("v0.m3u8") VIDEO("broken.m3u8") VIDEO("v1.m3u8"), .plays = V0 "; broken.m3u8 = !; " V1},
    {HEAD VIDEO("none.m3u8") VIDEO("v1.m3u8"), .plays = "none.m3u8 = !; " V1},
    {HEAD VIDEO("out.m3u8") VIDEO("v1.m3u8"), .plays = "out.m3u8 = !; " V1},
    {HEAD VIDEO("folder/../v0.m3u8") SOUND("sound.m3u8"), .plays = V0},
    {HEAD VIDEO("v0.m3u8") "#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"mp4a.40.2, wvtt\"\nsound.m3u8\n", .plays = V0},
    {HEAD VIDEO("v0.m3u8") "#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"stpp.ttml.im1t\"\nsound.m3u8\n", .plays = V0},
    {HEAD VIDEO("v0.m3u8") "#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"mp4a.40.2,hvc1\"\nv1.m3u8\n", .plays = V0 "; " V1},
    {HEAD PLAIN("v0.m3u8") PLAIN("sound.m3u8"), .plays = V0 "; sound.m3u8 = sound.ts"},
    {HEAD "#EXT-X-MEDIA:TYPE=AUDIO,NAME=\"a,b\",URI=\"sound.m3u8\"\n" PLAIN("v0.m3u8") PLAIN("sound.m3u8"), .plays = V0},
    {HEAD "#EXT-X-MEDIA:TYPE=AUDIO,URI=\"v0.m3u8\"\n" VIDEO("v0.m3u8"), .plays = V0},
    {HEAD "#EXT-X-MEDIA:TYPE=VIDEO,URI=\"v1.m3u8\"\n#EXT-X-MEDIA:TYPE=SUBTITLES,URI=\"none.m3u8\"\n" VIDEO("v0.m3u8"), .plays = V1 "; " V0},
};

static void test_refused(void **unused) {
  (void)unused;
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
    check_case(hls_read, "out.m3u8", &refused[i]);
}

static void test_read(void **unused) {
  (void)unused;
  for (size_t i = 0; i < sizeof read_whole / sizeof *read_whole; i++)
    check_case(hls_read, "out.m3u8", &read_whole[i]);
}

static void test_masters(void **unused) {
  (void)unused;
  write_bytes("v0.m3u8", HEAD TWO END, strlen(HEAD TWO END));
  write_bytes("again.m3u8", HEAD TWO END, strlen(HEAD TWO END));
  write_bytes("live.m3u8", HEAD TWO, strlen(HEAD TWO));
  const char *v1 = HEAD "n9.ts\nn10.ts\n" END, *sound = HEAD "sound.ts\n" END, *broken = HEAD "a0.ts\nnone.ts\n" END;
  write_bytes("v1.m3u8", v1, strlen(v1));
  write_bytes("sound.m3u8", sound, strlen(sound));
  write_bytes("broken.m3u8", broken, strlen(broken));
  write_bytes("songs.m3u8", "#EXTM3U\na0.ts\n", strlen("#EXTM3U\na0.ts\n"));
  for (size_t i = 0; i < sizeof masters / sizeof *masters; i++)
    check_case(hls_read, "out.m3u8", &masters[i]);
}

/* The parts are known also if the list is refused. */
static void test_parts(void **unused) {
  (void)unused;
  static const struct {
    const char *text, *parts[5];
  } cases[] = {
      {HEAD "#EXT-X-MAP:URI=\"init.mp4\"\n" TWO, {"out.m3u8", "init.mp4", "a0.ts", "a1.ts"}},
      {HEAD "none.ts\n" TWO TWO END, {"out.m3u8", "a0.ts", "a1.ts"}},
      {HEAD "#EXT-X-KEY:METHOD=AES-128\n" TWO END, {"out.m3u8", "a0.ts", "a1.ts"}},
      {HEAD "#EXT-X-I-FRAMES-ONLY\n#EXT-X-BYTERANGE:9@9\nwhole.ts\n" END, {"out.m3u8", "whole.ts"}},
      {HEAD SOUND("sound.m3u8"), {"out.m3u8", "sound.m3u8", "sound.ts"}},
      {"#EXTM3U\n#EXTINF:2,song\na0.ts\n", {"out.m3u8"}},
      {HEAD "#EXT-X-STREAM-INF:\n" VIDEO("live.m3u8"), {"out.m3u8", "live.m3u8", "a0.ts", "a1.ts"}},
      {HEAD VIDEO("live.m3u8"), {"out.m3u8", "live.m3u8", "a0.ts", "a1.ts"}},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    SCOPED_MALLOC char *path = file_path(dir, "out.m3u8");
    struct list list;
    struct err err;
    size_t count = 0;
    write_bytes("out.m3u8", cases[i].text, strlen(cases[i].text));
    assert_int_equal(hls_read(path, &list, &err), -ERR_MEDIA);
    for (; count < 5 && cases[i].parts[count] != NULL; count++)
      assert_true(has_part(&list, cases[i].parts[count]));
    assert_int_equal(list.parts.count, count);
    list_fini(&list);
  }
}

static void repeat(const char *head, const char *line, size_t times, const char *why) {
  SCOPED(buf_fini) struct buf text = {.ptr = NULL};
  SCOPED_MALLOC char *path = file_path(dir, "out.m3u8");
  struct list list;
  struct err err;
  buf_text(&text, head);
  for (size_t i = 0; i < times; i++)
    buf_text(&text, line);
  buf_text(&text, "\n" END);
  write_bytes("out.m3u8", text.ptr, text.len);
  assert_int_equal(hls_read(path, &list, &err), -ERR_MEDIA);
  if (strstr(err.text, why) == NULL) fail_msg("%s", err.text);
  list_fini(&list);
}

static void test_bounds(void **unused) {
  (void)unused;
  SCOPED_MALLOC char *path = file_path(dir, "out.m3u8");
  struct list list;
  struct err err;
  repeat(HEAD, "#EXT-X-DISCONTINUITY\na0.ts\n", 50001, "more than 50000 discontinuities");
  repeat(HEAD "#EXT-X-KEY:", "A=1,", 100000, "attributes that are not valid");
  repeat(HEAD, "a0.ts\n", 1000001, "more than 1000000 segments");
  repeat(HEAD "#EXT-X-MEDIA-SEQUENCE:5\n", "1a1a1a1a1a1a1a1a", 100000, "name of a segment is longer");
  assert_int_equal(truncate(path, ((off_t)64 << 20) + 1), 0);
  assert_int_equal(hls_read(path, &list, &err), -ERR_MEDIA);
  assert_non_null(strstr(err.text, "larger than 64 MiB"));
  list_fini(&list);
}

static void test_locked(void **unused) {
  (void)unused;
  const struct locked_case cases[] = {
      {.text = HEAD "#EXTINF:2,\nlocked/a.ts\n" END},
      {.text = HEAD TWO "#EXTINF:2,\nlocked/a.ts\n" END},
      {.text = HEAD "#EXTINF:2,\nnone.ts\n#EXTINF:2,\nlocked/a.ts\n" END},
      {.text = HEAD "#EXTINF:2,\nlocked/a.ts\n"},
      {.text = HEAD "#EXT-X-MAP:URI=\"locked/init.mp4\"\n" TWO END},
      {.text = HEAD "#EXT-X-PART:DURATION=1,URI=\"locked/a.ts\"\n" TWO END},
      {.text = HEAD "#EXTINF:2,\nlocked.ts\n" END},
      {.text = HEAD "#EXT-X-BYTERANGE:50@50\n#EXTINF:2,\nlocked.ts\n" END},
      {.text = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlocked/v.m3u8\n"},
      {.text = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlocked.m3u8\n"},
      {.text = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nv.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlocked/v.m3u8\n"},
      {.text = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nv.m3u8\n"
               "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"a\",URI=\"locked/s.m3u8\"\n",
       .is_read = true},
  };
  write_bytes("v.m3u8", HEAD TWO END, sizeof(HEAD TWO END) - 1);
  check_locked(hls_read, "out.m3u8", cases, sizeof cases / sizeof *cases);
}

static enum list_kind kind_of(const void *bytes, size_t len) {
  SCOPED_MALLOC char *path = file_path(dir, "kind");
  enum list_kind kind = LIST_NONE;
  struct err err;
  write_bytes("kind", bytes, len);
  assert_int_equal(list_kind_of(path, &kind, &err), 0);
  return kind;
}

static void test_kinds(void **unused) {
  (void)unused;
  static const struct {
    const char *text;
    enum list_kind kind;
  } cases[] = {
      {"", LIST_NONE},
      {"#EXTINF", LIST_NONE},
      {" #EXTM3U\n", LIST_NONE},
      {"text:MPD", LIST_NONE},
      {"text <MPD>", LIST_NONE},
      {"<", LIST_NONE},
      {"<?xml?>", LIST_NONE},
      {"<SMIL><MPD></MPD></SMIL>", LIST_NONE},
      {"<!-- <MPD> --><svg a=\"b:MPD\"/>", LIST_NONE},
      {"<MPDs>", LIST_NONE},
      {"<MPD:x>", LIST_NONE},
      {"#EXTM3U\n", LIST_HLS},
      {"\xEF\xBB\xBF#EXTM3U", LIST_HLS},
      {"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:1\n# #EXT-X-STREAM-INF:\n", LIST_HLS},
      {"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nv.m3u8\n", LIST_HLS_MASTER},
      {"\xEF\xBB\xBF#EXTM3U\r\n  #EXT-X-MEDIA:TYPE=VIDEO\r\n", LIST_HLS_MASTER},
      {"#EXTM3U\n#EXT-X-I-FRAME-STREAM-INF:URI=\"k\"\n", LIST_HLS_MASTER},
      {"<?xml?><MPD>", LIST_DASH},
      {"<MPD", LIST_DASH},
      {"<MPD/>", LIST_DASH},
      {"<x:MPD xmlns:x=\"\">", LIST_DASH},
      {"\xEF\xBB\xBF\n <?xml version=\"1.0\"?>\n<!-- a > b -->\n<!DOCTYPE MPD [<!ENTITY a \"b\">]>\n<d:MPD\n>", LIST_DASH},
      {"<?xml version=\"1.0\">\n<d:MPD>", LIST_DASH},
  };
  enum list_kind kind = LIST_NONE;
  struct err err;
  assert_int_equal(list_kind_of("/nonexistent", &kind, &err), -ERR_MEDIA);
  assert_int_equal(list_kind_of(dir, &kind, &err), 0);
  assert_int_equal(kind, LIST_NONE);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    if (kind_of(cases[i].text, strlen(cases[i].text)) != cases[i].kind) fail_msg("%s", cases[i].text);
  }
}

/* What tells the kind may come behind long comments. */
static void test_kinds_far(void **unused) {
  (void)unused;
  static const struct {
    const char *begin, *end;
    enum list_kind kind;
  } cases[] = {{"<!--", "--><x:MPD>", LIST_DASH},
               {"<!--", "--><SMIL>", LIST_NONE},
               {"#EXTM3U\n#", "\n#EXT-X-STREAM-INF:BANDWIDTH=1\nv.m3u8\n", LIST_HLS_MASTER},
               {"text", "<MPD>", LIST_NONE}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    SCOPED(buf_fini) struct buf text = {.ptr = NULL};
    buf_text(&text, cases[i].begin);
    memset(buf_extend(&text, 100000), ' ', 100000);
    buf_text(&text, cases[i].end);
    assert_int_equal(kind_of(text.ptr, text.len), cases[i].kind);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_refused), cmocka_unit_test(test_read),   cmocka_unit_test(test_masters),
      cmocka_unit_test(test_parts),   cmocka_unit_test(test_bounds), cmocka_unit_test(test_kinds),
      cmocka_unit_test(test_locked), cmocka_unit_test(test_kinds_far),
  };
  static const char *const files[] = {"a0.ts", "a1.ts", "a b.ts", "100%.ts", "x%41.ts", "xA.ts", "odd?v=1.ts", "odd:1.ts",
                                      "folder/in.ts", "init.mp4", "n9.ts", "n10.ts", "n11.ts", "t102.ts", "t104.ts", "t106.ts",
                                      "part-00004-v1.ts", "part-00005-v1.ts", "stream0-1.m4s", "stream1-1.m4s",
                                      "stream1-2.m4s", "sound.ts"};
  static const struct {
    uint32_t at, size;
    char kind[5];
  } boxes[] = {{100, 16, "styp"}, {116, 50, "moof"}, {166, 8, "sidx"}, {174, 40, "moof"}, {214, 8, "mfra"}};
  unsigned char bytes[222] = "";
  struct err err;
  if (mkdtemp(dir) == NULL || chdir(dir) != 0 || mkdir("folder", 0700) != 0 || mkfifo("pipe.ts", 0600) != 0) return 1;
  for (size_t i = 0; i < sizeof files / sizeof *files; i++)
    make_file(files[i], 100);
  make_file("whole.ts", 1000);
  for (size_t i = 0; i < sizeof boxes / sizeof *boxes; i++) {
    be32_store(bytes + boxes[i].at, boxes[i].size);
    memcpy(bytes + boxes[i].at + 4, boxes[i].kind, 4);
  }
  write_bytes("boxes.mp4", bytes, sizeof bytes);
  if (symlink("a0.ts", "link.ts") != 0) return 1;
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  (void)chdir("/");
  return file_remove_tree(dir, &err) == 0 ? failed : 1;
}
