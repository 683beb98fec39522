/* The only file that takes signals. It blocks those that ask for a stop, and reads them from a descriptor: they
 * interrupt nothing, and the program polls or waits for them. Threads inherit the mask, so begin before the first
 * thread starts; afterwards every thread may call the functions that ask or wait. A process begins at most once. Before
 * that, and in a process that never begins, nothing is wanted, and the signals do what they do by default.
 *
 *   stop_begin            SIGINT, SIGTERM, SIGHUP        those that were ignored (nohup) stay ignored
 *   stop_begin_service    the same                       only SIGHUP may stay ignored
 *   stop_begin_relay      the same, and SIGQUIT, SIGUSR1, SIGUSR2: for the child while it lives, then for this process
 */
#ifndef CODECMETER_BASE_STOP_H
#define CODECMETER_BASE_STOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

void stop_begin(void);
/* Also lets a write to a closed pipe, or past the limit of file sizes, fail with an error instead of a signal. */
void stop_begin_service(void);

/* Requests a stop, as SIGTERM does. Only after stop_begin_service. */
void stop_request(void);

bool stop_is_wanted(void);   /* at least one request has arrived */
bool stop_is_insisted(void); /* at least two have arrived; equal signals that nobody has asked about count as one */

/* Waits at most timeout_ms milliseconds; for ever if it is negative. True if a stop is wanted; it returns at once if
 * that was so before. */
bool stop_wait(int64_t timeout_ms);
/* For poll: readable when a signal has arrived that none of the functions above has seen. -1 before the beginning. */
int stop_fd(void);

/* ---- for a process that runs a command ---- */

/* Call this before fork. A signal that arrives between it and stop_relay is not lost: the child gets it. If there is no
 * child, it is a request to stop. */
void stop_begin_relay(void);
/* In the child, before it becomes the command: unblocks what was not blocked before. Ignored signals are still ignored.
 */
void stop_restore(void);
/* Passes signals on to the child until it has ended; does not take its status. A terminal signals its whole foreground
 * group, so the child has got those by itself. A signal that arrives later is a request to stop, unless it was ignored
 * before. Returns 0 or -errno. */
int stop_relay(pid_t pid);

#endif
