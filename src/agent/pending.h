/* Files that may be new, and when each is looked at again. */
#ifndef CODECMETER_AGENT_PENDING_H
#define CODECMETER_AGENT_PENDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/scope.h"

struct pending_file {
  struct stat st;   /* as it was when it was last looked at */
  int64_t due_ms;   /* monotonic */
  unsigned tries;   /* how often in a row it could not be taken */
  bool may_be_open; /* it was only told that it was made: whoever made it may be at it, or have linked it in */
};

struct pending;
MUST_USE struct pending *pending_new(void); /* never NULL */
void pending_free(struct pending *pending);

size_t pending_count(const struct pending *pending);
/* Instead of what was put for the path before. */
void pending_put(struct pending *pending, const char *path, const struct pending_file *file);
/* The paths that are due, sorted; the caller frees with pending_free_paths. */
char **pending_list_due(const struct pending *pending, int64_t now_ms);
void pending_free_paths(char **paths);
SCOPED_REF(char *, pending_free_paths)
/* Takes one out that is still due; false when it is not, or not there any more. */
bool pending_take(struct pending *pending, const char *path, int64_t now_ms, struct pending_file *ret);
/* When the first is due; INT64_MAX when none is there. */
int64_t pending_next_ms(const struct pending *pending);
/* Is it so of any? */
bool pending_any(const struct pending *pending,
                 bool (*is_so)(void *arg, const char *path, const struct pending_file *file), void *arg);

#endif
