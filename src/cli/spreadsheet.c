/* libxlsxwriter writes rows through temporary files and does not look whether those writes succeeded. On a full disk
 * it would make a workbook that lacks rows, and say nothing. So spreadsheet_check reads the result back.
 *
 * A spreadsheet's numbers are doubles, and programs show 15 digits of them. A longer whole number stays a text.
 */
#include "cli/spreadsheet.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <xlsxwriter.h>

#include "base/check.h"
#include "base/file.h"
#include "base/json.h"
#include "cli/display.h"
#include "cli/spreadsheet_check.h"

#define DIGITS_MAX 15u
#define WIDTH_MIN 8u
#define WIDTH_MAX 60u
#define DATE_WIDTH 16u

struct spreadsheet {
  char *path;
  lxw_workbook *book;
  lxw_worksheet *sheet;
  lxw_format *title, *date, *date_time;
  char *dir;
  lxw_row_t row; /* 0: the titles */
  lxw_col_t column, columns;
  uint64_t cells;
  size_t widths[SPREADSHEET_COLUMNS_MAX];
  struct buf text; /* with a NUL, for the library */
};

static int fail(const struct spreadsheet *spreadsheet, lxw_error error, struct err *err) {
  return err_set(err, ERR_IO, "cannot write the workbook %s: %s", spreadsheet->path, lxw_strerror(error));
}

int spreadsheet_begin(const char *path, const char *sheet, struct spreadsheet **ret, struct err *err) {
  struct spreadsheet *made = calloc(1, sizeof *made);
  CHECK(made != NULL);
  made->path = strdup(path);
  made->dir = file_directory(path);
  CHECK(made->path != NULL);
  lxw_workbook_options options = {.constant_memory = LXW_TRUE, .tmpdir = made->dir};
  made->book = workbook_new_opt(path, &options);
  made->sheet = made->book != NULL ? workbook_add_worksheet(made->book, sheet) : NULL;
  if (made->sheet == NULL) {
    int result = err_set(err, ERR_IO, "cannot begin the workbook %s in %s", path, made->dir);
    spreadsheet_free(made);
    return result;
  }
  made->title = workbook_add_format(made->book);
  made->date = workbook_add_format(made->book);
  made->date_time = workbook_add_format(made->book);
  CHECK(made->title != NULL && made->date != NULL && made->date_time != NULL);
  format_set_bold(made->title);
  format_set_num_format(made->date, "yyyy-mm-dd");
  format_set_num_format(made->date_time, "yyyy-mm-dd hh:mm");
  worksheet_freeze_panes(made->sheet, 1, 0);
  *ret = made;
  return 0;
}

void spreadsheet_free(struct spreadsheet *spreadsheet) {
  if (spreadsheet == NULL) return;
  if (spreadsheet->book != NULL) lxw_workbook_free(spreadsheet->book);
  buf_fini(&spreadsheet->text);
  free(spreadsheet->path);
  free(spreadsheet->dir);
  free(spreadsheet);
}

/* Takes the next place of the row. */
static lxw_col_t next_column(struct spreadsheet *spreadsheet, size_t width) {
  lxw_col_t column = spreadsheet->column++;
  CHECK(column < SPREADSHEET_COLUMNS_MAX && (spreadsheet->row == 0 || column < spreadsheet->columns));
  if (width > spreadsheet->widths[column]) spreadsheet->widths[column] = width;
  return column;
}

/* In a workbook "_x0041_" means A. The library writes control characters so, and leaves a text that looks so as it
 * is. */
static bool looks_escaped(struct str text) {
  if (text.len < 7 || text.ptr[0] != '_' || text.ptr[1] != 'x' || text.ptr[6] != '_') return false;
  for (size_t i = 2; i < 6; i++) {
    if (isxdigit((unsigned char)text.ptr[i]) == 0) return false;
  }
  return true;
}

/* The library takes texts that end with NUL. What XML cannot hold (NUL, U+FFFE, U+FFFF) becomes U+FFFD. */
static const char *text_of(struct spreadsheet *spreadsheet, struct str text) {
  static const char replacement[] = "\xEF\xBF\xBD";
  struct buf *out = &spreadsheet->text;
  buf_clear(out);
  for (size_t i = 0; i < text.len; i++) {
    bool is_none = i + 2 < text.len && (unsigned char)text.ptr[i] == 0xEF && (unsigned char)text.ptr[i + 1] == 0xBF &&
                   (unsigned char)text.ptr[i + 2] >= 0xBE;
    if (!is_none && text.ptr[i] != '\0') {
      if (looks_escaped(str_make(text.ptr + i, text.len - i))) buf_text(out, "_x005F");
      buf_char(out, text.ptr[i]);
      continue;
    }
    buf_text(out, replacement);
    i += is_none ? 2 : 0;
  }
  buf_char(out, '\0');
  CHECK(!out->failed);
  return out->ptr;
}

void spreadsheet_title(struct spreadsheet *spreadsheet, struct str title) {
  CHECK(spreadsheet->row == 0);
  lxw_col_t column = next_column(spreadsheet, display_width(title) + 1);
  lxw_error error =
      worksheet_write_string(spreadsheet->sheet, 0, column, text_of(spreadsheet, title), spreadsheet->title);
  CHECK(error == LXW_NO_ERROR);
  spreadsheet->cells++;
  spreadsheet->columns = spreadsheet->column;
}

int spreadsheet_row(struct spreadsheet *spreadsheet, struct err *err) {
  if (spreadsheet->row == SPREADSHEET_ROWS_MAX)
    return err_set(err, ERR_LIMIT,
                   "a sheet of a workbook holds %u rows, and there are more: ask for a shorter time, or write .csv",
                   SPREADSHEET_ROWS_MAX);
  spreadsheet->row++;
  spreadsheet->column = 0;
  return 0;
}

void spreadsheet_empty(struct spreadsheet *spreadsheet) { (void)next_column(spreadsheet, 0); }

int spreadsheet_text(struct spreadsheet *spreadsheet, struct str text, struct err *err) {
  lxw_col_t column = next_column(spreadsheet, display_width(text) + 1);
  if (text.len == 0) return 0;
  lxw_error error =
      worksheet_write_string(spreadsheet->sheet, spreadsheet->row, column, text_of(spreadsheet, text), NULL);
  if (error == LXW_ERROR_MAX_STRING_LENGTH_EXCEEDED)
    return err_set(err, ERR_LIMIT, "a cell of a workbook holds %u characters, and a text has more: write .csv",
                   SPREADSHEET_TEXT_MAX);
  spreadsheet->cells++;
  return error == LXW_NO_ERROR ? 0 : fail(spreadsheet, error, err);
}

static size_t digits_of(const char *plain) {
  size_t digits = 0;
  for (; *plain != '\0'; plain++)
    digits += isdigit((unsigned char)*plain) != 0;
  return digits;
}

int spreadsheet_number(struct spreadsheet *spreadsheet, struct str number, struct err *err) {
  char plain[DIGITS_MAX + 3];
  SCOPED(buf_fini) struct buf out = {0};
  bool is_exact = json_number_plain(number, DIGITS_MAX + 2, &out) == 0 &&
                  str_copy(buf_view(&out), plain, sizeof plain) && digits_of(plain) <= DIGITS_MAX;
  if (!is_exact) return spreadsheet_text(spreadsheet, number, err);
  lxw_col_t column = next_column(spreadsheet, number.len + 1);
  lxw_error error = worksheet_write_number(spreadsheet->sheet, spreadsheet->row, column, strtod(plain, NULL), NULL);
  spreadsheet->cells++;
  return error == LXW_NO_ERROR ? 0 : fail(spreadsheet, error, err);
}

int spreadsheet_date(struct spreadsheet *spreadsheet, struct str time, bool has_time, struct err *err) {
  lxw_datetime date = {0};
  int seconds, used = 0;
  char local[20];
  bool is_local = time.len >= 19 && str_copy(str_make(time.ptr, 19), local, sizeof local) &&
                  sscanf(local, "%4d-%2d-%2dT%2d:%2d:%2d%n", &date.year, &date.month, &date.day, &date.hour,
                         &date.min, &seconds, &used) == 6 &&
                  used == 19;
  if (!is_local) return spreadsheet_text(spreadsheet, time, err);
  date.sec = seconds;
  lxw_col_t column = next_column(spreadsheet, DATE_WIDTH);
  lxw_error error = worksheet_write_datetime(spreadsheet->sheet, spreadsheet->row, column, &date,
                                             has_time ? spreadsheet->date_time : spreadsheet->date);
  spreadsheet->cells++;
  return error == LXW_NO_ERROR ? 0 : fail(spreadsheet, error, err);
}

static void set_widths(struct spreadsheet *spreadsheet) {
  for (lxw_col_t i = 0; i < spreadsheet->columns; i++) {
    size_t width = spreadsheet->widths[i] < WIDTH_MIN ? WIDTH_MIN : spreadsheet->widths[i];
    (void)worksheet_set_column(spreadsheet->sheet, i, i, (double)(width < WIDTH_MAX ? width : WIDTH_MAX), NULL);
  }
}

int spreadsheet_end(struct spreadsheet *spreadsheet, struct err *err) {
  set_widths(spreadsheet);
  lxw_error error = workbook_close(spreadsheet->book);
  spreadsheet->book = NULL; /* it is freed, also after an error */
  if (error != LXW_NO_ERROR) return fail(spreadsheet, error, err);
  return spreadsheet_check(spreadsheet->path, (uint64_t)spreadsheet->row + 1, spreadsheet->cells, err);
}
