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
#define TYPE_DEFAULT STR("transcode.finished")

/* ---- columns ---- */

enum column_kind { ATTRIBUTE, TEXT_MEMBER, NUMBER_MEMBER };

/* X(constant, name, kind): attributes of the event, then members of its data. */
#define COLUMN_TABLE(X)                        \
  X(SOURCE, "source", ATTRIBUTE)               \
  X(ID, "id", ATTRIBUTE)                       \
  X(TYPE, "type", ATTRIBUTE)                   \
  X(SUBJECT, "subject", ATTRIBUTE)             \
  X(TIME, "time", ATTRIBUTE)                   \
  X(CODEC, "codec", TEXT_MEMBER)               \
  X(WIDTH, "width", NUMBER_MEMBER)             \
  X(HEIGHT, "height", NUMBER_MEMBER)           \
  X(DURATION_MS, "duration_ms", NUMBER_MEMBER) \
  X(DURATION, "duration", NUMBER_MEMBER)       \
  X(IMAGE_COUNT, "image_count", NUMBER_MEMBER) \
  X(FRAME_RATE, "frame_rate", NUMBER_MEMBER)   \
  X(QUALITY, "quality", TEXT_MEMBER)           \
  X(REGION, "region", TEXT_MEMBER)             \
  X(PASSES, "passes", NUMBER_MEMBER)           \
  X(INPUT_DURATION_MS, "input_duration_ms", NUMBER_MEMBER) \
  X(TASK_ID, "task_id", TEXT_MEMBER)           \
  X(CREATED, "created", TEXT_MEMBER)           \
  X(SRC_URL, "src_url", TEXT_MEMBER)           \
  X(DEST_NAME, "dest_name", TEXT_MEMBER)       \
  X(DEST_BUCKET, "dest_bucket", TEXT_MEMBER)   \
  X(FORMAT, "format", TEXT_MEMBER)

enum column {
#define COLUMN_ENUM(constant, name, kind) COLUMN_##constant,
  COLUMN_TABLE(COLUMN_ENUM)
#undef COLUMN_ENUM
      COLUMNS
};
static_assert(COLUMNS <= CSV_READER_CELLS_MAX, "every cell that a header can name is kept");

static const struct {
  const char *name;
  enum column_kind kind;
} columns[] = {
#define COLUMN_ROW(constant, name, kind) {name, kind},
    COLUMN_TABLE(COLUMN_ROW)
#undef COLUMN_ROW
};

#define NO_CELL SIZE_MAX

struct import_source {
  struct import_source_options options;
  char *window;
  size_t begin, end; /* of the bytes that were read and not yet taken */
  bool at_end;       /* the end of the file was read */
  uint64_t offset;   /* of begin in the file */
  uint64_t line;     /* the line that begins there */
  struct csv_reader *csv;
  size_t cell_of[COLUMNS]; /* its place in the header, or NO_CELL */
  size_t cells;            /* of the header */
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

/* JSON's blanks. The server skips blank lines when it counts events, so both must agree on what is blank. */
static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

static struct str trim_blanks(struct str text) {
  while (text.len > 0 && is_blank(text.ptr[0]))
    text = str_make(text.ptr + 1, text.len - 1);
  while (text.len > 0 && is_blank(text.ptr[text.len - 1]))
    text.len--;
  return text;
}

static struct str pass_marks(struct str text) {
  while (str_starts(text, BYTE_ORDER_MARK))
    text = str_make(text.ptr + BYTE_ORDER_MARK.len, text.len - BYTE_ORDER_MARK.len);
  return text;
}

/* Joined files have byte order marks in the middle, or two in a row. All are removed, because the server would skip
 * one at the front of a batch, and count one event less. */
static struct str trim_line(struct str text) {
  size_t before;
  do {
    before = text.len;
    text = trim_blanks(pass_marks(text));
  } while (text.len < before);
  return text;
}

static int next_line(struct import_source *source, struct import_event *ret, bool *ret_is_end, struct err *err) {
  struct line line;
  do {
    int result = take_line(source, &line, err);
    if (result != 0) return result;
    *ret_is_end = line.is_end;
    *ret = (struct import_event){.line = line.number, .text = trim_line(line.text), .refusal = STR("")};
  } while (!line.is_end && !line.is_long && ret->text.len == 0);
  buf_clear(&source->refusal);
  if (line.is_long) buf_printf(&source->refusal, "the line is longer than %zu bytes", IMPORT_ROW_MAX);
  ret->refusal = buf_view(&source->refusal);
  return 0;
}

/* ---- rows of CSV ---- */

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

/* ---- a row's event ---- */

static bool is_known(const struct import_source *source, enum column column) {
  return source->cell_of[column] != NO_CELL;
}

static struct str value_of(const struct import_source *source, enum column column) {
  struct str cell = is_known(source, column) ? csv_reader_cell(source->csv, source->cell_of[column]) : STR("");
  if (cell.len > 0) return cell;
  if (column == COLUMN_SOURCE) return str_of(source->options.source);
  if (column == COLUMN_SUBJECT) return str_of(source->options.project);
  return column == COLUMN_TYPE && !is_known(source, column) ? TYPE_DEFAULT : cell;
}

/* A cell of a number column that is not a number is sent as a string, so that the server rejects it and says what it
 * expects. As in JSON, blanks around a number do not count, and blanks around a text are part of it. */
static void append_value(const struct import_source *source, enum column column, struct buf *out) {
  struct str value = value_of(source, column);
  if (columns[column].kind == NUMBER_MEMBER) value = trim_blanks(value);
  if (value.len == 0) return;
  if (out->ptr[out->len - 1] != '{') buf_char(out, ',');
  buf_printf(out, "\"%s\":", columns[column].name);
  if (columns[column].kind == NUMBER_MEMBER && json_is_number(value))
    buf_str(out, value);
  else
    json_quote(out, value);
}

static void write_event(struct import_source *source, struct buf *out) {
  buf_clear(out);
  buf_char(out, '{');
  for (int i = 0; i < COLUMNS; i++) {
    if (columns[i].kind == ATTRIBUTE) append_value(source, (enum column)i, out);
  }
  buf_text(out, out->ptr[out->len - 1] != '{' ? ",\"data\":{" : "\"data\":{");
  for (int i = 0; i < COLUMNS; i++) {
    if (columns[i].kind != ATTRIBUTE) append_value(source, (enum column)i, out);
  }
  buf_text(out, "}}");
  CHECK(!out->failed);
}

/* json_quote replaces bytes that are not UTF-8 by U+FFFD, which could make two ids equal. */
static const char *find_foreign(const struct import_source *source) {
  for (int i = 0; i < COLUMNS; i++) {
    if (!str_is_utf8(value_of(source, (enum column)i))) return columns[i].name;
  }
  return NULL;
}

/* Writes why the row cannot be sent; empty if it can. */
static void find_fault(const struct import_source *source, const struct row *row, struct buf *out) {
  const char *foreign;
  buf_clear(out);
  if (row->state == ROW_LONG) {
    buf_printf(out, "the row is longer than %zu bytes", IMPORT_ROW_MAX);
  } else if (row->state == ROW_OPEN) {
    buf_text(out, "a quote is not closed: a row must be on one line");
  } else if (row->state == ROW_BAD) {
    buf_text(out, "misplaced quote: double a quote inside quotes, and put a comma after the closing quote");
  } else if (csv_reader_cells(source->csv) != source->cells) {
    size_t cells = csv_reader_cells(source->csv);
    buf_printf(out, "the row has %zu cell%s, but the header has %zu", cells, cells == 1 ? "" : "s", source->cells);
  } else if ((foreign = find_foreign(source)) != NULL) {
    buf_printf(out, "%s: invalid UTF-8", foreign);
  }
}

static int next_row(struct import_source *source, struct import_event *ret, bool *ret_is_end, struct err *err) {
  struct row row;
  int result = take_row(source, &row, err);
  if (result != 0) return result;
  *ret_is_end = row.state == ROW_END;
  if (*ret_is_end) return 0;
  find_fault(source, &row, &source->refusal);
  bool is_good = source->refusal.len == 0;
  if (is_good) write_event(source, &source->event);
  *ret = (struct import_event){.line = row.line.number,
                               .text = is_good ? buf_view(&source->event) : trim_line(row.line.text),
                               .refusal = buf_view(&source->refusal)};
  return 0;
}

/* ---- the header ---- */

static int name_columns(struct import_source *source, struct str wrong, struct err *err) {
  SCOPED(buf_fini) struct buf names = {0};
  for (int i = 0; i < COLUMNS; i++)
    buf_printf(&names, "%s%s", i > 0 ? ", " : "", columns[i].name);
  return err_set(err, ERR_USAGE, "%s: unknown column '%.*s': the first line must name columns, which can be %.*s",
                 source->options.name, (int)(wrong.len < 64 ? wrong.len : 64), wrong.ptr, STR_ARG(buf_view(&names)));
}

/* Reports the most likely reason why a header names an unknown column. */
static int explain_header(struct import_source *source, struct str name, struct err *err) {
  if (!str_is_utf8(name) || str_has_control(name)) {
    return err_set(
        err, ERR_USAGE,
        "%s is not UTF-8 text; if it is compressed, use `zcat FILE | codecmeter import --format csv -`; if it is "
        "UTF-16, convert it with iconv",
        source->options.name);
  }
  if (source->cells == 1 && memchr(name.ptr, ';', name.len) != NULL) {
    return err_set(err, ERR_USAGE, "%s: cells must be separated by commas, not by semicolons", source->options.name);
  }
  return name_columns(source, name, err);
}

static int take_column(struct import_source *source, size_t cell, struct err *err) {
  struct str name = cell < CSV_READER_CELLS_MAX ? trim_blanks(csv_reader_cell(source->csv, cell)) : STR("");
  for (int i = 0; i < COLUMNS; i++) {
    if (!str_equal_nocase(name, str_of(columns[i].name))) continue;
    if (source->cell_of[i] != NO_CELL) {
      return err_set(err, ERR_USAGE, "%s: the header names the column %s twice", source->options.name,
                     columns[i].name);
    }
    source->cell_of[i] = cell;
    return 0;
  }
  return explain_header(source, name, err);
}

static int check_columns(const struct import_source *source, struct err *err) {
  if (!is_known(source, COLUMN_ID)) {
    return err_set(err, ERR_USAGE, "%s: the first line must name the column id, because each id counts once",
                   source->options.name);
  }
  if (!is_known(source, COLUMN_SOURCE) && source->options.source == NULL) {
    return err_set(err, ERR_USAGE, "%s: the column source is missing; add it, or give --source NAME",
                   source->options.name);
  }
  return 0;
}

static int pass_byte_order_mark(struct import_source *source, struct err *err) {
  int result = 0;
  while (result == 0 && !source->at_end && source->end - source->begin < BYTE_ORDER_MARK.len)
    result = fill(source, err);
  struct str front = str_make(source->window + source->begin, source->end - source->begin);
  if (result == 0 && str_starts(front, BYTE_ORDER_MARK)) advance(source, BYTE_ORDER_MARK.len);
  return result;
}

static int read_header(struct import_source *source, struct err *err) {
  struct row row;
  int result = pass_byte_order_mark(source, err);
  if (result == 0) result = take_row(source, &row, err);
  if (result != 0) return result;
  if (row.state != ROW_GOOD && !str_is_utf8(row.line.text)) return explain_header(source, row.line.text, err);
  if (row.state != ROW_GOOD) {
    return err_set(err, ERR_USAGE, "%s: the first line must name columns", source->options.name);
  }
  source->cells = csv_reader_cells(source->csv);
  for (size_t i = 0; i < source->cells && result == 0; i++)
    result = take_column(source, i, err);
  return result == 0 ? check_columns(source, err) : result;
}

/* ---- the door ---- */

int import_source_open(const struct import_source_options *options, struct import_source **ret, struct err *err) {
  SCOPED(import_source_close_ref) struct import_source *source = calloc(1, sizeof *source);
  CHECK(source != NULL);
  source->options = *options;
  source->line = 1;
  source->window = malloc(WINDOW_SIZE);
  CHECK(source->window != NULL);
  source->csv = csv_reader_new();
  for (int i = 0; i < COLUMNS; i++)
    source->cell_of[i] = NO_CELL;
  int result = options->format == IMPORT_CSV ? read_header(source, err) : 0;
  if (result != 0) return result;
  *ret = MOVE(source);
  return 0;
}

void import_source_close(struct import_source *source) {
  if (source == NULL) return;
  csv_reader_free(source->csv);
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
  return source->options.format == IMPORT_CSV ? next_row(source, ret, ret_is_end, err)
                                              : next_line(source, ret, ret_is_end, err);
}

uint64_t import_source_offset(const struct import_source *source) { return source->offset; }
uint64_t import_source_line(const struct import_source *source) { return source->line; }
