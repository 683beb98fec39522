/* The line of `run` that says what was counted: "recorded 2 outputs (a.mp4, b.mp4), left out thumb.jpg (a picture)".
 */
#ifndef CODECMETER_CLI_RUN_SUMMARY_H
#define CODECMETER_CLI_RUN_SUMMARY_H

#include <stddef.h>

#include "base/bytes.h"

/* Starts as zeros. */
struct run_summary {
  struct buf recorded, left_out; /* the first names */
  size_t recorded_count, left_out_count;
};
/* path: absolute; shown relative to the working directory if it is below. */
void run_summary_recorded(struct run_summary *summary, const char *path);
/* why: begins with the path, as an error's text does. */
void run_summary_left_out(struct run_summary *summary, const char *path, const char *why);
/* An output that is no file: "NAME: REASON". */
void run_summary_elsewhere(struct run_summary *summary, const char *text);
/* Prints the line on standard error, unless --quiet is given. */
void run_summary_print(const struct run_summary *summary);
void run_summary_fini(struct run_summary *summary);

#endif
