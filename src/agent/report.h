/* Reports files: makes an event for a path, and sends it to the server, with retries. `record`, `run` and `watch`
 * share it.
 *
 * All of them give a measured file the same identity: source host:<host name>, id a hash of absolute path, size and
 * modification time. The event's time is the modification time. So a file that several commands report counts once.
 * Source: design §7.
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

/* Measures a file and makes its event. project NULL: the token's project. -ERR_MEDIA: there is no such file, or it
 * cannot be measured. -ERR_IO: it cannot be read now. Other errors: those of media_probe. */
MUST_USE int report_file(const char *path, const char *project, struct report *ret, struct err *err);
/* Makes the event of an output that failed: identity from path and start, time from the end, no measures. */
MUST_USE int report_failure(const char *path, struct timespec started, struct timespec ended, const char *project,
                            struct report *ret, struct err *err);

/* All but REPORT_SPOOLED are answers of a server; agent/outbox.h gives REPORT_SPOOLED. */
enum report_outcome { REPORT_STORED, REPORT_DUPLICATE, REPORT_CONFLICT, REPORT_REJECTED, REPORT_SPOOLED };
const char *report_outcome_name(enum report_outcome outcome);

#define REPORT_REASON_MAX 256
#define REPORT_TRIES 4 /* 3.5 s of waiting in all */
/* Sends an event, up to `tries` times while the server cannot be reached or is busy. 0: *ret_outcome is set, and
 * ret_reason (may be empty) says why the event was not stored. An event that the server cannot read (400, 413, 415)
 * is rejected. -ERR_NETWORK, -ERR_REMOTE, -ERR_STOPPING may pass. -ERR_DENIED: the token or the address is wrong; the
 * event was not judged. */
MUST_USE int report_send(struct client *client, struct str event, int tries, enum report_outcome *ret_outcome,
                         char ret_reason[REPORT_REASON_MAX], struct err *err);

#endif
