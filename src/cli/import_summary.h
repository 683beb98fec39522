/* What `import` says at its end. */
#ifndef CODECMETER_CLI_IMPORT_SUMMARY_H
#define CODECMETER_CLI_IMPORT_SUMMARY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "import/resume.h"

struct import_summary {
  const uint64_t *counts;    /* [IMPORT_COUNTS] */
  bool has_documents;        /* documents were sent, not rows */
  bool has_zone;             /* a zone was given for local times */
  const char *rejected_path; /* the file of rejects */
};

/* Rows or documents that were answered, or refused before they were sent. */
uint64_t import_summary_count(const struct import_summary *summary);
/* Prints the counts, as JSON or as a line. */
void import_summary_print(const struct import_summary *summary, double seconds, bool is_complete, bool json);
/* 0 if everything is stored, now or before, or waits. Else -ERR_DENIED: err says what is not, and where it is kept.
 */
MUST_USE int import_summary_check(const struct import_summary *summary, struct err *err);

#endif
