/* Writes rows as an Excel workbook (.xlsx) with one sheet: a frozen line of titles, then the rows. Texts stay texts,
 * whatever they look like: an id of digits is no number, and "=1+1" is no formula. Memory does not grow with the
 * rows; the library keeps them in a temporary file beside the workbook. */
#ifndef CODECMETER_CLI_SPREADSHEET_H
#define CODECMETER_CLI_SPREADSHEET_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/err.h"

#define SPREADSHEET_ROWS_MAX 1048575u /* behind the titles */
#define SPREADSHEET_COLUMNS_MAX 64u
#define SPREADSHEET_TEXT_MAX 32767u /* UTF-16 units in a cell */

struct spreadsheet;

/* Writes into the file `path`, which exists and is empty; its directory takes the temporary files. */
MUST_USE int spreadsheet_begin(const char *path, const char *sheet, struct spreadsheet **ret, struct err *err);
/* Frees it; what is not ended is no workbook. */
void spreadsheet_free(struct spreadsheet *spreadsheet);
SCOPED_REF(struct spreadsheet, spreadsheet_free)

/* The titles come first, each once: at most SPREADSHEET_COLUMNS_MAX. */
void spreadsheet_title(struct spreadsheet *spreadsheet, struct str title);
/* Begins the next row. -ERR_LIMIT: a sheet holds no more. */
MUST_USE int spreadsheet_row(struct spreadsheet *spreadsheet, struct err *err);
/* The next cell of the row. */
void spreadsheet_empty(struct spreadsheet *spreadsheet);
/* -ERR_LIMIT: the text is too long for a cell. */
MUST_USE int spreadsheet_text(struct spreadsheet *spreadsheet, struct str text, struct err *err);
/* A number as it is written in JSON. One that a spreadsheet cannot hold exactly (beyond 15 digits) becomes a text. */
MUST_USE int spreadsheet_number(struct spreadsheet *spreadsheet, struct str number, struct err *err);
/* The local date of an RFC 3339 time, "2026-10-01T00:00:00+08:00", as a date; has_time: with hours and minutes. A
 * text that is not one stays a text. */
MUST_USE int spreadsheet_date(struct spreadsheet *spreadsheet, struct str time, bool has_time, struct err *err);
/* Ends the workbook, and reads it back: every row and cell is there. */
MUST_USE int spreadsheet_end(struct spreadsheet *spreadsheet, struct err *err);

#endif
