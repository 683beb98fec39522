/* Tables: columns line up by what a terminal shows, and fit it where words allow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "cli/display.h"
#include "cli/table.h"

static void test_width(void **state) {
  (void)state;
  static const struct {
    const char *text;
    size_t width, word;
  } rows[] = {
      {"", 0, 0},
      {"abc", 3, 3},
      {"极速视频", 8, 8},
      {"e\xcc\x81t\xc3\xa9", 3, 3}, /* a combining accent, and one letter that has it */
      {"한국 日本", 9, 4},
      {"\xf0\x9f\x8e\xac", 2, 2}, /* an emoji */
      {"\xff\xfe", 2, 2},         /* not UTF-8 */
      {"\xe6\x9e", 2, 2},         /* cut off in a character */
      {"one  three five", 15, 5},
      {"  a ", 4, 1},
      {"…", 1, 1},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    size_t width = display_width(str_of(rows[i].text)), word = display_word_width(str_of(rows[i].text));
    if (width != rows[i].width || word != rows[i].word) fail_msg("'%s': %zu, %zu", rows[i].text, width, word);
  }
}

static void test_lines(void **state) {
  (void)state;
  static const struct {
    const char *text;
    size_t width;
    const char *lines; /* joined by '|' */
  } rows[] = {
      {"", 5, ""},
      {"one", 0, "one"},
      {"one two", 7, "one two"},
      {"one two", 6, "one|two"},
      {"one two", 1, "one|two"},
      {"a longword b", 4, "a|longword|b"},
      {"  one   two ", 20, "one   two"},
      {"one   two", 4, "one|two"},
      {"极速 视频", 9, "极速 视频"},
      {"极速 视频", 8, "极速|视频"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    char joined[64] = "";
    struct str rest = str_of(rows[i].text);
    for (bool first = true; first || rest.len > 0; first = false) {
      struct str line = display_line(&rest, rows[i].width);
      size_t len = strlen(joined);
      (void)snprintf(joined + len, sizeof joined - len, "%s%.*s", first ? "" : "|", STR_ARG(line));
    }
    if (strcmp(joined, rows[i].lines) != 0) fail_msg("'%s' in %zu: '%s'", rows[i].text, rows[i].width, joined);
  }
}

static const struct table_column columns[] = {
    {.title = "NAME"}, {.title = "TIME", .is_number = true}, {.title = "ONLY PROJECTS"}, {0}};

/* The table of the cells, which end with NULL. */
static void check(const struct table_column *how, size_t indent, size_t width, const char *const *cells,
                  const char *expected) {
  char *text = NULL;
  size_t len;
  FILE *out = open_memstream(&text, &len);
  struct table *table = table_new(how, indent, width, out);
  for (; *cells != NULL; cells++) table_cell(table, str_of(*cells));
  table_print(table);
  table_free(table);
  assert_int_equal(fclose(out), 0);
  assert_string_equal(text, expected);
  free(text);
}

static void test_tables(void **state) {
  (void)state;
  static const char *const none[] = {NULL};
  static const char *const cells[] = {"极速视频", "0:00:01", "a b", "x", "12345:00:00", "org-one org-two", NULL};
  static const char *const hostile[] = {"a\x1b[2Jb", "1", "\xff", NULL};
  check(columns, 0, 0, none, "NAME  TIME  ONLY PROJECTS\n");
  check(columns, 0, 0, cells,
        "NAME             TIME  ONLY PROJECTS\n"
        "极速视频      0:00:01  a b\n"
        "x         12345:00:00  org-one org-two\n");
  check(columns, 0, 38, cells,
        "NAME             TIME  ONLY PROJECTS\n"
        "极速视频      0:00:01  a b\n"
        "x         12345:00:00  org-one org-two\n");
  check(columns, 0, 37, cells,
        "NAME             TIME  ONLY PROJECTS\n"
        "极速视频      0:00:01  a b\n"
        "x         12345:00:00  org-one\n"
        "                       org-two\n");
  check(columns, 0, 31, cells, /* as narrow as its words */
        "NAME             TIME  ONLY\n"
        "                       PROJECTS\n"
        "极速视频      0:00:01  a b\n"
        "x         12345:00:00  org-one\n"
        "                       org-two\n");
  check(columns, 0, 5, cells, /* a word is never broken */
        "NAME             TIME  ONLY\n"
        "                       PROJECTS\n"
        "极速视频      0:00:01  a b\n"
        "x         12345:00:00  org-one\n"
        "                       org-two\n");
  check(columns, 0, 0, hostile, "NAME       TIME  ONLY PROJECTS\na\\x1b[2Jb     1  \\xff\n");
}

static void test_least_widths_and_no_titles(void **state) {
  (void)state;
  static const struct table_column labels[] = {{.title = "", .least = 6}, {.title = ""}, {0}};
  static const char *const cells[] = {"id", "1 2 3", "", "4", NULL};
  check(labels, 2, 0, cells, "  id      1 2 3\n          4\n");
  check(labels, 2, 11, cells, "  id  1 2 3\n      4\n");
}

/* More than is kept: printed in pieces, none lost, the titles once. */
static void test_many_rows(void **state) {
  (void)state;
  char *text = NULL;
  size_t len, rows = 200000, lines = 0;
  FILE *out = open_memstream(&text, &len);
  struct table *table = table_new(columns, 0, 0, out);
  for (size_t i = 0; i < rows; i++) {
    char number[24];
    (void)snprintf(number, sizeof number, "%zu", i);
    table_cell(table, STR("a name"));
    table_cell(table, str_of(number));
    table_cell(table, STR("org"));
  }
  table_print(table);
  table_free(table);
  assert_int_equal(fclose(out), 0);
  for (const char *p = text; (p = strchr(p, '\n')) != NULL; p++) lines++;
  assert_int_equal(lines, rows + 1);
  assert_non_null(strstr(text, " 0  org\n"));
  assert_non_null(strstr(text, " 199999  org\n"));
  assert_null(strstr(text + 5, "NAME"));
  free(text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_width),  cmocka_unit_test(test_lines),
      cmocka_unit_test(test_tables), cmocka_unit_test(test_least_widths_and_no_titles),
      cmocka_unit_test(test_many_rows),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
