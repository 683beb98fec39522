/* Words that follow a number. */
#ifndef CODECMETER_AGENT_PLURAL_H
#define CODECMETER_AGENT_PLURAL_H

#include <stdint.h>

static inline const char *plural(uint64_t count, const char *one, const char *many) { return count == 1 ? one : many; }

#endif
