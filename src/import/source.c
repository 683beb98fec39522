/* A window slides over the file, and lines are taken from its front. It has room for the longest accepted line and
 * one more read, so a line that is too long is detected before the window is full. */
#include "import/source.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "base/json.h"
#include "import/csv_reader.h"
#include "import/input.h"

#define READ_SIZE ((size_t)256 << 10)
#define WINDOW_SIZE (IMPORT_ROW_MAX + READ_SIZE)
#define BYTE_ORDER_MARK STR(INPUT_MARK)

struct import_source {
  struct import_source_options options;
  char *window;
  size_t begin, end;      /* of the bytes that were read and not yet taken */
  bool at_end;            /* the end of the file was read */
  uint64_t offset;        /* of begin in the file */
  uint64_t line;          /* the line that begins there */
  struct csv_reader *csv; /* of rows; NULL: ndjson */
  struct columns *columns;
  struct buf event, refusal;
};

/* ---- lines ---- */

struct line {
  uint64_t number;
  struct str text; /* with its line feed, if it has one; empty at the end of the file, and if it is too long */
  bool is_end, is_long;
};

static int fill(struct import_source *source, struct err *err) {
  memmove(source->window, source->window + source->begin, source->end - source->begin);
  source->end -= source->begin;
  source->begin = 0;
  CHECK(source->end < WINDOW_SIZE);
  size_t got;
  int result = input_read(source->options.fd, source->options.name, source->window + source->end,
                          WINDOW_SIZE - source->end, &got, err);
  if (result != 0) return result;
  source->at_end = got == 0;
  source->end += got;
  return 0;
}

static void advance(struct import_source *source, size_t len) {
  source->begin += len;
  source->offset += len;
}

/* Takes a line. If the line is longer than IMPORT_ROW_MAX, takes a part of it, without a line feed. */
static int take_piece(struct import_source *source, struct str *ret, struct err *err) {
  size_t seen = 0;
  for (;;) {
    const char *from = source->window + source->begin;
    size_t len = source->end - source->begin;
    const char *feed = memchr(from + seen, '\n', len - seen);
    if (feed != NULL || source->at_end || len > IMPORT_ROW_MAX) {
      *ret = str_make(from, feed != NULL ? (size_t)(feed - from) + 1 : len);
      advance(source, ret->len);
      if (feed != NULL) source->line++;
      return 0;
    }
    seen = len;
    int result = fill(source, err);
    if (result != 0) return result;
  }
}

static bool has_feed(struct str piece) { return piece.len > 0 && piece.ptr[piece.len - 1] == '\n'; }

static int take_line(struct import_source *source, struct line *ret, struct err *err) {
  struct str piece;
  *ret = (struct line){.number = source->line, .text = STR("")};
  int result = take_piece(source, &piece, err);
  if (result != 0) return result;
  ret->is_end = piece.len == 0;
  ret->is_long = piece.len - has_feed(piece) > IMPORT_ROW_MAX;
  if (!ret->is_long) ret->text = piece;
  while (result == 0 && ret->is_long && !has_feed(piece) && piece.len > 0)
    result = take_piece(source, &piece, err);
  return result;
}

/* ---- ndjson ---- */

static struct str pass_marks(struct str text) {
  while (str_starts(text, BYTE_ORDER_MARK))
    text = str_make(text.ptr + BYTE_ORDER_MARK.len, text.len - BYTE_ORDER_MARK.len);
  return text;
}

/* Joined files have byte order marks in the middle, or two in a row. All are removed, because the server would skip
 * one at the front of a batch, and count one event less. It skips blank lines too, so both agree on what is blank. */
static struct str trim_line(struct str text) {
  size_t before;
  do {
    before = text.len;
    text = json_trim(pass_marks(text));
  } while (text.len < before);
  return text;
}

static int next_line(struct import_source *source, struct import_event *ret, bool *ret_is_end, struct err *err) {
  struct line line;
  struct str text;
  do {
    int result = take_line(source, &line, err);
    if (result != 0) return result;
    text = trim_line(line.text);
  } while (!line.is_end && !line.is_long && text.len == 0);
  *ret_is_end = line.is_end;
  *ret = (struct import_event){.line = line.number};
  buf_clear(&source->refusal);
  buf_clear(&source->event);
  if (line.is_long) buf_printf(&source->refusal, "the line is longer than %zu bytes", IMPORT_ROW_MAX);
  bool is_good = times_write_event(&source->options.times, text, &source->event, &source->refusal, &ret->is_twice);
  ret->text = is_good ? buf_view(&source->event) : text;
  ret->refusal = buf_view(&source->refusal);
  return 0;
}

/* ---- rows ---- */

struct row {
  enum { ROW_GOOD, ROW_BAD, ROW_OPEN, ROW_LONG, ROW_END } state;
  struct line line;
};

/* No text of an event may hold a line end. So a row is one line, and an unclosed quote spoils only that line. */
static int take_row(struct import_source *source, struct row *ret, struct err *err) {
  enum csv_reader_state state;
  do {
    int result = take_line(source, &ret->line, err);
    if (result != 0) return result;
    bool is_row = !ret->line.is_end && !ret->line.is_long;
    state = is_row ? csv_reader_line(source->csv, pass_marks(ret->line.text)) : CSV_READER_BLANK;
    ret->state = ret->line.is_end ? ROW_END : ret->line.is_long ? ROW_LONG : ROW_GOOD;
  } while (ret->state == ROW_GOOD && state == CSV_READER_BLANK);
  if (state == CSV_READER_OPEN) ret->state = ROW_OPEN;
  if (state == CSV_READER_BAD) ret->state = ROW_BAD;
  return 0;
}

/* Writes the reason why the line is not a row; nothing if it is one. */
static void find_fault(const struct import_source *source, const struct row *row, struct buf *out) {
  size_t cells = row->state == ROW_GOOD ? csv_reader_cells(source->csv) : 0,
         expected = columns_count(source->columns);
  if (row->state == ROW_LONG)
    buf_printf(out, "the row is longer than %zu bytes", IMPORT_ROW_MAX);
  else if (row->state == ROW_OPEN)
    buf_text(out, "a quote is not closed: a row must be on one line");
  else if (row->state == ROW_BAD)
    buf_text(out,
             "misplaced quote: double a quote inside quotes, and put nothing between a closing quote and the end "
             "of its cell");
  else if (cells != expected)
    buf_printf(out, "the row has %zu cell%s, but the header has %zu", cells, cells == 1 ? "" : "s", expected);
}

static int next_row(struct import_source *source, struct import_event *ret, bool *ret_is_end, struct err *err) {
  struct row row;
  int result = take_row(source, &row, err);
  if (result != 0) return result;
  *ret_is_end = row.state == ROW_END;
  if (*ret_is_end) return 0;
  *ret = (struct import_event){.line = row.line.number};
  buf_clear(&source->refusal);
  buf_clear(&source->event);
  find_fault(source, &row, &source->refusal);
  bool is_good = source->refusal.len == 0 && columns_write(source->columns, source->csv, &source->options.times,
                                                           &source->event, &source->refusal, &ret->is_twice);
  ret->text = is_good ? buf_view(&source->event) : trim_line(row.line.text);
  ret->refusal = buf_view(&source->refusal);
  return 0;
}

/* ---- the header ---- */

static int pass_byte_order_mark(struct import_source *source, struct err *err) {
  int result = 0;
  while (result == 0 && !source->at_end && source->end - source->begin < BYTE_ORDER_MARK.len)
    result = fill(source, err);
  struct str front = str_make(source->window + source->begin, source->end - source->begin);
  if (result == 0 && str_starts(front, BYTE_ORDER_MARK)) advance(source, BYTE_ORDER_MARK.len);
  return result;
}

static bool has(struct str text, char c) { return memchr(text.ptr, c, text.len) != NULL; }

/* What separates the cells of a header; NUL: nothing does, and it is not said that there must be something. */
static char delimiter_of(enum import_format format, struct str header) {
  bool begins_object = format == IMPORT_BY_HEADER && header.len > 0 && header.ptr[0] == '{';
  if (format == IMPORT_NDJSON || begins_object) return '\0';
  if (format == IMPORT_TSV) return '\t';
  if (has(header, ',')) return ',';
  if (has(header, '\t')) return '\t';
  if (has(header, ';')) return ';';
  return format == IMPORT_CSV ? ',' : '\0';
}

/* The first line that is not blank, without the blanks around it; of a longer line, its beginning. */
static int peek(struct import_source *source, struct str *ret, struct err *err) {
  for (;;) {
    struct str rest = str_make(source->window + source->begin, source->end - source->begin);
    bool is_all = source->at_end || rest.len > IMPORT_ROW_MAX;
    do {
      bool is_whole = is_all || has(rest, '\n');
      *ret = is_whole ? trim_line(str_cut(&rest, '\n')) : STR("");
    } while (ret->len == 0 && rest.len > 0 && (is_all || has(rest, '\n')));
    if (ret->len > 0 || is_all) return 0;
    int result = fill(source, err);
    if (result != 0) return result;
  }
}

static int check_ndjson(const struct import_source *source, struct err *err) {
  const struct columns_options *options = &source->options.columns;
  const char *name = options->source != NULL    ? "source"
                     : options->map != NULL     ? "map"
                     : options->labels != NULL  ? "labels"
                     : options->ignored != NULL ? "ignore"
                                                : NULL;
  if (name == NULL) return 0;
  return err_set(
      err, ERR_USAGE,
      "--%s is for CSV and TSV, and %s is ndjson, where each event has its own members: leave the option out", name,
      source->options.name);
}

static int check_text(const struct import_source *source, struct str header, struct err *err) {
  if (str_is_utf8(header) && !has(header, '\0')) return 0;
  return err_set(
      err, ERR_USAGE,
      "%s is not UTF-8 text; if it is compressed, use `zcat FILE | codecmeter import --format csv -`; if it "
      "is UTF-16, convert it with iconv",
      source->options.name);
}

static int take_header(struct import_source *source, char delimiter, struct err *err) {
  struct row row;
  source->csv = csv_reader_new(delimiter);
  int result = take_row(source, &row, err);
  if (result == 0) result = check_text(source, row.line.text, err);
  if (result != 0) return result;
  if (row.state != ROW_GOOD)
    return err_set(err, ERR_USAGE, "%s: the first line must name columns", source->options.name);
  return columns_open(&source->options.columns, source->csv, &source->columns, err);
}

static int read_header(struct import_source *source, struct err *err) {
  struct str header;
  enum import_format format = source->options.format;
  int result = pass_byte_order_mark(source, err);
  if (result == 0) result = peek(source, &header, err);
  if (result != 0) return result;
  char delimiter = delimiter_of(format, header);
  bool is_json = str_equal(header, STR("{")) || str_starts(header, STR("["));
  if (format == IMPORT_BY_HEADER && is_json) {
    return err_set(
        err, ERR_USAGE,
        "%s holds JSON that is an array or printed over many lines: if it is from a transcoding service, give "
        "--adapter NAME; events must be one on each line",
        source->options.name);
  }
  if (delimiter != '\0') return take_header(source, delimiter, err);
  if (source->options.needs_format && (header.len == 0 || header.ptr[0] != '{')) {
    return err_set(
        err, ERR_USAGE,
        "%s: unknown format, because the name does not end in .csv, .tsv, .ndjson or .jsonl, and the first "
        "line has no columns: give --format",
        source->options.name);
  }
  return check_ndjson(source, err);
}

/* ---- the door ---- */

int import_source_open(const struct import_source_options *options, struct import_source **ret, struct err *err) {
  SCOPED(import_source_close_ref) struct import_source *source = calloc(1, sizeof *source);
  CHECK(source != NULL);
  source->options = *options;
  source->line = 1;
  source->window = malloc(WINDOW_SIZE);
  CHECK(source->window != NULL);
  source->options.columns.file = options->name;
  int result = options->format == IMPORT_NDJSON ? check_ndjson(source, err) : read_header(source, err);
  if (result != 0) return result;
  *ret = MOVE(source);
  return 0;
}

void import_source_close(struct import_source *source) {
  if (source == NULL) return;
  csv_reader_free(source->csv);
  columns_free(source->columns);
  buf_fini(&source->event);
  buf_fini(&source->refusal);
  free(source->window);
  free(source);
}

int import_source_seek(struct import_source *source, uint64_t offset, uint64_t line, struct err *err) {
  if (lseek(source->options.fd, (off_t)offset, SEEK_SET) < 0) {
    return err_set_errno(err, ERR_IO, errno, "cannot seek in %s", source->options.name);
  }
  source->begin = source->end = 0;
  source->at_end = false;
  source->offset = offset;
  source->line = line;
  return 0;
}

int import_source_next(struct import_source *source, struct import_event *ret, bool *ret_is_end, struct err *err) {
  return source->csv != NULL ? next_row(source, ret, ret_is_end, err) : next_line(source, ret, ret_is_end, err);
}

uint64_t import_source_offset(const struct import_source *source) { return source->offset; }
uint64_t import_source_line(const struct import_source *source) { return source->line; }
