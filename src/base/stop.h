/* Stop requests by SIGINT, SIGTERM or SIGHUP. The program polls or waits for them; they interrupt nothing. For a
 * process with one thread of its own. */
#ifndef CODECMETER_BASE_STOP_H
#define CODECMETER_BASE_STOP_H

#include <stdbool.h>
#include <stdint.h>

/* From now on these signals do not end the process by themselves. Signals that are ignored stay ignored. */
void stop_begin(void);

/* How many signals have arrived. */
unsigned stop_count(void);
bool stop_is_wanted(void);   /* at least one has arrived */
bool stop_is_insisted(void); /* at least two have arrived */

/* For poll: readable when a signal has arrived that stop_count has not counted. */
int stop_fd(void);
/* Waits at most ms milliseconds. True if a stop is wanted; it returns at once if that was so before. */
bool stop_wait(int64_t ms);

#endif
