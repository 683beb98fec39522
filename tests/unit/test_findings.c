/* What counts of what a command made. The module that measures is replaced: a file's own lines say what it would
 * find.
 *
 *   output NAME     an output of 2 s, whose media is the file NAME
 *   broken TEXT     an output that cannot be measured
 *   part NAME       the list plays this file
 *   refused NUMBER  an enum media_refusal
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/findings.h"
#include "base/bytes.h"
#include "base/file.h"

#define WORDS_MAX 32
#define ITEMS_MAX 8

static char dir[64];
static unsigned probes; /* calls of media_probe */

/* ---- the module ---- */

void (*media_on_progress)(void);

void media_fini(struct media *media) {
  for (size_t i = 0; i < media->count; i++) {
    for (size_t n = 0; n < media->items[i].span_count; n++)
      free(media->items[i].spans[n].path);
    free(media->items[i].spans);
    free(media->items[i].name);
  }
  for (size_t i = 0; i < media->parts.count; i++)
    free(media->parts.items[i]);
  vector_fini(&media->parts);
  vector_fini(media);
}

static void add_output(struct media *media, const char *name, const char *path) {
  struct stat st;
  struct media_output *output = vector_must_add(media);
  *output = (struct media_output){
      .name = strdup(name), .is_measured = true, .width = 640, .height = 360, .duration_ms = 2000};
  strcpy(output->codec, "h264");
  output->spans = calloc(1, sizeof *output->spans);
  output->span_count = 1;
  assert_int_equal(stat(path, &st), 0);
  output->spans[0] = (struct media_span){.path = strdup(path), .size = (uint64_t)st.st_size};
}

int media_probe(const char *path, const struct media_options *options, struct media *ret, struct err *err) {
  (void)options;
  char text[4096] = "", value[256], name[400];
  FILE *file = fopen(path, "r");
  probes++;
  assert_non_null(file);
  size_t got = fread(text, 1, sizeof text - 1, file);
  assert_int_equal(fclose(file), 0);
  text[got] = '\0';
  *ret = (struct media){0};
  ret->is_list = text[0] == '#' || text[0] == '<';
  int result = -ERR_MEDIA;
  for (char *rest = text, *line; (line = strsep(&rest, "\n")) != NULL;) {
    int number;
    if (sscanf(line, "output %255s", value) == 1) {
      (void)snprintf(name, sizeof name, "%s/%s", dir, value);
      add_output(ret, ret->is_list ? name : path, name);
      result = 0;
    } else if (sscanf(line, "broken %255s", value) == 1) {
      struct media_output *output = vector_must_add(ret);
      *output = (struct media_output){.name = strdup(path)};
      (void)err_set(&output->why, ERR_MEDIA, "%s: %s", path, value);
    } else if (sscanf(line, "part %255s", value) == 1) {
      (void)snprintf(name, sizeof name, "%s/%s", dir, value);
      *vector_must_add(&ret->parts) = strdup(name);
    } else if (sscanf(line, "refused %d", &number) == 1) {
      ret->refusal = (enum media_refusal)number;
    }
  }
  return result == 0 ? 0 : err_set(err, ERR_MEDIA, "%s: refused", path);
}

/* ---- the files ---- */

#define VIDEO(name) \
  { name, "output " name "\n" }
#define PICTURE "refused 1\n"
#define PART "refused 2\n"
#define NO_OUTPUT "refused 3\n"
#define UNFINISHED "refused 4\n"
#define MASTER "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n"
#define LIST "#EXTM3U\n"

struct file {
  const char *name, *content;
};

static int make_dir(void **unused) {
  (void)unused;
  strcpy(dir, "/tmp/codecmeter-findings-XXXXXX");
  return mkdtemp(dir) != NULL && chdir(dir) == 0 ? 0 : -1;
}

static int remove_dir(void **unused) {
  (void)unused;
  struct err err;
  return chdir("/") == 0 ? file_remove_tree(dir, &err) : -1;
}

static void find(const char *text, struct outputs *ret) {
  static char copy[512];
  char *words[WORDS_MAX] = {NULL};
  size_t count = 0;
  (void)snprintf(copy, sizeof copy, "%s", text);
  for (char *rest = copy, *word; (word = strsep(&rest, " ")) != NULL;)
    words[count++] = word;
  *ret = (struct outputs){.items = NULL};
  struct err err;
  assert_int_equal(outputs_find(words, NULL, ret, &err), 0);
  outputs_look(ret);
}

static void make(const struct file *files) {
  for (size_t i = 0; i < ITEMS_MAX && files[i].name != NULL; i++) {
    const char *slash = strchr(files[i].name, '/');
    SCOPED_MALLOC char *above = slash != NULL ? strndup(files[i].name, (size_t)(slash - files[i].name)) : NULL;
    if (above != NULL) assert_true(mkdir(above, 0700) == 0 || errno == EEXIST);
    FILE *file = fopen(files[i].name, "w");
    assert_non_null(file);
    assert_true(fputs(files[i].content, file) >= 0);
    assert_int_equal(fclose(file), 0);
  }
}

/* "out.m3u8=a.ts,b.ts thumb.jpg- cut.mp4!": counted with the names of its outputs, left out, unmetered. */
static void show(const struct findings *findings, bool ids, struct buf *out) {
  for (size_t i = 0; i < findings->count; i++) {
    const struct finding *finding = &findings->items[i];
    buf_printf(out, "%s%s", i > 0 ? " " : "", finding->path + strlen(dir) + 1);
    if (finding->verdict != FINDING_COUNTED) buf_char(out, finding->verdict == FINDING_LEFT_OUT ? '-' : '!');
    for (size_t n = 0; finding->verdict == FINDING_COUNTED && n < finding->reports.count; n++) {
      const struct report *report = &finding->reports.items[n];
      const char *name = report->is_measured ? report->name + strlen(dir) + 1 : "!";
      buf_printf(out, "%s%s%s", n > 0 ? "," : "=", ids ? report->id : name, report->is_repeat ? "(repeat)" : "");
    }
  }
  buf_char(out, '\0');
}

struct row {
  const char *line;
  struct file files[ITEMS_MAX];
  const char *findings;
  size_t counted;
};

static const struct row rows[] = {
    {"tool a b", {{"a", PICTURE}, {"b", PART}}, "a- b-", 0},
    {"tool a b", {{"a", "refused 0\n"}, VIDEO("b")}, "a! b=b", 1},
    {"ffmpeg a b", {VIDEO("b")}, "a! b=b", 1},
    {"tool a b c", {VIDEO("b")}, "b=b", 1},
    /* a list stands for what it plays */
    {"tool s.ts l", {VIDEO("s.ts"), {"l", LIST "output s.ts\npart s.ts\n"}}, "l=s.ts", 1},
    {"tool s.ts l", {VIDEO("s.ts"), {"l", LIST "part s.ts\nrefused 0\n"}}, "l!", 0},
    {"tool s.ts l", {VIDEO("s.ts"), {"l", LIST "part s.ts\n" UNFINISHED}}, "l!", 0},
    {"tool s.ts l", {VIDEO("s.ts"), {"l", LIST "part s.ts\n" NO_OUTPUT}}, "l- s.ts=s.ts", 1},
    /* a master is measured first, and stands for its playlists */
    {"tool l m s.ts",
     {VIDEO("s.ts"), {"l", LIST "output s.ts\npart s.ts\n"}, {"m", MASTER "output s.ts\npart l\npart s.ts\n"}},
     "m=s.ts",
     1},
    /* one that cannot be measured leaves its playlists to themselves, and no segment to itself */
    {"tool l m s.ts",
     {VIDEO("s.ts"), {"l", LIST "output s.ts\npart s.ts\n"}, {"m", MASTER "part l\npart s.ts\nrefused 0\n"}},
     "m! l=s.ts",
     1},
    /* the same of manifests with a prefix, and behind a long comment */
    {"tool a s.mp4 z", {{"a", LIST "output s.mp4\n"}, VIDEO("s.mp4"), {"z", "<d:MPD>\noutput s.mp4\npart s.mp4\n"}},
     "z=s.mp4 a=s.mp4(repeat)", 1},
    {"tool s.mp4 z", {VIDEO("s.mp4"), {"z", "<!-- <MPD> -->\n<d:MPD>\noutput s.mp4\npart s.mp4\n"}}, "z=s.mp4", 1},
    {"tool s.mp4 z", {VIDEO("s.mp4"), {"z", "<svg a=\"<MPD\">\nrefused 1\n"}}, "s.mp4=s.mp4 z-", 1},
    {"tool m", {VIDEO("s.ts"), {"m", MASTER "output s.ts\nbroken x\n"}}, "m=s.ts,!", 1},
    /* two lists over the same media are one output */
    {"tool h d",
     {VIDEO("s.ts"), {"h", LIST "output s.ts\n"}, {"d", "<?xml?><MPD>\noutput s.ts\n"}},
     "d=s.ts h=s.ts(repeat)",
     1},
};

static void test_what_counts(void **state) {
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct outputs outputs;
    struct findings findings;
    const struct outputs_report report = {.has_kind = false};
    SCOPED(buf_fini) struct buf got = {0};
    assert_int_equal(make_dir(state), 0);
    find(rows[i].line, &outputs);
    make(rows[i].files);
    findings_measure(&outputs, &report, &findings);
    show(&findings, false, &got);
    if (strcmp(got.ptr, rows[i].findings) != 0 || findings_counted(&findings) != rows[i].counted)
      fail_msg("row %zu: %s gives %s, %zu; wanted %s, %zu", i, rows[i].line, got.ptr, findings_counted(&findings),
               rows[i].findings, rows[i].counted);
    findings_fini(&findings);
    outputs_fini(&outputs);
    assert_int_equal(remove_dir(state), 0);
  }
}

static void assert_ids(const char *line, const struct file *files, const struct report_options *as,
                       const char *wanted, unsigned wanted_probes) {
  struct outputs outputs;
  struct findings findings;
  const struct outputs_report report = {.as = *as};
  SCOPED(buf_fini) struct buf got = {0};
  assert_int_equal(make_dir(NULL), 0);
  find(line, &outputs);
  make(files);
  probes = 0;
  findings_measure(&outputs, &report, &findings);
  show(&findings, true, &got);
  assert_string_equal(got.ptr, wanted);
  assert_int_equal(probes, wanted_probes);
  findings_fini(&findings);
  outputs_fini(&outputs);
  assert_int_equal(remove_dir(NULL), 0);
}

/* After a kill, what was there before and has changed does not count, and is named only if it holds video. A doubtful list
 * takes its segments with it. */
static void test_doubtful_files(void **state) {
  static const struct file before[] = {{"in", "x"}, {"text", "x"}, {"list", "x"}, {NULL, NULL}};
  static const struct file after[] = {VIDEO("in"), {"text", PICTURE}, {"list", LIST "output s.ts\npart s.ts\n"},
                                      VIDEO("s.ts"), VIDEO("new"), {NULL, NULL}};
  struct outputs outputs;
  struct findings findings;
  const struct outputs_report report = {.as.id = "one"};
  SCOPED(buf_fini) struct buf got = {0};
  assert_int_equal(make_dir(state), 0);
  make(before);
  find("tool in text list s.ts new", &outputs);
  make(after);
  outputs.end = OUTPUTS_UNKNOWN;
  findings_measure(&outputs, &report, &findings);
  show(&findings, true, &got);
  assert_string_equal(got.ptr, "list! in! text- new=one");
  assert_non_null(strstr(findings.items[0].why.text, "record it with"));
  assert_int_equal(findings.items[0].reports.count, 0);
  findings_fini(&findings);
  outputs_fini(&outputs);
  assert_int_equal(remove_dir(state), 0);
}

/* Prefixed ids are below what is counted, not below a thumbnail elsewhere: then what was made is measured again. */
static void test_ids(void **unused) {
  (void)unused;
  static const struct file two[] = {VIDEO("x/a"), VIDEO("x/b"), {NULL, NULL}};
  static const struct file elsewhere[] = {VIDEO("x/a"), {"y/t", PICTURE}, {NULL, NULL}};
  static const struct file picture[] = {VIDEO("a"), {"t", PICTURE}, {NULL, NULL}};
  const struct report_options prefix = {.id_prefix = "J"}, id = {.id = "one"};
  assert_ids("tool x/a x/b", two, &prefix, "x/a=J/a x/b=J/b", 2);
  assert_ids("tool x/a y/t", elsewhere, &prefix, "x/a=J/a y/t-", 4);
  assert_ids("tool a t", picture, &id, "a=one t-", 2);
  assert_ids("tool x/a x/b", two, &id, "x/a! x/b!", 4);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_what_counts), cmocka_unit_test(test_doubtful_files),
                                     cmocka_unit_test(test_ids)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
