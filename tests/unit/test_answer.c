/* The answer's text, its counts and its status, for events that were rejected before the ledger and verdicts of it.
 */
#include "ingest/commit/answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define ITEMS_MAX 4

/* An event is rejected when it has a reason, and has a verdict otherwise. */
static const struct {
  const char *what;
  struct {
    const char *id, *reason;
    struct verdict verdict;
  } items[ITEMS_MAX];
  size_t count;
  bool single;
  unsigned status;
  const char *answer;
} cases[] = {
    {"nothing", .answer = "{\"stored\":0,\"duplicate\":0,\"conflict\":0,\"rejected\":0,\"results\":[]}",
     .status = 200},
    {"one stored", .items = {{.id = "a", .verdict = {.outcome = VERDICT_STORED, .reason = VERDICT_REASON_NONE}}}, .count = 1,
     .single = true, .status = 200,
     .answer = "{\"stored\":1,\"duplicate\":0,\"conflict\":0,\"rejected\":0,\"results\":[]}"},
    {"one duplicate", .items = {{.id = "a", .verdict = {.outcome = VERDICT_DUPLICATE, .reason = VERDICT_REASON_NONE}}}, .count = 1,
     .single = true, .status = 200,
     .answer = "{\"stored\":0,\"duplicate\":1,\"conflict\":0,\"rejected\":0,\"results\":[{\"index\":0,\"id\":\"a\","
               "\"outcome\":\"duplicate\",\"reason\":\"reported before\"}]}"},
    {"one conflict",
     .items = {{.id = "a",
                .verdict = {.outcome = VERDICT_CONFLICT, .reason = VERDICT_REASON_CONTENT,
                            .fields = USAGE_FIELD_CODEC | USAGE_FIELD_AMOUNT,
                            .first = {.kind = USAGE_TRANSCODE, .codec = "vp9", .amount = 5}}}},
     .count = 1, .single = true, .status = 409,
     .answer = "{\"stored\":0,\"duplicate\":0,\"conflict\":1,\"rejected\":0,\"results\":[{\"index\":0,\"id\":\"a\","
               "\"outcome\":\"conflict\",\"reason\":\"differs from the first report: codec: stored vp9, reported h264; "
               "duration_ms: stored 5, reported 20033\"}]}"},
    {"one rejected, without an id", .items = {{.id = "", .reason = "id is missing"}}, .count = 1, .single = true,
     .status = 422,
     .answer = "{\"stored\":0,\"duplicate\":0,\"conflict\":0,\"rejected\":1,\"results\":[{\"index\":0,\"id\":null,"
               "\"outcome\":\"rejected\",\"reason\":\"id is missing\"}]}"},
    {"one rejected by the ledger",
     .items = {{.id = "a", .verdict = {.outcome = VERDICT_REJECTED, .reason = VERDICT_REASON_NO_PROJECT}}}, .count = 1, .single = true,
     .status = 422,
     .answer = "{\"stored\":0,\"duplicate\":0,\"conflict\":0,\"rejected\":1,\"results\":[{\"index\":0,\"id\":\"a\","
               "\"outcome\":\"rejected\",\"reason\":\"subject: no project has this id: org-\\\"x\\\"\"}]}"},
    {"a batch of one is answered with 200",
     .items = {{.id = "a", .verdict = {.outcome = VERDICT_REJECTED, .reason = VERDICT_REASON_CODECS}}}, .count = 1, .status = 200,
     .answer = "{\"stored\":0,\"duplicate\":0,\"conflict\":0,\"rejected\":1,\"results\":[{\"index\":0,\"id\":\"a\","
               "\"outcome\":\"rejected\",\"reason\":\"codec: h264 is not known, and the project already has 150 names of codecs that are not known\"}]}"},
    {"a void of what waits", .items = {{.id = "a", .verdict = {.outcome = VERDICT_REJECTED, .reason = VERDICT_REASON_WAITS}}}, .count = 1,
     .single = true, .status = 422,
     .answer = "{\"stored\":0,\"duplicate\":0,\"conflict\":0,\"rejected\":1,\"results\":[{\"index\":0,\"id\":\"a\","
               "\"outcome\":\"rejected\",\"reason\":\"data: the record is unresolved and counts nothing: "
               "`codecmeter unresolved dismiss` removes it from the list\"}]}"},
    {"one of each; verdicts are of what was not rejected before",
     .items = {{.id = "r", .reason = "width \"x\"\n"},
               {.id = "s", .verdict = {.outcome = VERDICT_STORED, .reason = VERDICT_REASON_NONE}},
               {.id = "\x01\xff", .verdict = {.outcome = VERDICT_CONFLICT, .reason = VERDICT_REASON_CONTENT,
                                           .fields = USAGE_FIELD_KIND,
                                           .first = {.kind = USAGE_REMUX, .has_amount = true, .amount = 5}}},
               {.id = "d", .verdict = {.outcome = VERDICT_DUPLICATE, .reason = VERDICT_REASON_NONE}}},
     .count = 4, .status = 200,
     .answer = "{\"stored\":1,\"duplicate\":1,\"conflict\":1,\"rejected\":1,\"results\":["
               "{\"index\":0,\"id\":\"r\",\"outcome\":\"rejected\",\"reason\":\"width \\\"x\\\"\\n\"},"
               "{\"index\":2,\"id\":\"\\u0001\xEF\xBF\xBD\",\"outcome\":\"conflict\","
               "\"reason\":\"differs from the first report: stored as a remux (0.005 s), "
               "reported as a transcode (h264 1280x720 20.033 s)\"},"
               "{\"index\":3,\"id\":\"d\",\"outcome\":\"duplicate\",\"reason\":\"reported before\"}]}"},
};

static void test_answers(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct event items[ITEMS_MAX];
    struct usage usages[ITEMS_MAX];
    struct verdict verdicts[ITEMS_MAX];
    struct events events = {.items = items, .count = cases[i].count, .usages = usages, .single = cases[i].single};
    for (size_t k = 0; k < cases[i].count; k++) {
      items[k] = (struct event){.id = str_of(cases[i].items[k].id), .reason = cases[i].items[k].reason};
      if (items[k].reason != NULL) continue;
      usages[events.usages_count] = (struct usage){
          .kind = USAGE_TRANSCODE, .outcome = USAGE_FINISHED, .project = STR("org-\"x\""), .codec = STR("h264"),
          .width = 1280, .height = 720, .has_amount = true, .amount = 20033};
      verdicts[events.usages_count++] = cases[i].items[k].verdict;
    }
    SCOPED(buf_fini) struct buf out = {0};
    unsigned status = 0;
    size_t most = ingest_answer_max(&events, events.usages_count > 0 ? verdicts : NULL);
    ingest_answer(&events, events.usages_count > 0 ? verdicts : NULL, &out, &status);
    if (out.len > most) fail_msg("%s: longer than %zu", cases[i].what, most);
    buf_char(&out, '\0');
    if (strcmp(out.ptr, cases[i].answer) != 0) fail_msg("%s: %s", cases[i].what, out.ptr);
    if (status != cases[i].status) fail_msg("%s: %u", cases[i].what, status);
  }
}

/* The longest of every kind of result. */
static void test_no_answer_is_longer_than_was_said(void **state) {
  (void)state;
  char id[256], project[PROJECT_ID_MAX + 1];
  memset(id, 1, sizeof id);
  memset(project, '"', sizeof project);
  for (unsigned reason = 0; reason <= VERDICT_REASON_RESOLVES; reason++) {
    for (unsigned outcome = 0; outcome <= VERDICT_REJECTED; outcome++) {
      for (unsigned kind = USAGE_TRANSCODE; kind <= USAGE_AUDIO; kind++) {
        struct event items[3];
        struct usage usages[3];
        struct verdict verdicts[3];
        struct events events = {.items = items, .count = 3, .usages = usages, .usages_count = 3};
        for (size_t i = 0; i < 3; i++) {
          items[i] = (struct event){.id = str_make(id, sizeof id)};
          usages[i] = (struct usage){.kind = kind,
                                     .project = str_make(project, PROJECT_ID_MAX),
                                     .frame_rate = {FRAME_RATE_TERM_MAX, FRAME_RATE_TERM_MAX - 1},
                                     .quality = str_make(project, QUALITY_MAX),
                                     .region = str_make(project, REGION_MAX)};
          verdicts[i] = (struct verdict){.outcome = outcome, .reason = reason, .fields = ~0u,
                                         .first = {.kind = kind, .frame_rate = usages[i].frame_rate}};
          memset(verdicts[i].first.quality, '"', QUALITY_MAX);
          memset(verdicts[i].first.region, '\\', REGION_MAX);
        }
        SCOPED(buf_fini) struct buf out = {0};
        size_t most = ingest_answer_max(&events, verdicts);
        ingest_answer_notice(&events, verdicts, NULL, 0, &out);
        if (out.len > most) fail_msg("reason %u, outcome %u, kind %u: %zu > %zu", reason, outcome, kind, out.len, most);
      }
    }
  }
}

/* An output that waits is not stored; one that resolves is. */
static void test_a_notice(void **state) {
  (void)state;
  struct event items[] = {{.id = STR("a")}, {.id = STR("b")}, {.id = STR("c")}, {.id = STR("d"), .reason = "id is odd"}};
  struct usage usages[] = {{.kind = USAGE_TRANSCODE}, {.kind = USAGE_TRANSCODE},
                           {.kind = USAGE_UNRESOLVED, .codec = STR("h264"), .width = 1, .height = 1}};
  const struct verdict verdicts[] = {{.outcome = VERDICT_STORED},
                                     {.outcome = VERDICT_STORED, .reason = VERDICT_REASON_RESOLVES},
                                     {.outcome = VERDICT_STORED}};
  const char *const ignored[] = {"a \"picture\""};
  const struct events events = {.items = items, .count = 4, .usages = usages, .usages_count = 3};
  SCOPED(buf_fini) struct buf out = {0};
  ingest_answer_notice(&events, verdicts, ignored, 1, &out);
  buf_char(&out, '\0');
  assert_string_equal(out.ptr,
                      "{\"stored\":2,\"duplicate\":0,\"conflict\":0,\"rejected\":1,\"results\":[{\"index\":2,\"id\":\"c\","
                      "\"outcome\":\"unresolved\",\"reason\":\"duration_ms: not in the notice; the output counts once "
                      "`codecmeter unresolved resolve` supplies it\"},{\"index\":3,\"id\":\"d\",\"outcome\":\"rejected\","
                      "\"reason\":\"id is odd\"}],\"unresolved\":1,\"resolved\":1,\"ignored\":[\"a \\\"picture\\\"\"]}");
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_answers), cmocka_unit_test(test_a_notice),
                                     cmocka_unit_test(test_no_answer_is_longer_than_was_said)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
