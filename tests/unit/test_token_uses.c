/* sources/token_uses: uses on many threads, the bound, and the file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/file.h"
#include "sources/token_uses.h"

#define THREADS 8
#define TOKENS 500u
#define ROUNDS 3
#define TABLES 40

static char dir[] = "/tmp/test_token_uses.XXXXXX";

static void id_of(unsigned number, char out[13]) { (void)snprintf(out, 13, "%012x", number * 2654435761u); }

/* ---- ids and times ---- */

static void test_bad_ids(void **state) {
  (void)state;
  static const char *const bad[] = {"",      "0123456789a", "0123456789abc", "0123456789aB", "0123456789ag", "0123456789a ",
                                    "zzzzzzzzzzzz", "012345678\xC3\xA9", "-12345678901", NULL};
  SCOPED(token_uses_free_ref) struct token_uses *uses = token_uses_new();
  for (size_t i = 0; bad[i] != NULL; i++) {
    token_uses_note(uses, bad[i], 5000);
    assert_int_equal(token_uses_last_ms(uses, bad[i]), 0);
  }
  assert_false(token_uses_are_new(uses));
}

static void test_times(void **state) {
  (void)state;
  static const struct {
    int64_t at_ms, last_ms;
  } steps[] = {{10000, 10000}, {10999, 10000}, {11000, 11000}, {11001, 11000}, {50000, 50000},
               {49500, 50000}, /* within a second */
               {20000, 20000} /* the clock was ahead, and is set back */};
  SCOPED(token_uses_free_ref) struct token_uses *uses = token_uses_new();
  for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
    token_uses_note(uses, "000000000000", steps[i].at_ms);
    assert_int_equal(token_uses_last_ms(uses, "000000000000"), steps[i].last_ms);
  }
  assert_int_equal(token_uses_last_ms(uses, "000000000001"), 0);
  token_uses_note(uses, "ffffffffffff", 1000);
  assert_int_equal(token_uses_last_ms(uses, "ffffffffffff"), 1000);
}

/* ---- threads ---- */

struct worker {
  struct token_uses *uses;
  pthread_barrier_t *start;
};

/* All threads use the same tokens in the same order, so they meet at slots that are free, and taken just now. */
static void *work(void *arg) {
  const struct worker *worker = arg;
  char id[13];
  (void)pthread_barrier_wait(worker->start);
  for (unsigned round = 1; round <= ROUNDS; round++) {
    for (unsigned i = 0; i < TOKENS; i++) {
      id_of(i, id);
      token_uses_note(worker->uses, id, 1000 * (int64_t)round);
    }
  }
  return NULL;
}

static size_t lines_of(const char *name) {
  char path[128], line[256];
  size_t count = 0;
  (void)snprintf(path, sizeof path, "%s/%s", dir, name);
  FILE *file = fopen(path, "r");
  assert_non_null(file);
  while (fgets(line, sizeof line, file) != NULL)
    count++;
  (void)fclose(file);
  return count;
}

static void use_on_threads(void) {
  SCOPED(token_uses_free_ref) struct token_uses *uses = token_uses_new();
  pthread_barrier_t start;
  pthread_t threads[THREADS];
  struct worker worker = {.uses = uses, .start = &start};
  struct err err = {0};
  char id[13];
  assert_int_equal(pthread_barrier_init(&start, NULL, THREADS), 0);
  for (unsigned i = 0; i < THREADS; i++)
    assert_int_equal(pthread_create(&threads[i], NULL, work, &worker), 0);
  assert_int_equal(token_uses_save(uses, dir, &err), 0); /* beside them */
  for (unsigned i = 0; i < THREADS; i++)
    assert_int_equal(pthread_join(threads[i], NULL), 0);
  (void)pthread_barrier_destroy(&start);
  for (unsigned i = 0; i < TOKENS; i++) {
    id_of(i, id);
    assert_in_range(token_uses_last_ms(uses, id), 1000, 1000 * ROUNDS);
  }
  assert_int_equal(token_uses_save(uses, dir, &err), 0);
  assert_int_equal(lines_of(TOKEN_USES_FILE), TOKENS); /* no token has two slots */
}

static void test_threads(void **state) {
  (void)state;
  for (int table = 0; table < TABLES; table++)
    use_on_threads();
}

/* ---- the bound ---- */

static void test_bound(void **state) {
  (void)state;
  SCOPED(token_uses_free_ref) struct token_uses *uses = token_uses_new();
  char id[13];
  for (unsigned i = 0; i < TOKEN_USES_MAX + 100; i++) {
    id_of(i, id);
    token_uses_note(uses, id, 1000 + i);
    assert_int_equal(token_uses_last_ms(uses, id), i < TOKEN_USES_MAX ? 1000 + i : 0);
  }
  id_of(0, id);
  token_uses_note(uses, id, 9000000); /* a known token is still noted */
  assert_int_equal(token_uses_last_ms(uses, id), 9000000);
}

/* ---- the file ---- */

static void test_file(void **state) {
  (void)state;
  struct err err = {0};
  size_t bad = 7;
  SCOPED(token_uses_free_ref) struct token_uses *uses = token_uses_new();
  SCOPED(token_uses_free_ref) struct token_uses *again = token_uses_new();
  token_uses_note(uses, "0123456789ab", 1700000000123);
  assert_true(token_uses_are_new(uses));
  assert_int_equal(token_uses_save(uses, dir, &err), 0);
  assert_false(token_uses_are_new(uses));
  assert_int_equal(token_uses_load(again, dir, &bad, &err), 0);
  assert_int_equal(bad, 0);
  assert_int_equal(token_uses_last_ms(again, "0123456789ab"), 1700000000123);
  assert_false(token_uses_are_new(again));
  assert_int_equal(token_uses_load(again, "/nowhere", &bad, &err), 0);
}

/* A save that fails leaves the file as it was, and the uses are still new. */
static void test_save_fails(void **state) {
  (void)state;
  struct err err = {0};
  size_t bad;
  struct rlimit before, none = {0, 0};
  SCOPED(token_uses_free_ref) struct token_uses *uses = token_uses_new();
  SCOPED(token_uses_free_ref) struct token_uses *kept = token_uses_new();
  token_uses_note(uses, "0123456789ab", 1000);
  assert_int_equal(token_uses_save(uses, dir, &err), 0);
  token_uses_note(uses, "0123456789ab", 5000);
  assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
  none.rlim_max = before.rlim_max;
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
  int result = token_uses_save(uses, dir, &err);
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
  assert_int_not_equal(result, 0);
  assert_true(token_uses_are_new(uses));
  assert_int_equal(token_uses_load(kept, dir, &bad, &err), 0);
  assert_int_equal(token_uses_last_ms(kept, "0123456789ab"), 1000);
  assert_int_equal(token_uses_save(uses, dir, &err), 0);
  assert_false(token_uses_are_new(uses));
}

static void test_long_file(void **state) {
  (void)state;
  char path[128];
  struct err err = {0};
  size_t bad;
  SCOPED(token_uses_free_ref) struct token_uses *uses = token_uses_new();
  (void)snprintf(path, sizeof path, "%s/%s", dir, TOKEN_USES_FILE);
  assert_int_equal(truncate(path, (off_t)1 << 40), 0);
  assert_int_equal(token_uses_load(uses, dir, &bad, &err), -ERR_CORRUPT);
  assert_int_equal(unlink(path), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_bad_ids), cmocka_unit_test(test_times),      cmocka_unit_test(test_threads),
      cmocka_unit_test(test_bound),   cmocka_unit_test(test_file),       cmocka_unit_test(test_save_fails),
      cmocka_unit_test(test_long_file),
  };
  (void)signal(SIGXFSZ, SIG_IGN);
  if (mkdtemp(dir) == NULL) return 1;
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  struct err err;
  return file_remove_tree(dir, &err) != 0 || failed > 0;
}
