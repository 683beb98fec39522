/* What a record counts, and what makes a second report of it a conflict. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "meter/usage.h"

static struct usage sample(void) {
  return (struct usage){.project = STR("org-a"), .source = STR("s"), .id = STR("1"), .kind = USAGE_TRANSCODE,
                        .outcome = USAGE_FINISHED, .codec = STR("h264"), .width = 1280, .height = 720, .has_amount = true,
                        .amount = 20033, .tier = TIER_MEDIUM, .finished_ms = 1000, .finish_stated = true,
                        .arrived_ms = 2000};
}

static void test_counts(void **state) {
  (void)state;
  struct usage usage = sample();
  struct usage_count count = usage_count(&usage);
  assert_true(count.units == 20 && count.minutes == 1 && count.tasks == 1);
  usage.outcome = USAGE_FAILED;
  count = usage_count(&usage);
  assert_true(count.units == 0 && count.minutes == 0 && count.tasks == 0);
  usage = (struct usage){.kind = USAGE_SNAPSHOT, .outcome = USAGE_FINISHED, .has_amount = true, .amount = 90};
  count = usage_count(&usage);
  assert_true(count.units == 90 && count.minutes == 0 && count.tasks == 1);
  usage = (struct usage){.kind = USAGE_REMUX, .outcome = USAGE_FINISHED, .has_amount = true, .amount = 60500};
  count = usage_count(&usage);
  assert_true(count.units == 61 && count.minutes == 2 && count.tasks == 1);
  usage.amount = 0;
  count = usage_count(&usage);
  assert_true(count.units == 0 && count.minutes == 0 && count.tasks == 1);
}

/* A void before its task, and more of them than tasks: the sum of all parts is right. */
static void test_sums(void **state) {
  (void)state;
  const struct usage_count task = {.units = 20, .minutes = 1, .tasks = 1}, most = {UINT64_MAX, UINT64_MAX, UINT64_MAX};
  struct usage_count sum = usage_count_negative(&task), whole = most;
  assert_true(sum.units == UINT64_MAX - 19 && sum.minutes == UINT64_MAX && sum.tasks == UINT64_MAX);
  assert_false(usage_count_is_zero(&sum));
  const struct usage_count twice = usage_count_negative(&sum);
  assert_true(twice.units == 20 && twice.minutes == 1 && twice.tasks == 1);
  usage_count_add(&sum, &task);
  assert_true(usage_count_is_zero(&sum));
  usage_count_add(&sum, &task);
  assert_true(sum.units == 20 && sum.minutes == 1 && sum.tasks == 1);
  usage_count_add(&whole, &task);
  assert_true(whole.units == 19 && whole.minutes == 0 && whole.tasks == 0);
  assert_false(usage_count_is_zero(&(struct usage_count){.units = 1}));
  assert_false(usage_count_is_zero(&(struct usage_count){.minutes = 1}));
  assert_false(usage_count_is_zero(&(struct usage_count){.tasks = 1}));
}

/* What counts, of each kind: voids, unresolved outputs and failed tasks count nothing. */
static void test_kinds(void **state) {
  (void)state;
  static const struct {
    enum usage_kind kind;
    bool is_task;
    struct usage_count count;
  } rows[] = {
      {USAGE_VOID, false, {0}},
      {USAGE_UNRESOLVED, false, {0}},
      {USAGE_TRANSCODE, true, {.units = 20, .minutes = 1, .tasks = 1}},
      {USAGE_REMUX, true, {.units = 20, .minutes = 1, .tasks = 1}},
      {USAGE_AUDIO, true, {.units = 20, .minutes = 1, .tasks = 1}},
      {USAGE_SNAPSHOT, true, {.units = 20033, .tasks = 1}},
  };
  size_t tasks = 0;
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct usage usage = sample();
    usage.kind = rows[i].kind;
    struct usage_count count = usage_count(&usage);
    assert_true(count.units == rows[i].count.units && count.minutes == rows[i].count.minutes && count.tasks == rows[i].count.tasks);
    usage.outcome = USAGE_FAILED;
    count = usage_count(&usage);
    assert_true(count.units == 0 && count.minutes == 0 && count.tasks == 0);
    assert_int_equal(usage_is_task(rows[i].kind), rows[i].is_task);
    for (size_t k = 0; k < USAGE_TASK_KINDS; k++) tasks += usage_task_kinds[k] == rows[i].kind && rows[i].is_task;
  }
  assert_int_equal(tasks, USAGE_TASK_KINDS);
}

/* Sets one field to a value, 1 or 2; 0: it is not stated. */
static void set_field(struct usage *usage, unsigned field, unsigned value) {
  static const struct str codecs[] = {STR(""), STR("x"), STR("y")};
  static const struct str texts[] = {STR(""), STR("1"), STR("2")};
  if (field == USAGE_FIELD_CODEC) usage->codec = codecs[value];
  if (field == USAGE_FIELD_WIDTH) usage->width = (uint16_t)value;
  if (field == USAGE_FIELD_HEIGHT) usage->height = (uint16_t)value;
  if (field == USAGE_FIELD_AMOUNT) usage->has_amount = value > 0, usage->amount = value;
  if (field == USAGE_FIELD_TIME) usage->finish_stated = value > 0, usage->finished_ms = value;
  if (field == USAGE_FIELD_FRAME_RATE) usage->frame_rate = (struct frame_rate){value * 25, value > 0};
  if (field == USAGE_FIELD_QUALITY) usage->quality = texts[value];
  if (field == USAGE_FIELD_REGION) usage->region = texts[value];
  if (field == USAGE_FIELD_PASSES) usage->passes = (uint16_t)value;
  if (field == USAGE_FIELD_INPUT_DURATION) usage->has_input_duration = value > 0, usage->input_duration_ms = value;
}

/* Each field alone: two values that are stated and differ, and nothing else, are a contradiction. */
static void test_each_field(void **state) {
  (void)state;
  static const unsigned compared[] = {USAGE_FIELD_CODEC,      USAGE_FIELD_WIDTH,   USAGE_FIELD_HEIGHT, USAGE_FIELD_AMOUNT,
                                      USAGE_FIELD_TIME,       USAGE_FIELD_QUALITY, USAGE_FIELD_REGION, USAGE_FIELD_PASSES,
                                      USAGE_FIELD_FRAME_RATE, USAGE_FIELD_INPUT_DURATION};
  for (size_t i = 0; i < sizeof compared / sizeof compared[0]; i++) {
    for (unsigned values = 0; values < 9; values++) {
      struct usage first = sample(), later = sample();
      unsigned of_first = values / 3, of_later = values % 3;
      set_field(&first, compared[i], of_first);
      set_field(&later, compared[i], of_later);
      bool differs = of_first > 0 && of_later > 0 && of_first != of_later;
      unsigned fields = usage_differences(&first, &later);
      if (fields != (differs ? compared[i] : 0)) fail_msg("field %x, %u and %u: %x", compared[i], of_first, of_later, fields);
    }
    struct usage lacking = sample();
    const unsigned measures = USAGE_FIELD_CODEC | USAGE_FIELD_WIDTH | USAGE_FIELD_HEIGHT | USAGE_FIELD_AMOUNT;
    assert_int_equal(usage_missing(&lacking), 0);
    set_field(&lacking, compared[i], 0);
    assert_int_equal(usage_missing(&lacking), compared[i] & measures);
  }
}

static void test_differences(void **state) {
  (void)state;
  struct usage first = sample(), later = sample();
  assert_int_equal(usage_differences(&first, &later), 0);

  /* Not compared: what is absent, what describes, when it arrived, the finish time if one did not state it. */
  later.arrived_ms = 9000;
  later.finish_stated = false;
  later.finished_ms = 9000;
  later.codec = STR("");
  later.width = later.height = 0;
  later.has_amount = false;
  later.amount = 0;
  later.task_id = STR("t");
  later.src_url = STR("u");
  later.dest_name = later.dest_bucket = later.format = STR("d");
  later.has_created = true;
  later.created_ms = 5;
  assert_int_equal(usage_differences(&first, &later), 0);
  assert_int_equal(usage_differences(&later, &first), 0);

  struct usage others[7] = {first, first, first, first, first, first, first};
  others[0].kind = USAGE_REMUX;
  others[1].outcome = USAGE_FAILED;
  others[2].codec = STR("h265");
  others[3].width = 1281;
  others[4].height = 721;
  others[5].amount = 20034;
  others[6].finished_ms = 1001;
  static const char *const names[7] = {"type", "type", "codec", "width", "height", "duration_ms", "time"};
  for (int i = 0; i < 7; i++) {
    unsigned fields = usage_differences(&first, &others[i]);
    assert_int_equal(fields, 1u << i);
    struct buf out = {0};
    usage_field_names(fields, USAGE_TRANSCODE, &out);
    assert_true(str_equal(buf_view(&out), str_of(names[i])));
    buf_fini(&out);
  }
  struct buf out = {0};
  usage_field_names(USAGE_FIELD_KIND | USAGE_FIELD_OUTCOME | USAGE_FIELD_AMOUNT | USAGE_FIELD_TIME, USAGE_SNAPSHOT, &out);
  assert_true(str_equal(buf_view(&out), STR("type, image_count, time")));
  buf_fini(&out);
}

/* Finish times of a relayed report may differ by the slack; those of others not at all. */
static void test_times_of_relayed_reports(void **state) {
  (void)state;
  const struct {
    int64_t apart_ms;
    unsigned fields, relayed;
  } table[] = {
      {0, 0, 0},
      {1, USAGE_FIELD_TIME, 0},
      {-USAGE_RELAY_SLACK_MS, USAGE_FIELD_TIME, 0},
      {USAGE_RELAY_SLACK_MS, USAGE_FIELD_TIME, 0},
      {USAGE_RELAY_SLACK_MS + 1, USAGE_FIELD_TIME, USAGE_FIELD_TIME},
      {-USAGE_RELAY_SLACK_MS - 1, USAGE_FIELD_TIME, USAGE_FIELD_TIME},
  };
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
    struct usage first = sample(), later = sample();
    later.finished_ms = first.finished_ms + table[i].apart_ms;
    assert_int_equal(usage_differences(&first, &later), table[i].fields);
    later.is_relayed = true;
    assert_int_equal(usage_differences(&first, &later), table[i].relayed);
  }
}

/* What a complete report may say of an output that waits. */
static void test_resolutions(void **state) {
  (void)state;
  struct usage waiting = sample();
  waiting.kind = USAGE_UNRESOLVED;
  waiting.codec = STR("");
  waiting.frame_rate = (struct frame_rate){25, 1};
  struct usage good[5], bad[5];
  for (int i = 0; i < 5; i++) {
    good[i] = bad[i] = sample();
    good[i].is_relayed = bad[i].is_relayed = true;
  }
  good[0].finished_ms += 10 * USAGE_RELAY_SLACK_MS; /* it has not counted on any day */
  good[1].outcome = USAGE_FAILED;
  good[2].kind = USAGE_AUDIO, good[2].width = good[2].height = 0;
  good[3].kind = USAGE_SNAPSHOT, good[3].amount = 12;
  good[4].kind = USAGE_REMUX, good[4].codec = STR("");
  bad[0].width++;
  bad[1].height++;
  bad[2].amount++;
  bad[3].kind = USAGE_AUDIO, bad[3].amount++;
  bad[4].frame_rate = (struct frame_rate){50, 1};
  const unsigned fields[] = {USAGE_FIELD_WIDTH, USAGE_FIELD_HEIGHT, USAGE_FIELD_AMOUNT, USAGE_FIELD_AMOUNT,
                             USAGE_FIELD_FRAME_RATE};
  for (int i = 0; i < 5; i++) {
    assert_int_equal(usage_resolution_differences(&waiting, &good[i]), 0);
    assert_int_equal(usage_resolution_differences(&waiting, &bad[i]), fields[i]);
  }
  waiting.codec = STR("h265");
  assert_int_equal(usage_resolution_differences(&waiting, &good[0]), USAGE_FIELD_CODEC);
  assert_int_equal(usage_resolution_differences(&waiting, &good[2]), 0); /* a rule's codec is not that of sound */
}

/* Both values of every field; of records of two types, what they are. */
static void test_contrast(void **state) {
  (void)state;
  struct usage transcode = sample(), remux = transcode, snapshot = transcode, failed = transcode, bare = transcode;
  struct usage other = transcode, voiding = {.kind = USAGE_VOID, .outcome = USAGE_FINISHED}, unresolved = transcode;
  other.codec = STR("h265");
  other.width = 640;
  other.height = 360;
  other.amount = 21000;
  other.finished_ms = 1001;
  remux.kind = USAGE_REMUX;
  remux.codec = STR("");
  remux.width = remux.height = 0;
  snapshot = remux;
  snapshot.kind = USAGE_SNAPSHOT;
  snapshot.amount = 12;
  struct usage more = snapshot;
  more.amount = 13;
  struct usage one = snapshot;
  one.amount = 1;
  failed.outcome = bare.outcome = USAGE_FAILED;
  bare.codec = STR("");
  bare.width = bare.height = 0;
  bare.has_amount = false;
  unresolved.kind = USAGE_UNRESOLVED;
  unresolved.has_amount = false;
  struct usage elsewhere = voiding;
  elsewhere.target_id = STR("job-2");
  const struct {
    const struct usage *first, *later;
    const char *text;
  } table[] = {
      {&transcode, &transcode, ""},
      {&transcode, &remux, "stored as a transcode (h264 1280x720 20.033 s), reported as a remux (20.033 s)"},
      {&remux, &transcode, "stored as a remux (20.033 s), reported as a transcode (h264 1280x720 20.033 s)"},
      {&remux, &other,
       "stored as a remux (20.033 s), reported as a transcode (h265 640x360 21.000 s); time: stored "
       "1970-01-01T00:00:01.000Z, reported 1970-01-01T00:00:01.001Z"},
      {&transcode, &other,
       "codec: stored h264, reported h265; width: stored 1280, reported 640; height: stored 720, reported 360; "
       "duration_ms: stored 20033, reported 21000; time: stored 1970-01-01T00:00:01.000Z, reported "
       "1970-01-01T00:00:01.001Z"},
      {&snapshot, &more, "image_count: stored 12, reported 13"},
      {&transcode, &one, "stored as a transcode (h264 1280x720 20.033 s), reported as a snapshot task (1 image)"},
      {&transcode, &snapshot,
       "stored as a transcode (h264 1280x720 20.033 s), reported as a snapshot task (12 images)"},
      {&failed, &transcode,
       "stored as a failed transcode (h264 1280x720 20.033 s), reported as a transcode (h264 1280x720 20.033 s)"},
      {&transcode, &bare, "stored as a transcode (h264 1280x720 20.033 s), reported as a failed transcode"},
      {&voiding, &transcode, "stored as a void, reported as a transcode (h264 1280x720 20.033 s)"},
      {&voiding, &elsewhere, "data: stored as a void of another record"},
      {&unresolved, &remux, "stored as an unresolved transcode (h264 1280x720), reported as a remux (20.033 s)"},
  };
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
    SCOPED(buf_fini) struct buf out = {0};
    usage_contrast(table[i].first, table[i].later, usage_differences(table[i].first, table[i].later), &out);
    if (!str_equal(buf_view(&out), str_of(table[i].text))) fail_msg("%zu: %.*s", i, (int)out.len, out.ptr);
  }
}

/* The header's bound: every field at its longest. */
static void test_no_contrast_is_longer_than_was_said(void **state) {
  (void)state;
  const struct usage longest = {.kind = USAGE_UNRESOLVED, .outcome = USAGE_FAILED, .codec = STR("abcdefghijklmnopqrstuvwxyz012345"),
                                .width = UINT16_MAX, .height = UINT16_MAX, .has_amount = true, .amount = UINT64_MAX,
                                .finished_ms = INT64_MAX,
                                .frame_rate = {FRAME_RATE_TERM_MAX, FRAME_RATE_TERM_MAX - 1},
                                .quality = STR("abcdefghijklmnopqrstuvwxyz012345"),
                                .region = STR("abcdefghijklmnopqrstuvwxyz012345"), .passes = PASSES_MAX,
                                .input_duration_ms = UINT64_MAX};
  for (unsigned fields = 0; fields < USAGE_FIELD_INPUT_DURATION << 1; fields++) {
    SCOPED(buf_fini) struct buf out = {0};
    usage_contrast(&longest, &longest, fields, &out);
    assert_true(out.len <= USAGE_CONTRAST_MAX);
  }
}

/* A void is compared by what it names, not by who says why. */
static void test_differences_of_voids(void **state) {
  (void)state;
  struct usage first = {.kind = USAGE_VOID, .outcome = USAGE_FINISHED, .finished_ms = 1, .finish_stated = true};
  first.target_source = STR("farm");
  first.target_id = STR("job-1");
  first.reason = STR("a mistake");
  struct usage later = first;
  later.reason = STR("another reason");
  later.finished_ms = 2;
  assert_int_equal(usage_differences(&first, &later), 0);
  later.target_id = STR("job-2");
  assert_int_equal(usage_differences(&first, &later), USAGE_FIELD_TARGET);
  struct usage task = {.kind = USAGE_TRANSCODE, .outcome = USAGE_FINISHED, .finished_ms = 1, .finish_stated = true};
  assert_int_equal(usage_differences(&first, &task), USAGE_FIELD_KIND);
  assert_int_equal(usage_count(&first).tasks, 0);
}

static void test_types(void **state) {
  (void)state;
  static const char *const bad[] = {
      "",           "transcode",           "transcode.", "Transcode.finished", "transcode.finished ", "remux.voided",
      "usage.void", "transcode.finished.x"};
  enum usage_kind kind = 0;
  enum usage_outcome outcome = 0;
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) assert_false(usage_type_parse(str_of(bad[i]), &kind, &outcome));
  assert_true(kind == 0 && outcome == 0);
  for (int k = USAGE_TRANSCODE; k <= USAGE_SNAPSHOT; k++) {
    for (int o = USAGE_FINISHED; o <= USAGE_FAILED; o++) {
      const char *name = usage_type_name((enum usage_kind)k, (enum usage_outcome)o);
      assert_true(usage_type_parse(str_of(name), &kind, &outcome));
      assert_true((int)kind == k && (int)outcome == o);
    }
  }
  assert_true(usage_type_parse(STR("usage.voided"), &kind, &outcome) && kind == USAGE_VOID &&
              outcome == USAGE_FINISHED);
  assert_string_equal(usage_type_name(USAGE_VOID, USAGE_FINISHED), "usage.voided");
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_counts), cmocka_unit_test(test_sums), cmocka_unit_test(test_kinds),
                                     cmocka_unit_test(test_each_field), cmocka_unit_test(test_differences),
                                     cmocka_unit_test(test_contrast),
                                     cmocka_unit_test(test_times_of_relayed_reports),
                                     cmocka_unit_test(test_resolutions),
                                     cmocka_unit_test(test_no_contrast_is_longer_than_was_said),
                                     cmocka_unit_test(test_differences_of_voids), cmocka_unit_test(test_types)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
