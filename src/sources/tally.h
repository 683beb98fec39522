/* The tally: for each source of a project, how many outputs it has reported, and when. It is counted from the log, in
 * the order of the log, so it is the same whenever it is counted again.
 *
 * What counts: each task, finished or failed, and each output that waits to be resolved; once, on arrival. A void
 * counts nothing and takes nothing off: this is about who reports, not about usage. Time is the time of arrival, in
 * UTC: a day begins at 00:00 UTC, and has eight parts of three hours.
 *
 * One thread at a time uses a tally. On disk: docs/format.md, "Sources".
 */
#ifndef CODECMETER_SOURCES_TALLY_H
#define CODECMETER_SOURCES_TALLY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "meter/usage.h"
#include "sources/roster.h"

/* Sources beyond this number are counted together, as one without a project and a name. */
#define TALLY_SOURCES_MAX (ROSTER_MAX - 1)
#define TALLY_KEPT_MS (INT64_C(35) * 86400 * 1000) /* a source that has been quiet for so long is forgotten */
#define TALLY_WAITING_MAX 200000u                  /* unresolved outputs whose resolution is recognized */
#define TALLY_DAYS 28                              /* full days before today, with which today is compared */
#define TALLY_DAYS_LEAST 7                         /* a source that is known for less long is not judged */

struct tally;
MUST_USE struct tally *tally_new(void); /* waits for memory */
void tally_free(struct tally *tally);
SCOPED_REF(struct tally, tally_free)

/* All usage of the log below this position is counted. A new tally is at FOLLOW_BEGIN. */
uint64_t tally_position(const struct tally *tally);
void tally_reach(struct tally *tally, uint64_t position);
/* Counts the next usage of the log. */
void tally_count(struct tally *tally, const struct usage *usage);

/* What is known of a source at an instant. A median is of the last 28 full days, or of those since it was first seen.
 */
struct tally_source {
  const char *project, *source; /* both empty: the sources beyond TALLY_SOURCES_MAX */
  int64_t first_ms, last_ms;    /* arrival of its first and of its last report */
  uint64_t outputs;             /* in all */
  uint64_t unresolved;          /* of these, now */
  uint64_t today, median;       /* outputs since 00:00 UTC; and in a full day */
  /* From 00:00 UTC to the last full part of today; the median of the same hours; and that of the same hours of the
   * same day of the week, of four weeks. */
  uint64_t so_far, usual, usual_weekday;
  unsigned hours; /* of these parts: 0, 3 … 21 */
  unsigned days;  /* that it is known for; at most TALLY_DAYS */
};
/* Visits all sources, in the order of project and source. Texts are borrowed for the time of the call. -ERR_MEMORY.
 */
MUST_USE int tally_visit(const struct tally *tally, int64_t now_ms,
                         void (*visit)(void *arg, const struct tally_source *source), void *arg);
/* True if it has counted something of a source of that name. */
bool tally_has(const struct tally *tally, const char *project, const char *source);
/* True if more outputs wait to be resolved than TALLY_WAITING_MAX: then `unresolved` may include some that are. */
bool tally_is_rough(const struct tally *tally);

/* Appends the bytes for the disk. */
void tally_encode(const struct tally *tally, struct buf *out);
/* -ERR_CORRUPT: these are not the bytes that were written. */
MUST_USE int tally_decode(struct str bytes, struct tally **ret, struct err *err);

#endif
