/* Files that may be new, each with the time of the next look at it. */
#ifndef CODECMETER_AGENT_PENDING_H
#define CODECMETER_AGENT_PENDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/scope.h"

struct pending_file {
  struct stat st;   /* at the last look */
  int64_t due_ms;   /* of the next look, monotonic */
  unsigned tries;   /* how many attempts in a row have failed */
  bool may_be_open; /* inotify reported only that it was made: it may still be written, or was linked in whole */
};

struct pending;
MUST_USE struct pending *pending_new(void); /* never NULL */
void pending_free(struct pending *pending);

bool pending_has(const struct pending *pending, const char *path);
size_t pending_count(const struct pending *pending);
/* Replaces an earlier entry of the path. */
void pending_put(struct pending *pending, const char *path, const struct pending_file *file);
/* The paths that are due, sorted; the caller frees with pending_free_paths. */
char **pending_list_due(const struct pending *pending, int64_t now_ms);
void pending_free_paths(char **paths);
SCOPED_REF(char *, pending_free_paths)
/* Removes and returns the entry of a path that is still due. False if it is not due, or gone. */
bool pending_take(struct pending *pending, const char *path, int64_t now_ms, struct pending_file *ret);
/* When the first file is due; INT64_MAX if no file is pending. */
int64_t pending_next_ms(const struct pending *pending);
/* True if `is_so` is true for any file. */
bool pending_any(const struct pending *pending,
                 bool (*is_so)(void *arg, const char *path, const struct pending_file *file), void *arg);

#endif
