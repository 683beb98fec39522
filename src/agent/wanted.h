/* Which names are outputs. */
#ifndef CODECMETER_AGENT_WANTED_H
#define CODECMETER_AGENT_WANTED_H

#include <stdbool.h>

/* Lists of patterns that end with NULL, borrowed; a list that is NULL is absent. */
struct wanted {
  const char *const *include; /* instead of the usual ones */
  const char *const *exclude; /* beside those that are never outputs */
};

/* below: the path below the directory that is watched. A pattern with a slash is for all of it, others for its last
 * name; letters match in either case. */
bool wanted_has(const struct wanted *wanted, const char *below);
/* Is it a list of segments, by its name? */
bool wanted_is_list(const char *path);

#endif
