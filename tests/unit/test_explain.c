/* The rule behind each number of a task. Each row says which rule holds, and what its sentence must say. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "query/explain.h"

static void expect(const struct explain_rule *rule, const char *name, const char *part, const char *what) {
  if (strcmp(rule->name, name) != 0) fail_msg("%s: the rule is %s: %s", what, rule->name, rule->text);
  if (strstr(rule->text, part) == NULL) fail_msg("%s: no '%s' in: %s", what, part, rule->text);
}

static void test_codec(void **state) {
  (void)state;
  static const struct {
    const char *stored, *reported, *token, *rule, *says;
  } rows[] = {
      {"", "", "t1", "none", "names no codec"},
      {"", "", "", "none", "names no codec"},
      {"h264", "", "", "unknown", "how the report spelled it"},
      {"h264", "", "t1", "canonical", "names h264, which is the canonical name"},
      {"h264", "libx264", "t1", "table", "names libx264, which the table of codec names folds to h264"},
      {"h264", "libx264", "", "table", "folds to h264"},
      {"h264", "H264", "t1", "table", "names H264, which the table of codec names folds to h264"},
      {"h265", "hvc1.1.6.L93.B0", "t1", "table", "folds to h265"},
      {"mycodec", "", "t1", "itself", "does not have, so it stands for itself"},
      {"mycodec", "MyCodec", "t1", "itself", "stands for itself, in small letters"},
      {"mycodec", " mycodec ", "t1", "itself", "so it stands for itself"},
      /* An earlier version's table did not have these spellings. */
      {"libx264", "", "t1", "itself", "the table of this version folds it to h264"},
      {"hevc", "", "", "unknown", "the table of this version folds it to h265"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    const struct usage usage = {.kind = USAGE_TRANSCODE,
                                .outcome = USAGE_FINISHED,
                                .codec = str_of(rows[i].stored),
                                .codec_reported = str_of(rows[i].reported),
                                .token = str_of(rows[i].token)};
    struct explain_codec codec;
    explain_codec(&usage, &codec);
    expect(&codec.rule, rows[i].rule, rows[i].says, rows[i].stored);
    bool folds = strstr(codec.rule.text, "this version") != NULL;
    if (folds != (strstr(rows[i].says, "this version") != NULL)) fail_msg("%s: %s", rows[i].stored, codec.rule.text);
  }
}

static void test_tier(void **state) {
  (void)state;
  static const struct {
    enum usage_kind kind;
    enum usage_outcome outcome;
    uint16_t width, height;
    enum tier stored;
    const char *rule, *says;
  } rows[] = {
      {USAGE_TRANSCODE, USAGE_FAILED, 640, 480, TIER_LOW, "none", "only a finished transcode"},
      {USAGE_TRANSCODE, USAGE_FAILED, 0, 0, TIER_LOW, "none", "only a finished transcode"},
      {USAGE_REMUX, USAGE_FINISHED, 0, 0, TIER_LOW, "none", "only a finished transcode"},
      {USAGE_UNRESOLVED, USAGE_FINISHED, 640, 480, TIER_LOW, "none", "only a finished transcode"},
      {USAGE_TRANSCODE, USAGE_FINISHED, 640, 480, TIER_LOW, "fits",
       "the longer side 640 is at most 640 and the shorter side 480 is at most 480, so the tier is low"},
      {USAGE_TRANSCODE, USAGE_FINISHED, 1, 1, TIER_LOW, "fits", "the longer side 1 is"},
      {USAGE_TRANSCODE, USAGE_FINISHED, 480, 640, TIER_LOW, "fits", "the longer side 640 is at most 640"},
      {USAGE_TRANSCODE, USAGE_FINISHED, 480, 641, TIER_MEDIUM, "fits",
       "the longer side 641 is at most 1280 and the shorter side 480 is at most 720, so the tier is medium; it is not low, whose "
       "limits are 640 and 480"},
      {USAGE_TRANSCODE, USAGE_FINISHED, 1920, 1080, TIER_HIGH, "fits", "it is not medium, whose limits are 1280 and 720"},
      {USAGE_TRANSCODE, USAGE_FINISHED, 1920, 1088, TIER_SUPER, "beyond",
       "the shorter side 1088 is above 1080, the limits of high, so the tier is super"},
      {USAGE_TRANSCODE, USAGE_FINISHED, 1921, 1080, TIER_SUPER, "beyond", "the longer side 1921 is above 1920, the limits"},
      {USAGE_TRANSCODE, USAGE_FINISHED, 2160, 3840, TIER_SUPER, "beyond",
       "the longer side 3840 is above 1920 and the shorter side 2160 is above 1080"},
      {USAGE_TRANSCODE, USAGE_FINISHED, 1920, 1080, TIER_SUPER, "stored",
       "stored with the tier super, which it keeps; the rules of this version give high"},
      {USAGE_TRANSCODE, USAGE_FINISHED, 3840, 2160, TIER_LOW, "stored", "the rules of this version give super"},
      {USAGE_TRANSCODE, USAGE_FINISHED, 0, 0, TIER_HIGH, "stored", "tier high, which it keeps; the rules of this version give none"},
      {USAGE_TRANSCODE, USAGE_FINISHED, 640, 0, TIER_LOW, "stored", "because it states no size"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    const struct usage usage = {.kind = rows[i].kind,
                                .outcome = rows[i].outcome,
                                .width = rows[i].width,
                                .height = rows[i].height,
                                .tier = rows[i].stored};
    struct explain_tier tier;
    explain_tier(&usage, &tier);
    expect(&tier.rule, rows[i].rule, rows[i].says, rows[i].says);
    bool has_tier = strcmp(rows[i].rule, "none") != 0;
    assert_int_equal(tier.has_tier, has_tier);
    if (!has_tier) continue;
    assert_int_equal(tier.tier, rows[i].stored);
    assert_true(tier.longer >= tier.shorter);
    assert_int_equal(tier.longer * tier.shorter, rows[i].width * rows[i].height);
    assert_int_equal(tier.has_limits, rows[i].stored != TIER_SUPER);
  }
}

static void test_amount(void **state) {
  (void)state;
  static const struct {
    enum usage_kind kind;
    bool has_amount;
    uint64_t amount, seconds, minutes;
    const char *rule, *says;
  } rows[] = {
      {USAGE_TRANSCODE, false, 0, 0, 0, "none", "states no duration"},
      {USAGE_SNAPSHOT, false, 0, 0, 0, "none", "states no number of images"},
      {USAGE_VOID, false, 0, 0, 0, "none", "a void has no duration"},
      {USAGE_SNAPSHOT, true, 12, 0, 0, "images", "counts images, not seconds: 12"},
      {USAGE_TRANSCODE, true, 0, 0, 0, "exact", "0 ms are 0 s; that is 0 min"},
      {USAGE_TRANSCODE, true, 1, 1, 1, "at_least", "1 ms count 1 s, because a task with any duration counts at least 1 s"},
      {USAGE_TRANSCODE, true, 499, 1, 1, "at_least", "at least 1 s"},
      {USAGE_TRANSCODE, true, 500, 1, 1, "rounded", "500 ms are rounded half up to 1 s"},
      {USAGE_TRANSCODE, true, 1000, 1, 1, "exact", "1000 ms are 1 s; rounded up to whole minutes: 1 min"},
      {USAGE_REMUX, true, 20033, 20, 1, "rounded", "20033 ms are rounded half up to 20 s"},
      {USAGE_AUDIO, true, 59500, 60, 1, "rounded", "59500 ms are rounded half up to 60 s; that is 1 min"},
      {USAGE_TRANSCODE, true, 60499, 60, 1, "rounded", "; that is 1 min"},
      {USAGE_TRANSCODE, true, 60500, 61, 2, "rounded", "rounded up to whole minutes: 2 min"},
      {USAGE_TRANSCODE, true, UINT64_C(31622400000), 31622400, 527040, "exact", "; that is 527040 min"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    const struct usage usage = {
        .kind = rows[i].kind, .outcome = USAGE_FINISHED, .has_amount = rows[i].has_amount, .amount = rows[i].amount};
    struct explain_amount amount;
    explain_amount(&usage, &amount);
    expect(&amount.rule, rows[i].rule, rows[i].says, rows[i].says);
    assert_int_equal(amount.seconds, rows[i].seconds);
    assert_int_equal(amount.minutes, rows[i].minutes);
    assert_int_equal(amount.images, rows[i].kind == USAGE_SNAPSHOT ? rows[i].amount : 0);
    if (!rows[i].has_amount || rows[i].kind == USAGE_SNAPSHOT) continue;
    struct usage_count count = usage_count(&usage);
    assert_int_equal(count.units, rows[i].seconds);
    assert_int_equal(count.minutes, rows[i].minutes);
  }
}

static void test_finish(void **state) {
  (void)state;
  static const struct {
    bool stated;
    int64_t finished_ms, arrived_ms;
    const char *rule, *says;
  } rows[] = {
      {true, 1000, 5000, "stated", "states when the task finished"},
      {true, 1000, 1000, "stated", "states when the task finished"},
      {false, 5000, 5000, "arrival", "the time of its arrival counts"},
      {false, 4000, 5000, "notice", "from the quarantine"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    const struct usage usage = {
        .finish_stated = rows[i].stated, .finished_ms = rows[i].finished_ms, .arrived_ms = rows[i].arrived_ms};
    struct explain_rule rule;
    explain_finish(&usage, &rule);
    expect(&rule, rows[i].rule, rows[i].says, rows[i].says);
  }
}

static const struct zone *zone_named(const char *name) {
  const struct zone *zone = NULL;
  struct err err = {0};
  if (zone_find(str_of(name), &zone, &err) != 0) fail_msg("%s", err.text);
  return zone;
}

static void test_day(void **state) {
  (void)state;
  static const struct {
    const char *zone;
    int64_t ms;
    const char *rule, *date, *local_time;
  } rows[] = {
      {"UTC", 0, "local_date", "1970-01-01", "1970-01-01T00:00:00.000+00:00"},
      {"Asia/Shanghai", 1500307199999, "local_date", "2017-07-17", "2017-07-17T23:59:59.999+08:00"},
      {"Asia/Shanghai", 1500307200000, "local_date", "2017-07-18", "2017-07-18T00:00:00.000+08:00"},
      {"America/New_York", 1793509199999, "local_date", "2026-11-01", "2026-11-01T00:59:59.999-04:00"},
      {"Asia/Kathmandu", 1767205800000, "local_date", "2026-01-01", "2026-01-01T00:15:00.000+05:45"},
      /* In 2000 clocks in St John's went back an hour at 00:01, so that the evening before came again. */
      {"America/St_Johns", 972786600000, "local_date", "2000-10-29", "2000-10-29T00:00:00.000-02:30"},
      {"America/St_Johns", 972786660000, "day_goes_on", "2000-10-29", "2000-10-28T23:01:00.000-03:30"},
      {"America/St_Johns", 972790199999, "day_goes_on", "2000-10-29", "2000-10-28T23:59:59.999-03:30"},
      {"America/St_Johns", 972790200000, "local_date", "2000-10-29", "2000-10-29T00:00:00.000-03:30"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    const struct zone *zone = zone_named(rows[i].zone);
    struct explain_day day;
    explain_day(rows[i].ms, zone, true, &day);
    expect(&day.rule, rows[i].rule, rows[i].zone, rows[i].local_time);
    assert_string_equal(day.date, rows[i].date);
    assert_string_equal(day.local_time, rows[i].local_time);
    assert_true(day.start <= rows[i].ms / 1000 && rows[i].ms / 1000 < day.end);
    assert_non_null(strstr(day.rule.text, "the project's time zone"));
    explain_day(rows[i].ms, zone, false, &day);
    assert_non_null(strstr(day.rule.text, "that was asked for"));
  }
}

static void test_count(void **state) {
  (void)state;
  static const struct {
    enum usage_kind kind;
    enum usage_outcome outcome;
    bool is_voided, is_resolved;
    const char *rule, *says;
    uint64_t units;
  } rows[] = {
      {USAGE_VOID, USAGE_FINISHED, false, false, "void", "cancels another record", 0},
      {USAGE_UNRESOLVED, USAGE_FINISHED, false, false, "unresolved", "does not state codec, width, height", 0},
      {USAGE_UNRESOLVED, USAGE_FINISHED, false, true, "resolved", "a later record", 0},
      {USAGE_TRANSCODE, USAGE_FINISHED, true, false, "voided", "was voided", 0},
      {USAGE_TRANSCODE, USAGE_FAILED, true, false, "voided", "was voided", 0},
      {USAGE_TRANSCODE, USAGE_FAILED, false, false, "failed", "counts nothing", 0},
      {USAGE_TRANSCODE, USAGE_FINISHED, false, false, "finished", "it counts 62 s and 2 min", 62},
      {USAGE_SNAPSHOT, USAGE_FINISHED, false, false, "finished", "it counts 61500 images", 61500},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    const struct usage usage = {.kind = rows[i].kind, .outcome = rows[i].outcome, .has_amount = true, .amount = 61500};
    struct explain_count count;
    explain_count(&usage, rows[i].is_voided, rows[i].is_resolved, &count);
    expect(&count.rule, rows[i].rule, rows[i].says, rows[i].says);
    assert_int_equal(count.sums.units, rows[i].units);
    assert_int_equal(count.sums.tasks, count.counts ? 1 : 0);
    assert_int_equal(count.counts, strcmp(rows[i].rule, "finished") == 0);
  }
}

static void test_reports(void **state) {
  (void)state;
  static const struct {
    const char *token, *label, *rule, *says;
    bool is_void;
  } rows[] = {
      {"", "", "unknown", "the record does not name a token", false},
      {"abc", "", "token", "the token abc reported the record; it arrived at 1970-01-01T08:00:01.000+08:00", false},
      {"abc", "farm 7", "token", "the token abc reported the record (the token's label: farm 7); it arrived", false},
      {"", "", "unknown", "a void cancels the task: the void does not name a token", true},
      {"abc", "", "voided", "a void cancels the task: the token abc reported the void; it arrived at 1970", true},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    const struct usage usage = {.kind = USAGE_TRANSCODE, .token = str_of(rows[i].token), .arrived_ms = 1000};
    struct explain_rule rule;
    if (rows[i].is_void)
      explain_void(&usage, str_of(rows[i].label), zone_named("Asia/Shanghai"), &rule);
    else
      explain_report(&usage, str_of(rows[i].label), zone_named("Asia/Shanghai"), &rule);
    expect(&rule, rows[i].rule, rows[i].says, rows[i].says);
  }
}

static void test_waiting(void **state) {
  (void)state;
  const struct usage waiting = {.kind = USAGE_UNRESOLVED, .outcome = USAGE_FINISHED, .width = 640, .height = 480, .arrived_ms = 1000};
  const struct usage later = {.kind = USAGE_TRANSCODE, .arrived_ms = 2000};
  struct explain_rule rule;
  explain_waiting(&waiting, NULL, zone_named("Asia/Shanghai"), &rule);
  expect(&rule, "waits", "at 1970-01-01T08:00:01.000+08:00 does not state codec, duration_ms; the output waits", "waits");
  explain_waiting(&waiting, &later, zone_named("Asia/Shanghai"), &rule);
  expect(&rule, "resolved", "the report that arrived at 1970-01-01T08:00:02.000+08:00 completed", "resolved");
}

/* The longest texts that a record can hold. */
static void test_bounds(void **state) {
  (void)state;
  char token[USAGE_TOKEN_MAX + 1], label[65], reported[CODEC_REPORTED_MAX + 1], name[CODEC_NAME_MAX + 1];
  memset(token, 't', sizeof token), memset(label, 'l', sizeof label);
  memset(reported, 'R', sizeof reported), memset(name, 'r', sizeof name);
  token[USAGE_TOKEN_MAX] = label[64] = reported[CODEC_REPORTED_MAX] = name[CODEC_NAME_MAX] = '\0';
  const struct usage usage = {.kind = USAGE_TRANSCODE,
                              .outcome = USAGE_FINISHED,
                              .token = str_of(token),
                              .codec = str_of(name),
                              .codec_reported = str_of(reported),
                              .arrived_ms = INT64_MAX};
  struct explain_codec codec;
  struct explain_rule report;
  explain_codec(&usage, &codec);
  explain_report(&usage, str_of(label), zone_named("UTC"), &report);
  expect(&report, "token", label, "report");
  explain_void(&usage, str_of(label), zone_named("UTC"), &report);
  expect(&report, "voided", label, "void");
  explain_waiting(&usage, &usage, zone_named("UTC"), &report);
  expect(&report, "resolved", "9999-12-31T23:59:59.999+00:00", "waiting");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_codec),  cmocka_unit_test(test_tier),  cmocka_unit_test(test_amount),
      cmocka_unit_test(test_finish), cmocka_unit_test(test_day),   cmocka_unit_test(test_count),
      cmocka_unit_test(test_reports), cmocka_unit_test(test_waiting), cmocka_unit_test(test_bounds),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
