/* Vectors: how they grow, that a new item is zeroed, and that a vector that cannot grow stays as it was. */
#include "base/vector.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void test_cap(void **state) {
  (void)state;
  static const struct {
    size_t cap, count, more, cap_then;
  } rows[] = {
      {16, 16, SIZE_MAX, SIZE_MAX}, /* count + more passes SIZE_MAX */
      {SIZE_MAX / 2 + 1, SIZE_MAX / 2 + 1, 1, SIZE_MAX}, /* 2 * cap does */
      {0, 0, SIZE_MAX, SIZE_MAX},
      {0, 0, 0, 0},
      {16, 16, 0, 16},
      {0, 0, 1, 16},
      {0, 0, 16, 16},
      {0, 0, 17, 17},
      {5, 5, 1, 16},
      {16, 15, 1, 16},
      {16, 16, 1, 32},
      {16, 16, 17, 33}, /* more than double is exact */
      {64, 64, 128, 192},
      {100, 7, 94, 200},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    VECTOR(char) v = {.cap = rows[i].cap, .count = rows[i].count};
    if (vector_cap(&v, rows[i].more) != rows[i].cap_then) fail_msg("row %zu: %zu", i, vector_cap(&v, rows[i].more));
  }
}

/* Items are kept when the vector grows, and the new ones are zeroed, also in memory that was used before. */
static void test_growth(void **state) {
  (void)state;
  struct item {
    uint64_t number;
    char text[13];
  };
  static const struct item zero;
  VECTOR(struct item) v = {0};
  size_t moves = 0, cap = 0;
  for (uint64_t i = 0; i < 100000; i++) {
    struct item *item = i % 2 == 0 ? vector_add(&v) : vector_must_add(&v);
    assert_non_null(item);
    assert_ptr_equal(item, &v.items[i]);
    assert_memory_equal(item, &zero, sizeof zero);
    memset(item, 0xFF, sizeof *item);
    item->number = i;
    moves += v.cap != cap;
    cap = v.cap;
  }
  assert_int_equal(v.count, 100000);
  assert_int_equal(moves, 14); /* 16 … 131072 */
  for (uint64_t i = 0; i < v.count; i++)
    assert_int_equal(v.items[i].number, i);
  v.count = 3;
  assert_memory_equal(vector_add(&v), &zero, sizeof zero);
  assert_int_equal(v.items[2].number, 2);
  assert_int_equal(v.cap, cap);
  vector_fini(&v);
  assert_true(v.items == NULL && v.count == 0 && v.cap == 0);
  vector_fini(&v);
}

static void test_reserve(void **state) {
  (void)state;
  VECTOR(uint16_t) v = {0};
  assert_true(vector_reserve(&v, 0));
  assert_null(v.items);
  for (size_t more = 1; more < 3000; more = more * 3 / 2 + 1) {
    size_t cap_then = vector_cap(&v, more);
    assert_true(vector_reserve(&v, more));
    assert_int_equal(v.cap, cap_then);
    const uint16_t *items = v.items;
    for (size_t i = 0; i < more; i++) {
      uint16_t *item = vector_must_add(&v);
      *item = (uint16_t)v.count;
    }
    assert_ptr_equal(v.items, items); /* there was room */
  }
  size_t count = v.count, room = v.cap - count;
  assert_true(vector_reserve_exact(&v, room));
  assert_int_equal(v.cap, count + room);
  assert_true(vector_reserve_exact(&v, room + 1));
  assert_int_equal(v.cap, count + room + 1);
  for (size_t i = 0; i < v.count; i++)
    assert_int_equal(v.items[i], i + 1);
  vector_fini(&v);
}

/* Sizes that no memory has: nothing changes, and the vector can still be used. */
static void test_failure(void **state) {
  (void)state;
  struct large {
    char bytes[PTRDIFF_MAX / 15];
  };
  VECTOR(struct large) large = {0};
  assert_null(vector_add(&large)); /* 16 are too many */
  assert_true(large.items == NULL && large.count == 0 && large.cap == 0);
  static const size_t mores[] = {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX / 8, SIZE_MAX / 8 - 1, PTRDIFF_MAX / 8};
  VECTOR(uint64_t) v = {0};
  for (uint64_t i = 0; i < 2; i++)
    *vector_must_add(&v) = i + 7;
  const uint64_t *items = v.items;
  for (size_t i = 0; i < sizeof mores / sizeof mores[0]; i++) {
    if (vector_reserve(&v, mores[i]) || vector_reserve_exact(&v, mores[i])) fail_msg("row %zu", i);
    assert_true(v.items == items && v.count == 2 && v.cap == 16);
    assert_true(v.items[0] == 7 && v.items[1] == 8);
  }
  assert_non_null(vector_add(&v));
  vector_fini(&v);
}

static void test_must_add(void **state) {
  (void)state;
  struct large {
    char bytes[PTRDIFF_MAX / 15];
  };
  pid_t pid = fork();
  if (pid == 0) {
    const struct rlimit none = {0, 0};
    VECTOR(struct large) v = {0};
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)close(STDERR_FILENO);
    (void)signal(SIGABRT, SIG_DFL);
    _exit(vector_must_add(&v) != NULL);
  }
  int status = 0;
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void test_shrink_and_take(void **state) {
  (void)state;
  VECTOR(int) v = {0};
  vector_shrink(&v);
  assert_null(v.items);
  for (int i = 0; i < 20; i++)
    *vector_must_add(&v) = i;
  vector_shrink(&v);
  assert_true(v.count == 20 && v.cap == 20 && v.items[19] == 19);
  *vector_must_add(&v) = 20;
  assert_int_equal(v.cap, 40);
  SCOPED_MALLOC int *taken = vector_take(&v);
  assert_true(v.items == NULL && v.count == 0 && v.cap == 0);
  for (int i = 0; i <= 20; i++)
    assert_int_equal(taken[i], i);
  *vector_must_add(&v) = 1;
  v.count = 0;
  vector_shrink(&v);
  assert_true(v.items == NULL && v.cap == 0);
}

/* Each item of a type with the strictest alignment is aligned; and a vector may be part of a struct. */
static void test_alignment(void **state) {
  (void)state;
  struct list {
    bool before;
    VECTOR(max_align_t);
    VECTOR(char) bytes;
  } list = {0};
  for (int i = 0; i < 100; i++) {
    assert_int_equal((uintptr_t)vector_must_add(&list) % _Alignof(max_align_t), 0);
    *vector_must_add(&list.bytes) = 'x';
  }
  assert_true(list.count == 100 && list.bytes.count == 100);
  vector_fini(&list);
  vector_fini(&list.bytes);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_cap),       cmocka_unit_test(test_growth),          cmocka_unit_test(test_reserve),
      cmocka_unit_test(test_failure),   cmocka_unit_test(test_must_add),        cmocka_unit_test(test_shrink_and_take),
      cmocka_unit_test(test_alignment),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
