/* Condition variables: all of them are used through here, so that no wait has a deadline on the wall clock, where a
 * step would shorten or lengthen it (design §12, style.md). The caller of a wait has taken `lock`. A spurious wake-up
 * counts as a wake-up: check your condition.
 */
#ifndef CODECMETER_BASE_WAIT_H
#define CODECMETER_BASE_WAIT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

void wait_init(pthread_cond_t *cond);
void wait_fini(pthread_cond_t *cond); /* nobody waits */

void wait_on(pthread_cond_t *cond, pthread_mutex_t *lock);
/* Waits until it is woken or timeout_ms milliseconds have passed on the monotonic clock (>= 0; one call waits at most a
 * day). False if the time has passed. */
bool wait_for_ms(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t timeout_ms);

void wait_wake(pthread_cond_t *cond); /* one that waits */
void wait_wake_all(pthread_cond_t *cond);

#endif
