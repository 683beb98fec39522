/* The server is always asked for ndjson: only there a row can be read before the next one has come, and only there
 * the end says that the list is complete. So a list of any length is written in bounded memory. */
#include "cli/row_output.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/json_write.h"
#include "base/stop.h"
#include "cli/spreadsheet.h"

#define DAY_LEAST_S 72000 /* a row that covers less is a part of a day, and its date gets hours */
#define NAMES_MAX SPREADSHEET_COLUMNS_MAX

struct row_output {
  enum output_kind kind;
  FILE *out; /* NULL: a workbook */
  struct spreadsheet *spreadsheet;
  uint64_t rows;
  char *names[NAMES_MAX];
  size_t names_count;
  struct buf text;        /* of one row */
  struct json_write json; /* into text */
};

int row_output_begin(enum output_kind kind, struct output_file *file, const char *sheet, struct row_output **ret,
                     struct err *err) {
  SCOPED(row_output_free_ref) struct row_output *output = calloc(1, sizeof *output);
  CHECK(output != NULL && kind != OUTPUT_TABLE);
  CHECK(kind != OUTPUT_XLSX || file != NULL);
  output->kind = kind;
  if (kind == OUTPUT_XLSX) {
    int result = spreadsheet_begin(file->made, sheet, &output->spreadsheet, err);
    if (result != 0) return result;
  } else {
    output->out = file != NULL ? file->file : stdout;
  }
  if (kind == OUTPUT_JSON) {
    output->json = json_write_to(&output->text);
    json_write_object(&output->json, NULL);
    json_write_list(&output->json, "rows");
  }
  *ret = MOVE(output);
  return 0;
}

void row_output_free(struct row_output *output) {
  if (output == NULL) return;
  spreadsheet_free(output->spreadsheet);
  for (size_t i = 0; i < output->names_count; i++)
    free(output->names[i]);
  buf_fini(&output->text);
  free(output);
}

bool row_output_is_empty(const struct row_output *output) { return output->rows == 0 && output->names_count == 0; }

static int flush(struct row_output *output, struct err *err) {
  struct str text = buf_view(&output->text);
  if (output->text.failed) return err_set(err, ERR_MEMORY, "no memory for a row");
  bool is_written = fwrite(text.ptr, 1, text.len, output->out) == text.len;
  buf_clear(&output->text);
  return is_written ? 0 : err_set(err, ERR_IO, "the rows cannot be written: check that the disk has room");
}

/* ---- CSV ---- */

static bool looks_like_formula(struct str text) { return text.len > 0 && memchr("=+-@\t\r", text.ptr[0], 6) != NULL; }

static bool needs_quotes(struct str text) {
  for (size_t i = 0; i < text.len; i++) {
    if (memchr("\",;\t\r\n", text.ptr[i], 6) != NULL) return true; /* ";" and tabs divide cells for some spreadsheets */
  }
  return text.len > 0 && (text.ptr[0] == ' ' || text.ptr[text.len - 1] == ' ');
}

static void put_csv_text(struct buf *out, struct str text) {
  bool quotes = needs_quotes(text);
  if (quotes) buf_char(out, '"');
  if (looks_like_formula(text)) buf_char(out, '\'');
  for (size_t i = 0; i < text.len; i++) {
    if (text.ptr[i] == '"') buf_char(out, '"');
    buf_char(out, text.ptr[i]);
  }
  if (quotes) buf_char(out, '"');
}

/* ---- cells of any kind ---- */

/* A list becomes a text with blanks between its items; an object of texts (labels) stays JSON. */
static void put_list(struct buf *out, const struct json *list) {
  struct json_write json = json_write_to(out);
  if (list->type == JSON_OBJECT) {
    json_write_tree(&json, NULL, list);
    return;
  }
  for (const struct json *item = list->child; item != NULL; item = item->next) {
    if (item != list->child) buf_char(out, ' ');
    if (item->type == JSON_STRING || item->type == JSON_NUMBER) buf_str(out, item->text);
  }
}

static void put_csv_cell(struct buf *out, const struct json *value) {
  SCOPED(buf_fini) struct buf list = {0};
  switch (value->type) {
    case JSON_NULL:
      return;
    case JSON_TRUE:
      buf_text(out, "true");
      return;
    case JSON_FALSE:
      buf_text(out, "false");
      return;
    case JSON_NUMBER:
      buf_str(out, value->text);
      return;
    case JSON_STRING:
      put_csv_text(out, value->text);
      return;
    case JSON_ARRAY:
    case JSON_OBJECT:
      put_list(&list, value);
      if (list.failed) out->failed = true;
      put_csv_text(out, buf_view(&list));
  }
}

static int64_t number_of(const struct json *object, const char *name) {
  int64_t value;
  const struct json *member = json_member(object, name);
  return member != NULL && member->type == JSON_NUMBER && json_number_i64(member->text, &value) ? value : 0;
}

static int put_sheet_cell(struct spreadsheet *sheet, const struct json *object, const struct json *value,
                          struct err *err) {
  SCOPED(buf_fini) struct buf list = {0};
  switch (value->type) {
    case JSON_NULL:
      spreadsheet_empty(sheet);
      return 0;
    case JSON_TRUE:
      return spreadsheet_text(sheet, STR("true"), err);
    case JSON_FALSE:
      return spreadsheet_text(sheet, STR("false"), err);
    case JSON_NUMBER:
      return spreadsheet_number(sheet, value->text, err);
    case JSON_STRING:
      if (!str_equal(value->name, STR("date"))) return spreadsheet_text(sheet, value->text, err);
      return spreadsheet_date(sheet, value->text, number_of(object, "end") - number_of(object, "start") < DAY_LEAST_S,
                              err);
    case JSON_ARRAY:
    case JSON_OBJECT:
      put_list(&list, value);
      return spreadsheet_text(sheet, buf_view(&list), err);
  }
  return 0;
}

/* ---- names ---- */

static void add_name(struct row_output *output, struct str name) {
  CHECK(output->names_count < NAMES_MAX);
  output->names[output->names_count] = strndup(name.ptr, name.len);
  CHECK(output->names[output->names_count] != NULL);
  output->names_count++;
}

static void put_names(struct row_output *output) {
  if (output->kind == OUTPUT_CSV) buf_text(&output->text, "\xEF\xBB\xBF");
  for (size_t i = 0; i < output->names_count; i++) {
    struct str name = str_of(output->names[i]);
    if (output->kind == OUTPUT_XLSX) spreadsheet_title(output->spreadsheet, name);
    if (output->kind != OUTPUT_CSV) continue;
    if (i > 0) buf_char(&output->text, ',');
    buf_str(&output->text, name);
  }
  if (output->kind == OUTPUT_CSV) buf_text(&output->text, "\r\n");
}

void row_output_names(struct row_output *output, struct str names) {
  CHECK(output->names_count == 0);
  while (names.len > 0 && output->names_count < NAMES_MAX)
    add_name(output, str_cut(&names, ','));
  put_names(output);
}

/* Takes the names of the first row; a later one must have the same. */
static int check_names(struct row_output *output, const struct json *object, struct err *err) {
  size_t count = 0;
  bool is_first = output->names_count == 0;
  for (const struct json *value = object->child; value != NULL; value = value->next, count++) {
    if (is_first && count < NAMES_MAX) add_name(output, value->name);
    bool fits = count < output->names_count && str_equal(value->name, str_of(output->names[count]));
    if (!fits) return err_set(err, ERR_REMOTE, "a row of the answer has other columns than the first one");
  }
  if (count != output->names_count || count == 0)
    return err_set(err, ERR_REMOTE, "a row of the answer lacks columns of the first one");
  if (is_first) put_names(output);
  return 0;
}

/* ---- rows ---- */

static int put_row(struct row_output *output, const struct json *object, struct str line, struct err *err) {
  int result = 0;
  if (output->kind == OUTPUT_JSON) { /* each row has a line of its own */
    json_write_next(&output->json, NULL);
    buf_char(&output->text, '\n');
    buf_str(&output->text, line);
  }
  if (output->kind == OUTPUT_XLSX) result = spreadsheet_row(output->spreadsheet, err);
  for (const struct json *value = object->child; value != NULL && result == 0; value = value->next) {
    if (output->kind == OUTPUT_CSV && value != object->child) buf_char(&output->text, ',');
    if (output->kind == OUTPUT_CSV) put_csv_cell(&output->text, value);
    if (output->kind == OUTPUT_XLSX) result = put_sheet_cell(output->spreadsheet, object, value, err);
  }
  if (output->kind == OUTPUT_CSV) buf_text(&output->text, "\r\n");
  return result;
}

int row_output_row(struct row_output *output, const struct json *object, struct str line, struct err *err) {
  if (stop_is_wanted()) return err_set(err, ERR_STOPPING, "interrupted");
  int result = check_names(output, object, err);
  if (result != 0) return result;
  output->rows++;
  result = put_row(output, object, line, err);
  return result == 0 && output->out != NULL ? flush(output, err) : result;
}

int row_output_end(struct row_output *output, const char *position, struct err *err) {
  if (output->kind == OUTPUT_XLSX) return spreadsheet_end(output->spreadsheet, err);
  if (output->kind == OUTPUT_JSON) {
    if (output->rows > 0) buf_char(&output->text, '\n');
    json_write_end(&output->json);
    if (position[0] != '\0') json_write_raw(&output->json, "position", str_of(position));
    json_write_bool(&output->json, "complete", true);
    json_write_end(&output->json);
    buf_char(&output->text, '\n');
  }
  return flush(output, err);
}

/* ---- a whole list ---- */

static int take_row(void *arg, const struct json *object, struct str line, struct err *err) {
  return row_output_row(arg, object, line, err);
}

static int write_pages(struct client *client, const char *query, struct row_output *output, struct err *err) {
  const struct reader_visitor visitor = {.row = take_row, .arg = output};
  struct reader_end end = {0};
  char position[CLIENT_POSITION_SIZE] = "";
  do {
    SCOPED(buf_fini) struct buf path = {0};
    buf_text(&path, query);
    if (end.cursor[0] != '\0') client_add_param(client, &path, STR("cursor"), str_of(end.cursor));
    buf_char(&path, '\0');
    CHECK(!path.failed);
    int result = reader_rows(client, path.ptr, &visitor, &end, err);
    if (result != 0) return result;
    if (position[0] == '\0') memcpy(position, end.position, sizeof position);
  } while (end.cursor[0] != '\0');
  if (row_output_is_empty(output) && output->kind != OUTPUT_JSON) {
    SCOPED(buf_fini) struct buf names = {0};
    int result = reader_columns(client, query, &names, err);
    if (result != 0) return result;
    row_output_names(output, buf_view(&names));
  }
  return row_output_end(output, position, err);
}

int row_output_write_all(struct client *client, const char *query, enum output_kind kind, const char *path,
                         const char *sheet, struct err *err) {
  SCOPED(output_file_fini) struct output_file file = {0};
  SCOPED(row_output_free_ref) struct row_output *output = NULL;
  int result = path != NULL ? output_kind_of(path, &kind, err) : 0;
  if (result == 0 && path != NULL) result = output_file_begin(path, &file, err);
  if (result == 0) result = row_output_begin(kind, path != NULL ? &file : NULL, sheet, &output, err);
  if (result == 0) result = write_pages(client, query, output, err);
  return result == 0 && path != NULL ? output_file_end(&file, err) : result;
}
