/* Reporting files: from a path to an event, and to the server, with retries. What `record` and `run` share.
 *
 * The identity of a measured file is the same in both: source host:<host name>, id a hash of absolute path, size and
 * modification time; its time is the modification time. So a file reported by both counts once. Source: design §7.
 */
#ifndef CODECMETER_CLI_REPORT_H
#define CODECMETER_CLI_REPORT_H

#include <time.h>

#include "base/bytes.h"
#include "base/err.h"
#include "cli/client.h"

struct report {
  char id[33];
  struct buf event; /* a structured CloudEvent, one line of JSON */
  char summary[96]; /* "h264 1280x720 20.000 s" */
};
void report_fini(struct report *report);

/* Measures a file and makes its event. project may be NULL: the token's. -ERR_MEDIA and as media_probe. */
MUST_USE int report_file(const char *path, const char *project, struct report *ret, struct err *err);
/* The event of an output that failed: identity from path and start, no measures. */
MUST_USE int report_failure(const char *path, struct timespec started, const char *project, struct report *ret,
                            struct err *err);

enum report_outcome { REPORT_STORED, REPORT_DUPLICATE, REPORT_CONFLICT, REPORT_REJECTED };
const char *report_outcome_name(enum report_outcome outcome);

/* Sends it, again a few times while the server cannot be reached or is busy. 0: ret_outcome holds; ret_reason (if there is
 * one) says why it was not stored. -ERR_NETWORK, -ERR_REMOTE, -ERR_DENIED. */
MUST_USE int report_send(struct client *client, const struct report *report, enum report_outcome *ret_outcome,
                         char ret_reason[256], struct err *err);

#endif
