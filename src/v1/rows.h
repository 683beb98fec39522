/* The rows of an answer, in JSON, CSV or ndjson. A resource names its columns once, and then gives the cells of each
 * row in the order of the columns; the writer makes the text.
 *
 *   JSON    {"position":N,MEMBERS"rows":[{"id":"a","tasks":3},…],"next_cursor":…,"complete":true}
 *   ndjson  one object a line; the last line is {"complete":true}, with next_cursor if the resource has cursors
 *   CSV     UTF-8 with a byte order mark, lines end with CR LF, the first line has the names. Absent: an empty cell. A
 *           text that begins with = + - @ a tab or a CR gets a leading ', so that no spreadsheet takes it for a
 *           formula; numbers stay numbers
 *
 * The answer of a resource of the shape V1_OBJECT is one JSON object; the resource writes its members itself. */
#ifndef CODECMETER_V1_ROWS_H
#define CODECMETER_V1_ROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json_write.h"

enum v1_format { V1_JSON, V1_NDJSON, V1_CSV };
#define V1_FORMAT(format) (1u << (format))
#define V1_FORMATS (V1_FORMAT(V1_JSON) | V1_FORMAT(V1_NDJSON) | V1_FORMAT(V1_CSV))

enum v1_shape { V1_LIST, V1_OBJECT };

#define V1_COLUMNS_MAX 64
#define V1_COLUMN_NAME_MAX 47
#define V1_MEMBERS_MAX 4
#define V1_CURSOR_MAX 511
#define V1_PIECE ((size_t)64 << 10) /* bytes after which a piece is full */
/* The longest row: v1_row_end checks it. A piece has at most V1_PIECE + V1_ROW_MAX bytes. */
#define V1_ROW_MAX ((size_t)64 << 10)

struct v1_rows {
  /* Set by v1_rows_init. */
  enum v1_format format;
  enum v1_shape shape;
  bool has_cursor;
  struct buf *out;
  size_t piece_start; /* of out, when the piece began */
  /* Set by the resource, in open. */
  char columns[V1_COLUMNS_MAX][V1_COLUMN_NAME_MAX + 1];
  size_t columns_count;
  /* Set by the frame: what the beginning says. */
  uint64_t position;
  /* The writer's own. */
  bool has_begun;
  struct json_write json; /* JSON: the answer; ndjson: the line */
  struct buf members;     /* JSON lists: the values of v1_rows_member_…, one behind the other, and where each ends */
  struct {
    const char *name;
    size_t end;
  } member_ends[V1_MEMBERS_MAX];
  size_t members_count;
  size_t column, row_start;
  char cursor[V1_CURSOR_MAX + 1];
};

/* ---- for resources: in open ---- */

/* Adds a column behind the others. The name is ASCII: letters, digits, '_' and '.'. */
void v1_rows_column(struct v1_rows *rows, const char *name);
/* Adds the column "label.NAME" of a valid label name. */
void v1_rows_label_column(struct v1_rows *rows, struct str name);
/* JSON lists get this member before "rows"; other formats have no place for it. The name is static. */
void v1_rows_member_text(struct v1_rows *rows, const char *name, struct str text);
void v1_rows_member_i64(struct v1_rows *rows, const char *name, int64_t value);

/* ---- for resources: in next ---- */

/* True if the piece has enough: return V1_MORE, and go on in the next call. */
bool v1_rows_is_full(const struct v1_rows *rows);
/* Begin and end a row. Between them exactly one cell for each column. */
void v1_row_begin(struct v1_rows *rows);
void v1_row_end(struct v1_rows *rows);
void v1_cell_null(struct v1_rows *rows);
void v1_cell_text(struct v1_rows *rows, struct str text); /* "" stays "": it is no null */
/* What was written into a buf. If the buf had no memory, neither has the piece: a part of a text is never sent. */
void v1_cell_written(struct v1_rows *rows, const struct buf *text);
void v1_cell_i64(struct v1_rows *rows, int64_t value);
void v1_cell_u64(struct v1_rows *rows, uint64_t value);
void v1_cell_bool(struct v1_rows *rows, bool value);
/* An array of texts in JSON and ndjson; in CSV one text with blanks between them. */
void v1_cell_list(struct v1_rows *rows, const struct str *texts, size_t count);
/* JSON as it is; in CSV its text. */
void v1_cell_json(struct v1_rows *rows, struct str json);
/* The cursor of the next page, for a resource with cursors; call it before V1_DONE. Not called: this was the last. At
 * most V1_CURSOR_MAX bytes of ASCII that needs no escape. */
void v1_rows_cursor(struct v1_rows *rows, struct str cursor);
/* V1_OBJECT: the writer of the answer, in which its object is open. */
struct json_write *v1_rows_json(struct v1_rows *rows);

/* ---- for the frame, and for tests ---- */

void v1_rows_init(struct v1_rows *rows, enum v1_format format, enum v1_shape shape, bool has_cursor);
void v1_rows_fini(struct v1_rows *rows);
/* What comes next goes to out, which is borrowed until the next call; a new piece begins. The beginning of the answer
 * is written with the first row, or with the end if there is none. So a piece without rows is empty, and what is
 * found in it can still become an error with a status. */
void v1_rows_piece(struct v1_rows *rows, struct buf *out);
void v1_rows_end(struct v1_rows *rows); /* once, after the last row */
const char *v1_rows_content_type(enum v1_format format);

#endif
