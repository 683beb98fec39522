/* The rules of what a record does, without a ledger: which earlier record answers which question, what a failing
 * look-up does, and every history of up to four records against a model that is written in another way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ledger/decide.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* ---- records ---- */

static struct usage task(const char *id) {
  return (struct usage){.project = STR("org-a"),
                        .source = STR("farm"),
                        .id = str_of(id),
                        .kind = USAGE_TRANSCODE,
                        .outcome = USAGE_FINISHED,
                        .codec = STR("h264"),
                        .width = 640,
                        .height = 360,
                        .has_amount = true,
                        .amount = 1000,
                        .finished_ms = 5000,
                        .finish_stated = true};
}

static struct usage with_width(struct usage usage, uint16_t width) {
  usage.width = width;
  return usage;
}

static struct usage of_kind(struct usage usage, enum usage_kind kind) {
  usage.kind = kind;
  return usage;
}

/* It lacks its codec. */
static struct usage unresolved(const char *id) {
  struct usage usage = of_kind(task(id), USAGE_UNRESOLVED);
  usage.codec = (struct str){0};
  return usage;
}

static struct usage relayed(struct usage usage) {
  usage.is_relayed = true;
  return usage;
}

static struct usage of(struct usage usage, const char *project, const char *source) {
  usage.project = str_of(project);
  usage.source = str_of(source);
  return usage;
}

static struct usage voiding(const char *id, const char *source, const char *target) {
  return (struct usage){.project = STR("org-a"),
                        .source = STR("farm"),
                        .id = str_of(id),
                        .kind = USAGE_VOID,
                        .outcome = USAGE_FINISHED,
                        .finished_ms = 5000,
                        .target_source = str_of(source),
                        .target_id = str_of(target)};
}

/* ---- what was before ---- */

struct before {
  struct usage counted[8];
  size_t count;
  bool no_project, no_codec_room;
  int fails_at; /* the number of the look-up that fails; 0: none */
  enum decide_question asked[8];
  int asked_count;
};

static bool has_project(void *arg, const struct usage *usage) {
  (void)usage;
  return !((struct before *)arg)->no_project;
}

static bool has_codec_room(void *arg, const struct usage *usage) {
  (void)usage;
  return !((struct before *)arg)->no_codec_room;
}

static int find(void *arg, enum decide_question question, const struct usage *usage, const struct usage **ret,
                struct err *err) {
  struct before *before = arg;
  before->asked[before->asked_count++] = question;
  if (before->asked_count == before->fails_at) return err_set(err, ERR_IO, "the disk is broken");
  *ret = NULL;
  for (size_t i = 0; i < before->count && *ret == NULL; i++) {
    if (decide_matches(question, &before->counted[i], usage)) *ret = &before->counted[i];
  }
  return 0;
}

static int decide_after(struct before *before, const struct usage *usage, struct decision *ret, struct err *err) {
  const struct decide_before questions = {
      .arg = before, .has_project = has_project, .has_codec_room = has_codec_room, .find = find};
  before->asked_count = 0;
  return decide(usage, &questions, ret, err);
}

/* ---- which record answers ---- */

static void test_questions(void **state) {
  (void)state;
  struct usage a = task("a"), u = unresolved("a"), v = voiding("v", "farm", "a"), of_v = voiding("w", "farm", "v");
  const struct {
    const char *what;
    struct usage earlier, usage;
    unsigned questions; /* those that it answers: 1 << enum decide_question */
  } rows[] = {
      {"another id", task("b"), a, 0},
      {"another source", of(a, "org-a", "other"), a, 0},
      {"another project", of(a, "org-b", "farm"), a, 0},
      {"unresolved, another id", unresolved("b"), a, 0},
      {"unresolved, another source", of(u, "org-a", "other"), a, 0},
      {"unresolved, another project", of(u, "org-b", "farm"), a, 0},
      {"of a void: another id", task("b"), v, 0},
      {"of a void: another source", of(a, "org-a", "other"), v, 0},
      {"of a void: another project", of(a, "org-b", "farm"), v, 0},
      {"of a void: unresolved, another id", unresolved("b"), v, 0},
      {"of a void: unresolved, another source", of(u, "org-a", "other"), v, 0},
      {"of a void: unresolved, another project", of(u, "org-b", "farm"), v, 0},
      {"a void of another id", voiding("w", "farm", "b"), v, 0},
      {"a void of another source", voiding("w", "other", "a"), v, 0},
      {"a void in another project", of(voiding("w", "farm", "a"), "org-b", "farm"), v, 0},
      {"the same", a, a, 1 << DECIDE_IDENTITY | 1 << DECIDE_RESOLUTION},
      {"other content", with_width(a, 2), a, 1 << DECIDE_IDENTITY | 1 << DECIDE_RESOLUTION},
      {"the same identity, a void", voiding("a", "farm", "b"), a, 1 << DECIDE_IDENTITY | 1 << DECIDE_RESOLUTION},
      {"unresolved before complete", u, a, 1 << DECIDE_WAITING},
      {"complete before unresolved", a, u, 1 << DECIDE_RESOLUTION},
      {"unresolved twice", u, u, 1 << DECIDE_IDENTITY | 1 << DECIDE_WAITING},
      {"a void's target", a, v, 1 << DECIDE_TARGET},
      {"a void's unresolved target", u, v, 1 << DECIDE_WAITING_TARGET},
      {"a void of the same", voiding("w", "farm", "a"), v, 1 << DECIDE_VOID},
      {"a void of the same from another source", of(voiding("w", "farm", "a"), "org-a", "desk"), v, 1 << DECIDE_VOID},
      {"a void's void", v, of_v, 1 << DECIDE_TARGET},
      {"a void twice", v, v, 1 << DECIDE_IDENTITY | 1 << DECIDE_RESOLUTION | 1 << DECIDE_VOID},
  };
  for (size_t i = 0; i < COUNT(rows); i++) {
    for (int question = 0; question < DECIDE_QUESTIONS; question++) {
      bool of_voids = question >= DECIDE_VOID, wanted = (rows[i].questions >> question & 1) != 0;
      if (of_voids && rows[i].usage.kind != USAGE_VOID) continue; /* only a void has a target */
      bool is = decide_matches((enum decide_question)question, &rows[i].earlier, &rows[i].usage);
      if (is != wanted) fail_msg("%s: question %d", rows[i].what, question);
    }
    struct usage earlier = rows[i].earlier, usage = rows[i].usage;
    if (usage.kind == USAGE_VOID) {
      bool named = (rows[i].questions & (1 << DECIDE_TARGET | 1 << DECIDE_WAITING_TARGET)) != 0;
      if (decide_voids(&usage, &earlier) != named) fail_msg("%s: voids", rows[i].what);
    }
    if (decide_resolves(&earlier, &usage) != ((rows[i].questions >> DECIDE_RESOLUTION & 1) != 0))
      fail_msg("%s: resolves", rows[i].what);
  }
  struct usage named = a; /* a task names nothing, whatever its texts are */
  named.target_id = STR("a"), named.target_source = STR("farm");
  assert_false(decide_voids(&named, &a));
  assert_false(decide_matches(DECIDE_VOID, &named, &v));
}

/* ---- look-ups ---- */

#define ASKS(...) .asks = {__VA_ARGS__}, .asks_count = COUNT(((int[]){__VA_ARGS__}))

static const struct usage *first_of(const struct before *before) {
  return before->count > 0 ? before->counted : NULL;
}

/* Each rule: what is asked, in which order, and what comes out. Then each look-up fails. */
static void test_rules(void **state) {
  (void)state;
  struct usage a = task("a"), u = unresolved("a"), v = voiding("v", "farm", "a");
  const struct {
    const char *what;
    struct usage earlier; /* without an id: there is none */
    struct usage usage;
    enum verdict_outcome outcome;
    enum verdict_reason reason;
    unsigned fields;
    bool has_earlier; /* the decision names the earlier record */
    enum decide_question asks[4];
    int asks_count;
  } rows[] = {
      {"a void of nothing",
       {.id = {0}},
       v,
       VERDICT_REJECTED,
       VERDICT_REASON_NO_TARGET,
       ASKS(DECIDE_IDENTITY, DECIDE_VOID, DECIDE_TARGET, DECIDE_WAITING_TARGET)},
      {"a void of what waits", u, v, VERDICT_REJECTED, VERDICT_REASON_WAITS,
       ASKS(DECIDE_IDENTITY, DECIDE_VOID, DECIDE_TARGET, DECIDE_WAITING_TARGET)},
      {"a void of a void", voiding("a", "farm", "b"), v, VERDICT_REJECTED, VERDICT_REASON_VOID,
       ASKS(DECIDE_IDENTITY, DECIDE_VOID, DECIDE_TARGET)},
      {"a second void", voiding("w", "farm", "a"), v, VERDICT_DUPLICATE, VERDICT_REASON_VOIDED,
       ASKS(DECIDE_IDENTITY, DECIDE_VOID)},
      {"a void again", v, v, VERDICT_DUPLICATE, VERDICT_REASON_NONE, ASKS(DECIDE_IDENTITY)},
      {"a void's id again", v, voiding("v", "farm", "b"), VERDICT_CONFLICT, VERDICT_REASON_CONTENT,
       USAGE_FIELD_TARGET, true, ASKS(DECIDE_IDENTITY)},
      {"a task's id for a void", a, voiding("a", "farm", "b"), VERDICT_CONFLICT, VERDICT_REASON_CONTENT,
       USAGE_FIELD_KIND, true, ASKS(DECIDE_IDENTITY)},
      {"a task again", a, a, VERDICT_DUPLICATE, VERDICT_REASON_NONE, ASKS(DECIDE_IDENTITY)},
      {"a task again, relayed", a, relayed(a), VERDICT_DUPLICATE, VERDICT_REASON_NONE, ASKS(DECIDE_IDENTITY)},
      {"other content", a, with_width(a, 2), VERDICT_CONFLICT, VERDICT_REASON_CONTENT, USAGE_FIELD_WIDTH, true,
       ASKS(DECIDE_IDENTITY)},
      {"unresolved again", u, u, VERDICT_DUPLICATE, VERDICT_REASON_NONE, ASKS(DECIDE_IDENTITY)},
      {"unresolved, other content", u, with_width(u, 2), VERDICT_CONFLICT, VERDICT_REASON_CONTENT, USAGE_FIELD_WIDTH,
       true, ASKS(DECIDE_IDENTITY)},
      {"unresolved behind complete", a, u, VERDICT_DUPLICATE, VERDICT_REASON_NONE,
       ASKS(DECIDE_IDENTITY, DECIDE_RESOLUTION)},
      {"relayed, against what waits", u, relayed(with_width(a, 2)), VERDICT_CONFLICT, VERDICT_REASON_CONTENT,
       USAGE_FIELD_WIDTH, true, ASKS(DECIDE_IDENTITY, DECIDE_WAITING)},
      {"reported, against what waits", u, with_width(a, 2), VERDICT_STORED, VERDICT_REASON_NONE,
       ASKS(DECIDE_IDENTITY)},
      {"relayed, as what waits", u, relayed(a), VERDICT_STORED, VERDICT_REASON_RESOLVES,
       ASKS(DECIDE_IDENTITY, DECIDE_WAITING)},
      {"relayed",
       {.id = {0}},
       relayed(a),
       VERDICT_STORED,
       VERDICT_REASON_NONE,
       ASKS(DECIDE_IDENTITY, DECIDE_WAITING)},
      {"relayed, unresolved",
       {.id = {0}},
       relayed(u),
       VERDICT_STORED,
       VERDICT_REASON_NONE,
       ASKS(DECIDE_IDENTITY, DECIDE_RESOLUTION)},
      {"a void, relayed", a, relayed(v), VERDICT_STORED, VERDICT_REASON_NONE, 0, true,
       ASKS(DECIDE_IDENTITY, DECIDE_VOID, DECIDE_TARGET)},
      {"unresolved", {.id = {0}}, u, VERDICT_STORED, VERDICT_REASON_NONE, ASKS(DECIDE_IDENTITY, DECIDE_RESOLUTION)},
      {"a void", a, v, VERDICT_STORED, VERDICT_REASON_NONE, 0, true,
       ASKS(DECIDE_IDENTITY, DECIDE_VOID, DECIDE_TARGET)},
      {"a task", {.id = {0}}, a, VERDICT_STORED, VERDICT_REASON_NONE, ASKS(DECIDE_IDENTITY)},
      {"a remux", {.id = {0}}, of_kind(a, USAGE_REMUX), VERDICT_STORED, VERDICT_REASON_NONE, ASKS(DECIDE_IDENTITY)},
      {"a snapshot",
       {.id = {0}},
       of_kind(a, USAGE_SNAPSHOT),
       VERDICT_STORED,
       VERDICT_REASON_NONE,
       ASKS(DECIDE_IDENTITY)},
      {"sound", {.id = {0}}, of_kind(a, USAGE_AUDIO), VERDICT_STORED, VERDICT_REASON_NONE, ASKS(DECIDE_IDENTITY)},
  };
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct before before = {.counted = {rows[i].earlier}, .count = rows[i].earlier.id.len > 0};
    struct decision decision;
    struct err err = {0};
    memset(&decision, 0xA5, sizeof decision);
    assert_int_equal(decide_after(&before, &rows[i].usage, &decision, &err), 0);
    if (decision.outcome != rows[i].outcome || decision.reason != rows[i].reason ||
        decision.fields != rows[i].fields) {
      fail_msg("%s: outcome %d, reason %d, fields %x", rows[i].what, decision.outcome, decision.reason,
               decision.fields);
    }
    if (decision.earlier != (rows[i].has_earlier ? first_of(&before) : NULL)) fail_msg("%s: earlier", rows[i].what);
    if (before.asked_count != rows[i].asks_count) fail_msg("%s: %d questions", rows[i].what, before.asked_count);
    for (int k = 0; k < before.asked_count; k++)
      if (before.asked[k] != rows[i].asks[k]) fail_msg("%s: question %d", rows[i].what, k);

    for (int k = 1; k <= rows[i].asks_count; k++) {
      before.fails_at = k;
      err = (struct err){0};
      if (decide_after(&before, &rows[i].usage, &decision, &err) != -ERR_IO)
        fail_msg("%s: look-up %d", rows[i].what, k);
      assert_string_equal(err.text, "the disk is broken");
      assert_int_equal(before.asked_count, k);
    }

    before.fails_at = 0;
    before.no_codec_room = true;
    assert_int_equal(decide_after(&before, &rows[i].usage, &decision, &err), 0);
    bool is_stored = rows[i].outcome == VERDICT_STORED;
    assert_int_equal(decision.outcome, is_stored ? VERDICT_REJECTED : rows[i].outcome);
    assert_int_equal(decision.reason, is_stored ? VERDICT_REASON_CODECS : rows[i].reason);

    before.no_project = true;
    assert_int_equal(decide_after(&before, &rows[i].usage, &decision, &err), 0);
    assert_int_equal(decision.outcome, VERDICT_REJECTED);
    assert_int_equal(decision.reason, VERDICT_REASON_NO_PROJECT);
    assert_int_equal(before.asked_count, 0);
    assert_true(decision.fields == 0 && decision.earlier == NULL);
  }
}

/* ---- every history ---- */

/* The records of histories. `content` is equal for records that do not contradict each other. */
struct letter {
  struct usage usage;
  int id, content; /* of a void, the content is its target */
  bool contradicts_waiting;
};

enum { A, B, V, W, IDS }; /* the ids: two tasks, two voids */

/* What became of each id, as one would keep it on paper. */
struct paper {
  bool exists[IDS], waits[IDS], is_void[IDS], voided[IDS];
  int content[IDS];
};

static void judge(struct paper *paper, const struct letter *letter, enum verdict_outcome *ret_outcome,
                  enum verdict_reason *ret_reason) {
  int id = letter->id, target = letter->content;
  bool is_void = letter->usage.kind == USAGE_VOID, is_waiting = letter->usage.kind == USAGE_UNRESOLVED;
  *ret_outcome = VERDICT_DUPLICATE, *ret_reason = VERDICT_REASON_NONE;
  if (is_waiting) {
    if (paper->waits[id] || paper->exists[id]) return;
    paper->waits[id] = true;
    *ret_outcome = VERDICT_STORED;
    return;
  }
  if (paper->exists[id]) {
    bool same = paper->is_void[id] == is_void && paper->content[id] == letter->content;
    if (!same) *ret_outcome = VERDICT_CONFLICT, *ret_reason = VERDICT_REASON_CONTENT;
    return;
  }
  bool resolves = !is_void && letter->usage.is_relayed && paper->waits[id];
  *ret_outcome = VERDICT_REJECTED;
  if (resolves && letter->contradicts_waiting)
    *ret_outcome = VERDICT_CONFLICT, *ret_reason = VERDICT_REASON_CONTENT;
  else if (!is_void)
    *ret_outcome = VERDICT_STORED, *ret_reason = resolves ? VERDICT_REASON_RESOLVES : VERDICT_REASON_NONE;
  else if (paper->voided[target])
    *ret_outcome = VERDICT_DUPLICATE, *ret_reason = VERDICT_REASON_VOIDED;
  else if (!paper->exists[target])
    *ret_reason = paper->waits[target] ? VERDICT_REASON_WAITS : VERDICT_REASON_NO_TARGET;
  else if (paper->is_void[target])
    *ret_reason = VERDICT_REASON_VOID;
  else
    *ret_outcome = VERDICT_STORED, paper->voided[target] = true;
  if (*ret_outcome != VERDICT_STORED) return;
  paper->exists[id] = true;
  paper->is_void[id] = is_void;
  paper->content[id] = letter->content;
}

static void test_histories(void **state) {
  (void)state;
  const struct letter letters[] = {
      {.usage = task("a"), .id = A, .content = 1},
      {.usage = with_width(task("a"), 2), .id = A, .content = 2},
      {.usage = relayed(task("a")), .id = A, .content = 1},
      {.usage = relayed(with_width(task("a"), 2)), .id = A, .content = 2, .contradicts_waiting = true},
      {.usage = unresolved("a"), .id = A, .content = 1},
      {.usage = task("b"), .id = B, .content = 1},
      {.usage = unresolved("b"), .id = B, .content = 1},
      {.usage = voiding("v", "farm", "a"), .id = V, .content = A},
      {.usage = voiding("w", "farm", "a"), .id = W, .content = A},
      {.usage = voiding("v", "farm", "b"), .id = V, .content = B},
      {.usage = voiding("w", "farm", "v"), .id = W, .content = V},
      {.usage = voiding("a", "farm", "b"), .id = A, .content = B},
  };
  enum { LENGTH = 4 };
  const unsigned histories = COUNT(letters) * COUNT(letters) * COUNT(letters) * COUNT(letters);
  for (unsigned history = 0; history < histories; history++) {
    struct paper paper = {0};
    struct before before = {0};
    char story[64] = "";
    unsigned rest = history;
    for (int i = 0; i < LENGTH; i++, rest /= COUNT(letters)) {
      const struct letter *letter = &letters[rest % COUNT(letters)];
      enum verdict_outcome outcome;
      enum verdict_reason reason;
      struct decision decision;
      struct err err = {0};
      judge(&paper, letter, &outcome, &reason);
      assert_int_equal(decide_after(&before, &letter->usage, &decision, &err), 0);
      snprintf(story + strlen(story), sizeof story - strlen(story), " %zu", (size_t)(letter - letters));
      if (decision.outcome != outcome || decision.reason != reason)
        fail_msg("history%s: outcome %d, reason %d, not %d, %d", story, decision.outcome, decision.reason, outcome,
                 reason);
      if (decision.outcome == VERDICT_STORED) before.counted[before.count++] = letter->usage;
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_questions),
      cmocka_unit_test(test_rules),
      cmocka_unit_test(test_histories),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
