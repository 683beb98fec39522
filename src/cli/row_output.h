/* Rows of /v1 as JSON, CSV or a workbook, on standard output or in a file.
 *
 *   JSON  {"position":N,"rows":[…],"complete":true}: the rows as the server wrote them
 *   CSV   as the server's own: UTF-8 with a byte order mark, lines end with CR LF, the first line has the names. A
 * text that begins with = + - @ a tab or a CR gets a leading ', so that no spreadsheet takes it for a formula XLSX
 * see cli/spreadsheet.h. A column `date` holds dates
 */
#ifndef CODECMETER_CLI_ROW_OUTPUT_H
#define CODECMETER_CLI_ROW_OUTPUT_H

#include "base/json.h"
#include "cli/output_file.h"
#include "cli/reader.h"

struct row_output;

/* file: NULL for standard output, which takes no workbook. sheet: the name of a workbook's sheet. */
MUST_USE int row_output_begin(enum output_kind kind, struct output_file *file, const char *sheet,
                              struct row_output **ret, struct err *err);
void row_output_free(struct row_output *output);
SCOPED_REF(struct row_output, row_output_free)

/* Appends a row. Every row has the members of the first one, in its order. */
MUST_USE int row_output_row(struct row_output *output, const struct json *object, struct str line, struct err *err);
/* True if there was no row, so that nothing has named the columns: see reader_columns and row_output_names. */
bool row_output_is_empty(const struct row_output *output);
/* The names of the columns of an output without rows, "project,seconds". */
void row_output_names(struct row_output *output, struct str names);
/* Ends the text. It does not end the file. */
MUST_USE int row_output_end(struct row_output *output, const char *position, struct err *err);

/* Reads all pages of a list (of one, if it has no cursors), and writes them, whole, into `path` (by its ending), or
 * as `kind` to standard output if path is NULL. */
MUST_USE int row_output_write_all(struct client *client, const char *query, enum output_kind kind, const char *path,
                                  const char *sheet, struct err *err);

#endif
