/* agent/report: options, ids that a user chooses, numbering, names, and media that change while they are measured. A
 * media_probe of our own says what was measured. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/report.h"
#include "agent/report_ids.h"

#define TIME_S 1700000000

static char dir[] = "/tmp/test_report.XXXXXX";

/* ---- the media_probe of these tests ---- */

struct rendition {
  const char *name; /* "#1": the path and this; without '#': a file in dir; NULL: the path */
  const char *file; /* in dir; NULL: the path */
};
static const struct rendition *renditions; /* ends with {0}; NULL: the path is one output */
static void (*while_measured)(const char *path);
static int times_measured, probe_result;

void media_fini(struct media *media) {
  for (size_t i = 0; i < media->count; i++) {
    free(media->items[i].spans[0].path);
    free(media->items[i].spans);
    free(media->items[i].name);
  }
  vector_fini(media);
}

void (*media_on_progress)(void);

static char *in_dir(const char *name) {
  char *path;
  assert_true(asprintf(&path, "%s/%s", dir, name) > 0);
  return path;
}

static struct media_output make_output(const char *path, const struct rendition *from) {
  struct media_output output = {.span_count = 1, .is_measured = true, .codec = "h264", .width = 640, .height = 360,
                                .duration_ms = 20000};
  struct stat st;
  output.spans = calloc(1, sizeof *output.spans);
  output.spans->path = from->file != NULL ? in_dir(from->file) : strdup(path);
  assert_int_equal(stat(output.spans->path, &st), 0);
  output.spans->size = (uint64_t)st.st_size;
  if (from->name == NULL)
    output.name = strdup(path);
  else if (from->name[0] == '#')
    assert_true(asprintf(&output.name, "%s%s", path, from->name) > 0);
  else
    output.name = in_dir(from->name);
  return output;
}

int media_probe(const char *path, const struct media_options *options, struct media *ret, struct err *err) {
  static const struct rendition one[] = {{0}};
  (void)options;
  *ret = (struct media){0};
  const struct rendition *from = renditions != NULL ? renditions : one;
  do {
    *vector_must_add(ret) = make_output(path, from);
    from++;
  } while (renditions != NULL && (from->name != NULL || from->file != NULL));
  ++times_measured;
  if (while_measured != NULL) while_measured(path);
  return probe_result == 0 ? 0 : err_set(err, (enum err_code)-probe_result, "%s: it is truncated", path);
}

/* ---- files ---- */

static void set_time(const char *path, int64_t time_s, long ns) {
  const struct timespec times[2] = {{.tv_sec = time_s, .tv_nsec = ns}, {.tv_sec = time_s, .tv_nsec = ns}};
  assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static char *make(const char *name, const char *content) {
  char *path = in_dir(name);
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  assert_true(fputs(content, file) >= 0);
  assert_int_equal(fclose(file), 0);
  set_time(path, TIME_S, 999999999);
  return path;
}

static void check_measured(const char *path, const struct report_options *options, struct reports *reports) {
  struct err err = {0};
  int result = report_measure(path, options, reports, &err);
  if (result != 0) fail_msg("%s: %s", path, err.text);
}

static void check_id(const char *path, const struct report_options *options, const char *want, bool is_repeat) {
  struct reports reports;
  check_measured(path, options, &reports);
  assert_string_equal(reports.items[0].source, options->source != NULL ? options->source : "file");
  assert_string_equal(reports.items[0].id, want);
  assert_int_equal(reports.items[0].is_repeat, is_repeat);
  char quoted[REPORT_ID_SIZE + 16];
  (void)snprintf(quoted, sizeof quoted, "\"id\":\"%s\"", want);
  if (strpbrk(want, "\\\"") == NULL) assert_non_null(strstr(reports.items[0].event.ptr, quoted));
  reports_fini(&reports);
}

/* ---- what a user says ---- */

static void test_options_that_are_refused(void **state) {
  (void)state;
  char longest[REPORT_ID_SIZE], too_long[REPORT_ID_SIZE + 1];
  memset(longest, 'x', sizeof longest);
  memset(too_long, 'x', sizeof too_long);
  longest[sizeof longest - 1] = too_long[sizeof too_long - 1] = '\0';
  const struct {
    struct report_options options;
    const char *words;
  } rows[] = {
      {{.id = ""}, "--id is empty"},
      {{.id = too_long}, "--id is longer than 256 bytes"},
      {{.id = "caf\xe9"}, "--id is not UTF-8"},
      {{.id = "a\nb"}, "--id has a control character"},
      {{.id = "a\xc2\x85"}, "--id has a control character"},
      {{.source = ""}, "--source is empty"},
      {{.source = "\xff"}, "--source is not UTF-8"},
      {{.source = too_long}, "--source is longer"},
      {{.task_id = "\x7f"}, "--task-id has a control"},
      {{.task_id = too_long}, "--task-id is longer"},
      {{.id_prefix = ""}, "--id-prefix is empty"},
      {{.id_prefix = "\xed\xa0\x80"}, "--id-prefix is not UTF-8"},
      {{.id = "a", .id_prefix = "b"}, "exclude each other"},
  };
  char *path = make("options", "x");
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct err err = {0};
    struct reports reports;
    struct report failure = {0};
    const struct timespec now = {.tv_sec = TIME_S};
    assert_int_equal(report_check_options(&rows[i].options, &err), -ERR_USAGE);
    if (strstr(err.text, rows[i].words) == NULL) fail_msg("row %zu: %s", i, err.text);
    assert_int_equal(report_measure(path, &rows[i].options, &reports, &err), -ERR_USAGE);
    reports_fini(&reports);
    assert_int_equal(report_failure(path, now, now, &rows[i].options, &failure, &err), -ERR_USAGE);
    report_fini(&failure);
  }
  const struct report_options fits = {.id = longest, .source = longest, .task_id = longest};
  check_id(path, &fits, longest, false);
  (void)unlink(path);
  free(path);
}

static void test_ids_by_prefix(void **state) {
  (void)state;
  const struct {
    const char *prefix, *base, *name, *want;
  } rows[] = {
      {"J", "", "/a.mp4", "J/a.mp4"},
      {"J/", "", "/a.mp4", "J/a.mp4"},
      {"J", NULL, "/x/y/a.mp4", "J/a.mp4"},
      {"J", "/x", "/x/y/a.mp4", "J/y/a.mp4"},
      {"J", "/x/z", "/x/y/a.mp4", "J/../y/a.mp4"},
      {"J", "/x/y/z", "/a.mp4", "J/../../../a.mp4"},
      {"J", "/x", "/xy/a.mp4", "J/../xy/a.mp4"},
      {"J", "/x", "/x/電影 1.mp4", "J/電影 1.mp4"},
      {"J", "/x", "/x/caf\xe9.mp4", "J/caf%E9.mp4"},
      {"J", "/x", "/x/a\nb\x7f\xc2\x85.mp4", "J/a%0Ab%7F%C2%85.mp4"},
      {"J", "/x", "/x/100%.mp4", "J/100%.mp4"},
      {"J", "/x", "/x/a%0Ab.mp4", "J/a%250Ab.mp4"},
      {"J", "/x", "/x/\xf0\x9f.mp4", "J/%F0%9F.mp4"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct report report = {.name = NULL};
    struct err err = {0};
    const struct report_options options = {.id_prefix = rows[i].prefix, .id_base = rows[i].base};
    assert_int_equal(report_ids_choose(&options, rows[i].name, strlen(rows[i].name), "", &report, &err), 0);
    if (strcmp(report.id, rows[i].want) != 0) fail_msg("row %zu: %s", i, report.id);
    assert_string_equal(report.source, "file");
  }
  char name[300] = "/";
  memset(name + 1, 'x', 255);
  struct report report = {.name = NULL};
  struct err err = {0};
  const struct report_options options = {.id_prefix = "J", .id_base = ""};
  assert_int_equal(report_ids_choose(&options, name, strlen(name), "", &report, &err), -ERR_USAGE);
  assert_non_null(strstr(err.text, "shorter --id-prefix"));
  name[255] = '\0';
  assert_int_equal(report_ids_choose(&options, name, strlen(name), "", &report, &err), 0);
  assert_int_equal(strlen(report.id), REPORT_ID_SIZE - 1);
}

static void test_common_directories(void **state) {
  (void)state;
  const struct {
    const char *paths[4];
    const char *want;
  } rows[] = {
      {{"/a.mp4"}, ""},
      {{"/x/a.mp4"}, "/x"},
      {{"/x/a.mp4", "/x/b.mp4"}, "/x"},
      {{"/x/a.mp4", "/xy/b.mp4"}, ""},
      {{"/x/y/a.mp4", "/x/b.mp4", "/x/y/c.mp4"}, "/x"},
      {{"/x/b.mp4", "/x/y/a.mp4"}, "/x"},
      {{"/x/a", "/x/a/b"}, "/x"},
      {{"/x/a.mp4", "/x/a.mp4"}, "/x"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    SCOPED_MALLOC char *directory = report_common_directory((char *const *)rows[i].paths);
    if (strcmp(directory, rows[i].want) != 0) fail_msg("row %zu: %s", i, directory);
  }
}

static void test_absolute_paths(void **state) {
  (void)state;
  assert_int_equal(chdir(dir), 0);
  const struct {
    const char *path, *want; /* want: behind dir */
  } rows[] = {{"none.mp4", "/none.mp4"}, {"./none.mp4", "/none.mp4"}, {"none/none.mp4", "/none/none.mp4"}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    SCOPED_MALLOC char *path = report_absolute_path(rows[i].path);
    assert_int_equal(strncmp(path, dir, strlen(dir)), 0);
    assert_string_equal(path + strlen(dir), rows[i].want);
  }
  SCOPED_MALLOC char *top = report_absolute_path("/none.mp4");
  assert_string_equal(top, "/none.mp4");
  assert_int_equal(mkdir("gone", 0700), 0);
  assert_int_equal(chdir("gone"), 0);
  assert_int_equal(rmdir("../gone"), 0);
  SCOPED_MALLOC char *lost = report_absolute_path("none.mp4"), *found = report_absolute_path("/none.mp4");
  assert_null(lost);
  assert_string_equal(found, "/none.mp4");
  assert_int_equal(chdir("/"), 0);
}

/* ---- identities ---- */

static void test_the_media_are_the_identity(void **state) {
  (void)state;
  const struct report_options options = {.project = NULL};
  char *path = make("small", "hello world"), *moved = in_dir("moved");
  check_id(path, &options, "1:0507425e27d9d7384f100425e0af2a65", false);
  set_time(path, TIME_S, 0);
  assert_int_equal(rename(path, moved), 0);
  check_id(moved, &options, "1:0507425e27d9d7384f100425e0af2a65", false);
  const struct report_options named = {.source = "farm-7"};
  check_id(moved, &named, "1:0507425e27d9d7384f100425e0af2a65", false);
  struct reports reports;
  check_measured(moved, &options, &reports);
  assert_int_equal(reports.items[0].time_ms, TIME_S * INT64_C(1000));
  assert_non_null(strstr(reports.items[0].event.ptr, "\"time\":\"2023-11-14T22:13:20.000Z\""));
  assert_non_null(strstr(reports.items[0].event.ptr, "\"dest_name\":\"moved\""));
  SCOPED_MALLOC char *line = report_line(&reports.items[0], REPORT_STORED);
  assert_non_null(strstr(line, "/moved: h264 640x360 20.000 s, stored, id 1:0507425e27d9d7384f100425e0af2a65"));
  reports_fini(&reports);
  (void)unlink(moved);
  free(moved);
  free(path);
}

#define HELLO "1:0507425e27d9d7384f100425e0af2a65"

static void test_distinct_files_are_numbered(void **state) {
  (void)state;
  char *one = make("one", "hello world"), *two = make("two", "hello world"), *three = make("three", "hello world"),
       *link_to_two = in_dir("link");
  assert_int_equal(link(two, link_to_two), 0);
  SCOPED(report_ids_free_ref) struct report_ids *ids = report_ids_new();
  const struct report_options numbered = {.ids = ids}, plain = {.ids = NULL};
  check_id(one, &numbered, HELLO, false);
  check_id(two, &numbered, HELLO "#2", false);
  check_id(link_to_two, &numbered, HELLO "#2", true);
  check_id(three, &numbered, HELLO "#3", false);
  check_id(one, &numbered, HELLO, true);
  check_id(two, &plain, HELLO, false);
  SCOPED(report_ids_free_ref) struct report_ids *named = report_ids_new();
  const struct report_options prefixed = {.ids = named, .id_prefix = "J", .id_base = dir};
  check_id(one, &prefixed, "J/one", false);
  check_id(two, &prefixed, "J/two", false);
  check_id(link_to_two, &prefixed, "J/two", true);
  struct reports reports;
  check_measured(one, &prefixed, &reports);
  SCOPED_MALLOC char *line = report_line(&reports.items[0], REPORT_DUPLICATE);
  assert_non_null(strstr(line, ", the same output as before, id J/one"));
  reports_fini(&reports);
  char *all[] = {one, two, three, link_to_two};
  for (size_t i = 0; i < 4; i++) {
    (void)unlink(all[i]);
    free(all[i]);
  }
}

static void test_renditions(void **state) {
  (void)state;
  static const struct rendition two[] = {{"#v/1", "segment-1"}, {"low.m3u8", "segment-2"}, {0}};
  char *list = make("out.mpd", "list"), *first = make("segment-1", "hello world"), *second = make("segment-2", "other");
  struct reports reports;
  struct err err;
  renditions = two;
  const struct report_options one_id = {.id = "J"}, prefixed = {.id_prefix = "J", .id_base = dir};
  assert_int_equal(report_measure(list, &one_id, &reports, &err), -ERR_USAGE);
  assert_non_null(strstr(err.text, "2 outputs"));
  reports_fini(&reports);
  assert_int_equal(chdir(dir), 0);
  check_measured("out.mpd", &prefixed, &reports);
  assert_int_equal(reports.count, 2);
  assert_string_equal(reports.items[0].id, "J/out.mpd#v/1");
  assert_string_equal(reports.items[0].name, "out.mpd#v/1");
  assert_non_null(strstr(reports.items[0].event.ptr, "\"dest_name\":\"out.mpd#v/1\""));
  assert_string_equal(reports.items[1].id, "J/low.m3u8");
  assert_non_null(strstr(reports.items[1].event.ptr, "\"dest_name\":\"low.m3u8\""));
  reports_fini(&reports);
  renditions = NULL;
  (void)unlink(list), (void)unlink(first), (void)unlink(second);
  free(list), free(first), free(second);
}

/* ---- media that change ---- */

static void append_to(const char *path) {
  FILE *file = fopen(path, "a");
  assert_non_null(file);
  assert_true(fputs("more", file) >= 0);
  assert_int_equal(fclose(file), 0);
}

/* As cp -p does: the time of writing is old. */
static void replace_segment(const char *path) {
  (void)path;
  (void)usleep(20000); /* the kernel's clock for files may be a tick late */
  free(make("segment", "HELLO WORLD"));
}

static void touch(const char *path) { set_time(path, TIME_S, 5); }

static void remove_segment(const char *path) {
  SCOPED_MALLOC char *segment = in_dir("segment");
  (void)path;
  (void)unlink(segment);
}

/* As a file server whose clock goes ahead makes it look: changed before, and not a second time. */
static void replace_segment_once(const char *path) {
  if (times_measured == 1) replace_segment(path);
}

static void link_path(const char *path) {
  SCOPED_MALLOC char *other = in_dir("other-link");
  assert_int_equal(link(path, other), 0);
  assert_int_equal(unlink(other), 0);
}

static void test_media_that_change_while_they_are_measured(void **state) {
  (void)state;
  static const struct rendition of_segment[] = {{NULL, "segment"}, {0}};
  const struct {
    void (*change)(const char *path);
    const struct rendition *renditions;
    int probe_result, want, want_times;
  } rows[] = {
      {append_to, NULL, 0, -ERR_IO, 1},
      {touch, NULL, 0, -ERR_IO, 1},
      {append_to, NULL, -ERR_MEDIA, -ERR_IO, 1},
      {NULL, NULL, -ERR_MEDIA, -ERR_MEDIA, 1},
      {append_to, of_segment, 0, -ERR_IO, 1},
      {replace_segment, of_segment, 0, -ERR_IO, 2},
      {replace_segment_once, of_segment, 0, 0, 2},
      {remove_segment, of_segment, 0, -ERR_MEDIA, 1},
      {link_path, NULL, 0, 0, 1},
  };
  const struct report_options options = {.project = NULL};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    SCOPED_MALLOC char *path = make("changing", "list"), *segment = make("segment", "hello world");
    struct reports reports;
    struct err err = {0};
    while_measured = rows[i].change;
    probe_result = rows[i].probe_result;
    times_measured = 0;
    renditions = rows[i].renditions;
    int result = report_measure(path, &options, &reports, &err);
    if (result != rows[i].want) fail_msg("row %zu: %d %s", i, result, err.text);
    assert_int_equal(times_measured, rows[i].want_times);
    if (result == -ERR_IO) assert_non_null(strstr(err.text, "changed while it was measured; try again"));
    reports_fini(&reports);
    (void)unlink(path);
    (void)unlink(segment);
  }
  while_measured = NULL;
  probe_result = 0;
  renditions = NULL;
}

/* ---- failures ---- */

static void test_outputs_that_failed(void **state) {
  (void)state;
  const struct timespec began = {.tv_sec = TIME_S, .tv_nsec = 5}, ended = {.tv_sec = TIME_S + 3, .tv_nsec = 500000000};
  const struct {
    struct report_options options;
    const char *want;
  } rows[] = {
      {{.id = "j"}, "j#failed-1700000000.000000005"},
      {{.id_prefix = "J", .id_base = dir}, "J/none.mp4#failed-1700000000.000000005"},
      {{.id_prefix = "J"}, "J/none.mp4#failed-1700000000.000000005"},
      {{.project = "p"}, NULL},
  };
  assert_int_equal(chdir(dir), 0);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct report report = {0};
    struct err err = {0};
    assert_int_equal(report_failure("./none.mp4", began, ended, &rows[i].options, &report, &err), 0);
    if (rows[i].want != NULL) {
      assert_string_equal(report.source, "file");
      assert_string_equal(report.id, rows[i].want);
    } else {
      assert_int_equal(strncmp(report.source, "host:", 5), 0);
      assert_int_equal(strlen(report.id), 32);
    }
    assert_int_equal(report.time_ms, (TIME_S + 3) * INT64_C(1000) + 500);
    assert_non_null(strstr(report.event.ptr, "\"type\":\"transcode.failed\""));
    report_fini(&report);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_options_that_are_refused),
      cmocka_unit_test(test_ids_by_prefix),
      cmocka_unit_test(test_common_directories),
      cmocka_unit_test(test_absolute_paths),
      cmocka_unit_test(test_the_media_are_the_identity),
      cmocka_unit_test(test_distinct_files_are_numbered),
      cmocka_unit_test(test_renditions),
      cmocka_unit_test(test_media_that_change_while_they_are_measured),
      cmocka_unit_test(test_outputs_that_failed),
  };
  if (mkdtemp(dir) == NULL) return 1;
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  (void)rmdir(dir);
  return failed;
}
