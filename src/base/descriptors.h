/* How many files, sockets and pipes the process may have open at one time. */
#ifndef CODECMETER_BASE_DESCRIPTORS_H
#define CODECMETER_BASE_DESCRIPTORS_H

#include <stdint.h>

/* Raises the soft limit to `wanted`, or to the hard limit if that is lower; never lowers it. Returns the soft limit
 * that now holds, UINT64_MAX if there is none. Programs that are started later inherit it. */
uint64_t descriptors_raise(uint64_t wanted);

#endif
