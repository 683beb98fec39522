/* Rows of CSV: what is no row first. */
#include "import/csv_reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define END "(end)"

/* Lines as they are fed, and END; what each gives: m for more, r for a row, b for blank, ! for bad; then the last
 * row's cells, between bars. */
static const struct {
  const char *lines[5];
  const char *states;
  const char *cells;
} cases[] = {
    {{"a\"b,c\n"}, "!", NULL},
    {{"\"a\"b,c\n"}, "!", NULL},
    {{"\"a\" \"b\"\n"}, "!", NULL},
    {{"\"a\n", END}, "m!", NULL},
    {{"\"a,b\n", "c,\"d\",e\n", "f,g\n"}, "m!r", "|f|g|"},
    {{"\"a\"x\n", "\"b\"\n"}, "!r", "|b|"},
    {{"\n"}, "b", NULL},
    {{"\r\n"}, "b", NULL},
    {{" \t\r\n", "a\n"}, "br", "|a|"},
    {{END}, "b", NULL},
    {{"a,b\n"}, "r", "|a|b|"},
    {{"a,b\r\n"}, "r", "|a|b|"},
    {{"a,b", END}, "mr", "|a|b|"},
    {{"a,", END}, "mr", "|a||"},
    {{",\n"}, "r", "|||"},
    {{"\"\"\n"}, "r", "||"},
    {{" a , b \n"}, "r", "|a|b|"},
    {{"\" a \",\"b,c\"\r\n"}, "r", "| a |b,c|"},
    {{"\"a\"\"b\"\n"}, "r", "|a\"b|"},
    {{"\"\"\"\"\n"}, "r", "|\"|"},
    {{"\"a\r\n", "\n", "b\",c\n"}, "mmr", "|a\r\n\nb|c|"},
    {{"\"a\n", "b\"", END}, "mmr", "|a\nb|"},
    {{"a\rb,c\n"}, "r", "|a\rb|c|"},
    {{"a,b\n", "c\n"}, "rr", "|c|"},
};

static char letter(enum csv_reader_state state) {
  static const char letters[] = {
      [CSV_READER_MORE] = 'm', [CSV_READER_ROW] = 'r', [CSV_READER_BLANK] = 'b', [CSV_READER_BAD] = '!'};
  return letters[state];
}

static void append_cells(const struct csv_reader *reader, struct buf *out) {
  buf_clear(out);
  for (size_t i = 0; i < csv_reader_cells(reader); i++) {
    buf_char(out, '|');
    buf_str(out, csv_reader_cell(reader, i));
  }
  buf_char(out, '|');
}

static void test_lines(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    SCOPED(csv_reader_free_ref) struct csv_reader *reader = csv_reader_new();
    SCOPED(buf_fini) struct buf states = {0}, cells = {0};
    for (size_t k = 0; k < 5 && cases[i].lines[k] != NULL; k++) {
      struct str line = str_of(cases[i].lines[k]);
      buf_char(&states, letter(str_equal(line, STR(END)) ? csv_reader_end(reader) : csv_reader_line(reader, line)));
    }
    buf_char(&states, '\0');
    assert_string_equal(states.ptr, cases[i].states);
    if (cases[i].cells == NULL) continue;
    append_cells(reader, &cells);
    buf_char(&cells, '\0');
    assert_string_equal(cells.ptr, cases[i].cells);
  }
}

static void test_more_cells_than_are_kept(void **state) {
  (void)state;
  SCOPED(csv_reader_free_ref) struct csv_reader *reader = csv_reader_new();
  SCOPED(buf_fini) struct buf line = {0};
  for (size_t i = 0; i < 10 * CSV_READER_CELLS_MAX; i++)
    buf_text(&line, "x,");
  buf_text(&line, "x\n");
  assert_int_equal(csv_reader_line(reader, buf_view(&line)), CSV_READER_ROW);
  assert_int_equal(csv_reader_cells(reader), 10 * CSV_READER_CELLS_MAX + 1);
  assert_int_equal(csv_reader_cell(reader, CSV_READER_CELLS_MAX - 1).len, 1);
}

static void test_a_row_is_forgotten(void **state) {
  (void)state;
  SCOPED(csv_reader_free_ref) struct csv_reader *reader = csv_reader_new();
  SCOPED(buf_fini) struct buf cells = {0};
  assert_int_equal(csv_reader_line(reader, STR("a,\"b\n")), CSV_READER_MORE);
  csv_reader_reset(reader);
  assert_int_equal(csv_reader_line(reader, STR("\n")), CSV_READER_BLANK);
  assert_int_equal(csv_reader_line(reader, STR("c,d\n")), CSV_READER_ROW);
  append_cells(reader, &cells);
  assert_true(str_equal(buf_view(&cells), STR("|c|d|")));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_lines),
      cmocka_unit_test(test_more_cells_than_are_kept),
      cmocka_unit_test(test_a_row_is_forgotten),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
