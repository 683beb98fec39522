/* Rows of CSV: what is no row first. */
#include "import/csv_reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Lines as they are fed; what each gives: r for a row, b for blank, o for one that is left open, ! for bad; then the
 * last row's cells, between bars. */
static const struct {
  const char *lines[5];
  const char *states;
  const char *cells;
} cases[] = {
    {{"a\"b,c\n"}, "!", NULL},
    {{"\"a\"b,c\n"}, "!", NULL},
    {{"\"a\" \"b\"\n"}, "!", NULL},
    {{"\"a\n"}, "o", NULL},
    {{"\"a"}, "o", NULL},
    {{"a,\"\"\"\n", "b,c\n"}, "or", "|b|c|"},
    {{"\"a,b\n", "c,\"d\",e\n", "f,g\n"}, "orr", "|f|g|"},
    {{"a,\"b\n", "\n", "c,d\n"}, "obr", "|c|d|"},
    {{"\"a\"x\n", "\"b\"\n"}, "!r", "|b|"},
    {{"\n"}, "b", NULL},
    {{"\r\n"}, "b", NULL},
    {{" \t\r\n", "a\n"}, "br", "|a|"},
    {{"a,b\n"}, "r", "|a|b|"},
    {{"a,b\r\n"}, "r", "|a|b|"},
    {{"a,b"}, "r", "|a|b|"},
    {{"a,"}, "r", "|a||"},
    {{"a,\"b\""}, "r", "|a|b|"},
    {{",\n"}, "r", "|||"},
    {{"\"\"\n"}, "r", "||"},
    {{" a , b \n"}, "r", "| a | b |"},
    {{"a ,\tb\t\r\n"}, "r", "|a |\tb\t|"},
    {{"\xC2\xA0" "a\xE3\x80\x80,\v\n"}, "r", "|\xC2\xA0" "a\xE3\x80\x80|\v|"},
    {{" ,\n"}, "r", "| ||"},
    {{"a,b\r"}, "r", "|a|b|"},
    {{"a,b\r\r\n"}, "r", "|a|b\r|"},
    {{"a,\r\n"}, "r", "|a||"},
    {{"a,\"b\"\r\n"}, "r", "|a|b|"},
    {{"\"a \",\" \"\"b\"\n"}, "r", "|a | \"b|"},
    {{" \"a\",b\n", "c\n"}, "!r", "|c|"},
    {{"\"a\" ,b\n"}, "!", NULL},
    {{"\"a\"\t\n"}, "!", NULL},
    {{"\" a \",\"b,c\"\r\n"}, "r", "| a |b,c|"},
    {{"\"a\"\"b\"\n"}, "r", "|a\"b|"},
    {{"\"\"\"\"\n"}, "r", "|\"|"},
    {{"\"a\r\n", "b\",c\n", "d\n"}, "o!r", "|d|"},
    {{"a\rb,c\n"}, "r", "|a\rb|c|"},
    {{"a,b\n", "c\n"}, "rr", "|c|"},
};

static char letter(enum csv_reader_state state) {
  static const char letters[] = {
      [CSV_READER_ROW] = 'r', [CSV_READER_BLANK] = 'b', [CSV_READER_OPEN] = 'o', [CSV_READER_BAD] = '!'};
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
    SCOPED(csv_reader_free_ref) struct csv_reader *reader = csv_reader_new(',');
    SCOPED(buf_fini) struct buf states = {0}, cells = {0};
    for (size_t k = 0; k < 5 && cases[i].lines[k] != NULL; k++) {
      buf_char(&states, letter(csv_reader_line(reader, str_of(cases[i].lines[k]))));
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
  SCOPED(csv_reader_free_ref) struct csv_reader *reader = csv_reader_new(',');
  SCOPED(buf_fini) struct buf line = {0};
  for (size_t i = 0; i < 10 * CSV_READER_CELLS_MAX; i++)
    buf_text(&line, "x,");
  buf_text(&line, "x\n");
  assert_int_equal(csv_reader_line(reader, buf_view(&line)), CSV_READER_ROW);
  assert_int_equal(csv_reader_cells(reader), 10 * CSV_READER_CELLS_MAX + 1);
  assert_int_equal(csv_reader_cell(reader, CSV_READER_CELLS_MAX - 1).len, 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_lines),
      cmocka_unit_test(test_more_cells_than_are_kept),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
