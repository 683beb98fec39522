/* A wish to stop, by SIGINT, SIGTERM or SIGHUP: asked about and waited for where it suits, it interrupts nothing. For
 * a process that has one thread of its own. */
#ifndef CODECMETER_BASE_STOP_H
#define CODECMETER_BASE_STOP_H

#include <stdbool.h>
#include <stdint.h>

/* From here on the signals end nothing by themselves. Those that are ignored stay so. */
void stop_begin(void);

/* How many have come. */
unsigned stop_count(void);
bool stop_is_wanted(void);   /* one has come */
bool stop_is_insisted(void); /* another one */

/* Readable when a signal has come that stop_count has not counted: for poll. */
int stop_fd(void);
/* Waits; true when stopping is wanted, at once if it was before. */
bool stop_wait(int64_t ms);

#endif
