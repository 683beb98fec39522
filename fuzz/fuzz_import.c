/* Any bytes as a file to import. The first byte picks what it is (c: CSV, t: TSV, h: by its first line; C, H: the
 * same with a zone, mapped columns and labels; z: ndjson with a zone; d: documents; else ndjson), the rest is the
 * file. Whatever they are: an event or document is on one line, that of a row or a document is JSON, places only move
 * on, and from any of them the same follows as when all is read at once: else an import that was interrupted would
 * count otherwise than one that was not. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/check.h"
#include "base/json.h"
#include "base/scope.h"
#include "import/documents.h"
#include "import/source.h"

#define CHECKED_MAX 4 /* places from which the rest is read again */
#define EVENT_DEPTH 4
#define DOCUMENT_DEPTH 32
#define PIECE_MAX ((size_t)64)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct zone *lord_howe(void) {
  static const struct zone *zone;
  struct err err = {0};
  CHECK(zone != NULL || zone_find(STR("Australia/Lord_Howe"), &zone, &err) == 0);
  return zone;
}

static enum import_format format_of(char kind) {
  if (kind == 'c' || kind == 'C') return IMPORT_CSV;
  if (kind == 't') return IMPORT_TSV;
  return kind == 'h' || kind == 'H' ? IMPORT_BY_HEADER : IMPORT_NDJSON;
}

static bool has_options(char kind) { return kind == 'C' || kind == 'H'; }

static struct import_source *open_source(int fd, char kind) {
  static char map[] = "id=job, width=w", labels[] = "team,show=The Show", ignored[] = "notes";
  static char *maps[] = {map, NULL}, *labelled[] = {labels, NULL}, *ignores[] = {ignored, NULL};
  struct import_source_options options = {
      .fd = fd, .name = "fuzz", .format = format_of(kind), .needs_format = kind == 'H'};
  struct import_source *source;
  struct err err = {0};
  if (kind != 'z' && options.format != IMPORT_NDJSON) options.columns.source = "s";
  if (has_options(kind)) {
    options.columns.map = maps;
    options.columns.labels = labelled;
    options.columns.ignored = ignores;
  }
  if (has_options(kind) || kind == 'z') options.times.zone = lord_howe();
  CHECK(lseek(fd, 0, SEEK_SET) == 0);
  int result = import_source_open(&options, &source, &err);
  CHECK(result == 0 || (result == -ERR_USAGE && err.text[0] != '\0'));
  return result == 0 ? source : NULL;
}

static void check_json(struct str text, unsigned depth) {
  SCOPED(arena_free_ref) struct arena *arena = arena_new((size_t)16 << 20);
  SCOPED(json_parser_free_ref) struct json_parser *parser = json_parser_new();
  SCOPED(buf_fini) struct buf padded = {0};
  const struct json *json;
  CHECK(arena != NULL && parser != NULL);
  buf_str(&padded, text);
  char *padding = buf_extend(&padded, JSON_PADDING);
  CHECK(padding != NULL);
  memset(padding, 0, JSON_PADDING);
  CHECK(json_parse(parser, arena, str_make(padded.ptr, text.len), depth, &json, NULL) == 0);
}

static void check_event(const struct import_event *event, char kind) {
  if (event->refusal.len > 0) return;
  CHECK(event->text.len > 0 && event->text.len <= 8 * IMPORT_ROW_MAX);
  CHECK(memchr(event->text.ptr, '\n', event->text.len) == NULL);
  if (kind == 'c' || kind == 'C' || kind == 't') check_json(event->text, EVENT_DEPTH);
}

struct place {
  uint64_t offset, line;
};

/* Writes what is read from where the source stands; remembers the places behind each event. */
static size_t read_all(struct import_source *source, char kind, struct buf *out, struct place places[CHECKED_MAX],
                       size_t lens[CHECKED_MAX]) {
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
    check_event(&event, kind);
    buf_printf(out, "%llu %zu ", (unsigned long long)event.line, event.text.len);
    buf_str(out, event.text);
    buf_str(out, event.refusal);
    buf_char(out, '\n');
    if (count == CHECKED_MAX || places == NULL) continue;
    places[count] = (struct place){import_source_offset(source), import_source_line(source)};
    lens[count++] = out->len;
  }
}

static void check_places(int fd, char kind, struct str whole, const struct place *places, const size_t *lens,
                         size_t count) {
  struct err err = {0};
  for (size_t i = 0; i < count; i++) {
    SCOPED(import_source_close_ref) struct import_source *source = open_source(fd, kind);
    SCOPED(buf_fini) struct buf rest = {0};
    CHECK(source != NULL && import_source_seek(source, places[i].offset, places[i].line, &err) == 0);
    (void)read_all(source, kind, &rest, NULL, NULL);
    CHECK(str_equal(buf_view(&rest), str_make(whole.ptr + lens[i], whole.len - lens[i])));
  }
}

/* ---- documents ---- */

static struct import_documents *open_documents(int fd) {
  const struct import_documents_options options = {.fd = fd, .name = "fuzz", .piece_max = PIECE_MAX};
  CHECK(lseek(fd, 0, SEEK_SET) == 0);
  return import_documents_open(&options);
}

/* What was read: all but pieces of divided documents as texts; of those the number of elements, because they may be
 * divided in another way from another place. */
struct seen {
  struct buf text;
  size_t elements;
};

static void see(const struct import_document *document, struct seen *seen) {
  bool is_piece = document->refusal.len == 0 && document->elements > 0;
  if (document->refusal.len == 0) {
    CHECK(memchr(document->text.ptr, '\n', document->text.len) == NULL);
    check_json(document->text, DOCUMENT_DEPTH);
  }
  CHECK(document->refusal.len == 0 || document->elements <= 1); /* a bad element takes no other with it */
  if (is_piece) {
    seen->elements += document->elements;
    return;
  }
  buf_printf(&seen->text, "%llu ", (unsigned long long)document->line);
  buf_str(&seen->text, document->text);
  buf_str(&seen->text, document->refusal);
  buf_char(&seen->text, '\n');
}

struct milestone {
  struct place place;
  size_t text_len, elements;
};

static size_t read_documents(struct import_documents *documents, struct seen *seen, struct milestone *milestones) {
  struct import_document document;
  struct err err = {0};
  bool is_end = false;
  for (size_t count = 0;;) {
    uint64_t before = import_documents_offset(documents), line = import_documents_line(documents);
    CHECK(import_documents_next(documents, &document, &is_end, &err) == 0);
    CHECK(import_documents_offset(documents) >= before && import_documents_line(documents) >= line);
    if (is_end) return count;
    see(&document, seen);
    bool is_end_of_array = document.text.len == 0;
    if (count == CHECKED_MAX || milestones == NULL || is_end_of_array) continue;
    milestones[count++] = (struct milestone){
        {import_documents_offset(documents), import_documents_line(documents)}, seen->text.len, seen->elements};
  }
}

static void check_documents(int fd) {
  SCOPED(import_documents_close_ref) struct import_documents *documents = open_documents(fd);
  struct seen all = {0};
  struct milestone milestones[CHECKED_MAX];
  size_t count = read_documents(documents, &all, milestones);
  CHECK(!all.text.failed);
  for (size_t i = 0; i < count; i++) {
    SCOPED(import_documents_close_ref) struct import_documents *again = open_documents(fd);
    struct seen rest = {0};
    size_t len = milestones[i].text_len;
    import_documents_seek(again, milestones[i].place.offset, milestones[i].place.line);
    (void)read_documents(again, &rest, NULL);
    CHECK(str_equal(buf_view(&rest.text), str_make(buf_view(&all.text).ptr + len, all.text.len - len)));
    CHECK(rest.elements + milestones[i].elements == all.elements);
    buf_fini(&rest.text);
  }
  buf_fini(&all.text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  char kind = (char)data[0];
  SCOPED_FD int fd = memfd_create("fuzz", MFD_CLOEXEC);
  CHECK(fd >= 0 && write(fd, data + 1, size - 1) == (ssize_t)(size - 1));
  if (kind == 'd') {
    check_documents(fd);
    return 0;
  }
  SCOPED(import_source_close_ref) struct import_source *source = open_source(fd, kind);
  if (source == NULL) return 0;
  SCOPED(buf_fini) struct buf out = {0};
  struct place places[CHECKED_MAX];
  size_t lens[CHECKED_MAX], count = read_all(source, kind, &out, places, lens);
  CHECK(!out.failed);
  check_places(fd, kind, buf_view(&out), places, lens, count);
  return 0;
}
