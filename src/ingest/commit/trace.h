/* Traces: what a request lost, in the log. Programs and services that report seldom read the answers.
 *
 * One line a request and kind of loss, at most 2 KiB long whatever the request holds. Any thread; neither function waits or allocates.
 */
#ifndef CODECMETER_INGEST_COMMIT_TRACE_H
#define CODECMETER_INGEST_COMMIT_TRACE_H

#include "ingest/read/event.h"
#include "ledger/ledger.h"

#define TRACE_NAME_SIZE 49 /* with NUL */

/* Writes the short, stable name of a reason for which an event is rejected. The name holds no value from the event:
 * "width", "codec_missing", "repeated_member", "unreadable". It consists of a-z, 0-9 and '_'. */
void trace_reason_name(const char *reason, char ret[TRACE_NAME_SIZE]);

/* Who sent what: the path of the request, or the command that sent it, and the id of its token. */
struct trace_origin {
  struct str path;
  const char *token;
};

/* Logs a warning if events were rejected: how many, how many for each reason, the first three ids, and the whole
 * reason of the first. Logs another one if events are conflicts: how many, and the first three ids. verdicts: as for
 * ingest_answer. */
void trace_lost(const struct trace_origin *origin, const struct events *events, const struct verdict *verdicts);

/* Logs, if there are any, the reasons why parts of a notice were ignored: the first three, and how many there are. */
void trace_ignored(const struct trace_origin *origin, const char *const *ignored, size_t count);

#endif
