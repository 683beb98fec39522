/* Waits with a deadline. The deadline is on the monotonic clock, so a step of the wall clock neither shortens nor
 * lengthens a wait. Every condition variable that is waited on with a deadline is initialized here (design §12,
 * style.md).
 */
#ifndef CODECMETER_BASE_WAIT_H
#define CODECMETER_BASE_WAIT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* Initializes a condition variable whose deadlines are on the monotonic clock. Aborts if the system cannot. */
void wait_init(pthread_cond_t *cond);

/* Waits until `cond` is signalled or timeout_ms milliseconds have passed (>= 0; one call waits at most a day). The
 * caller holds `lock`. False if the time has passed. A spurious wake-up counts as a signal: check your condition. */
bool wait_for_ms(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t timeout_ms);

#endif
