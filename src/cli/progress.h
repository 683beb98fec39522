/* Progress of long work, on one line of standard error: percent, size and rate, or a count. Only on a terminal, and
 * not with --quiet. */
#ifndef CODECMETER_CLI_PROGRESS_H
#define CODECMETER_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
  bool terminal;
  bool shown; /* a line stands unfinished */
  int64_t begun_ms, shown_ms;
  uint64_t done;
};

void progress_begin(struct progress *progress);
/* For a ledger_progress, with the struct progress as its argument: bytes done of all bytes. */
void progress_step(void *progress, uint64_t done, uint64_t total);
/* The same where rows count: bytes done of all bytes, 0 where those are not known, and rows done in this run. */
void progress_rows(struct progress *progress, uint64_t done, uint64_t total, uint64_t rows);
/* So many of so many things of that name. */
void progress_count(struct progress *progress, uint64_t done, uint64_t total, const char *things);
/* Ends the line, if there is one: call it before anything else is printed. */
void progress_end(struct progress *progress);
/* Seconds since the beginning. */
double progress_seconds(const struct progress *progress);

#endif
