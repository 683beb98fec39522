/* Any bytes as a playlist or manifest. The first byte says which it is (h HLS, d DASH), the rest are the list. The files
 * that it may name have known sizes: see `files`. s-5.m4s lies beside them for lists that are only an end or state too short a
 * length; whole.mp4 has boxes of media and of an index; v.m3u8 is a playlist, songs.m3u8 one that is none; `folder` is no
 * file. Whatever the list is: what is usable plays bytes that are there, and stretches cover the spans. */
#include <fcntl.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
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

static const struct {
  const char *name;
  size_t size;
} files[] = {{"a.ts", 188}, {"b.ts", 376}, {"init.mp4", 50}, {"s-1.m4s", 100}, {"s-2.m4s", 100}, {"s-3.m4s", 100},
             {"s-4.m4s", 100}, {"s-5.m4s", 100}, {"t-0.m4s", 100}, {"t-2.m4s", 100}, {"t-4.m4s", 100}, {"a b.ts", 188}};

/* A head of 100 bytes, media, an index, media. */
static void make_boxes(void) {
  static const struct {
    uint32_t at, size;
    char kind[5];
  } boxes[] = {{0, 100, "moov"}, {100, 50, "moof"}, {150, 8, "sidx"}, {158, 42, "moof"}};
  unsigned char bytes[200] = "";
  for (size_t i = 0; i < sizeof boxes / sizeof *boxes; i++) {
    be32_store(bytes + boxes[i].at, boxes[i].size);
    memcpy(bytes + boxes[i].at + 4, boxes[i].kind, 4);
  }
  write_bytes("whole.mp4", bytes, sizeof bytes);
}

/* GLib warns where it is used wrongly. */
static GLogWriterOutput on_warning(GLogLevelFlags level, const GLogField *fields, gsize count, gpointer data) {
  (void)g_log_writer_standard_streams(level, fields, count, data);
  abort();
}

static void make_dir(void) {
  static const char v[] = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\na.ts\n#EXTINF:1.5,\nb.ts\n#EXT-X-ENDLIST\n";
  static const char songs[] = "#EXTM3U\n#EXTINF:9,song\na.ts\n";
  static const char zeros[400];
  static bool is_made;
  if (is_made) return;
  g_log_set_writer_func(on_warning, NULL, NULL);
  CHECK(mkdtemp(dir) != NULL && atexit(remove_dir) == 0);
  SCOPED_MALLOC char *folder = file_path(dir, "folder");
  CHECK(mkdir(folder, 0700) == 0);
  for (size_t i = 0; i < sizeof files / sizeof *files; i++)
    write_bytes(files[i].name, zeros, files[i].size);
  make_boxes();
  write_bytes("v.m3u8", v, sizeof v - 1);
  write_bytes("songs.m3u8", songs, sizeof songs - 1);
  is_made = true;
}

static void check_span(const struct media_span *span) {
  struct stat st;
  CHECK(span->path[0] == '/' && stat(span->path, &st) == 0 && S_ISREG(st.st_mode));
  CHECK(span->offset <= (uint64_t)st.st_size && span->size <= (uint64_t)st.st_size - span->offset);
}

static void check_rendition(const struct rendition *rendition) {
  size_t covered = 0;
  CHECK(rendition->name != NULL);
  if (!rendition->is_usable) {
    CHECK(rendition->why.code == ERR_MEDIA && rendition->why.text[0] != '\0');
    return;
  }
  CHECK(rendition->spans.count > 0);
  for (size_t i = 0; i < rendition->stretches.count; i++) {
    const struct stretch *stretch = &rendition->stretches.items[i];
    struct err err = {.text = ""};
    CHECK(stretch->first == covered && stretch->count > 0);
    covered += stretch->count;
    if (stretch->init.path != NULL) check_span(&stretch->init);
    double enough = ((double)stretch->plays_us + (double)stretch->slack_us) / 1e6 + 1.0;
    CHECK((stretch_check(rendition, stretch, 1e18, enough, &err) == 0) == (stretch->plays_us == 0));
  }
  CHECK(covered == rendition->spans.count);
  for (size_t i = 0; i < rendition->spans.count; i++)
    check_span(&rendition->spans.items[i]);
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
  CHECK(list.parts.count > 0 && (result != 0 || list.count > 0));
  for (size_t i = 0; i < list.count; i++)
    check_rendition(&list.items[i]);
  return 0;
}
