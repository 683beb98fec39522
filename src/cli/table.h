/* Tables for people: columns line up on a terminal.
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
/* Rows are kept until the widths of their columns are known, up to this many bytes: then they are printed, and later
 * rows get the same widths, or wider ones if they need them. */
#define TABLE_KEPT_MAX ((size_t)4 << 20)

struct table_column {
  const char *title;
  bool is_number; /* aligned right, never broken */
  unsigned least; /* its width on a terminal that has room */
};

struct table;

/* Borrows columns, which end with title NULL; if all titles are empty, the table has no line of titles. Borrows
 * `out`, where the table is printed. width: the columns of the terminal, 0 for a table that is never broken. indent:
 * blanks before each line. */
struct table *table_new(const struct table_column *columns, size_t indent, size_t width, FILE *out);
void table_free(struct table *table); /* also wipes its cells; prints nothing */
SCOPED_REF(struct table, table_free)

/* Appends the next cell of the row; the last cell of a row ends it. Copies the text. */
void table_cell(struct table *table, struct str text);
/* Prints the kept rows; if there are none, the titles alone. */
void table_print(struct table *table);

/* The width for table_new: that of the terminal at standard output, 0 if standard output is no terminal. */
size_t table_terminal_width(void);

#endif
