/* Shows the progress of long work on one line of standard error: percent, size and rate, or a count. Prints only on a
 * terminal, and not with --quiet. */
#ifndef CODECMETER_CLI_PROGRESS_H
#define CODECMETER_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
  bool terminal;
  bool shown; /* a line is printed and not ended */
  int64_t begun_ms, shown_ms;
  uint64_t done;
};

void progress_begin(struct progress *progress);
/* Shows bytes done of all bytes. A callback for ledger_progress; its argument is a struct progress. */
void progress_step(void *progress, uint64_t done, uint64_t total);
/* Shows bytes done of all bytes (0: unknown), and the rows done in this run. */
void progress_rows(struct progress *progress, uint64_t done, uint64_t total, uint64_t rows);
/* Shows "done of total things". */
void progress_count(struct progress *progress, uint64_t done, uint64_t total, const char *things);
/* Ends the line, if one is printed. Call it before printing anything else. */
void progress_end(struct progress *progress);
/* Seconds since the beginning. */
double progress_seconds(const struct progress *progress);

#endif
