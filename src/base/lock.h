/* Locks between threads. They abort on what only a mistake of the program causes: a lock that was not initialized, or
 * that a thread still has when it ends. */
#ifndef CODECMETER_BASE_LOCK_H
#define CODECMETER_BASE_LOCK_H

#include <pthread.h>
#include <stddef.h>

#include "base/check.h"

/* ---- one at a time ---- */

static inline void lock_init(pthread_mutex_t *lock) { CHECK(pthread_mutex_init(lock, NULL) == 0); }
static inline void lock_fini(pthread_mutex_t *lock) { CHECK(pthread_mutex_destroy(lock) == 0); }
static inline void lock_take(pthread_mutex_t *lock) { CHECK(pthread_mutex_lock(lock) == 0); }
static inline void lock_give(pthread_mutex_t *lock) { CHECK(pthread_mutex_unlock(lock) == 0); }

/* ---- many readers, or one writer ---- */

static inline void lock_read(pthread_rwlock_t *lock) { CHECK(pthread_rwlock_rdlock(lock) == 0); }
static inline void lock_write(pthread_rwlock_t *lock) { CHECK(pthread_rwlock_wrlock(lock) == 0); }
static inline void lock_leave(pthread_rwlock_t *lock) { CHECK(pthread_rwlock_unlock(lock) == 0); }

#endif
