/* Heads of requests: what must be refused, what is fine, and where a target leads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "http/head.h"

struct field {
  const char *name, *value;
};

static struct head gather(const struct field fields[2]) {
  struct head head = {0};
  for (size_t i = 0; i < 2 && fields[i].name != NULL; i++) {
    head_field(&head, str_of(fields[i].name), str_of(fields[i].value));
  }
  return head;
}

static void test_bad(void **state) {
  (void)state;
  static const struct field bad[][2] = {
      {{"", "x"}},
      {{"Content-Length ", "16"}},
      {{" Content-Length", "16"}},
      {{"Transfer-Encoding\t", "chunked"}},
      {{"XTransfer-Encoding: chunked", "y"}},
      {{"na(me", "x"}},
      {{"n\xC3\xA4me", "x"}},
      {{"X", "a\rContent-Length: 5"}},
      {{"X", "a\nb"}},
      {{"X", "a\x01"}},
      {{"X", "a\x7F"}},
      {{"Content-Length", "5"}, {"Content-Length", "5"}},
      {{"Content-Length", "5"}, {"content-length", "6"}},
      {{"Content-Length", "5"}, {"Transfer-Encoding", "chunked"}},
      {{"Transfer-Encoding", "chunked"}, {"TRANSFER-ENCODING", "chunked"}},
      {{"Content-Length", ""}},
      {{"Content-Length", "-1"}},
      {{"Content-Length", "+1"}},
      {{"Content-Length", "0x10"}},
      {{"Content-Length", "1 "}},
      {{"Content-Length", "1, 1"}},
      {{"Content-Length", "9223372036854775808"}},
      {{"Content-Length", "18446744073709551615"}},
      {{"Content-Length", "18446744073709551616"}},
      {{"Transfer-Encoding", ""}},
      {{"Transfer-Encoding", "gzip"}},
      {{"Transfer-Encoding", "identity"}},
      {{"Transfer-Encoding", "gzip, chunked"}},
      {{"Transfer-Encoding", "chunked, gzip"}},
      {{"Transfer-Encoding", "xchunked"}},
      {{"Transfer-Encoding", "chunked "}},
      {{"Transfer-Encoding", "\"chunked\""}},
  };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    struct head head = gather(bad[i]);
    if (head_fault(&head) == NULL) fail_msg("%s: %s is taken", bad[i][0].name, bad[i][0].value);
  }
  struct head head = {0};
  head_field(&head, str_make("a\0b", 3), STR("x"));
  assert_non_null(head_fault(&head));
  head = (struct head){0};
  head_field(&head, STR("a"), str_make("x\0y", 3));
  assert_non_null(head_fault(&head));
}

static void test_good(void **state) {
  (void)state;
  static const struct field good[][2] = {
      {{NULL, NULL}},
      {{"X-Empty", ""}},
      {{"!#$%&'*+-.^_`|~09AZaz", "x"}},
      {{"X", "tab\there, caf\xC3\xA9, \xFF"}},
      {{"Content-Length", "0"}},
      {{"content-length", "9223372036854775807"}},
      {{"Content-Length", "0016"}},
      {{"Transfer-Encoding", "chunked"}},
      {{"transfer-encoding", "CHUNKED"}},
  };
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
    struct head head = gather(good[i]);
    if (head_fault(&head) != NULL) fail_msg("%s: %s: %s", good[i][0].name, good[i][0].value, head_fault(&head));
  }
  struct head head = gather((const struct field[]){{"Content-Length", "12"}, {"Expect", "100-Continue"}});
  assert_true(head.lengths == 1 && head.length == 12 && head.expects_continue && head.encodings == 0);
  assert_int_equal(head.bytes, sizeof "Content-Length: 12\r\nExpect: 100-Continue\r\n" - 1);
}

static void test_targets(void **state) {
  (void)state;
  static const char *const rows[][3] = {
      {"", "", ""},
      {"/", "/", ""},
      {"/?", "/", ""},
      {"/?a=b?c", "/", "a=b?c"},
      {"/v1/events", "/v1/events", ""},
      {"//x?http://y/", "//x", "http://y/"},
      {"*", "*", ""},
      {"x:443", "x:443", ""},
      {"ftp://x/?a", "ftp://x/", "a"},
      {"http:/x", "http:/x", ""},
      {"http://x", "/", ""},
      {"HTTP://x:80/", "/", ""},
      {"https://[::1]:8080/v1/events?a", "/v1/events", "a"},
      {"http://x?a=/", "/", "a=/"},
      {"http://", "/", ""},
      {"http://x//?a", "//", "a"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct head_target target = head_target(str_of(rows[i][0]));
    if (!str_equal(target.path, str_of(rows[i][1])) || !str_equal(target.query, str_of(rows[i][2]))) {
      fail_msg("'%s' leads to '%.*s' and '%.*s'", rows[i][0], STR_ARG(target.path), STR_ARG(target.query));
    }
  }
}

static void test_accept(void **state) {
  (void)state;
  static const struct {
    const char *accept;
    bool is_html;
  } rows[] = {
      {"", false},
      {",;=", false},
      {"*/*", false},
      {"text/*", false},
      {"x-text/html", false},
      {"text/html+x", false},
      {"text/html;q=0", false},
      {"text/html ;level=1 ; Q = 0.000 ", false},
      {"application/json, text/html; q=0.0, */*", false},
      {"text/html", true},
      {"TEXT/HTML;q=0.001", true},
      {"a/b;q=0, text/html", true},
      {"text/html;q=", true},
      {"text/html;q", true},
      {"text/html;charset=0,*/*;q=0.8", true},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    if (head_accepts(str_of(rows[i].accept), STR("text/html")) != rows[i].is_html) fail_msg("'%s'", rows[i].accept);
  }
}

static void test_weight(void **state) {
  (void)state;
  static const struct {
    const char *accept;
    unsigned weight;
  } cases[] = {
      {"", 0}, {"*/*", 0}, {"text/*", 0}, {"text/plain", 1000}, {"TEXT/Plain", 1000}, {"text/plain;q=0", 0},
      {"text/plain;q=0.5", 500}, {"text/plain; Q = 0.123 ", 123}, {"text/plain;q=1.000", 1000}, {"text/plain;q=0.", 0},
      {"text/plain;q=1.001", 0}, {"text/plain;q=2", 0}, {"text/plain;q=-1", 0}, {"text/plain;q=0.1234", 0}, {"text/plain;q=.5", 0},
      {"text/plain;q=", 0}, {"text/plain;q", 0}, {"text/plain;q=x", 0}, {"text/plain;q=0,5", 0}, {"text/plain;q=\"0.5\"", 500},
      {"text/plain;version=0.0.4", 1000}, {"text/plain;version=\"0.0.4\";q=0.3", 300}, {"text/plain;version=1.0.0", 0},
      {"text/plain;version=1.0.0, text/plain;q=0.2", 200}, {"text/plain;q=0.2, text/plain;version=0.0.4;q=0.1", 100},
      {"text/plain;version=0.0.4;q=0.1, text/plain;q=0.2", 100}, {"text/plain;q=0.2,text/plain;q=0.7", 700},
      {"text/plaintext", 0}, {"xtext/plain", 0}, {",,;,text/plain;;;charset=utf-8;q=0.9,", 900},
      {"application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", 500},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    unsigned weight = head_weight(str_of(cases[i].accept), STR("text/plain"), STR("0.0.4"));
    if (weight != cases[i].weight) fail_msg("%s: %u, not %u", cases[i].accept, weight, cases[i].weight);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_bad), cmocka_unit_test(test_good),
                                     cmocka_unit_test(test_targets), cmocka_unit_test(test_accept), cmocka_unit_test(test_weight)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
