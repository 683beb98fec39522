/* Documents of a job list: what is none first; then how long ones are divided, and how an import goes on. */
#include "import/documents.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/check.h"

/* Files, and what is read of them: for each document its line, a colon and its text, or its line and a word of the
 * refusal between exclamation marks; a bar follows each. */
static const struct {
  const char *file, *read;
} cases[] = {
    {"", ""},
    {" \n\t\r\n", ""},
    {"[]", ""},
    {" [ ] \n[ ]", ""},
    {"\xEF\xBB\xBF", ""},
    {"{", "1!cut off!|"},
    {"\n\n{\"a\":1", "3!cut off!|"},
    {"{\"a\":\"x}", "1!cut off!|"},
    {"{\"a\":\"\\", "1!cut off!|"},
    {"[", "1!cut off!|"},
    {"[{}", "1:{}|1!cut off!|"},
    {"[{},\n", "1:{}|2!cut off!|"},
    {"[{},{", "1:{}|1!cut off!|"},
    {"42", "1!not JSON!|"},
    {"\"text\"\nnull\n{}", "1!not JSON!|2!not JSON!|3:{}|"},
    {"[1, {}, null]", "1!not JSON!|1:{}|1!not JSON!|"},
    {"[[]]", "1!must be a JSON object!|"},
    {"[{},[{}],{}]", "1:{}|1!must be a JSON object!|1:{}|"},
    {"{a:1}\n{}", "1!not JSON!|2:{}|"},
    {"}\n{}\n]\n{}", "1!not JSON!|2:{}|3!not JSON!|4:{}|"},
    {"id,codec\n1,h264\n", "1!not JSON!|2!not JSON!|"},
    {"{\"a\":\"\xFF\"}{}", "1!not JSON!|1:{}|"},
    {"{\"a\":1,}\n{}", "1!not JSON!|2:{}|"},
    {"{\"a\":6 0}\n{\"a\":1. 5}\n{\"a\":- 1}\n{\"a\":t\true}{}", "1!not JSON!|2!not JSON!|3!not JSON!|4!not JSON!|4:{}|"},
    /* a broken line takes no other with it */
    {"{\"a\":[1}\n{\"b\":2}\n", "1!not JSON!|2:{\"b\":2}|"},
    {"{\"a\":1\n{\"b\":2}\n", "1!not JSON!|2:{\"b\":2}|"},
    {"{\"a\":1,\n{\"b\":2}\n", "1!not JSON!|2:{\"b\":2}|"},
    {"{\"a\":\"x\n{\"b\":2}\n", "1!not JSON!|2:{\"b\":2}|"},
    {"{\"a\":\n{\"b\":2}\n", "1!cut off!|"}, /* a name may have an object on the next line */
    {"{\"a\":\n{\"b\":2}\n}{}", "1:{\"a\":{\"b\":2}}|3:{}|"},
    {"[{\"a\":1\n,{\"b\":2},\n{\"c\":3}]", "1!not JSON!|3:{\"c\":3}|"},
    /* documents */
    {"{}", "1:{}|"},
    {"{}{}", "1:{}|1:{}|"},
    {"{} \r\n\r\n {}\n", "1:{}|3:{}|"},
    {"\xEF\xBB\xBF{}\n\xEF\xBB\xBF{}", "1:{}|2:{}|"},
    {"[{},\n{}\n]", "1:{}|2:{}|"},
    {"[{}]\n[{}]{}", "1:{}|2:{}|2:{}|"},
    {"{\n  \"a\" : [ 1 , 2.50 ],\n  \"b\" : { \"c\\\"}\" : \" \\n \" }\n}\n", "1:{\"a\":[1,2.50],\"b\":{\"c\\\"}\":\" \\n \"}}|"},
    {"{\"n\":12345678901234567890, \"e\":1e3}", "1:{\"n\":12345678901234567890,\"e\":1e3}|"},
    {"{\"a\":[\n{\"b\":1},\n{\"b\":2}]}", "1:{\"a\":[{\"b\":1},{\"b\":2}]}|"},
};

static int file_of(const char *text, size_t len) {
  int fd = memfd_create("documents", MFD_CLOEXEC);
  CHECK(fd >= 0 && write(fd, text, len) == (ssize_t)len && lseek(fd, 0, SEEK_SET) == 0);
  return fd;
}

static struct import_documents *documents_of(int fd) {
  const struct import_documents_options options = {.fd = fd, .name = "file"};
  return import_documents_open(&options);
}

static bool next(struct import_documents *documents, struct import_document *ret) {
  struct err err = {0};
  bool is_end;
  assert_int_equal(import_documents_next(documents, ret, &is_end, &err), 0);
  return !is_end;
}

static void append(const struct import_document *document, struct buf *out) {
  static const char *const words[] = {"not JSON", "cut off", "must be a JSON object", "nested"};
  buf_printf(out, "%d", (int)document->line);
  for (size_t i = 0; i < 4 && document->refusal.len > 0; i++) {
    if (memmem(document->refusal.ptr, document->refusal.len, words[i], strlen(words[i])) != NULL)
      buf_printf(out, "!%s!|", words[i]);
  }
  if (document->refusal.len == 0) buf_printf(out, ":%.*s|", STR_ARG(document->text));
}

static void test_files(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    SCOPED_FD int fd = file_of(cases[i].file, strlen(cases[i].file));
    SCOPED(import_documents_close_ref) struct import_documents *documents = documents_of(fd);
    SCOPED(buf_fini) struct buf read = {0};
    struct import_document document;
    while (next(documents, &document))
      append(&document, &read);
    if (!str_equal(buf_view(&read), str_of(cases[i].read)))
      fail_msg("%s gives %.*s, not %s", cases[i].file, STR_ARG(buf_view(&read)), cases[i].read);
    assert_int_equal(import_documents_offset(documents) <= strlen(cases[i].file), 1);
  }
}

/* Documents that are longer than a piece: what surrounds an array, how its elements look, and whether it is divided. */
static const struct {
  const char *head, *element, *tail; /* of an element: # is its number, $ a long text */
  bool is_divided;
} divisions[] = {
    {"{\"Jobs\":[", "{\"Id\":\"#\",\"x\":\"$\"}", "],\"Next\":1}", true},
    {"{\"Response\":{\"TaskSet\":[", "{\"TaskId\":\"#\",\"x\":\"$\"}", "],\"RequestId\":\"r\"}}", true},
    {"{\"data\":{\"result\":{\"items\":[", "{\"x\":\"$\",\"id\":#}", "]}}}", true},
    {"{\"few\":[{\"id\":1},{\"id\":2}],\"jobs\":[", "{\"job_id\":\"#\",\"x\":\"$\"}", "],\"a\":{}}", true},
    {"{\"Jobs\" : [\n", "{\n \"Id\" : \"#\",\n\"x\":\"$\"}", "\n]\n}", true},
    {"{\"a\":{\"b\":{\"c\":{\"Jobs\":[", "{\"Id\":\"#\",\"x\":\"$\"}", "]}}}}", false}, /* too deep */
    {"{\"Outputs\":[", "{\"Name\":\"#\",\"x\":\"$\"}", "]}", false}, /* its place may be its identity */
    {"{\"Job\":{\"Id\":1,\"Outputs\":[", "{\"Id\":\"#\",\"x\":\"$\"}", "]}}", false}, /* of one job */
    {"{\"Response\":{\"Outputs\":[", "{\"Id\":\"#\",\"x\":\"$\"}", "],\"TaskId\":\"t\"}}", false},
    {"{\"Outputs\":[", "{\"Job\":{\"Id\":\"#\"},\"x\":\"$\"}", "]}", false},
    {"{\"Outputs\":[", "{\"PresetId\":\"#\",\"x\":\"$\"}", "]}", false},
    {"{\"Outputs\":[", "\"#\",\"$\"", "]}", false},
    {"{\"Outputs\":[{\"Id\":\"\"},", "{\"Id\":\"#\",\"x\":\"$\"}", "]}", false},
};

#define ELEMENTS 400
#define LONG 2000 /* bytes of an element, about */

static void add_element(const char *element, int number, struct buf *out) {
  for (const char *at = element; *at != '\0'; at++) {
    char *filling = *at == '$' ? buf_extend(out, LONG) : NULL;
    if (*at == '#') buf_printf(out, "%d", number);
    else if (*at != '$') buf_char(out, *at);
    else memset(filling, 'x', LONG);
  }
}

static void make_long(size_t row, struct buf *out) {
  buf_text(out, divisions[row].head);
  for (int i = 0; i < ELEMENTS; i++) {
    if (i > 0) buf_char(out, ',');
    add_element(divisions[row].element, i, out);
  }
  buf_text(out, divisions[row].tail);
  CHECK(!out->failed);
}

static size_t count_of(struct str text, const char *what) {
  size_t count = 0;
  for (const char *at; (at = memmem(text.ptr, text.len, what, strlen(what))) != NULL; count++)
    text = str_make(at + 1, text.len - (size_t)(at + 1 - text.ptr));
  return count;
}

static void test_long_documents(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof divisions / sizeof divisions[0]; i++) {
    SCOPED(buf_fini) struct buf file = {0};
    make_long(i, &file);
    SCOPED_FD int fd = file_of(file.ptr, file.len);
    SCOPED(import_documents_close_ref) struct import_documents *documents = documents_of(fd);
    struct import_document document;
    size_t elements = 0, pieces = 0;
    for (; next(documents, &document); pieces++) {
      assert_int_equal(document.refusal.len, 0);
      size_t inside = count_of(document.text, "xxx\"");
      if (document.elements > 0 && document.text.len > IMPORT_PIECE_MAX + LONG + 200) fail_msg("row %zu", i);
      if (document.elements > 0) assert_int_equal(document.elements, inside);
      elements += inside;
      bool has_rest = i != 3 || count_of(document.text, "\"few\":[{\"id\":1},{\"id\":2}]") == 1;
      assert_true(has_rest);
    }
    if ((pieces > 1) != divisions[i].is_divided) fail_msg("row %zu: %zu pieces", i, pieces);
    assert_true(elements >= ELEMENTS);
    assert_int_equal(import_documents_offset(documents), file.len);
  }
}

/* From each place the same follows as when all is read at once, in pieces of another size too. */
static void test_places(void **state) {
  (void)state;
  SCOPED(buf_fini) struct buf file = {0};
  buf_text(&file, "{\"first\":1}\n[");
  make_long(4, &file);
  buf_text(&file, ",\n{\"last\":1}]");
  SCOPED_FD int fd = file_of(file.ptr, file.len);
  uint64_t offsets[64], lines[64];
  size_t seen[64], count = 0, elements = 0;
  struct import_document document;
  SCOPED(import_documents_close_ref) struct import_documents *whole = documents_of(fd);
  for (; next(whole, &document); count++) {
    elements += document.elements > 0 ? document.elements : 1;
    seen[count] = elements;
    offsets[count] = import_documents_offset(whole);
    lines[count] = import_documents_line(whole);
  }
  assert_int_equal(elements, ELEMENTS + 2);
  for (size_t i = 0; i < count; i++) {
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    SCOPED(import_documents_close_ref) struct import_documents *documents = documents_of(fd);
    import_documents_seek(documents, offsets[i], lines[i]);
    assert_int_equal(import_documents_line(documents), lines[i]);
    size_t rest = seen[i];
    for (bool is_first = true; next(documents, &document); is_first = false) {
      if (is_first && document.elements > 1) {
        size_t before = document.elements;
        import_documents_halve(documents);
        assert_true(import_documents_offset(documents) >= offsets[0]); /* else a run that ends now begins anew */
        assert_true(next(documents, &document));
        assert_int_equal(document.elements, before / 2);
      }
      if (is_first) assert_true(document.line >= lines[i]);
      rest += document.elements > 0 ? document.elements : 1;
    }
    assert_int_equal(rest, elements);
    assert_int_equal(import_documents_offset(documents), offsets[count - 1]);
  }
}

/* An element that is not JSON is refused alone. */
static void test_a_bad_element(void **state) {
  (void)state;
  SCOPED(buf_fini) struct buf file = {0};
  make_long(0, &file);
  char *bad = memmem(file.ptr, file.len, "\"77\"", 4);
  assert_non_null(bad);
  bad[1] = '\x01';
  SCOPED_FD int fd = file_of(file.ptr, file.len);
  SCOPED(import_documents_close_ref) struct import_documents *documents = documents_of(fd);
  struct import_document document;
  size_t good = 0, refused = 0, pieces = 0;
  for (; next(documents, &document); pieces++) {
    if (document.refusal.len == 0) good += document.elements;
    else refused += document.elements;
  }
  assert_int_equal(refused, 1);
  assert_int_equal(good, ELEMENTS - 1);
  assert_true(pieces < 30);
}

/* Behind a refused one, each piece has twice the elements of the one before. So if all are bad, each is read a few
 * times, and not once with each half of what follows. */
static void test_behind_a_bad_element(void **state) {
  (void)state;
  SCOPED(buf_fini) struct buf file = {0};
  make_long(0, &file);
  char *bad = memmem(file.ptr, file.len, "\"77\"", 4);
  assert_non_null(bad);
  bad[1] = '\x01';
  SCOPED_FD int fd = file_of(file.ptr, file.len);
  SCOPED(import_documents_close_ref) struct import_documents *documents = documents_of(fd);
  struct import_document document = {0};
  while (document.refusal.len == 0)
    assert_true(next(documents, &document));
  for (size_t expected = 2; expected <= 32; expected *= 2) {
    assert_true(next(documents, &document));
    assert_int_equal(document.elements, expected);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_files),
      cmocka_unit_test(test_long_documents),
      cmocka_unit_test(test_places),
      cmocka_unit_test(test_a_bad_element),
      cmocka_unit_test(test_behind_a_bad_element),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
