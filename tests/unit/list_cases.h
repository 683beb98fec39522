/* What test_hls.c and test_dash.c share: a directory with files of known sizes, and a list's meaning as text. */
#ifndef CODECMETER_TESTS_LIST_CASES_H
#define CODECMETER_TESTS_LIST_CASES_H

#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/file.h"
#include "media/list.h"
#include "media/list_kind.h"

static char dir[] = "/tmp/codecmeter-list-XXXXXX";

struct list_case {
  const char *text;   /* the list */
  const char *why;    /* what the error says; NULL: the list is read */
  const char *plays;  /* what it plays: see describe; of a refused list: nothing */
  enum media_refusal refusal;
  uint64_t stated_us, rounding_us; /* of the first rendition; 0 and 0: not compared */
};

static void write_bytes(const char *name, const void *bytes, size_t len) {
  SCOPED_MALLOC char *path = file_path(dir, name);
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, bytes, len), len);
  assert_int_equal(close(fd), 0);
}

/* A file of as many bytes. */
static void make_file(const char *name, size_t size) {
  char *bytes = calloc(1, size + 1);
  write_bytes(name, bytes, size);
  free(bytes);
}

static const char *beside(const char *path) {
  size_t len = strlen(dir);
  return strncmp(path, dir, len) == 0 && path[len] == '/' ? path + len + 1 : path;
}

static void describe_span(const struct media_span *span, struct buf *out) {
  struct stat st;
  assert_int_equal(stat(span->path, &st), 0);
  buf_text(out, beside(span->path));
  if (span->offset != 0 || span->size != (uint64_t)st.st_size)
    buf_printf(out, "[%" PRIu64 "+%" PRIu64 "]", span->offset, span->size);
}

/* "name = init: a b[0+10] | c; name = …": a stretch after "|", a rendition after ";", a reason after "!". */
static void describe(const struct list *list, struct buf *out) {
  for (size_t i = 0; i < list->count; i++) {
    const struct rendition *rendition = &list->items[i];
    buf_printf(out, "%s%s =", i > 0 ? "; " : "", beside(rendition->name));
    if (!rendition->is_usable) {
      buf_text(out, " !");
      continue;
    }
    for (size_t j = 0; j < rendition->stretches.count; j++) {
      const struct stretch *stretch = &rendition->stretches.items[j];
      buf_text(out, j > 0 ? " |" : "");
      if (stretch->init.path != NULL) {
        buf_char(out, ' ');
        describe_span(&stretch->init, out);
        buf_char(out, ':');
      }
      for (size_t k = stretch->first; k < stretch->first + stretch->count; k++) {
        buf_char(out, ' ');
        describe_span(&rendition->spans.items[k], out);
      }
    }
  }
  buf_char(out, '\0');
}

static bool has_part(const struct list *list, const char *name) {
  unsigned found = 0;
  for (size_t i = 0; i < list->parts.count; i++)
    found += strcmp(beside(list->parts.items[i]), name) == 0;
  assert_true(found <= 1);
  return found == 1;
}

typedef int list_reader(const char *path, struct list *ret, struct err *err);

static void check_case(list_reader *read, const char *name, const struct list_case *one) {
  SCOPED(buf_fini) struct buf text = {.ptr = NULL};
  SCOPED_MALLOC char *path = file_path(dir, name);
  struct list list;
  struct err err = {.text = ""};
  write_bytes(name, one->text, strlen(one->text));
  int result = read(path, &list, &err);
  describe(&list, &text);
  bool is_expected = result == (one->why != NULL ? -ERR_MEDIA : 0) &&
                     (one->why == NULL || (strstr(err.text, one->why) != NULL && strncmp(err.text, dir, strlen(dir)) == 0)) &&
                     (one->why != NULL || strcmp(text.ptr, one->plays) == 0) && list.refusal == one->refusal;
  if (!is_expected) fail_msg("%s\ngave %d refusal %d: %s\n%s", one->text, result, (int)list.refusal, err.text, text.ptr);
  if (one->stated_us != 0 || one->rounding_us != 0) {
    assert_int_equal(list.items[0].stated_us, one->stated_us);
    assert_int_equal(list.items[0].rounding_us, one->rounding_us);
  }
  assert_true(has_part(&list, name));
  list_fini(&list);
}

/* A list that needs a file which cannot be read now: in the directory `locked` without permissions, or locked.*, which can
 * be examined but not opened. */
struct locked_case {
  const char *text;
  bool is_read; /* the file is of sound or subtitles; else -ERR_IO is returned */
};

/* Root may read anything, so this runs as another user. */
static void check_locked(list_reader *read, const char *name, const struct locked_case *cases, size_t count) {
  bool is_root = geteuid() == 0;
  SCOPED_MALLOC char *path = file_path(dir, name);
  make_file("locked.ts", 100);
  make_file("locked.m3u8", 100);
  assert_true(mkdir("locked", 0700) == 0 && chmod("locked", 0) == 0 && chmod("locked.ts", 0) == 0);
  assert_true(chmod("locked.m3u8", 0) == 0 && chmod(dir, 0755) == 0);
  for (size_t i = 0; i < count; i++) {
    struct list list;
    struct err err = {.text = ""};
    write_bytes(name, cases[i].text, strlen(cases[i].text));
    if (is_root) assert_int_equal(seteuid(65534), 0);
    int result = read(path, &list, &err);
    if (is_root) assert_int_equal(seteuid(0), 0);
    bool is_expected = cases[i].is_read ? result == 0 : result == -ERR_IO && strstr(err.text, "Permission denied") != NULL;
    if (!is_expected) fail_msg("%s\ngave %d: %s", cases[i].text, result, err.text);
    assert_true(has_part(&list, name));
    list_fini(&list);
  }
  assert_int_equal(chmod("locked", 0700), 0);
}

#endif
