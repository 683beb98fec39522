/* Reads rows of CSV or TSV, one per line, with libcsv. It follows RFC 4180 strictly, so that it finds a misplaced
 * quote. Blanks around a cell are part of the cell; blanks outside the quotes of a cell make the row bad. Lines end
 * with LF or CR LF. */
#ifndef CODECMETER_IMPORT_CSV_READER_H
#define CODECMETER_IMPORT_CSV_READER_H

#include <stddef.h>

#include "base/bytes.h"

#define CSV_READER_CELLS_MAX 256 /* cells that are kept of a row */

enum csv_reader_state {
  CSV_READER_ROW,
  CSV_READER_BLANK, /* not a row: nothing but spaces, tabs and a line end */
  CSV_READER_OPEN,  /* the line ends within quotes */
  CSV_READER_BAD,   /* a misplaced quote */
};

struct csv_reader;
/* delimiter: what separates cells. */
MUST_USE struct csv_reader *csv_reader_new(char delimiter); /* never NULL */
void csv_reader_free(struct csv_reader *reader);
SCOPED_REF(struct csv_reader, csv_reader_free)

/* Reads a line, with its line feed if it has one. */
MUST_USE enum csv_reader_state csv_reader_line(struct csv_reader *reader, struct str line);

/* The number of cells of the row, and one cell; index is below that number and below CSV_READER_CELLS_MAX. Cells are
 * valid until the next line. */
size_t csv_reader_cells(const struct csv_reader *reader);
struct str csv_reader_cell(const struct csv_reader *reader, size_t index);

#endif
