/* Each new cell updates the widths, so printing does not scan the rows a second time. */
#include "cli/table.h"

#include <glib.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "cli/display.h"

#define GAP 2 /* blanks between two columns */

struct cell {
  size_t start, len; /* in table.text */
  size_t width;
};

struct table {
  const struct table_column *columns;
  size_t count; /* of columns */
  size_t indent, width;
  FILE *out;
  struct buf text;
  GArray *cells;                    /* of struct cell, row by row */
  size_t widest[TABLE_COLUMNS_MAX]; /* the widest cell or title */
  size_t word[TABLE_COLUMNS_MAX];   /* the widest text that cannot be broken */
  bool titles_printed;
};

/* ---- cells ---- */

static void widen(struct table *table, size_t column, struct str text) {
  size_t width = display_width(text);
  size_t word = table->columns[column].is_number ? width : display_word_width(text);
  if (width > table->widest[column]) table->widest[column] = width;
  if (word > table->word[column]) table->word[column] = word;
}

struct table *table_new(const struct table_column *columns, size_t indent, size_t width, FILE *out) {
  struct table *table = calloc(1, sizeof *table);
  CHECK(table != NULL);
  *table = (struct table){.columns = columns, .indent = indent, .width = width, .out = out, .titles_printed = true};
  table->cells = g_array_new(FALSE, FALSE, sizeof(struct cell));
  for (; columns[table->count].title != NULL; table->count++) {
    CHECK(table->count < TABLE_COLUMNS_MAX);
    widen(table, table->count, str_of(columns[table->count].title));
    if (columns[table->count].title[0] != '\0') table->titles_printed = false;
  }
  CHECK(table->count > 0);
  return table;
}

void table_free(struct table *table) {
  if (table == NULL) return;
  if (table->text.ptr != NULL) bytes_wipe(table->text.ptr, table->text.cap);
  buf_fini(&table->text);
  (void)g_array_free(table->cells, TRUE);
  free(table);
}

void table_cell(struct table *table, struct str text) {
  bool is_plain = str_is_utf8(text) && !str_has_control(text);
  SCOPED_MALLOC char *escaped = is_plain ? NULL : str_printable(text);
  if (!is_plain) text = str_of(escaped);
  struct cell cell = {.start = table->text.len, .len = text.len, .width = display_width(text)};
  widen(table, table->cells->len % table->count, text);
  buf_str(&table->text, text);
  CHECK(!table->text.failed);
  (void)g_array_append_val(table->cells, cell);
  size_t kept = table->text.len + table->cells->len * sizeof cell;
  if (kept >= TABLE_KEPT_MAX && table->cells->len % table->count == 0) table_print(table);
}

/* ---- widths ---- */

static size_t width_of_all(const struct table *table, const size_t widths[]) {
  size_t sum = table->indent + GAP * (table->count - 1);
  for (size_t i = 0; i < table->count; i++)
    sum += widths[i];
  return sum;
}

/* The widest column that is wider than its floor; table->count if no column is wider. */
static size_t widest_to_shrink(const struct table *table, const size_t widths[], const size_t floors[]) {
  size_t found = table->count;
  for (size_t i = 0; i < table->count; i++) {
    if (widths[i] > floors[i] && (found == table->count || widths[i] > widths[found])) found = i;
  }
  return found;
}

static void shrink(const struct table *table, size_t widths[], const size_t floors[]) {
  size_t all = width_of_all(table, widths);
  for (; table->width > 0 && all > table->width; all--) {
    size_t column = widest_to_shrink(table, widths, floors);
    if (column == table->count) return;
    widths[column]--;
  }
}

/* If the table is too wide, takes first the extra room of `least`, then breaks cells. */
static void choose_widths(const struct table *table, size_t widths[]) {
  for (size_t i = 0; i < table->count; i++) {
    size_t least = table->columns[i].least;
    widths[i] = table->widest[i] > least ? table->widest[i] : least;
  }
  shrink(table, widths, table->widest);
  shrink(table, widths, table->word);
}

/* ---- lines ---- */

static void put_blanks(struct buf *line, size_t count) {
  while (count-- > 0)
    buf_char(line, ' ');
}

static void put_line(struct table *table, struct buf *line) {
  while (line->len > 0 && line->ptr[line->len - 1] == ' ')
    line->len--;
  buf_char(line, '\n');
  CHECK(!line->failed);
  (void)fwrite(line->ptr, 1, line->len, table->out);
  buf_clear(line);
}

/* Prints one row, in as many lines as its cells need. Cuts the printed parts off the front of the texts. */
static void put_row(struct table *table, struct str texts[], const size_t widths[], struct buf *line) {
  bool is_done = false;
  while (!is_done) {
    size_t owed = table->indent;
    is_done = true;
    for (size_t i = 0; i < table->count; i++) {
      bool is_number = table->columns[i].is_number;
      bool is_whole = is_number || display_width(texts[i]) <= widths[i];
      struct str part = is_whole ? texts[i] : display_line(&texts[i], widths[i]);
      if (is_whole) texts[i] = STR("");
      size_t width = display_width(part), pad = widths[i] > width ? widths[i] - width : 0;
      put_blanks(line, owed + (is_number ? pad : 0));
      buf_str(line, part);
      owed = GAP + (is_number ? 0 : pad);
      is_done = is_done && texts[i].len == 0;
    }
    put_line(table, line);
  }
}

void table_print(struct table *table) {
  SCOPED(buf_fini) struct buf line = {0};
  struct str texts[TABLE_COLUMNS_MAX];
  size_t widths[TABLE_COLUMNS_MAX];
  CHECK(table->cells->len % table->count == 0);
  choose_widths(table, widths);
  if (!table->titles_printed) {
    for (size_t i = 0; i < table->count; i++)
      texts[i] = str_of(table->columns[i].title);
    put_row(table, texts, widths, &line);
    table->titles_printed = true;
  }
  for (size_t at = 0; at < table->cells->len; at += table->count) {
    for (size_t i = 0; i < table->count; i++) {
      const struct cell *cell = &g_array_index(table->cells, struct cell, at + i);
      texts[i] = str_make(table->text.ptr + cell->start, cell->len);
    }
    put_row(table, texts, widths, &line);
  }
  if (line.ptr != NULL) bytes_wipe(line.ptr, line.cap);
  (void)g_array_set_size(table->cells, 0);
  buf_clear(&table->text);
}

size_t table_terminal_width(void) { return isatty(STDOUT_FILENO) != 0 ? display_columns() : 0; }
