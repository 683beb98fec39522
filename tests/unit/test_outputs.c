/* Outputs of a command: patterns, the candidates of command lines, and which files the command made. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/outputs.h"
#include "agent/rivals.h"
#include "base/bytes.h"
#include "base/file.h"

#define WORDS_MAX 64

static char dir[64];

static int make_dir(void **unused) {
  (void)unused;
  strcpy(dir, "/tmp/codecmeter-outputs-XXXXXX");
  return mkdtemp(dir) != NULL && chdir(dir) == 0 ? 0 : -1;
}

static int remove_dir(void **unused) {
  (void)unused;
  struct err err;
  return chdir("/") == 0 ? file_remove_tree(dir, &err) : -1;
}

static void put(const char *name, const char *content) {
  FILE *file = fopen(name, "w");
  assert_non_null(file);
  assert_true(fputs(content, file) >= 0);
  assert_int_equal(fclose(file), 0);
}

static void set_time(const char *name, time_t seconds) {
  const struct timespec times[2] = {{.tv_sec = seconds}, {.tv_sec = seconds}};
  assert_int_equal(utimensat(AT_FDCWD, name, times, 0), 0);
}

static void find(const char *text, char *const *named, struct outputs *ret) {
  static char copy[1024];
  char *words[WORDS_MAX] = {NULL};
  size_t count = 0;
  (void)snprintf(copy, sizeof copy, "%s", text);
  for (char *rest = copy, *word; (word = strsep(&rest, " ")) != NULL;)
    words[count++] = word;
  *ret = (struct outputs){.items = NULL};
  struct err err;
  assert_int_equal(outputs_find(words, named, ret, &err), 0);
}

/* Without the directory of the test. */
static const char *below(const char *path) {
  size_t len = strlen(dir);
  return strncmp(path, dir, len) == 0 && path[len] == '/' ? path + len + 1 : path;
}

/* ---- patterns ---- */

static void test_patterns(void **unused) {
  (void)unused;
  static const struct {
    const char *pattern, *name;
    bool matches;
  } rows[] = {
      {"out%03d.mp4", "out.mp4", false},
      {"out%03d.mp4", "out01x.mp4", false},
      {"out%03d.mp4", "xout001.mp4", false},
      {"out%03d.mp4", "out001.mp4x", false},
      {"out%03d.mp4", "", false},
      {"out%d", "out", false},
      {"%d%d", "1", false},
      {"a%%d", "a1d", false},
      {"a$b", "axb", false},
      {"100%", "1000", false},
      {"out%03d.mp4", "out001.mp4", true},
      {"out%03d.mp4", "out1000.mp4", true},
      {"%d%d", "12", true},
      {"%v.m3u8", "720p.m3u8", true},
      {"out_%v_%d.ts", "out_a_1_22.ts", true},
      {"%Y-%m-%d_%H.mp4", "2026-11-29_08.mp4", true},
      {"init-$RepresentationID$.$ext$", "init-0.m4s", true},
      {"chunk-$RepresentationID$-$Number%05d$.m4s", "chunk-0-00001.m4s", true},
      {"a%%d", "a%d", true},
      {"a$$b", "a$b", true},
      {"a$b", "a$b", true},
      {"100%", "100%", true},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    if (outputs_match(rows[i].pattern, rows[i].name) != rows[i].matches)
      fail_msg("%s against %s: wanted %d", rows[i].pattern, rows[i].name, rows[i].matches);
  }
  char many[600] = "", name[300];
  for (int i = 0; i < 100; i++)
    strcat(many, "%v%d");
  memset(name, 'a', 255);
  name[255] = '\0';
  assert_false(outputs_match(many, name)); /* and soon */
  memset(name, 'a', 299);
  name[299] = '\0';
  assert_false(outputs_match("%v", name));
}

/* ---- candidates ---- */

static void test_candidates(void **unused) {
  (void)unused;
  static char b[] = "b.mp4", c[] = "./out/c.mp4", *const named[] = {b, c, NULL};
  /* n: named, o: output, a: argument; r: remux, m: mixed, t: task */
  static const struct {
    const char *line;
    bool is_named;
    const char *candidates, *elsewhere;
  } rows[] = {
      {"true", false, "true:at", ""},
      {"tool -x --flag", false, "--flag:at", ""},
      {"tool -x -o out.mp4", false, "out.mp4:at", ""},
      {"tool --output=a.mp4 -ob.mp4 c.mp4", false, "a.mp4:a b.mp4:a c.mp4:at", ""},
      {"tool location=a.mp4 file:b.mp4 file:///c.mp4 a.mp4", false, "location=a.mp4:a a.mp4:at b.mp4:a /c.mp4:a", ""},
      {"pack in=i.mp4,stream=video,output=o.mp4 --mpd m.mpd", false,
       "in=i.mp4,stream=video,output=o.mp4:a i.mp4,stream=video,output=o.mp4:a in=i.mp4:a i.mp4:a stream=video:a "
       "video:a "
       "output=o.mp4:a o.mp4:a m.mpd:at",
       ""},
      {"ffmpeg -i in.mp4 -f null -", false, "", "-: nothing is written"},
      {"ffmpeg -i in.mp4 a.mp4 thumb.jpg -vn s.mka -c copy r.mkv", false, "a.mp4:ot thumb.jpg:o s.mka:o r.mkv:ort",
       ""},
      {"ffmpeg -i in -map 0 -c:v:0 copy m.mkv -f mpegts pipe:1", false, "m.mkv:omt",
       "pipe:1: a pipe cannot be measured"},
      {"ffmpeg -i in -f mpegts /dev/fd/63", false, "/dev/fd/63:o", ""},
      {"ffmpeg -i in -f flv rtmp://h/a", false, "", "rtmp://h/a: what is sent over a network cannot be measured"},
      {"ffmpeg -i in -f tee [f=mp4]a.mp4|[f=hls]b/c.m3u8", false, "a.mp4:ot b/c.m3u8:ot", ""},
      {"ffmpeg -i in -master_pl_name m.m3u8 o_%v.m3u8", false, "o_%v.m3u8:ot m.m3u8:o", ""},
      {"nice ffmpeg -i in -c copy b.mp4 c.mp4", true, "b.mp4:nrt ./out/c.mp4:nt", ""},
      {"tool a.mp4", true, "b.mp4:nt ./out/c.mp4:nt", ""},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct outputs outputs;
    SCOPED(buf_fini) struct buf got = {0}, elsewhere = {0};
    find(rows[i].line, rows[i].is_named ? named : NULL, &outputs);
    for (size_t n = 0; n < outputs.count; n++) {
      const struct candidate *candidate = &outputs.items[n];
      buf_printf(&got, "%s%s:%c%s%s%s", n > 0 ? " " : "", below(candidate->path), "noa"[candidate->role],
                 candidate -> is_remux ? "r" : "", candidate->is_mixed ? "m" : "", candidate->is_task ? "t" : "");
    }
    for (size_t n = 0; n < outputs.elsewhere.count; n++)
      buf_text(&elsewhere, outputs.elsewhere.items[n]);
    buf_char(&got, '\0');
    buf_char(&elsewhere, '\0');
    if (strcmp(got.ptr, rows[i].candidates) != 0 || strcmp(elsewhere.ptr, rows[i].elsewhere) != 0)
      fail_msg("%s\n  gives  %s; %s\n  wanted %s; %s", rows[i].line, got.ptr, elsewhere.ptr, rows[i].candidates,
               rows[i].elsewhere);
    outputs_fini(&outputs);
  }
}

/* ---- what was made ---- */

static struct outputs current;

/* The names that were made, in order; "!" before one that was not, "~" before one that is no output, "?"
 * before a doubtful one. */
static void assert_made(const char *wanted) {
  static const char *const signs[] = {[MADE_FILE] = "", [MADE_DOUBTFUL] = "?", [MADE_OTHER] = "~", [MADE_NOTHING] = "!"};
  struct made_list made;
  SCOPED(buf_fini) struct buf got = {0};
  outputs_made(&current, &made);
  bool any = false;
  for (size_t i = 0; i < made.count; i++) {
    const struct made *item = &made.items[i];
    any = any || item->state == MADE_FILE;
    buf_printf(&got, "%s%s%s", i > 0 ? " " : "", signs[item->state], below(item->path));
  }
  buf_char(&got, '\0');
  assert_string_equal(got.ptr, wanted);
  assert_int_equal(outputs_made_any(&current), any);
  made_list_fini(&made);
}

static void begin(const char *line) {
  find(line, NULL, &current);
  outputs_look(&current);
}

static void test_what_other_commands_made(void **unused) {
  (void)unused;
  put("in.mp4", "in");
  put("old.mp4", "old");
  set_time("old.mp4", 1000);
  begin("tool in.mp4 old.mp4 new.mp4 moved.mp4 linked.mp4");
  assert_made("");
  assert_int_equal(chmod("in.mp4", 0600), 0); /* attributes only */
  assert_int_equal(link("in.mp4", "linked.mp4"), 0);
  assert_made("~linked.mp4");
  assert_int_equal(unlink("linked.mp4"), 0);
  put("new.mp4", "new");
  put("old.mp4", "New");
  assert_made("old.mp4 new.mp4");
  assert_int_equal(rename("in.mp4", "moved.mp4"), 0);
  assert_made("old.mp4 new.mp4 ~moved.mp4");
  outputs_fini(&current);
  begin("tool old.mp4 same.mp4 ./old.mp4");
  put("same.mp4", "1");
  assert_int_equal(unlink("old.mp4"), 0);
  assert_int_equal(link("same.mp4", "old.mp4"), 0); /* one file, once */
  assert_made("old.mp4");
  outputs_fini(&current);
}

static void test_what_ffmpeg_made(void **unused) {
  (void)unused;
  put("kept.mp4", "kept");
  assert_int_equal(mkfifo("fifo.ts", 0600), 0);
  begin("ffmpeg -i in.mp4 kept.mp4 none.mp4 fifo.ts made.mp4");
  put("made.mp4", "made");
  assert_made("!kept.mp4 !none.mp4 ~fifo.ts made.mp4");
  assert_int_equal(chmod("kept.mp4", 0600), 0); /* as a copy that keeps its time would look */
  assert_made("kept.mp4 !none.mp4 ~fifo.ts made.mp4");
  outputs_fini(&current);
}

static void test_patterns_of_files(void **unused) {
  (void)unused;
  assert_int_equal(mkdir("v_0", 0700), 0);
  assert_int_equal(mkdir("full", 0700), 0);
  assert_int_equal(mkdir("empty", 0700), 0);
  put("s001.ts", "1");
  put("s002.ts", "2");
  put("full/x.mp4", "x");
  set_time("s002.ts", 1000);
  begin("ffmpeg -i in s%03d.ts v_%v/out.m3u8 t%d.ts");
  put("s002.ts", "3");
  put("s003.ts", "3");
  put("sx.ts", "x");
  put("v_0/out.m3u8", "0");
  assert_int_equal(mkdir("v_1", 0700), 0);
  put("v_1/out.m3u8", "1");
  assert_made("s002.ts s003.ts v_0/out.m3u8 v_1/out.m3u8 !t%d.ts");
  put("s%03d.ts", "the name itself");
  assert_made("s%03d.ts v_0/out.m3u8 v_1/out.m3u8 !t%d.ts");
  outputs_fini(&current);
  begin("pack full empty fresh");
  put("full/y.mp4", "y");
  put("empty/b.mp4", "b");
  put("empty/a.mp4", "a");
  assert_int_equal(mkdir("fresh", 0700), 0);
  assert_int_equal(mkdir("fresh/deep", 0700), 0);
  put("fresh/c.mp4", "c");
  put("fresh/deep/d.mp4", "d");
  assert_made("empty/a.mp4 empty/b.mp4 fresh/c.mp4");
  outputs_fini(&current);
}

static void look_without_descriptors(const char *wanted) {
  struct rlimit before, few;
  assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
  few = (struct rlimit){.rlim_cur = 3, .rlim_max = before.rlim_max};
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
  if (wanted != NULL)
    assert_made(wanted);
  else
    outputs_look(&current);
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

/* A directory that cannot be read is not one without files: neither before the command nor after it. */
static void test_directories_that_cannot_be_read(void **unused) {
  static const char *const lines[] = {"ffmpeg -i in s%03d.ts out.mp4", "tool s%03d.ts out.mp4", "tool pack out.mp4"};
  static const char *const wanted[] = {"!s%03d.ts out.mp4", "!s%03d.ts out.mp4", "!pack out.mp4"};
  for (size_t i = 0; i < 3; i++) {
    assert_int_equal(make_dir(unused), 0);
    assert_int_equal(mkdir("pack", 0700), 0);
    put("s001.ts", "1");
    begin(lines[i]);
    put("s002.ts", "2");
    put("pack/a.mp4", "a");
    put("out.mp4", "out");
    look_without_descriptors(wanted[i]);
    assert_made(i < 2 ? "s002.ts out.mp4" : "pack/a.mp4 out.mp4");
    assert_true(outputs_made_any(&current));
    outputs_fini(&current);
    assert_int_equal(unlink("out.mp4"), 0);
    find(lines[i], NULL, &current);
    look_without_descriptors(NULL);
    put("out.mp4", "out");
    assert_made(wanted[i]);
    outputs_fini(&current);
    assert_int_equal(remove_dir(unused), 0);
  }
}

/* A name that is relative to a directory that was removed names no file, and none in the root. */
static void test_a_removed_directory(void **unused) {
  (void)unused;
  static char tool[] = "tool", absolute[] = "/a.mp4", relative[] = "b.mp4", ffmpeg[] = "ffmpeg", input[] = "-i";
  static const struct {
    char *words[5], *named[3];
    const char *error, *first;
  } rows[] = {
      {{tool, absolute, relative}, {NULL}, "b.mp4: the command was not run", NULL},
      {{ffmpeg, input, absolute, relative}, {NULL}, "b.mp4: the command was not run", NULL},
      {{tool}, {absolute, relative}, "b.mp4: the command was not run", NULL},
      {{ffmpeg, input, relative, absolute}, {absolute}, NULL, "/a.mp4"},
      {{ffmpeg, input, relative, absolute}, {NULL}, NULL, "/a.mp4"},
      {{tool, relative, absolute}, {NULL}, NULL, "/a.mp4"},
  };
  assert_int_equal(rmdir(dir), 0);
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct outputs outputs = {.items = NULL};
    struct err err = {0};
    int result = outputs_find(rows[i].words, rows[i].named[0] != NULL ? rows[i].named : NULL, &outputs, &err);
    assert_int_equal(result, rows[i].error != NULL ? -ERR_USAGE : 0);
    if (rows[i].error != NULL) assert_int_equal(strncmp(err.text, rows[i].error, strlen(rows[i].error)), 0);
    if (rows[i].first != NULL) assert_int_equal(outputs.count, 1);
    if (rows[i].first != NULL) assert_string_equal(outputs.items[0].path, rows[i].first);
    outputs_fini(&outputs);
  }
}

static void test_taken(void **unused) {
  (void)unused;
  begin("tool a.mp4 b.mp4");
  put("a.mp4", "a");
  current.items[0].is_taken = current.items[1].is_taken = true;
  assert_made("!a.mp4");
  outputs_fini(&current);
}

/* Replaces a file as a program that knows its work does: by another one, with an older time. */
static void replace(const char *name, const char *content) {
  put("replacement", content);
  set_time("replacement", 1000);
  assert_int_equal(rename("replacement", name), 0);
}

static void test_after_a_kill(void **unused) {
  (void)unused;
  put("in.mp4", "in");
  put("old.mp4", "old");
  put("s1.mp4", "s");
  begin("tool in.mp4 old.mp4 new.mp4 s%d.mp4");
  put("old.mp4", "made");
  put("new.mp4", "made");
  put("s2.mp4", "made");
  current.made_count = outputs_mark_made(&current, &current.made);
  assert_int_equal(current.made_count, 3);
  replace("in.mp4", "another input");
  replace("s1.mp4", "another");
  put("s3.mp4", "another");
  current.end = OUTPUTS_UNKNOWN;
  assert_made("?in.mp4 ?old.mp4 new.mp4 ?s1.mp4 s2.mp4 s3.mp4");
  current.end = OUTPUTS_NOTED;
  assert_made("old.mp4 new.mp4 s2.mp4");
  assert_int_equal(chmod("new.mp4", 0600), 0);
  assert_made("old.mp4 new.mp4 s2.mp4");
  replace("old.mp4", "another");
  replace("s2.mp4", "another");
  assert_int_equal(unlink("new.mp4"), 0);
  assert_made("!old.mp4 !new.mp4 !s2.mp4");
  outputs_fini(&current);
  begin("ffmpeg -i in.mp4 over.mp4 late.mp4");
  put("over.mp4", "made");
  current.end = OUTPUTS_UNKNOWN; /* the line says that it is an output */
  assert_made("over.mp4 !late.mp4");
  current.made_count = outputs_mark_made(&current, &current.made);
  current.end = OUTPUTS_NOTED;
  put("late.mp4", "another");
  assert_made("over.mp4 !late.mp4");
  replace("over.mp4", "another");
  assert_made("!over.mp4 !late.mp4");
  outputs_fini(&current);
}

static void test_two_runs(void **unused) {
  (void)unused;
  put("shared-input.mp4", "i");
  static const struct {
    const char *first, *second;
    bool shares;
  } rows[] = {
      {"tool a.mp4", "tool b.mp4", false},
      {"tool shared-input.mp4 a.mp4", "tool shared-input.mp4 b.mp4", false},
      {"tool .", "tool .", false},
      {"ffmpeg -i in a%d.ts", "ffmpeg -i in b1.ts", false},
      {"tool a.mp4", "other ./a.mp4", true},
      {"ffmpeg -i in a%d.ts", "ffmpeg -i in a1.ts", true},
      {"ffmpeg -i in a1.ts", "ffmpeg -i in a%d.ts", true},
      {"ffmpeg -i in none/a%d.ts", "ffmpeg -i in none/a%d.ts", true},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct outputs a, b;
    bool shares = false;
    find(rows[i].first, NULL, &a);
    outputs_look(&a);
    find(rows[i].second, NULL, &b);
    for (size_t n = 0; n < a.count; n++)
      for (size_t m = 0; m < b.count; m++)
        shares = shares || candidate_shares(&a.items[n], &b.items[m]);
    if (shares != rows[i].shares) fail_msg("%s and %s: wanted %d", rows[i].first, rows[i].second, rows[i].shares);
    outputs_fini(&a);
    outputs_fini(&b);
  }
}

#define IN_DIR(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)

/* ---- rivals ---- */

/* What both runs make of a file, when the other ran at the same time. F: it counts; S: it is shared, and counts for none; R: the
 * other's; a dash: not looked at, or not made. `was`: a file that is there before the second run begins. */
static void test_rivals(void **unused) {
  (void)unused;
  static const struct {
    const char *first, *second, *file, *was;
    bool meets;
    char states[3]; /* of the first, then of the second */
  } rows[] = {
      {"s pool", "s pool", "pool/a.mp4", NULL, true, "SS"},
      {"s pool", "s ./pool/", "pool/a.mp4", NULL, true, "SS"},
      {"s pool", "s alias", "pool/a.mp4", NULL, true, "SS"},
      {"s pool", "s pool/a.mp4", "pool/a.mp4", NULL, true, "RF"},
      {"s pool", "ffmpeg -i x pool/a.mp4", "pool/a.mp4", NULL, true, "RF"},
      {"s pool", "ffmpeg -i x alias/a.mp4", "pool/a.mp4", NULL, true, "RF"},
      {"s pool", "ffmpeg -i x pool/a.mp4", "pool/b.mp4", NULL, true, "F-"},
      {"s pool", "ffmpeg -i x pool/a.m3u8", "pool/b.ts", NULL, true, "S-"},
      {"s pool", "s x=pool/a.mp4", "pool/a.mp4", NULL, true, "RF"},
      {"s pool", "ffmpeg -i x pool/a_%d.mp4", "pool/a_1.mp4", NULL, true, "RF"},
      {"s pool", "ffmpeg -i x pool/a_%d.mp4", "pool/b_1.mp4", NULL, true, "F-"},
      {"ffmpeg -i x pool/%d.mp4", "ffmpeg -i x pool/%d.mp4", "pool/1.mp4", NULL, true, "SS"},
      {"ffmpeg -i x pool/%d.mp4", "ffmpeg -i x alias/%03d.mp4", "pool/123.mp4", NULL, true, "SS"},
      {"ffmpeg -i x pool/a_%d.mp4", "ffmpeg -i x pool/b_%d.mp4", "pool/a_1.mp4", NULL, false, "F-"},
      {"ffmpeg -i x pool/%d.mp4", "ffmpeg -i x pool/1.mp4", "pool/1.mp4", NULL, true, "RF"},
      {"ffmpeg -i x %v/a.mp4", "ffmpeg -i x pool/%v.mp4", "pool/a.mp4", NULL, true, "SS"},
      {"s pool", "s fresh", "pool/a.mp4", NULL, false, "F-"},
      {"s pool", "s pool/deep", "pool/a.mp4", NULL, true, "F-"},
      {"s pool/a.mp4", "s pool/a.mp4", "pool/a.mp4", NULL, false, "FF"},
      {"s pool/a.mp4", "t pool/b.mp4", "pool/a.mp4", NULL, false, "F-"},
      {"ffmpeg -i x pool/a.mp4", "ffmpeg -i x pool/b.mp4", "pool/a.mp4", NULL, false, "F-"},
      {"s pool", "s pool/was.mp4", "pool/was.mp4", "pool/was.mp4", true, "F-"}, /* an input of the second */
      {"s pool", "s pool", "pool/a.mp4", "pool/was.mp4", true, "S-"}, /* the second has a full directory */
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct outputs both[2];
    char states[3] = "--";
    assert_int_equal(make_dir(unused), 0);
    assert_int_equal(mkdir("pool", 0700), 0);
    assert_int_equal(symlink("pool", "alias"), 0);
    find(rows[i].first, NULL, &both[0]);
    outputs_look(&both[0]);
    if (rows[i].was != NULL) put(rows[i].was, "was");
    find(rows[i].second, NULL, &both[1]);
    outputs_look(&both[1]);
    if (rows[i].was == NULL || strcmp(rows[i].was, rows[i].file) != 0) put(rows[i].file, "made");
    for (int n = 0; n < 2; n++) {
      struct rival_spots *a = rival_spots_new(&both[n]), *b = rival_spots_new(&both[1 - n]);
      bool met[8] = {false};
      if ((rival_spots_meet(a, b, met) > 0) != rows[i].meets) fail_msg("row %zu: do they meet?", i);
      rival_spots_free(a);
      rival_spots_free(b);
      outputs_add_rival(&both[n], (struct timespec){0})->outputs = both[1 - n]; /* it began before all files */
      struct made_list made;
      outputs_made(&both[n], &made);
      for (size_t m = 0; m < made.count; m++) {
        char absolute[128];
        (void)snprintf(absolute, sizeof absolute, "%s", strrchr(made.items[m].path, '/') + 1);
        bool is_it = strcmp(absolute, file_name(rows[i].file)) == 0;
        enum made_state state = made.items[m].state;
        if (is_it) states[n] = state == MADE_FILE ? 'F' : state == MADE_SHARED ? 'S' : state == MADE_RIVALS ? 'R' : '-';
      }
      made_list_fini(&made);
      vector_fini(&both[n].rivals); /* the other's outputs are its own */
    }
    if (strcmp(states, rows[i].states) != 0) fail_msg("row %zu: %s, and not %s", i, states, rows[i].states);
    outputs_fini(&both[0]);
    outputs_fini(&both[1]);
    assert_int_equal(remove_dir(unused), 0);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_patterns), IN_DIR(test_candidates),        IN_DIR(test_what_other_commands_made),
      IN_DIR(test_what_ffmpeg_made),   IN_DIR(test_patterns_of_files), IN_DIR(test_taken),
      IN_DIR(test_after_a_kill),       IN_DIR(test_two_runs),          IN_DIR(test_a_removed_directory),
      cmocka_unit_test(test_rivals),
      cmocka_unit_test(test_directories_that_cannot_be_read),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
