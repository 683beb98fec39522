/* Findings: what a command made (agent/outputs.h), measured. `run` and agent/intent.h share it, so a run that was
 * killed gives the same events as one that was not.
 *
 * What counts is what holds video. A list counts for the files that it plays, so these are not measured by
 * themselves. A master playlist is measured before the playlists that it names. A list that cannot be measured takes
 * its segments with it, because a segment is no output; a playlist that it names counts by itself then. A part of a list
 * that lies near, and that the command did not make, is unmetered (agent/near_lists.h). So is a list that was there before
 * and plays files that the command did not write: it continues an output that perhaps was counted.
 */
#ifndef CODECMETER_AGENT_FINDINGS_H
#define CODECMETER_AGENT_FINDINGS_H

#include <stdbool.h>
#include <time.h>

#include "agent/outputs.h"
#include "agent/report.h"
#include "base/err.h"

enum finding_verdict {
  FINDING_COUNTED,   /* `reports` has at least one event; others of the same list may have none */
  FINDING_LEFT_OUT,  /* no video output, and no fault: `why` says what it is */
  FINDING_UNMETERED, /* should count, and cannot: `why`. `reports` may have events, which must not be sent */
};

struct finding {
  char *path; /* absolute */
  enum finding_verdict verdict;
  struct err why; /* begins with the path */
  struct reports reports;
  enum report_kind kind;
};

struct findings {
  struct finding *items;
  size_t count;
};
void findings_fini(struct findings *findings);

/* How to report. */
struct outputs_report {
  struct report_options as; /* its kind is used only with has_kind, and id_base and ids are not used */
  bool has_kind;            /* else each candidate's */
};
/* Measures what a command made that succeeded, in an order that only the files decide. Several outputs with as.id:
 * all are unmetered, and their events have ids of their own. */
void findings_measure(const struct outputs *outputs, const struct outputs_report *report, struct findings *ret);
/* ERR_BUSY, with the path: an output is not finished, because a process still has one of its files open for writing.
 * Then nothing may be sent; measure again later. NULL if every output is finished. The findings own it. */
const struct err *findings_busy(const struct findings *findings);
/* Makes the failed tasks of a command that failed: one for each candidate that is a task. */
void findings_fail(const struct outputs *outputs, const struct outputs_report *report, struct timespec began,
                   struct timespec ended, struct findings *ret);
/* How many outputs are counted. */
size_t findings_counted(const struct findings *findings);
/* Fills err if nothing was counted: what was seen, and what to do. Returns -ERR_MEDIA. */
int findings_say_nothing(const struct outputs *outputs, const struct findings *findings, struct err *err);

#endif
