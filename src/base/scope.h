/* Ownership by scope.
 *
 *   SCOPED(buf_fini) struct buf text = {0};     buf_fini(&text) runs when text leaves its scope
 *   return MOVE(handle);                        handle is now NULL, so its cleanup does nothing
 *
 * A function used with SCOPED takes a pointer to the variable. For a `thing_free(struct thing *)` that takes the
 * pointer itself, SCOPED_REF(struct thing, thing_free) declares `thing_free_ref(struct thing **)`.
 */
#ifndef CODECMETER_BASE_SCOPE_H
#define CODECMETER_BASE_SCOPE_H

#include <stdlib.h>
#include <unistd.h>

#define MUST_USE __attribute__((warn_unused_result))
#define SCOPED(function) __attribute__((cleanup(function)))

#define MOVE(pointer)                     \
  ({                                      \
    __typeof__(pointer) moved_ = pointer; \
    (pointer) = NULL;                     \
    moved_;                               \
  })

#define SCOPED_REF(type, function)                         \
  static inline void function##_ref(type **pointer) {      \
    if (*pointer != NULL) function(*pointer);              \
  }

static inline void scope_free(void *pointer) { free(*(void **)pointer); }

static inline void scope_close(const int *fd) {
  if (*fd >= 0) (void)close(*fd);
}

/* At the end of the scope, the first frees a malloc'd pointer, the second closes a file descriptor (if >= 0). */
#define SCOPED_MALLOC SCOPED(scope_free)
#define SCOPED_FD SCOPED(scope_close)

#endif
