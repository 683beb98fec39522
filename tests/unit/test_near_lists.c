/* Which files are parts of a list that lies near them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "agent/near_lists.h"
#include "base/file.h"

static char dir[64];

static int make_dir(void **unused) {
  (void)unused;
  strcpy(dir, "/tmp/codecmeter-near-XXXXXX");
  return mkdtemp(dir) != NULL ? 0 : -1;
}

static int remove_dir(void **unused) {
  (void)unused;
  struct err err;
  return file_remove_tree(dir, &err);
}

static void write_file(const char *name, const char *text) {
  SCOPED_MALLOC char *path = file_path(dir, name);
  SCOPED_MALLOC char *above = file_directory(path);
  struct err err;
  assert_int_equal(file_make_dirs(above, &err), 0);
  FILE *file = fopen(path, "we");
  assert_non_null(file);
  assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
  assert_int_equal(fclose(file), 0);
}

static int check(struct near_lists *near, const char *name, struct err *err) {
  SCOPED_MALLOC char *path = file_path(dir, name);
  SCOPED_MALLOC char *real = realpath(path, NULL);
  struct media_span span = {.path = real, .size = 10};
  struct media_output output = {.name = path, .spans = &span, .span_count = 1};
  const struct media media = {.items = &output, .count = 1};
  assert_non_null(real);
  return near_lists_check(near, &media, name, err);
}

#define HEAD "#EXTM3U\n#EXT-X-TARGETDURATION:2\n"
#define END "#EXT-X-ENDLIST\n"
#define SEGMENT(name) "#EXTINF:2,\n" name "\n"
#define RANGE(range, name) "#EXTINF:2,\n#EXT-X-BYTERANGE:" range "\n" name "\n"
#define MPD(inside)                                                                                               \
  "<MPD type='static' mediaPresentationDuration='PT4S'><Period><AdaptationSet contentType='video'>" inside        \
  "</AdaptationSet></Period></MPD>"

/* Every file that a row names has ten bytes. */
static const struct row {
  const char *list, *text;
  const char *other; /* a further file that the list may name; or NULL */
  const char *file;
  bool is_part;
} rows[] = {
    /* no lists of segments */
    {"a/l.m3u8", "", NULL, "a/s0.ts", false},
    {"a/l.m3u8", "s0.ts\ns1.ts\n", "a/s1.ts", "a/s0.ts", false},
    {"a/l.m3u8", "#EXTM3U\n#EXTINF:120,A film\ns0.mp4\n#EXTINF:90,Another\ns1.mp4\n", "a/s1.mp4", "a/s0.mp4", false},
    {"a/l.mpd", "<MPD", "a/s1.ts", "a/s0.ts", false},
    {"a/l.txt", HEAD SEGMENT("s0.ts") SEGMENT("s1.ts") END, "a/s1.ts", "a/s0.ts", false},
    {"a/l.m3u8", HEAD "#EXT-X-I-FRAMES-ONLY\n" SEGMENT("s0.ts") SEGMENT("s1.ts") END, "a/s1.ts", "a/s0.ts", false},
    /* other files */
    {"a/l.m3u8", HEAD SEGMENT("s0.ts") SEGMENT("s1.ts") END, "a/s1.ts", "a/s2.ts", false},
    {"a/l.m3u8", HEAD SEGMENT("v/s0.ts") SEGMENT("v/s1.ts") END, "a/v/s1.ts", "a/w/s1.ts", false},
    {"a/l.m3u8", HEAD SEGMENT("b/c/d/s0.ts") SEGMENT("b/c/d/s1.ts") END, "a/b/c/d/s1.ts", "a/b/c/d/s0.ts", false},
    /* the whole file */
    {"a/l.m3u8", HEAD SEGMENT("s0.ts") END, NULL, "a/s0.ts", false},
    {"a/l.m3u8", HEAD RANGE("4@0", "s0.ts") RANGE("6@4", "s0.ts") END, NULL, "a/s0.ts", false},
    {"a/l.mpd", MPD("<Representation id='0'><BaseURL>s0.mp4</BaseURL></Representation>"
                    "<Representation id='1'><BaseURL>s1.mp4</BaseURL></Representation>"), "a/s1.mp4", "a/s0.mp4", false},
    /* parts */
    {"a/l.m3u8", HEAD SEGMENT("s0.ts") SEGMENT("s1.ts") END, "a/s1.ts", "a/s0.ts", true},
    {"a/L.M3U8", HEAD SEGMENT("s0.ts") SEGMENT("s1.ts") END, "a/s1.ts", "a/s0.ts", true},
    {"a/l.m3u8", HEAD SEGMENT("v/s0.ts") SEGMENT("v/s1.ts") END, "a/v/s1.ts", "a/v/s0.ts", true},
    {"a/l.m3u8", HEAD SEGMENT("b/c/s0.ts") SEGMENT("b/c/s1.ts") END, "a/b/c/s1.ts", "a/b/c/s0.ts", true},
    {"a/l.m3u8", HEAD SEGMENT("s%200.ts") SEGMENT("s1.ts") END, "a/s1.ts", "a/s 0.ts", true},
    {"a/l.m3u8", HEAD SEGMENT("s%200.ts") SEGMENT("s1.ts") END, "a/s1.ts", "a/s%200.ts", true},
    {"a/l.m3u8", HEAD SEGMENT("s0.ts") SEGMENT("s1.ts"), "a/s1.ts", "a/s0.ts", true},                /* not finished */
    {"a/l.m3u8", HEAD SEGMENT("s0.ts") SEGMENT("s1.ts") SEGMENT("s2.ts") END, "a/s1.ts", "a/s0.ts", true}, /* not whole */
    {"a/l.m3u8", HEAD "#EXT-X-MAP:URI=\"i.mp4\"\n" SEGMENT("s0.m4s") SEGMENT("s1.m4s") END, "a/s1.m4s", "a/s0.m4s", true},
    {"a/l.mpd", MPD("<SegmentTemplate media='s$Number$.ts' duration='2' startNumber='0'/><Representation id='0'/>"), "a/s1.ts",
     "a/s0.ts", true},
    {"a/l.mpd", MPD("<Representation id='0'><SegmentList duration='2'><SegmentURL media='s&amp;0.ts'/>"
                    "<SegmentURL media='s1.ts'/></SegmentList></Representation>"), "a/s1.ts", "a/s&0.ts", true},
};

static void lists_near_a_file(void **unused) {
  (void)unused;
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    SCOPED(near_lists_free_ref) struct near_lists *near = near_lists_new();
    struct err err = {.text = ""};
    if (rows[i].other != NULL) write_file(rows[i].other, "0123456789");
    write_file(rows[i].file, "0123456789");
    write_file(rows[i].list, rows[i].text);
    for (int times = 0; times < 2; times++) { /* the second time from memory */
      int result = check(near, rows[i].file, &err);
      if (result != (rows[i].is_part ? -ERR_MEDIA : 0)) fail_msg("row %zu: %d %s", i, result, err.text);
      if (!rows[i].is_part) continue;
      assert_non_null(strstr(err.text, rows[i].list));
      assert_non_null(strstr(err.text, "--id"));
      assert_memory_equal(err.text, rows[i].file, strlen(rows[i].file));
    }
    assert_int_equal(file_remove_tree(dir, &err), 0);
    assert_int_equal(file_make_dirs(dir, &err), 0);
  }
}

/* A list that plays the whole file wins: the file has its identity. And a master leads to lists elsewhere. */
static void several_lists(void **unused) {
  (void)unused;
  struct err err = {.text = ""};
  SCOPED(near_lists_free_ref) struct near_lists *near = near_lists_new();
  static const char *const files[] = {"b/s0.ts", "b/s1.ts", "b/own.ts", "b/seg/s0.ts", "b/seg/s1.ts"};
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
    write_file(files[i], "0123456789");
  write_file("b/all.m3u8", HEAD SEGMENT("s0.ts") SEGMENT("own.ts") END);
  write_file("b/own.m3u8", HEAD SEGMENT("own.ts") END);
  write_file("b/master.m3u8", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlists/v.m3u8\n");
  write_file("b/lists/v.m3u8", HEAD SEGMENT("../seg/s0.ts") SEGMENT("../seg/s1.ts") END);
  assert_int_equal(check(near, "b/own.ts", &err), 0);
  assert_int_equal(check(near, "b/s1.ts", &err), 0);
  assert_int_equal(check(near, "b/s0.ts", &err), -ERR_MEDIA);
  assert_non_null(strstr(err.text, "b/all.m3u8"));
  assert_int_equal(check(near, "b/seg/s1.ts", &err), -ERR_MEDIA);
  assert_non_null(strstr(err.text, "b/lists/v.m3u8"));
}

/* A list counts by itself, whatever plays it or its files. */
static void a_list_itself(void **unused) {
  (void)unused;
  struct err err = {.text = ""};
  SCOPED(near_lists_free_ref) struct near_lists *near = near_lists_new();
  const struct media list = {.is_list = true, .count = 1}, nothing = {.count = 0};
  assert_int_equal(near_lists_check(near, &list, "x", &err), 0);
  assert_int_equal(near_lists_check(near, &nothing, "x", &err), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(lists_near_a_file, make_dir, remove_dir),
      cmocka_unit_test_setup_teardown(several_lists, make_dir, remove_dir),
      cmocka_unit_test(a_list_itself),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
