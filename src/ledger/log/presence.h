/* Checks that a directory's path still leads to that directory. */
#ifndef CODECMETER_LEDGER_LOG_PRESENCE_H
#define CODECMETER_LEDGER_LOG_PRESENCE_H

#include "base/err.h"

struct presence {
  char *path;
  int fd; /* while it is open, no other directory can get the same inode number; -1: not begun */
};
#define PRESENCE_NONE ((struct presence){.fd = -1})

/* Remembers the directory that a path leads to. */
MUST_USE int presence_begin(struct presence *presence, const char *path, struct err *err);
void presence_fini(struct presence *presence);
/* -ERR_CORRUPT if the path now leads nowhere or to another directory; the text says which. 0 if presence_begin was
 * not called. */
MUST_USE int presence_check(const struct presence *presence, struct err *err);

#endif
