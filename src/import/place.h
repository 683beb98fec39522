/* How far an import has come, kept beside what is imported: a later run goes on from there. It only saves time, for
 * every identity counts once.
 */
#ifndef CODECMETER_IMPORT_PLACE_H
#define CODECMETER_IMPORT_PLACE_H

#include <stdint.h>

#include "agent/report.h"
#include "base/bytes.h"
#include "base/err.h"

#define IMPORT_OUTCOMES (REPORT_REJECTED + 1)

struct import_place {
  uint64_t offset, line;              /* all that stands before was answered; the line begins there */
  uint64_t rejected_bytes;            /* of the file of what was not stored, up to there */
  uint64_t outcomes[IMPORT_OUTCOMES]; /* how many had each, by enum report_outcome */
};

/* 64 digits: of a file, and of all that decides what becomes of it. */
#define IMPORT_PRINT_SIZE 65
/* Hashes size, time of writing and the first bytes of a file, and the texts in `how`. -ERR_IO. */
MUST_USE int import_place_print(int fd, const char *name, struct str how, char ret[IMPORT_PRINT_SIZE],
                                struct err *err);

/* -ERR_NOT_FOUND: none is kept there. -ERR_EXISTS: one of something else. -ERR_PARSE, -ERR_IO. */
MUST_USE int import_place_load(const char *path, const char *print, struct import_place *ret, struct err *err);
/* In one step that survives a power cut: the old one or the new one is there. */
MUST_USE int import_place_save(const char *path, const char *print, const struct import_place *place,
                               struct err *err);
/* No error when it is not there. */
MUST_USE int import_place_remove(const char *path, struct err *err);

#endif
