/* The resume point of an import: how far it has come. It is saved beside the imported file, and a later run continues there. It
 * only saves time, because every identity counts once.
 */
#ifndef CODECMETER_IMPORT_RESUME_H
#define CODECMETER_IMPORT_RESUME_H

#include <stdint.h>

#include "agent/report.h"
#include "base/bytes.h"
#include "base/err.h"

/* What an import counts. The first ones are the outcomes of events, by enum report_outcome. */
enum import_count {
  IMPORT_OUTCOMES = REPORT_REJECTED + 1,
  IMPORT_UNRESOLVED = IMPORT_OUTCOMES, /* outputs that wait, because their document does not say enough */
  IMPORT_RESOLVED,                     /* of the stored ones: they completed an output that was waiting */
  IMPORT_IGNORED,                      /* parts of documents that are no outputs */
  IMPORT_QUARANTINED,                  /* documents that the server keeps, because its adapter failed on them */
  IMPORT_DOCUMENTS,                    /* documents and pieces of documents that were answered */
  IMPORT_AMBIGUOUS,                    /* rows whose local time occurs twice: the earlier instant was taken */
  IMPORT_COUNTS
};
const char *import_count_name(enum import_count count);

struct import_resume {
  uint64_t offset, line;   /* everything before it was answered; the line begins there */
  uint64_t rejected_bytes; /* length of the file of rejects, up to there */
  uint64_t counts[IMPORT_COUNTS];
};

/* 64 hex digits and a NUL: a fingerprint of a file and of everything that decides what an import of it does. */
#define IMPORT_PRINT_SIZE 65
/* Hashes size, modification time and first bytes of a file, and the text in `how`. -ERR_IO. */
MUST_USE int import_resume_print(int fd, const char *name, struct str how, char ret[IMPORT_PRINT_SIZE],
                                struct err *err);

/* Loads a resume point. -ERR_NOT_FOUND: the file does not exist. -ERR_EXISTS: it is that of another import. -ERR_PARSE:
 * it is damaged. -ERR_IO. */
MUST_USE int import_resume_load(const char *path, const char *print, struct import_resume *ret, struct err *err);
/* Saves a resume point in one step that survives a power cut: afterwards the file is either the old or the new one. */
MUST_USE int import_resume_save(const char *path, const char *print, const struct import_resume *place,
                               struct err *err);
/* Removes the file. It is no error if it does not exist. */
MUST_USE int import_resume_remove(const char *path, struct err *err);

#endif
