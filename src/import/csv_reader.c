/* libcsv calls back for each cell and row of what it is given, and cannot be stopped. It is given one line at a time,
 * and only a line feed ends a row: so there is never more than one row to keep. */
#include "import/csv_reader.h"

#include <csv.h>
#include <stdlib.h>

#include "base/check.h"

/* By which libcsv's buffer grows: its own 128 bytes would copy a long cell thousands of times. */
#define BLOCK_SIZE ((size_t)64 << 10)

struct csv_reader {
  struct csv_parser parser;
  bool is_open;     /* a row has begun */
  bool is_complete; /* and ended */
  bool is_stale;    /* the cells are those of a row that was handed out */
  struct buf text;
  size_t ends[CSV_READER_CELLS_MAX];
  size_t cells;
};

/* CR is a blank, so that one before the line feed is taken off, and one astray within a cell is kept and refused. */
static int is_space(unsigned char c) { return c == ' ' || c == '\t' || c == '\r'; }
static int is_end(unsigned char c) { return c == '\n'; }

static void start(struct csv_reader *reader) {
  CHECK(csv_init(&reader->parser, CSV_STRICT | CSV_STRICT_FINI) == 0);
  csv_set_space_func(&reader->parser, is_space);
  csv_set_term_func(&reader->parser, is_end);
  csv_set_blk_size(&reader->parser, BLOCK_SIZE);
}

struct csv_reader *csv_reader_new(void) {
  struct csv_reader *reader = calloc(1, sizeof *reader);
  CHECK(reader != NULL);
  start(reader);
  return reader;
}

void csv_reader_free(struct csv_reader *reader) {
  if (reader == NULL) return;
  csv_free(&reader->parser);
  buf_fini(&reader->text);
  free(reader);
}

void csv_reader_reset(struct csv_reader *reader) {
  csv_free(&reader->parser);
  start(reader);
  reader->is_open = false;
  reader->is_stale = true;
}

static void take_cell(void *ptr, size_t len, void *arg) {
  struct csv_reader *reader = arg;
  if (reader->cells < CSV_READER_CELLS_MAX) {
    buf_append(&reader->text, ptr, len);
    reader->ends[reader->cells] = reader->text.len;
  }
  reader->cells++;
}

static void take_row(int end, void *arg) {
  struct csv_reader *reader = arg;
  (void)end;
  reader->is_complete = true;
}

static void forget_row(struct csv_reader *reader) {
  if (!reader->is_stale) return;
  buf_clear(&reader->text);
  reader->cells = 0;
  reader->is_stale = false;
}

static enum csv_reader_state finish(struct csv_reader *reader, bool is_good) {
  if (!is_good) {
    csv_reader_reset(reader);
    return CSV_READER_BAD;
  }
  reader->is_open = !reader->is_complete;
  if (reader->is_open) return CSV_READER_MORE;
  CHECK(!reader->text.failed);
  reader->is_stale = true;
  return CSV_READER_ROW;
}

static bool is_blank(struct str text) {
  for (size_t i = 0; i < text.len; i++) {
    if (!is_space((unsigned char)text.ptr[i]) && !is_end((unsigned char)text.ptr[i])) return false;
  }
  return true;
}

enum csv_reader_state csv_reader_line(struct csv_reader *reader, struct str line) {
  if (!reader->is_open && is_blank(line)) return CSV_READER_BLANK;
  forget_row(reader);
  reader->is_complete = false;
  size_t taken = csv_parse(&reader->parser, line.ptr, line.len, take_cell, take_row, reader);
  CHECK(taken == line.len || csv_error(&reader->parser) == CSV_EPARSE);
  return finish(reader, taken == line.len);
}

enum csv_reader_state csv_reader_end(struct csv_reader *reader) {
  if (!reader->is_open) return CSV_READER_BLANK;
  reader->is_complete = false;
  return finish(reader, csv_fini(&reader->parser, take_cell, take_row, reader) == 0);
}

size_t csv_reader_cells(const struct csv_reader *reader) { return reader->cells; }

struct str csv_reader_cell(const struct csv_reader *reader, size_t index) {
  CHECK(index < reader->cells && index < CSV_READER_CELLS_MAX);
  size_t begin = index > 0 ? reader->ends[index - 1] : 0;
  return str_make(buf_view(&reader->text).ptr + begin, reader->ends[index] - begin);
}
