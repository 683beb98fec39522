/* Memory that the program cannot go on without, in small pieces. What depends on a request's size is refused instead.
 */
#ifndef CODECMETER_BASE_MEMORY_H
#define CODECMETER_BASE_MEMORY_H

#include <stddef.h>

#include "base/scope.h"

/* Zeroed memory, never NULL; the caller frees. While there is none it waits, a minute at most, then ends the program
 * with a message. For threads that others do not wait for. */
MUST_USE void *memory_wait(size_t size);

#endif
