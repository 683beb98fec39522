/* One writer for three formats. Cells know their column by counting, so a row cannot have a cell too many, and a JSON
 * member and a CSV column cannot have different names. */
#include "v1/rows.h"

#include <stdio.h>

#include "base/check.h"
#include "meter/labels.h"

static_assert(sizeof "label." - 1 + LABEL_NAME_MAX <= V1_COLUMN_NAME_MAX, "a label's column has room");

#define BYTE_ORDER_MARK "\xEF\xBB\xBF"

void v1_rows_init(struct v1_rows *rows, enum v1_format format, enum v1_shape shape, bool has_cursor) {
  *rows = (struct v1_rows){.format = format, .shape = shape, .has_cursor = has_cursor};
}

void v1_rows_fini(struct v1_rows *rows) { buf_fini(&rows->members); }

const char *v1_rows_content_type(enum v1_format format) {
  if (format == V1_CSV) return "text/csv; charset=utf-8";
  return format == V1_NDJSON ? "application/x-ndjson" : "application/json";
}

void v1_rows_piece(struct v1_rows *rows, struct buf *out) {
  rows->out = rows->json.out = out;
  rows->piece_start = out->len;
}

bool v1_rows_is_full(const struct v1_rows *rows) {
  return rows->out->failed || rows->out->len - rows->piece_start >= V1_PIECE;
}

/* ---- what comes before the rows ---- */

static void add_column(struct v1_rows *rows, const char *prefix, struct str name) {
  CHECK(rows->columns_count < V1_COLUMNS_MAX && !rows->has_begun);
  int len = snprintf(rows->columns[rows->columns_count], sizeof rows->columns[0], "%s%.*s", prefix, STR_ARG(name));
  CHECK(len > 0 && (size_t)len <= V1_COLUMN_NAME_MAX);
  rows->columns_count++;
}

void v1_rows_column(struct v1_rows *rows, const char *name) { add_column(rows, "", str_of(name)); }
void v1_rows_label_column(struct v1_rows *rows, struct str name) { add_column(rows, "label.", name); }

static void end_member(struct v1_rows *rows, const char *name) {
  CHECK(rows->members_count < V1_MEMBERS_MAX && !rows->has_begun);
  rows->member_ends[rows->members_count].name = name;
  rows->member_ends[rows->members_count++].end = rows->members.len;
}

void v1_rows_member_text(struct v1_rows *rows, const char *name, struct str text) {
  struct json_write json = json_write_to(&rows->members);
  json_write_str(&json, NULL, text);
  end_member(rows, name);
}

void v1_rows_member_i64(struct v1_rows *rows, const char *name, int64_t value) {
  struct json_write json = json_write_to(&rows->members);
  json_write_i64(&json, NULL, value);
  end_member(rows, name);
}

static void begin_json(struct v1_rows *rows) {
  struct str values = buf_view(&rows->members);
  size_t start = 0;
  json_write_object(&rows->json, NULL);
  json_write_u64(&rows->json, "position", rows->position);
  if (rows->shape == V1_OBJECT) return;
  for (size_t i = 0; i < rows->members_count; i++) {
    size_t end = rows->member_ends[i].end;
    json_write_raw(&rows->json, rows->member_ends[i].name, str_make(values.ptr + start, end - start));
    start = end;
  }
  if (rows->members.failed) rows->out->failed = true;
  json_write_list(&rows->json, "rows");
}

static void begin_csv(struct v1_rows *rows) {
  buf_text(rows->out, BYTE_ORDER_MARK);
  for (size_t i = 0; i < rows->columns_count; i++)
    buf_printf(rows->out, "%s%s", i > 0 ? "," : "", rows->columns[i]);
  buf_text(rows->out, "\r\n");
}

static void begin(struct v1_rows *rows) {
  if (rows->has_begun) return;
  rows->has_begun = true;
  if (rows->format == V1_JSON) begin_json(rows);
  if (rows->format == V1_CSV) begin_csv(rows);
}

/* ---- rows ---- */

void v1_row_begin(struct v1_rows *rows) {
  CHECK(rows->shape == V1_LIST && rows->columns_count > 0 && rows->column == 0);
  begin(rows);
  rows->row_start = rows->out->len;
  if (rows->format == V1_NDJSON) rows->json = json_write_to(rows->out);
  if (rows->format != V1_CSV) json_write_object(&rows->json, NULL);
}

void v1_row_end(struct v1_rows *rows) {
  CHECK(rows->column == rows->columns_count);
  CHECK(rows->out->failed || rows->out->len - rows->row_start <= V1_ROW_MAX);
  rows->column = 0;
  if (rows->format != V1_CSV) json_write_end(&rows->json);
  if (rows->format == V1_NDJSON) buf_char(rows->out, '\n');
  if (rows->format == V1_CSV) buf_text(rows->out, "\r\n");
}

/* Begins the next cell. Returns its name in JSON and ndjson, and NULL in CSV. */
static const char *begin_cell(struct v1_rows *rows) {
  CHECK(rows->column < rows->columns_count);
  const char *name = rows->columns[rows->column++];
  if (rows->format != V1_CSV) return name;
  if (rows->column > 1) buf_char(rows->out, ',');
  return NULL;
}

/* A program that opens a CSV file runs such a cell as a formula. Tab and CR: some strip them first. */
static bool is_formula(struct str text) { return text.len > 0 && memchr("=+-@\t\r", text.ptr[0], 6) != NULL; }

/* Quoted if it holds what divides cells or lines; also ';', which divides cells where ',' is the decimal point. */
static bool needs_quotes(struct str text) {
  for (size_t i = 0; i < text.len; i++) {
    if (memchr("\",;\t\r\n", text.ptr[i], 6) != NULL) return true;
  }
  return text.len > 0 && (text.ptr[0] == ' ' || text.ptr[text.len - 1] == ' ');
}

static void put_csv_text(struct buf *out, struct str text) {
  const char *guard = is_formula(text) ? "'" : "";
  if (!needs_quotes(text)) {
    buf_text(out, guard);
    buf_str(out, text);
    return;
  }
  buf_printf(out, "\"%s", guard);
  while (text.len > 0) {
    const char *quote = memchr(text.ptr, '"', text.len);
    size_t len = quote != NULL ? (size_t)(quote - text.ptr) + 1 : text.len;
    buf_append(out, text.ptr, len);
    if (quote != NULL) buf_char(out, '"');
    text = str_make(text.ptr + len, text.len - len);
  }
  buf_char(out, '"');
}

void v1_cell_null(struct v1_rows *rows) {
  const char *name = begin_cell(rows);
  if (name != NULL) json_write_null(&rows->json, name);
}

void v1_cell_text(struct v1_rows *rows, struct str text) {
  const char *name = begin_cell(rows);
  if (name != NULL) json_write_str(&rows->json, name, text);
  else put_csv_text(rows->out, text);
}

void v1_cell_written(struct v1_rows *rows, const struct buf *text) {
  v1_cell_text(rows, buf_view(text));
  rows->out->failed |= text->failed;
}

void v1_cell_i64(struct v1_rows *rows, int64_t value) {
  const char *name = begin_cell(rows);
  if (name != NULL) json_write_i64(&rows->json, name, value);
  else buf_i64(rows->out, value);
}

void v1_cell_u64(struct v1_rows *rows, uint64_t value) {
  const char *name = begin_cell(rows);
  if (name != NULL) json_write_u64(&rows->json, name, value);
  else buf_u64(rows->out, value);
}

void v1_cell_bool(struct v1_rows *rows, bool value) {
  const char *name = begin_cell(rows);
  if (name != NULL) json_write_bool(&rows->json, name, value);
  else buf_text(rows->out, value ? "true" : "false");
}

static void put_csv_list(struct buf *out, const struct str *texts, size_t count) {
  SCOPED(buf_fini) struct buf list = {0};
  for (size_t i = 0; i < count; i++) {
    if (i > 0) buf_char(&list, ' ');
    buf_str(&list, texts[i]);
  }
  put_csv_text(out, buf_view(&list));
  out->failed |= list.failed;
}

void v1_cell_list(struct v1_rows *rows, const struct str *texts, size_t count) {
  const char *name = begin_cell(rows);
  if (name == NULL) {
    put_csv_list(rows->out, texts, count);
    return;
  }
  json_write_list(&rows->json, name);
  for (size_t i = 0; i < count; i++)
    json_write_str(&rows->json, NULL, texts[i]);
  json_write_end(&rows->json);
}

void v1_cell_json(struct v1_rows *rows, struct str json) {
  const char *name = begin_cell(rows);
  if (name != NULL) json_write_raw(&rows->json, name, json);
  else put_csv_text(rows->out, json);
}

struct json_write *v1_rows_json(struct v1_rows *rows) {
  CHECK(rows->shape == V1_OBJECT && rows->format == V1_JSON);
  begin(rows);
  return &rows->json;
}

/* ---- the end ---- */

void v1_rows_cursor(struct v1_rows *rows, struct str cursor) {
  CHECK(rows->has_cursor);
  bool fits = str_copy(cursor, rows->cursor, sizeof rows->cursor);
  CHECK(fits);
}

static void put_cursor(struct v1_rows *rows) {
  if (!rows->has_cursor) return;
  if (rows->cursor[0] == '\0') json_write_null(&rows->json, "next_cursor");
  else json_write_text(&rows->json, "next_cursor", rows->cursor);
}

static void end_ndjson(struct v1_rows *rows) {
  rows->json = json_write_to(rows->out);
  json_write_object(&rows->json, NULL);
  json_write_bool(&rows->json, "complete", true);
  put_cursor(rows);
  json_write_end(&rows->json);
  buf_char(rows->out, '\n');
}

void v1_rows_end(struct v1_rows *rows) {
  CHECK(rows->column == 0);
  begin(rows);
  if (rows->format == V1_NDJSON) end_ndjson(rows);
  if (rows->format != V1_JSON) return;
  if (rows->shape == V1_LIST) json_write_end(&rows->json);
  put_cursor(rows);
  json_write_bool(&rows->json, "complete", true);
  json_write_end(&rows->json);
}
