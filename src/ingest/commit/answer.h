/* The answer to reported events: it says what became of each. Source: design §4; for users, docs/events.md. */
#ifndef CODECMETER_INGEST_COMMIT_ANSWER_H
#define CODECMETER_INGEST_COMMIT_ANSWER_H

#include "base/bytes.h"
#include "ingest/read/event.h"
#include "ledger/ledger.h"

/* Appends {"stored":n,"duplicate":n,"conflict":n,"rejected":n,"results":[…]}; results names each event that was not
 * stored, in the body's order: {"index":i,"id":…,"outcome":"duplicate|conflict|rejected","reason":"…"}. id is null if
 * the event has no readable id.
 *
 * verdicts: one for each entry of events->usages, in that order (those of a batch whose done got 0). NULL is allowed
 * if usages_count is 0. *ret_status: 200, or for a single event 409 (conflict) or 422 (rejected). */
void ingest_answer(const struct events *events, const struct verdict *verdicts, struct buf *out,
                   unsigned *ret_status);

/* The most bytes that this answer can take. For a notice, add INGEST_TEXT_MAX for each text in `ignored`. */
size_t ingest_answer_max(const struct events *events, const struct verdict *verdicts);
/* The most bytes that a text of so many bytes takes in JSON, with quotes and a comma. */
#define INGEST_TEXT_MAX(len) (6 * (size_t)(len) + 3)

/* The answer to an adapter's notice: as for /v1/events, with "unresolved":n,"resolved":n,"ignored":["…"]. An output
 * that waits to be resolved is among the results, with the outcome "unresolved". "resolved" are those of the stored
 * that completed an output that was waiting. */
void ingest_answer_notice(const struct events *events, const struct verdict *verdicts, const char *const *ignored,
                          size_t ignored_count, struct buf *out);

struct ingest_counts {
  uint64_t stored, unresolved, duplicate, conflict, rejected; /* unresolved ones are not among the stored */
};
/* Counts what became of the events. verdicts as above. */
void ingest_count(const struct events *events, const struct verdict *verdicts, struct ingest_counts *ret);

/* Counts what became of the events, for monitoring: each event once, when its outcome is certain. verdicts as above.
 * True if any was rejected, or contradicts an earlier report. */
bool ingest_note(const struct events *events, const struct verdict *verdicts);

/* Appends the reason of a verdict, in the words of the answer; nothing if the usage was stored. */
void ingest_reason(const struct verdict *verdict, const struct usage *usage, struct buf *out);

/* True if every event is stored or a duplicate. verdicts as above. */
MUST_USE bool ingest_counts_all(const struct events *events, const struct verdict *verdicts);

#endif
