/* Any bytes as a playlist or manifest. The first byte says which it is (h HLS, d DASH), the rest are the list. The files
 * that it may name are a.ts, b.mp4 and the list itself. Whatever it is: what is usable plays something, and stretches
 * cover the spans. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/file.h"
#include "media/list.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[] = "/tmp/codecmeter-fuzz-XXXXXX";

static void write_bytes(const char *name, const void *bytes, size_t size) {
  SCOPED_MALLOC char *path = file_path(dir, name);
  SCOPED_FD int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  CHECK(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
}

static void remove_dir(void) {
  struct err err;
  CHECK(file_remove_tree(dir, &err) == 0);
}

static void make_dir(void) {
  static bool is_made;
  if (is_made) return;
  CHECK(mkdtemp(dir) != NULL && atexit(remove_dir) == 0);
  write_bytes("a.ts", dir, sizeof dir);
  write_bytes("b.mp4", dir, sizeof dir);
  is_made = true;
}

static void check_rendition(const struct rendition *rendition) {
  size_t covered = 0;
  CHECK(rendition->name != NULL);
  if (!rendition->is_usable) {
    CHECK(rendition->why.code == ERR_MEDIA && rendition->why.text[0] != '\0');
    return;
  }
  CHECK(rendition->span_count > 0);
  for (size_t i = 0; i < rendition->stretch_count; i++) {
    CHECK(rendition->stretches[i].first == covered);
    covered += rendition->stretches[i].count;
  }
  CHECK(covered == rendition->span_count);
  for (size_t i = 0; i < rendition->span_count; i++)
    CHECK(rendition->spans[i].path[0] == '/' && rendition->spans[i].size <= INT64_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  make_dir();
  write_bytes("list", data + 1, size - 1);
  SCOPED_MALLOC char *path = file_path(dir, "list");
  SCOPED(list_fini) struct list list;
  struct err err = {.text = ""};
  int result = data[0] == 'd' ? dash_read(path, &list, &err) : hls_read(path, &list, &err);
  CHECK(result == 0 || (result == -(int)err.code && err.text[0] != '\0'));
  CHECK(list.part_count > 0 && (result != 0 || list.count > 0));
  for (size_t i = 0; i < list.count; i++)
    check_rendition(&list.renditions[i]);
  return 0;
}
