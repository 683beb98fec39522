/* The line of `run` that says what was counted: "recorded 2 outputs (a.mp4, b.mp4), left out thumb.jpg (a picture)", or "spooled
 * 1 output (a.mp4)".
 */
#ifndef CODECMETER_CLI_RUN_SUMMARY_H
#define CODECMETER_CLI_RUN_SUMMARY_H

#include <stddef.h>

#include "base/bytes.h"

struct run_names {
  struct buf first; /* the first names */
  size_t count;
};
/* Starts as zeros. */
struct run_summary {
  struct run_names recorded, spooled, left_out;
};
/* path: absolute; shown relative to the working directory if it is below. */
void run_summary_recorded(struct run_summary *summary, const char *path);
/* The same for an output whose event waits in the spool. */
void run_summary_spooled(struct run_summary *summary, const char *path);
/* why: begins with the path, as an error's text does. */
void run_summary_left_out(struct run_summary *summary, const char *path, const char *why);
/* An output that is no file: "NAME: REASON". */
void run_summary_elsewhere(struct run_summary *summary, const char *text);
/* Prints the line on standard error, unless --quiet is given. */
void run_summary_print(const struct run_summary *summary);
void run_summary_fini(struct run_summary *summary);

#endif
