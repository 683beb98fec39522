/* Definition tiers: every border that the rules name, both ways round. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "meter/tier.h"

static void test_table(void **state) {
  (void)state;
  static const struct {
    uint32_t width, height;
    enum tier tier;
  } rows[] = {
      {1, 1, TIER_LOW},          {639, 480, TIER_LOW},       {640, 480, TIER_LOW},       {640, 1, TIER_LOW},
      {480, 480, TIER_LOW},      {639, 481, TIER_MEDIUM},    {641, 480, TIER_MEDIUM},    {641, 1, TIER_MEDIUM},
      {481, 481, TIER_MEDIUM},   {640, 640, TIER_MEDIUM},    {720, 720, TIER_MEDIUM},    {1280, 720, TIER_MEDIUM},
      {1279, 720, TIER_MEDIUM},  {1281, 479, TIER_HIGH},     {1281, 720, TIER_HIGH},     {1280, 721, TIER_HIGH},
      {721, 721, TIER_HIGH},     {1080, 1080, TIER_HIGH},    {1920, 1080, TIER_HIGH},    {1920, 1, TIER_HIGH},
      {1921, 1, TIER_SUPER},     {1921, 1080, TIER_SUPER},   {1920, 1081, TIER_SUPER},   {1081, 1081, TIER_SUPER},
      {3840, 2160, TIER_SUPER},  {65535, 65535, TIER_SUPER}, {65535, 1, TIER_SUPER},     {UINT32_MAX, 1, TIER_SUPER},
      {UINT32_MAX, UINT32_MAX, TIER_SUPER},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    uint32_t width = rows[i].width, height = rows[i].height;
    if (tier_of(width, height) != rows[i].tier) fail_msg("%ux%u", width, height);
    if (tier_of(height, width) != rows[i].tier) fail_msg("%ux%u, turned", width, height);
  }
}

/* Sizes that are no pictures never come this far (test_event.c); should one, the program stops rather than count it. */
static void test_no_picture(void **state) {
  (void)state;
  static const uint32_t sizes[][2] = {{0, 0}, {0, 480}, {640, 0}};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    pid_t child = fork();
    if (child == 0) {
      (void)close(STDERR_FILENO);
      (void)tier_of(sizes[i][0], sizes[i][1]);
      _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
  }
}

static void test_names(void **state) {
  (void)state;
  static const char *const names[TIERS][2] = {{"low", "lowdefinition"},
                                              {"medium", "mediumdefinition"},
                                              {"high", "highdefinition"},
                                              {"super", "superdefinition"}};
  for (int tier = TIER_LOW; tier < TIERS; tier++) {
    assert_string_equal(tier_name((enum tier)tier), names[tier][0]);
    assert_string_equal(tier_codec_level((enum tier)tier), names[tier][1]);
  }
}

/* A picture of just these sides is in the tier, and one of a pixel more on either side is not. */
static void test_limits(void **state) {
  (void)state;
  uint32_t long_side = 7, short_side = 7;
  assert_false(tier_limits(TIER_SUPER, &long_side, &short_side));
  assert_true(long_side == 7 && short_side == 7);
  for (int tier = TIER_LOW; tier < TIER_SUPER; tier++) {
    assert_true(tier_limits((enum tier)tier, &long_side, &short_side));
    assert_int_equal(tier_of(long_side, short_side), tier);
    assert_int_equal(tier_of(short_side, long_side), tier);
    assert_true(tier_of(long_side + 1, short_side) > (enum tier)tier);
    assert_true(tier_of(long_side, short_side + 1) > (enum tier)tier);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_table), cmocka_unit_test(test_no_picture),
                                     cmocka_unit_test(test_names), cmocka_unit_test(test_limits)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
