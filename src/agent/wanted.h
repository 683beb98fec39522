/* Decides by name which files are outputs. */
#ifndef CODECMETER_AGENT_WANTED_H
#define CODECMETER_AGENT_WANTED_H

#include <stdbool.h>

/* Lists of patterns, borrowed; each ends with NULL. A list that is NULL is absent. */
struct wanted {
  const char *const *include; /* replaces the default patterns */
  const char *const *exclude; /* in addition to the names that are never outputs */
};

/* below: the path below the watched directory. A pattern with a slash is matched with the whole of it, any other
 * pattern with its last name. Letters match in either case. */
bool wanted_has(const struct wanted *wanted, const char *below);
/* True if the name is that of a list of segments (*.m3u8, *.mpd). */
bool wanted_is_list(const char *path);

#endif
