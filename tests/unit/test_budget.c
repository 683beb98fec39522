/* A budget: who gets how much of it, and that nothing of it is lost. */
#include "base/budget.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_claims(void **state) {
  (void)state;
  static const struct {
    uint64_t owner, bytes;
    bool fits;
    uint64_t held; /* by all, afterwards */
  } rows[] = {
      {1, 76, false, 0},   {1, 75, true, 75}, /* a quarter is kept from each owner */
      {1, 76, false, 75},  {2, 26, false, 75}, {2, 25, true, 100}, {3, 1, false, 100},
      {0, 1, false, 100},  {1, 10, true, 35},  {0, 65, true, 100}, /* without a name: no part of its own */
      {2, UINT64_MAX, false, 100}, {1, 0, true, 90}, {2, 0, true, 65}, {0, 0, true, 0},
  };
  struct budget budget = {.max = 100};
  uint64_t parts[4] = {0};
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    uint64_t before = parts[rows[i].owner];
    bool fits = budget_claim(&budget, rows[i].owner, &parts[rows[i].owner], rows[i].bytes);
    if (fits != rows[i].fits || budget.held != rows[i].held) fail_msg("row %zu", i);
    assert_int_equal(parts[rows[i].owner], fits ? rows[i].bytes : before);
  }
}

/* Two users of one owner, and owners that share a place. */
static void test_owners(void **state) {
  (void)state;
  struct budget budget = {.max = 100};
  uint64_t one = 0, other = 0, neighbour = 0;
  assert_int_equal(budget_owner(STR("")), 0);
  assert_int_not_equal(budget_owner(STR("a")), budget_owner(STR("b")));
  assert_true(budget_claim(&budget, 7, &one, 40));
  assert_false(budget_claim(&budget, 7, &other, 36));
  assert_true(budget_claim(&budget, 7, &other, 35));
  assert_false(budget_claim(&budget, 7 + BUDGET_PARTS, &neighbour, 1));
  budget_give_back(&budget, 7, &one);
  assert_true(budget_claim(&budget, 7 + BUDGET_PARTS, &neighbour, 1));
  budget_give_back(&budget, 7, &other);
  budget_give_back(&budget, 7 + BUDGET_PARTS, &neighbour);
  assert_int_equal(budget.held, 0);
  assert_int_equal(budget.parts[7], 0);
}

static struct budget shared = {.max = 1000};

static void *claim_much(void *arg) {
  uint64_t owner = *(const uint64_t *)arg, part = 0;
  for (unsigned i = 0; i < 100000; i++) {
    (void)!budget_claim(&shared, owner, &part, (i * 37 + owner) % 900);
    if (part > 750) return arg;
  }
  budget_give_back(&shared, owner, &part);
  return NULL;
}

static void test_threads(void **state) {
  (void)state;
  pthread_t threads[4];
  uint64_t owners[4] = {1, 2, 3, 1};
  for (size_t i = 0; i < 4; i++)
    assert_int_equal(pthread_create(&threads[i], NULL, claim_much, &owners[i]), 0);
  for (size_t i = 0; i < 4; i++) {
    void *result;
    assert_int_equal(pthread_join(threads[i], &result), 0);
    assert_null(result);
  }
  assert_int_equal(shared.held, 0);
  for (size_t i = 0; i < BUDGET_PARTS; i++)
    assert_int_equal(shared.parts[i], 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_claims), cmocka_unit_test(test_owners),
                                     cmocka_unit_test(test_threads)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
