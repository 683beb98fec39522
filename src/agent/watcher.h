/* Watches directories, and all below them, with inotify: reports files that were closed after writing, moved in, or
 * made. Only watcher.c uses inotify. Links are not followed; names that begin with a dot are passed over. */
#ifndef CODECMETER_AGENT_WATCHER_H
#define CODECMETER_AGENT_WATCHER_H

#include "base/err.h"

struct watcher_hooks {
  /* Reports a regular file that may be new, or a path that cannot be looked at now. May report a file again. */
  void (*file)(void *arg, const char *path);
  /* Reports a file that has just got its only name. Either it was opened for writing, and `file` reports it when it
   * is closed; or it was linked in whole and has lost its former name, and nothing more will be reported. */
  void (*made)(void *arg, const char *path);
  /* Reports a directory that cannot be watched or read, and why. The others are watched. */
  void (*trouble)(void *arg, const char *path, const struct err *err);
  void *arg;
};

struct watcher;
/* The watcher borrows hooks as long as it lives. */
MUST_USE int watcher_open(const struct watcher_hooks *hooks, struct watcher **ret, struct err *err);
void watcher_close(struct watcher *watcher);
SCOPED_REF(struct watcher, watcher_close)

/* Watches a directory and all below it, and reports each file that exists. root: the path without links; name: as the
 * user gave it. -ERR_LIMIT names the limit to raise. */
MUST_USE int watcher_add(struct watcher *watcher, const char *root, const char *name, struct err *err);
/* Looks again at a directory that was reported as trouble: watches it and all below it, and reports each file that exists.
 * Not there any more: does nothing. */
MUST_USE int watcher_look(struct watcher *watcher, const char *dir, struct err *err);
/* Reports each file that exists, without watching. */
MUST_USE int watcher_scan(const struct watcher_hooks *hooks, const char *root, struct err *err);

/* A descriptor that is readable when there are events. */
int watcher_fd(const struct watcher *watcher);
/* Reports what has happened; does not wait. If the kernel has dropped events, reports every file that exists.
 * -ERR_NOT_FOUND: an added directory is gone. -ERR_LIMIT as above. */
MUST_USE int watcher_read(struct watcher *watcher, struct err *err);
/* Checks that the added directories still have their paths and names. The kernel reports nothing when a directory
 * above one is renamed, or when a link to it changes. -ERR_NOT_FOUND: one does not. */
MUST_USE int watcher_check(const struct watcher *watcher, struct err *err);

#endif
