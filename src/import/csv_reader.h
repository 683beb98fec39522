/* A row of CSV, which is a line, by libcsv: RFC 4180 strictly, so that a quote that stands astray is found. Blanks
 * around a cell are part of it; outside of quotes they make the row bad. Lines end with LF or CR LF. */
#ifndef CODECMETER_IMPORT_CSV_READER_H
#define CODECMETER_IMPORT_CSV_READER_H

#include <stddef.h>

#include "base/bytes.h"

#define CSV_READER_CELLS_MAX 64 /* that are kept of a row */

enum csv_reader_state {
  CSV_READER_ROW,
  CSV_READER_BLANK, /* no row: nothing but spaces, tabs and a line end */
  CSV_READER_OPEN,  /* the line ends within quotes */
  CSV_READER_BAD,   /* a quote where none may be */
};

struct csv_reader;
MUST_USE struct csv_reader *csv_reader_new(void); /* never NULL */
void csv_reader_free(struct csv_reader *reader);
SCOPED_REF(struct csv_reader, csv_reader_free)

/* Takes a line, with its line feed if it has one. */
MUST_USE enum csv_reader_state csv_reader_line(struct csv_reader *reader, struct str line);

/* How many cells the row has, and each, below CSV_READER_CELLS_MAX. Valid until the next line. */
size_t csv_reader_cells(const struct csv_reader *reader);
struct str csv_reader_cell(const struct csv_reader *reader, size_t index);

#endif
