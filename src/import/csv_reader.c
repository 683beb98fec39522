/* libcsv calls back for each cell and row of its input, and cannot be stopped. It gets one line at a time, and only a
 * line feed ends a row, so this reader never keeps more than one row.
 *
 * By default libcsv removes blanks around cells. But a blank is a character of an id, and every other way in keeps
 * it: if it were removed here, one task would have two identities. */
#include "import/csv_reader.h"

#include <csv.h>
#include <stdlib.h>

#include "base/check.h"

/* The step by which libcsv's buffer grows. With its default of 128 bytes it would copy a long cell thousands of
 * times. */
#define BLOCK_SIZE ((size_t)64 << 10)

struct csv_reader {
  char delimiter;
  struct csv_parser parser;
  bool is_complete; /* the row has ended */
  struct buf text;
  size_t ends[CSV_READER_CELLS_MAX];
  size_t cells;
};

/* Tells libcsv that no character is a blank. */
static int is_no_space(unsigned char c) {
  (void)c;
  return 0;
}
static int is_end(unsigned char c) { return c == '\n'; }

static void start(struct csv_reader *reader) {
  CHECK(csv_init(&reader->parser, CSV_STRICT | CSV_STRICT_FINI) == 0);
  csv_set_delim(&reader->parser, (unsigned char)reader->delimiter);
  csv_set_space_func(&reader->parser, is_no_space);
  csv_set_term_func(&reader->parser, is_end);
  csv_set_blk_size(&reader->parser, BLOCK_SIZE);
}

struct csv_reader *csv_reader_new(char delimiter) {
  struct csv_reader *reader = calloc(1, sizeof *reader);
  CHECK(reader != NULL);
  reader->delimiter = delimiter;
  start(reader);
  return reader;
}

void csv_reader_free(struct csv_reader *reader) {
  if (reader == NULL) return;
  csv_free(&reader->parser);
  buf_fini(&reader->text);
  free(reader);
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

static bool is_blank(struct str text) {
  for (size_t i = 0; i < text.len; i++) {
    if (memchr(" \t\r\n", text.ptr[i], 4) == NULL) return false;
  }
  return true;
}

/* Removes LF, CR LF, or the CR of a last line that lost its LF. */
static struct str without_end(struct str line) {
  if (line.len > 0 && line.ptr[line.len - 1] == '\n') line.len--;
  if (line.len > 0 && line.ptr[line.len - 1] == '\r') line.len--;
  return line;
}

static size_t parse(struct csv_reader *reader, struct str text) {
  return csv_parse(&reader->parser, text.ptr, text.len, take_cell, take_row, reader);
}

enum csv_reader_state csv_reader_line(struct csv_reader *reader, struct str line) {
  if (is_blank(line)) return CSV_READER_BLANK;
  buf_clear(&reader->text);
  reader->cells = 0;
  reader->is_complete = false;
  struct str row = without_end(line);
  bool is_good = parse(reader, row) == row.len && parse(reader, STR("\n")) == 1;
  if (is_good && reader->is_complete) {
    CHECK(!reader->text.failed);
    return CSV_READER_ROW;
  }
  CHECK(is_good || csv_error(&reader->parser) == CSV_EPARSE);
  csv_free(&reader->parser);
  start(reader);
  return is_good ? CSV_READER_OPEN : CSV_READER_BAD;
}

size_t csv_reader_cells(const struct csv_reader *reader) { return reader->cells; }

struct str csv_reader_cell(const struct csv_reader *reader, size_t index) {
  CHECK(index < reader->cells && index < CSV_READER_CELLS_MAX);
  size_t begin = index > 0 ? reader->ends[index - 1] : 0;
  return str_make(buf_view(&reader->text).ptr + begin, reader->ends[index] - begin);
}
