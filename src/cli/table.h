/* Tables that people read: columns that line up on a terminal.
 *
 * A column is as wide as its widest cell. On a terminal that is narrower than the table, cells break between words,
 * so that the table fits if its words do. A file or a pipe gets one line a row, whatever its length. The work is
 * linear in the bytes of the cells. Cells may hold anything: control characters and bytes that are not UTF-8 are
 * shown as \xHH.
 */
#ifndef CODECMETER_CLI_TABLE_H
#define CODECMETER_CLI_TABLE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/bytes.h"

#define TABLE_COLUMNS_MAX 16
/* Rows are kept until it is known how wide their columns must be, but no more bytes than this: then the rows are
 * printed, and later ones get the same widths, or more if they need more. */
#define TABLE_KEPT_MAX ((size_t)4 << 20)

struct table_column {
  const char *title;
  bool is_number; /* aligned right, never broken */
  unsigned least; /* columns of the terminal, where they are there */
};

struct table;

/* columns (borrowed) end with title NULL; a table whose titles are all empty has no line of titles. The table is
 * printed to `out`, which is borrowed. width: the columns of the terminal, 0 for a table that is never broken.
 * indent: blanks before each line. */
struct table *table_new(const struct table_column *columns, size_t indent, size_t width, FILE *out);
void table_free(struct table *table); /* and wipes its cells; prints nothing */
SCOPED_REF(struct table, table_free)

/* Appends the next cell of the row; the last cell of a row ends it. The text is copied. */
void table_cell(struct table *table, struct str text);
/* Prints the rows that are kept; without any, the titles alone. */
void table_print(struct table *table);

/* The columns of the terminal at standard output, for table_new: 0 when it is none. */
size_t table_terminal_width(void);

#endif
