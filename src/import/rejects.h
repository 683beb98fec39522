/* The events of an import that were not stored, one object per line:
 * {"line":n,"id":…,"outcome":…,"reason":…,"event":…}. */
#ifndef CODECMETER_IMPORT_REJECTS_H
#define CODECMETER_IMPORT_REJECTS_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/report.h"
#include "base/bytes.h"
#include "base/err.h"

struct import_reject {
  uint64_t line;
  struct str id; /* empty: unknown */
  enum report_outcome outcome;
  struct str reason;
  struct str event; /* the event as sent, or the text of the file; empty: it was too long to keep */
};

struct import_rejects;

/* Opens or creates the file and locks it for this process. input_fd is the file that is imported. -ERR_USAGE: path is
 * that same file, or holds something else. -ERR_BUSY: another import writes to it. -ERR_IO. */
MUST_USE int import_rejects_open(const char *path, int input_fd, struct import_rejects **ret, struct err *err);
/* Removes the file if it is empty. Events that were not synced may be lost. */
void import_rejects_close(struct import_rejects *rejects);
SCOPED_REF(struct import_rejects, import_rejects_close)

/* Begins a new import: the events of an earlier one stay in the file until the first event is written to it, or until
 * import_rejects_drop_old. So an import that gets no answer loses none of them. */
void import_rejects_begin(struct import_rejects *rejects);
/* Removes the events of an earlier import, if they are still there. */
MUST_USE int import_rejects_drop_old(struct import_rejects *rejects, struct err *err);
/* Truncates the file to this many bytes, if it is longer. */
MUST_USE int import_rejects_cut(struct import_rejects *rejects, uint64_t bytes, struct err *err);
/* Adds an event. */
MUST_USE int import_rejects_add(struct import_rejects *rejects, const struct import_reject *reject, struct err *err);
/* When it returns 0, everything that was added is on disk. */
MUST_USE int import_rejects_sync(struct import_rejects *rejects, struct err *err);

uint64_t import_rejects_bytes(const struct import_rejects *rejects);
const char *import_rejects_path(const struct import_rejects *rejects);

#endif
