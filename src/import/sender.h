/* Events of an import, gathered to batches, sent until they are answered, and counted; those that were not stored are
 * kept (import_rejects.h). */
#ifndef CODECMETER_IMPORT_SENDER_H
#define CODECMETER_IMPORT_SENDER_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/client.h"
#include "base/bytes.h"
#include "base/err.h"
#include "import/place.h"
#include "import/rejects.h"

struct import_sender_options {
  struct client *client;
  struct import_rejects *rejects;
  uint64_t give_up_ms;                             /* after so long without an answer */
  uint64_t *outcomes;                              /* [IMPORT_OUTCOMES], counted up */
  void (*waits)(void *arg, const struct err *why); /* told once a batch when it has to be sent again */
  void *arg;
};

struct import_sender;
MUST_USE struct import_sender *import_sender_new(const struct import_sender_options *options); /* never NULL */
void import_sender_free(struct import_sender *sender);
SCOPED_REF(struct import_sender, import_sender_free)

/* Takes an event, at most IMPORT_ROW_MAX bytes of one line of text, unless the batch is full. */
void import_sender_add(struct import_sender *sender, uint64_t line, struct str event);
bool import_sender_is_full(const struct import_sender *sender);

/* Sends what was added, as often as it takes, and empties the batch. -ERR_NETWORK, -ERR_BUSY: given up; -ERR_DENIED:
 * what the server says will not change by itself; -ERR_STOPPING: stopping was wanted while there was no answer;
 * -ERR_IO, -ERR_FULL: of the rejects. A batch that failed may have been counted in part. */
MUST_USE int import_sender_send(struct import_sender *sender, struct err *err);

#endif
