/* cli/cmd_record: what it prints of several outputs, of outputs that are not measured, and of parts of a list. A
 * media_probe of our own says what was measured; --explain needs no server. */
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
#include <unistd.h>

#include "cli/command.h"
#include "media/media.h"

static char dir[] = "/tmp/test_cmd_record.XXXXXX";

void (*media_on_progress)(void);

void media_fini(struct media *media) {
  for (size_t i = 0; i < media->count; i++) {
    for (size_t j = 0; j < media->items[i].span_count; j++)
      free(media->items[i].spans[j].path);
    free(media->items[i].spans);
    free(media->items[i].name);
    free(media->items[i].explanation);
  }
  for (size_t i = 0; i < media->parts.count; i++)
    free(media->parts.items[i]);
  vector_fini(&media->parts);
  vector_fini(media);
}

static char *in_dir(const char *name) {
  char *path;
  assert_true(asprintf(&path, "%s/%s", dir, name) > 0);
  return path;
}

/* `one.mp4` and other files are one output each; bad.mp4 is none, with an explanation; list.mpd has two renditions of
 * segments, of which the second is not measured. */
static void add_output(struct media *media, const struct media_options *options, const char *path, const char *tail,
                       const char *file, bool is_measured) {
  struct media_output *output = vector_must_add(media);
  assert_true(asprintf(&output->name, "%s%s", path, tail) > 0);
  output->is_measured = is_measured;
  if (options->explain) output->explanation = strdup("piece 1: 0 to 2 s\nrate: 25\x1b\n");
  if (!is_measured) {
    (void)err_set(&output->why, ERR_MEDIA, "%s: it is broken", output->name);
    return;
  }
  output->spans = calloc(1, sizeof *output->spans);
  output->spans->path = strdup(file);
  output->spans->size = 1;
  output->span_count = 1;
  memcpy(output->codec, "h264", sizeof "h264");
  output->width = 640;
  output->height = 360;
  output->duration_ms = 2000;
}

int media_probe(const char *path, const struct media_options *options, struct media *ret, struct err *err) {
  *ret = (struct media){0};
  if (strstr(path, "list.mpd") != NULL) {
    char *segment = in_dir("segment.m4s");
    add_output(ret, options, path, "#720p", segment, true);
    add_output(ret, options, path, "#360p", NULL, false);
    *vector_must_add(&ret->parts) = segment;
    ret->is_list = true;
    return 0;
  }
  if (strstr(path, "broken.m3u8") != NULL || strstr(path, "keys") != NULL) {
    *vector_must_add(&ret->parts) = in_dir("one.mp4");
    *vector_must_add(&ret->parts) = in_dir("other.m3u8");
    ret->is_list = true;
    ret->refusal = strstr(path, "keys") != NULL ? MEDIA_REFUSED_NO_OUTPUT : MEDIA_REFUSED_UNFINISHED;
    return err_set(err, ERR_MEDIA, "%s: it is not finished", path);
  }
  bool is_bad = strstr(path, "bad") != NULL;
  add_output(ret, options, path, "", path, !is_bad);
  if (!is_bad) return 0;
  *err = ret->items->why;
  return -ERR_MEDIA;
}

static char *content_of(const char *name) {
  SCOPED_MALLOC char *path = in_dir(name);
  char *text = calloc(1, 65536);
  FILE *file = fopen(path, "r");
  assert_non_null(file);
  (void)!fread(text, 1, 65535, file);
  assert_int_equal(fclose(file), 0);
  (void)unlink(path);
  return text;
}

static void redirect(int fd, const char *name, int *ret_kept) {
  SCOPED_MALLOC char *path = in_dir(name);
  *ret_kept = dup(fd);
  int to = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  assert_true(to >= 0 && dup2(to, fd) == fd);
  (void)close(to);
}

static void restore(int fd, int kept) {
  assert_int_equal(dup2(kept, fd), fd);
  (void)close(kept);
}

static void test_what_is_printed(void **state) {
  (void)state;
  const struct {
    const char *args[6];
    int status;
    const char *out[5], *err[3], *no_out; /* texts in this order */
  } rows[] = {
      {{"one.mp4"}, 0, {"one.mp4: h264 640x360 2.000 s, source file, id 1:", "\n  piece 1: 0 to 2 s\n  rate: 25\\x1b\n"}, {NULL}, "not measured"},
      {{"bad.mp4"}, 1, {"bad.mp4: not measured\n  piece 1:"}, {"record: ", "/bad.mp4: it is broken\n"}, "id 1:"},
      {{"list.mpd"}, 1, {"list.mpd#720p: h264 640x360", "id 1:", "list.mpd#360p: not measured\n  piece 1"}, {"list.mpd#360p: it is broken"}, NULL},
      {{"segment.m4s", "list.mpd", "one.mp4"},
       1,
       {"list.mpd#720p: h264", "one.mp4: h264"},
       {"#360p: it is broken", "segment.m4s: a part of list.mpd, so it is not recorded by itself"},
       "segment.m4s: h264"},
      {{"--id-prefix", "J", "segment.m4s", "one.mp4"}, 0, {"segment.m4s: ", "id J/segment.m4s\n", "id J/one.mp4\n"}, {NULL}, NULL},
      /* a list that is refused: its media are no outputs, a playlist that it names is one; by content, not by name */
      {{"one.mp4", "other.m3u8", "broken.m3u8"},
       1,
       {"other.m3u8: h264"},
       {"it is not finished", "one.mp4: a part of broken.m3u8, so it is not recorded by itself"},
       "one.mp4: h264"},
      {{"one.mp4", "keys.txt"}, 1, {"one.mp4: h264"}, {"it is not finished"}, NULL},
      {{"segment.m4s", "list.mpd.txt"}, 1, {"720p: h264"}, {"segment.m4s: a part of list.mpd.txt"}, "segment.m4s: h264"},
      {{"--id-prefix", "J", "list.mpd"}, 1, {"id J/list.mpd#720p\n"}, {NULL}, NULL},
      {{"--id", "J", "list.mpd"}, 1, {NULL}, {"list.mpd: it has 2 outputs, and --id names one; give --id-prefix"}, "720p"},
  };
  assert_int_equal(chdir(dir), 0);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char record[] = "record", explain[] = "--explain", *argv[9] = {record, explain};
    int argc = 2, kept_out, kept_err;
    for (size_t j = 0; rows[i].args[j] != NULL; j++)
      argv[argc++] = (char *)rows[i].args[j];
    (void)fflush(stdout);
    redirect(STDOUT_FILENO, "out", &kept_out);
    redirect(STDERR_FILENO, "err", &kept_err);
    int status = cmd_record(argc, argv);
    (void)fflush(stdout);
    (void)fflush(stderr);
    restore(STDOUT_FILENO, kept_out);
    restore(STDERR_FILENO, kept_err);
    SCOPED_MALLOC char *out = content_of("out"), *err = content_of("err");
    const char *at = out;
    for (size_t j = 0; j < 5 && rows[i].out[j] != NULL; j++) {
      at = strstr(at, rows[i].out[j]);
      if (at == NULL) fail_msg("row %zu: '%s' is not in: %s", i, rows[i].out[j], out);
    }
    at = err;
    for (size_t j = 0; j < 3 && rows[i].err[j] != NULL; j++) {
      at = strstr(at, rows[i].err[j]);
      if (at == NULL) fail_msg("row %zu: '%s' is not in: %s", i, rows[i].err[j], err);
    }
    if (rows[i].err[0] == NULL && rows[i].status == 0) assert_string_equal(err, "");
    if (rows[i].no_out != NULL && strstr(out, rows[i].no_out) != NULL) fail_msg("row %zu: %s", i, out);
    if (status != rows[i].status) fail_msg("row %zu: status %d: %s", i, status, err);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_what_is_printed)};
  static const struct {
    const char *name, *content;
  } files[] = {{"one.mp4", "1"},
               {"bad.mp4", "2"},
               {"list.mpd", "<MPD></MPD>"},
               {"list.mpd.txt", "<MPD></MPD>"},
               {"segment.m4s", "3"},
               {"broken.m3u8", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nother.m3u8\n"},
               {"other.m3u8", "#EXTM3U\n"},
               {"keys.txt", "#EXTM3U\n"}};
  const size_t count = sizeof files / sizeof files[0];
  if (mkdtemp(dir) == NULL) return 1;
  for (size_t i = 0; i < count; i++) {
    SCOPED_MALLOC char *path = in_dir(files[i].name);
    FILE *file = fopen(path, "w");
    if (file == NULL || fputs(files[i].content, file) < 0 || fclose(file) != 0) return 1;
  }
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  for (size_t i = 0; i < count; i++) {
    SCOPED_MALLOC char *path = in_dir(files[i].name);
    (void)unlink(path);
  }
  (void)rmdir(dir);
  return failed;
}
