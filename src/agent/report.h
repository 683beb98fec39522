/* Reporting files: from a path to an event, and to the server, with retries. What `record`, `run` and `watch` share.
 *
 * The identity of a measured file is the same in all: source host:<host name>, id a hash of absolute path, size and
 * modification time; its time is the modification time. So a file reported by several counts once. Source: design §7.
 */
#ifndef CODECMETER_AGENT_REPORT_H
#define CODECMETER_AGENT_REPORT_H

#include <time.h>

#include "agent/client.h"
#include "base/bytes.h"
#include "base/err.h"

struct report {
  char id[33];
  int64_t time_ms;  /* the event's */
  struct buf event; /* a structured CloudEvent, one line of JSON */
  char summary[96]; /* "h264 1280x720 20.000 s" */
};
void report_fini(struct report *report);

/* Measures a file and makes its event. project may be NULL: the token's. As media_probe. */
MUST_USE int report_file(const char *path, const char *project, struct report *ret, struct err *err);
/* The event of an output that failed: identity from path and start, time from the end, no measures. */
MUST_USE int report_failure(const char *path, struct timespec started, struct timespec ended, const char *project,
                            struct report *ret, struct err *err);

/* The last is no answer of a server: agent/outbox.h gives it. */
enum report_outcome { REPORT_STORED, REPORT_DUPLICATE, REPORT_CONFLICT, REPORT_REJECTED, REPORT_SPOOLED };
const char *report_outcome_name(enum report_outcome outcome);

#define REPORT_REASON_MAX 256
#define REPORT_TRIES 4 /* 3.5 s of waiting in all */
/* Sends an event, up to so many times while the server cannot be reached or is busy. 0: ret_outcome holds; ret_reason (if
 * there is one) says why it was not stored. An event that a codecmeter cannot read (400, 413, 415) is rejected. Of a kind to
 * try again: -ERR_NETWORK, -ERR_REMOTE, -ERR_STOPPING. -ERR_DENIED: the token or the address is wrong, and nothing was said
 * of the event. */
MUST_USE int report_send(struct client *client, struct str event, int tries, enum report_outcome *ret_outcome,
                         char ret_reason[REPORT_REASON_MAX], struct err *err);

#endif
