/* Suggestions: near words are found, hopeless ones get none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/suggest.h"

static void test_distance(void **state) {
  (void)state;
  static const struct {
    const char *a, *b;
    size_t distance;
  } rows[] = {
      {"", "", 0},         {"", "abc", 3},       {"stat", "stat", 0},    {"stst", "stat", 1},
      {"sat", "stat", 1},  {"staat", "stat", 1}, {"tsat", "stat", 1},    {"ca", "abc", 3},
      {"lst", "list", 1},  {"abc", "xyz", 3},    {"kitten", "sitting", 3},
      {"a-word-that-is-much-longer-than-any-name-is", "a", SUGGEST_FAR},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    if (suggest_distance(rows[i].a, rows[i].b) != rows[i].distance) fail_msg("%s, %s", rows[i].a, rows[i].b);
    if (suggest_distance(rows[i].b, rows[i].a) != rows[i].distance) fail_msg("%s, %s", rows[i].b, rows[i].a);
  }
}

static void test_nearest(void **state) {
  (void)state;
  static const char *const names[] = {"serve", "project", "key", "stat", "verify", "version", "list", "set", NULL};
  static const struct {
    const char *word, *best; /* best NULL: none is near */
  } rows[] = {
      {"stst", "stat"},   {"prjct", "project"}, {"porject", "project"}, {"lst", "list"},    {"ky", "key"},
      {"proj", "project"}, {"vers", "version"},  {"verison", "version"}, {"serv", "serve"},  {"frobnicate", NULL},
      {"x", NULL},        {"", NULL},           {"kee", "key"},         {"lits", "list"},   {"remove", NULL},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct suggestion near = {.word = rows[i].word};
    for (size_t k = 0; names[k] != NULL; k++) suggest_offer(&near, names[k]);
    const char *best = near.best != NULL ? near.best : "(none)";
    if (strcmp(best, rows[i].best != NULL ? rows[i].best : "(none)") != 0) fail_msg("'%s': %s", rows[i].word, best);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_distance), cmocka_unit_test(test_nearest)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
