/* Each rule asks as few questions as it can: a question about a new id may cost a search in every run. */
#include "ledger/decide.h"

#include "base/check.h"

/* ---- which earlier record answers a question ---- */

static bool same_identity(const struct usage *a, const struct usage *b) {
  return str_equal(a->id, b->id) && str_equal(a->source, b->source) && str_equal(a->project, b->project);
}

static bool names(const struct usage *voiding, const struct usage *usage) {
  return str_equal(voiding->target_id, usage->id) && str_equal(voiding->target_source, usage->source) &&
         str_equal(voiding->project, usage->project);
}

static bool names_the_same(const struct usage *a, const struct usage *b) {
  return str_equal(a->target_id, b->target_id) && str_equal(a->target_source, b->target_source) &&
         str_equal(a->project, b->project);
}

static bool is_unresolved(const struct usage *usage) { return usage->kind == USAGE_UNRESOLVED; }

bool decide_voids(const struct usage *usage, const struct usage *named) {
  return usage->kind == USAGE_VOID && names(usage, named);
}

bool decide_resolves(const struct usage *usage, const struct usage *waiting) {
  return !is_unresolved(usage) && same_identity(usage, waiting);
}

bool decide_matches(enum decide_question question, const struct usage *earlier, const struct usage *usage) {
  switch (question) {
    case DECIDE_IDENTITY:
      return is_unresolved(earlier) == is_unresolved(usage) && same_identity(earlier, usage);
    case DECIDE_RESOLUTION:
      return decide_resolves(earlier, usage);
    case DECIDE_WAITING:
      return is_unresolved(earlier) && same_identity(earlier, usage);
    case DECIDE_VOID:
      return earlier->kind == USAGE_VOID && names_the_same(earlier, usage);
    case DECIDE_TARGET:
      return !is_unresolved(earlier) && names(usage, earlier);
    case DECIDE_WAITING_TARGET:
      return is_unresolved(earlier) && names(usage, earlier);
  }
  CHECK(false);
}

/* ---- the rules ---- */

static void set(struct decision *ret, enum verdict_outcome outcome, enum verdict_reason reason) {
  *ret = (struct decision){.outcome = outcome, .reason = reason};
}

static void conflict(struct decision *ret, const struct usage *earlier, unsigned fields) {
  *ret = (struct decision){
      .outcome = VERDICT_CONFLICT, .reason = VERDICT_REASON_CONTENT, .fields = fields, .earlier = earlier};
}

/* A repetition of the first record of an identity. */
static void decide_repetition(const struct usage *first, const struct usage *usage, struct decision *ret) {
  unsigned fields = usage_differences(first, usage);
  if (fields == 0)
    set(ret, VERDICT_DUPLICATE, VERDICT_REASON_NONE);
  else
    conflict(ret, first, fields);
}

/* A task can be voided once. A void is final, and what waits to be resolved counts nothing that a void could take
 * off. */
static int decide_void(const struct usage *usage, const struct decide_before *before, struct decision *ret,
                       struct err *err) {
  const struct usage *found = NULL;
  int result = before->find(before->arg, DECIDE_VOID, usage, &found, err);
  if (result != 0) return result;
  if (found != NULL) {
    set(ret, VERDICT_DUPLICATE, VERDICT_REASON_VOIDED);
    return 0;
  }
  result = before->find(before->arg, DECIDE_TARGET, usage, &found, err);
  if (result != 0) return result;
  if (found != NULL && found->kind == USAGE_VOID) {
    set(ret, VERDICT_REJECTED, VERDICT_REASON_VOID);
    return 0;
  }
  if (found != NULL) {
    set(ret, VERDICT_STORED, VERDICT_REASON_NONE);
    ret->earlier = found;
    return 0;
  }
  result = before->find(before->arg, DECIDE_WAITING_TARGET, usage, &found, err);
  if (result == 0) set(ret, VERDICT_REJECTED, found != NULL ? VERDICT_REASON_WAITS : VERDICT_REASON_NO_TARGET);
  return result;
}

/* What is complete already does not wait again. */
static int decide_unresolved(const struct usage *usage, const struct decide_before *before, struct decision *ret,
                             struct err *err) {
  const struct usage *resolution = NULL;
  int result = before->find(before->arg, DECIDE_RESOLUTION, usage, &resolution, err);
  if (result == 0) set(ret, resolution != NULL ? VERDICT_DUPLICATE : VERDICT_STORED, VERDICT_REASON_NONE);
  return result;
}

/* A complete report is compared with the unresolved record of its identity only if a service's notice or job list
 * made it. These are few, so the others do not pay for a second search, and a person who reports an output by another
 * way has the last word. The log does not say which records were relayed: those in it were compared when they
 * arrived. */
static int decide_relayed(const struct usage *usage, const struct decide_before *before, struct decision *ret,
                          struct err *err) {
  const struct usage *waiting = NULL;
  int result = before->find(before->arg, DECIDE_WAITING, usage, &waiting, err);
  if (result != 0) return result;
  unsigned fields = waiting != NULL ? usage_resolution_differences(waiting, usage) : 0;
  if (fields != 0)
    conflict(ret, waiting, fields);
  else
    set(ret, VERDICT_STORED, waiting != NULL ? VERDICT_REASON_RESOLVES : VERDICT_REASON_NONE);
  return 0;
}

/* A record whose identity is new. */
static int decide_new(const struct usage *usage, const struct decide_before *before, struct decision *ret,
                      struct err *err) {
  if (usage->kind == USAGE_VOID) return decide_void(usage, before, ret, err);
  if (usage->kind == USAGE_UNRESOLVED) return decide_unresolved(usage, before, ret, err);
  if (usage->is_relayed) return decide_relayed(usage, before, ret, err);
  set(ret, VERDICT_STORED, VERDICT_REASON_NONE);
  return 0;
}

int decide(const struct usage *usage, const struct decide_before *before, struct decision *ret, struct err *err) {
  const struct usage *first = NULL;
  if (!before->has_project(before->arg, usage)) {
    set(ret, VERDICT_REJECTED, VERDICT_REASON_NO_PROJECT);
    return 0;
  }
  int result = before->find(before->arg, DECIDE_IDENTITY, usage, &first, err);
  if (result != 0) return result;
  if (first != NULL) {
    decide_repetition(first, usage, ret);
    return 0;
  }
  result = decide_new(usage, before, ret, err);
  bool is_stored = result == 0 && ret->outcome == VERDICT_STORED;
  if (is_stored && !before->has_codec_room(before->arg, usage)) set(ret, VERDICT_REJECTED, VERDICT_REASON_CODECS);
  return result;
}
