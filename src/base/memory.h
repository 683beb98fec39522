/* Memory that was freed goes back to the system: an allocator keeps it for later otherwise, and what one storm took
 * stays for ever. */
#ifndef CODECMETER_BASE_MEMORY_H
#define CODECMETER_BASE_MEMORY_H

#include <stdint.h>

/* Sets the allocator up. Call once, before the program has other threads. */
void memory_init(void);

/* Gives back what the allocator keeps free, if the process has grown or shrunk since the last time. Takes time in
 * proportion to that: milliseconds for 100 MB. One thread calls it every few seconds; *state is that thread's own, 0 at
 * first. */
void memory_give_back(uint64_t *state);

#endif
