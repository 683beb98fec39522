/* Dimensions and filters: what is no value, what a task has, which tasks pass, and that cells pass as their tasks do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "query/filter.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define NTSC \
  { 30000, 1001 }

static void test_refused(void **state) {
  (void)state;
  static const struct {
    const char *name, *value;
    int result;
    const char *words;
  } rows[] = {
      {"", "x", -ERR_NOT_FOUND, "label.NAME"},        {"projects", "x", -ERR_NOT_FOUND, "project"},
      {"project", "org-a", -ERR_NOT_FOUND, "filter"}, {"label.", "x", -ERR_NOT_FOUND, "label.NAME"},
      {"label.Team", "x", -ERR_NOT_FOUND, "label"},   {"labels", "x", -ERR_NOT_FOUND, "label"},
      {"Codec", "h264", -ERR_NOT_FOUND, "codec"},     {"codec", "h 264", -ERR_RANGE, "must be"},
      {"tier", "High", -ERR_RANGE, "low, medium"},    {"tier", "普清", -ERR_RANGE, "low, medium"},
      {"kind", "", -ERR_RANGE, "transcode"},          {"kind", "void", -ERR_RANGE, "transcode"},
      {"kind", "unresolved", -ERR_RANGE, "audio"},    {"source", "", -ERR_RANGE, "empty"},
      {"source", "\xff", -ERR_RANGE, "UTF-8"},        {"resolution", "1280", -ERR_RANGE, "1280x720"},
      {"resolution", "x720", -ERR_RANGE, "pixels"},   {"resolution", "0x720", -ERR_RANGE, "pixels"},
      {"resolution", "1280x", -ERR_RANGE, "pixels"},  {"resolution", "65536x1", -ERR_RANGE, "pixels"},
      {"resolution", "-1x720", -ERR_RANGE, "pixels"}, {"resolution", "1280x720x1", -ERR_RANGE, "pixels"},
      {"frame_rate", "0", -ERR_RANGE, "29.97"},       {"frame_rate", "1001", -ERR_RANGE, "1000"},
      {"frame_rate", "ntsc", -ERR_RANGE, "29.97"},    {"label.team", "a\nb", -ERR_RANGE, "control"},
  };
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct filter filter = {0};
    struct err err = {0};
    int result = filter_add(&filter, str_of(rows[i].name), str_of(rows[i].value), &err);
    if (result != rows[i].result || strstr(err.text, rows[i].words) == NULL || filter.count != 0)
      fail_msg("row %zu: %d %s", i, result, err.text);
  }
  struct filter filter = {0};
  struct err err = {0};
  for (size_t i = 0; i < FILTER_VALUES_MAX; i++)
    assert_int_equal(filter_add(&filter, STR("tier"), STR("low"), &err), 0);
  assert_int_equal(filter_add(&filter, STR("tier"), STR("low"), &err), -ERR_LIMIT);
}

/* A value is read, and written back as people write it. */
static void test_values(void **state) {
  (void)state;
  static const struct {
    const char *name, *value, *written; /* NULL: null */
  } rows[] = {
      {"codec", "avc1.64001f", "h264"},
      {"codec", " HEVC ", "h265"},
      {"codec", "", NULL},
      {"codec", "My-Codec", "my-codec"},
      {"tier", "super", "super"},
      {"tier", "", NULL},
      {"resolution", "1280x720", "1280x720"},
      {"resolution", "65535x1", "65535x1"},
      {"resolution", "", NULL},
      {"frame_rate", "30000/1001", "29.97"},
      {"frame_rate", "29.97", "29.97"},
      {"frame_rate", "23.98", "23.976"},
      {"frame_rate", "59.94", "59.94"},
      {"frame_rate", "120000/1001", "119.88"},
      {"frame_rate", "25.000", "25"},
      {"frame_rate", "12.5", "12.5"},
      {"frame_rate", "100", "100"},
      {"frame_rate", "1/3", "1/3"},
      {"frame_rate", "0.000001", "0.000001"},
      {"frame_rate", "15.625", "15.625"},
      {"frame_rate", "7.8125", "7.8125"},
      {"kind", "audio", "audio"},
      {"source", "arn:aws", "arn:aws"},
      {"label.team", "新闻", "新闻"},
      {"label.team", "", NULL},
  };
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct filter filter = {0};
    struct err err = {0};
    if (filter_add(&filter, str_of(rows[i].name), str_of(rows[i].value), &err) != 0)
      fail_msg("row %zu: %s", i, err.text);
    const struct filter_value *value = &filter.values[0];
    assert_int_equal(value->value.is_null, rows[i].written == NULL);
    SCOPED(buf_fini) struct buf out = {0};
    dim_write_name(&value->ref, &out);
    assert_true(str_equal(buf_view(&out), str_of(rows[i].name)));
    if (rows[i].written == NULL) continue;
    buf_clear(&out);
    dim_write_value(value->ref.dim, &value->value, &out);
    if (!str_equal(buf_view(&out), str_of(rows[i].written))) fail_msg("row %zu: %.*s", i, (int)out.len, out.ptr);
  }
}

static struct usage task(enum usage_kind kind, enum usage_outcome outcome) {
  return (struct usage){
      .project = STR("org-a"), .source = STR("farm"), .id = STR("1"), .kind = kind, .outcome = outcome};
}

/* The tasks that the next table asks about. */
static void make_tasks(struct usage ret[6]) {
  ret[0] = task(USAGE_TRANSCODE, USAGE_FINISHED);
  ret[0].codec = STR("h264");
  ret[0].width = 1280;
  ret[0].height = 720;
  ret[0].tier = TIER_MEDIUM;
  ret[0].frame_rate = (struct frame_rate)NTSC;
  ret[0].labels = STR("\4show\1a\4team\4news");
  ret[1] = ret[0]; /* portrait, another codec, tier, source */
  ret[1].width = 720;
  ret[1].height = 1280;
  ret[1].tier = TIER_LOW;
  ret[1].codec = STR("h265");
  ret[1].source = STR("Farm");
  ret[1].frame_rate = (struct frame_rate){25, 1};
  ret[1].labels = STR("\4team\5sport");
  ret[2] = task(USAGE_TRANSCODE, USAGE_FAILED);
  ret[3] = task(USAGE_REMUX, USAGE_FINISHED);
  ret[3].codec = STR("h264");
  ret[4] = task(USAGE_SNAPSHOT, USAGE_FINISHED);
  ret[5] = task(USAGE_AUDIO, USAGE_FINISHED);
  ret[5].codec = STR("aac");
}

static void test_passes(void **state) {
  (void)state;
  static const struct {
    const char *filters; /* name=value, divided by blanks */
    unsigned passes;     /* bits of tasks */
  } rows[] = {
      {"", 0x3F},
      {"codec=h264", 0x09},
      {"codec=libx264", 0x09},
      {"codec=h264 codec=HEVC", 0x0B},
      {"codec=", 0x14},
      {"codec= codec=aac", 0x34},
      {"tier=low", 0x02}, /* not what has no tier, though its record says 0 */
      {"tier=", 0x3C},
      {"tier=medium tier=low", 0x03},
      {"kind=transcode", 0x07},
      {"kind=transcode tier=", 0x04},
      {"kind=remux kind=audio", 0x28},
      {"resolution=1280x720", 0x01},
      {"resolution=720x1280", 0x02},
      {"resolution=", 0x3C},
      {"frame_rate=29.97", 0x01},
      {"frame_rate=25 frame_rate=", 0x3E},
      {"source=farm", 0x3D},
      {"source=Farm", 0x02},
      {"label.team=news", 0x01},
      {"label.team=", 0x3C},
      {"label.show=", 0x3E},
      {"label.show=a label.team=sport", 0x00},
      {"label.team=news label.team=sport codec=h265", 0x02},
  };
  struct usage tasks[6];
  make_tasks(tasks);
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct filter filter = {0};
    struct str rest = str_of(rows[i].filters);
    while (rest.len > 0) {
      struct str value = str_cut(&rest, ' '), name = str_cut(&value, '=');
      assert_int_equal(filter_add(&filter, name, value, NULL), 0);
    }
    unsigned passes = 0, by_cell = 0;
    for (unsigned at = 0; at < 6; at++) {
      if (filter_passes(&filter, &tasks[at])) passes |= 1u << at;
      if (!filter_is_in_totals(&filter)) continue;
      if (filter_passes_cell(&filter, tasks[at].kind, tasks[at].codec, tasks[at].tier)) by_cell |= 1u << at;
      if ((passes & 1u << at) != 0) assert_true(filter_kinds(&filter) & 1u << tasks[at].kind);
    }
    if (passes != rows[i].passes) fail_msg("row %zu: %x", i, passes);
    /* Cells hold finished tasks only: the failed one (bit 2) has none. */
    if (filter_is_in_totals(&filter)) assert_int_equal(by_cell & ~4u, passes & ~4u);
  }
}

/* Names that an earlier version stored. */
static void test_a_stored_name_that_is_folded_today(void **state) {
  (void)state;
  struct filter filter = {0};
  assert_int_equal(filter_add(&filter, STR("codec"), STR("h265"), NULL), 0);
  assert_true(filter_passes_cell(&filter, USAGE_TRANSCODE, STR("hevc"), TIER_LOW));
}

static void test_order(void **state) {
  (void)state;
  static const struct {
    const char *name;
    const char *values[5];
  } rows[] = {
      {"tier", {"low", "medium", "high", "super", ""}},
      {"kind", {"transcode", "remux", "snapshot", "audio", "audio"}},
      {"resolution", {"640x360", "720x1280", "1280x720", "10000x1", ""}},
      {"frame_rate", {"1/3", "23.976", "24", "29.97", ""}},
      {"codec", {"aac", "av1", "h264", "h265", ""}},
  };
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct filter filter = {0};
    for (size_t at = 0; at < 5; at++)
      assert_int_equal(filter_add(&filter, str_of(rows[i].name), str_of(rows[i].values[at]), NULL), 0);
    for (size_t a = 0; a < 5; a++) {
      for (size_t b = 0; b < 5; b++) {
        int order = dim_compare(filter.values[a].ref.dim, &filter.values[a].value, &filter.values[b].value);
        bool same = strcmp(rows[i].values[a], rows[i].values[b]) == 0;
        int wanted = same ? 0 : a < b ? -1 : 1;
        if ((order > 0) - (order < 0) != wanted) fail_msg("row %zu: %zu, %zu: %d", i, a, b, order);
      }
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_refused), cmocka_unit_test(test_values), cmocka_unit_test(test_passes),
      cmocka_unit_test(test_a_stored_name_that_is_folded_today), cmocka_unit_test(test_order)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
