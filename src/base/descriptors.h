/* The limit of files, sockets and pipes that the process may have open at one time. */
#ifndef CODECMETER_BASE_DESCRIPTORS_H
#define CODECMETER_BASE_DESCRIPTORS_H

#include <stdint.h>

/* Raises the soft limit to `wanted`, or to the hard limit if that is lower; never lowers it. Returns the soft
 * limit in force: UINT64_MAX if there is none, 0 if it cannot be read. Child processes inherit the limit. */
uint64_t descriptors_raise(uint64_t wanted);

#endif
