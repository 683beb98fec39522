/* The answer to a report: what became of each event. Source: design §4; for users, docs/events.md. */
#ifndef CODECMETER_INGEST_ANSWER_H
#define CODECMETER_INGEST_ANSWER_H

#include "base/bytes.h"
#include "ingest/event.h"
#include "ledger/ledger.h"

/* Appends {"stored":n,"duplicate":n,"conflict":n,"rejected":n,"results":[…]}; results names each event that was not
 * stored, in the body's order: {"index":i,"id":…,"outcome":"duplicate|conflict|rejected","reason":"…"}, id null when
 * the event had none that can be read.
 *
 * verdicts: one per entry of events->usages, in that order (a batch's, after its done with 0); may be NULL when
 * usages_count is 0. *ret_status: 200, or for a single event 409 (conflict) and 422 (rejected). */
void ingest_answer(const struct events *events, const struct verdict *verdicts, struct buf *out,
                   unsigned *ret_status);

/* How long that answer may become, at most; for a notice, INGEST_TEXT_MAX of each text that it ignores comes on top. */
size_t ingest_answer_max(const struct events *events, const struct verdict *verdicts);
/* A text of so many bytes in JSON, quoted, with a comma. */
#define INGEST_TEXT_MAX(len) (6 * (size_t)(len) + 3)

/* To an adapter's notice: the same as to /v1/events, and "unresolved":n,"ignored":["…"]. What waits to be resolved is
 * named among the results, with the outcome "unresolved". */
void ingest_answer_notice(const struct events *events, const struct verdict *verdicts, const char *const *ignored,
                          size_t ignored_count, struct buf *out);

/* Appends why a usage has that verdict, as the answers say it; nothing for one that was stored. */
void ingest_reason(const struct verdict *verdict, const struct usage *usage, struct buf *out);

/* Does every event count, now or since before? verdicts as above. */
MUST_USE bool ingest_counts_all(const struct events *events, const struct verdict *verdicts);

#endif
