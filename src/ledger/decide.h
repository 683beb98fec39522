/* The rules: what a record does, given the records before it. They read no files, take no memory, and know neither
 * the ledger nor its log, so that every part of the program decides alike: staging (a report), applying (a record of
 * the log), `verify` (its recount), and the tests.
 *
 * Only a record that took effect can be found as an earlier one: a record for which decide() did not say VERDICT_STORED
 * changes nothing, now or later. So of several records of one identity, or voids of one target, the first takes effect. An
 * unresolved record takes effect too, and adds nothing to totals: identities of unresolved records are apart.
 */
#ifndef CODECMETER_LEDGER_DECIDE_H
#define CODECMETER_LEDGER_DECIDE_H

#include <stdbool.h>

#include "base/err.h"
#include "ledger/verdict.h"
#include "meter/usage.h"

/* What a decision asks about a record: is there an earlier record of this kind? */
enum decide_question {
  DECIDE_IDENTITY,      /* of the same identity, and like this one unresolved or not */
  DECIDE_RESOLUTION,    /* of the same identity, and not unresolved */
  DECIDE_WAITING,       /* of the same identity, and unresolved */
  DECIDE_VOID,          /* a void of the target that this void names */
  DECIDE_TARGET,        /* the record that this void names, not unresolved */
  DECIDE_WAITING_TARGET /* the record that this void names, unresolved */
};
#define DECIDE_QUESTIONS 6

/* True if an earlier record answers the question about this one. Indexes find candidates by hash, and equal hashes
 * prove nothing: only this comparison of the texts does. */
MUST_USE bool decide_matches(enum decide_question question, const struct usage *earlier, const struct usage *usage);

/* True if the usage is a void that names this record. */
MUST_USE bool decide_voids(const struct usage *usage, const struct usage *named);
/* True if the usage has this unresolved record's identity, and is complete. */
MUST_USE bool decide_resolves(const struct usage *usage, const struct usage *waiting);

/* How decide() asks about what was before. */
struct decide_before {
  void *arg;
  /* True if the usage's project exists. */
  bool (*has_project)(void *arg, const struct usage *usage);
  /* True if the project has the usage's codec, or room for one more name. */
  bool (*has_codec_room)(void *arg, const struct usage *usage);
  /* Finds the first earlier record that answers the question; *ret is NULL if there is none. The texts are borrowed
   * until the next call. */
  int (*find)(void *arg, enum decide_question question, const struct usage *usage, const struct usage **ret,
              struct err *err);
};

struct decision {
  enum verdict_outcome outcome; /* VERDICT_STORED: the record counts; otherwise it changes nothing */
  enum verdict_reason reason;
  unsigned fields; /* of a conflict: enum usage_field bits; otherwise 0 */
  /* Of a conflict: the record that this one contradicts. Of a void that counts: its target, which no longer counts.
   * Otherwise NULL. Borrowed from `find`. */
  const struct usage *earlier;
};

/* Decides one record. Fails only if `find` fails, with its error. */
MUST_USE int decide(const struct usage *usage, const struct decide_before *before, struct decision *ret,
                    struct err *err);

#endif
