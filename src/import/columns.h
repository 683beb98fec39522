/* What the columns of a table mean: which cell is which field of an event. The header names fields; options can name
 * columns that have other names, keep columns as labels, and leave columns out. For users: docs/import.md. */
#ifndef CODECMETER_IMPORT_COLUMNS_H
#define CODECMETER_IMPORT_COLUMNS_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/err.h"
#include "import/csv_reader.h"
#include "import/times.h"

/* Options of columns. Each list is NULL or ends with NULL; each text of it has items that are separated by commas.
 * All are borrowed. Columns are named as in the header, in any case, without the blanks around. */
struct columns_options {
  const char *file;             /* for messages */
  const char *source, *project; /* for rows that name none; may be NULL */
  char *const *map;             /* FIELD=COLUMN */
  char *const *labels;  /* COLUMN or NAME=COLUMN; NAME as in meter/labels.h; default: the column's in lower case */
  char *const *ignored; /* COLUMN */
};

struct columns;

/* Reads the header, which is the reader's row. -ERR_USAGE: an option or the header names a column or field that does
 * not exist, or one twice; the name of a column is not that of a field; id or source is missing. */
MUST_USE int columns_open(const struct columns_options *options, const struct csv_reader *header,
                          struct columns **ret, struct err *err);
void columns_free(struct columns *columns);
SCOPED_REF(struct columns, columns_free)

size_t columns_count(const struct columns *columns); /* cells of the header */

/* Writes the event of the reader's row, which has as many cells as the header, as JSON on one line. False: it cannot
 * be sent, and `refusal` says why. Both buffers are empty before. */
MUST_USE bool columns_write(const struct columns *columns, const struct csv_reader *row, const struct times *times,
                            struct buf *event, struct buf *refusal, bool *ret_is_twice);

#endif
