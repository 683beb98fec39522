/* Gathers the events of an import into batches, sends each until the server answers, and counts the outcomes. Events
 * that were not stored go to the rejects (import/rejects.h). */
#ifndef CODECMETER_IMPORT_SENDER_H
#define CODECMETER_IMPORT_SENDER_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/client.h"
#include "base/bytes.h"
#include "base/err.h"
#include "import/rejects.h"
#include "import/request.h"
#include "import/resume.h"

struct import_sender_options {
  struct client *client;
  struct import_rejects *rejects;
  struct import_patience patience;
  uint64_t *counts; /* [IMPORT_COUNTS], incremented */
};

struct import_sender;
MUST_USE struct import_sender *import_sender_new(const struct import_sender_options *options); /* never NULL */
void import_sender_free(struct import_sender *sender);
SCOPED_REF(struct import_sender, import_sender_free)

/* Adds an event: one line of at most IMPORT_ROW_MAX bytes. The batch must not be full. */
void import_sender_add(struct import_sender *sender, uint64_t line, struct str event);
bool import_sender_is_full(const struct import_sender *sender);

/* Sends the batch as often as necessary, and empties it. -ERR_NETWORK, -ERR_BUSY: it gave up. -ERR_DENIED: the server
 * refused, and another try would not help. -ERR_STOPPING: a stop was requested while there was no answer. -ERR_IO,
 * -ERR_FULL: the rejects could not be written. A batch that failed may be counted in part. */
MUST_USE int import_sender_send(struct import_sender *sender, struct err *err);

#endif
