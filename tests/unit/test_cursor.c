/* Cursors: what a server gave comes back as it was, and nothing else passes. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/base64.h"
#include "base/file.h"
#include "v1/cursor.h"

static const struct cursor_key key = {"0123456789abcdef0123456789abcde"};
static const struct cursor sample = {
    .as_of = 123456789, .finished_ms = 1767196800123, .position = 4711};

/* The parameters that the sample is made with. */
static void fill(struct cursor_param params[3]) {
  params[0] = (struct cursor_param){STR("project"), STR("org-a")};
  params[1] = (struct cursor_param){STR("tier"), STR("high")};
  params[2] = (struct cursor_param){STR("project"), STR("org-b")};
}

static void write_sample(const char *token, char out[CURSOR_TEXT_SIZE]) {
  struct cursor_param params[3];
  fill(params);
  cursor_write(&key, str_of(token), STR("tasks"), params, 3, &sample, out);
}

static int read_sample(struct str text, struct cursor *ret, struct err *err) {
  struct cursor_param params[3];
  fill(params);
  return cursor_read(&key, STR("abc"), STR("tasks"), params, 3, text, ret, err);
}

static void refused(struct str text, const char *what) {
  struct cursor back = {.as_of = 7};
  struct err err = {0};
  if (read_sample(text, &back, &err) != -ERR_RANGE) fail_msg("%s is taken", what);
  assert_non_null(strstr(err.text, "was cut or changed"));
  assert_int_equal(back.as_of, 7);
}

static void test_forged(void **state) {
  (void)state;
  char text[CURSOR_TEXT_SIZE + 8] = "";
  static const char *const bad[] = {"", "A", "null", "0", "../../etc/passwd", "<script>", "=", "AAAA", " "};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    refused(str_of(bad[i]), bad[i]);
  /* Of the right length, and of letters of the alphabet. */
  memset(text, 'A', CURSOR_TEXT_SIZE - 1);
  refused(str_make(text, CURSOR_TEXT_SIZE - 1), "zeros");
  memset(text, '\0', CURSOR_TEXT_SIZE - 1);
  refused(str_make(text, CURSOR_TEXT_SIZE - 1), "NULs");
  memset(text, '+', CURSOR_TEXT_SIZE - 1);
  refused(str_make(text, CURSOR_TEXT_SIZE - 1), "another alphabet");
  /* Cut, from either side, and lengthened. */
  write_sample("abc", text);
  for (size_t len = 0; len < CURSOR_TEXT_SIZE - 1; len++) {
    refused(str_make(text, len), "cut at its end");
    refused(str_make(text + len + 1, CURSOR_TEXT_SIZE - 2 - len), "cut at its beginning");
  }
  text[CURSOR_TEXT_SIZE - 1] = 'A';
  refused(str_make(text, CURSOR_TEXT_SIZE), "lengthened");
  SCOPED(buf_fini) struct buf long_text = {0};
  for (int i = 0; i < 100000; i++)
    buf_text(&long_text, "AAAAAAAAAA");
  refused(buf_view(&long_text), "too long");
}

/* Every bit is authenticated. */
static void test_flipped(void **state) {
  (void)state;
  char text[CURSOR_TEXT_SIZE];
  uint8_t bytes[CURSOR_BYTES];
  write_sample("abc", text);
  assert_true(base64url_decode(str_of(text), bytes, sizeof bytes));
  for (size_t bit = 0; bit < 8 * sizeof bytes; bit++) {
    char flipped[CURSOR_TEXT_SIZE];
    bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    (void)base64url_encode(bytes, sizeof bytes, flipped);
    refused(str_of(flipped), "flipped");
    bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
  }
  /* And every letter: no two texts are the same cursor. */
  for (size_t at = 0; at + 1 < sizeof text; at++) {
    char was = text[at];
    for (int c = 1; c < 256; c++) {
      if ((char)c == was) continue;
      text[at] = (char)c;
      refused(str_of(text), "another letter");
    }
    text[at] = was;
  }
}

static void test_back(void **state) {
  (void)state;
  char text[CURSOR_TEXT_SIZE];
  struct cursor back;
  struct err err = {0};
  write_sample("abc", text);
  assert_int_equal(strlen(text), CURSOR_TEXT_SIZE - 1);
  assert_int_equal(strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), strlen(text));
  assert_int_equal(read_sample(str_of(text), &back, &err), 0);
  assert_memory_equal(&back, &sample, sizeof back);
}

static void test_foreign(void **state) {
  (void)state;
  char text[CURSOR_TEXT_SIZE];
  static const char *const tokens[] = {"", "ab", "abd", "abcd", "ABC"};
  for (size_t i = 0; i < sizeof tokens / sizeof tokens[0]; i++) {
    write_sample(tokens[i], text);
    refused(str_of(text), tokens[i]);
  }
  /* Of another data directory. */
  struct cursor_param params[3];
  static const struct cursor_key other = {"0123456789abcdef0123456789abcdE"};
  fill(params);
  cursor_write(&other, STR("abc"), STR("tasks"), params, 3, &sample, text);
  refused(str_of(text), "another key");
}

static void test_other_queries(void **state) {
  (void)state;
  char text[CURSOR_TEXT_SIZE];
  static const struct {
    const char *resource;
    struct cursor_param params[4];
    size_t count;
    bool is_same;
  } rows[] = {
      {"tasks", {{STR("project"), STR("org-a")}, {STR("tier"), STR("high")}}, 2, false},
      {"tasks", {{STR("project"), STR("org-a")}, {STR("project"), STR("org-b")}, {STR("tier"), STR("super")}}, 3, false},
      {"tasks", {{STR("project"), STR("org-aorg-b")}, {STR("tier"), STR("high")}}, 2, false},
      {"tasks", {{STR("projectorg-a"), STR("")}, {STR("tier"), STR("high")}, {STR("project"), STR("org-b")}}, 3, false},
      {"tasks", {{STR("project"), STR("org-a")}, {STR("tie"), STR("rhigh")}, {STR("project"), STR("org-b")}}, 3, false},
      {"tasks", {{STR("project"), STR("org-a")}, {STR("tier"), STR("high")}, {STR("project"), STR("org-b")}, {STR("codec"), STR("")}}, 4, false},
      {"tasks", {{STR("project"), STR("")}}, 0, false},
      {"task", {{STR("project"), STR("org-a")}, {STR("project"), STR("org-b")}, {STR("tier"), STR("high")}}, 3, false},
      /* The order does not matter. */
      {"tasks", {{STR("tier"), STR("high")}, {STR("project"), STR("org-b")}, {STR("project"), STR("org-a")}}, 3, true},
  };
  write_sample("abc", text);
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct cursor_param params[4];
    struct cursor back = {0};
    struct err err = {0};
    memcpy(params, rows[i].params, sizeof params);
    int result = cursor_read(&key, STR("abc"), str_of(rows[i].resource), params, rows[i].count, str_of(text), &back, &err);
    if ((result == 0) != rows[i].is_same) fail_msg("row %zu: %d %s", i, result, err.text);
    if (!rows[i].is_same) assert_non_null(strstr(err.text, "belongs to another query"));
  }
}

static void test_base64url(void **state) {
  (void)state;
  static const struct {
    const char *bytes, *text;
  } rows[] = {{"", ""},         {"f", "Zg"},        {"fo", "Zm8"},        {"foo", "Zm9v"},
              {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff\xfe", "-__-"}};
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    char text[16], bytes[16];
    size_t len = strlen(rows[i].bytes);
    assert_int_equal(base64url_encode(rows[i].bytes, len, text), strlen(rows[i].text));
    assert_string_equal(text, rows[i].text);
    assert_true(base64url_decode(str_of(text), bytes, len));
    assert_memory_equal(bytes, rows[i].bytes, len);
  }
  static const struct {
    const char *text;
    size_t len;
  } bad[] = {{"Zh", 1}, {"Zg==", 1}, {"Zg", 2}, {"Zg", 0}, {"Z", 1}, {"Zm9", 2}, {"Z m", 2}, {"+/+/", 3}, {"Zm\n", 2}};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    char bytes[16];
    if (base64url_decode(str_of(bad[i].text), bytes, bad[i].len)) fail_msg("'%s' is taken", bad[i].text);
  }
}

/* The key is made once; what is not a key is made again; what cannot be read stays. */
static void test_key(void **state) {
  (void)state;
  char dir[] = "/tmp/test_cursor.XXXXXX";
  struct cursor_key first, again, third;
  struct err err = {0};
  struct stat info;
  assert_non_null(mkdtemp(dir));
  SCOPED_MALLOC char *path = file_path(dir, "cursor.key");
  assert_int_equal(cursor_key_load(dir, &first, &err), 0);
  assert_int_equal(err.code, ERR_NONE);
  assert_int_equal(stat(path, &info), 0);
  assert_int_equal(info.st_mode & 0777, 0600);
  assert_int_equal(info.st_size, CURSOR_KEY_SIZE);
  assert_int_equal(cursor_key_load(dir, &again, &err), 0);
  assert_memory_equal(&first, &again, sizeof first);
  assert_int_equal(truncate(path, CURSOR_KEY_SIZE - 1), 0);
  assert_int_equal(cursor_key_load(dir, &third, &err), 0);
  assert_int_equal(err.code, ERR_NONE);
  assert_memory_not_equal(&first, &third, sizeof first);
  assert_int_equal(cursor_key_load(dir, &again, &err), 0);
  assert_memory_equal(&third, &again, sizeof third);
  /* A directory in its place can be neither read nor replaced. */
  assert_int_equal(unlink(path), 0);
  assert_int_equal(mkdir(path, 0700), 0);
  assert_int_equal(cursor_key_load(dir, &again, &err), 0);
  assert_int_not_equal(err.code, ERR_NONE);
  assert_memory_not_equal(&third, &again, sizeof third);
  assert_int_equal(cursor_key_load("/nonexistent", &again, &err), 0);
  assert_int_not_equal(err.code, ERR_NONE);
  assert_int_equal(file_remove_tree(dir, &err), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_forged),        cmocka_unit_test(test_flipped),   cmocka_unit_test(test_back), cmocka_unit_test(test_foreign),
      cmocka_unit_test(test_other_queries), cmocka_unit_test(test_base64url), cmocka_unit_test(test_key),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
