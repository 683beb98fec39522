/* Reads the events of an import from ndjson, CSV or TSV, one after the other, with their places in the file.
 *
 * It holds one line at a time, at most IMPORT_ROW_MAX bytes. A longer line is skipped and returned as refused. Byte
 * order marks and blank lines are ignored. For users: docs/import.md.
 */
#ifndef CODECMETER_IMPORT_SOURCE_H
#define CODECMETER_IMPORT_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "import/columns.h"
#include "import/times.h"

#define IMPORT_ROW_MAX ((size_t)1 << 20)

enum import_format {
  IMPORT_NDJSON,
  IMPORT_CSV,       /* cells are separated by commas; by semicolons or tabs if the header has those and no comma */
  IMPORT_TSV,       /* by tabs */
  IMPORT_BY_HEADER, /* as IMPORT_CSV if the first line has one of these; else ndjson. -ERR_USAGE: it is other JSON */
};

struct import_source_options {
  int fd;           /* borrowed; read from its current offset */
  const char *name; /* for messages */
  enum import_format format;
  bool needs_format;              /* IMPORT_BY_HEADER: -ERR_USAGE if the first line is no header and no object */
  struct columns_options columns; /* of rows; its file is set by import_source_open */
  struct times times;
};

struct import_event {
  uint64_t line; /* the line on which it begins, from 1 */
  struct str
      text; /* the event in JSON, on one line; if it is refused, the text of the file, or empty if that is too long */
  struct str refusal; /* why it cannot be sent; empty if it can */
  bool is_twice;      /* its local time occurs twice: it has the earlier instant */
};

struct import_source;

/* Opens a source and reads the header of rows. -ERR_USAGE: as for columns_open, or an option of rows is given and the
 * file is ndjson. Other errors as for import_source_next. */
MUST_USE int import_source_open(const struct import_source_options *options, struct import_source **ret,
                                struct err *err);
void import_source_close(struct import_source *source);
SCOPED_REF(struct import_source, import_source_close)

/* Continues at a place that import_source_offset and import_source_line returned. The file must be seekable. */
MUST_USE int import_source_seek(struct import_source *source, uint64_t offset, uint64_t line, struct err *err);

/* Reads the next event; its texts are valid until the next call. *ret_is_end: there are no more events. -ERR_IO.
 * -ERR_STOPPING: a stop was requested (base/stop.h) before more bytes could be read. */
MUST_USE int import_source_next(struct import_source *source, struct import_event *ret, bool *ret_is_end,
                                struct err *err);

/* The offset in the file after the last event that was returned, and the number of the line that begins there. */
uint64_t import_source_offset(const struct import_source *source);
uint64_t import_source_line(const struct import_source *source);

#endif
