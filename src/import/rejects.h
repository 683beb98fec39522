/* What an import could not have stored: an object a line, {"line":n,"id":…,"outcome":…,"reason":…,"event":…}. */
#ifndef CODECMETER_IMPORT_REJECTS_H
#define CODECMETER_IMPORT_REJECTS_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/report.h"
#include "base/bytes.h"
#include "base/err.h"

struct import_reject {
  uint64_t line;
  struct str id; /* empty: none that is known */
  enum report_outcome outcome;
  struct str reason;
  struct str event; /* as it was to be sent or stands in the file; empty: it was not held */
};

struct import_rejects;

/* Opens or makes the file, for this process alone. input_fd is what is imported. -ERR_USAGE when that is the same
 * file, or one that holds something else; -ERR_BUSY when another import writes there; -ERR_IO. */
MUST_USE int import_rejects_open(const char *path, int input_fd, struct import_rejects **ret, struct err *err);
/* Removes a file in which nothing stands. What was not synced may be lost. */
void import_rejects_close(struct import_rejects *rejects);
SCOPED_REF(struct import_rejects, import_rejects_close)

/* Cuts off what stands behind so many bytes. */
MUST_USE int import_rejects_cut(struct import_rejects *rejects, uint64_t bytes, struct err *err);
MUST_USE int import_rejects_add(struct import_rejects *rejects, const struct import_reject *reject, struct err *err);
/* Everything that was added is on disk when it returns 0. */
MUST_USE int import_rejects_sync(struct import_rejects *rejects, struct err *err);

uint64_t import_rejects_bytes(const struct import_rejects *rejects);
const char *import_rejects_path(const struct import_rejects *rejects);

#endif
