/* Any bytes as a file to import. The first byte picks the format (c: CSV, else ndjson), the rest is the file. Whatever
 * they are: an event stands on one line and a row of CSV is JSON, places only move on, and from any of them the same
 * follows as when all is read at once: else an import that was interrupted would count otherwise than one that was not. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/check.h"
#include "base/json.h"
#include "base/scope.h"
#include "import/source.h"

#define CHECKED_MAX 4 /* places from which the rest is read again */
#define EVENT_DEPTH 3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct import_source *open_source(int fd, enum import_format format) {
  const struct import_source_options options = {.fd = fd, .name = "fuzz", .format = format, .source = "s"};
  struct import_source *source;
  struct err err = {0};
  CHECK(lseek(fd, 0, SEEK_SET) == 0);
  int result = import_source_open(&options, &source, &err);
  CHECK(result == 0 || (result == -ERR_USAGE && err.text[0] != '\0'));
  return result == 0 ? source : NULL;
}

static void check_json(struct str text) {
  SCOPED(arena_free_ref) struct arena *arena = arena_new((size_t)16 << 20);
  SCOPED(json_parser_free_ref) struct json_parser *parser = json_parser_new();
  SCOPED(buf_fini) struct buf padded = {0};
  const struct json *json;
  CHECK(arena != NULL && parser != NULL);
  buf_str(&padded, text);
  char *padding = buf_extend(&padded, JSON_PADDING);
  CHECK(padding != NULL);
  memset(padding, 0, JSON_PADDING);
  CHECK(json_parse(parser, arena, str_make(padded.ptr, text.len), EVENT_DEPTH, &json, NULL) == 0);
}

static void check_event(const struct import_event *event, enum import_format format) {
  if (event->refusal.len > 0) return;
  CHECK(event->text.len > 0 && event->text.len <= 8 * IMPORT_ROW_MAX);
  CHECK(memchr(event->text.ptr, '\n', event->text.len) == NULL);
  if (format == IMPORT_CSV) check_json(event->text);
}

struct place {
  uint64_t offset, line;
};

/* Writes what is read from where the source stands; remembers the places behind each event. */
static size_t read_all(struct import_source *source, enum import_format format, struct buf *out,
                       struct place places[CHECKED_MAX], size_t lens[CHECKED_MAX]) {
  struct import_event event;
  struct err err = {0};
  bool is_end = false;
  size_t count = 0;
  for (;;) {
    uint64_t before = import_source_offset(source);
    CHECK(import_source_next(source, &event, &is_end, &err) == 0);
    CHECK(import_source_offset(source) >= before);
    if (is_end) return count;
    CHECK(import_source_offset(source) > before && event.line < import_source_line(source) + 1);
    check_event(&event, format);
    buf_printf(out, "%llu %zu ", (unsigned long long)event.line, event.text.len);
    buf_str(out, event.text);
    buf_str(out, event.refusal);
    buf_char(out, '\n');
    if (count == CHECKED_MAX || places == NULL) continue;
    places[count] = (struct place){import_source_offset(source), import_source_line(source)};
    lens[count++] = out->len;
  }
}

static void check_places(int fd, enum import_format format, struct str whole, const struct place *places,
                         const size_t *lens, size_t count) {
  struct err err = {0};
  for (size_t i = 0; i < count; i++) {
    SCOPED(import_source_close_ref) struct import_source *source = open_source(fd, format);
    SCOPED(buf_fini) struct buf rest = {0};
    CHECK(source != NULL && import_source_seek(source, places[i].offset, places[i].line, &err) == 0);
    (void)read_all(source, format, &rest, NULL, NULL);
    CHECK(str_equal(buf_view(&rest), str_make(whole.ptr + lens[i], whole.len - lens[i])));
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  enum import_format format = data[0] == 'c' ? IMPORT_CSV : IMPORT_NDJSON;
  SCOPED_FD int fd = memfd_create("fuzz", MFD_CLOEXEC);
  CHECK(fd >= 0 && write(fd, data + 1, size - 1) == (ssize_t)(size - 1));
  SCOPED(import_source_close_ref) struct import_source *source = open_source(fd, format);
  if (source == NULL) return 0;
  SCOPED(buf_fini) struct buf out = {0};
  struct place places[CHECKED_MAX];
  size_t lens[CHECKED_MAX], count = read_all(source, format, &out, places, lens);
  CHECK(!out.failed);
  check_places(fd, format, buf_view(&out), places, lens, count);
  return 0;
}
