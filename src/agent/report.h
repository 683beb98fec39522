/* Reports: measures a path, makes the events of its outputs, and sends them to the server, with retries. `record`,
 * `run` and `watch` share it, so a file that several of them report counts once.
 *
 * The identity of an output, unless the user names one: source host:<host name>, id a hash of absolute path, size and
 * modification time. The event's time is the modification time.
 */
#ifndef CODECMETER_AGENT_REPORT_H
#define CODECMETER_AGENT_REPORT_H

#include <time.h>

#include "agent/client.h"
#include "base/bytes.h"
#include "base/err.h"
#include "media/media.h"

#define REPORT_ID_SIZE 257 /* the longest id or source, and its NUL */

enum report_kind { REPORT_TRANSCODE, REPORT_REMUX };

/* What the user says about outputs. All texts are borrowed; NULL: not given. */
struct report_options {
  const char *project;   /* NULL: the token's */
  const char *source;    /* NULL: "file" for an id that the user chose, else host:<host name> */
  const char *id;        /* of exactly one output */
  const char *task_id;
  enum report_kind kind;
  struct media_options media;
};

/* One output, and its event. */
struct report {
  char *name;                  /* media_output.name */
  bool is_measured;            /* false: `why` says why not, and there is no event */
  struct err why;
  char source[REPORT_ID_SIZE], id[REPORT_ID_SIZE];
  int64_t time_ms;  /* the event's */
  uint64_t duration_ms;
  struct buf event; /* a structured CloudEvent, one line of JSON */
  char summary[96]; /* "h264 1280x720 20.000 s" */
};
void report_fini(struct report *report);

struct reports {
  struct report *items; /* one for each output of `media`, in its order */
  size_t count;
  struct media media;
};
void reports_fini(struct reports *reports);

/* Measures a path and makes the event of each of its outputs. 0: at least one output is measured. -ERR_MEDIA: there is
 * no such file, or it cannot be measured; -ERR_IO: it cannot be read now. -ERR_USAGE:
 * options->id is given, and the path gives several outputs; or the id is too long. Other errors: those of media_probe.
 * Fills ret in any case; the caller calls reports_fini. */
MUST_USE int report_measure(const char *path, const struct report_options *options, struct reports *ret,
                            struct err *err);
/* Makes the event of an output that failed: identity from path and start, time from the end, no measures. With
 * options->id the id is that one, "#failed-" and the start, because a later try that succeeds
 * is another event. */
MUST_USE int report_failure(const char *path, struct timespec started, struct timespec ended,
                            const struct report_options *options, struct report *ret, struct err *err);

/* All but REPORT_SPOOLED are answers of a server; agent/outbox.h gives REPORT_SPOOLED. */
enum report_outcome { REPORT_STORED, REPORT_DUPLICATE, REPORT_CONFLICT, REPORT_REJECTED, REPORT_SPOOLED };
const char *report_outcome_name(enum report_outcome outcome);

#define REPORT_REASON_MAX 512 /* the longest reason of an answer, and its NUL */
#define REPORT_TRIES 4 /* 3.5 s of waiting in all */
/* Sends an event, up to `tries` times while the server cannot be reached or is busy. 0: *ret_outcome is set, and
 * ret_reason (may be empty) says why the event was not stored. An event that the server cannot read (400, 413, 415)
 * is rejected. -ERR_NETWORK, -ERR_REMOTE, -ERR_STOPPING may pass. -ERR_DENIED: the token or the address is wrong; the
 * event was not judged. */
MUST_USE int report_send(struct client *client, struct str event, int tries, enum report_outcome *ret_outcome,
                         char ret_reason[REPORT_REASON_MAX], struct err *err);

#endif
