/* The time that pictures are shown, from tables of packets. Times are in units of 1/100 s. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "media/clock.h"

#define END INT64_MIN
#define WRAP 33

struct row {
  char kind; /* k: key picture, p: picture, s: sound, h: hidden picture */
  int64_t pts, dts, position;
};

struct table {
  const char *name;
  enum clock_rule rule;
  int64_t right;
  struct ts_break breaks[4]; /* ends with position 0 */
  struct row rows[24];
};

static const int64_t none = CLOCK_NONE;

static int64_t measure(const struct table *table, int64_t stated) {
  size_t breaks = 0;
  while (table->breaks[breaks].position != 0)
    breaks++;
  const struct clock_rules rules = {.rule = table->rule, .wrap_bits = WRAP, .unit = 0.01, .period = 4, .stated = stated,
                                    .breaks = table->breaks, .break_count = breaks};
  struct clock_reading reading;
  clock_reading_init(&reading, &rules);
  for (const struct row *row = table->rows; row->kind != 0; row++) {
    const struct clock_packet packet = {.is_video = row->kind != 's', .is_sound = row->kind == 's',
                                        .is_key = row->kind == 'k', .is_hidden = row->kind == 'h',
                                        .pts = row->pts, .dts = row->dts, .position = row->position};
    clock_reading_see(&reading, &packet);
  }
  return clock_reading_end(&reading);
}

#define FAR (INT64_C(10) << 20)
static const int64_t top = INT64_C(1) << WRAP;

static void test_tables(void **state) {
  (void)state;
  const struct table tables[] = {
      {"no packet", CLOCK_HELD, none, {{0}}, {{0}}},
      {"sound only", CLOCK_HELD, none, {{0}}, {{'s', 0, 0, 1}}},
      {"no times", CLOCK_HELD, none, {{0}}, {{'k', none, none, 1}, {'p', none, none, 2}}},
      {"one picture", CLOCK_HELD, 4, {{0}}, {{'k', 100, 100, 1}}},
      {"three pictures", CLOCK_HELD, 12, {{0}}, {{'k', 0, 0, 1}, {'p', 4, 4, 2}, {'p', 8, 8, 3}}},
      {"B-pictures", CLOCK_HELD, 16, {{0}}, {{'k', 8, 0, 1}, {'p', 20, 4, 2}, {'p', 12, 8, 3}, {'p', 16, 12, 4}}},
      {"a hidden picture adds nothing", CLOCK_HELD, 8, {{0}}, {{'k', 0, 0, 1}, {'h', 20, 20, 2}, {'p', 4, 4, 3}}},
      {"a held picture", CLOCK_HELD, 9004, {{0}}, {{'k', 0, 0, 1}, {'p', 9000, 9000, 2}}},
      {"the last picture has no time of showing", CLOCK_HELD, 12, {{0}}, {{'k', 4, 0, 1}, {'p', 8, 4, 2}, {'p', none, 8, 3}}},
      {"pictures without times", CLOCK_HELD, 16, {{0}},
       {{'k', 4, 0, 1}, {'p', none, none, 2}, {'p', none, none, 3}, {'p', none, none, 3}}},
      {"a damaged time of showing", CLOCK_HELD, 12, {{0}}, {{'k', 0, 0, 1}, {'p', 800000, 4, 2}, {'p', 8, 8, 3}}},
      {"10 s are held", CLOCK_PIECES, 1004, {{0}}, {{'k', 0, 0, 1}, {'p', 1000, 1000, 2}}},
      {"more than 10 s are a leap", CLOCK_PIECES, 8, {{0}}, {{'k', 0, 0, 1}, {'p', 1001, 1001, 2}}},
      {"but not if sound goes on",
       CLOCK_PIECES,
       1504,
       {{0}},
       {{'k', 0, 0, 1}, {'s', 0, 0, 2}, {'s', 100, 100, 3}, {'s', 200, 200, 3}, {'s', 300, 300, 3}, {'s', 400, 400, 3},
        {'s', 500, 500, 3}, {'s', 600, 600, 3}, {'s', 700, 700, 3}, {'s', 800, 800, 3}, {'s', 900, 900, 3},
        {'s', 1000, 1000, 3}, {'s', 1100, 1100, 3}, {'s', 1200, 1200, 3}, {'s', 1300, 1300, 3}, {'s', 1400, 1400, 3},
        {'p', 1500, 1500, 4}}},
      {"sound leaps too", CLOCK_PIECES, 8, {{0}},
       {{'k', 0, 0, 1}, {'s', 0, 0, 2}, {'s', 2000, 2000, 3}, {'p', 2000, 2000, 4}}},
      {"a restart", CLOCK_PIECES, 16, {{0}}, {{'k', 0, 0, 1}, {'p', 4, 4, 2}, {'k', 0, 0, 3}, {'p', 4, 4, 4}}},
      {"a restart at a later time", CLOCK_PIECES, 16, {{0}},
       {{'k', 9000, 9000, 1}, {'p', 9004, 9004, 2}, {'k', 500, 500, 3}, {'p', 504, 504, 4}}},
      {"disorder is no restart", CLOCK_PIECES, 12, {{0}}, {{'k', 0, 0, 1}, {'p', 8, 8, 2}, {'p', 4, 4, 3}}},
      {"a step without a break is held", CLOCK_BREAKS, 2004, {{0}}, {{'k', 0, 0, 1}, {'p', 2000, 2000, 3800}}},
      {"a step without bytes for a clock is a leap", CLOCK_BREAKS, 8, {{0}}, {{'k', 0, 0, 1}, {'p', 2000, 2000, 1000}}},
      {"a step at a break is a leap", CLOCK_BREAKS, 8, {{2, 1800000, false}}, {{'k', 0, 0, 1}, {'p', 2000, 2000, 2}}},
      {"a small step at a break too", CLOCK_BREAKS, 8, {{2, 45000, false}}, {{'k', 0, 0, 1}, {'p', 50, 50, 2}}},
      {"a break without a step is none", CLOCK_BREAKS, 8, {{2, 0, false}}, {{'k', 0, 0, 1}, {'p', 4, 4, 2}}},
      {"a break explains one step", CLOCK_BREAKS, 2008, {{2, 1800000, false}},
       {{'k', 0, 0, 1}, {'p', 2000, 2000, 2}, {'p', 4000, 4000, 3800}}},
      {"a held picture near a break of another size", CLOCK_BREAKS, 1008, {{3, 32400000, false}},
       {{'k', 0, 0, 1}, {'p', 1000, 1000, 2}, {'k', 37000, 37000, 3}}},
      {"of two breaks, the one that explains the step", CLOCK_BREAKS, 8, {{2, 90, false}, {3, 32400000, false}},
       {{'k', 0, 0, 1}, {'k', 36000, 36000, 4}}},
      {"a leap while a picture is held", CLOCK_BREAKS, 8, {{2, 32400000, false}},
       {{'k', 0, 0, 1}, {'k', 36800, 36800, 4}}},
      {"a P-picture without a time of showing", CLOCK_PIECES, 16, {{0}},
       {{'k', 4, 0, 1}, {'p', 8, 4, 2}, {'p', none, 8, 3}, {'p', 12, 12, 4}}},
      {"a break elsewhere explains none", CLOCK_BREAKS, 2004, {{5, 1800000, false}}, {{'k', 0, 0, FAR}, {'p', 2000, 2000, FAR + 3800}}},
      {"a break of another size explains none", CLOCK_BREAKS, 2004, {{2, 18000000, false}},
       {{'k', 0, 0, 1}, {'p', 2000, 2000, 3800}}},
      {"a time out of all bounds counts as unknown", CLOCK_HELD, 8, {{0}}, {{'k', 0, 0, 1}, {'p', INT64_MAX, INT64_MAX, 2}}},
      {"sound bridges a break without a flag", CLOCK_BREAKS, 84, {{2, 72000, false}},
       {{'k', 0, 0, 1}, {'s', 0, 0, 1}, {'s', 80, 80, 2}, {'p', 80, 80, 2}}},
      {"sound does not bridge a flag", CLOCK_BREAKS, 8, {{2, 72000, true}},
       {{'k', 0, 0, 1}, {'s', 0, 0, 1}, {'s', 80, 80, 2}, {'p', 80, 80, 2}}},
      {"a leap between pictures that are reordered", CLOCK_BREAKS, 24, {{3, 1800000, false}},
       {{'k', 8, 0, 1}, {'p', 20, 4, 2}, {'p', 2012, 2008, 3}, {'p', 2016, 2012, 4}, {'k', 2024, 2016, 5},
        {'p', 2028, 2020, 6}}},
      {"a stray ahead, of a held clock", CLOCK_HELD, 16, {{0}}, {{'k', 0, 0, 1}, {'p', 500000, 500000, 2}, {'p', 8, 8, 3}, {'p', 12, 12, 4}}},
      {"a stray behind, of a held clock", CLOCK_HELD, 16, {{0}},
       {{'k', 9000, 9000, 1}, {'p', 1, 1, 2}, {'p', 9008, 9008, 3}, {'p', 9012, 9012, 4}}},
      {"a stray a little ahead", CLOCK_PIECES, 16, {{0}}, {{'k', 0, 0, 1}, {'p', 900, 900, 2}, {'p', 8, 8, 3}, {'p', 12, 12, 4}}},
      {"a stray a little behind", CLOCK_PIECES, 16, {{0}},
       {{'k', 900, 900, 1}, {'p', 1, 1, 2}, {'p', 908, 908, 3}, {'p', 912, 912, 4}}},
      {"a stray key picture", CLOCK_PIECES, 16, {{0}}, {{'k', 0, 0, 1}, {'k', 900, 900, 2}, {'k', 8, 8, 3}, {'p', 12, 12, 4}}},
      {"two strays", CLOCK_PIECES, 16, {{0}}, {{'k', 0, 0, 1}, {'p', 900, 900, 2}, {'p', 904, 904, 3}, {'p', 12, 12, 4}}},
      {"two strays, each elsewhere", CLOCK_HELD, 16, {{0}}, {{'k', 0, 0, 1}, {'p', 5000, 5000, 2}, {'p', 900, 900, 3}, {'p', 12, 12, 4}}},
      {"a stray that sound bridges",
       CLOCK_PIECES,
       16,
       {{0}},
       {{'s', 0, 0, 1}, {'s', 100, 100, 1}, {'s', 200, 200, 1}, {'s', 300, 300, 1}, {'s', 400, 400, 1}, {'s', 500, 500, 1},
        {'s', 600, 600, 1}, {'s', 700, 700, 1}, {'s', 800, 800, 1}, {'s', 900, 900, 1}, {'s', 1000, 1000, 1}, {'s', 1100, 1100, 1},
        {'s', 1200, 1200, 1}, {'s', 1300, 1300, 1}, {'k', 1300, 1300, 1}, {'p', 1, 1, 2}, {'p', 1308, 1308, 3}, {'p', 1312, 1312, 4}}},
      {"a stray of a transport stream, by damaged bits of the PCR too", CLOCK_BREAKS, 16, {{2, 450000, false}},
       {{'k', 0, 0, 1}, {'p', 500, 500, 2}, {'p', 8, 8, 3}, {'p', 12, 12, 4}}},
      {"a run that strays, of a held clock", CLOCK_HELD, 28, {{0}},
       {{'k', 0, 0, 1}, {'k', 7000, 7000, 2}, {'p', 7004, 7004, 3}, {'p', 7008, 7008, 4}, {'p', 7012, 7012, 4}, {'k', 20, 20, 4}, {'p', 24, 24, 4}}},
      {"a run that strays back, of a held clock", CLOCK_HELD, 28, {{0}},
       {{'k', 7000, 7000, 1}, {'k', 1, 1, 2}, {'p', 5, 5, 3}, {'p', 9, 9, 4}, {'p', 13, 13, 4}, {'k', 7020, 7020, 4}, {'p', 7024, 7024, 4}}},
      {"a stray behind a first picture whose time of decoding is repeated", CLOCK_HELD, 16, {{0}},
       {{'k', 0, none, 1}, {'p', 3000, none, 2}, {'p', 8, 0, 3}, {'p', 12, 8, 4}}},
      {"a run that strays, with times of decoding in disorder", CLOCK_HELD, 36, {{0}},
       {{'k', 7000, 7000, 1}, {'k', 1, 1, 2}, {'p', 13, 13, 3}, {'p', 5, 5, 3}, {'p', 9, 9, 4}, {'p', 21, 21, 4}, {'p', 17, 17, 4},
        {'k', 7028, 7028, 4}, {'p', 7032, 7032, 4}}},
      {"a leap there and back is pieces", CLOCK_PIECES, 28, {{0}},
       {{'k', 0, 0, 1}, {'k', 7000, 7000, 2}, {'p', 7004, 7004, 3}, {'p', 7008, 7008, 4}, {'p', 7012, 7012, 4}, {'k', 100, 100, 4}, {'p', 104, 104, 4}}},
      {"a leap of two pictures that comes back much later", CLOCK_PIECES, 20, {{0}},
       {{'k', 0, 0, 1}, {'k', 7000, 7000, 2}, {'p', 7004, 7004, 3}, {'k', 3000, 3000, 4}, {'p', 3004, 3004, 4}}},
      {"a leap that stays", CLOCK_PIECES, 16, {{0}}, {{'k', 0, 0, 1}, {'p', 4, 4, 2}, {'k', 7000, 7000, 3}, {'p', 7004, 7004, 4}}},
      {"a restart behind a held picture", CLOCK_HELD, 912, {{0}}, {{'k', 0, 0, 1}, {'p', 900, 900, 2}, {'k', 0, 0, 3}, {'p', 4, 4, 4}}},
      {"the last picture, if nothing is stated", CLOCK_HELD, 7004, {{0}}, {{'k', 0, 0, 1}, {'p', 4, 4, 2}, {'p', 7000, 7000, 3}}},
      {"a time of showing before its time of decoding", CLOCK_HELD, 12, {{0}}, {{'k', 1000, 1000, 1}, {'p', 4, 1004, 2}, {'p', 1008, 1008, 3}}},
      {"the clock wraps", CLOCK_BREAKS, 12, {{2, 0, false}}, {{'k', top - 8, top - 8, 1}, {'p', top - 4, top - 4, 2}, {'p', 0, 0, 3}}},
      {"a leap over the wrap", CLOCK_BREAKS, 8, {{2, 4500000, false}}, {{'k', top - 8, top - 8, 1}, {'p', 5000, 5000, 2}}},
  };
  for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
    int64_t got = measure(&tables[i], 0);
    if (got != tables[i].right) fail_msg("%s: %lld, not %lld", tables[i].name, (long long)got, (long long)tables[i].right);
  }
}

static void test_stated(void **state) {
  (void)state;
  const struct {
    int64_t stated;
    struct table table;
  } rows[] = {
      {12, {"the last picture strays, and the length is stated", CLOCK_HELD, 12, {{0}}, {{'k', 0, 0, 1}, {'p', 4, 4, 2}, {'p', 7000, 7000, 3}}}},
      {7004, {"the last picture is held, as stated", CLOCK_HELD, 7004, {{0}}, {{'k', 0, 0, 1}, {'p', 4, 4, 2}, {'p', 7000, 7000, 3}}}},
      {12, {"the last time of showing strays, and the length is stated", CLOCK_HELD, 12, {{0}}, {{'k', 0, 0, 1}, {'p', 4, 4, 2}, {'p', 5000, 8, 3}}}},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    int64_t got = measure(&rows[i].table, rows[i].stated);
    if (got != rows[i].table.right) fail_msg("%s: %lld", rows[i].table.name, (long long)got);
  }
}

/* A time of showing that strays forward by less than a minute: only the pictures behind it tell. */
static void test_order(void **state) {
  (void)state;
  const struct clock_rules rules = {.rule = CLOCK_HELD, .unit = 0.01, .period = 4};
  struct clock_reading reading;
  clock_reading_init(&reading, &rules);
  for (int64_t i = 0; i < 100; i++) {
    const struct clock_packet packet = {.is_video = true, .pts = i == 50 ? 5000 : 4 * i, .dts = 4 * i};
    clock_reading_see(&reading, &packet);
  }
  assert_int_equal(clock_reading_end(&reading), 400);
}

/* The begin of a file that states no length. */
static void test_torn_begin(void **state) {
  (void)state;
  const struct {
    const char *name;
    int64_t first, sound;
    bool is_torn;
  } rows[] = {{"the sound begins with the others", 0, 359900, true}, {"the sound begins with the first", 0, 0, false},
              {"the sound begins later", 0, 361000, false},          {"less than a minute", 355000, 360000, false}};
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    const struct clock_rules rules = {.rule = CLOCK_HELD, .unit = 0.01, .period = 4};
    struct clock_reading reading;
    clock_reading_init(&reading, &rules);
    for (int64_t time = 0; time < 100; time += 4)
      clock_reading_see(&reading, &(struct clock_packet){.is_video = true, .pts = rows[i].first + time, .dts = rows[i].first + time});
    for (int64_t time = 360000; time < 370000; time += 4) {
      if (time >= rows[i].sound) clock_reading_see(&reading, &(struct clock_packet){.is_sound = true, .pts = rows[i].sound, .dts = rows[i].sound});
      clock_reading_see(&reading, &(struct clock_packet){.is_video = true, .pts = time, .dts = time});
    }
    if (clock_reading_is_torn(&reading) != rows[i].is_torn) fail_msg("%s", rows[i].name);
  }
}

/* The end of a file that states no length. Sound that ends where the pictures would end tells that they strayed. */
static void test_torn(void **state) {
  (void)state;
  const struct {
    const char *name;
    int64_t sound_s, last_s, stated;
    bool is_torn;
  } rows[] = {{"the sound ends before", 10, 500, 0, true},       {"a stated length decides", 10, 500, 50000, false},
              {"the sound goes on", 400, 500, 0, false},         {"the sound ended long before", 3, 500, 0, false},
              {"less than a minute", 10, 60, 0, false},          {"no sound", -1, 500, 0, false}};
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    const struct clock_rules rules = {.rule = CLOCK_HELD, .unit = 0.01, .period = 4, .stated = rows[i].stated};
    struct clock_reading reading;
    clock_reading_init(&reading, &rules);
    for (int64_t time = 0; time < 1000; time += 4)
      clock_reading_see(&reading, &(struct clock_packet){.is_video = true, .pts = time, .dts = time});
    for (int64_t time = 0; time < rows[i].sound_s * 100; time += 4)
      clock_reading_see(&reading, &(struct clock_packet){.is_sound = true, .pts = time, .dts = time});
    clock_reading_see(&reading, &(struct clock_packet){.is_video = true, .pts = rows[i].last_s * 100, .dts = rows[i].last_s * 100});
    if (clock_reading_is_torn(&reading) != rows[i].is_torn) fail_msg("%s", rows[i].name);
  }
}

/* Times and durations that no film has: the sum stays within bounds, and says that it is none. */
static void test_far(void **state) {
  (void)state;
  const struct {
    const char *name;
    struct clock_packet packet; /* each one; the first has the time 0 */
    int64_t step;               /* of its time, from one to the next; 0: it has none */
    int wrap_bits;
    bool is_far;
  } cases[] = {
      {"long pictures without times", {.is_video = true, .duration = CLOCK_FAR - 1}, 0, 0, true},
      {"long pictures, hidden", {.is_video = true, .is_hidden = true, .duration = CLOCK_FAR - 1}, 0, 0, true},
      {"long pictures that wrap", {.is_video = true, .duration = CLOCK_FAR - 1}, 0, WRAP, true},
      {"a long picture among times", {.is_video = true, .duration = CLOCK_FAR - 1}, 4, 0, true},
      {"times up to the bound", {.is_video = true, .duration = 4}, CLOCK_FAR / 100, 0, true},
      {"pictures without times", {.is_video = true, .duration = 4}, 0, 0, false},
      {"pictures with times", {.is_video = true, .duration = 4}, 4, 0, false},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const struct clock_rules rules = {.rule = CLOCK_HELD, .wrap_bits = cases[i].wrap_bits, .unit = 0.01};
    struct clock_reading reading;
    clock_reading_init(&reading, &rules);
    for (int64_t j = 0; j < 1000; j++) {
      struct clock_packet packet = cases[i].packet;
      packet.pts = packet.dts = j == 0 || cases[i].step != 0 ? j * cases[i].step : none;
      clock_reading_see(&reading, &packet);
    }
    int64_t shown = clock_reading_end(&reading);
    int64_t day = 8640000;
    if ((reading.now.longest_held > day) != cases[i].is_far || (!cases[i].is_far && shown != 4000))
      fail_msg("%s: %lld, %lld", cases[i].name, (long long)shown, (long long)reading.now.longest_held);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_tables), cmocka_unit_test(test_stated), cmocka_unit_test(test_order), cmocka_unit_test(test_torn_begin), cmocka_unit_test(test_torn), cmocka_unit_test(test_far)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
