/* Decoding times of the first pictures, from the order of the times of showing. A second is one unit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "media/order.h"

#define NONE DEMUX_NONE
#define PICTURES 8

struct table {
  const char *name;
  size_t count;
  int64_t pts[PICTURES], dts[PICTURES];
  int64_t stated;
  int64_t result[PICTURES]; /* dts */
};

/* Pictures of 20 units each. */
static const struct table tables[] = {
    {"a time that strays", 4, {0, 9000, 40, 20}, {NONE, NONE, NONE, NONE}, 0, {NONE, NONE, NONE, NONE}},
    {"guesses are not dropped without a stated length", 3, {0, 40, 20}, {0, 40, NONE}, 0, {0, 40, NONE}},
    {"guesses are not dropped if the times are longer", 3, {0, 400, 20}, {0, 400, NONE}, 60, {0, 400, NONE}},
    {"guesses are not dropped if the times are shorter", 3, {0, 40, 20}, {0, 40, NONE}, 600, {0, 40, NONE}},
    {"guesses without contradiction stay", 3, {0, 40, 60}, {-20, 0, 20}, 80, {-20, 0, 20}},
    {"guesses that contradict", 3, {0, 40, 20}, {0, 40, NONE}, 60, {-20, 0, 20}},
    {"a picture that is shown before it is decoded", 4, {0, 60, 20, 40}, {0, 20, 40, 60}, 80, {-20, 0, 20, 40}},
    {"no decoding time at all", 3, {0, 40, 20}, {NONE, NONE, NONE}, 0, {-20, 0, 20}},
    {"the first of several, Matroska", 6, {0, 80, 40, 20, 60, 100}, {NONE, NONE, NONE, 20, 40, 60}, 120, {-40, -20, 0, 20, 40, 60}},
    {"the first of several, NUT", 6, {20, 60, 40, 100, 80, 120}, {NONE, NONE, NONE, NONE, 60, 80}, 0, {-20, 0, 20, 40, 60, 80}},
    {"no picture waits", 0, {0}, {0}, 0, {0}},
    {"nothing is reordered", 3, {0, 20, 40}, {NONE, NONE, NONE}, 60, {0, 20, 40}},
};

static void test_order(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
    const struct table *table = &tables[i];
    struct order order = {0};
    const struct demux_packet sound = {.is_sound = true, .pts = 7, .dts = 7};
    for (size_t j = 0; j < table->count; j++) {
      order_add(&order, &(struct demux_packet){.is_video = true, .pts = table->pts[j], .dts = table->dts[j], .duration = 20});
      order_add(&order, &sound);
    }
    order_settle(&order, table->stated);
    for (size_t j = 0; j < table->count; j++) {
      if (order.items[2 * j].dts != table->result[j])
        fail_msg("%s: picture %zu is decoded at %lld, not at %lld", table->name, j, (long long)order.items[2 * j].dts,
                 (long long)table->result[j]);
      assert_int_equal(order.items[2 * j + 1].dts, 7);
    }
    order_fini(&order);
  }
}

static void test_what_waits(void **state) {
  (void)state;
  const struct demux_packet unknown = {.is_video = true, .pts = 5, .dts = NONE}, known = {.is_video = true, .pts = 5, .dts = 5};
  const struct demux_packet nothing = {.is_video = true, .pts = NONE, .dts = NONE}, sound = {.is_sound = true, .pts = 5, .dts = NONE};
  struct order order = {0};
  assert_false(order_holds(&order, &nothing, true, true));
  assert_false(order_holds(&order, &sound, true, true));
  assert_false(order_holds(&order, &known, true, false));
  assert_false(order_holds(&order, &unknown, false, false));
  assert_true(order_holds(&order, &unknown, true, false));
  assert_true(order_holds(&order, &known, true, true));
  for (size_t i = 0; i < ORDER_PICTURES; i++) {
    assert_false(order_is_full(&order));
    order_add(&order, &unknown);
    order_add(&order, &sound);
    assert_true(order_holds(&order, &sound, false, false));
  }
  assert_true(order_is_full(&order));
  order_fini(&order);
  assert_false(order_holds(&order, &sound, false, false));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_order), cmocka_unit_test(test_what_waits)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
